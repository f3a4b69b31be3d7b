"""How the camera turns between two frames, from tracked points: robust, rolling shutter aware."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from ..camera import Camera
from ..rotations import so3_exp
from .tracks import PointTracks

MIN_POINTS_PER_PAIR = 8
"""Pairs of frames with fewer points are skipped."""
_RANSAC_DRAWS = 24
_REWEIGHTING_ITERATIONS = 6


@dataclass(frozen=True, eq=False)
class RayPairs:
    """Points seen in two frames as directions in the camera's axes, and when each was seen."""

    before: Float64[ndarray, "k 3"]
    """Unit vectors, in the earlier frame."""
    after: Float64[ndarray, "k 3"]
    """In the later one."""
    times: Float64[ndarray, "k 2"]
    """Middle of the exposure of the lines that show it, on the frames' clock, s."""
    pair: Int64[ndarray, " k"]
    """Pair of frames of each, rising."""
    focal: float
    """Focal length, px of the small frames."""

    def select(self, index: Bool[ndarray, " k"] | Int64[ndarray, " m"]) -> RayPairs:
        """Return some of them."""
        before, after, times, pair = (a[index] for a in (self.before, self.after, self.times, self.pair))
        return RayPairs(before, after, times, pair, self.focal)


@dataclass(frozen=True, eq=False)
class FrameRotations:
    """How the camera turned between neighbouring frames."""

    t: Float64[ndarray, " m"]
    """Middle of each pair, on the frames' clock, s."""
    span: Float64[ndarray, " m"]
    """From one frame to the next, s."""
    omega: Float64[ndarray, "m 3"]
    """Mean angular rate in the camera's axes, rad/s."""
    noise: Float64[ndarray, " 3"]
    """Standard deviation of omega, were the points' errors independent, rad/s."""
    rays: RayPairs
    """The inliers; their `pair` counts these turns."""


def rays_from_tracks(tracks: PointTracks, camera: Camera, exposures: Float64[ndarray, " frames"]) -> RayPairs:
    """Return the rays of all tracks; the last of the frames' exposures (s) holds for all frames after it."""
    camera = camera.scale_to(height=tracks.height, width=tracks.width)
    last = len(exposures) - 1
    times = []
    for frame, start, uv in (
        (tracks.index, tracks.start, tracks.before),
        (tracks.index + 1, tracks.end, tracks.after),
    ):
        middle = start + 0.5 * exposures[np.minimum(frame, last)]
        times.append(middle[tracks.pair] + camera.line_delay(uv))
    before, after = (_normalise(camera.rays(uv)) for uv in (tracks.before, tracks.after))
    focal = float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))
    return RayPairs(before, after, np.stack(times, axis=1), tracks.pair, focal)


def estimate_frame_rotations(rays: RayPairs) -> FrameRotations:
    """Return the camera's turn between every two neighbouring frames that show enough.

    The scene is static and far away: a ray r that is seen at the time s is seen as ``exp(-omega (s' - s)) r``
    at s', the rate omega being constant between two frames.
    """
    rng = np.random.default_rng(0)
    edges = np.searchsorted(rays.pair, np.arange(rays.pair.max(initial=-1) + 2))
    estimates: list[tuple[float, float, ndarray, ndarray]] = []
    inliers, number = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first, past in pairwise(edges.tolist()):
        if past - first < MIN_POINTS_PER_PAIR:
            continue
        part = slice(first, past)
        steps = rays.times[part, 1] - rays.times[part, 0]
        estimate = _estimate_rate(rays.before[part], rays.after[part], steps, rays.focal, rng)
        if estimate is None:
            continue
        omega, inlier, std = estimate
        inliers.append(np.flatnonzero(inlier) + first)
        number.append(np.full(len(inliers[-1]), len(estimates)))
        estimates.append((float(rays.times[inliers[-1]].mean()), float(np.mean(steps)), omega, std))
    kept = replace(rays.select(np.concatenate(inliers)), pair=np.concatenate(number))
    if not estimates:
        return FrameRotations(np.empty(0), np.empty(0), np.empty((0, 3)), np.zeros(3), kept)
    t, span, rates, stds = (np.array(values) for values in zip(*estimates, strict=True))
    return FrameRotations(t, span, rates, np.median(stds, axis=0), kept)


