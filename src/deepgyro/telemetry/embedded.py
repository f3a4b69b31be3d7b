"""Gyro data inside videos and in the logs that the library telemetry-parser knows."""

from typing import Any

import numpy as np

from deepgyro.errors import DeepGyroError
from deepgyro.telemetry.gyrolog import GyroLog, make_checked_log


def read_embedded_gyro(path: str) -> GyroLog:
    """Read the gyro of a video or a binary log by telemetry-parser: GoPro, Insta360, DJI, Sony, Blackbox, ...

    The axes are those of telemetry-parser's `normalized_imu`; the clock begins with the recording. A GoPro
    gives one time for a second of samples, so the library spaces all samples evenly, by the mean interval:
    such a log shows no gaps, even where the camera dropped samples.

    Raises
    ------
    DeepGyroError
        If the library does not know the file, or finds no gyro samples in it.
    """
    parser = open_telemetry_parser(path)
    try:
        samples = parser.normalized_imu()
    except BaseException as error:
        raise _unreadable_error(path, error) from None
    with_gyro = np.array([sample["gyro"] is not None for sample in samples], dtype=bool)
    held = np.flatnonzero(with_gyro)
    camera = " ".join(filter(None, (parser.camera, parser.model)))
    if len(held) == 0:
        raise DeepGyroError(
            f"{path}: {camera} recorded no gyro samples here; give the gyro log of the recording"
        )
    if len(held) < held[-1] - held[0] + 1:
        raise DeepGyroError(
            f"{path}: {len(samples) - len(held)} of the {len(samples)} samples of {camera} have no rates, so "
            "that the times cannot be trusted; give the gyro log of the recording"
        )
    t = np.array([samples[i]["timestamp_ms"] for i in held], dtype=np.float64) * 1e-3
    omega = np.radians(np.array([samples[i]["gyro"] for i in held], dtype=np.float64))
    return make_checked_log(t, omega, path)


def open_telemetry_parser(path: str) -> Any:
    """Return telemetry-parser's view of a file.

    Raises
    ------
    DeepGyroError
        If the library does not know the file.
    """
    import telemetry_parser

    try:
        return telemetry_parser.Parser(path)
    except BaseException as error:
        raise _unreadable_error(path, error) from None


def _unreadable_error(path: str, error: BaseException) -> BaseException:
    """Return the error that says why a file cannot be read; one that is not the library's, as it is."""
    # A panic of the library's Rust code on a broken file is no Exception and has no importable name.
    if type(error).__name__ == "PanicException":
        reason = f"the file is broken: {error}"
    elif isinstance(error, (OSError, ValueError)):
        reason = str(error)
    else:
        return error
    words = " ".join(reason.split()).rstrip(".")
    return DeepGyroError(
        f"{path}: no gyro data that telemetry-parser can read ({words}); give the gyro log of the recording"
    )
