"""The coarse search of the offset at which the picture's turns fit the gyro's, and of the gyro's axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import permutations, product

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from ..telemetry import GyroLog
from .rotation import FrameRotations

SEARCH_RADIUS_S = 2.0
"""Offsets are searched up to this far from a likely one, s, ..."""
MAX_SEARCH_RANGE_S = 1200.0
"""... and if none fits, wherever the log covers the clip, unless that is a longer range than this, s."""
OFFSET_STEP_S = 0.004
"""Between two offsets that are tried, s."""
PEAK_SEPARATION_S = 0.1
"""Offsets nearer than this are one peak, s."""
MIN_COVERED_SHARE = 0.8
"""Of the turns, that the log must cover at an offset that is tried."""
MISALIGNMENT_STD_RAD = 0.05
"""Error of the gyro's axes (3 degrees), and relative error of the focal length."""
GYRO_BIAS_STD_RAD_S = 0.02
"""rad/s"""


@dataclass(frozen=True, eq=False)
class OffsetMatch:
    """An offset and axes, and how well they fit."""

    time_offset: float
    """s"""
    cam_from_imu: Float64[ndarray, "3 3"]
    cost: float
    """Minus the logarithm of the likelihood, were neighbouring turns independent."""
    unexplained_share: float
    """Share of the turns' energy that the gyro does not explain: 0 to 1."""


@cache
def axis_permutations() -> Float64[ndarray, "24 3 3"]:
    """Return the 24 rotations that map axes to axes."""
    found = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        matrix = np.zeros((3, 3))
        matrix[range(3), order] = signs
        if np.linalg.det(matrix) > 0:
            found.append(matrix)
    return np.array(found)


def offsets_near(offset: float, reach: float = SEARCH_RADIUS_S) -> Float64[ndarray, " n"]:
    """Return offsets to try on both sides of one, s."""
    return offset + np.arange(-round(reach / OFFSET_STEP_S), round(reach / OFFSET_STEP_S) + 1) * OFFSET_STEP_S


def offsets_anywhere(turns: FrameRotations, log: GyroLog) -> Float64[ndarray, " n"]:
    """Return all offsets at which a log may cover a clip; none if there are too many to try."""
    spare = (1 - MIN_COVERED_SHARE) * (turns.t[-1] - turns.t[0])
    first, last = log.t[0] - turns.t[0] - spare, log.t[-1] - turns.t[-1] + spare
    count = int((last - first) / OFFSET_STEP_S) if 0 < last - first < MAX_SEARCH_RANGE_S else 0
    return np.asarray(first + np.arange(count) * OFFSET_STEP_S)


def find_matches(
    turns: FrameRotations,
    log: GyroLog,
    cam_from_imu: Float64[ndarray, "3 3"] | None = None,
    *,
    offsets: Float64[ndarray, " n"],
) -> list[OffsetMatch]:
    """Return the best match, and the best one with other axes or over `PEAK_SEPARATION_S` away: up to two.

    Each axis of the camera has an error of its own: where a camera only pans, the faint turns about the other
    two axes still identify them. Small tilts, an error of the focal length and a bias are allowed for.
    Without `cam_from_imu` all 24 axis permutations are tried. `offsets`: s, `OFFSET_STEP_S` apart.
    """
    axes = axis_permutations() if cam_from_imu is None else cam_from_imu[None]
    rates = LogMeanRates(log)
    cost, misfit = np.full((2, len(offsets), len(axes)), np.inf)
    for k, offset in enumerate(offsets):
        gyro, covered = rates.mean(turns.t + offset, turns.span)
        if covered.mean() >= MIN_COVERED_SHARE and covered.sum() > 6:
            cost[k], misfit[k] = _matching_costs(
                turns.omega[covered], gyro[covered], axes, turns.noise, len(turns.t)
            )
    matches: list[OffsetMatch] = []
    others = cost
    while len(matches) < 2 and np.isfinite(others).any():
        k, m = divmod(int(np.argmin(others)), len(axes))
        offset = float(offsets[k]) if matches else parabolic_minimum(offsets, cost[:, m], k)
        matches.append(OffsetMatch(offset, axes[m], float(cost[k, m]), float(misfit[k, m])))
        others = np.where(_local_minima(cost), cost, np.inf)
        others[np.abs(offsets - offsets[k]) < PEAK_SEPARATION_S, m] = np.inf
    return matches