def _estimate_rate(
    before: Float64[ndarray, "k 3"],
    after: Float64[ndarray, "k 3"],
    steps: Float64[ndarray, " k"],
    focal: float,
    rng: np.random.Generator,
) -> tuple[Float64[ndarray, " 3"], Bool[ndarray, " k"], Float64[ndarray, " 3"]] | None:
    """Return the rate that most points agree with, the inliers, and its std; None if there are too few."""
    pixel = 1.0 / focal  # rad
    # Two rays give a rate; of some drawn pairs the one with the smallest median residual is kept.
    drawn = rng.integers(len(before), size=(_RANSAC_DRAWS, 2))
    tries = _solve_rate(before[drawn], after[drawn], steps[drawn], np.ones(drawn.shape))
    turned = after + np.cross(tries[..., None, :] * steps[:, None], after)  # to first order
    errors = np.linalg.norm(np.cross(_normalise(turned), before), axis=-1)
    omega = tries[np.argmin(np.median(errors, axis=1))]
    for _ in range(_REWEIGHTING_ITERATIONS):
        back = np.einsum("kij,kj->ki", so3_exp(omega * steps[:, None]), after)
        error = np.linalg.norm(np.cross(back, before), axis=-1)
        scale = max(1.5 * float(np.median(error)), 0.05 * pixel)
        weights = 1 / (1 + (error / scale) ** 2) ** 2
        omega = omega + _solve_rate(before, back, steps, weights)
    inlier = error < max(4 * float(np.median(error)), 0.2 * pixel)
    inlier &= error < 3 * pixel
    if inlier.sum() < MIN_POINTS_PER_PAIR:
        return None
    variance = float((error[inlier] ** 2).sum()) / max(2 * int(inlier.sum()) - 3, 1)
    std = np.sqrt(np.diag(np.linalg.inv(_normal_matrix(after[inlier], steps[inlier] ** 2))) * variance)
    return omega, inlier, std


def _solve_rate(
    before: Float64[ndarray, "*batch k 3"],
    after: Float64[ndarray, "*batch k 3"],
    steps: Float64[ndarray, "*batch k"],
    weights: Float64[ndarray, "*batch k"],
) -> Float64[ndarray, "*batch 3"]:
    """Return the small rate that carries rays back: least squares of ``after + omega s x after = before``."""
    # omega x a = -[a] omega; the sum of [a]^T [a] s^2 = (1 - a a^T) s^2 over all rays
    normal = _normal_matrix(after, weights * steps**2)
    moment = np.einsum("...k,...ki->...i", weights * steps, np.cross(after, before))
    return np.asarray(np.linalg.solve(normal + 1e-12 * np.eye(3), moment[..., None])[..., 0])


def _normal_matrix(
    after: Float64[ndarray, "*batch k 3"], weights: Float64[ndarray, "*batch k"]
) -> Float64[ndarray, "*batch 3 3"]:
    total = weights.sum(axis=-1)[..., None, None]
    return np.asarray(total * np.eye(3) - np.swapaxes(weights[..., None] * after, -1, -2) @ after)


def _normalise(rays: ndarray) -> ndarray:
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))


def residual_rotations(
    after: Float64[ndarray, "k 3"],
    predicted: Float64[ndarray, "k 3"],
    pair: Int64[ndarray, " k"],
    count: int,
    focal: float,
    *,
    weights: Float64[ndarray, " k"] | None = None,
) -> tuple[Float64[ndarray, "t 3"], Float64[ndarray, " k"]]:
    """Return the small turn (rad) missing in each pair: ``after = exp(-turn) predicted`` for most rays.

    `pair` rises from 0 to `count` - 1. Without weights they are found by reweighting, robustly. The weights
    are returned too.
    """
    change = after - predicted  # predicted x turn
    lever = np.cross(change, predicted)
    square = np.einsum("ki,kj->kij", predicted, predicted)
    current = np.ones(len(pair)) if weights is None else weights
    edges = np.searchsorted(pair, np.arange(count))
    for _ in range(_REWEIGHTING_ITERATIONS if weights is None else 1):
        total = np.add.reduceat(current, edges)
        normal = total[:, None, None] * np.eye(3) - np.add.reduceat(current[:, None, None] * square, edges)
        moment = np.add.reduceat(current[:, None] * lever, edges)
        turns = np.asarray(np.linalg.solve(normal + 1e-12 * np.eye(3), moment[:, :, None])[:, :, 0])
        if weights is None:
            error = np.linalg.norm(change - np.cross(predicted, turns[pair]), axis=1)
            scale = np.maximum(1.5 * _segment_medians(error, edges), 0.05 / focal)
            current = 1 / (1 + (error / scale[pair]) ** 2) ** 2
    return turns, current


def _segment_medians(values: Float64[ndarray, " k"], edges: Int64[ndarray, " t"]) -> Float64[ndarray, " t"]:
    """Return the median of each stretch of values (the higher of two)."""
    ends = np.append(edges[1:], len(values))
    number = np.repeat(np.arange(len(edges)), ends - edges)
    order = np.lexsort((values, number))
    return np.asarray(values[order][(edges + ends) // 2])
