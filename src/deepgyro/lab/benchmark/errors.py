"""`bench errors`: what wrong fields cost (figures 6 and 7 of the paper, and more)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files import check_writable
from ..report import BenchReport, Row, make_report, pivot_rows
from .contenders import BLURRED_INPUT, missing_networks, select_methods
from .datafolder import read_validation_logs, validation_photos
from .mistakes import all_perturbations
from .plots import plot_errors
from .scores import psnr, require_bench_extra
from .shots import simulate_photos

ERRORS_BLUR_LENGTHS_PX = (8, 20, 40)  # px
ERRORS_PHOTO_COUNT = 4
ERRORS_HEIGHT_PX, ERRORS_WIDTH_PX = 192, 256
ERRORS_SEED = 1


def bench_errors(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = ERRORS_PHOTO_COUNT,
    lengths: Sequence[int] = ERRORS_BLUR_LENGTHS_PX,
    height: int = ERRORS_HEIGHT_PX,
    width: int = ERRORS_WIDTH_PX,
    seed: int = ERRORS_SEED,
    plot: Path | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Tell every method wrong fields; see `all_perturbations`.

    Validation photos, blurred by motions of the validation logs with cameras, light and noise as the preset
    "physical" of `synth` draws them; PSNR of encoded values, all pixels, the mean over the pictures.

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
    lengths
        Mean lengths of the blur, px.
    height, width
        Of the pictures, px.
    seed
        Of all that is drawn.
    plot
        PNG that is written: what is gained against how wrong the field is.
    overwrite
        Replace a file of that name.
    progress
        Called with the share that is done.

    Raises
    ------
    DeepGyroError
        If a photo or log is missing, or a package is, or the plot cannot be written.
    ValueError
        If there is no such method, or there are not so many photos.
    """
    compared = select_methods(methods, baselines=baselines)
    require_bench_extra("skimage", *(["matplotlib"] if plot else []))
    if plot:
        check_writable(plot, overwrite=overwrite)
    photos, logs = validation_photos(data), read_validation_logs(data)
    cases = [(mistake, level) for mistake in all_perturbations() for level in mistake.levels]
    names = [(mistake.error, level) for mistake, level in cases]
    scores: dict[tuple[str, str, float, int], list[tuple[float, float]]] = {}
    done, jobs = 0, count * len(lengths) * len(cases) * len(compared)
    drawn = simulate_photos(photos, logs, count=count, lengths=lengths, height=height, width=width, seed=seed)
    for blur_px, shot in drawn:
        before = psnr(shot.sharp, shot.blurred)
        for mistake, level in cases:
            prior = mistake.perturb(shot, level)
            for method, restore in compared.items():
                after = psnr(shot.sharp, restore(shot.blurred, prior))
                scores.setdefault((method, mistake.error, level, blur_px), []).append((after, before))
                done += 1
                if progress:
                    progress(done / jobs)
    keys = [(method, *case, blur_px) for method in compared for case in names for blur_px in lengths]
    rows = [_row(*key, scores[key]) for key in keys]
    if plot:
        plot_errors(rows, plot, overwrite=overwrite)
    return make_report("errors", rows)


def errors_display_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: lengths side by side, and the input once instead of for every error."""
    first = rows[0]["error"], rows[0]["level"]
    kept = [row for row in rows if row["method"] != BLURRED_INPUT or (row["error"], row["level"]) == first]
    return pivot_rows(kept, "blur_px", "psnr", "px", without="psnr_in")


def errors_by_method(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a page: what each method makes of the same input, side by side, dB."""
    found: dict[tuple[object, ...], dict[str, Any]] = {}
    missing = dict.fromkeys(missing_networks(rows), "missing")
    for row in rows:
        case = {key: row[key] for key in ("error", "level", "blur_px")}
        found.setdefault(tuple(case.values()), case)[str(row["method"])] = row["psnr"]
    return [case | missing for case in found.values()]


def _row(method: str, error: str, level: float, blur_px: int, scores: Sequence[tuple[float, float]]) -> Row:
    after, before = np.mean(scores, axis=0)
    return {
        "method": method,
        "error": error,
        "level": level,
        "blur_px": blur_px,
        "psnr": round(float(after), 3),
        "psnr_in": round(float(before), 3),
    }
