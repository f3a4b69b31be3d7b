"""`bench speed`: how long fields, operators and whole pictures take, beside peers in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from itertools import groupby, product
from pathlib import Path
from typing import get_args

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ...blur import BlurOperator
from ...blur.differences import PathDifferences
from ...blurfield import Field, PathReference, blur_field, motion_field, path_lengths
from ...camera import Camera
from ...deblurring import deblur_picture
from ...restore import (
    METHODS,
    NETWORKS,
    OnePieceNetwork,
    OwnMethodName,
    UnrolledNetwork,
    load_shipped_network,
    restore_in_tiles,
    shipped_networks,
    weights_path,
)
from ...restore.inputs import path_ends
from ...restore.weights import NetworkName
from ...runtime import ENGINES, PRECISIONS, Engine, Precision, Session, has_bf16, open_session
from ...runtime.contract import Provenance
from ...telemetry import GyroLog
from ..report import BenchReport, Row, make_report
from ..synthesis import simulate_camera_shake
from .baselines import SAME_BUDGET_NETWORK, load_baseline
from .contenders import baseline_files, missing_networks
from .memory import measure_memory_rise
from .paper_network import PAPER_GMAC, PAPER_PARAMETER_COUNT, make_paper_network
from .peers import blur_by_remap, field_row_by_row

SPEED_EXPOSURE_START_S, SPEED_EXPOSURE_S = 0.5, 0.02  # s
SMALL_SIZE_PX = (270, 480)  # px, as in the paper
SPEED_BLUR_PX = 30.0
"""Mean length of the paths where networks and operators are timed, px."""
SPEED_REPEATS = 15
RUNS_PER_TURN = 5
"""Runs that one of the jobs that are compared has before it is the next one's turn."""
LARGE_SIZES_PX = ((720, 1280), (1080, 1920), (2600, 4622))
"""Sizes that take seconds, px."""
PAPER_NETWORK_METHOD = "the paper's"
"""The paper's network in rows "network"."""


@dataclass(frozen=True)
class TimedJob:
    """What is timed, and what distinguishes it."""

    what: str
    method: str
    height: int
    width: int
    work: Callable[[], object]
    runtime: str = "numba"
    precision: str = "fp32"
    gmac: float | None = None
    parameters: int | None = None

    @property
    def is_slow(self) -> bool:
        """Whether it takes seconds: it is repeated less often."""
        return self.method in ("richardson-lucy", "fastgyro") or self.height >= LARGE_SIZES_PX[0][0]


class LazyWork:
    """Work that is made ready when it is first asked for: what that takes of the memory counts, too."""

    def __init__(self, prepare: Callable[[], Callable[[], object]]) -> None:
        self._ready = prepare
        self._work: Callable[[], object] | None = None

    def __call__(self) -> object:
        """Do the work."""
        if self._work is None:
            self._work = self._ready()
        return self._work()


