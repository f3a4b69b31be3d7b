"""Real blurred photos with their gyro, as the data folder holds them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from ...blurfield import Field, field_extent, read_field_pair
from ...camera import Camera
from ...errors import DeepGyroError
from ...frames import eight_bits, read_photo
from ...photos import find_photos
from ...recording import Source
from ...recording.photos import Recording, read_recording
from .datafolder import needed

EXAMPLES = Path(__file__).parents[4] / "examples"
"""The camera files of the recordings, in the checkout."""
# Photos, gyro log and table of times of each recording, below real/ in the data folder.
RECORDINGS = {
    "shield_burst": ("images", "imu/imu.txt", "images/images.txt"),
    "iphone_office": ("rgb", "imu.csv", "frames.csv"),
    "iphone_billiards": ("rgb", "imu.csv", "frames.csv"),
    "mars": ("video_frames", "gyro_accel.csv", "movie_metadata.csv"),
}
CAMERAS = {"shield_burst": "shield"}  # where the file is not named like the recording
CROPS = ("bridge", "church", "entrance", "office", "tower")
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
        return field_extent(self.field)[0]

    def pixels(self) -> UInt8[ndarray, "h w 3"]:
        """Return the photo at the field's size, averaged."""
        import cv2

        pixels = eight_bits(read_photo(self.path, quiet=True).pixels)
        height, width = self.field.shape[:2]
        if pixels.shape[:2] == (height, width):
            return pixels
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def recorded_photos(data: Path, name: str, width: int) -> list[RealPhoto]:
    """Return the photos of a recording that its log covers, made smaller to a width (px).

    Raises
    ------
    DeepGyroError
        If the recording is not in the data folder, or its camera file not in the checkout.
    """
    recording, photos = recorded(data, name)
    camera = recording.camera
    height = round(camera.height * width / camera.width)
    found = []
    for photo in photos:
        field, _ = recording.field(photo, height, width)
        frame = recording.times[photo]
        if field is not None and frame is not None:
            found.append(RealPhoto(photo, field, camera.scaled(height=height, width=width), frame.t))
    return found


def recorded(data: Path, name: str) -> tuple[Recording, list[Path]]:
    """Return a recording and its photos; errors as in `recorded_photos`."""
    reason = f"the recording real/{name} is needed"
    folder, gyro, frames = needed(data, [f"real/{name}/{part}" for part in RECORDINGS[name]], reason)
    photos = find_photos([folder])
    recording = read_recording(Source(gyro=gyro, camera=camera_file(name), frames=frames), photos)
    if recording is None:
        raise DeepGyroError(f"{gyro}: no recording")
    return recording, photos


def camera_file(name: str) -> Path:
    """Return the camera file of a recording, one of the checkout's examples."""
    path = EXAMPLES / f"{CAMERAS.get(name, name)}.yaml"
    if not path.is_file():
        raise DeepGyroError(f"{path} is missing: the benches with real photos need a checkout of the program")
    return path


def crops(data: Path) -> list[RealPhoto]:
    """Return the crops of figure 8 with the authors' fields, which are straight and of 8 bits."""
    names = [
        f"real/shield_crops/{part}/{name}.png" for name in CROPS for part in ("blurred", "blurx", "blury")
    ]
    paths = needed(
        data, names, "the crops of figure 8 are needed as real/shield_crops/{blurred,blurx,blury}/"
    )
    triples = zip(paths[::3], paths[1::3], paths[2::3], strict=True)
    return [RealPhoto(photo, read_field_pair(x, y)) for photo, x, y in triples]
