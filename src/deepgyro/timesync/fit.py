"""The offset to a fraction of a millisecond: that at which the integrated gyro carries ray to ray best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from ..rotations import Orientation, integrate, so3_exp
from ..telemetry import GyroLog
from .rotation import Rays, weighted_turns
from .search import BIAS, TILT

LEAST_TURNS = 8
MOST_RAYS = 60
"""Of a pair of frames; more are thinned out."""
SMOOTHING = 0.008
"""Standard deviation of what the gyro's rates are averaged with, s."""
_ROUNDS = 12
_DIFFERENCE = 5e-4
"""On both sides, for the derivative by the offset, s."""
_ENOUGH = 1e-5
"""A step of the offset that is smaller ends the fit, s."""
_REACH = 0.05
"""How far from its start an offset is looked for, s."""


@dataclass(frozen=True, eq=False)
class Fit:
    """An offset, and how well it is known."""

    time_offset: float
    """s"""
    spread: float
    """Standard deviation of the offset, were the errors of the turns independent, s."""
    residual_px: float
    """Median distance between where points are seen and where the gyro says, px of the small frames."""


def fit_offset(rays: Rays, log: GyroLog, cam_from_imu: Float64[ndarray, "3 3"], start: float) -> Fit | None:
    """Return the offset at which the gyro fits the rays best; None if it is not near the start.

    A ray r seen at the time s is carried to ``R(s' + dt)^T R(s + dt) r`` at s', R = world_from_cam from the
    integrated gyro, dt the offset, and turned by ``-(E phi + b (s' - s))`` more: phi is how the camera turned
    between, b a bias, E a small matrix for tilt, focal length and scale. What is left is, for each pair of
    frames, a small turn that most of its rays agree on; Gauss-Newton on dt, b and E makes these turns small,
    each axis with its own error, with priors on b and E. The rates are smoothed before: of a gyro's vibration
    the picture shows nothing, but it would drown the derivative by dt and hold the offset where it starts.

    Parameters
    ----------
    rays
        Those that agree with a turn of the camera.
    log
        The gyro.
    cam_from_imu
        Its axes.
    start
        Offset to begin with, s.
    """
    rays = thinned(covered(rays, log, start))
    turns, pair = np.unique(rays.pair, return_inverse=True)
    if len(turns) < LEAST_TURNS:
        return None
    turning = integrate(log.t, smoothed(log) @ cam_from_imu.T)
    offset, changed = start, np.zeros(12)  # b, and E row by row
    for _ in range(_ROUNDS):
        carried, phi = carried_rays(rays, turning, offset)
        steps = rays.seen[:, 1] - rays.seen[:, 0]
        more = changed[:3] * steps[:, None] + phi @ changed[3:].reshape(3, 3).T
        carried = np.einsum("kij,kj->ki", so3_exp(-more), carried)
        left, weights = weighted_turns(rays.after, carried, pair, len(turns), rays.focal)
        slope = _slope(rays, turning, offset, pair, weights)
        design = _design(slope, phi, steps, pair, len(turns))
        error = np.maximum(1.48 * np.median(np.abs(left), axis=0), 0.002 / rays.focal)
        trust = 1 / (1 + ((left / error) ** 2).mean(axis=1))
        weighted = design * (trust[:, None] / error**2)[:, :, None]
        prior = np.concatenate([np.zeros(1), np.full(3, BIAS**-2), np.full(9, TILT**-2)])
        normal = np.einsum("tci,tcj->ij", weighted, design) + np.diag(prior)
        moment = np.einsum("tci,tc->i", weighted, left) - prior * np.concatenate([[0.0], changed])
        try:
            inverse = np.linalg.inv(normal)
        except np.linalg.LinAlgError:
            return None
        change = inverse @ moment
        offset, changed = offset + float(change[0]), changed + change[1:]
        if not abs(offset - start) < _REACH:
            return None
        if abs(change[0]) < _ENOUGH:
            break
    noise = np.einsum("tci,tcj,tc->ij", weighted, weighted, left**2)
    spread = float(np.sqrt((inverse @ noise @ inverse.T)[0, 0]))
    missed = np.linalg.norm(rays.after - carried, axis=1)
    return Fit(offset, spread, float(np.median(missed)) * rays.focal)


def _design(
    slope: Float64[ndarray, "t 3"],
    phi: Float64[ndarray, "k 3"],
    steps: Float64[ndarray, " k"],
    pair: Int64[ndarray, " k"],
    count: int,
) -> Float64[ndarray, "t 3 13"]:
    """Return the derivative of each pair's turn by offset, bias and E."""
    number = np.bincount(pair, minlength=count)
    step = np.bincount(pair, steps, count) / number
    turned = np.stack([np.bincount(pair, phi[:, axis], count) / number for axis in range(3)], axis=1)
    design = np.zeros((count, 3, 13))
    design[:, :, 0] = slope
    for axis in range(3):
        design[:, axis, 1 + axis] = step
        design[:, axis, 4 + 3 * axis : 7 + 3 * axis] = turned
    return design


def covered(rays: Rays, log: GyroLog, start: float) -> Rays:
    """Return the rays whose times the log covers at any offset near the start."""
    first = rays.seen.min(axis=1) + start - _REACH - _DIFFERENCE
    last = rays.seen.max(axis=1) + start + _REACH + _DIFFERENCE
    covered = (first > log.t[0]) & (last < log.t[-1])
    for gap in log.gaps():
        covered &= (last < gap[0]) | (first > gap[1])
    return rays.of(covered)


def thinned(rays: Rays) -> Rays:
    """Return at most `MOST_RAYS` of each pair."""
    number = np.arange(len(rays.pair)) - np.searchsorted(rays.pair, rays.pair)
    count = np.bincount(rays.pair)[rays.pair] if len(rays.pair) else number
    every = -(-count // MOST_RAYS)
    return rays.of(number % np.maximum(every, 1) == 0)


def carried_rays(
    rays: Rays, turning: Orientation, offset: float
) -> tuple[Float64[ndarray, "k 3"], Float64[ndarray, "k 3"]]:
    """Return where the gyro carries rays, and how the camera turned meanwhile (rad, to third order)."""
    world = turning.at(rays.seen + offset)
    turn = world[:, 0].swapaxes(-1, -2) @ world[:, 1]  # earlier_from_later
    sine = 0.5 * np.stack(
        [turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]], axis=1
    )
    phi = sine * (1 + (sine**2).sum(axis=1, keepdims=True) / 6)
    return np.einsum("kji,kj->ki", turn, rays.before), phi


def _slope(
    rays: Rays,
    turning: Orientation,
    offset: float,
    pair: Int64[ndarray, " k"],
    weights: Float64[ndarray, " k"],
) -> Float64[ndarray, "t 3"]:
    """Return the derivative of each pair's turn by the offset, rad/s."""
    earlier, later = (carried_rays(rays, turning, offset + part)[0] for part in (-_DIFFERENCE, _DIFFERENCE))
    found = weighted_turns(later, earlier, pair, int(pair.max()) + 1, rays.focal, weights=weights)[0]
    return found / (2 * _DIFFERENCE)


def smoothed(log: GyroLog) -> Float64[ndarray, "n 3"]:
    """Return a log's rates, averaged with a Gaussian, rad/s."""
    reach = int(np.ceil(3 * SMOOTHING * log.rate))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (SMOOTHING * log.rate)) ** 2)
    weights /= weights.sum()
    padded = np.pad(log.omega, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, axis], weights, mode="valid") for axis in range(3)], axis=1)
