"""Sharp photos as a shaking camera takes them: known field, linear light, sensor noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
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
    """A sharp picture, the same blurred, and what the camera did."""

    sharp: UInt8[ndarray, "h w 3"]
    """Encoded (sRGB)."""
    blurred: UInt8[ndarray, "h w 3"]
    """Encoded; with sensor noise."""
    field: PatchedField
    """The paths that made it, px."""
    exposure: SimulatedExposure
    """The stretch of the log behind them."""
    mismatched_exposure: SimulatedExposure
    """What another log, or another stretch of it, tells: a motion of the same length."""
    error_direction: Float64[ndarray, " 3"]
    """A unit vector: which way errors go that have a direction."""


def simulate_photos(
    photos: Sequence[Path],
    logs: Sequence[GyroLog],
    *,
    count: int,
    lengths: Sequence[int],
    height: int,
    width: int,
    seed: int,
) -> Iterator[tuple[int, SimulatedPhoto]]:
    """Yield each of so many photos, blurred by each mean length (px); the same seed gives the same shots.

    Raises
    ------
    ValueError
        If there are not so many photos, or one is smaller than the picture.
    """
    for k, path in enumerate(draw_photos(photos, count, seed)):
        pixels = to_eight_bits(read_photo(path, quiet=True).pixels)
        for blur_px in lengths:
            rng = np.random.default_rng([seed, k, blur_px])
            yield blur_px, simulate_photo(pixels, logs, float(blur_px), rng, height=height, width=width)


def draw_photos(photos: Sequence[Path], count: int, seed: int) -> list[Path]:
    """Return so many photos, drawn with a seed; a larger count adds to a smaller one's."""
    if not 1 <= count <= len(photos):
        raise ValueError(f"count is {count}; there are {len(photos)} photos, 1 to {len(photos)} is needed")
    if seed < 0:
        raise ValueError(f"--seed is {seed}: a whole number from 0 on is needed")
    return [photos[k] for k in np.random.default_rng(seed).permutation(len(photos))[:count]]


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
    place = PhotoCrop(window.photo, window.top, window.left, height, width)
    return simulate_shake(place, logs, blur_px, rng, image=image, still=still)


@dataclass(frozen=True, eq=False)
class PhotoCrop:
    """A part of a sharp photo."""

    photo: UInt8[ndarray, "a b 3"]
    top: int
    left: int
    height: int
    width: int


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
    """Blur a part of a photo by a motion of a log, scaled to a mean length.

    Camera, exposure, rolling shutter, light and noise are by default drawn as the preset "physical" of
    `synth` draws them; the camera only turns, so that a right gyro is right.

    Parameters
    ----------
    crop
        Sharp, encoded (sRGB).
    logs
        One of them is drawn for the motion, another for a wrong gyro.
    blur_px
        Mean length of the paths, px.
    camera, image
        What cameras, light and noise are drawn from.
    still
        The picture is taken as if the camera had not turned.
    patches
        Regions that move by themselves.
    """
    first = int(rng.integers(len(logs)))
    drawn_camera = draw_camera(rng, camera, height=crop.height, width=crop.width)
    draws = replace(PHYSICAL_PRESET.motion, blur=blur_px, blur_power=0.0)
    taken = draw_exposure(rng, logs[first], drawn_camera, draws)
    other = draw_exposure(rng, logs[(first + 1) % len(logs)], drawn_camera, draws)
    path = taken.without_motion() if still else taken
    field = PatchedField(path.field().sample_on_grid(NODE_STEP_PX), patches)
    scene, y, x = crop_with_margin(
        crop.photo, crop.top, crop.left, crop.height, crop.width, field.max_reach_px
    )
    recorded = render_exposure(rng, scene, y, x, field, image)
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    return SimulatedPhoto(recorded.sharp, recorded.blurred, field, taken, other, direction)
