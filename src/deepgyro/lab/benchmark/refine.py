"""`bench refine`: how well a picture corrects its blur field, finds one, or says that there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from ...blur import BlurOperator
from ...blurfield import paths_from_vectors
from ...deblurring import Encoding, deblur_picture
from ...errors import DeepGyroError
from ...light import Pixels, from_unit_range, to_unit_range
from ...refine import refine_field
from ...refine.model import mean_vector_distance
from ...telemetry import GyroLog
from ..report import BenchReport, Progress, Row, as_number, count_jobs, count_values, make_report
from ..synthesis import PHYSICAL_PRESET
from ..synthesis.config import ImageDraws
from ..synthesis.gyro import draw_gyro_errors, raw_gyro_nodes
from ..synthesis.image import draw_window
from ..synthesis.motion import NODE_STEP_PX
from .datafolder import PLANAR_SCENES, planar_picture_path, read_validation_logs, validation_photos
from .scores import psnr, require_bench_extra
from .shots import PhotoCrop, draw_pixels, exposure_paths, simulate_shake
from .table1 import NOISE_TO_SIGNAL_RMS, TABLE1_BIAS_PX, TABLE1_BLUR_LENGTHS_PX, make_cases

RefineCase = Literal["bias", "table1", "raw", "none", "sharp", "other"]
REFINE_CASES: tuple[RefineCase, ...] = get_args(RefineCase)

REFINE_PICTURE_COUNT = 40
REFINE_HEIGHT_PX, REFINE_WIDTH_PX = 270, 480
REFINE_SEED = 1
BLUR_DIRECTION_COUNT = 8
SHAKE_BLUR_RANGE_PX, MISMATCHED_BLUR_RANGE_PX = (8.0, 80.0), (10.0, 40.0)  # px
REFINE_IMAGE_DRAWS = replace(PHYSICAL_PRESET.image, shot=(0.01, 0.01), read=(0.002, 0.002))
"""As the preset "physical" draws light; noise of a hundredth of white, in the dark a fifth of that."""
REFINE_SHARP_IMAGE_DRAWS = replace(REFINE_IMAGE_DRAWS, scale=0.0, highlights=0.0)


@dataclass(frozen=True, eq=False)
class Trial:
    """A picture, its true field and its prior field."""

    picture: Pixels
    sharp: Pixels
    """The picture without blur and noise."""
    exact: Float32[ndarray, "h w n 2"] | None
    """The true paths, px; None: the picture is sharp."""
    prior: Float32[ndarray, "h w n 2"] | None
    """Paths, px; None: no gyro."""
    encoding: Encoding = "srgb"


def bench_refine(
    data: Path,
    *,
    only: Sequence[RefineCase] = (),
    count: int = REFINE_PICTURE_COUNT,
    height: int = REFINE_HEIGHT_PX,
    width: int = REFINE_WIDTH_PX,
    seed: int = REFINE_SEED,
    gain: bool = False,
    progress: Progress | None = None,
) -> BenchReport:
    """Let pictures correct wrong fields, find fields without gyro, and reject mismatched ones.

    "bias": a validation photo with Table 1's blur and noise, in eight directions, its field biased by
    (5, 3) px; "table1": the twenty cases of the table itself; "raw": a shot of a validation photo and log
    (preset "physical"), its prior field of a gyro with errors; "none": no gyro; "sharp": a sharp picture, and
    the field of a motion that was not made; "other": a shot, and another log's gyro. 270 x 480 px but for
    "table1"; the blur is log-uniform.

    A row is a picture: ``error_before_px`` and ``error_after_px`` are the mean distance of the blur vectors
    from the true ones, px, the sign of the whole field left free, of the prior and after the fit: corrected,
    kept, ignored (then the field is zero), found. Without gyro the likeliest field counts, whatever its
    confidence. With `gain` (needs scikit-image) the picture is deblurred as well: ``gain_exact``,
    ``gain_told`` (with the prior) and ``gain`` (as `deblur` does) are the PSNR gained over the blurred
    picture, dB.

    Parameters
    ----------
    only
        Those of `REFINE_CASES` that are wanted; none named: all.
    count
        Pictures a case (of "table1" there are twenty).
    height, width
        Of the pictures but those of "table1", px.
    """
    if unknown := set(only) - set(REFINE_CASES):
        raise ValueError(f"--case {sorted(unknown)[0]}: one of {', '.join(REFINE_CASES)} is needed")
    if gain:
        require_bench_extra("skimage")
    wanted = [case for case in REFINE_CASES if not only or case in only]
    rows: list[Row] = []
    finish_one = count_jobs(sum(20 if case == "table1" else count for case in wanted), progress)
    refine_field(np.zeros((height, width, 3), np.uint8), None)  # compiles
    for case in wanted:
        for trial in _make_trials(data, case, count, seed, height, width):
            rows.append({**_row(case, trial), **(_deblur_gains_db(trial) if gain else {})})
            finish_one()
    return make_report("refine", rows, refine_display_rows(rows))


def refine_display_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: each case's, by the length of the blur."""
    shown: list[Row] = []
    for case in dict.fromkeys(str(row["case"]) for row in rows):
        for low, high in ((0, 8), (8, 15), (15, 30), (30, 60), (60, 1000), (15, 80)):
            part = [r for r in rows if r["case"] == case and low <= as_number(r["blur_px"]) < high]
            if part:
                shown.append(_summary_row(case, f"{low} to {high}", part))
    return shown


