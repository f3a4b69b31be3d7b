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

    The clip is cut into stretches, an offset is fitted to each near `start` (that of the whole clip, s), and
    a robust line to the offsets. 0 where the clip is short, few stretches have a fit, or the slope is within
    its error.
    """
    span = float(np.ptp(rotations.t)) if len(rotations.t) else 0.0
    if span < MIN_CLIP_FOR_DRIFT_S:
        return 0.0
    count = min(MAX_DRIFT_SEGMENTS, int(span / DRIFT_SEGMENT_S))
    edges = np.linspace(rotations.t[0], rotations.t[-1], count + 1)[1:-1]
    segment = np.searchsorted(edges, rotations.t, side="right")
    fits = []
    for k in range(count):
        pairs = np.flatnonzero(segment == k)
        fit = fit_offset(rotations.rays.select(np.isin(rotations.rays.pair, pairs)), log, cam_from_imu, start)
        if fit is not None:
            std = float(np.hypot(2 * fit.offset_std, MIN_SEGMENT_STD_S))
            fits.append((float(rotations.t[pairs].mean()), fit.time_offset, std))
    if len(fits) < MIN_DRIFT_SEGMENTS:
        return 0.0
    slope, slope_std = _fit_robust_slope(*np.array(fits).T)
    return slope if ACCEPT_DRIFT_SIGMAS * slope_std < abs(slope) < MAX_DRIFT else 0.0


def remove_clock_drift(log: GyroLog, drift: float) -> GyroLog:
    """Return a log whose clock runs as the clip's does; an offset to it is the old one over 1 + drift."""
    return log if drift == 0 else replace(log, t=log.t / (1 + drift))


def _fit_robust_slope(
    t: Float64[ndarray, " k"], offset: Float64[ndarray, " k"], std: Float64[ndarray, " k"]
) -> tuple[float, float]:
    """Return the slope of the line that most offsets lie on, and its standard deviation."""
    design = np.column_stack([np.ones(len(t)), t - t.mean()])
    trust = np.ones(len(t))
    for _ in range(_LINE_FIT_ITERATIONS):
        weights = trust / std**2
        covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
        line = covariance @ (design.T @ (weights * offset))
        residual = offset - design @ line
        trust = 1 / (1 + (residual / (3 * std)) ** 2)
    inflation = max(1.0, float((weights * residual**2).sum() / max(trust.sum() - 2, 1)))
    return float(line[1]), float(np.sqrt(covariance[1, 1] * inflation))
