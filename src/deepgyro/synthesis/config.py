"""What pairs are drawn from: the presets, and every number in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SynthesisConfig:
    """How pairs are made (being written)."""

    preset: str = "physical"


PHYSICAL = SynthesisConfig()
PAPER = SynthesisConfig(preset="paper")
PRESETS = {"physical": PHYSICAL, "paper": PAPER}
