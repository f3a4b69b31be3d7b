"""Sharp photos as a shaking camera takes them: known field, linear light, sensor noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from ...frames import eight_bits, read_photo
from ...telemetry import GyroLog
from ..synthesis import PHYSICAL
from ..synthesis.config import CameraDraws, ImageDraws
from ..synthesis.image import around, draw_window, record_light
from ..synthesis.motion import STEP, Exposure, draw_camera, draw_exposure
from ..synthesis.patches import Patch, PatchedField


@dataclass(frozen=True, eq=False)
class Shot:
    """A sharp picture, the same blurred, and what the camera did."""

    sharp: UInt8[ndarray, "h w 3"]
    """Encoded (sRGB)."""
    blurred: UInt8[ndarray, "h w 3"]
    """Encoded; with sensor noise."""
    field: PatchedField
    """The paths that made it, px."""
    taken: Exposure
    """The stretch of the log behind them."""
    other: Exposure
    """What another log, or another stretch of it, tells: a motion of the same length."""
    direction: Float64[ndarray, " 3"]
    """A unit vector: which way errors go that have a direction."""


def shots(
    photos: Sequence[Path],
    logs: Sequence[GyroLog],
    *,
    count: int,
    lengths: Sequence[int],
    height: int,
    width: int,
    seed: int,
) -> Iterator[tuple[int, Shot]]:
    """Yield each of so many photos, blurred by each mean length (px); the same seed gives the same shots.

    Raises
    ------
    ValueError
        If there are not so many photos, or one is smaller than the picture.
    """
    for k, path in enumerate(drawn(photos, count, seed)):
        pixels = eight_bits(read_photo(path, quiet=True).pixels)
        for blur_px in lengths:
            rng = np.random.default_rng([seed, k, blur_px])
            yield blur_px, take_shot(pixels, logs, float(blur_px), rng, height=height, width=width)


def drawn(photos: Sequence[Path], count: int, seed: int) -> list[Path]:
    """Return so many photos, drawn with a seed; a larger count adds to a smaller one's."""
    if not 1 <= count <= len(photos):
        raise ValueError(f"count is {count}; there are {len(photos)} photos, 1 to {len(photos)} is needed")
    if seed < 0:
        raise ValueError(f"--seed is {seed}: a whole number from 0 on is needed")
    return [photos[k] for k in np.random.default_rng(seed).permutation(len(photos))[:count]]


def take_shot(
    photo: UInt8[ndarray, "a b 3"],
    logs: Sequence[GyroLog],
    blur_px: float,
    rng: np.random.Generator,
    *,
    height: int,
    width: int,
    image: ImageDraws = PHYSICAL.image,
    still: bool = False,
) -> Shot:
    """Blur a part of a photo, drawn as the preset "physical" of `synth` draws it; see `shake`."""
    window = draw_window(rng, photo, height, width, image)
    place = Place(window.photo, window.top, window.left, height, width)
    return shake(place, logs, blur_px, rng, image=image, still=still)


@dataclass(frozen=True, eq=False)
class Place:
    """A part of a sharp photo."""

    photo: UInt8[ndarray, "a b 3"]
    top: int
    left: int
    height: int
    width: int


def shake(
    place: Place,
    logs: Sequence[GyroLog],
    blur_px: float,
    rng: np.random.Generator,
    *,
    camera: CameraDraws = PHYSICAL.camera,
    image: ImageDraws = PHYSICAL.image,
    still: bool = False,
    patches: tuple[Patch, ...] = (),
) -> Shot:
    """Blur a part of a photo by a motion of a log, scaled to a mean length.

    Camera, exposure, rolling shutter, light and noise are by default drawn as the preset "physical" of
    `synth` draws them; the camera only turns, so that a right gyro is right.

    Parameters
    ----------
    place
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
    drawn_camera = draw_camera(rng, camera, height=place.height, width=place.width)
    draws = replace(PHYSICAL.motion, blur=blur_px, blur_power=0.0)
    taken = draw_exposure(rng, logs[first], drawn_camera, draws)
    other = draw_exposure(rng, logs[(first + 1) % len(logs)], drawn_camera, draws)
    path = taken.at_rest() if still else taken
    field = PatchedField(path.field().on_grid(STEP), patches)
    scene, y, x = around(place.photo, place.top, place.left, place.height, place.width, field.reach)
    recorded = record_light(rng, scene, y, x, field, image)
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    return Shot(recorded.sharp, recorded.blurred, field, taken, other, direction)
