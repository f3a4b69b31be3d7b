"""What the network is told of the motion: the exact field as a gyro, or a corrected gyro, gets it wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ...camera import Camera
from ...errors import ImpossibleMotion, NotCovered
from ...rotations import so3_exp
from ...telemetry import GyroLog
from .config import GyroDraws, MotionDraws
from .motion import MARGIN, STEP, Exposure, draw_exposure, linear_path, log_uniform

Kind = Literal["exact", "refined", "none", "wrong", "raw"]
BIAS = (5.0, 3.0)
"""The error of the field in the paper's tables and figures, px."""


def draw_kind(rng: np.random.Generator, draws: GyroDraws) -> Kind:
    """Draw what the gyro of a pair is like."""
    shares = [draws.exact, draws.refined, draws.none, draws.wrong]
    if sum(shares) > 1:
        raise ValueError(f"the shares exact, refined, none and wrong are {shares}: together at most 1")
    kinds: tuple[Kind, ...] = get_args(Kind)
    return kinds[int(np.searchsorted(np.cumsum(shares), rng.random(), side="right"))]


def told_nodes(
    rng: np.random.Generator,
    kind: Kind,
    seen: Float32[ndarray, "rows columns n 2"],
    turned: Float32[ndarray, "rows columns n 2"],
    taken: Exposure,
    draws: GyroDraws,
    *,
    motion: MotionDraws,
    other_log: GyroLog,
) -> tuple[Float32[ndarray, "rows columns n 2"], dict[str, object]]:
    """Return the nodes of the field that the network is given, px, and what was drawn.

    Parameters
    ----------
    seen, turned
        Nodes of what the camera did, and of its turning alone, px.
    taken
        The exposure.
    other_log
        Whose motion a wrong gyro tells.
    """
    if kind == "exact":
        return turned, {}
    if kind == "none":
        return np.zeros_like(turned), {}
    if kind == "refined":
        return _refined(rng, seen, turned, draws)
    if kind == "wrong":
        wrong = draw_exposure(rng, other_log, taken.camera, motion)
        return wrong.field().on_grid(STEP).nodes, {"wrong_t": wrong.start}
    return _raw(rng, turned, taken, draws)


def _refined(
    rng: np.random.Generator, seen: ndarray, turned: ndarray, draws: GyroDraws
) -> tuple[ndarray, dict[str, object]]:
    """Return the gyro's field with what the picture can tell: a common shift, the scale nearly right."""
    common = (seen - turned).mean((0, 1))
    scale = float(rng.normal(1, draws.refined_scale))
    vector = rng.normal(0, draws.refined_offset, 2)
    nodes = np.float32(scale) * (turned + common) + linear_path(vector, turned.shape[2])
    return np.asarray(nodes, np.float32), {"scale": scale, "shift": vector.tolist()}


@dataclass(frozen=True)
class RawErrors:
    """What is wrong with a gyro, its clock, its mounting, and the camera's calibration."""

    offset: float
    """Its clock is early by so much, s."""
    scale: float
    """Factor on its rates."""
    bias: tuple[float, float, float]
    """rad/s"""
    noise_density: float
    """rad/s per sqrt(Hz)"""
    full_scale: float | None
    """16 bits reach so far, deg/s; None: nothing is rounded."""
    tilt: tuple[float, float, float]
    """Rotation vector by which its axes are off, degrees."""
    focal: float
    """Factor on the focal length."""
    readout: float
    """Factor on the readout time."""
    missing: bool
    """Whether half of every other sample is missing."""
    bias_px: tuple[float, float]
    """What is added to every blur vector, px."""