def _summary_row(case: str, lengths: str, part: Sequence[Row]) -> Row:
    before, after, blur, confidence, ms = (
        np.array([as_number(row[name]) for row in part])
        for name in ("error_before_px", "error_after_px", "blur_px", "confidence", "ms")
    )
    right, confident = after < 0.1 * blur, confidence > 0.9
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
        "raised by 0.5 px": _format_percent(after > before + 0.5),
        "within 10 %": _format_percent(right),
        "confident (0.9)": _format_percent(confident),
        "of those within 10 %": _format_percent(right[confident]) if confident.any() else "",
        "answers": count_values(answers),
        "ms": float(np.median(ms)),
        **gains,
    }


def _make_trials(
    data: Path, case: RefineCase, count: int, seed: int, height: int, width: int
) -> Iterator[Trial]:
    if case == "table1":
        for _, table in make_cases([planar_picture_path(data, scene) for scene in PLANAR_SCENES]):
            vectors = np.broadcast_to(table.vector, (*table.sharp.shape[:2], 2))
            yield _trial_with_biased_prior(table.blurred, vectors, table.sharp)
        return
    logs = [] if case == "bias" else read_validation_logs(data)
    image = REFINE_SHARP_IMAGE_DRAWS if case in ("bias", "sharp") else REFINE_IMAGE_DRAWS
    for k, photo in enumerate(_cycle_photos(validation_photos(data), count, seed, height, width)):
        rng = np.random.default_rng([seed, k, REFINE_CASES.index(case)])
        window = draw_window(rng, photo, height, width, image)
        crop = PhotoCrop(window.photo, window.top, window.left, height, width)
        if case == "bias":
            yield _make_biased_trial(crop, k, rng)
        else:
            yield _make_shaken_trial(case, crop, logs, rng, image)


def _cycle_photos(
    paths: Sequence[Path], count: int, seed: int, height: int, width: int
) -> Iterator[UInt8[ndarray, "a b 3"]]:
    """Yield so many photos that are large enough, all of them before one comes again."""
    yielded = 0
    while yielded < count:
        before = yielded
        for photo in draw_pixels(paths, len(paths), seed):
            if photo.shape[0] >= height and photo.shape[1] >= width and yielded < count:
                yielded += 1
                yield photo
        if yielded == before:
            raise DeepGyroError(f"{paths[0].parent} holds no photo of at least {width} x {height} px")


def _make_biased_trial(crop: PhotoCrop, k: int, rng: np.random.Generator) -> Trial:
    sharp = to_unit_range(crop.photo[crop.top :, crop.left :][: crop.height, : crop.width])
    turns, direction = divmod(k, BLUR_DIRECTION_COUNT)
    angle = 2 * np.pi * direction / BLUR_DIRECTION_COUNT
    vector = (
        np.array([np.cos(angle), np.sin(angle)]) * TABLE1_BLUR_LENGTHS_PX[turns % len(TABLE1_BLUR_LENGTHS_PX)]
    )
    vectors = np.broadcast_to(vector.astype(np.float32), (*sharp.shape[:2], 2))
    blurred = BlurOperator(paths_from_vectors(vectors))(sharp)
    noise = NOISE_TO_SIGNAL_RMS * np.sqrt(np.mean(np.square(blurred, dtype=np.float64)))
    noisy = (blurred + noise * rng.standard_normal(blurred.shape)).clip(0, 1).astype(np.float32)
    return _trial_with_biased_prior(from_unit_range(noisy, np.dtype(np.uint8)), vectors, sharp)


