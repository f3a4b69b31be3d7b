"""`bench errors`: what wrong fields cost (figures 6 and 7 of the paper, and more)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...errors import ImpossibleMotion
from ...files import check_writable, write_atomically
from ..report import BenchReport, Progress, Row, count_jobs, make_report, pivot_rows
from ..synthesis.gyro import PAPER_BIAS_PX, GyroErrors, degrade_gyro_log, miscalibrate_camera
from ..synthesis.motion import straight_paths
from .contenders import (
    BLURRED_INPUT,
    BenchMethod,
    add_missing_networks,
    missing_networks,
    return_unchanged,
    select_methods,
)
from .datafolder import read_validation_logs, validation_photos
from .plots import draw_errors_png
from .scores import psnr, require_bench_extra
from .shots import SimulatedPhoto, draw_pixels, exposure_paths, simulate_photo

ERRORS_BLUR_LENGTHS_PX = (8, 20, 40)  # px
ERRORS_PHOTO_COUNT = 4
ERRORS_HEIGHT_PX, ERRORS_WIDTH_PX = 192, 256
ERRORS_SEED = 1

PriorPaths = Float32[ndarray, "h w n 2"] | None
"""The field that a method is given, px; None: no gyro."""


@dataclass(frozen=True)
class FieldPerturbation:
    """An error of the field, and its sizes."""

    error: str
    """What is wrong; where `level` has a unit, it stands last in the name."""
    levels: tuple[float, ...]
    perturb: Callable[[SimulatedPhoto, float], PriorPaths]


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
    progress: Progress | None = None,
) -> BenchReport:
    """Give every method wrong fields; see `all_perturbations`.

    Validation photos, blurred by motions of the validation logs (`lengths`: mean lengths of the paths, px)
    with cameras, light and noise as the preset "physical" of `synth` draws them; PSNR of encoded values, all
    pixels, the mean over the pictures. `plot`: PNG that is written, the PSNR gained against how wrong the
    field is.
    """
    compared = select_methods(methods, baselines=baselines)
    require_bench_extra("skimage", *(["matplotlib"] if plot else []))
    if plot:
        check_writable(plot, overwrite=overwrite)
    photos, logs = validation_photos(data), read_validation_logs(data)
    cases = [(kind, level) for kind in all_perturbations() for level in kind.levels]

    def inputs() -> Iterator[tuple[Hashable, SimulatedPhoto, PriorPaths]]:
        for k, pixels in enumerate(draw_pixels(photos, count, seed)):
            for blur_px in lengths:
                rng = np.random.default_rng([seed, k, blur_px])
                shot = simulate_photo(pixels, logs, float(blur_px), rng, height=height, width=width)
                for kind, level in cases:
                    yield (kind.error, level, blur_px), shot, kind.perturb(shot, level)

    finish_one = count_jobs(count * len(lengths) * len(cases), progress)
    scores = score_methods({**compared, BLURRED_INPUT: return_unchanged}, inputs(), finish_one)
    rows: list[Row] = [
        {
            "method": method,
            "error": kind.error,
            "level": level,
            "blur_px": blur_px,
            "psnr": scores[method, (kind.error, level, blur_px)],
            "psnr_in": scores[BLURRED_INPUT, (kind.error, level, blur_px)],
        }
        for method in compared
        for kind, level in cases
        for blur_px in lengths
    ]
    if plot:
        write_atomically(plot, lambda file: file.write(draw_errors_png(rows)), overwrite=overwrite)
    return make_report("errors", rows, add_missing_networks(errors_display_rows(rows), methods))


def score_methods(
    methods: Mapping[str, BenchMethod],
    inputs: Iterable[tuple[Hashable, SimulatedPhoto, PriorPaths]],
    finish_one: Callable[[], None],
) -> dict[tuple[str, Any], float]:
    """Return the mean PSNR (dB) of each method and case; inputs are a case, a picture and its prior field."""
    scores: defaultdict[tuple[str, Any], list[float]] = defaultdict(list)
    for case, shot, prior in inputs:
        for method, restore in methods.items():
            scores[method, case].append(psnr(shot.sharp, restore(shot.blurred, prior)))
        finish_one()
    return {key: round(float(np.mean(each)), 3) for key, each in scores.items()}


def errors_display_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: lengths side by side, and the input once instead of for every error."""
    first = rows[0]["error"], rows[0]["level"]
    kept = [row for row in rows if row["method"] != BLURRED_INPUT or (row["error"], row["level"]) == first]
    return pivot_rows(kept, "blur_px", "psnr", drop="psnr_in", column="psnr, {:g} px")


