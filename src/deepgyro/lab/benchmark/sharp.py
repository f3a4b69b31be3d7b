"""`bench sharp`: what becomes of a picture that was sharp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from ...frames import read_photo, to_eight_bits
from ...telemetry import GyroLog
from ..report import BenchReport, Row, make_report
from ..synthesis import PHYSICAL_PRESET
from ..synthesis.motion import NODE_STEP_PX
from .contenders import select_methods
from .datafolder import read_validation_logs, validation_photos
from .scores import psnr, require_bench_extra
from .shots import SimulatedPhoto, draw_photos, simulate_photo

SharpCase = Literal["zero", "half", "mismatched"]

HALF_PIXEL_BLUR_PX = 0.5  # px
MISMATCHED_LENGTHS_PX = (10, 20, 30, 40)  # px
SHARP_IMAGE_DRAWS = replace(
    PHYSICAL_PRESET.image, scale=0.0, highlights=0.0, shot=(0.01, 0.01), read=(0.002, 0.002)
)
"""Mild noise: a hundredth of white in white, a fifth of that in the dark. No highlights above white."""
SHARP_PHOTO_COUNT = 6
SHARP_HEIGHT_PX, SHARP_WIDTH_PX = 192, 256
SHARP_SEED = 1


def bench_sharp(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = SHARP_PHOTO_COUNT,
    mismatched_lengths: Sequence[int] = MISMATCHED_LENGTHS_PX,
    height: int = SHARP_HEIGHT_PX,
    width: int = SHARP_WIDTH_PX,
    seed: int = SHARP_SEED,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Give every method sharp pictures, and a zero field, one of half a pixel, and a mismatched one.

    "zero": no blur and a zero field; "half": blur of 0.5 px in the mean, and its exact field; "mismatched":
    no
    blur, and the field of a motion of a validation log that was not made. All pictures have mild sensor noise
    (`SHARP_IMAGE_DRAWS`). PSNR against the sharp picture without noise, of encoded values, the mean over the
    pictures.

    Parameters
    ----------
    data
        Folder with the validation photos and logs.
    methods
        Those that are wanted; with none named, all.
    baselines
        Folder with the baselines' weights; None: that of the checkout.
    count
        Photos.
    mismatched_lengths
        Mean lengths of the paths of the mismatched fields, px.
    height, width
        Of the pictures, px.
    seed
        Of all that is drawn.
    progress
        Called with the share that is done.

    Raises
    ------
    DeepGyroError
        If a photo or log is missing, or scikit-image is.
    ValueError
        If there is no such method, or there are not so many photos.
    """
    compared = select_methods(methods, baselines=baselines)
    require_bench_extra("skimage")
    photos, logs = validation_photos(data), read_validation_logs(data)
    cases: list[tuple[SharpCase, int]] = [
        ("zero", 0),
        ("half", 0),
        *(("mismatched", px) for px in mismatched_lengths),
    ]
    scores: dict[tuple[str, SharpCase, int], list[float]] = {}
    done, jobs = 0, count * len(cases) * len(compared)
    for k, path in enumerate(draw_photos(photos, count, seed)):
        photo = to_eight_bits(read_photo(path, quiet=True).pixels)
        for case, prior_px in cases:
            rng = np.random.default_rng([seed, k])  # the same part of the photo in every case
            shot, prior = _simulate_sharp_photo(photo, logs, case, prior_px, rng, height=height, width=width)
            for method, restore in compared.items():
                score = psnr(shot.sharp, restore(shot.blurred, prior))
                scores.setdefault((method, case, prior_px), []).append(score)
                done += 1
                if progress:
                    progress(done / jobs)
    return make_report(
        "sharp", [_row(name, *case, scores[name, *case]) for name in compared for case in cases]
    )


def _simulate_sharp_photo(
    photo: UInt8[ndarray, "a b 3"],
    logs: Sequence[GyroLog],
    case: SharpCase,
    prior_px: int,
    rng: np.random.Generator,
    *,
    height: int,
    width: int,
) -> tuple[SimulatedPhoto, Float32[ndarray, "h w n 2"]]:
    """Return a picture, and the prior field of the methods."""
    blur_px, still = (HALF_PIXEL_BLUR_PX, False) if case == "half" else (float(prior_px), True)
    shot = simulate_photo(
        photo, logs, blur_px, rng, height=height, width=width, image=SHARP_IMAGE_DRAWS, still=still
    )
    return shot, shot.exposure.field().sample_on_grid(NODE_STEP_PX)[:, :]


def _row(method: str, case: SharpCase, prior_px: int, scores: Sequence[float]) -> Row:
    return {"method": method, "case": case, "prior_px": prior_px, "psnr": round(float(np.mean(scores)), 3)}