def bench_speed(
    *,
    repeats: int = SPEED_REPEATS,
    large: bool = True,
    baselines: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> BenchReport:
    """Time fields, the blur operator, networks and whole pictures.

    Rows "network" are what runs once the field is known, for a picture of floats (networks, blur operator,
    differences); rows "deblur" go from an 8-bit picture and its field to an 8-bit picture, without
    refinement. Medians after one run that is not counted; ``peak_mb`` is how far the process's memory rose in
    that one, OpenVINO's too. Peers: "row by row" does eq. 5 as the original program does (Euler steps at the
    row rate, one homography a row, in NumPy); "cv2.remap" sums 30 bilinear look-ups of the whole picture, as
    many as the blur has px; "the paper's" is its network (fig. 3) at its full 64 channels with random
    weights. What has one size and precision runs in turns of five, in every runtime that is installed.

    At 12 Mpx there are our networks alone: those that see a picture in one piece need some 15 GB there, and
    methods without weights minutes.

    Parameters
    ----------
    repeats
        Counted runs of each; a fifth of them of what takes seconds.
    large
        Also the sizes that take seconds.
    baselines
        Folder with the baselines' weights; None: that of the checkout.
    progress
        Called with the share that is done.
    """
    total = sum(1 for _ in _all_jobs(large, baselines))
    rows: list[Row] = []
    for _, group in groupby(
        _all_jobs(large, baselines), lambda job: (job.what, job.precision, job.height, job.is_slow)
    ):
        compared = list(group)
        counted = max(1, repeats // 5) if compared[0].is_slow else repeats
        for job, (times, peak) in zip(compared, _measure_jobs(compared, counted), strict=True):
            rows.append(_row(job, times, peak))
        if progress:
            progress(len(rows) / total)
    return make_report("speed", rows)


def _all_jobs(large: bool, baselines: Path | None) -> Iterator[TimedJob]:
    """Yield what is timed; networks are opened only when they run, and closed after their group."""
    yield from _field_jobs(large)
    yield from _operator_jobs()
    yield from _network_jobs(large, baselines)
    yield from _deblur_jobs(large)


def speed_display_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: how much quicker than the paper's network, and what is missing.

    The former is of rows "network" alone, against the paper's in OpenVINO at the same precision and size.
    """
    papers = {_comparison_key(row): row["ms_median"] for row in rows if row["method"] == PAPER_NETWORK_METHOD}
    shown = [{**row, "times_faster": _times_faster(row, papers.get(_comparison_key(row)))} for row in rows]
    empty = dict.fromkeys(shown[0]) if shown else {}
    missing = [name for name in missing_networks(rows) if name != SAME_BUDGET_NETWORK]
    return shown + [{**empty, "what": "network", "method": f"{name} (missing)"} for name in missing]


def _comparison_key(row: Row) -> tuple[object, ...]:
    return tuple(row[key] for key in ("what", "precision", "height", "width"))


def _times_faster(row: Row, papers: object) -> float | None:
    own = row["ms_median"]
    return round(papers / own, 2) if isinstance(papers, float) and isinstance(own, float) else None


def _field_jobs(large: bool) -> Iterator[TimedJob]:
    log, camera = _simulate_recording()
    for height, width, n in [(540, 960, 2), (270, 480, 9)] + ([(*LARGE_SIZES_PX[-1], 2)] if large else []):
        scaled = camera.scale_to(height=height, width=width)
        for reference in get_args(PathReference)[:2]:
            compute = partial(
                blur_field,
                log,
                scaled,
                t=SPEED_EXPOSURE_START_S,
                exposure=SPEED_EXPOSURE_S,
                n=n,
                reference=reference,
            )
            yield TimedJob("field", f"ours, {reference}, n = {n}", height, width, compute, precision="fp64")
        if n == 2:
            peer = partial(field_row_by_row, log, scaled, SPEED_EXPOSURE_START_S, SPEED_EXPOSURE_S)
            yield TimedJob(
                "field", "row by row, n = 2", height, width, peer, runtime="numpy", precision="fp64"
            )


def _operator_jobs() -> Iterator[TimedJob]:
    paths = _make_paths(270, 480)
    image = np.random.default_rng(0).random((270, 480, 3), dtype=np.float32)
    for n in (2, 9):
        A = BlurOperator(np.ascontiguousarray(paths[:, :, :: 8 // (n - 1)]))
        yield TimedJob("operator", f"ours, A, n = {n}", 270, 480, partial(A, image))
        yield TimedJob("operator", f"ours, A transposed, n = {n}", 270, 480, partial(A.adjoint, image))
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    for fractions, steps in {
        (c.fractions, c.steps) for c in (load_shipped_network(name).contract for name in shipped_networks())
    }:
        D = PathDifferences(path_ends(paths), fractions, steps)
        count = len(fractions) * len(steps)
        yield TimedJob("operator", f"ours, {count} differences along the path", 270, 480, partial(D, planes))
    remap = partial(blur_by_remap, image, paths)
    yield TimedJob("operator", "cv2.remap, 30 samples", 270, 480, remap, runtime="opencv")


def _network_jobs(large: bool, baselines: Path | None) -> Iterator[TimedJob]:
    rng = np.random.default_rng(0)
    files = {name: path for name, path in baseline_files(baselines).items() if name != SAME_BUDGET_NETWORK}
    for height, width in (SMALL_SIZE_PX, *(LARGE_SIZES_PX[:2] if large else ())):
        field = np.ascontiguousarray(_make_paths(height, width)[:, :, ::2])
        image = rng.random((height, width, 3), dtype=np.float32)
        rows, columns = -(-height // 16) * 16, -(-width // 16) * 16
        for precision in _available_precisions():
            paper = LazyWork(partial(make_paper_network, rows, columns, precision))
            gmac = round(PAPER_GMAC * rows * columns / (272 * 480), 2)
            yield TimedJob(
                "network",
                PAPER_NETWORK_METHOD,
                height,
                width,
                paper,
                "openvino",
                precision,
                gmac,
                PAPER_PARAMETER_COUNT,
            )
            for name, path in files.items():
                cost = _network_cost(load_baseline(path).contract, height, width)
                ready = partial(_prepare_baseline, path, precision, image, field)
                yield TimedJob("network", name, height, width, LazyWork(ready), "openvino", precision, *cost)
            for name, engine in product(shipped_networks(), _available_engines(precision)):
                cost = _network_cost(load_shipped_network(name).contract, height, width)
                ready = partial(_prepare_network, name, engine, precision, image, field)
                yield TimedJob("network", name, height, width, LazyWork(ready), engine, precision, *cost)


def _prepare_baseline(
    path: Path, precision: Precision, image: ndarray, field: ndarray
) -> Callable[[], object]:
    return partial(OnePieceNetwork(path, precision), image, field)


def _prepare_network(
    name: NetworkName, engine: Engine, precision: Precision, image: ndarray, field: ndarray
) -> Callable[[], object]:
    return partial(_run_network, _open_own_session(name, engine, precision), image, field)


def _run_network(session: Session, image: ndarray, field: ndarray) -> None:
    for _ in restore_in_tiles(session, image, field, linear=True):
        pass


def _deblur_jobs(large: bool) -> Iterator[TimedJob]:
    log, camera = _simulate_recording()
    rng = np.random.default_rng(0)
    for height, width in (SMALL_SIZE_PX, *(LARGE_SIZES_PX if large else ())):
        photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        field: Field = np.ascontiguousarray(_make_paths(*SMALL_SIZE_PX)[:, :, ::2])
        if (height, width) != SMALL_SIZE_PX:
            scaled = camera.scale_to(height=height, width=width)
            field = motion_field(
                log, scaled, t=SPEED_EXPOSURE_START_S, exposure=SPEED_EXPOSURE_S, n=5, reference="picture"
            )
        for precision in _available_precisions():
            for name, engine in product(shipped_networks(), _available_engines(precision)):
                cost = _network_cost(load_shipped_network(name).contract, height, width)
                ready = partial(_prepare_deblur, name, engine, precision, photo, field)
                yield TimedJob("deblur", name, height, width, LazyWork(ready), engine, precision, *cost)
        for method in _methods_without_weights() if height < LARGE_SIZES_PX[-1][0] else ():
            work = partial(deblur_picture, photo, field, method=method, refine=False)
            yield TimedJob("deblur", method, height, width, work)


def _prepare_deblur(
    name: NetworkName, engine: Engine, precision: Precision, photo: ndarray, field: Field
) -> Callable[[], object]:
    method = UnrolledNetwork(name, _open_own_session(name, engine, precision))
    return partial(deblur_picture, photo, field, method=method, refine=False)


def _available_engines(precision: Precision) -> tuple[Engine, ...]:
    """Return the runtimes that are installed and have a precision."""
    return ENGINES if precision == "fp32" and find_spec("onnxruntime") else ENGINES[:1]


def _available_precisions() -> tuple[Precision, ...]:
    return PRECISIONS if has_bf16() else PRECISIONS[:1]


def _methods_without_weights() -> list[OwnMethodName]:
    return [method for method in METHODS if method not in NETWORKS]


def _open_own_session(name: NetworkName, engine: Engine, precision: Precision) -> Session:
    """Return a network of a job's own: what it takes of the memory counts there."""
    return open_session(weights_path(name), engine=engine, precision=precision)


def _network_cost(known: Provenance, height: int, width: int) -> tuple[float, int]:
    """Return multiply-adds for a picture, 10^9, and parameters."""
    multiple = known.multiple
    pixels = (-(-height // multiple) * multiple) * (-(-width // multiple) * multiple)
    return round(known.gmac * pixels / 256**2, 2), known.parameters


def _measure_jobs(
    jobs: Sequence[TimedJob], repeats: int
) -> list[tuple[Float64[ndarray, " repeats"], float | None]]:
    """Return the durations of each job's counted runs (ms), and how far memory rose in one before (MB).

    The jobs take turns, so that whatever else the machine does befalls them all.
    """
    peaks = [measure_memory_rise(job.work) for job in jobs]
    times: list[list[float]] = [[] for _ in jobs]
    for first in range(0, repeats, RUNS_PER_TURN):
        for job, own in zip(jobs, times, strict=True):
            if len(jobs) > 1 and not job.is_slow:
                job.work()  # the caches are the others'
            for _ in range(min(RUNS_PER_TURN, repeats - first)):
                start = time.perf_counter()
                job.work()
                own.append(1e3 * (time.perf_counter() - start))
    return [(np.array(own), peak) for own, peak in zip(times, peaks, strict=True)]


def _row(job: TimedJob, times: ndarray, peak: float | None) -> Row:
    return {
        "what": job.what,
        "method": job.method,
        "runtime": job.runtime,
        "precision": job.precision,
        "height": job.height,
        "width": job.width,
        "ms_median": round(float(np.median(times)), 3),
        "ms_p99": round(float(np.percentile(times, 99)), 3),
        "peak_mb": None if peak is None else round(peak, 1),
        "gmac": job.gmac,
        "parameters": job.parameters,
    }


def _simulate_recording() -> tuple[GyroLog, Camera]:
    """Return a shaking hand and a camera of 1600 x 900, with the readout of the paper's tablet."""
    K = np.array([[1300.0, 0, 799.5], [0, 1300.0, 449.5], [0, 0, 1]])
    camera = Camera(1600, 900, K, readout_time=0.0245, cam_from_imu=np.eye(3))
    return simulate_camera_shake(np.random.default_rng(1), duration=2.0, strength=1.5), camera


@cache
def _make_paths(height: int, width: int) -> Float32[ndarray, "h w 9 2"]:
    """Return paths of mean length `SPEED_BLUR_PX`, px."""
    log, camera = _simulate_recording()
    field = blur_field(
        log,
        camera.scale_to(height=height, width=width),
        t=SPEED_EXPOSURE_START_S,
        exposure=SPEED_EXPOSURE_S,
        n=9,
        reference="picture",
    )
    return (field * np.float32(SPEED_BLUR_PX / path_lengths(field).mean())).astype(np.float32)
