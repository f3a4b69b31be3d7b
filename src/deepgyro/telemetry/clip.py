"""What a camera writes into its clip beside the gyro: exposures, readout time, stabilisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from deepgyro.errors import DeepGyroError
from deepgyro.telemetry.embedded import open_parser

# GoPro's own tags (GPMF), which telemetry-parser hands on under their numbers.
_STABILISED = "0x45495341"
"""EISA: how the picture was stabilised in the camera; N: not at all."""
_READOUT = "0x53524f54"
"""SROT: sensor readout time, ms."""
_NOT_STABILISED = ("N", "N/A", "OFF", "")


@dataclass(frozen=True, eq=False)
class ClipFacts:
    """What a clip says about how its frames were taken.

    Parameters
    ----------
    camera
        Maker and model; empty where none is known.
    exposures
        How long a line of each frame collected light, in the frames' order, s; None: not recorded. There may
        be a few more or fewer than frames.
    readout_time
        Of the whole picture, s; None: not recorded.
    stabilised
        How the camera stabilised the picture, so that gyro and picture don't belong together; else empty.
    """

    camera: str = ""
    exposures: Float64[ndarray, " m"] | None = None
    readout_time: float | None = None
    stabilised: str = ""


def read_clip_facts(path: str | PathLike[str]) -> ClipFacts:
    """Return what a clip's telemetry says; of a file without any, nothing.

    Read is what GoPro writes; of other makers only the camera's name.
    """
    try:
        parser = open_parser(str(path))
        parts = parser.telemetry()
    except DeepGyroError:
        return ClipFacts()
    exposures: list[float] = []
    readout_time, stabilised = None, ""
    for part in parts:
        for group in part.values():
            if not isinstance(group, dict):
                continue
            mode = group.get(_STABILISED)
            if isinstance(mode, str) and mode.strip().upper() not in _NOT_STABILISED:
                stabilised = mode.strip()
            if _is_number(group.get(_READOUT)) and float(group[_READOUT]) > 0:
                readout_time = float(group[_READOUT]) / 1000
        exposures += exposures_of(part.get("Exposure"), before=exposures)
    camera = " ".join(filter(None, (parser.camera, parser.model)))
    return ClipFacts(camera, np.array(exposures) if exposures else None, readout_time, stabilised)


def exposures_of(group: Any, *, before: Sequence[float] = ()) -> list[float]:
    """Return the exposures of a part of the telemetry, s.

    In the place of a value that can be none there is that of the frame before it, so that each frame keeps
    its own; if none goes before, that of the first good one. `before`: those of the parts before.
    """
    if not isinstance(group, dict) or group.get("Unit") != "s":
        return []
    found = group.get("Data")
    values = found if isinstance(found, list) else []
    good = [float(value) if _is_number(value) and float(value) > 0 else None for value in values]
    last = before[-1] if before else next((value for value in good if value), None)
    kept: list[float] = []
    for value in good:
        last = value or last
        if last is not None:
            kept.append(last)
    return kept


def _is_number(value: object) -> bool:
    try:
        return bool(np.isfinite(float(value)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
