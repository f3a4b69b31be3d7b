"""How the camera turns between two frames, from points that were followed: robust, rolling shutter aware."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from ..camera import Camera
from ..rotations import so3_exp
from .tracks import PointTracks

MIN_POINTS_PER_PAIR = 8
"""Pairs of frames with fewer points say nothing."""
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
    focal: float
    """px of the small frames: what an angle of 1 rad is in the middle of the picture."""

    def select(self, index: Bool[ndarray, " k"]) -> RayPairs:
        """Return some of them."""
        return RayPairs(
            self.before[index], self.after[index], self.times[index], self.pair[index], self.focal
        )


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
    """About how far those are off, were the points' errors independent, rad/s."""
    rays: RayPairs
    """The points that agree with it; their `pair` counts these turns."""


def rays_from_tracks(tracks: PointTracks, camera: Camera, exposures: Float64[ndarray, " frames"]) -> RayPairs:
    """Return the rays of all tracks.

    Parameters
    ----------
    tracks
        Points, px.
    camera
        Of the clip; scaled to the tracks' size.
    exposures
        Of the clip's frames, s; the last one holds for all after it.
    """
    camera = camera.scale_to(height=tracks.height, width=tracks.width)
    last = len(exposures) - 1
    seen = []
    for frame, shown, uv in (
        (tracks.index, tracks.start, tracks.before),
        (tracks.index + 1, tracks.end, tracks.after),
    ):
        middle = shown + 0.5 * exposures[np.minimum(frame, last)]
        seen.append(middle[tracks.pair] + camera.line_delay(uv))
    before, after = (_normalise(camera.rays(uv)) for uv in (tracks.before, tracks.after))
    focal = float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))
    return RayPairs(before, after, np.stack(seen, axis=1), tracks.pair, focal)


def estimate_frame_rotations(rays: RayPairs) -> FrameRotations:
    """Return the camera's turn between every two neighbouring frames that show enough.

    The scene is static and far away: a ray r that is seen at the time s is seen as ``exp(-omega (s' - s)) r``
    at s', the rate omega being constant between two frames.
    """
    rng = np.random.default_rng(0)
    edges = np.searchsorted(rays.pair, np.arange(rays.pair.max(initial=-1) + 2))
    t: list[float] = []
    span: list[float] = []
    rates: list[ndarray] = []
    noise: list[ndarray] = []
    kept: list[ndarray] = []
    number: list[ndarray] = []
    for first, past in pairwise(edges.tolist()):
        if past - first < MIN_POINTS_PER_PAIR:
            continue
        part = slice(first, past)
        steps = rays.times[part, 1] - rays.times[part, 0]
        found = _estimate_rate(rays.before[part], rays.after[part], steps, rays.focal, rng)
        if found is None:
            continue
        omega, good, spread = found
        noise.append(spread)
        inside = np.flatnonzero(good) + first
        t.append(float(rays.times[inside].mean()))
        span.append(float(np.mean(steps)))
        rates.append(omega)
        number.append(np.full(len(inside), len(t) - 1))
        kept.append(inside)
    chosen = np.concatenate(kept or [np.empty(0, np.int64)])
    agreed = RayPairs(
        rays.before[chosen], rays.after[chosen], rays.times[chosen],
        np.concatenate(number or [np.empty(0, np.int64)]), rays.focal,
    )  # fmt: skip
    usual = np.median(np.array(noise).reshape(-1, 3), axis=0) if t else np.zeros(3)
    return FrameRotations(np.array(t), np.array(span), np.array(rates).reshape(-1, 3), usual, agreed)


def _estimate_rate(
    before: Float64[ndarray, "k 3"],
    after: Float64[ndarray, "k 3"],
    steps: Float64[ndarray, " k"],
    focal: float,
    rng: np.random.Generator,
) -> tuple[Float64[ndarray, " 3"], Bool[ndarray, " k"], Float64[ndarray, " 3"]] | None:
    """Return the rate that most points agree with, those points, and its spread; None if too few do."""
    limit = 1.0 / focal  # rad: a pixel

    def off(omega: Float64[ndarray, "... 3"]) -> Float64[ndarray, "... k"]:
        """Return by how much each ray misses, rad, to first order in the turn."""
        turned = after + np.cross(omega[..., None, :] * steps[:, None], after)
        return np.asarray(np.linalg.norm(np.cross(_normalise(turned), before), axis=-1))

    # Two rays give a rate; of some drawn pairs the one that leaves the smallest median is kept.
    drawn = rng.integers(len(before), size=(_RANSAC_DRAWS, 2))
    tries = _solve_rate(before[drawn], after[drawn], steps[drawn], np.ones(drawn.shape))
    omega = tries[np.argmin(np.median(off(tries), axis=1))]
    for _ in range(_REWEIGHTING_ITERATIONS):
        turn = so3_exp(omega * steps[:, None])
        back = np.einsum("kij,kj->ki", turn, after)
        miss = np.linalg.norm(np.cross(back, before), axis=-1)
        scale = max(1.5 * float(np.median(miss)), 0.05 * limit)
        weights = 1 / (1 + (miss / scale) ** 2) ** 2
        omega = omega + _solve_rate(before, back, steps, weights)
    good = miss < max(4 * float(np.median(miss)), 0.2 * limit)
    good &= miss < 3 * limit
    if good.sum() < MIN_POINTS_PER_PAIR:
        return None
    variance = float((miss[good] ** 2).sum()) / max(2 * int(good.sum()) - 3, 1)
    spread = np.sqrt(np.diag(np.linalg.inv(_normal_matrix(after[good], steps[good] ** 2))) * variance)
    return omega, good, spread


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
    """Return the small turn that is missing in each pair: ``after = exp(-turn) carried`` for most rays.

    Parameters
    ----------
    after, predicted
        Where rays are seen, and where they are carried.
    pair
        Which pair each belongs to, rising, 0 to `count` - 1.
    focal
        px for 1 rad.
    weights
        Of the rays; by default they are found: those that the turn does not bring together fade out.

    Returns
    -------
    turns, weights
        rad; and the weights.
    """
    given = after - predicted
    # carried x turn = after - carried
    lever = np.cross(given, predicted)
    square = np.einsum("ki,kj->kij", predicted, predicted)
    rounds = 1 if weights is not None else _REWEIGHTING_ITERATIONS
    kept = np.ones(len(pair)) if weights is None else weights
    turns = np.zeros((count, 3))
    edges = np.searchsorted(pair, np.arange(count))
    for _ in range(rounds):
        total = np.add.reduceat(kept, edges)
        normal = total[:, None, None] * np.eye(3) - np.add.reduceat(kept[:, None, None] * square, edges)
        moment = np.add.reduceat(kept[:, None] * lever, edges)
        turns = np.asarray(np.linalg.solve(normal + 1e-12 * np.eye(3), moment[:, :, None])[:, :, 0])
        if weights is None:
            missed = np.linalg.norm(given - np.cross(predicted, turns[pair]), axis=1)
            scale = np.maximum(1.5 * _segment_medians(missed, edges), 0.05 / focal)
            kept = 1 / (1 + (missed / scale[pair]) ** 2) ** 2
    return turns, kept


def _segment_medians(values: Float64[ndarray, " k"], edges: Int64[ndarray, " t"]) -> Float64[ndarray, " t"]:
    """Return the median of each stretch of values (the higher of two)."""
    ends = np.append(edges[1:], len(values))
    number = np.repeat(np.arange(len(edges)), ends - edges)
    order = np.lexsort((values, number))
    return np.asarray(values[order][(edges + ends) // 2])
