"""`bench sharp`: what becomes of a picture that was sharp."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from ..report import BenchReport, Progress, Row, count_jobs, make_report
from ..synthesis import PHYSICAL_PRESET
from .contenders import add_missing_networks, select_methods
from .datafolder import read_validation_logs, validation_photos
from .errors import PriorPaths, score_methods
from .scores import require_bench_extra
from .shots import SimulatedPhoto, draw_pixels, exposure_paths, simulate_photo

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
    progress: Progress | None = None,
) -> BenchReport:
    """Give every method sharp pictures, and a zero field, one of half a pixel, and a mismatched one.

    "zero": no blur and a zero field; "half": blur of 0.5 px in the mean, and its exact field; "mismatched":
    no blur, and the field of a motion of a validation log that was not made, of each of `mismatched_lengths`
    (mean length of the paths, px). All pictures have mild sensor noise (`SHARP_IMAGE_DRAWS`). PSNR against
    the sharp picture without noise, of encoded values, the mean over the pictures.
    """
    compared = select_methods(methods, baselines=baselines)
    require_bench_extra("skimage")
    photos, logs = validation_photos(data), read_validation_logs(data)
    cases: list[tuple[SharpCase, int]] = [("zero", 0), ("half", 0)]
    cases += [("mismatched", px) for px in mismatched_lengths]

    def inputs() -> Iterator[tuple[Hashable, SimulatedPhoto, PriorPaths]]:
        for k, pixels in enumerate(draw_pixels(photos, count, seed)):
            for case, prior_px in cases:
                rng = np.random.default_rng([seed, k])  # the same part of the photo in every case
                blur_px, still = (HALF_PIXEL_BLUR_PX, False) if case == "half" else (float(prior_px), True)
                shot = simulate_photo(
                    pixels,
                    logs,
                    blur_px,
                    rng,
                    height=height,
                    width=width,
                    image=SHARP_IMAGE_DRAWS,
                    still=still,
                )
                yield (case, prior_px), shot, exposure_paths(shot.exposure)

    scores = score_methods(compared, inputs(), count_jobs(count * len(cases), progress))
    rows: list[Row] = [
        {"method": method, "case": case, "prior_px": prior_px, "psnr": scores[method, (case, prior_px)]}
        for method in compared
        for case, prior_px in cases
    ]
    return make_report("sharp", rows, add_missing_networks(rows, methods))
