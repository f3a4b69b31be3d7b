"""Gyro, exposures and readout time inside clips and binary logs, read by the library telemetry-parser."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..errors import DeepGyroError
from .gyrolog import GyroLog, make_checked_log

# GoPro's own tags (GPMF), which telemetry-parser hands on under their numbers.
_STABILISATION_TAG = "0x45495341"
"""EISA: how the picture was stabilised in the camera; N: not at all."""
_READOUT_TIME_TAG = "0x53524f54"
"""SROT: sensor readout time, ms."""
_STABILISATION_OFF = ("N", "N/A", "OFF", "")


@dataclass(frozen=True, eq=False)
class ClipMetadata:
    """How the frames of a clip were taken."""

    camera: str = ""
    """Maker and model; empty: unknown."""
    exposures: Float64[ndarray, " m"] | None = None
    """How long a line of each frame collects light, in the frames' order, s; None: not recorded. There may be
    a few more or fewer than frames."""
    readout_time: float | None = None
    """Of the whole picture, s; None: not recorded."""
    stabilisation: str = ""
    """How the camera stabilised the picture, so that gyro and picture don't belong together; else empty."""


def read_embedded_gyro(path: str) -> GyroLog:
    """Read the gyro of a video or a binary log: GoPro, Insta360, DJI, Sony, Blackbox, ...

    The axes are those of telemetry-parser's `normalized_imu`; the clock begins with the recording. A GoPro
    gives one time for a second of samples, so the library spaces all samples evenly, by the mean interval:
    such a log shows no gaps, even where the camera dropped samples.

    Raises
    ------
    DeepGyroError
        If the library does not know the file, or finds no gyro samples in it.
    """
    parser = _open_parser(path)
    try:
        samples = parser.normalized_imu()
    except BaseException as error:
        raise _unreadable_error(path, error) from None
    held, camera = np.flatnonzero([sample["gyro"] is not None for sample in samples]), _camera_name(parser)
    if len(held) == 0:
        raise DeepGyroError(
            f"{path}: {camera} recorded no gyro samples here; give the gyro log of the recording"
        )
    if len(held) < held[-1] - held[0] + 1:
        raise DeepGyroError(
            f"{path}: {len(samples) - len(held)} of the {len(samples)} samples of {camera} have no rates, so "
            " that the times cannot be trusted; give the gyro log of the recording"
        )
    t = np.array([samples[i]["timestamp_ms"] for i in held], dtype=np.float64) * 1e-3
    omega = np.radians(np.array([samples[i]["gyro"] for i in held], dtype=np.float64))
    return make_checked_log(t, omega, path)


def read_clip_metadata(path: str | PathLike[str]) -> ClipMetadata:
    """Return the metadata in a clip's telemetry: GoPro's; of other makers only the camera's name."""
    try:
        parser = _open_parser(str(path))
        parts = parser.telemetry()
    except DeepGyroError:
        return ClipMetadata()
    exposures: list[float] = []
    readout_time, stabilisation = None, ""
    for part in parts:
        for group in part.values():
            if not isinstance(group, dict):
                continue
            mode = group.get(_STABILISATION_TAG)
            if isinstance(mode, str) and mode.strip().upper() not in _STABILISATION_OFF:
                stabilisation = mode.strip()
            if ms := _to_positive(group.get(_READOUT_TIME_TAG)):
                readout_time = ms / 1000
        exposures += read_exposures(part.get("Exposure"), default=exposures)
    return ClipMetadata(
        _camera_name(parser), np.array(exposures) if exposures else None, readout_time, stabilisation
    )


def read_exposures(group: Any, *, default: Sequence[float] = ()) -> list[float]:
    """Return the exposures of a part of the telemetry, s; `default`: those of the parts before.

    A value that is no exposure is replaced by that of the frame before, so that each frame keeps its own; if
    none goes before, by the first good one.
    """
    if not isinstance(group, dict) or group.get("Unit") != "s":
        return []
    values = group.get("Data")
    exposures = [_to_positive(value) for value in (values if isinstance(values, list) else [])]
    last = default[-1] if default else next(filter(None, exposures), None)
    filled: list[float] = []
    for exposure in exposures:
        last = exposure or last
        if last is not None:
            filled.append(last)
    return filled


def _open_parser(path: str) -> Any:
    import telemetry_parser

    try:
        return telemetry_parser.Parser(path)
    except BaseException as error:
        raise _unreadable_error(path, error) from None


def _unreadable_error(path: str, error: BaseException) -> BaseException:
    """Return the error that says why a file cannot be read; one that is not the library's, unchanged."""
    # A panic of the library's Rust code on a broken file is no Exception and has no importable name.
    if type(error).__name__ == "PanicException":
        reason = f"the file is broken: {error}"
    elif isinstance(error, (OSError, ValueError)):
        reason = str(error)
    else:
        return error
    reason = " ".join(reason.split()).rstrip(".")
    return DeepGyroError(
        f"{path}: no gyro data that telemetry-parser can read ({reason}); give the gyro log of the recording"
    )


def _camera_name(parser: Any) -> str:
    return " ".join(filter(None, (parser.camera, parser.model)))


def _to_positive(value: Any) -> float | None:
    """Return a finite number above 0; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None
