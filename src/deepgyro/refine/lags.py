"""What a picture says of any path at once: for a blur that no gyro told (docs/theory/refinement.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from ..threads import for_bands
from .model import FREE, LENS, added_terms
from .statistic import CAP, LENGTHS, SPREAD, Pyramid, Scale, grid, over_any

DIRECTIONS = 64
"""Of half a turn, that second derivatives are taken in."""
NEAREST = 4
"""Paths shorter than this are not looked at, px of the level."""
LEAST = 0.2
"""A region that less of a path's places fall into says nothing of it, share."""
PROMISING = 0.1
"""Share of the paths whose change down the picture is looked for too."""
ROLL = 4.0
"""From one roll that is tried to the next, px of the level at half a diagonal from the centre."""


@dataclass(frozen=True, eq=False)
class Lags:
    """What regions of a picture say of straight paths of any length and direction."""

    dips: Float32[ndarray, "regions radius_1 side"]
    """Correlation over what any picture has, times `energy`, by the path's y (from 0 on) and x (from -radius
    on), px of the level."""
    energy: Float32[ndarray, "regions radius_1 side"]
    """Along the path; a region counts for no more than it may."""
    along: Float32[ndarray, "2 regions radius_1 side"]
    """Energy along the path, and across."""
    support: Float32[ndarray, "regions radius_1 side"]
    """Share of a region's places that such paths start and end inside the picture of."""
    places: Float64[ndarray, "regions 2"]
    """x and y of the regions' centres, from the picture's, over half of its diagonal."""
    scale: Scale

    def likeliest(self, count: int, *, apart: float) -> Float64[ndarray, "count 5"]:
        """Return the likeliest turns, rolls and changes down the picture, px: x, y, roll, down x, down y.

        For each path at the centre the likeliest roll is looked for, and for long ones a change down the
        picture; `apart`: how far the fields differ at least, px of the level.
        """
        from .kernels import search_lags

        radius = self.dips.shape[1] - 1
        y, x = (a.ravel() for a in np.mgrid[0 : radius + 1, -radius : radius + 1])
        inside = (x * x + y * y <= radius * radius) & ((y > 0) | (x >= 0))
        middle = np.stack([x[inside], y[inside]], -1).astype(np.float64)
        usual = SPREAD[min(self.scale.level, 1), self.scale.smoothing]

        def search(paths: ndarray, tried: int) -> tuple[ndarray, ndarray]:
            cost, more = np.empty(len(paths)), np.empty((len(paths), 3))

            def band(top: int, bottom: int) -> None:
                search_lags(
                    self.dips, self.energy, self.along, self.support, self.places, paths, tried, ROLL, LENS,
                    FREE, LENGTHS, usual, top, bottom, cost, more,
                )  # fmt: skip

            for_bands(len(paths), 64, band)
            return cost, more

        cost, more = search(middle, 0)
        promising = np.argsort(cost)[: max(count, int(PROMISING * len(cost)))]
        cost[promising], more[promising] = search(middle[promising], 1)
        thetas = np.concatenate([middle, more], 1)
        fields = self._fields(thetas)
        found = []
        for _ in range(count):
            best = int(cost.argmin())
            found.append(thetas[best] * self.scale.pixel)
            distances = [np.linalg.norm(fields + s * fields[best], axis=-1).mean(-1) for s in (-1, 1)]
            cost[np.minimum(*distances) < apart] = np.inf
        return np.array(found)

    def _fields(self, thetas: Float64[ndarray, "m 5"]) -> Float64[ndarray, "m regions 2"]:
        u, v = self.places.T
        terms = added_terms(u, v, LENS)[..., : thetas.shape[1]]
        return np.asarray(np.einsum("rak,mk->mra", terms, thetas))


def region_lags(pyramid: Pyramid, scale: Scale, *, radius: int) -> Lags:
    """Measure the correlation one path apart for all paths of up to `radius` px of the level.

    Of each region, the places in the middle of the path are meant: it starts and ends half of its length
    away.
    """
    from .kernels import correlate_lags

    planes = pyramid.planes(scale)
    _, height, width = planes.shape
    turns = np.arange(DIRECTIONS) * (np.pi / DIRECTIONS)
    a, b = np.cos(turns).astype(np.float32), np.sin(turns).astype(np.float32)
    bent = np.tensordot(np.stack([a * a, 2 * a * b, b * b], 1), planes, 1)
    rows, columns = grid(height, width)
    down, across = (
        np.linspace(0, side, count + 1).astype(np.int64) for side, count in ((height, rows), (width, columns))
    )
    y, x = (k.ravel() for k in np.mgrid[0 : radius + 1, -radius : radius + 1])
    length = np.hypot(x, y)
    kept = (length <= radius) & ((y > 0) | (x > 0)) & (length >= NEAREST)
    y, x, length = y[kept], x[kept], length[kept]
    direction = np.round(np.arctan2(y, x) % np.pi / np.pi * DIRECTIONS).astype(np.int64) % DIRECTIONS
    products = np.zeros((rows * columns, len(x)), np.float32)
    counts = np.zeros_like(products)

    def band(top: int, bottom: int) -> None:
        correlate_lags(bent, direction, y, x, down, across, top, bottom, products, counts)

    for_bands(len(x), 256, band)
    squares = np.stack(
        [
            np.square(bent[:, down[r] : down[r + 1], across[c] : across[c + 1]]).mean((1, 2))
            for r in range(rows)
            for c in range(columns)
        ]
    )
    everywhere = np.maximum(squares, 1e-6)
    energy = everywhere[:, direction]
    correlation = products / np.maximum(counts, 1) / energy
    weakest = everywhere.argmin(1)
    axis = np.stack([np.cos(turns), np.sin(turns)], -1)[weakest]
    beside = np.abs(x * axis[:, 1:] - y * axis[:, :1])
    leak = (1 - everywhere.min(1)[:, None] / energy).clip(0, 1)
    over = over_any(correlation, length, beside, leak, scale)
    cells = np.diff(down)[:, None] * np.diff(across) / 2  # every other row is looked at
    support = (counts / cells.reshape(-1, 1)).clip(0, 1)
    support = np.where(support < LEAST, 0, support)
    middle = everywhere.mean(1)
    weight = energy * np.minimum(1, CAP * middle.mean() / middle)[:, None] * support

    def spread_out(values: ndarray) -> Float32[ndarray, "regions radius_1 side"]:
        out = np.zeros((len(values), radius + 1, 2 * radius + 1), np.float32)
        out[:, y, x + radius] = values
        return out

    half = np.hypot(height, width) / 2
    v, u = ((edges[:-1] + edges[1:] - side) / 2 / half for edges, side in ((down, height), (across, width)))
    crosswise = everywhere[:, (direction + DIRECTIONS // 2) % DIRECTIONS]
    return Lags(
        spread_out(over * weight),
        spread_out(weight),
        np.stack([spread_out(energy), spread_out(crosswise)]),
        spread_out(support),
        np.stack(np.meshgrid(u, v), -1).reshape(-1, 2),
        scale,
    )
