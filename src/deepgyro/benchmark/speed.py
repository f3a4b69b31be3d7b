"""`bench speed`: how long fields, operators and whole pictures take, beside peers in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..blur import Blur
from ..blur.differences import PathDifferences
from ..blurfield import Field, Reference, blur_field, motion_field, path_length
from ..camera import Camera
from ..deblurring import METHODS, deblur_picture
from ..runtime import NETWORKS, PRECISIONS, Session, has_bf16, network, open_session, restore, weights_path
from ..runtime.inputs import path_ends
from ..synthesis import hand_shake
from ..telemetry import GyroLog
from .memory import memory_rise
from .paper_network import GMAC, PARAMETERS, paper_network
from .report import BenchReport, Row, report

T, EXPOSURE = 0.5, 0.02  # s
REPEATS = 15


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


def speed(
    *, repeats: int = REPEATS, large: bool = True, progress: Callable[[float], None] | None = None
) -> BenchReport:
    """Time fields, the blur operator, networks and whole pictures.

    Rows "network" are what runs once the field is known, for a picture of floats (networks, blur operator,
    differences); rows "deblur" go from an 8-bit picture and its field to an 8-bit picture. Medians after one
    run that is not counted; ``peak_mb`` is how far the process's memory rose in that one, OpenVINO's too.
    Peers: "row by row" does eq. 5 as the original program does (Euler steps at the row rate, one homography a
    row, in NumPy); "cv2.remap" sums 30 bilinear look-ups of the whole picture, as many as the blur has px;
    "the paper's" is its network (fig. 3) with random weights, in the same runtime.

    Parameters
    ----------
    repeats
        Counted runs of each.
    large
        Also the sizes that take seconds.
    progress
        Called with the share that is done.
    """
    jobs = [*_field_jobs(large), *_operator_jobs(), *_network_jobs(), *_deblur_jobs(large)]
    rows: list[Row] = []
    for k, job in enumerate(jobs):
        slow = job.method in ("richardson-lucy", "fastgyro") or job.height > 1000
        times, peak = _measure(job.work, max(1, repeats // 5) if slow else repeats)
        rows.append(_row(job, times, peak))
        if progress:
            progress((k + 1) / len(jobs))
    return report("speed", rows)


def _field_jobs(large: bool) -> Iterator[Job]:
    log, camera = _recording()
    for height, width, n in [(540, 960, 2), (270, 480, 9)] + ([(2600, 4622, 2)] if large else []):
        scaled = camera.scaled(height=height, width=width)
        for reference in get_args(Reference)[:2]:
            compute = partial(blur_field, log, scaled, t=T, exposure=EXPOSURE, n=n, reference=reference)
            yield Job("field", f"ours, {reference}, n = {n}", height, width, compute, precision="fp64")
        if n == 2:
            peer = partial(field_row_by_row, log, scaled, T, EXPOSURE)
            yield Job("field", "row by row, n = 2", height, width, peer, runtime="numpy", precision="fp64")


def _operator_jobs() -> Iterator[Job]:
    log, camera = _recording()
    paths = _paths_of_mean_length(log, camera.scaled(height=270, width=480), 30.0)
    image = np.random.default_rng(0).random((270, 480, 3), dtype=np.float32)
    for n in (2, 9):
        A = Blur(np.ascontiguousarray(paths[:, :, :: 8 // (n - 1)]))
        yield Job("operator", f"ours, A, n = {n}", 270, 480, partial(A, image))
        yield Job("operator", f"ours, A transposed, n = {n}", 270, 480, partial(A.adjoint, image))
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    D = PathDifferences(path_ends(paths), (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5), (0.1,))
    yield Job("operator", "ours, 6 differences along the path", 270, 480, partial(D, planes))
    remap = partial(_blur_by_remap, image, paths)
    yield Job("operator", "cv2.remap, 30 samples", 270, 480, remap, runtime="opencv")


def _network_jobs() -> Iterator[Job]:
    log, camera = _recording()
    field = _paths_of_mean_length(log, camera.scaled(height=270, width=480), 30.0)[:, :, ::4]
    image = np.random.default_rng(0).random((270, 480, 3), dtype=np.float32)
    for precision in PRECISIONS if has_bf16() else PRECISIONS[:1]:
        paper = paper_network(272, 480, precision)
        cost = GMAC, PARAMETERS
        yield Job("network", "the paper's", 270, 480, paper, "openvino", precision, *cost)
        for name in NETWORKS:
            session = open_session(weights_path(name), precision=precision)
            contract = session.contract
            cost = round(contract.gmac * 272 * 480 / 256**2, 2), contract.parameters
            work = partial(_run, session, image, np.ascontiguousarray(field))
            yield Job("network", name, 270, 480, work, "openvino", precision, *cost)


def _run(session: Session, image: ndarray, field: ndarray) -> None:
    for _ in restore(session, image, field, linear=True):
        pass


def _deblur_jobs(large: bool) -> Iterator[Job]:
    log, camera = _recording()
    rng = np.random.default_rng(0)
    for height, width in [(270, 480)] + ([(1080, 1920), (2600, 4622)] if large else []):
        photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        scaled = camera.scaled(height=height, width=width)
        field: Field = motion_field(log, scaled, t=T, exposure=EXPOSURE, n=5, reference="picture")
        if height < 1000:
            field = field[:, :]
        for method in METHODS:
            if method in NETWORKS:
                precision = network(method).precision
                work = partial(deblur_picture, photo, field, method=method)
                yield Job("deblur", method, height, width, work, "openvino", precision)
            elif height < 2000:
                yield Job(
                    "deblur", method, height, width, partial(deblur_picture, photo, field, method=method)
                )


def _measure(work: Callable[[], object], repeats: int) -> tuple[Float64[ndarray, " repeats"], float | None]:
    """Return the durations of the counted runs (ms), and how far memory rose in the one before (MB)."""
    peak = memory_rise(work)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return np.array(times), peak


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


def _paths_of_mean_length(log: GyroLog, camera: Camera, length: float) -> Float32[ndarray, "h w 9 2"]:
    field = blur_field(log, camera, t=T, exposure=EXPOSURE, n=9)
    return (field * np.float32(length / path_length(field).mean())).astype(np.float32)


def _blur_by_remap(image: ndarray, paths: ndarray, samples: int = 30) -> ndarray:
    import cv2

    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    vector = paths[:, :, -1] - paths[:, :, 0]
    total = np.zeros_like(image)
    for s in (np.arange(samples, dtype=np.float32) + 0.5) / samples - 0.5:
        where_x, where_y = x - s * vector[..., 0], y - s * vector[..., 1]
        total += cv2.remap(image, where_x, where_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return total / samples


def field_row_by_row(log: GyroLog, camera: Camera, t: float, exposure: float) -> Float32[ndarray, "h w 2"]:
    """Return blur vectors (px) as the original program computes them: the peer of `bench speed`.

    For each row, Euler steps of the quaternion at the row rate through its exposure, then one homography for
    the row's pixels.
    """
    height, width = camera.height, camera.width
    step = (camera.readout_time or 0.0) / height
    times = t + np.arange(height + int(np.ceil(exposure / step)) + 1) * step
    rates = np.stack([np.interp(times, log.t, w) for w in (log.omega @ _rotation(camera).T).T], axis=-1)
    q = np.array([1.0, 0.0, 0.0, 0.0])
    R = np.empty((len(times), 3, 3))
    for k, (a, b, c) in enumerate(rates):
        w, x, y, z = q
        R[k] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        turn = np.array(
            [-x * a - y * b - z * c, w * a + y * c - z * b, w * b - x * c + z * a, w * c + x * b - y * a]
        )
        q = q + 0.5 * step * turn
        q /= np.sqrt(q @ q)
    K_inv = np.linalg.inv(camera.K)
    rows_of_exposure = len(times) - height
    pixels = np.stack([np.arange(width), np.zeros(width), np.ones(width)])
    out = np.empty((height, width, 2), np.float32)
    for row in range(height):
        pixels[1] = row
        H = camera.K @ R[row + rows_of_exposure - 1].T @ R[row] @ K_inv
        moved = H @ pixels
        out[row] = (moved[:2] / moved[2] - pixels[:2]).T
    return out


def _rotation(camera: Camera) -> ndarray:
    if camera.cam_from_imu is None:
        raise ValueError("the camera has no cam_from_imu")
    return camera.cam_from_imu