def draw_raw_errors(rng: np.random.Generator, draws: GyroDraws) -> RawErrors:
    """Draw what is wrong with a gyro."""
    offset = float(rng.normal(0, draws.offset))
    share, longest = draws.offset_tail
    if rng.random() < share:
        offset = float(rng.uniform(-longest, longest))
    times = int(rng.integers(1, 4)) if rng.random() < draws.biased else 0
    signs = rng.choice([-1.0, 1.0], 2)
    return RawErrors(
        offset=float(np.clip(offset, -MARGIN, MARGIN)),  # as much of the log is there
        scale=float(rng.normal(1, draws.scale)),
        bias=_three(rng.normal(0, draws.bias, 3)),
        noise_density=log_uniform(rng, draws.noise_density) if draws.noise_density[1] > 0 else 0.0,
        full_scale=float(rng.choice(draws.full_scales)) if draws.full_scales else None,
        tilt=_three(rng.normal(0, draws.misalignment, 3)),
        focal=max(float(rng.normal(1, draws.focal)), 0.5),
        readout=max(float(rng.normal(1, draws.readout)), 0.0),
        missing=bool(rng.random() < draws.missing),
        bias_px=(float(times * signs[0] * BIAS[0]), float(times * signs[1] * BIAS[1])),
    )


def _raw(
    rng: np.random.Generator, turned: ndarray, taken: Exposure, draws: GyroDraws
) -> tuple[ndarray, dict[str, object]]:
    """Return the field that a phone's gyro gives, as it is."""
    errors = draw_raw_errors(rng, draws)
    facts: dict[str, object] = asdict(errors)
    nodes = raw_nodes(rng, taken, errors)
    if nodes is None:  # the scale alone
        facts = {"scale": errors.scale, "bias_px": errors.bias_px}
        nodes = np.asarray(turned * np.float32(errors.scale), np.float32)
        nodes = nodes + linear_path(np.array(errors.bias_px), nodes.shape[2])
    return nodes, {name: list(v) if isinstance(v, tuple) else v for name, v in facts.items()}


def raw_nodes(
    rng: np.random.Generator, taken: Exposure, errors: RawErrors
) -> Float32[ndarray, "rows columns n 2"] | None:
    """Return the nodes of the field that a wrong gyro tells, px; None where its errors cannot all be."""
    told = replace(
        taken,
        log=sensed(rng, taken.log, errors),
        camera=calibrated(taken.camera, errors),
        t=taken.t + errors.offset,
    )
    try:
        nodes = told.field().on_grid(STEP).nodes
    except (NotCovered, ImpossibleMotion):
        return None
    return np.asarray(nodes + linear_path(np.array(errors.bias_px), nodes.shape[2]), np.float32)


def sensed(rng: np.random.Generator, log: GyroLog, errors: RawErrors) -> GyroLog:
    """Return a log as a phone's sensor writes it: scaled, biased, noisy, rounded, clipped, incomplete."""
    omega = log.omega * errors.scale + np.array(errors.bias)
    omega = omega + rng.normal(0, errors.noise_density * np.sqrt(log.rate / 2), omega.shape)
    if errors.full_scale is not None:
        step = np.radians(errors.full_scale) / 2**15
        omega = np.rint(omega / step).clip(-(2**15), 2**15 - 1) * step
    kept = np.ones(len(log.t), bool)
    if errors.missing:  # never two in a row, never the ends: nothing to be called a gap
        kept[1:-1:2] = rng.random(len(kept[1:-1:2])) < 0.5
    return GyroLog(log.t[kept], omega[kept].clip(-99.0, 99.0), source=log.source)


def calibrated(camera: Camera, errors: RawErrors) -> Camera:
    """Return the camera as somebody calibrated it: axes, focal length and readout a little off."""
    if camera.cam_from_imu is None:
        raise ValueError(f"the camera ({camera.source}) has no cam_from_imu")
    tilt: Float64[ndarray, "3 3"] = so3_exp(np.radians(errors.tilt))
    K = camera.K.copy()
    K[[0, 1], [0, 1]] *= errors.focal
    readout = (camera.readout_time or 0.0) * errors.readout
    return replace(camera, K=K, readout_time=min(readout, 1.0), cam_from_imu=tilt @ camera.cam_from_imu)


def _three(vector: ndarray) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
