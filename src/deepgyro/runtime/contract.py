"""What a runtime must know of a network's weights: it travels in the ONNX file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import DeepGyroError

KEY = "deepgyro"
"""The entry of an ONNX file's metadata that holds the contract, as JSON."""


@dataclass(frozen=True)
class Contract:
    """How the network of a file is used, and where it comes from.

    The file holds one graph for each stage k, apart from the others: ``seen{k}`` (1, channels, h, w) in,
    ``change{k}`` (1, 3, h, w) and, but for the last, ``memory{k}`` (1, c, h / 2, w / 2) out, which the next
    stage takes as ``before{k + 1}``; all float32. `inputs.StageInputs` says what a stage sees.
    """

    name: str
    stages: int
    fractions: tuple[float, ...]
    """Of a path, where differences are taken along it."""
    steps: tuple[float, ...]
    """Of a path, half the distance of a difference's two samples."""
    multiple: int
    """Height and width are multiples of this, px."""
    margin: int
    """How far from a pixel a stage sees, px."""
    parameters: int
    gmac: float
    """Multiply-adds of all stages for 256 x 256 px, in 10^9."""
    trained: str
    """For how long."""
    licence: str
    commit: str
    """Of the program that exported it."""
    scores: dict[str, float]
    """Gains over the blurred picture on validation pairs, dB."""

    def to_json(self) -> str:
        """Return the entry of the metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None, *, source: str) -> Contract:
        """Read the entry of the metadata.

        Raises
        ------
        DeepGyroError
            If it is missing, or not of this program's version.
        """
        entries = read_entries(text, source=source)
        try:
            values: dict[str, Any] = {field.name: entries[field.name] for field in fields(cls)}
            return cls(**values | {name: tuple(values[name]) for name in ("fractions", "steps")})
        except (ValueError, KeyError, TypeError) as error:
            raise DeepGyroError(
                f"{source}: written by another version of deepgyro ({error}); export it again"
            ) from error


def read_entries(text: str | None, *, source: str) -> dict[str, Any]:
    """Return what the metadata's entry says.

    Raises
    ------
    DeepGyroError
        If it is missing, or no JSON object.
    """
    if not text:
        raise DeepGyroError(f"{source}: not written by deepgyro export (no entry {KEY} in its metadata)")
    try:
        entries: dict[str, Any] = dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise DeepGyroError(
            f"{source}: written by another version of deepgyro ({error}); export it again"
        ) from error
    return entries
