"""`bench refine`: how well a picture corrects its blur field, finds one, or says that there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from ...blur import Blur
from ...blurfield import paths_from_vectors
from ...deblurring import Encoding, deblur_picture
from ...errors import DeepGyroError
from ...frames import eight_bits, read_photo
from ...light import Pixels, from_unit, to_unit
from ...refine import refine_field
from ...refine.model import distance
from ...telemetry import GyroLog
from ..report import BenchReport, Row, number, report
from ..synthesis import PHYSICAL
from ..synthesis.gyro import draw_raw_errors, raw_nodes
from ..synthesis.image import draw_window
from ..synthesis.motion import STEP
from .datafolder import PLANAR, held_logs, held_photos, planar_picture
from .scores import need_extra, psnr
from .shots import Place, drawn, shake
from .table1 import BIAS, LENGTHS, NOISE, cases

Case = Literal["bias", "table1", "raw", "none", "sharp", "other"]
CASES: tuple[Case, ...] = get_args(Case)

COUNT = 40
HEIGHT, WIDTH = 270, 480
SEED = 1
DIRECTIONS = 8
SHAKES, LIES = (8.0, 80.0), (10.0, 40.0)  # px
IMAGE = replace(PHYSICAL.image, shot=(0.01, 0.01), read=(0.002, 0.002))
"""As the preset "physical" draws light; noise of a hundredth of white, in the dark a fifth of that."""
SHARP = replace(IMAGE, scale=0.0, highlights=0.0)


@dataclass(frozen=True, eq=False)
class Trial:
    """A picture, what its field is, and what is told of it."""

    picture: Pixels
    true: Float32[ndarray, "h w 2"] | None
    """Blur vectors, px; None: the picture is sharp."""
    told: Float32[ndarray, "h w n 2"] | None
    """Paths, px; None: no gyro."""
    sharp: Pixels
    """The picture without blur and noise."""
    exact: Float32[ndarray, "h w n 2"] | None
    """The true paths, px; None: the picture is sharp."""
    encoding: Encoding = "srgb"


def refine(
    data: Path,
    *,
    only: Sequence[Case] = (),
    count: int = COUNT,
    height: int = HEIGHT,
    width: int = WIDTH,
    seed: int = SEED,
    gain: bool = False,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Let pictures correct fields that are wrong, find fields that nobody tells, and refuse those that lie.

    "bias": a validation photo with Table 1's blur and noise, in eight directions, its field biased by
    (5, 3) px; "table1": the twenty cases of the table itself; "raw": a shot of a validation photo and log
    (preset "physical"), its field told by a gyro with errors; "none": no gyro; "sharp": a sharp picture, and
    the field of a motion that was not made; "other": a shot, and another log's gyro. 270 x 480 px but for
    "table1"; the blur is log-uniform.

    A row is a picture: ``error_before_px`` and ``error_after_px`` are the mean distance of the blur vectors
    from the true ones, px, the sign of the whole field left free, as the fit is answered: corrected,
    kept, ignored (then no blur at all is what is left), found. Of no gyro, the likeliest field counts,
    whatever its confidence. With `gain`, the picture is deblurred as well: ``gain_exact``, ``gain_told`` (as
    told) and ``gain`` (as `deblur` does) are what is gained over the blurred picture, PSNR in dB.

    Parameters
    ----------
    data
        Folder with the validation photos and logs, and Table 1's pictures.
    only
        Those of `CASES` that are wanted; none named: all.
    count
        Pictures a case (of "table1" there are twenty).
    height, width
        Of the pictures but those of "table1", px.
    seed
        Of all that is drawn.
    gain
        Deblur the pictures, too; needs scikit-image.
    progress
        Called with the share that is done.

    Raises
    ------
    DeepGyroError
        If a photo or log is missing, or scikit-image is, or no photo is large enough.
    ValueError
        If there is no such case.
    """
    if unknown := set(only) - set(CASES):
        raise ValueError(f"--case {sorted(unknown)[0]}: one of {', '.join(CASES)} is needed")
    if gain:
        need_extra("skimage")
    wanted = [case for case in CASES if not only or case in only]
    rows: list[Row] = []
    jobs = sum(20 if case == "table1" else count for case in wanted)
    refine_field(np.zeros((height, width, 3), np.uint8), None)  # compiles
    for case in wanted:
        for trial in _trials(data, case, count, seed, height, width):
            rows.append({**_row(case, trial), **(_gains(trial) if gain else {})})
            if progress:
                progress(len(rows) / jobs)
    return report("refine", rows)


