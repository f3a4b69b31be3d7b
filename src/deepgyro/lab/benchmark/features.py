"""`bench features`: how many regions and matches survive blur, and come back (section 5.3 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ...errors import DeepGyroError
from ...telemetry import GyroLog
from ..report import BenchReport, Progress, Row, make_report
from ..synthesis import PHYSICAL_PRESET
from .bursts import BURST_WIDTHS_PX, match_burst_pairs, read_burst_pairs
from .contenders import BENCH_METHODS, BenchMethod, add_missing_networks, select_methods
from .datafolder import PLANAR_SCENES, read_validation_logs, require_files
from .regions import RegionAgreement, detect_sift_regions, measure_agreement
from .shots import PhotoCrop, read_pixels, simulate_shake

UNBLURRED_METHOD = "unblurred"
COMPARED_IMAGE_NUMBERS = (2, 3, 4, 5, 6)
"""The pictures of a sequence that the first one is compared with."""
FEATURES_PAIR_COUNT = len(COMPARED_IMAGE_NUMBERS)
FEATURES_BLUR_PX = 20.0
"""Mean length of the paths, px."""
FEATURES_CAMERA_DRAWS = replace(PHYSICAL_PRESET.camera, readout=(0.02, 0.02), directions=("down",))
"""A rolling shutter that reads a picture in 20 ms; the focal length is drawn."""
FEATURES_SEED = 1


def bench_features(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = FEATURES_PAIR_COUNT,
    bursts: Sequence[str] = tuple(BURST_WIDTHS_PX),
    seed: int = FEATURES_SEED,
    progress: Progress | None = None,
) -> BenchReport:
    """Detect and match regions in blurred pictures, and in what each method makes of them.

    Planar scenes: the first, sharp picture of an Oxford sequence against others blurred by a motion of TUM VI
    room3 with a rolling shutter, `FEATURES_BLUR_PX` px in the mean; the homographies are known. DoG and SIFT,
    800 regions a picture; see `measure_agreement`. Rows have the mean over a scene's pairs. Real photos:
    `match_burst_pairs`, for the recordings `bursts` of `BURST_WIDTHS_PX`. `count`: pairs of each scene and
    burst, at most.
    """
    compared = select_methods(methods, (UNBLURRED_METHOD, *BENCH_METHODS), baselines=baselines)
    of_blurred = {name: restore for name, restore in compared.items() if name != UNBLURRED_METHOD}
    if count < 1:
        raise ValueError(f"--count is {count}: at least one pair is needed")
    log = read_validation_logs(data)[0]
    files = {scene: _scene_files(data, scene, count) for scene in PLANAR_SCENES}
    pairs = {name: read_burst_pairs(data, name, count) for name in bursts}
    done, jobs = 0, len(PLANAR_SCENES) + len(bursts)

    def tick(share: float) -> None:
        if progress:
            progress((done + share) / jobs)

    rows: list[Row] = []
    for k, scene in enumerate(PLANAR_SCENES):
        rows += _planar_rows(scene, files[scene], log, compared, [seed, k], tick)
        done += 1
    for name in bursts:
        rows += match_burst_pairs(name, pairs[name], of_blurred, tick)
        done += 1
    tick(0.0)
    return make_report("features", rows, add_missing_networks(rows, methods))


def _planar_rows(
    scene: str,
    files: Sequence[tuple[Path, Path]],
    log: GyroLog,
    compared: Mapping[str, BenchMethod],
    seed: Sequence[int],
    tick: Progress,
) -> list[Row]:
    """Return a scene's rows; its first file is the picture that all others are compared with."""
    agreements: dict[str, list[RegionAgreement]] = {name: [] for name in compared}
    reference = read_pixels(files[0][0])
    regions = detect_sift_regions(reference)
    for k, (path, homography) in enumerate(files[1:]):
        other = read_pixels(path)
        crop, rng = PhotoCrop(other, 0, 0, *other.shape[:2]), np.random.default_rng([*seed, k])
        shot = simulate_shake(crop, [log], FEATURES_BLUR_PX, rng, camera=FEATURES_CAMERA_DRAWS)
        for i, (name, restore) in enumerate(compared.items()):
            picture = shot.sharp if name == UNBLURRED_METHOD else shot.blurred
            again = detect_sift_regions(restore(picture, shot.field[:, :]))
            agreements[name].append(
                measure_agreement(regions, again, read_homography(homography), reference.shape, other.shape)
            )
            tick((k + (i + 1) / len(compared)) / (len(files) - 1))
    return [_row(scene, name, agreements[name]) for name in compared]


def _row(scene: str, method: str, agreements: Sequence[RegionAgreement]) -> Row:
    measures = [(each.repeatability, each.correct_matches, each.matching_score) for each in agreements]
    repeatability, correct, score = np.mean(measures, axis=0).tolist()
    return {
        "scene": scene,
        "method": method,
        "repeatability": round(repeatability, 4),
        "correct_matches": round(correct, 1),
        "matching_score": round(score, 4),
    }


def _scene_files(data: Path, scene: str, count: int) -> list[tuple[Path, Path]]:
    """Return the pictures of a scene with their homographies from the first one; its own stands for none."""
    others = COMPARED_IMAGE_NUMBERS[:count]
    names = ["img1.png", *(f"img{k}.png" for k in others), *(f"H1to{k}p" for k in others)]
    reason = f"the Oxford affine sequences {', '.join(PLANAR_SCENES)} are needed as eval/oxford_affine/NAME"
    first, *rest = require_files(data, [f"eval/oxford_affine/{scene}/{name}" for name in names], reason)
    return [(first, first), *zip(rest[: len(others)], rest[len(others) :], strict=True)]


def read_homography(path: Path) -> Float64[ndarray, "3 3"]:
    """Read a homography of the Oxford affine data set: from the first picture's px to another's."""
    try:
        homography = np.loadtxt(path, dtype=np.float64)
    except ValueError as error:
        raise DeepGyroError(f"{path}: no homography ({error}); 3 x 3 numbers are needed") from error
    if homography.shape != (3, 3):
        raise DeepGyroError(f"{path}: {homography.shape} numbers; 3 x 3 are needed")
    return homography
