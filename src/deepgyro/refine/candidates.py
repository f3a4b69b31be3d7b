"""Candidate fields for the corrector, near a prior field or of any blur (docs/theory/refinement.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray

from ..light import Pixels
from ..threads import run_in_bands
from .model import (
    BLIND_PRIOR_STD,
    GYRO_PRIOR_STD,
    TERM_COUNT,
    USUAL_LENS_STRENGTH,
    FieldModel,
    mean_vector_distance,
    term_basis,
)
from .statistic import (
    EXPECTED_AUTOCORRELATION,
    MIN_LEVEL_PATH_PX,
    SMOOTHING_STD_PX,
    DerivativePyramid,
    count_halvings,
    energy_weights,
    least_energy_direction,
    level_for_length,
    measure_region_minima,
    null_std_by_length,
    quartic_coefficients,
    region_grid,
)

MINIMA_LIKELIHOOD_WEIGHT = 0.5
"""Of the minima's log-likelihood, z^2 / 2: neighbouring places are not independent."""
MAX_CANDIDATES_NEAR_PRIOR = 3
"""Of a prior field."""
BLIND_SEARCH_LEVELS = ((1, 3, 50), (2, 2, 50), (0, 2, 18), (-1, 1, 24))
"""Without a prior field, in this order: halvings beyond `count_halvings`, number of candidates there, and
longest path that is searched, px of the level."""
MIN_CANDIDATE_DISTANCE_PX = 4.0
"""Candidates nearer than this are one: px of their level, and px for those of different levels."""
DIRECTION_COUNT = 64
"""Directions of second derivatives in half a turn."""
MIN_LAG_PX = 4
"""Shorter paths are not searched, px of the level."""
MIN_PLACE_SHARE = 0.2
"""A region that has less of a path's places does not count for it, share."""
PROMISING_PATH_SHARE = 0.1
"""Share of the paths for which changes down the picture are searched too."""
ROLL_STEP_PX = 4.0
"""Between two rolls of the search, px of the level at half a diagonal from the centre."""
ROLLS_NEAR_BEST = 3
"""Rolls each way of the likeliest one that are searched with the changes."""


def candidates_near_prior(pyramid: DerivativePyramid, model: FieldModel) -> Iterator[Float64[ndarray, " k"]]:
    """Yield the terms of the likeliest fields near a prior one, the likeliest first, to a few px.

    Turns, scales and rolls are searched in the minima of the coarse scale.
    """
    from .kernels import fill_posterior_costs

    level, reach = 0, 14  # px of the level
    if model.prior_length >= MIN_LEVEL_PATH_PX:
        level, reach = level_for_length(model.prior_length, *pyramid.size) + 1, 18
    found = measure_region_minima(pyramid, model.prior, level, reach=reach)
    shift = np.arange(2.0 - reach, reach - 1) * 2**level
    roll = np.array([-3, 0, 3]) * model.pixel_scale
    thetas = np.stack(np.meshgrid([-0.2, 0.0, 0.2], shift, shift, roll, indexing="ij"), -1).reshape(-1, 4)
    basis = model.design_matrix(found.places)[:, :, :4] / 2**level
    prior = GYRO_PRIOR_STD * np.r_[1.0, np.full(3, model.pixel_scale)]
    cost = np.empty(len(thetas))
    fill_posterior_costs(
        found.minima, found.energy, found.vectors, basis, found.null_std, prior, MINIMA_LIKELIHOOD_WEIGHT,
        thetas, cost,
    )  # fmt: skip
    middle = thetas[:, :1] * model.prior.mean((0, 1)) + thetas[:, 1:3]
    for _ in range(MAX_CANDIDATES_NEAR_PRIOR):
        best = int(cost.argmin())
        yield np.concatenate([thetas[best], np.zeros(TERM_COUNT - 4)])
        cost[np.linalg.norm(middle - middle[best], axis=-1) < 3 * 2**level] = np.inf


