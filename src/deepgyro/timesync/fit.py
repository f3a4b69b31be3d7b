"""The offset to a fraction of a millisecond: at which the integrated gyro rotates ray to ray best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from ..rotations import Orientation, integrate_rates, so3_exp
from ..telemetry import GyroLog
from .rotation import RayPairs, residual_rotations
from .search import GYRO_BIAS_STD_RAD_S, MISALIGNMENT_STD_RAD

MIN_FIT_FRAME_PAIRS = 8
MAX_RAYS_PER_PAIR = 60
"""Of a pair of frames; more are thinned out."""
GYRO_SMOOTHING_S = 0.008
"""Standard deviation of what the gyro's rates are averaged with, s."""
_OFFSET_FIT_ITERATIONS = 12
_DERIVATIVE_STEP_S = 5e-4
"""On both sides, for the derivative by the offset, s."""
_CONVERGED_STEP_S = 1e-5
"""A step of the offset that is smaller ends the fit, s."""
_MAX_OFFSET_CHANGE_S = 0.05
"""How far from its start an offset is looked for, s."""


@dataclass(frozen=True, eq=False)
class OffsetFit:
    """An offset, and how well it is known."""

    time_offset: float
    """s"""
    offset_std: float
    """Standard deviation of the offset, were the errors of the turns independent, s."""
    residual_px: float
    """Median distance between observed and predicted points, px of the small frames."""


def fit_offset(
    rays: RayPairs, log: GyroLog, cam_from_imu: Float64[ndarray, "3 3"], start: float
) -> OffsetFit | None:
    """Return the offset at which the gyro fits the rays best; None if it is not near the start.

    A ray r seen at the time s is carried to ``R(s' + dt)^T R(s + dt) r`` at s', R = world_from_cam from the
    integrated gyro, dt the offset, and turned by ``-(E phi + b (s' - s))`` more: phi is how the camera turned
    between, b a bias, E a small matrix for tilt, focal length and scale. What is left is, for each pair of
    frames, a small turn that most of its rays agree on; Gauss-Newton on dt, b and E makes these turns small,
    each axis with its own error, with priors on b and E. The rates are smoothed before: of a gyro's vibration
    the picture shows nothing, but it would drown the derivative by dt and hold the offset at its start (s).
    """
    rays = subsample_rays(select_covered_rays(rays, log, start))
    turns, pair = np.unique(rays.pair, return_inverse=True)
    if len(turns) < MIN_FIT_FRAME_PAIRS:
        return None
    orientation = integrate_rates(log.t, smooth_rates(log) @ cam_from_imu.T)
    steps = rays.times[:, 1] - rays.times[:, 0]
    precision = np.r_[0.0, np.full(3, GYRO_BIAS_STD_RAD_S**-2), np.full(9, MISALIGNMENT_STD_RAD**-2)]
    offset, errors = start, np.zeros(12)  # b, and E row by row
    for _ in range(_OFFSET_FIT_ITERATIONS):
        predicted, phi = rotate_rays_by_gyro(rays, orientation, offset)
        correction = errors[:3] * steps[:, None] + phi @ errors[3:].reshape(3, 3).T
        predicted = np.einsum("kij,kj->ki", so3_exp(-correction), predicted)
        residual, weights = residual_rotations(rays.after, predicted, pair, len(turns), rays.focal)
        slope = _offset_derivative(rays, orientation, offset, pair, weights)
        design = _design_matrix(slope, phi, steps, pair, len(turns))
        std = np.maximum(1.48 * np.median(np.abs(residual), axis=0), 0.002 / rays.focal)
        trust = 1 / (1 + ((residual / std) ** 2).mean(axis=1))
        weighted = design * (trust[:, None] / std**2)[:, :, None]
        normal = np.einsum("tci,tcj->ij", weighted, design) + np.diag(precision)
        moment = np.einsum("tci,tc->i", weighted, residual) - precision * np.r_[0.0, errors]
        try:
            covariance = np.linalg.inv(normal)
        except np.linalg.LinAlgError:
            return None
        change = covariance @ moment
        offset, errors = offset + float(change[0]), errors + change[1:]
        if not abs(offset - start) < _MAX_OFFSET_CHANGE_S:
            return None
        if abs(change[0]) < _CONVERGED_STEP_S:
            break
    noise = np.einsum("tci,tcj,tc->ij", weighted, weighted, residual**2)
    offset_std = float(np.sqrt((covariance @ noise @ covariance.T)[0, 0]))
    distance = np.linalg.norm(rays.after - predicted, axis=1)
    return OffsetFit(offset, offset_std, float(np.median(distance)) * rays.focal)


