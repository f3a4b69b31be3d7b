"""Training pairs from sharp photos and gyro logs (section 4.2 of the paper, and the physics it left out)."""

from .config import PAPER, PHYSICAL, PRESETS, SynthesisConfig
from .hand import blur_photo, hand_shake
from .pair import Pair, make_pair

__all__ = [
    "PAPER",
    "PHYSICAL",
    "PRESETS",
    "Pair",
    "SynthesisConfig",
    "blur_photo",
    "hand_shake",
    "make_pair",
]
