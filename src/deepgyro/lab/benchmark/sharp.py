"""`bench sharp`: what becomes of a picture that was sharp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from ...frames import eight_bits, read_photo
from ...telemetry import GyroLog
from ..report import BenchReport, Row, report
from ..synthesis import PHYSICAL
from ..synthesis.motion import STEP
from .contenders import contenders
from .datafolder import held_logs, held_photos
from .scores import need_extra, psnr
from .shots import Shot, drawn, take_shot

Case = Literal["zero", "half", "lie"]

HALF = 0.5  # px
LIES = (10, 20, 30, 40)  # px
IMAGE = replace(PHYSICAL.image, scale=0.0, highlights=0.0, shot=(0.01, 0.01), read=(0.002, 0.002))
"""Mild noise: a hundredth of white in white, a fifth of that in the dark. No highlights above white."""
COUNT = 6
HEIGHT, WIDTH = 192, 256
SEED = 1


def sharp(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = COUNT,
    lies: Sequence[int] = LIES,
    height: int = HEIGHT,
    width: int = WIDTH,
    seed: int = SEED,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Give every method sharp pictures, and a field of nothing, of half a pixel, and one that lies.

    "zero": no blur and a zero field; "half": blur of 0.5 px in the mean, and its exact field; "lie": no
    blur, and the field of a motion of a validation log that was not made. All pictures have mild sensor noise
    (`IMAGE`). PSNR against the sharp picture without noise, of encoded values, the mean over the pictures.

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
    lies
        Mean lengths of the paths of the fields that lie, px.
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
    compared = contenders(methods, baselines=baselines)
    need_extra("skimage")
    photos, logs = held_photos(data), held_logs(data)
    cases: list[tuple[Case, int]] = [("zero", 0), ("half", 0), *(("lie", px) for px in lies)]
    scores: dict[tuple[str, Case, int], list[float]] = {}
    done, jobs = 0, count * len(cases) * len(compared)
    for k, path in enumerate(drawn(photos, count, seed)):
        photo = eight_bits(read_photo(path, quiet=True).pixels)
        for case, lie_px in cases:
            rng = np.random.default_rng([seed, k])  # the same part of the photo in every case
            shot, told = _shot(photo, logs, case, lie_px, rng, height=height, width=width)
            for method, restore in compared.items():
                score = psnr(shot.sharp, restore(shot.blurred, told))
                scores.setdefault((method, case, lie_px), []).append(score)
                done += 1
                if progress:
                    progress(done / jobs)
    return report("sharp", [_row(name, *case, scores[name, *case]) for name in compared for case in cases])


def _shot(
    photo: UInt8[ndarray, "a b 3"],
    logs: Sequence[GyroLog],
    case: Case,
    lie_px: int,
    rng: np.random.Generator,
    *,
    height: int,
    width: int,
) -> tuple[Shot, Float32[ndarray, "h w n 2"]]:
    """Return a picture, and the field that methods are told."""
    blur_px, still = (HALF, False) if case == "half" else (float(lie_px), True)
    shot = take_shot(photo, logs, blur_px, rng, height=height, width=width, image=IMAGE, still=still)
    return shot, shot.taken.field().on_grid(STEP)[:, :]


def _row(method: str, case: Case, lie_px: int, scores: Sequence[float]) -> Row:
    return {"method": method, "case": case, "lie_px": lie_px, "psnr": round(float(np.mean(scores)), 3)}
