"""`bench errors`: what wrong fields cost (figures 6 and 7 of the paper, and more)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...frames import check_writable
from ..report import BenchReport, Row, report, side_by_side
from .contenders import BLURRED, contenders, missing_networks
from .datafolder import held_logs, held_photos
from .mistakes import mistakes
from .plots import plot_errors
from .scores import need_extra, psnr
from .shots import shots

LENGTHS = (8, 20, 40)  # px
COUNT = 4
HEIGHT, WIDTH = 192, 256
SEED = 1


def errors(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = COUNT,
    lengths: Sequence[int] = LENGTHS,
    height: int = HEIGHT,
    width: int = WIDTH,
    seed: int = SEED,
    plot: Path | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Tell every method wrong fields; see `mistakes`.

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
    compared = contenders(methods, baselines=baselines)
    need_extra("skimage", *(["matplotlib"] if plot else []))
    if plot:
        check_writable(plot, overwrite=overwrite)
    photos, logs = held_photos(data), held_logs(data)
    cases = [(mistake, level) for mistake in mistakes() for level in mistake.levels]
    names = [(mistake.error, level) for mistake, level in cases]
    scores: dict[tuple[str, str, float, int], list[tuple[float, float]]] = {}
    done, jobs = 0, count * len(lengths) * len(cases) * len(compared)
    drawn = shots(photos, logs, count=count, lengths=lengths, height=height, width=width, seed=seed)
    for blur_px, shot in drawn:
        before = psnr(shot.sharp, shot.blurred)
        for mistake, level in cases:
            told = mistake.told(shot, level)
            for method, restore in compared.items():
                after = psnr(shot.sharp, restore(shot.blurred, told))
                scores.setdefault((method, mistake.error, level, blur_px), []).append((after, before))
                done += 1
                if progress:
                    progress(done / jobs)
    keys = [(method, *case, blur_px) for method in compared for case in names for blur_px in lengths]
    rows = [_row(*key, scores[key]) for key in keys]
    if plot:
        plot_errors(rows, plot, overwrite=overwrite)
    return report("errors", rows)


def errors_shown(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: lengths side by side, and the input once instead of for every error."""
    first = rows[0]["error"], rows[0]["level"]
    kept = [row for row in rows if row["method"] != BLURRED or (row["error"], row["level"]) == first]
    return side_by_side(kept, "blur_px", "psnr", "px", without="psnr_in")


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