def refine_shown(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: each case's, by the length of the blur."""
    shown: list[Row] = []
    for case in dict.fromkeys(str(row["case"]) for row in rows):
        for low, high in ((0, 8), (8, 15), (15, 30), (30, 60), (60, 1000), (15, 80)):
            part = [r for r in rows if r["case"] == case and low <= number(r["blur_px"]) < high]
            if part:
                shown.append(_summary(case, f"{low} to {high}", part))
    return shown


def _summary(case: str, lengths: str, part: Sequence[Row]) -> Row:
    before, after, blur, sure, ms = (
        np.array([number(row[name]) for row in part])
        for name in ("error_before_px", "error_after_px", "blur_px", "confidence", "ms")
    )
    right = after < 0.1 * blur
    answers = [row["answer"] for row in part]
    gains = {
        f"{name}, dB": _mean([row[name] for row in part])
        for name in ("gain_exact", "gain_told", "gain")
        if name in part[0]
    }
    return {
        "case": case,
        "blur, px": lengths,
        "pictures": len(part),
        "before": float(np.median(before)),
        "after": float(np.median(after)),
        "after, 90 %": float(np.quantile(after, 0.9)),
        "raised by 0.5 px": _percent(after > before + 0.5),
        "within 10 %": _percent(right),
        "sure (0.9)": _percent(sure > 0.9),
        "of those within 10 %": _percent(right[sure > 0.9]) if (sure > 0.9).any() else "",
        "answers": ", ".join(f"{answers.count(a)} {a}" for a in dict.fromkeys(answers)),
        "ms": float(np.median(ms)),
        **gains,
    }


def _trials(data: Path, case: Case, count: int, seed: int, height: int, width: int) -> Iterator[Trial]:
    if case == "table1":
        for _, table in cases([planar_picture(data, scene) for scene in PLANAR]):
            vectors = np.broadcast_to(table.vector, (*table.sharp.shape[:2], 2))
            yield _off_by_bias(table.blurred, vectors, table.sharp)
        return
    logs = [] if case == "bias" else held_logs(data)
    for k, photo in enumerate(_photos(held_photos(data), count, seed, height, width)):
        rng = np.random.default_rng([seed, k, CASES.index(case)])
        window = draw_window(rng, photo, height, width, SHARP if case in ("bias", "sharp") else IMAGE)
        place = Place(window.photo, window.top, window.left, height, width)
        yield _biased(place, k, rng) if case == "bias" else _shaken(case, place, logs, rng)


def _photos(
    paths: Sequence[Path], count: int, seed: int, height: int, width: int
) -> Iterator[UInt8[ndarray, "a b 3"]]:
    """Yield so many photos that are large enough, all of them before one comes again."""
    yielded = 0
    while yielded < count:
        before = yielded
        for path in drawn(paths, len(paths), seed):
            photo = eight_bits(read_photo(path, quiet=True).pixels)
            if photo.shape[0] >= height and photo.shape[1] >= width and yielded < count:
                yielded += 1
                yield photo
        if yielded == before:
            raise DeepGyroError(f"{paths[0].parent} holds no photo of at least {width} x {height} px")


def _biased(place: Place, k: int, rng: np.random.Generator) -> Trial:
    sharp = to_unit(place.photo[place.top :, place.left :][: place.height, : place.width])
    angle, length = 2 * np.pi * (k % DIRECTIONS) / DIRECTIONS, LENGTHS[k // DIRECTIONS % len(LENGTHS)]
    vector = np.array([np.cos(angle), np.sin(angle)]) * length
    vectors = np.broadcast_to(vector.astype(np.float32), (*sharp.shape[:2], 2))
    blurred = Blur(paths_from_vectors(vectors))(sharp)
    noise = NOISE * np.sqrt(np.mean(np.square(blurred, dtype=np.float64)))
    noisy = (blurred + noise * rng.standard_normal(blurred.shape)).clip(0, 1).astype(np.float32)
    return _off_by_bias(from_unit(noisy, np.dtype(np.uint8)), vectors, sharp)


def _off_by_bias(
    picture: Pixels, vectors: Float32[ndarray, "h w 2"], sharp: Float32[ndarray, "h w 3"]
) -> Trial:
    biased = vectors + np.array(BIAS, np.float32)
    return Trial(picture, vectors, paths_from_vectors(biased), sharp, paths_from_vectors(vectors), "linear")


def _shaken(case: Case, place: Place, logs: Sequence[GyroLog], rng: np.random.Generator) -> Trial:
    low, high = LIES if case == "sharp" else SHAKES
    length = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    image = SHARP if case == "sharp" else IMAGE
    shot = shake(place, logs, length, rng, image=image, still=case == "sharp")
    if case == "sharp":
        return Trial(shot.blurred, None, shot.taken.field().on_grid(STEP)[:, :], shot.sharp, None)
    exact, told = shot.field[:, :], None
    if case == "other":
        told = shot.other.field().on_grid(STEP)[:, :]
    if case == "raw":
        nodes = None
        while nodes is None:  # errors that add up to what cannot be are drawn again
            nodes = raw_nodes(rng, shot.taken, draw_raw_errors(rng, PHYSICAL.gyro))
        told = replace(shot.taken.field().on_grid(STEP), nodes=nodes)[:, :]
    return Trial(shot.blurred, _ends(exact), told, shot.sharp, exact)


def _ends(field: Float32[ndarray, "h w n 2"]) -> Float32[ndarray, "h w 2"]:
    return np.asarray(field[:, :, -1] - field[:, :, 0], np.float32)


def _row(case: Case, trial: Trial) -> Row:
    started = time.perf_counter()
    fit = refine_field(trial.picture, trial.told)
    seconds = time.perf_counter() - started
    told = np.zeros((1, 1, 2)) if trial.told is None else _ends(trial.told)
    true = np.zeros((1, 1, 2)) if trial.true is None else trial.true
    found = np.zeros((1, 1, 2)) if fit.field is None else _ends(fit.field[:, :])
    length = distance(true, np.zeros(2)) or distance(told, np.zeros(2))
    return {
        "case": case,
        "blur_px": round(length, 2),
        "error_before_px": round(distance(told, true), 3),
        "error_after_px": round(distance(found, true), 3),
        "confidence": round(fit.confidence, 3),
        "answer": _answer(trial, fit.field),
        "ms": round(1000 * seconds, 2),
    }


def _gains(trial: Trial) -> Row:
    """Return what deblurring gains over the picture with the exact field, with the told one, and refined."""
    before = psnr(trial.sharp, trial.picture)

    def gained(field: Float32[ndarray, "h w n 2"] | None, refine: bool) -> float:
        result = deblur_picture(trial.picture, field, encoding=trial.encoding, refine=refine)
        return round(psnr(trial.sharp, result.image) - before, 3)

    return {
        "gain_exact": None if trial.exact is None else gained(trial.exact, False),
        "gain_told": None if trial.told is None else gained(trial.told, False),
        "gain": gained(trial.told, True),
    }


def _mean(values: Sequence[object]) -> float | None:
    numbers = [number(value) for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


def _answer(trial: Trial, field: object) -> str:
    if trial.told is None:
        return "found" if field is not None else "nothing"
    return "ignored" if field is None else "kept" if field is trial.told else "corrected"


def _percent(of: ndarray) -> str:
    return f"{100 * np.mean(of):.0f} %"