def errors_by_method(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a page: the PSNR (dB) of all methods on the same input side by side."""
    missing = dict.fromkeys(missing_networks(rows), "missing")
    return [{**row, **missing} for row in pivot_rows(rows, "method", "psnr", drop="psnr_in")]


def all_perturbations() -> Iterator[FieldPerturbation]:
    """Yield every error that is measured. Level 0 of "bias" and level 1 of "scale" are the exact field.

    ``bias``: level times (5, 3) px are added to the blur vectors, as in figures 5 to 7 of the paper;
    ``scale``: factor on the field; ``mirrored``: u alone has the wrong sign; ``reversed``: from its end to
    its start, which is the same blur; ``turned_deg``: every path is turned by this angle. The others are
    errors of what the field is computed from: the gyro's clock (``time_offset_ms``), its bias, its axes on
    the camera, the readout time and the focal length (share by which they are off); another log's gyro; no
    gyro. An error that has a sign or a direction gets one for each picture.
    """
    yield FieldPerturbation("bias", (0.0, 1.0, 2.0, 3.0, 4.0), _add_bias)
    yield FieldPerturbation(
        "scale", (0.0, 0.5, 0.75, 1.25, 1.5), lambda shot, level: np.float32(level) * shot.field[:, :]
    )
    yield FieldPerturbation(
        "mirrored", (1.0,), lambda shot, _: shot.field[:, :] * np.array([-1, 1], np.float32)
    )
    yield FieldPerturbation(
        "reversed", (1.0,), lambda shot, _: np.ascontiguousarray(shot.field[:, :][..., ::-1, :])
    )
    yield FieldPerturbation("turned_deg", (5.0, 15.0), _rotate_paths)
    of_errors: dict[str, tuple[tuple[float, ...], Callable[[SimulatedPhoto, float], dict[str, Any]]]] = {
        "time_offset_ms": ((1.0, 2.0, 5.0, 10.0), lambda shot, k: {"offset": _error_sign(shot) * k / 1000}),
        "gyro_bias_rad_s": ((0.01, 0.05), lambda shot, k: {"bias": _error_vector(shot, k)}),
        "axes_deg": ((1.0, 2.0, 5.0), lambda shot, k: {"tilt": _error_vector(shot, k)}),
        "readout": ((0.2,), lambda shot, k: {"readout": 1 + _error_sign(shot) * k}),
        "focal": ((0.05,), lambda shot, k: {"focal": 1 + _error_sign(shot) * k}),
    }
    for error, (levels, draw) in of_errors.items():
        yield FieldPerturbation(error, levels, partial(_field_with_errors, draw))
    yield FieldPerturbation("other_log", (1.0,), lambda shot, _: exposure_paths(shot.mismatched_exposure))
    yield FieldPerturbation("no_gyro", (1.0,), lambda shot, _: None)


def _add_bias(shot: SimulatedPhoto, level: float) -> PriorPaths:
    field = shot.field[:, :]
    field += straight_paths(level * np.array(PAPER_BIAS_PX), field.shape[2])
    return field


def _rotate_paths(shot: SimulatedPhoto, level: float) -> PriorPaths:
    c, s = np.cos(np.radians(level)), np.sin(np.radians(level))
    return np.asarray(shot.field[:, :] @ np.array([[c, s], [-s, c]], np.float32), np.float32)


def _field_with_errors(
    draw: Callable[[SimulatedPhoto, float], dict[str, Any]], shot: SimulatedPhoto, level: float
) -> PriorPaths:
    """Return the field of a gyro and a calibration that are wrong; none where their motion is impossible."""
    errors = GyroErrors(**draw(shot, level))
    exposure = shot.exposure
    log = degrade_gyro_log(np.random.default_rng(0), exposure.log, errors)
    camera = miscalibrate_camera(exposure.camera, errors)
    try:
        return exposure_paths(replace(exposure, log=log, camera=camera, t=exposure.t + errors.offset))
    except ImpossibleMotion:
        return None


def _error_sign(shot: SimulatedPhoto) -> float:
    return float(np.sign(shot.error_direction[0]))


def _error_vector(shot: SimulatedPhoto, length: float) -> tuple[float, float, float]:
    x, y, z = (length * shot.error_direction).tolist()
    return x, y, z
