"""The prior field of the network: the exact field as a gyro, or a corrected gyro, gets it wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ...camera import Camera
from ...errors import ExposureNotCovered, ImpossibleMotion
from ...rotations import so3_exp
from ...telemetry import GyroLog
from .config import GyroDraws, MotionDraws
from .motion import (
    LOG_MARGIN_S,
    NODE_STEP_PX,
    SimulatedExposure,
    draw_exposure,
    draw_log_uniform,
    require_cam_from_imu,
    straight_paths,
)

GyroKind = Literal["exact", "refined", "none", "wrong", "raw"]
GYRO_KINDS: tuple[GyroKind, ...] = get_args(GyroKind)
PAPER_BIAS_PX = (5.0, 3.0)
"""The error of the field in the paper's tables and figures, px."""


def draw_gyro_kind(rng: np.random.Generator, draws: GyroDraws) -> GyroKind:
    """Draw the kind of a pair's prior field."""
    shares = [draws.exact, draws.refined, draws.none, draws.wrong]
    if sum(shares) > 1:
        raise ValueError(f"the shares exact, refined, none and wrong are {shares}: together at most 1")
    return GYRO_KINDS[int(np.searchsorted(np.cumsum(shares), rng.random(), side="right"))]


def make_prior_nodes(
    rng: np.random.Generator,
    kind: GyroKind,
    motion_nodes: Float32[ndarray, "rows columns n 2"],
    rotation_nodes: Float32[ndarray, "rows columns n 2"],
    exposure: SimulatedExposure,
    draws: GyroDraws,
    *,
    motion: MotionDraws,
    other_log: GyroLog,
) -> tuple[Float32[ndarray, "rows columns n 2"], dict[str, object]]:
    """Return the nodes of the prior field, px, and what was drawn.

    `motion_nodes` and `rotation_nodes` are those of the camera's motion and of its rotation alone, px; a
    mismatched ("wrong") gyro measured another exposure, drawn from `other_log`.
    """
    if kind == "exact":
        return rotation_nodes, {}
    if kind == "none":
        return np.zeros_like(rotation_nodes), {}
    if kind == "wrong":
        wrong = draw_exposure(rng, other_log, exposure.camera, motion)
        return wrong.field().sample_on_grid(NODE_STEP_PX).nodes, {"wrong_t": wrong.log_time}
    if kind == "raw":
        return _make_raw_nodes(rng, rotation_nodes, exposure, draws)
    # Refinement finds a common shift and nearly the scale.
    common = (motion_nodes - rotation_nodes).mean((0, 1))
    scale = float(rng.normal(1, draws.refined_scale))
    vector = rng.normal(0, draws.refined_offset, 2)
    nodes = np.float32(scale) * (rotation_nodes + common) + straight_paths(vector, rotation_nodes.shape[2])
    return np.asarray(nodes, np.float32), {"scale": scale, "shift": vector.tolist()}


