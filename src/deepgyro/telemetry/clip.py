"""What a camera writes into its clip beside the gyro: exposures, readout time, stabilisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from deepgyro.errors import DeepGyroError
from deepgyro.telemetry.embedded import open_telemetry_parser

# GoPro's own tags (GPMF), which telemetry-parser hands on under their numbers.
_STABILISATION_TAG = "0x45495341"
"""EISA: how the picture was stabilised in the camera; N: not at all."""
_READOUT_TIME_TAG = "0x53524f54"
"""SROT: sensor readout time, ms."""
_STABILISATION_OFF = ("N", "N/A", "OFF", "")


@dataclass(frozen=True, eq=False)
class ClipMetadata:
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
    stabilisation: str = ""


def read_clip_metadata(path: str | PathLike[str]) -> ClipMetadata:
    """Return what a clip's telemetry says; of a file without any, nothing.

    Read is what GoPro writes; of other makers only the camera's name.
    """
    try:
        parser = open_telemetry_parser(str(path))
        parts = parser.telemetry()
    except DeepGyroError:
        return ClipMetadata()
    exposures: list[float] = []
    readout_time, stabilised = None, ""
    for part in parts:
        for group in part.values():
            if not isinstance(group, dict):
                continue
            mode = group.get(_STABILISATION_TAG)
            if isinstance(mode, str) and mode.strip().upper() not in _STABILISATION_OFF:
                stabilised = mode.strip()
            if _is_number(group.get(_READOUT_TIME_TAG)) and float(group[_READOUT_TIME_TAG]) > 0:
                readout_time = float(group[_READOUT_TIME_TAG]) / 1000
        exposures += read_exposures(part.get("Exposure"), default=exposures)
    camera = " ".join(filter(None, (parser.camera, parser.model)))
    return ClipMetadata(camera, np.array(exposures) if exposures else None, readout_time, stabilised)


def read_exposures(group: Any, *, default: Sequence[float] = ()) -> list[float]:
    """Return the exposures of a part of the telemetry, s.

    In the place of a value that can be none there is that of the frame before it, so that each frame keeps
    its own; if none goes before, that of the first good one. `default`: those of the parts before.
    """
    if not isinstance(group, dict) or group.get("Unit") != "s":
        return []
    found = group.get("Data")
    values = found if isinstance(found, list) else []
    good = [float(value) if _is_number(value) and float(value) > 0 else None for value in values]
    last = default[-1] if default else next((value for value in good if value), None)
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
