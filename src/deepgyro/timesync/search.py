"""Where on the gyro's clock the picture's turns fit best, and in which of 24 axes: the coarse search."""

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
"""Offsets are looked for up to this far from one that is likely, s, ..."""
MAX_SEARCH_RANGE_S = 1200.0
"""... and where that leads to nothing, wherever the log covers the clip, if these are not more, s."""
OFFSET_STEP_S = 0.004
"""Between two offsets that are tried, s."""
PEAK_SEPARATION_S = 0.1
"""Offsets nearer than this are one peak, s."""
MIN_COVERED_SHARE = 0.8
"""Of the turns, that the log must cover at an offset that is tried."""
MISALIGNMENT_STD_RAD = 0.05
"""Camera and gyro are parallel, and the focal length is known, to about this share (3 degrees)."""
GYRO_BIAS_STD_RAD_S = 0.02
"""A gyro may be off by about so much all the time, rad/s."""


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
    """Return the best match, and the best one of all that are another.

    Each axis of the camera has an error of its own: where a camera only pans, the faint turns about the other
    two axes still tell which is which. Small tilts, an error of the focal length and a bias are allowed for.

    Parameters
    ----------
    turns
        Of the camera, from the picture.
    log
        The gyro.
    cam_from_imu
        cam_from_imu, where it is known; else all 24 are tried.
    offsets
        That are tried, s, `OFFSET_STEP_S` apart.

    Returns
    -------
    matches
        None, one or two, the best first: the second has other axes, or an offset over `PEAK_SEPARATION_S`
        away.
    """
    axes = axis_permutations() if cam_from_imu is None else cam_from_imu[None]
    rates = LogMeanRates(log)
    cost, misfit = (np.full((len(offsets), len(axes)), np.inf) for _ in range(2))
    for k, offset in enumerate(offsets):
        gyro, covered = rates.mean(turns.t + offset, turns.span)
        if covered.mean() >= MIN_COVERED_SHARE and covered.sum() > 6:
            cost[k], misfit[k] = _matching_costs(
                turns.omega[covered], gyro[covered], axes, turns.noise, len(turns.t)
            )
    if not np.isfinite(cost).any():
        return []
    k, m = divmod(int(np.argmin(cost)), len(axes))
    best = OffsetMatch(
        parabolic_minimum(offsets, cost[:, m], k), axes[m], float(cost[k, m]), float(misfit[k, m])
    )
    others = np.where(_local_minima(cost), cost, np.inf)
    others[np.abs(offsets - offsets[k]) < PEAK_SEPARATION_S, m] = np.inf
    if not np.isfinite(others).any():
        return [best]
    k, m = divmod(int(np.argmin(others)), len(axes))
    return [best, OffsetMatch(float(offsets[k]), axes[m], float(cost[k, m]), float(misfit[k, m]))]


def _matching_costs(
    picture_rates: Float64[ndarray, "m 3"],
    gyro_rates: Float64[ndarray, "m 3"],
    axes: Float64[ndarray, "a 3 3"],
    noise: Float64[ndarray, " 3"],
    count: int,
) -> tuple[Float64[ndarray, " a"], Float64[ndarray, " a"]]:
    """Return the cost of each orientation at one offset, and the share of the energy that is left.

    For each axis of the camera the least of ``|seen - gyro g - b|^2 + error^2 (|g - row|^2 / TILT^2 +
    b^2 / BIAS^2)`` over g and b, `row` being the orientation's, and the error what no g and b can explain.
    """
    given = np.column_stack([gyro_rates, np.ones(len(gyro_rates))])
    gram, with_seen = given.T @ given, given.T @ picture_rates
    energy = (picture_rates**2).sum(axis=0)
    cost, left = np.zeros(len(axes)), np.zeros(len(axes))
    ridge = 1e-9 * (1 + np.trace(gram)) * np.eye(4)
    for axis in range(3):
        free = energy[axis] - with_seen[:, axis] @ np.linalg.solve(gram + ridge, with_seen[:, axis])
        error = max(float(free) / len(picture_rates), noise[axis] ** 2)
        trust = (
            error
            / np.array(
                [MISALIGNMENT_STD_RAD, MISALIGNMENT_STD_RAD, MISALIGNMENT_STD_RAD, GYRO_BIAS_STD_RAD_S]
            )
            ** 2
        )
        rows = np.column_stack([axes[:, axis], np.zeros(len(axes))])
        # With g = row + e: the residual without e, and how far e lowers it
        alone = energy[axis] - 2 * rows @ with_seen[:, axis] + np.einsum("ai,ij,aj->a", rows, gram, rows)
        pull = with_seen[:, axis] - rows @ gram
        found = pull @ np.linalg.inv(gram + np.diag(trust))
        lowered = (found * pull).sum(axis=1)
        # What no tilt can be, such as half the scale, the gyro does not explain
        beyond = np.maximum(np.abs(found[:, :3]) - 2 * MISALIGNMENT_STD_RAD, 0) * np.sign(found[:, :3])
        left += np.einsum("ai,ij,aj->a", beyond, gram[:3, :3], beyond) / len(picture_rates)
        rest = np.maximum(alone - lowered, 0) / len(picture_rates) + noise[axis] ** 2
        cost += 0.5 * count * np.log(rest)
        left += rest - noise[axis] ** 2
    return cost, left * len(picture_rates) / max(float(energy.sum()), 1e-12)


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
        ends = [
            np.stack([np.interp(when, t, self._sum[:, a]) for a in range(3)], -1) for when in (first, last)
        ]
        return (ends[1] - ends[0]) / span[:, None], covered


def parabolic_minimum(positions: Float64[ndarray, " n"], cost: Float64[ndarray, " n"], k: int) -> float:
    """Return where a cost is least, also between equal steps: by a parabola about its k-th, the least."""
    if not 0 < k < len(positions) - 1 or not np.isfinite(cost[k - 1 : k + 2]).all():
        return float(positions[k])
    a, b, c = cost[k - 1 : k + 2]
    bend = a - 2 * b + c
    return float(
        positions[k] + (0.5 * (a - c) / bend * (positions[k + 1] - positions[k]) if bend > 0 else 0.0)
    )


def _local_minima(cost: Float64[ndarray, "n m"]) -> Bool[ndarray, "n m"]:
    """Return where a value is no larger than those of the offsets beside it."""
    padded = np.pad(cost, ((1, 1), (0, 0)), constant_values=np.inf)
    return np.asarray((cost <= padded[:-2]) & (cost <= padded[2:]) & np.isfinite(cost))
