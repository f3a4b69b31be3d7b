"""Motion of the camera: the exact field of a pair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ...blurfield import MotionField, motion_field, path_lengths
from ...camera import Camera
from ...errors import DeepGyroError, ExposureNotCovered, ImpossibleMotion
from ...telemetry import GyroLog
from .config import CameraDraws, MotionDraws, Range

NODE_STEP_PX = 16
"""Distance of the nodes at which the fields of a pair are kept, px."""
LOG_MARGIN_S = 0.05
"""How much of the log around an exposure is kept, for gyros with a wrong clock, s."""
MAX_RATE_RAD_S = 35.0
"""No rate about an axis is scaled beyond this, the full scale of usual gyros, rad/s."""
_EXPOSURE_TRIES = 20


@dataclass(frozen=True, eq=False)
class SimulatedExposure:
    """A stretch of a gyro log and an exposure during it."""

    log: GyroLog
    """The stretch, its rates scaled: the camera's rotation."""
    camera: Camera
    t: float
    """Start of the exposure of the line that is read first, s on the log's clock."""
    exposure: float
    """s"""
    instants: int
    reference: Literal["row", "picture"]
    log_time: float
    """`t` in the whole log, s."""

    def without_motion(self) -> SimulatedExposure:
        """Return the exposure of a camera at rest."""
        return replace(self, log=GyroLog(self.log.t, np.zeros_like(self.log.omega), source=self.log.source))

    def field(self, *, velocity: ndarray | None = None, plane: ndarray | None = None) -> MotionField:
        """Return the field; with a velocity (m/s) and a plane (1/m) that of a translating camera."""
        return motion_field(
            self.log, self.camera, t=self.t, exposure=self.exposure, n=self.instants,
            reference=self.reference, velocity=velocity, plane=plane,
        )  # fmt: skip


def straight_paths(vectors: ndarray, n: int) -> Float32[ndarray, "*grid n 2"]:
    """Return the paths of constant speed along blur vectors (..., 2), at n instants, px."""
    path: ndarray = np.linspace(-0.5, 0.5, n)[:, None] * np.asarray(vectors)[..., None, :]
    return path.astype(np.float32)


def draw_camera(rng: np.random.Generator, draws: CameraDraws, *, height: int, width: int) -> Camera:
    """Draw the camera of a pair."""
    focal = draw_log_uniform(rng, draws.focal) * width
    K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    readout = float(rng.uniform(*draws.readout))
    direction = draws.directions[int(rng.integers(len(draws.directions)))]
    mounting = draw_rotation(rng) if draws.cam_from_imu is None else np.array(draws.cam_from_imu)
    return Camera(width, height, K, readout_time=readout, readout_direction=direction, cam_from_imu=mounting)


def draw_exposure(
    rng: np.random.Generator, log: GyroLog, camera: Camera, draws: MotionDraws
) -> SimulatedExposure:
    """Draw start and length of an exposure and its mean blur, and scale the rates to that.

    Raises
    ------
    DeepGyroError
        If the log is too short for an exposure, or has too many gaps.
    """
    for _ in range(_EXPOSURE_TRIES):
        wanted, exposure = _draw_blur_and_exposure(rng, camera, draws)
        try:
            drawn = _draw_log_stretch(rng, log, camera, draws, wanted, exposure)
            return _scale_rates_to_blur(drawn, draws, wanted)
        except (ExposureNotCovered, ImpossibleMotion):
            continue
    raise DeepGyroError(
        f"{log.source}: none of {_EXPOSURE_TRIES} exposures fits into this log of {log.duration:.2f} s; "
        "a longer log without gaps is needed"
    )


def draw_translation(
    rng: np.random.Generator, exposure: SimulatedExposure, draws: MotionDraws
) -> tuple[Float64[ndarray, " 3"], Float64[ndarray, " 3"]]:
    """Draw the camera's velocity (m/s; part of it by rotation about a point beside it) and a plane (1/m)."""
    rates = exposure.log.omega @ require_cam_from_imu(exposure.camera).T
    lever = rng.normal(0, draws.lever, 3)
    velocity = rng.normal(0, draws.speed, 3) + np.cross(rates.mean(0), lever)
    tilt, turn = np.radians(rng.uniform(0, draws.tilt)), rng.uniform(0, 2 * np.pi)
    normal = np.array([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)])
    return velocity, normal / draw_log_uniform(rng, draws.depth)


def draw_log_uniform(rng: np.random.Generator, ends: Range) -> float:
    """Draw a logarithmically uniform number."""
    low, high = ends
    share = rng.random()
    return low if low == high else float(low * (high / low) ** share)