def _trial_with_biased_prior(
    picture: Pixels, vectors: Float32[ndarray, "h w 2"], sharp: Float32[ndarray, "h w 3"]
) -> Trial:
    biased = vectors + np.array(TABLE1_BIAS_PX, np.float32)
    return Trial(picture, sharp, paths_from_vectors(vectors), paths_from_vectors(biased), "linear")


def _make_shaken_trial(
    case: RefineCase, crop: PhotoCrop, logs: Sequence[GyroLog], rng: np.random.Generator, image: ImageDraws
) -> Trial:
    low, high = MISMATCHED_BLUR_RANGE_PX if case == "sharp" else SHAKE_BLUR_RANGE_PX
    length = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    shot = simulate_shake(crop, logs, length, rng, image=image, still=case == "sharp")
    if case == "sharp":
        return Trial(shot.blurred, shot.sharp, None, exposure_paths(shot.exposure))
    prior = None
    if case == "other":
        prior = exposure_paths(shot.mismatched_exposure)
    if case == "raw":
        nodes = None
        while nodes is None:  # errors whose motion is impossible are drawn again
            nodes = raw_gyro_nodes(rng, shot.exposure, draw_gyro_errors(rng, PHYSICAL_PRESET.gyro))
        prior = replace(shot.exposure.field().sample_on_grid(NODE_STEP_PX), nodes=nodes)[:, :]
    return Trial(shot.blurred, shot.sharp, shot.field[:, :], prior)


def _row(case: RefineCase, trial: Trial) -> Row:
    started = time.perf_counter()
    fit = refine_field(trial.picture, trial.prior)
    seconds = time.perf_counter() - started
    prior, true = _blur_vectors(trial.prior), _blur_vectors(trial.exact)
    fitted = _blur_vectors(None if fit.field is None else fit.field[:, :])
    length = mean_vector_distance(true, np.zeros(2)) or mean_vector_distance(prior, np.zeros(2))
    return {
        "case": case,
        "blur_px": round(length, 2),
        "error_before_px": round(mean_vector_distance(prior, true), 3),
        "error_after_px": round(mean_vector_distance(fitted, true), 3),
        "confidence": round(fit.confidence, 3),
        "answer": _classify_answer(trial, fit.field),
        "ms": round(1000 * seconds, 2),
    }


def _blur_vectors(paths: Float32[ndarray, "h w n 2"] | None) -> Float32[ndarray, "a b 2"]:
    """Return the blur vectors of paths; one of zero without them."""
    if paths is None:
        return np.zeros((1, 1, 2), np.float32)
    return np.asarray(paths[:, :, -1] - paths[:, :, 0], np.float32)


def _deblur_gains_db(trial: Trial) -> Row:
    """Return the PSNR gained over the picture with the exact field, with the prior field, and refined, dB."""
    before = psnr(trial.sharp, trial.picture)

    def gain_db(field: Float32[ndarray, "h w n 2"] | None, refine: bool) -> float:
        result = deblur_picture(trial.picture, field, encoding=trial.encoding, refine=refine)
        return round(psnr(trial.sharp, result.image) - before, 3)

    return {
        "gain_exact": None if trial.exact is None else gain_db(trial.exact, False),
        "gain_told": None if trial.prior is None else gain_db(trial.prior, False),
        "gain": gain_db(trial.prior, True),
    }


def _mean(values: Sequence[object]) -> float | None:
    numbers = [as_number(value) for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


def _classify_answer(trial: Trial, field: object) -> str:
    if trial.prior is None:
        return "found" if field is not None else "nothing"
    return "ignored" if field is None else "kept" if field is trial.prior else "corrected"


def _format_percent(mask: ndarray) -> str:
    return f"{100 * np.mean(mask):.0f} %"
