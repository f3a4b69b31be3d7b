"""What benches read from the folder --data, and what they say where it is not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import DeepGyroError
from ...telemetry import GyroLog, read_gyro

PLANAR_SCENES = ("graf", "ubc", "bikes", "leuven")
"""The Oxford affine sequences that are used."""
VALIDATION_PHOTOS_FOLDER = "photos/val"
# Logs that no training sees, and what their columns are where they don't say.
VALIDATION_LOG_COLUMNS = {
    "gyro/tum_vi/room3.csv.gz": None,
    "gyro/inertialscale/D13/gyroscope.txt.gz": "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]",
}


def require_files(data: Path, names: Sequence[str], reason: str) -> list[Path]:
    """Return files and folders of the data folder.

    Raises
    ------
    DeepGyroError
        If one is missing; `reason` says what it is needed for.
    """
    paths = [data / name for name in names]
    if missing := [path for path in paths if not path.exists()]:
        raise DeepGyroError(f"{missing[0]} is missing: {reason} in the folder --data, here {data}")
    return paths


def planar_picture_path(data: Path, scene: str) -> Path:
    """Return the first picture of a sequence."""
    reason = f"needed are the first pictures of {', '.join(PLANAR_SCENES)} (Oxford affine data set) as "
    return require_files(
        data, [f"eval/oxford_affine/{scene}/img1.png"], reason + "eval/oxford_affine/NAME/img1.png"
    )[0]


def validation_photos(data: Path) -> list[Path]:
    """Return the validation photos, in the order of their names."""
    (folder,) = require_files(
        data, [VALIDATION_PHOTOS_FOLDER], f"sharp photos are needed as {VALIDATION_PHOTOS_FOLDER}/NAME.jpg"
    )
    return list_photos(folder)


def list_photos(folder: Path) -> list[Path]:
    """Return the photos of a folder, in the order of their names."""
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not photos:
        raise DeepGyroError(f"{folder} holds no photo (.jpg, .png): sharp photos are needed there")
    return photos


def read_validation_logs(data: Path) -> list[GyroLog]:
    """Return the validation logs."""
    paths = require_files(
        data, list(VALIDATION_LOG_COLUMNS), f"the gyro logs {' and '.join(VALIDATION_LOG_COLUMNS)} are needed"
    )
    return [
        read_gyro(path, columns=columns)
        for path, columns in zip(paths, VALIDATION_LOG_COLUMNS.values(), strict=True)
    ]
