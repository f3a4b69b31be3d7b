"""What the network is told of the motion: the exact field as a gyro, or a corrected gyro, gets it wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..camera import Camera
from ..errors import NotCovered, RunsWithShutter
from ..rotations import so3_exp
from ..telemetry import GyroLog
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
) -> tuple[Float32[ndarray, "rows columns n 2"], dict[str, float]]:
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
) -> tuple[ndarray, dict[str, float]]:
    """Return the gyro's field with what the picture can tell: a common shift, the scale nearly right."""
    common = (seen - turned).mean((0, 1))
    scale = float(rng.normal(1, draws.refined_scale))
    shift = linear_path(rng.normal(0, draws.refined_offset, 2), turned.shape[2])
    nodes = np.asarray(np.float32(scale) * (turned + common) + shift, np.float32)
    return nodes, {"scale": scale}


def _raw(
    rng: np.random.Generator, turned: ndarray, taken: Exposure, draws: GyroDraws
) -> tuple[ndarray, dict[str, float]]:
    """Return the field that a phone's gyro gives, as it is."""
    offset = rng.normal(0, draws.offset)
    share, longest = draws.offset_tail
    if rng.random() < share:
        offset = rng.uniform(-longest, longest)
    offset = float(np.clip(offset, -MARGIN, MARGIN))  # as much of the log is there
    scale = float(rng.normal(1, draws.scale))
    facts = {"scale": scale, "offset": offset}
    told = replace(
        taken,
        log=_sensed(rng, taken, scale, draws),
        camera=_calibrated(rng, taken.camera, draws),
        t=taken.t + offset,
    )
    try:
        nodes = told.field().on_grid(STEP).nodes
    except (NotCovered, RunsWithShutter):  # the errors add up to what cannot be: the scale alone
        facts["offset"] = 0.0
        nodes = np.asarray(turned * np.float32(scale), np.float32)
    if rng.random() < draws.biased:
        times = int(rng.integers(1, 4))
        signs = rng.choice([-1.0, 1.0], 2)
        nodes = nodes + linear_path(times * signs * BIAS, nodes.shape[2])
        facts["bias_px"] = float(times * np.hypot(*BIAS))
    return nodes, facts


def _sensed(rng: np.random.Generator, taken: Exposure, scale: float, draws: GyroDraws) -> GyroLog:
    """Return the log as a phone's sensor writes it: scaled, biased, noisy, rounded, with samples missing."""
    log = taken.log
    omega = log.omega * scale + rng.normal(0, draws.bias, 3)
    if draws.noise_density[1] > 0:
        density = log_uniform(rng, draws.noise_density)
        omega = omega + rng.normal(0, density * np.sqrt(log.rate / 2), omega.shape)
    if draws.full_scales:
        step = np.radians(float(rng.choice(draws.full_scales))) / 2**15
        omega = np.rint(omega / step) * step
    kept = np.ones(len(log.t), bool)
    if rng.random() < draws.missing:  # never two in a row, never the ends: nothing to be called a gap
        kept[1:-1:2] = rng.random(len(kept[1:-1:2])) < 0.5
    return GyroLog(log.t[kept], omega[kept].clip(-99.0, 99.0), source=log.source)


def _calibrated(rng: np.random.Generator, camera: Camera, draws: GyroDraws) -> Camera:
    """Return the camera as somebody calibrated it: axes, focal length and readout a little off."""
    if camera.cam_from_imu is None:
        raise ValueError(f"the camera ({camera.source}) has no cam_from_imu")
    tilt: Float64[ndarray, "3 3"] = so3_exp(np.radians(rng.normal(0, draws.misalignment, 3)))
    K = camera.K.copy()
    K[[0, 1], [0, 1]] *= max(rng.normal(1, draws.focal), 0.5)
    readout = (camera.readout_time or 0.0) * max(rng.normal(1, draws.readout), 0.0)
    return replace(camera, K=K, readout_time=float(readout), cam_from_imu=tilt @ camera.cam_from_imu)
