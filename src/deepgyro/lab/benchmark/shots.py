"""Sharp photos as a shaking camera takes them: known field, linear light, sensor noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray

from ...frames import read_photo, to_eight_bits
from ...telemetry import GyroLog
from ..synthesis import PHYSICAL_PRESET
from ..synthesis.config import CameraDraws, ImageDraws
from ..synthesis.image import crop_with_margin, draw_window, render_exposure
from ..synthesis.motion import NODE_STEP_PX, SimulatedExposure, draw_camera, draw_exposure
from ..synthesis.patches import MovingPatch, PatchedField


@dataclass(frozen=True, eq=False)
class SimulatedPhoto:
    """A sharp picture, the same blurred, and the camera's motion."""

    sharp: UInt8[ndarray, "h w 3"]
    """Encoded (sRGB)."""
    blurred: UInt8[ndarray, "h w 3"]
    """Encoded; with sensor noise."""
    field: PatchedField
    """The paths that made it, px."""
    exposure: SimulatedExposure
    """The stretch of the log behind them."""
    mismatched_exposure: SimulatedExposure
    """A motion of the same length from another log, or another stretch of it."""
    error_direction: Float64[ndarray, " 3"]
    """Unit vector: the direction of errors that have one."""


@dataclass(frozen=True, eq=False)
class PhotoCrop:
    """A part of a sharp photo."""

    photo: UInt8[ndarray, "a b 3"]
    top: int
    left: int
    height: int
    width: int


def read_pixels(path: Path) -> UInt8[ndarray, "h w 3"]:
    """Return a photo in 8 bits, encoded (sRGB)."""
    return to_eight_bits(read_photo(path, quiet=True).pixels)


def exposure_paths(exposure: SimulatedExposure) -> Float32[ndarray, "h w n 2"]:
    """Return the blur field of an exposure, px."""
    return exposure.field().sample_on_grid(NODE_STEP_PX)[:, :]


def draw_photos(photos: Sequence[Path], count: int, seed: int) -> list[Path]:
    """Return so many photos, drawn with a seed; a larger count adds to a smaller one's."""
    if not 1 <= count <= len(photos):
        raise ValueError(f"count is {count}; there are {len(photos)} photos, 1 to {len(photos)} is needed")
    if seed < 0:
        raise ValueError(f"--seed is {seed}: a whole number from 0 on is needed")
    return [photos[k] for k in np.random.default_rng(seed).permutation(len(photos))[:count]]


def draw_pixels(photos: Sequence[Path], count: int, seed: int) -> Iterator[UInt8[ndarray, "a b 3"]]:
    """Yield the pixels of `draw_photos`."""
    yield from map(read_pixels, draw_photos(photos, count, seed))


def simulate_photo(
    photo: UInt8[ndarray, "a b 3"],
    logs: Sequence[GyroLog],
    blur_px: float,
    rng: np.random.Generator,
    *,
    height: int,
    width: int,
    image: ImageDraws = PHYSICAL_PRESET.image,
    still: bool = False,
) -> SimulatedPhoto:
    """Blur a part of a photo, drawn as the preset "physical" of `synth` draws it; see `simulate_shake`."""
    window = draw_window(rng, photo, height, width, image)
    crop = PhotoCrop(window.photo, window.top, window.left, height, width)
    return simulate_shake(crop, logs, blur_px, rng, image=image, still=still)


def simulate_shake(
    crop: PhotoCrop,
    logs: Sequence[GyroLog],
    blur_px: float,
    rng: np.random.Generator,
    *,
    camera: CameraDraws = PHYSICAL_PRESET.camera,
    image: ImageDraws = PHYSICAL_PRESET.image,
    still: bool = False,
    patches: tuple[MovingPatch, ...] = (),
) -> SimulatedPhoto:
    """Blur a part of a photo (encoded, sRGB) by a motion of a log, scaled to a mean length of `blur_px`.

    Camera, exposure, rolling shutter, light and noise are by default drawn as the preset "physical" of
    `synth` draws them; the camera only rotates, so the gyro's field is exact. One of the logs is drawn for
    the motion, another for the mismatched one. `still`: the picture is taken without the camera's rotation;
    `patches`: regions that move by themselves.
    """
    first = int(rng.integers(len(logs)))
    drawn_camera = draw_camera(rng, camera, height=crop.height, width=crop.width)
    draws = replace(PHYSICAL_PRESET.motion, blur=float(blur_px), blur_power=0.0)
    exposure = draw_exposure(rng, logs[first], drawn_camera, draws)
    mismatched = draw_exposure(rng, logs[(first + 1) % len(logs)], drawn_camera, draws)
    path = exposure.without_motion() if still else exposure
    field = PatchedField(path.field().sample_on_grid(NODE_STEP_PX), patches)
    scene, y, x = crop_with_margin(
        crop.photo, crop.top, crop.left, crop.height, crop.width, field.max_reach_px
    )
    rendered = render_exposure(rng, scene, y, x, field, image)
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    return SimulatedPhoto(rendered.sharp, rendered.blurred, field, exposure, mismatched, direction)
