"""Real blurred photos with their gyro, as the data folder holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ...blurfield import Field, measure_field, read_field_pair
from ...camera import Camera
from ...errors import DeepGyroError
from ...photos import find_photos
from ...recording import FieldSource
from ...recording.photos import PhotoRecording, read_photo_recording
from .datafolder import require_files
from .shots import read_pixels

_T = TypeVar("_T")

EXAMPLES_FOLDER = Path(__file__).parents[4] / "examples"
"""The camera files of the recordings, in the checkout."""
# Photos, gyro log and table of times of each recording, below real/ in the data folder.
RECORDING_FILES = {
    "shield_burst": ("images", "imu/imu.txt", "images/images.txt"),
    "iphone_office": ("rgb", "imu.csv", "frames.csv"),
    "iphone_billiards": ("rgb", "imu.csv", "frames.csv"),
    "mars": ("video_frames", "gyro_accel.csv", "movie_metadata.csv"),
}
CAMERA_FILE_STEMS = {"shield_burst": "shield"}  # where the file is not named like the recording
PAPER_CROPS = ("bridge", "church", "entrance", "office", "tower")
"""Figure 8 of the paper."""


@dataclass(frozen=True, eq=False)
class RealPhoto:
    """A photo with the field that its gyro gives, at the size at which it is deblurred."""

    path: Path
    field: Field
    """px"""
    camera: Camera | None = None
    """For this size; None where it is not known."""
    t: float | None = None
    """When it was taken, s on its recording's clock."""

    @cached_property
    def blur_px(self) -> float:
        """Median length of the paths, px."""
        return measure_field(self.field)[0]

    def read_pixels(self) -> UInt8[ndarray, "h w 3"]:
        """Return the photo at the field's size, averaged."""
        import cv2

        pixels = read_pixels(self.path)
        height, width = self.field.shape[:2]
        if pixels.shape[:2] == (height, width):
            return pixels
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def read_real_photos(data: Path, name: str, width: int) -> list[RealPhoto]:
    """Return the photos of a recording that its log covers, made smaller to a width (px).

    Raises
    ------
    DeepGyroError
        If the recording is not in the data folder, or its camera file not in the checkout.
    """
    recording, photos = open_recording(data, name)
    camera = recording.camera
    height = round(camera.height * width / camera.width)
    covered = []
    for photo in photos:
        field, _ = recording.photo_field(photo, height, width)
        frame = recording.exposures[photo]
        if field is not None and frame is not None:
            covered.append(RealPhoto(photo, field, camera.scale_to(height=height, width=width), frame.t))
    return covered


def open_recording(data: Path, name: str) -> tuple[PhotoRecording, list[Path]]:
    """Return a recording and its photos; errors as in `read_real_photos`."""
    reason = f"the recording real/{name} is needed"
    folder, gyro, frames = require_files(
        data, [f"real/{name}/{part}" for part in RECORDING_FILES[name]], reason
    )
    photos = find_photos([folder])
    recording = read_photo_recording(FieldSource(gyro=gyro, camera=camera_path(name), frames=frames), photos)
    if recording is None:
        raise DeepGyroError(f"{gyro}: no recording")
    return recording, photos


def spread_evenly(items: Sequence[_T], count: int) -> list[_T]:
    """Return at most so many items, evenly spread from the first to the last."""
    return [items[k] for k in np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)]


def camera_path(name: str) -> Path:
    """Return the camera file of a recording, one of the checkout's examples."""
    path = EXAMPLES_FOLDER / f"{CAMERA_FILE_STEMS.get(name, name)}.yaml"
    if not path.is_file():
        raise DeepGyroError(f"{path} is missing: the benches with real photos need a checkout of the program")
    return path


def read_paper_crops(data: Path) -> list[RealPhoto]:
    """Return the crops of figure 8 with the authors' fields, which are straight and of 8 bits."""
    parts = ("blurred", "blurx", "blury")
    names = [f"real/shield_crops/{part}/{name}.png" for name in PAPER_CROPS for part in parts]
    reason = "the crops of figure 8 are needed as real/shield_crops/{blurred,blurx,blury}/"
    paths = require_files(data, names, reason)
    triples = zip(paths[::3], paths[1::3], paths[2::3], strict=True)
    return [RealPhoto(photo, read_field_pair(x, y)) for photo, x, y in triples]
