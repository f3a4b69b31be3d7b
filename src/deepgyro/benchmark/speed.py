"""`bench speed`: how long fields, operators and whole pictures take, beside peers in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from typing import get_args

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..blur import Blur
from ..blur.differences import PathDifferences
from ..blurfield import Reference, blur_field, motion_field, path_length
from ..camera import Camera
from ..deblurring import METHODS, Method, deblur_picture
from ..runtime import (
    NETWORKS,
    PRECISIONS,
    Precision,
    Session,
    has_bf16,
    network,
    open_session,
    restore,
    shipped,
    weights_path,
)
from ..runtime.inputs import path_ends
from ..runtime.weights import Name
from ..synthesis import hand_shake
from ..telemetry import GyroLog
from .memory import memory_rise
from .paper_network import GMAC, PARAMETERS, paper_network
from .peers import blur_by_remap, field_row_by_row
from .report import BenchReport, Row, report

T, EXPOSURE = 0.5, 0.02  # s
BLUR = 30.0
"""Mean length of the paths where networks and operators are timed, px."""
REPEATS = 15
TURN = 5
"""Runs that one of the jobs that are compared has before it is the next one's turn."""
LARGE = ((1080, 1920), (2600, 4622))
"""Sizes that take seconds, px."""
PAPERS = "the paper's"
"""The paper's network in rows "network"."""


@dataclass(frozen=True)
class Job:
    """What is timed, and how it is told apart."""

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
    def slow(self) -> bool:
        """Whether it takes seconds: it is repeated less often."""
        return self.method in ("richardson-lucy", "fastgyro") or self.height > 1000