def blind_candidates(pyramid: DerivativePyramid, model: FieldModel) -> Iterator[Float64[ndarray, " k"]]:
    """Yield the terms of the likeliest fields without a prior, level after level, to a few px."""
    earlier: list[ndarray] = []
    for level, count, radius in _search_levels(pyramid, BLIND_SEARCH_LEVELS):
        for terms in measure_lag_maps(pyramid, level, radius=radius).likeliest_paths(count):
            theta = np.zeros(TERM_COUNT)
            theta[1:6] = terms
            vectors = model.vectors(theta)
            if all(mean_vector_distance(vectors, other) > MIN_CANDIDATE_DISTANCE_PX for other in earlier):
                earlier.append(vectors)
                yield theta


def _search_levels(
    pyramid: DerivativePyramid, levels: Sequence[tuple[int, int, int]]
) -> Iterator[tuple[int, int, int]]:
    """Yield number of halvings, count and radius of those `BLIND_SEARCH_LEVELS` that a picture has."""
    for more, count, radius in levels:
        level = count_halvings(*pyramid.size) + more
        if level >= 0:
            yield level, count, radius


def field_costs(
    image: Pixels, fields: Sequence[Float32[ndarray, "rows columns 2"]]
) -> Float64[ndarray, " m"]:
    """Return minus the log-likelihood that a picture is blurred along each of several fields.

    Parameters
    ----------
    image
        (h, w, 3), uint8 | uint16 | float32 in 0 to 1.
    fields
        Blur vectors, px, at the rows and columns of `region_grid`, which share the picture evenly.

    Returns
    -------
    costs
        Up to a constant. 0 for a field that is too short or too long to be tested.
    """
    from .kernels import fill_field_costs

    vectors = np.stack([field.reshape(-1, 2) for field in fields])
    longest = np.linalg.norm(vectors, axis=-1).max(1)
    costs, left = np.zeros(len(fields)), np.ones(len(fields), bool)
    pyramid = DerivativePyramid(image)
    for level, _, radius in _search_levels(pyramid, sorted(BLIND_SEARCH_LEVELS)):
        now = left & (longest <= radius * 2**level)
        if now.any():
            maps = measure_lag_maps(pyramid, level, radius=radius).maps
            paths, part = (vectors[now] / 2**level).astype(np.float32), np.empty(int(now.sum()))
            fill_field_costs(maps, paths, radius, null_std_by_length(level), part)
            costs[now] = part
        left &= ~now
    return costs


@dataclass(frozen=True, eq=False)
class LagMaps:
    """Autocorrelations of a picture's regions for straight paths of any length and direction."""

    maps: Float32[ndarray, "5 regions m"]
    """By the path's y (from 0 on) and x (from -radius on), px of the level, and zeros at the end: excess over
    the null mean, times the weight; the weight; the share of the region's places whose paths stay inside the
    picture; and the energy along the path, and across."""
    radius: int
    places: Float64[ndarray, "regions 2"]
    """x and y of the regions' centres, from the picture's, over half of its diagonal."""
    level: int
    """How often the picture was halved."""

    def likeliest_paths(self, count: int) -> Float64[ndarray, "count 5"]:
        """Return the likeliest turns, rolls and changes down the picture, px: x, y, roll, down x, down y.

        For each path at the centre the likeliest roll is searched, and for long ones a change down the
        picture. The fields differ by `MIN_CANDIDATE_DISTANCE_PX` or more.
        """
        from .kernels import search_changes, search_rolls

        radius = self.radius
        known = self.maps, self.places, radius
        priors = ROLL_STEP_PX, USUAL_LENS_STRENGTH, BLIND_PRIOR_STD, null_std_by_length(self.level)
        costs, rolls = np.empty((2, radius + 1, 2 * radius + 1))
        run_in_bands(
            radius + 1, 4, lambda top, bottom: search_rolls(*known, *priors, top, bottom, costs, rolls)
        )
        most = max(count, int(PROMISING_PATH_SHARE * np.isfinite(costs).sum()))
        promising = np.argsort(costs, axis=None)[:most]
        y, x = np.divmod(promising, 2 * radius + 1)
        paths = np.stack([x - radius, y, rolls.ravel()[promising]], -1).astype(np.float64)
        cost, more = np.empty(len(paths)), np.empty((len(paths), 3))
        tried = paths, ROLLS_NEAR_BEST
        run_in_bands(
            len(paths), 16,
            lambda top, bottom: search_changes(*known, *tried, *priors, top, bottom, cost, more),
        )  # fmt: skip
        thetas = np.concatenate([paths[:, :2], more], 1)
        u, v = self.places.T
        terms = term_basis(u, v, USUAL_LENS_STRENGTH)[..., : thetas.shape[1]]
        fields = np.einsum("rak,mk->mra", terms, thetas)
        likeliest = []
        for _ in range(count):
            best = int(cost.argmin())
            likeliest.append(thetas[best] * 2**self.level)
            distances = [np.linalg.norm(fields + s * fields[best], axis=-1).mean(-1) for s in (-1, 1)]
            cost[np.minimum(*distances) < MIN_CANDIDATE_DISTANCE_PX] = np.inf
        return np.array(likeliest)


