"""`bench features`: how many regions and matches survive blur, and come back (section 5.3 of the paper)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from ...errors import DeepGyroError
from ...frames import eight_bits, read_photo
from ...telemetry import GyroLog
from ..report import BenchReport, Row, report
from ..synthesis import PHYSICAL
from .bursts import BURSTS, burst_pairs, burst_rows
from .contenders import CONTENDERS, Contender, contenders
from .datafolder import PLANAR, held_logs, needed
from .regions import Agreement, agreement, detect
from .shots import Place, shake

UNBLURRED = "unblurred"
OTHERS = (2, 3, 4, 5, 6)
"""The pictures of a sequence that the first one is compared with."""
COUNT = len(OTHERS)
BLUR = 20.0
"""Mean length of the paths, px."""
CAMERA = replace(PHYSICAL.camera, readout=(0.02, 0.02), directions=("down",))
"""A rolling shutter that reads a picture in 20 ms; the focal length is drawn."""
SEED = 1

Picture = UInt8[ndarray, "h w 3"]


def features(
    data: Path,
    *,
    methods: Sequence[str] = (),
    baselines: Path | None = None,
    count: int = COUNT,
    bursts: Sequence[str] = tuple(BURSTS),
    seed: int = SEED,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Detect and match regions in blurred pictures, and in what each method makes of them.

    Planar scenes: the first, sharp picture of an Oxford sequence against others blurred by a motion of
    TUM VI room3 with a rolling shutter, `BLUR` px in the mean; the homographies are known. DoG and SIFT, 800
    regions a picture; see `agreement`. Rows have the mean over a scene's pairs. Real photos: `burst_rows`.

    Parameters
    ----------
    data
        Folder with ``eval/oxford_affine``, the validation logs and ``real``.
    methods
        Those that are wanted ("unblurred" and "blurred" too); with none named, all.
    baselines
        Folder with the baselines' weights; None: that of the checkout.
    count
        Pairs of each scene and burst, at most.
    bursts
        Recordings of `BURSTS`.
    seed
        Of the motions and the noise.
    progress
        Called with the share that is done.

    Raises
    ------
    DeepGyroError
        If a picture, log or recording is missing.
    ValueError
        If there is no such method, or no pair is asked for.
    """
    compared = contenders(methods, (UNBLURRED, *CONTENDERS), baselines=baselines)
    of_blurred = {name: restore for name, restore in compared.items() if name != UNBLURRED}
    if count < 1:
        raise ValueError(f"--count is {count}: at least one pair is needed")
    log = held_logs(data)[0]
    files = {scene: _scene_files(data, scene, count) for scene in PLANAR}
    pairs = {name: burst_pairs(data, name, count) for name in bursts}
    done, jobs = 0, len(PLANAR) + len(bursts)

    def tick(share: float) -> None:
        if progress:
            progress((done + share) / jobs)

    rows: list[Row] = []
    for k, scene in enumerate(PLANAR):
        rows += _planar_rows(scene, files[scene], log, compared, [seed, k], tick)
        done += 1
    for name in bursts:
        rows += burst_rows(name, pairs[name], of_blurred, tick)
        done += 1
    tick(0.0)
    return report("features", rows)


def _planar_rows(
    scene: str,
    files: Sequence[tuple[Path, Path]],
    log: GyroLog,
    compared: Mapping[str, Contender],
    seed: Sequence[int],
    tick: Callable[[float], None],
) -> list[Row]:
    """Return a scene's rows; of its files, the first is the picture that all others are compared with."""
    found: dict[str, list[Agreement]] = {name: [] for name in compared}
    reference = _picture(files[0][0])
    regions = detect(reference)
    for k, (path, homography) in enumerate(files[1:]):
        other = _picture(path)
        place = Place(other, 0, 0, *other.shape[:2])
        shot = shake(place, [log], BLUR, np.random.default_rng([*seed, k]), camera=CAMERA)
        for i, (name, restore) in enumerate(compared.items()):
            picture = shot.sharp if name == UNBLURRED else shot.blurred
            again = detect(restore(picture, shot.field[:, :]))
            found[name].append(
                agreement(regions, again, read_homography(homography), reference.shape, other.shape)
            )
            tick((k + (i + 1) / len(compared)) / (len(files) - 1))
    return [_row(scene, name, found[name]) for name in compared]


def _row(scene: str, method: str, found: Sequence[Agreement]) -> Row:
    return {
        "scene": scene,
        "method": method,
        "repeatability": round(float(np.mean([each.repeatability for each in found])), 4),
        "correct_matches": round(float(np.mean([each.correct_matches for each in found])), 1),
        "matching_score": round(float(np.mean([each.matching_score for each in found])), 4),
    }


def _scene_files(data: Path, scene: str, count: int) -> list[tuple[Path, Path]]:
    """Return the pictures of a scene with their homographies from the first one (it has none of its own)."""
    others = OTHERS[:count]
    names = ["img1.png", *(f"img{k}.png" for k in others), *(f"H1to{k}p" for k in others)]
    reason = f"the Oxford affine sequences {', '.join(PLANAR)} are needed as eval/oxford_affine/NAME"
    first, *rest = needed(data, [f"eval/oxford_affine/{scene}/{name}" for name in names], reason)
    return [(first, first), *zip(rest[: len(others)], rest[len(others) :], strict=True)]


def read_homography(path: Path) -> Float64[ndarray, "3 3"]:
    """Read a homography of the Oxford affine data set: from the first picture's px to another's.

    Raises
    ------
    DeepGyroError
        If the file holds something else.
    """
    try:
        homography = np.loadtxt(path, dtype=np.float64)
    except ValueError as error:
        raise DeepGyroError(f"{path}: no homography ({error}); 3 x 3 numbers are needed") from error
    if homography.shape != (3, 3):
        raise DeepGyroError(f"{path}: {homography.shape} numbers; 3 x 3 are needed")
    return homography


def _picture(path: Path) -> Picture:
    return eight_bits(read_photo(path, quiet=True).pixels)
