"""A demonstration that needs no file: blur a photo as a shaking hand does, and deblur it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from .blurfield import MotionField, measure_field, motion_field
from .blurfield.picture import draw_field
from .camera import Camera
from .deblurring import deblur_picture
from .files import check_writable, make_folder
from .frames import Photo, read_photo, write_photo
from .lab.synthesis import blur_photo, simulate_camera_shake
from .light import from_unit_range, linear_to_srgb, srgb_to_linear, to_unit_range

DEMO_EXPOSURE_S = 0.05  # s
DEMO_READOUT_S = 0.02  # s
DEMO_BLUR_PX = 16.0  # px, in the median
DEMO_FILES = ("before_after.png", "field.png", "sharp.png", "blurred.png", "deblurred.png")


@dataclass(frozen=True)
class DemoReport:
    """What the demonstration made."""

    blur_median_px: float
    blur_max_px: float
    psnr_blurred: float
    psnr_deblurred: float
    files: tuple[str, ...]


def run_demo(
    out: Path, *, seed: int = 0, overwrite: bool = False, progress: Callable[[float], None] | None = None
) -> DemoReport:
    """Blur the photo that comes with the package by a simulated hand shake, deblur it, and write pictures.

    Parameters
    ----------
    out
        Folder for before_after.png, field.png, sharp.png, blurred.png and deblurred.png.
    seed
        Of the shake and the noise.
    overwrite
        Replace files of those names.
    progress
        Called with the share that is done.
    """
    if seed < 0:
        raise ValueError(f"--seed is {seed}: a whole number from 0 on is needed")
    make_folder(out)
    for name in DEMO_FILES:
        check_writable(out / name, overwrite=overwrite)
    with files("deepgyro.data").joinpath("coffee.jpg").open("rb") as file:
        sharp = read_photo(file.name)
    rng = np.random.default_rng(seed)
    height, width = sharp.pixels.shape[:2]
    field = _simulate_shake_field(rng, height, width)
    light = blur_photo(srgb_to_linear(to_unit_range(sharp.pixels)), field, rng)
    blurred = from_unit_range(linear_to_srgb(light), np.dtype(np.uint8))
    result = deblur_picture(blurred, field, progress=progress)
    pictures = {
        "before_after.png": np.concatenate([blurred, result.image], axis=1),
        "field.png": draw_field(field, blurred),
        "sharp.png": sharp.pixels,
        "blurred.png": blurred,
        "deblurred.png": result.image,
    }
    for name, pixels in pictures.items():
        photo = Photo(np.ascontiguousarray(pixels), "PNG", out / name)
        write_photo(out / name, photo, record={"demo": name, "seed": seed}, overwrite=overwrite)
    median, longest, _ = measure_field(field)
    return DemoReport(
        blur_median_px=round(median, 1),
        blur_max_px=round(longest, 1),
        psnr_blurred=round(_compute_psnr(blurred, sharp.pixels), 2),
        psnr_deblurred=round(_compute_psnr(result.image, sharp.pixels), 2),
        files=tuple(str(out / name) for name in pictures),
    )


def _simulate_shake_field(rng: np.random.Generator, height: int, width: int) -> MotionField:
    """Return the field of an exposure in a simulated hand, its median `DEMO_BLUR_PX` px."""
    K = np.array([[0.8 * width, 0, (width - 1) / 2], [0, 0.8 * width, (height - 1) / 2], [0, 0, 1]])
    camera = Camera(width, height, K, readout_time=DEMO_READOUT_S, cam_from_imu=np.eye(3))
    log = simulate_camera_shake(rng, duration=1.0)
    median = measure_field(motion_field(log, camera, t=0.4, exposure=DEMO_EXPOSURE_S, reference="row"))[0]
    stronger = type(log)(log.t, log.omega * (DEMO_BLUR_PX / median), source=log.source)
    return motion_field(stronger, camera, t=0.4, exposure=DEMO_EXPOSURE_S, reference="picture")


def _compute_psnr(a: UInt8[ndarray, "h w 3"], b: UInt8[ndarray, "h w 3"]) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(255**2 / error))
