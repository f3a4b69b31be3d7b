"""`bench speed`: how long fields, operators and whole pictures take, beside peers in the same run."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from itertools import groupby, product
from pathlib import Path
from typing import Any, TypeVar, get_args

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
    MethodName,
    OnePieceNetwork,
    UnrolledNetwork,
    load_shipped_network,
    restore_in_tiles,
    shipped_networks,
    weights_path,
)
from ...restore.inputs import path_ends
from ...restore.weights import NetworkName
from ...runtime import ENGINES, PRECISIONS, Engine, Precision, has_bf16, open_session
from ...runtime.contract import Provenance
from ...telemetry import GyroLog
from ..report import BenchReport, Progress, Row, make_report
from ..synthesis import simulate_camera_shake
from .contenders import SAME_BUDGET_NETWORK, baseline_contract, baseline_files, missing_networks
from .memory import measure_memory_rise
from .paper_network import PAPER_GMAC, PAPER_PARAMETER_COUNT, make_paper_network
from .peers import blur_by_remap, field_row_by_row

_T = TypeVar("_T")

SPEED_EXPOSURE_START_S, SPEED_EXPOSURE_S = 0.5, 0.02  # s
SMALL_SIZE_PX = (270, 480)  # px, as in the paper
SPEED_BLUR_PX = 30.0
"""Mean length of the paths where networks and operators are timed, px."""
SPEED_REPEATS = 15
RUNS_PER_TURN = 5
"""Consecutive runs of one of the jobs that are compared, before the next one's turn."""
LARGE_SIZES_PX = ((720, 1280), (1080, 1920), (2600, 4622))
"""Sizes that take seconds, px."""
PAPER_NETWORK_METHOD = "the paper's"
"""The paper's network in rows "network" and "video"."""


@dataclass(frozen=True)
class TimedJob:
    """Work that is timed, and what distinguishes it."""

    what: str
    method: str
    height: int
    width: int
    work: Callable[[], object]
    runtime: str = "numba"
    precision: str = "fp32"
    gmac: float | None = None
    parameters: int | None = None
    peer: str = ""
    """The job that it is compared with in clips."""
    frames: int = 1
    """Frames of a clip that the work handles."""

    @property
    def is_slow(self) -> bool:
        """Whether it takes seconds: it is repeated less often."""
        return self.method in ("richardson-lucy", "fastgyro") or self.height >= LARGE_SIZES_PX[0][0]

    def make_row(self, ms_median: float, ms_p99: float | None, peak_mb: float | None) -> dict[str, Any]:
        """Return the report's row."""
        return {
            "what": self.what,
            "method": self.method,
            "runtime": self.runtime,
            "precision": self.precision,
            "height": self.height,
            "width": self.width,
            "ms_median": round(ms_median, 3),
            "ms_p99": None if ms_p99 is None else round(ms_p99, 3),
            "peak_mb": None if peak_mb is None else round(peak_mb, 1),
            "gmac": self.gmac,
            "parameters": self.parameters,
        }


def run_lazily(load: Callable[[], _T], run: Callable[[_T], object]) -> Callable[[], object]:
    """Return work that loads what it needs in its first run, so that its memory is measured there."""
    loaded = cache(load)
    return lambda: run(loaded())


