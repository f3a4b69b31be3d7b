"""What benches read from the folder --data, and what they say where it is not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import DeepGyroError
from ...telemetry import GyroLog, read_gyro

PLANAR = ("graf", "ubc", "bikes", "leuven")
"""The Oxford affine sequences that are used."""
HELD_PHOTOS = "photos/val"
# Logs that no training sees, and what their columns are where they don't say.
HELD_LOGS = {
    "gyro/tum_vi/room3.csv.gz": None,
    "gyro/inertialscale/D13/gyroscope.txt.gz": "t[ns],wx[rad/s],wy[rad/s],wz[rad/s]",
}


def needed(data: Path, names: Sequence[str], reason: str) -> list[Path]:
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


def planar_picture(data: Path, scene: str) -> Path:
    """Return the first picture of a sequence."""
    reason = f"needed are the first pictures of {', '.join(PLANAR)} (Oxford affine data set) as "
    return needed(
        data, [f"eval/oxford_affine/{scene}/img1.png"], reason + "eval/oxford_affine/NAME/img1.png"
    )[0]


def held_photos(data: Path) -> list[Path]:
    """Return the validation photos, in the order of their names."""
    (folder,) = needed(data, [HELD_PHOTOS], f"sharp photos are needed as {HELD_PHOTOS}/NAME.jpg")
    return photos_in(folder)


def photos_in(folder: Path) -> list[Path]:
    """Return the photos of a folder, in the order of their names."""
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not photos:
        raise DeepGyroError(f"{folder} holds no photo (.jpg, .png): sharp photos are needed there")
    return photos


def held_logs(data: Path) -> list[GyroLog]:
    """Return the validation logs."""
    paths = needed(data, list(HELD_LOGS), f"the gyro logs {' and '.join(HELD_LOGS)} are needed")
    return [read_gyro(path, columns=columns) for path, columns in zip(paths, HELD_LOGS.values(), strict=True)]
