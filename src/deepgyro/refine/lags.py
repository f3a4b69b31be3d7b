"""What a picture says of any path at once: for a blur without a gyro (docs/theory/refinement.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray

from ..threads import run_in_bands
from .model import BLIND_PRIOR_STD, USUAL_LENS_STRENGTH, term_basis
from .statistic import (
    EXPECTED_AUTOCORRELATION,
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
"""Paths shorter than this are not looked at, px of the level."""
MIN_PLACE_SHARE = 0.2
"""A region that less of a path's places fall into says nothing of it, share."""
PROMISING_PATH_SHARE = 0.1
"""Share of the paths whose change down the picture is looked for too."""
ROLL_STEP_PX = 4.0
"""From one roll that is tried to the next, px of the level at half a diagonal from the centre."""
ROLLS_NEAR_BEST = 3
"""Rolls each way of the likeliest that are tried with the changes."""


@dataclass(frozen=True, eq=False)
class LagMaps:
    """What regions of a picture say of straight paths of any length and direction."""

    maps: Float32[ndarray, "5 regions m"]
    """By the path's y (from 0 on) and x (from -radius on), px of the level, and zeros at the end: correlation
    over what any picture has, times the weight; the weight; which share of the region's places such paths
    start and end inside the picture of; and the energy along the path, and across."""
    radius: int
    places: Float64[ndarray, "regions 2"]
    """x and y of the regions' centres, from the picture's, over half of its diagonal."""
    level: int
    """How often the picture was halved."""

    def likeliest_paths(self, count: int, *, apart: float) -> Float64[ndarray, "count 5"]:
        """Return the likeliest turns, rolls and changes down the picture, px: x, y, roll, down x, down y.

        For each path at the centre the likeliest roll is looked for, and for long ones a change down the
        picture; `apart`: how far the fields differ at least, px of the level.
        """
        from .kernels import search_changes, search_rolls

        radius = self.radius
        known = self.maps, self.places, radius
        spread = null_std_by_length(self.level)
        cost, rolls = np.empty((2, radius + 1, 2 * radius + 1))

        def roll(top: int, bottom: int) -> None:
            search_rolls(
                *known, ROLL_STEP_PX, USUAL_LENS_STRENGTH, BLIND_PRIOR_STD, spread, top, bottom, cost, rolls
            )

        run_in_bands(radius + 1, 4, roll)
        promising = np.argsort(cost, axis=None)[
            : max(count, int(PROMISING_PATH_SHARE * np.isfinite(cost).sum()))
        ]
        y, x = np.divmod(promising, 2 * radius + 1)
        middle = np.stack([x - radius, y, rolls.ravel()[promising]], -1).astype(np.float64)
        cost, more = np.empty(len(middle)), np.empty((len(middle), 3))

        def change(top: int, bottom: int) -> None:
            search_changes(
                *known,
                middle,
                ROLLS_NEAR_BEST,
                ROLL_STEP_PX,
                USUAL_LENS_STRENGTH,
                BLIND_PRIOR_STD,
                spread,
                top,
                bottom,
                cost,
                more,
            )

        run_in_bands(len(middle), 16, change)
        thetas = np.concatenate([middle[:, :2], more], 1)
        fields = self._sample_fields(thetas)
        found = []
        for _ in range(count):
            best = int(cost.argmin())
            found.append(thetas[best] * 2**self.level)
            distances = [np.linalg.norm(fields + s * fields[best], axis=-1).mean(-1) for s in (-1, 1)]
            cost[np.minimum(*distances) < apart] = np.inf
        return np.array(found)

    def _sample_fields(self, thetas: Float64[ndarray, "m 5"]) -> Float64[ndarray, "m regions 2"]:
        u, v = self.places.T
        terms = term_basis(u, v, USUAL_LENS_STRENGTH)[..., : thetas.shape[1]]
        return np.asarray(np.einsum("rak,mk->mra", terms, thetas))


def measure_lag_maps(pyramid: DerivativePyramid, level: int, *, radius: int) -> LagMaps:
    """Measure the correlation one path apart for all paths of up to `radius` px of the level.

    Of each region, the places in the middle of the path are meant: it starts and ends half of its length
    away.
    """
    from .kernels import correlate_lags, fill_maps

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
    bends = pyramid.directional_derivatives(level)[:, :, :width]
    sums = np.add.reduceat(np.add.reduceat(bends * bends, down[:-1], 1), across[:-1], 2)
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
    """Return y and x of all paths, px, by direction, and where each direction's begin, and the end."""
    y, x = (k.ravel() for k in np.mgrid[0 : radius + 1, -radius : radius + 1])
    length = np.hypot(x, y)
    kept = (length <= radius) & ((y > 0) | (x > 0)) & (length >= MIN_LAG_PX)
    y, x = y[kept], x[kept]
    direction = (
        np.round(np.arctan2(y, x) % np.pi / np.pi * DIRECTION_COUNT).astype(np.int64) % DIRECTION_COUNT
    )
    order = np.argsort(direction, kind="stable")
    first = np.searchsorted(direction[order], np.arange(DIRECTION_COUNT + 1))
    return y[order], x[order], first