def draw_rotation(rng: np.random.Generator) -> Float64[ndarray, "3 3"]:
    """Draw a uniformly distributed rotation: a unit quaternion of four normal numbers."""
    q = rng.standard_normal(4)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _draw_blur_and_exposure(
    rng: np.random.Generator, camera: Camera, draws: MotionDraws
) -> tuple[float | None, float]:
    """Draw mean blur (px) and an exposure (s) that is long enough for it.

    The rates must stay possible, and the picture move at most half as fast as the shutter reads it (no sharp
    rolling-shutter picture exists where it moves as fast).
    """
    if draws.blur is None:
        return None, draw_log_uniform(rng, draws.exposure)
    wanted = draws.blur * rng.random() ** draws.blur_power
    lines = camera.height if camera.readout_direction in ("down", "up") else camera.width
    readout = camera.readout_time or 0.0
    least = wanted * max(1 / (draws.fastest * camera.K[0, 0]), 2 * readout / lines)
    shortest, longest = draws.exposure
    if least > longest:
        return wanted * longest / least, longest
    return wanted, draw_log_uniform(rng, (max(shortest, least), longest))


def _draw_log_stretch(
    rng: np.random.Generator,
    log: GyroLog,
    camera: Camera,
    draws: MotionDraws,
    blur_px: float | None,
    exposure: float,
) -> SimulatedExposure:
    """Draw a stretch of the log: of 16, more likely one whose own blur is near `blur_px`."""
    whole = exposure + (camera.readout_time or 0.0)
    first, last = log.t[0] + LOG_MARGIN_S, log.t[-1] - LOG_MARGIN_S - whole
    if last <= first:
        raise DeepGyroError(
            f"{log.source}: {log.duration:.3f} s of gyro; an exposure of {exposure:.3f} s with its readout "
            f"and {LOG_MARGIN_S} s around it does not fit: give a longer log"
        )
    starts = rng.uniform(first, last, 16)
    choice = 0
    if blur_px is not None:
        angle = _cumulative_angle(log)
        angles = np.interp(starts + whole, log.t, angle) - np.interp(starts, log.t, angle)
        off = np.log(np.maximum(angles / whole * exposure * camera.K[0, 0], 1e-6) / max(blur_px, 1e-6))
        weights = np.exp(-0.5 * (off**2 - (off**2).min()) / 0.4**2)
        choice = int(rng.choice(16, p=weights / weights.sum()))
    t = float(starts[choice])
    if not log.covers(t - LOG_MARGIN_S, t + whole + LOG_MARGIN_S):
        raise ExposureNotCovered(f"{log.source}: a gap between {t:.3f} and {t + whole:.3f} s")
    low = int(np.searchsorted(log.t, t - LOG_MARGIN_S, side="right")) - 1
    high = int(np.searchsorted(log.t, t + whole + LOG_MARGIN_S, side="left")) + 1
    part = GyroLog(log.t[low:high] - t, log.omega[low:high] * draws.rate, source=log.source)
    return SimulatedExposure(part, camera, 0.0, exposure, draws.instants, draws.reference, log_time=t)


@lru_cache(maxsize=64)
def _cumulative_angle(log: GyroLog) -> Float64[ndarray, " n"]:
    """Return the angle that the gyro has turned up to each sample, all its rotations added up, rad."""
    steps = np.linalg.norm(log.omega[1:], axis=1) * np.diff(log.t)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _scale_rates_to_blur(
    exposure: SimulatedExposure, draws: MotionDraws, blur_px: float | None
) -> SimulatedExposure:
    """Scale the rates to a mean blur, and until no path is too long."""
    small = _downscale_camera(exposure.camera)
    for _ in range(2):
        lengths = _sparse_path_lengths(exposure, small)
        factor = 1.0
        if blur_px is not None:
            factor = blur_px / max(float(lengths.mean()), 1e-6)
        if draws.longest is not None:
            factor = min(factor, draws.longest / max(float(lengths.max()), 1e-6))
        if abs(factor - 1) > 1e-3:
            fastest = float(np.abs(exposure.log.omega).max())
            factor = min(factor, MAX_RATE_RAD_S / max(fastest, 1e-6))
            log = GyroLog(exposure.log.t, exposure.log.omega * factor, source=exposure.log.source)
            exposure = replace(exposure, log=log)
    return exposure


def _downscale_camera(camera: Camera) -> Camera:
    """Return the camera with a tenth of the rows and columns."""
    height, width = max(camera.height // 10, 2), max(camera.width // 10, 2)
    K = np.diag([width / camera.width, height / camera.height, 1.0]) @ camera.K
    return replace(camera, height=height, width=width, K=K)


def _sparse_path_lengths(exposure: SimulatedExposure, small: Camera) -> Float64[ndarray, "h w"]:
    """Return path lengths at five by five places, px, computed with a camera of fewer pixels."""
    field = replace(exposure, camera=small).field()
    rows = np.unique(np.linspace(0, small.height - 1, 5).astype(np.int64))
    columns = np.unique(np.linspace(0, small.width - 1, 5).astype(np.int64))
    lengths = path_lengths(field.at(rows, columns)) * (exposure.camera.width / small.width)
    return np.asarray(lengths, np.float64)


def require_cam_from_imu(camera: Camera) -> Float64[ndarray, "3 3"]:
    """Return a camera's `cam_from_imu`; raise ValueError where it has none."""
    if camera.cam_from_imu is None:
        raise ValueError(f"the camera ({camera.source}) has no cam_from_imu")
    return np.asarray(camera.cam_from_imu)
