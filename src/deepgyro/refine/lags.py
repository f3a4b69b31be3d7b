"""Correlation of a picture with itself at all lags: the search without a gyro (docs/theory/refinement.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray

from ..threads import run_in_bands
from .model import BLIND_PRIOR_STD, USUAL_LENS_STRENGTH, term_basis
from .statistic import (
    NULL_MEAN,
    SMOOTHING_STD_PX,
    DerivativePyramid,
    energy_weights,
    least_energy_direction,
    null_std_by_length,
    quartic_coefficients,
    region_grid,
)

DIRECTION_COUNT = 64
"""Of half a turn, that second derivatives are taken in."""
MIN_LAG_PX = 4
"""Paths shorter than this are not searched, px of the level."""
MIN_PLACE_SHARE = 0.2
"""A region with a smaller share of places whose path stays inside the picture does not count."""
PROMISING_PATH_SHARE = 0.1
"""Share of the paths whose change down the picture is searched too."""
ROLL_STEP_PX = 4.0
"""From one roll that is tried to the next, px of the level at half a diagonal from the centre."""
ROLLS_NEAR_BEST = 3
"""Rolls each way of the likeliest that are tried with the changes."""


@dataclass(frozen=True, eq=False)
class LagMaps:
    """The correlation of a picture's regions at straight paths of any length and direction."""

    maps: Float32[ndarray, "5 regions m"]
    """By the path's y (from 0 on) and x (from -radius on), px of the level, and zeros at the end: correlation
    less the null mean, times the weight; the weight; the share of the region's places whose path stays inside
    the picture; and the energy along the path, and across."""
    radius: int
    places: Float64[ndarray, "regions 2"]
    """x and y of the regions' centres, from the picture's, over half of its diagonal."""
    level: int
    """How often the picture was halved."""

    def likeliest_paths(self, count: int, *, min_distance: float) -> Float64[ndarray, "count 5"]:
        """Return the likeliest turns, rolls and changes down the picture, px: x, y, roll, down x, down y.

        For each path at the centre the likeliest roll is searched, and for long ones a change down the
        picture; `min_distance`: mean distance of two fields, px of the level.
        """
        from .lag_kernels import search_changes, search_rolls

        radius, lens = self.radius, USUAL_LENS_STRENGTH
        priors = lens, BLIND_PRIOR_STD, null_std_by_length(self.level)
        cost, rolls = np.empty((2, radius + 1, 2 * radius + 1))

        def search_rows(top: int, bottom: int) -> None:
            search_rolls(self.maps, self.places, radius, ROLL_STEP_PX, *priors, top, bottom, cost, rolls)

        run_in_bands(radius + 1, 4, search_rows)
        kept = max(count, int(PROMISING_PATH_SHARE * np.isfinite(cost).sum()))
        promising = np.argsort(cost, axis=None)[:kept]
        y, x = np.divmod(promising, 2 * radius + 1)
        paths = np.stack([x - radius, y, rolls.ravel()[promising]], -1).astype(np.float64)
        steps = ROLLS_NEAR_BEST, ROLL_STEP_PX
        cost, terms = np.empty(len(paths)), np.empty((len(paths), 3))

        def search_paths(top: int, bottom: int) -> None:
            search_changes(self.maps, self.places, radius, paths, *steps, *priors, top, bottom, cost, terms)

        run_in_bands(len(paths), 16, search_paths)
        thetas = np.concatenate([paths[:, :2], terms], 1)
        u, v = self.places.T
        basis = term_basis(u, v, lens)[..., : thetas.shape[1]]
        fields = np.einsum("rak,mk->mra", basis, thetas)
        likeliest = []
        for _ in range(count):
            best = int(cost.argmin())
            likeliest.append(thetas[best] * 2**self.level)
            distances = [np.linalg.norm(fields + s * fields[best], axis=-1).mean(-1) for s in (-1, 1)]
            cost[np.minimum(*distances) < min_distance] = np.inf
        return np.array(likeliest)


def measure_lag_maps(pyramid: DerivativePyramid, level: int, *, radius: int) -> LagMaps:
    """Measure the correlation one path apart for all paths of up to `radius` px of the level.

    A path belongs to the region that its middle lies in.
    """
    from .lag_kernels import correlate_lags, fill_maps

    planes = pyramid.planes(level)
    _, height, width = planes.shape
    rows, columns = region_grid(height, width)
    down, across = (
        np.linspace(0, side, count + 1).astype(np.int64) for side, count in ((height, rows), (width, columns))
    )
    turns = np.arange(DIRECTION_COUNT) * (np.pi / DIRECTION_COUNT)
    directions = np.stack([np.cos(turns), np.sin(turns)], -1)
    y, x, first = _paths_by_direction(radius)
    products = np.zeros((rows * columns, len(x)), np.float32)
    counts = np.zeros_like(products)

    def band(top: int, bottom: int) -> None:
        correlate_lags(planes, directions, first, y, x, down, across, top, bottom, products, counts)

    run_in_bands(DIRECTION_COUNT, 4, band)
    derivatives = pyramid.directional_derivatives(level)[:, :, :width]
    sums = np.add.reduceat(np.add.reduceat(derivatives * derivatives, down[:-1], 1), across[:-1], 2)
    areas = np.diff(down)[:, None] * np.diff(across)
    coefficients = quartic_coefficients((sums / areas).reshape(5, -1).T)
    axes, weakest = least_energy_direction(coefficients)
    cap = energy_weights(coefficients @ np.array([3, 0, 1, 0, 3]) / 8)  # by the mean over all directions
    maps = np.zeros((5, rows * columns, (radius + 1) * (2 * radius + 1) + 1), np.float32)
    fill_maps(
        products, counts, coefficients, weakest, axes, cap, areas.ravel() / 2, y, x, radius, MIN_PLACE_SHARE,
        SMOOTHING_STD_PX, NULL_MEAN, maps,
    )  # fmt: skip
    half = np.hypot(height, width) / 2
    v, u = ((edges[:-1] + edges[1:] - side) / 2 / half for edges, side in ((down, height), (across, width)))
    return LagMaps(maps, radius, np.stack(np.meshgrid(u, v), -1).reshape(-1, 2), level)


def _paths_by_direction(
    radius: int,
) -> tuple[Int64[ndarray, " m"], Int64[ndarray, " m"], Int64[ndarray, " n"]]:
    """Return y and x of all paths, px, by direction, the first path of each direction, and the end."""
    y, x = (k.ravel() for k in np.mgrid[0 : radius + 1, -radius : radius + 1])
    length = np.hypot(x, y)
    kept = (length <= radius) & ((y > 0) | (x > 0)) & (length >= MIN_LAG_PX)
    y, x = y[kept], x[kept]
    turns = np.arctan2(y, x) % np.pi / np.pi
    direction = np.round(turns * DIRECTION_COUNT).astype(np.int64) % DIRECTION_COUNT
    order = np.argsort(direction, kind="stable")
    first = np.searchsorted(direction[order], np.arange(DIRECTION_COUNT + 1))
    return y[order], x[order], first