def bench_speed(
    *,
    repeats: int = SPEED_REPEATS,
    large: bool = True,
    baselines: Path | None = None,
    progress: Progress | None = None,
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
    """
    total = sum(1 for _ in _all_jobs(large, baselines))
    rows: list[Row] = []
    for _, group in groupby(
        _all_jobs(large, baselines), lambda job: (job.what, job.precision, job.height, job.is_slow)
    ):
        compared = list(group)
        counted = max(1, repeats // 5) if compared[0].is_slow else repeats
        for job, (times, peak) in zip(compared, _measure_jobs(compared, counted), strict=True):
            rows.append(job.make_row(float(np.median(times)), float(np.percentile(times, 99)), peak))
        if progress:
            progress(len(rows) / total)
    return make_report("speed", rows, speed_display_rows(rows))


def _all_jobs(large: bool, baselines: Path | None) -> Iterator[TimedJob]:
    """Yield what is timed; networks are opened only when they run, and closed after their group."""
    yield from _field_jobs(large)
    yield from _operator_jobs()
    yield from _network_jobs(large, baselines)
    yield from _deblur_jobs(large)


def speed_display_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: how many times faster than the paper's network, and what is missing.

    The former is of rows "network" alone, against the paper's in OpenVINO at the same precision and size.
    """

    def key(row: Row) -> tuple[object, ...]:
        return row["what"], row["precision"], row["height"], row["width"]

    papers: dict[tuple[object, ...], Any] = {
        key(row): row["ms_median"] for row in rows if row["method"] == PAPER_NETWORK_METHOD
    }
    shown: list[Row] = []
    for row in rows:
        paper, own = papers.get(key(row)), row["ms_median"]
        times_faster = round(paper / own, 2) if paper is not None and isinstance(own, float) else None
        shown.append({**row, "times_faster": times_faster})
    empty = dict.fromkeys(shown[0]) if shown else {}
    missing = [name for name in missing_networks(rows) if name != SAME_BUDGET_NETWORK]
    return shown + [{**empty, "what": "network", "method": f"{name} (missing)"} for name in missing]


def _field_jobs(large: bool) -> Iterator[TimedJob]:
    log, camera = _simulate_recording()
    t, exposure = SPEED_EXPOSURE_START_S, SPEED_EXPOSURE_S
    job = partial(TimedJob, "field", precision="fp64")
    for height, width, n in [(540, 960, 2), (270, 480, 9)] + ([(*LARGE_SIZES_PX[-1], 2)] if large else []):
        scaled = camera.scale_to(height=height, width=width)
        for reference in get_args(PathReference)[:2]:
            work = partial(blur_field, log, scaled, t=t, exposure=exposure, n=n, reference=reference)
            yield job(f"ours, {reference}, n = {n}", height, width, work)
        if n == 2:
            peer = partial(field_row_by_row, log, scaled, t, exposure)
            yield job("row by row, n = 2", height, width, peer, runtime="numpy")


def _operator_jobs() -> Iterator[TimedJob]:
    paths = _make_paths(*SMALL_SIZE_PX)
    image = np.random.default_rng(0).random((*SMALL_SIZE_PX, 3), dtype=np.float32)

    def job(method: str, work: Callable[[], object], runtime: str = "numba") -> TimedJob:
        return TimedJob("operator", method, *SMALL_SIZE_PX, work, runtime)

    for n in (2, 9):
        A = BlurOperator(np.ascontiguousarray(paths[:, :, :: 8 // (n - 1)]))
        yield job(f"ours, A, n = {n}", partial(A, image))
        yield job(f"ours, A transposed, n = {n}", partial(A.adjoint, image))
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    contracts = [load_shipped_network(name).contract for name in shipped_networks()]
    for fractions, steps in {(c.fractions, c.steps) for c in contracts}:
        D = PathDifferences(path_ends(paths), fractions, steps)
        yield job(f"ours, {len(fractions) * len(steps)} differences along the path", partial(D, planes))
    yield job("cv2.remap, 30 samples", partial(blur_by_remap, image, paths), "opencv")


def _network_jobs(large: bool, baselines: Path | None) -> Iterator[TimedJob]:
    rng = np.random.default_rng(0)
    files = {name: path for name, path in baseline_files(baselines).items() if name != SAME_BUDGET_NETWORK}
    for height, width in (SMALL_SIZE_PX, *(LARGE_SIZES_PX[:2] if large else ())):
        field = np.ascontiguousarray(_make_paths(height, width)[:, :, ::2])
        image = rng.random((height, width, 3), dtype=np.float32)
        rows, columns = -(-height // 16) * 16, -(-width // 16) * 16
        for precision in available_precisions():
            paper = run_lazily(partial(make_paper_network, rows, columns, precision), operator.call)
            cost = round(PAPER_GMAC * rows * columns / (272 * 480), 2), PAPER_PARAMETER_COUNT
            yield TimedJob(
                "network", PAPER_NETWORK_METHOD, height, width, paper, "openvino", precision, *cost
            )
            for name, path in files.items():
                cost = network_cost(baseline_contract(path), height, width)
                load = partial(OnePieceNetwork, path, precision)
                work = run_lazily(load, partial(_run_in_one_piece, image, field))
                yield TimedJob("network", name, height, width, work, "openvino", precision, *cost)
            yield from _own_jobs("network", height, width, precision, partial(_run_in_tiles, image, field))


def _deblur_jobs(large: bool) -> Iterator[TimedJob]:
    log, camera = _simulate_recording()
    rng = np.random.default_rng(0)
    for height, width in (SMALL_SIZE_PX, *(LARGE_SIZES_PX if large else ())):
        photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        field: Field = np.ascontiguousarray(_make_paths(*SMALL_SIZE_PX)[:, :, ::2])
        if (height, width) != SMALL_SIZE_PX:
            scaled = camera.scale_to(height=height, width=width)
            t, exposure = SPEED_EXPOSURE_START_S, SPEED_EXPOSURE_S
            field = motion_field(log, scaled, t=t, exposure=exposure, n=5, reference="picture")
        run = partial(_deblur, photo, field)
        for precision in available_precisions():
            yield from _own_jobs("deblur", height, width, precision, run)
        if height < LARGE_SIZES_PX[-1][0]:
            for method in METHODS:
                if method not in NETWORKS:
                    yield TimedJob("deblur", method, height, width, partial(run, method))


def _own_jobs(
    what: str, height: int, width: int, precision: Precision, run: Callable[[UnrolledNetwork], object]
) -> Iterator[TimedJob]:
    """Yield a job for each of our networks in each runtime that is installed and has the precision."""
    engines = ENGINES if precision == "fp32" and find_spec("onnxruntime") else ENGINES[:1]
    for name, engine in product(shipped_networks(), engines):
        cost = network_cost(load_shipped_network(name).contract, height, width)
        work = run_lazily(partial(open_network, name, precision, engine), run)
        yield TimedJob(what, name, height, width, work, engine, precision, *cost)


def open_network(name: NetworkName, precision: Precision, engine: Engine = "openvino") -> UnrolledNetwork:
    """Return a network in a session of its own, whose memory counts where it is opened."""
    return UnrolledNetwork(name, open_session(weights_path(name), engine=engine, precision=precision))


def _run_in_one_piece(image: ndarray, field: ndarray, network: OnePieceNetwork) -> None:
    network(image, field)


def _run_in_tiles(image: ndarray, field: ndarray, network: UnrolledNetwork) -> None:
    for _ in restore_in_tiles(network.session, image, field, linear=True):
        pass


def _deblur(photo: ndarray, field: Field, method: MethodName | UnrolledNetwork) -> None:
    deblur_picture(photo, field, method=method, refine=False)


def available_precisions() -> tuple[Precision, ...]:
    """Return the precisions that this processor has instructions for."""
    return PRECISIONS if has_bf16() else PRECISIONS[:1]


def network_cost(contract: Provenance, height: int, width: int) -> tuple[float, int]:
    """Return multiply-adds for a picture, 10^9, and parameters."""
    multiple = contract.multiple
    pixels = (-(-height // multiple) * multiple) * (-(-width // multiple) * multiple)
    return round(contract.gmac * pixels / 256**2, 2), contract.parameters


def _measure_jobs(
    jobs: Sequence[TimedJob], repeats: int
) -> list[tuple[Float64[ndarray, " repeats"], float | None]]:
    """Return the durations of each job's counted runs (ms), and how far memory rose in one before (MB).

    The jobs take turns, so that other load of the machine affects them all.
    """
    peaks = [measure_memory_rise(job.work) for job in jobs]
    times: list[list[float]] = [[] for _ in jobs]
    for first in range(0, repeats, RUNS_PER_TURN):
        for job, own in zip(jobs, times, strict=True):
            if len(jobs) > 1 and not job.is_slow:
                job.work()  # the caches are the others'
            own += [time_call(job.work)[0] for _ in range(min(RUNS_PER_TURN, repeats - first))]
    return [(np.array(own), peak) for own, peak in zip(times, peaks, strict=True)]


def time_call(work: Callable[[], _T]) -> tuple[float, _T]:
    """Return how long some work takes, ms, and its result."""
    start = time.perf_counter()
    result = work()
    return 1e3 * (time.perf_counter() - start), result


def _simulate_recording() -> tuple[GyroLog, Camera]:
    """Return the log of camera shake and a camera of 1600 x 900, with the readout of the paper's tablet."""
    K = np.array([[1300.0, 0, 799.5], [0, 1300.0, 449.5], [0, 0, 1]])
    camera = Camera(1600, 900, K, readout_time=0.0245, cam_from_imu=np.eye(3))
    return simulate_camera_shake(np.random.default_rng(1), duration=2.0, strength=1.5), camera


@cache
def _make_paths(height: int, width: int) -> Float32[ndarray, "h w 9 2"]:
    """Return paths of mean length `SPEED_BLUR_PX`, px."""
    log, camera = _simulate_recording()
    scaled = camera.scale_to(height=height, width=width)
    t, exposure = SPEED_EXPOSURE_START_S, SPEED_EXPOSURE_S
    field = blur_field(log, scaled, t=t, exposure=exposure, n=9, reference="picture")
    return (field * np.float32(SPEED_BLUR_PX / path_lengths(field).mean())).astype(np.float32)