@dataclass(frozen=True)
class GyroErrors:
    """Errors of a gyro, its clock, its mounting, and the camera's calibration; by default none."""

    offset: float = 0.0
    """How much its clock is early, s."""
    scale: float = 1.0
    """Factor on its rates."""
    bias: tuple[float, ...] = (0.0, 0.0, 0.0)
    """On the rate about each axis, rad/s."""
    noise_density: float = 0.0
    """rad/s per sqrt(Hz)"""
    full_scale: float | None = None
    """Range of its 16 bits, deg/s; None: rates are neither rounded nor clipped."""
    tilt: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Rotation vector of the error of its axes, degrees."""
    focal: float = 1.0
    """Factor on the focal length."""
    readout: float = 1.0
    """Factor on the readout time."""
    missing: bool = False
    """Whether half of every other sample is missing."""
    bias_px: tuple[float, ...] = (0.0, 0.0)
    """What is added to every blur vector, px."""


def draw_gyro_errors(rng: np.random.Generator, draws: GyroDraws) -> GyroErrors:
    """Draw the errors of a raw gyro."""
    offset = float(rng.normal(0, draws.offset))
    share, longest = draws.offset_tail
    if rng.random() < share:
        offset = float(rng.uniform(-longest, longest))
    times = int(rng.integers(1, 4)) if rng.random() < draws.biased else 0
    signs = rng.choice([-1.0, 1.0], 2)
    return GyroErrors(
        offset=float(np.clip(offset, -LOG_MARGIN_S, LOG_MARGIN_S)),  # so much of the log is kept
        scale=float(rng.normal(1, draws.scale)),
        bias=tuple(rng.normal(0, draws.bias, 3).tolist()),
        noise_density=draw_log_uniform(rng, draws.noise_density) if draws.noise_density[1] > 0 else 0.0,
        full_scale=float(rng.choice(draws.full_scales)) if draws.full_scales else None,
        tilt=tuple(rng.normal(0, draws.misalignment, 3).tolist()),
        focal=max(float(rng.normal(1, draws.focal)), 0.5),
        readout=max(float(rng.normal(1, draws.readout)), 0.0),
        missing=bool(rng.random() < draws.missing),
        bias_px=tuple((times * signs * PAPER_BIAS_PX).tolist()),
    )


def _make_raw_nodes(
    rng: np.random.Generator, rotation_nodes: ndarray, exposure: SimulatedExposure, draws: GyroDraws
) -> tuple[ndarray, dict[str, object]]:
    """Return the field from the uncorrected gyro of a phone."""
    errors = draw_gyro_errors(rng, draws)
    drawn: dict[str, object] = asdict(errors)
    nodes = raw_gyro_nodes(rng, exposure, errors)
    if nodes is None:
        drawn = {"scale": errors.scale, "bias_px": errors.bias_px}
        nodes = np.asarray(rotation_nodes * np.float32(errors.scale), np.float32)
        nodes = nodes + straight_paths(np.array(errors.bias_px), nodes.shape[2])
    return nodes, {name: list(v) if isinstance(v, tuple) else v for name, v in drawn.items()}


def raw_gyro_nodes(
    rng: np.random.Generator, exposure: SimulatedExposure, errors: GyroErrors
) -> Float32[ndarray, "rows columns n 2"] | None:
    """Return the nodes of the field from a gyro with errors, px; None where no field has such errors."""
    erroneous = replace(
        exposure,
        log=degrade_gyro_log(rng, exposure.log, errors),
        camera=miscalibrate_camera(exposure.camera, errors),
        t=exposure.t + errors.offset,
    )
    try:
        nodes = erroneous.field().sample_on_grid(NODE_STEP_PX).nodes
    except (ExposureNotCovered, ImpossibleMotion):
        return None
    return np.asarray(nodes + straight_paths(np.array(errors.bias_px), nodes.shape[2]), np.float32)


def degrade_gyro_log(rng: np.random.Generator, log: GyroLog, errors: GyroErrors) -> GyroLog:
    """Return a log as a phone's sensor records it: scaled, biased, noisy, rounded, clipped, incomplete."""
    omega = log.omega * errors.scale + np.array(errors.bias)
    omega = omega + rng.normal(0, errors.noise_density * np.sqrt(log.rate / 2), omega.shape)
    if errors.full_scale is not None:
        step = np.radians(errors.full_scale) / 2**15
        omega = np.rint(omega / step).clip(-(2**15), 2**15 - 1) * step
    kept = np.ones(len(log.t), bool)
    if errors.missing:  # never two in a row, never the ends: no gap
        kept[1:-1:2] = rng.random(len(kept[1:-1:2])) < 0.5
    return GyroLog(log.t[kept], omega[kept].clip(-99.0, 99.0), source=log.source)


def miscalibrate_camera(camera: Camera, errors: GyroErrors) -> Camera:
    """Return a camera with errors of calibration: axes, focal length, readout time."""
    K = camera.K.copy()
    K[[0, 1], [0, 1]] *= errors.focal
    readout = (camera.readout_time or 0.0) * errors.readout
    mounting = so3_exp(np.radians(errors.tilt)) @ require_cam_from_imu(camera)
    return replace(camera, K=K, readout_time=min(readout, 1.0), cam_from_imu=mounting)