def speed(
    *, repeats: int = REPEATS, large: bool = True, progress: Callable[[float], None] | None = None
) -> BenchReport:
    """Time fields, the blur operator, networks and whole pictures.

    Rows "network" are what runs once the field is known, for a picture of floats (networks, blur operator,
    differences); rows "deblur" go from an 8-bit picture and its field to an 8-bit picture, without
    refinement. Medians after one run that is not counted; ``peak_mb`` is how far the process's memory rose in
    that one, OpenVINO's too. Peers: "row by row" does eq. 5 as the original program does (Euler steps at the
    row rate, one homography a row, in NumPy); "cv2.remap" sums 30 bilinear look-ups of the whole picture, as
    many as the blur has px; "the paper's" is its network (fig. 3) with random weights, in the same runtime
    and precision: it and ours run in turns of five.

    Parameters
    ----------
    repeats
        Counted runs of each; a fifth of them of what takes seconds.
    large
        Also the sizes that take seconds.
    progress
        Called with the share that is done.
    """
    jobs = [*_field_jobs(large), *_operator_jobs(), *_network_jobs(), *_deblur_jobs(large)]
    rows: list[Row] = []
    for _, group in groupby(jobs, lambda job: (job.what, job.precision, job.height, job.slow)):
        compared = list(group)
        counted = max(1, repeats // 5) if compared[0].slow else repeats
        for job, (times, peak) in zip(compared, _measured(compared, counted), strict=True):
            rows.append(_row(job, times, peak))
        if progress:
            progress(len(rows) / len(jobs))
    return report("speed", rows)


def speed_shown(rows: Sequence[Row]) -> list[Row]:
    """Return rows for a person: how much quicker than the paper's network, and what is missing.

    The former is of rows "network" alone, against the same runtime, precision and size in the same run.
    """
    papers = {_conditions(row): row["ms_median"] for row in rows if row["method"] == PAPERS}
    shown = [{**row, "times_faster": _times_faster(row, papers.get(_conditions(row)))} for row in rows]
    empty = dict.fromkeys(shown[0]) if shown else {}
    there = {row["method"] for row in rows}
    missing = [name for name in NETWORKS if name not in there]
    return shown + [{**empty, "what": "network", "method": f"{name} (missing)"} for name in missing]


def _conditions(row: Row) -> tuple[object, ...]:
    return tuple(row[key] for key in ("what", "runtime", "precision", "height", "width"))


def _times_faster(row: Row, papers: object) -> float | None:
    own = row["ms_median"]
    return round(papers / own, 2) if isinstance(papers, float) and isinstance(own, float) else None


def _field_jobs(large: bool) -> Iterator[Job]:
    log, camera = _recording()
    for height, width, n in [(540, 960, 2), (270, 480, 9)] + ([(*LARGE[1], 2)] if large else []):
        scaled = camera.scaled(height=height, width=width)
        for reference in get_args(Reference)[:2]:
            compute = partial(blur_field, log, scaled, t=T, exposure=EXPOSURE, n=n, reference=reference)
            yield Job("field", f"ours, {reference}, n = {n}", height, width, compute, precision="fp64")
        if n == 2:
            peer = partial(field_row_by_row, log, scaled, T, EXPOSURE)
            yield Job("field", "row by row, n = 2", height, width, peer, runtime="numpy", precision="fp64")


def _operator_jobs() -> Iterator[Job]:
    paths = _paths(270, 480)
    image = np.random.default_rng(0).random((270, 480, 3), dtype=np.float32)
    for n in (2, 9):
        A = Blur(np.ascontiguousarray(paths[:, :, :: 8 // (n - 1)]))
        yield Job("operator", f"ours, A, n = {n}", 270, 480, partial(A, image))
        yield Job("operator", f"ours, A transposed, n = {n}", 270, 480, partial(A.adjoint, image))
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    for fractions, steps in {(c.fractions, c.steps) for c in (network(name).contract for name in shipped())}:
        D = PathDifferences(path_ends(paths), fractions, steps)
        count = len(fractions) * len(steps)
        yield Job("operator", f"ours, {count} differences along the path", 270, 480, partial(D, planes))
    remap = partial(blur_by_remap, image, paths)
    yield Job("operator", "cv2.remap, 30 samples", 270, 480, remap, runtime="opencv")


def _network_jobs() -> Iterator[Job]:
    field = np.ascontiguousarray(_paths(270, 480)[:, :, ::2])
    image = np.random.default_rng(0).random((270, 480, 3), dtype=np.float32)
    for precision in _precisions():
        paper = paper_network(272, 480, precision)
        yield Job("network", PAPERS, 270, 480, paper, "openvino", precision, GMAC, PARAMETERS)
        for name in shipped():
            session = _session(name, precision)
            work = partial(_run, session, image, field)
            yield Job("network", name, 270, 480, work, "openvino", precision, *_cost(session, 272, 480))


def _run(session: Session, image: ndarray, field: ndarray) -> None:
    for _ in restore(session, image, field, linear=True):
        pass


def _deblur_jobs(large: bool) -> Iterator[Job]:
    log, camera = _recording()
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (270, 480, 3), dtype=np.uint8)
    field = np.ascontiguousarray(_paths(270, 480)[:, :, ::2])
    for precision in _precisions():
        for name in shipped():
            session = _session(name, precision)
            work = partial(deblur_picture, photo, field, method=name, refine=False, session=session)
            yield Job("deblur", name, 270, 480, work, "openvino", precision, *_cost(session, 272, 480))
    for method in _without_weights():
        work = partial(deblur_picture, photo, field, method=method, refine=False)
        yield Job("deblur", method, 270, 480, work)
    for height, width in LARGE if large else ():
        photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        scaled = camera.scaled(height=height, width=width)
        paths = motion_field(log, scaled, t=T, exposure=EXPOSURE, n=5, reference="picture")
        for name in shipped():
            session = network(name)
            work = partial(deblur_picture, photo, paths, method=name, refine=False)
            cost = _cost(session, height, width)
            yield Job("deblur", name, height, width, work, "openvino", session.precision, *cost)
        for method in _without_weights() if height < 2000 else ():
            work = partial(deblur_picture, photo, paths, method=method, refine=False)
            yield Job("deblur", method, height, width, work)


def _precisions() -> tuple[Precision, ...]:
    return PRECISIONS if has_bf16() else PRECISIONS[:1]


def _without_weights() -> list[Method]:
    return [method for method in METHODS if method not in NETWORKS]


def _session(name: Name, precision: Precision) -> Session:
    """Return a network of a job's own: what it takes of the memory counts there."""
    return open_session(weights_path(name), precision=precision)


def _cost(session: Session, height: int, width: int) -> tuple[float, int]:
    """Return multiply-adds for a picture, 10^9, and parameters."""
    return round(session.contract.gmac * height * width / 256**2, 2), session.contract.parameters


def _measured(jobs: Sequence[Job], repeats: int) -> list[tuple[Float64[ndarray, " repeats"], float | None]]:
    """Return the durations of each job's counted runs (ms), and how far memory rose in one before (MB).

    The jobs take turns, so that whatever else the machine does befalls them all.
    """
    peaks = [memory_rise(job.work) for job in jobs]
    times: list[list[float]] = [[] for _ in jobs]
    for first in range(0, repeats, TURN):
        for job, own in zip(jobs, times, strict=True):
            if len(jobs) > 1 and not job.slow:
                job.work()  # the caches are the others'
            for _ in range(min(TURN, repeats - first)):
                start = time.perf_counter()
                job.work()
                own.append(1e3 * (time.perf_counter() - start))
    return [(np.array(own), peak) for own, peak in zip(times, peaks, strict=True)]


def _row(job: Job, times: ndarray, peak: float | None) -> Row:
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


def _recording() -> tuple[GyroLog, Camera]:
    """Return a shaking hand and a camera of 1600 x 900, with the readout of the paper's tablet."""
    K = np.array([[1300.0, 0, 799.5], [0, 1300.0, 449.5], [0, 0, 1]])
    camera = Camera(1600, 900, K, readout_time=0.0245, cam_from_imu=np.eye(3))
    return hand_shake(np.random.default_rng(1), duration=2.0, strength=1.5), camera


@cache
def _paths(height: int, width: int) -> Float32[ndarray, "h w 9 2"]:
    """Return paths of mean length `BLUR`, px."""
    log, camera = _recording()
    field = blur_field(
        log, camera.scaled(height=height, width=width), t=T, exposure=EXPOSURE, n=9, reference="picture"
    )
    return (field * np.float32(BLUR / path_length(field).mean())).astype(np.float32)