def _matching_costs(
    picture_rates: Float64[ndarray, "m 3"],
    gyro_rates: Float64[ndarray, "m 3"],
    axes: Float64[ndarray, "a 3 3"],
    noise: Float64[ndarray, " 3"],
    count: int,
) -> tuple[Float64[ndarray, " a"], Float64[ndarray, " a"]]:
    """Return the cost of each orientation at one offset, and the share of the energy it leaves unexplained.

    For each axis of the camera the least of ``|picture - gyro g - b|^2 + error^2 (|g - row|^2 / tilt^2 +
    b^2 / bias^2)`` over g and b, `row` being the orientation's, and the error what no g and b can explain.
    """
    design = np.column_stack([gyro_rates, np.ones(len(gyro_rates))])
    gram, moments = design.T @ design, design.T @ picture_rates
    energy = (picture_rates**2).sum(axis=0)
    cost, unexplained = np.zeros(len(axes)), np.zeros(len(axes))
    ridge = 1e-9 * (1 + np.trace(gram)) * np.eye(4)
    stds = np.array([*[MISALIGNMENT_STD_RAD] * 3, GYRO_BIAS_STD_RAD_S])
    for axis in range(3):
        free = energy[axis] - moments[:, axis] @ np.linalg.solve(gram + ridge, moments[:, axis])
        variance = max(float(free) / len(picture_rates), noise[axis] ** 2)
        rows = np.column_stack([axes[:, axis], np.zeros(len(axes))])
        # With g = row + e: the residual without e, and how far e lowers it
        residual = energy[axis] - 2 * rows @ moments[:, axis] + np.einsum("ai,ij,aj->a", rows, gram, rows)
        gradient = moments[:, axis] - rows @ gram
        e = gradient @ np.linalg.inv(gram + np.diag(variance / stds**2))
        lowered = (e * gradient).sum(axis=1)
        # What no tilt can be, such as half the scale, the gyro does not explain
        beyond = np.maximum(np.abs(e[:, :3]) - 2 * MISALIGNMENT_STD_RAD, 0) * np.sign(e[:, :3])
        unexplained += np.einsum("ai,ij,aj->a", beyond, gram[:3, :3], beyond) / len(picture_rates)
        rest = np.maximum(residual - lowered, 0) / len(picture_rates) + noise[axis] ** 2
        cost += 0.5 * count * np.log(rest)
        unexplained += rest - noise[axis] ** 2
    return cost, unexplained * len(picture_rates) / max(float(energy.sum()), 1e-12)


class LogMeanRates:
    """A log's mean rates over spans of time."""

    def __init__(self, log: GyroLog) -> None:
        self.log = log
        steps = 0.5 * (log.omega[1:] + log.omega[:-1]) * np.diff(log.t)[:, None]
        self._sum = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])

    def mean(
        self, middle: Float64[ndarray, " m"], span: Float64[ndarray, " m"]
    ) -> tuple[Float64[ndarray, "m 3"], Bool[ndarray, " m"]]:
        """Return mean rates (rad/s, in the log's axes), and where the log covers the spans (s)."""
        first, last = middle - 0.5 * span, middle + 0.5 * span
        t = self.log.t
        covered = (first >= t[0]) & (last <= t[-1])
        for start, end in self.log.gaps():
            covered &= (last < start) | (first > end)
        a, b = (np.stack([np.interp(x, t, self._sum[:, k]) for k in range(3)], -1) for x in (first, last))
        return (b - a) / span[:, None], covered


def parabolic_minimum(positions: Float64[ndarray, " n"], cost: Float64[ndarray, " n"], k: int) -> float:
    """Return where a cost is least, also between equal steps: by a parabola about its k-th, the least."""
    if not 0 < k < len(positions) - 1 or not np.isfinite(cost[k - 1 : k + 2]).all():
        return float(positions[k])
    a, b, c = cost[k - 1 : k + 2]
    curvature = a - 2 * b + c
    shift = 0.5 * (a - c) / curvature * (positions[k + 1] - positions[k]) if curvature > 0 else 0.0
    return float(positions[k] + shift)


def _local_minima(cost: Float64[ndarray, "n m"]) -> Bool[ndarray, "n m"]:
    """Return where a value is no larger than those of the offsets beside it."""
    padded = np.pad(cost, ((1, 1), (0, 0)), constant_values=np.inf)
    return np.asarray((cost <= padded[:-2]) & (cost <= padded[2:]) & np.isfinite(cost))