def _design_matrix(
    slope: Float64[ndarray, "t 3"],
    phi: Float64[ndarray, "k 3"],
    steps: Float64[ndarray, " k"],
    pair: Int64[ndarray, " k"],
    count: int,
) -> Float64[ndarray, "t 3 13"]:
    """Return the derivative of each pair's turn by offset, bias and E."""
    number = np.bincount(pair, minlength=count)
    mean_step = np.bincount(pair, steps, count) / number
    mean_phi = np.stack([np.bincount(pair, phi[:, axis], count) / number for axis in range(3)], axis=1)
    design = np.zeros((count, 3, 13))
    design[:, :, 0] = slope
    for axis in range(3):
        design[:, axis, 1 + axis] = mean_step
        design[:, axis, 4 + 3 * axis : 7 + 3 * axis] = mean_phi
    return design


def select_covered_rays(rays: RayPairs, log: GyroLog, start: float) -> RayPairs:
    """Return the rays whose times the log covers at any offset near the start."""
    first = rays.times.min(axis=1) + start - _MAX_OFFSET_CHANGE_S - _DERIVATIVE_STEP_S
    last = rays.times.max(axis=1) + start + _MAX_OFFSET_CHANGE_S + _DERIVATIVE_STEP_S
    covered = (first > log.t[0]) & (last < log.t[-1])
    for gap in log.gaps():
        covered &= (last < gap[0]) | (first > gap[1])
    return rays.select(covered)


def subsample_rays(rays: RayPairs) -> RayPairs:
    """Return at most `MAX_RAYS_PER_PAIR` of each pair."""
    number = np.arange(len(rays.pair)) - np.searchsorted(rays.pair, rays.pair)
    count = np.bincount(rays.pair)[rays.pair] if len(rays.pair) else number
    every = -(-count // MAX_RAYS_PER_PAIR)
    return rays.select(number % np.maximum(every, 1) == 0)


def rotate_rays_by_gyro(
    rays: RayPairs, orientation: Orientation, offset: float
) -> tuple[Float64[ndarray, "k 3"], Float64[ndarray, "k 3"]]:
    """Return the rays that the gyro predicts, and the camera's rotation vectors (rad, to third order)."""
    world = orientation.at(rays.times + offset)
    turn = world[:, 0].swapaxes(-1, -2) @ world[:, 1]  # earlier_from_later
    sine = 0.5 * np.stack(
        [turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]], axis=1
    )
    phi = sine * (1 + (sine**2).sum(axis=1, keepdims=True) / 6)
    return np.einsum("kji,kj->ki", turn, rays.before), phi


def _offset_derivative(
    rays: RayPairs,
    orientation: Orientation,
    offset: float,
    pair: Int64[ndarray, " k"],
    weights: Float64[ndarray, " k"],
) -> Float64[ndarray, "t 3"]:
    """Return the derivative of each pair's turn by the offset, rad/s."""
    earlier, later = (
        rotate_rays_by_gyro(rays, orientation, offset + step)[0]
        for step in (-_DERIVATIVE_STEP_S, _DERIVATIVE_STEP_S)
    )
    turns, _ = residual_rotations(later, earlier, pair, int(pair.max()) + 1, rays.focal, weights=weights)
    return turns / (2 * _DERIVATIVE_STEP_S)


def smooth_rates(log: GyroLog) -> Float64[ndarray, "n 3"]:
    """Return a log's rates, averaged with a Gaussian, rad/s."""
    reach = int(np.ceil(3 * GYRO_SMOOTHING_S * log.rate))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (GYRO_SMOOTHING_S * log.rate)) ** 2)
    weights /= weights.sum()
    padded = np.pad(log.omega, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, axis], weights, mode="valid") for axis in range(3)], axis=1)