def measure_lag_maps(pyramid: DerivativePyramid, level: int, *, radius: int) -> LagMaps:
    """Measure the autocorrelation one path apart for all paths of up to `radius` px of the level.

    A path belongs to the region of its middle: it starts and ends half of its length away.
    """
    from .kernels import correlate_lags, fill_maps

    planes = pyramid.planes(level)
    _, height, width = planes.shape
    rows, columns = region_grid(height, width)
    down, across = (
        np.linspace(0, side, count + 1).astype(np.int64) for side, count in ((height, rows), (width, columns))
    )
    angles = np.arange(DIRECTION_COUNT) * (np.pi / DIRECTION_COUNT)
    directions = np.stack([np.cos(angles), np.sin(angles)], -1)
    y, x, first = _paths_by_direction(radius)
    products, counts = np.zeros((2, rows * columns, len(x)), np.float32)

    def band(top: int, bottom: int) -> None:
        correlate_lags(planes, directions, first, y, x, down, across, top, bottom, products, counts)

    run_in_bands(DIRECTION_COUNT, 4, band)
    derivatives = pyramid.directional_derivatives(level)[:, :, :width]
    sums = np.add.reduceat(np.add.reduceat(derivatives * derivatives, down[:-1], 1), across[:-1], 2)
    places = np.diff(down)[:, None] * np.diff(across)
    coefficients = quartic_coefficients((sums / places).reshape(5, -1).T)
    axes, least = least_energy_direction(coefficients)
    cap = energy_weights(coefficients @ np.array([3, 0, 1, 0, 3]) / 8)  # by the mean over all directions
    maps = np.zeros((5, rows * columns, (radius + 1) * (2 * radius + 1) + 1), np.float32)
    fill_maps(
        products, counts, coefficients, least, axes, cap, places.ravel() / 2, y, x, radius, MIN_PLACE_SHARE,
        SMOOTHING_STD_PX, EXPECTED_AUTOCORRELATION, maps,
    )  # fmt: skip
    half = np.hypot(height, width) / 2
    v, u = ((edges[:-1] + edges[1:] - side) / 2 / half for edges, side in ((down, height), (across, width)))
    return LagMaps(maps, radius, np.stack(np.meshgrid(u, v), -1).reshape(-1, 2), level)


def _paths_by_direction(
    radius: int,
) -> tuple[Int64[ndarray, " m"], Int64[ndarray, " m"], Int64[ndarray, " n"]]:
    """Return y and x of all paths, px, by direction, and the index of each direction's first, and the end."""
    y, x = (k.ravel() for k in np.mgrid[0 : radius + 1, -radius : radius + 1])
    length = np.hypot(x, y)
    kept = (length <= radius) & ((y > 0) | (x > 0)) & (length >= MIN_LAG_PX)
    y, x = y[kept], x[kept]
    direction = np.round(np.arctan2(y, x) % np.pi / np.pi * DIRECTION_COUNT).astype(np.int64)
    direction %= DIRECTION_COUNT
    order = np.argsort(direction, kind="stable")
    first = np.searchsorted(direction[order], np.arange(DIRECTION_COUNT + 1))
    return y[order], x[order], first
