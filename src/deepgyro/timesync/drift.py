"""Clocks that run apart: the offset over a long clip as a straight line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ..telemetry import GyroLog
from .fit import fit_offset
from .rotation import FrameRotations

MIN_CLIP_FOR_DRIFT_S = 20.0
"""In a shorter clip no drift is looked for, s: a usual one (50 in a million) would be 1 ms."""
DRIFT_SEGMENT_S = 5.0
"""About how long the stretches are whose offsets are compared, s."""
MAX_DRIFT_SEGMENTS = 12
MIN_DRIFT_SEGMENTS = 4
MIN_SEGMENT_STD_S = 2e-4
"""No stretch tells its offset better, s."""
ACCEPT_DRIFT_SIGMAS = 4.0
"""A drift that is not so many standard deviations from zero is none."""
MAX_DRIFT = 1e-3
"""No clock is further off."""
_LINE_FIT_ITERATIONS = 8


def estimate_clock_drift(
    rotations: FrameRotations, log: GyroLog, cam_from_imu: Float64[ndarray, "3 3"], start: float
) -> float:
    """Return how much faster the gyro's clock runs than the clip's: ``t_gyro = (1 + drift) t_frame + ...``.

    The clip is cut into stretches, each tells an offset, and a line is laid through them (weighted by their
    own errors; those far off it count less). 0 where the clip is short, few stretches tell anything, or the
    slope is within its error.

    Parameters
    ----------
    rotations
        Of the camera, from the picture.
    log
        The gyro.
    cam_from_imu
        Its axes.
    start
        Offset of the whole clip, s.
    """
    span = float(np.ptp(rotations.t)) if len(rotations.t) else 0.0
    if span < MIN_CLIP_FOR_DRIFT_S:
        return 0.0
    count = min(MAX_DRIFT_SEGMENTS, int(span / DRIFT_SEGMENT_S))
    edges = np.linspace(rotations.t[0], rotations.t[-1], count + 1)[1:-1]
    stretch = np.searchsorted(edges, rotations.t, side="right")
    t, offset, error = [], [], []
    for k in range(count):
        mine = np.flatnonzero(stretch == k)
        fit = fit_offset(rotations.rays.select(np.isin(rotations.rays.pair, mine)), log, cam_from_imu, start)
        if fit is not None:
            t.append(float(rotations.t[mine].mean()))
            offset.append(fit.time_offset)
            error.append(float(np.hypot(2 * fit.offset_std, MIN_SEGMENT_STD_S)))
    if len(t) < MIN_DRIFT_SEGMENTS:
        return 0.0
    slope, spread = _fit_robust_slope(np.array(t), np.array(offset), np.array(error))
    return slope if ACCEPT_DRIFT_SIGMAS * spread < abs(slope) < MAX_DRIFT else 0.0


def remove_clock_drift(log: GyroLog, drift: float) -> GyroLog:
    """Return a log whose clock runs as the clip's does; an offset to it is the old one over 1 + drift."""
    return log if drift == 0 else replace(log, t=log.t / (1 + drift))


def _fit_robust_slope(
    t: Float64[ndarray, " k"], offset: Float64[ndarray, " k"], error: Float64[ndarray, " k"]
) -> tuple[float, float]:
    """Return the slope of the line that most offsets lie on, and its standard deviation."""
    design = np.column_stack([np.ones(len(t)), t - t.mean()])
    trust = np.ones(len(t))
    for _ in range(_LINE_FIT_ITERATIONS):
        weights = trust / error**2
        inverse = np.linalg.inv(design.T @ (weights[:, None] * design))
        left = offset - design @ (inverse @ (design.T @ (weights * offset)))
        trust = 1 / (1 + (left / (3 * error)) ** 2)
    line = inverse @ (design.T @ (weights * offset))
    more = max(1.0, float((weights * left**2).sum() / max(trust.sum() - 2, 1)))
    return float(line[1]), float(np.sqrt(inverse[1, 1] * more))
