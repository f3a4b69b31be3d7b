"""What a picture's cells say about the ends of their paths: what the corrector sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray

from ..threads import run_in_bands
from .model import mean_length
from .statistic import SIZE, Pyramid, level_for, places_in

ROWS, COLUMNS = 9, 16
"""Cells of a picture that is wider than high; of a higher one the other way round."""
REACH = 5
"""How far from the path's end the maps go, px of their level, along the path and across."""
SIDE = 2 * REACH + 1
LOOKS = ((0, 2, False), (1, 2, False), (2, 1, False), (1, 2, True))
"""Maps of a cell: how often the level is halved for them; how far apart the places are that are looked at,
px; whether they are about the path's start, which is what the picture has of itself, or about its end."""
MAPS = len(LOOKS)
FACTS = 8
POINTS = 240.0
"""Places of a cell in pictures that the corrector was trained on, which were 480 x 270 px."""
BAND = 24
"""Cells that are looked at at once: a divisor of their number."""
_RIM = 7
"""How far the shifts along x and y go that the maps are made of: corners of the maps stay 0."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a picture, row by row; a picture that is higher than wide is taken on its side, mirrored."""

    maps: Float32[ndarray, "cells maps side side"]
    """Correlation of the second derivative along the path with itself, by how far the end is shifted along
    the path and across it (`LOOKS`)."""
    vectors: Float64[ndarray, "cells 2"]
    """From the start to the end of the mean path, px of the level."""
    along: Float64[ndarray, "cells 2"]
    """Its direction."""
    across: Float64[ndarray, "cells 2"]
    """Beside it: to its right in a picture that is wider than high, else to its left."""
    places: Float64[ndarray, "cells 2"]
    """x and y of the cells' centres, as shares of the picture's width and height."""
    energy: Float64[ndarray, " cells"]
    """Mean square of the second derivative along the path."""
    counts: Int64[ndarray, " cells"]
    """Places that took part."""
    level: int
    """How often the picture was halved."""
    noise: float
    """Standard deviation of the picture's noise, of white."""
    lying: bool
    """Whether the picture is higher than wide, and lies on its side here."""

    @property
    def lain(self) -> Float64[ndarray, "cells 2"]:
        """The vectors as the picture lies here."""
        return self.vectors[:, ::-1] if self.lying else self.vectors

    @property
    def seen(self) -> Float32[ndarray, "rows columns channels"]:
        """Maps and facts, as the corrector takes them."""
        channels = np.concatenate([self.maps.reshape(len(self.maps), -1), self.facts], 1)
        return channels.reshape(ROWS, COLUMNS, -1)

    @cached_property
    def facts(self) -> Float32[ndarray, "cells facts"]:
        """Cosine and sine of the doubled direction, length, energy, share of the places that took part; and
        of the picture, whether it was halved, its noise, its energy."""
        length = np.maximum(np.linalg.norm(self.vectors, axis=1), 1e-3)
        c, s = self.lain.T / length
        energy = np.log(np.maximum(self.energy, 1e-6))
        mean = np.log(max(self.energy @ self.counts, 1e-6) / max(self.counts.sum(), 1))
        one = np.ones(len(length))
        noise = np.log(max(self.noise, 1e-4) / 0.01)
        rows = [c * c - s * s, 2 * c * s, np.log(length / 16), np.clip(energy - mean, -4, 3)]
        rows += [self.counts / max(self.counts.max(), 1), one * (self.level > 0), one * noise]
        return np.stack([*rows, one * np.clip(mean, -8, 0) / 4], -1).astype(np.float32)


def cells_of(pyramid: Pyramid, vectors: Float32[ndarray, "rows columns 2"]) -> Cells:
    """Look at a picture's cells.

    Parameters
    ----------
    pyramid
        The picture.
    vectors
        From the start to the end of the path, px, at places that share the picture evenly.
    """
    from .kernels import map_ends

    level = level_for(mean_length(vectors), *pyramid.size)
    pyramid.prepare(sorted({level + k for k, *_ in LOOKS}))
    lying = pyramid.size[0] > pyramid.size[1]
    grid = (COLUMNS, ROWS) if lying else (ROWS, COLUMNS)
    apart = max(1, round(max(pyramid.planes(level).shape) / SIZE))
    paths = _means(vectors, *grid) / 2.0**level
    along = paths / np.maximum(np.linalg.norm(paths, axis=1, keepdims=True), 1e-3)
    across = along[:, ::-1] * np.array([-1.0, 1.0])
    cells = ROWS * COLUMNS
    maps = np.empty((cells, MAPS, SIDE, SIDE), np.float32)
    squares, counts = np.zeros((MAPS, cells), np.float32), np.zeros((MAPS, cells), np.int64)
    looks = []
    for k, step, own in LOOKS:
        planes = pyramid.planes(level + k)
        places, first, nearest = _places(*planes.shape[1:], apart * step, grid, *vectors.shape[:2])
        ends = vectors.reshape(-1, 2) * np.float32((not own) / 2 ** (level + k))
        looks.append((planes, places, nearest, ends, first, along, across, _RIM, REACH))

    def band(top: int, bottom: int) -> None:
        look, cell = divmod(top, cells)
        results = squares[look], counts[look], maps[:, look]
        map_ends(*looks[look], cell, cell + bottom - top, *results)

    run_in_bands(MAPS * cells, BAND, band)
    y, x = ((k.ravel() + 0.5) / count for k, count in zip(np.indices(grid), grid, strict=True))
    found = Cells(
        maps, paths, along, across, np.stack([x, y], -1),
        squares[0] / np.maximum(counts[0], 1), counts[0], level, pyramid.noise, lying,
    )  # fmt: skip
    return _on_its_side(found) if lying else found


def _on_its_side(cells: Cells) -> Cells:
    """Return cells row by row of the picture whose x and y change places: left and right of paths do, too."""
    order = np.arange(ROWS * COLUMNS).reshape(COLUMNS, ROWS).T.ravel()
    names = ("vectors", "along", "across", "places", "energy", "counts")
    moved = {name: getattr(cells, name)[order] for name in names}
    moved["across"] = -moved["across"]
    return replace(cells, maps=cells.maps[order, :, :, ::-1], **moved)


def _means(
    vectors: Float32[ndarray, "rows columns 2"], down: int, across: int
) -> Float64[ndarray, "cells 2"]:
    """Return the mean of each cell's vectors."""
    for axis, count in enumerate((down, across)):
        side = vectors.shape[axis]
        edges = np.arange(count) * side // count
        sums = np.add.reduceat(vectors.astype(np.float64), edges, axis)
        shares = np.maximum(np.diff(np.r_[edges, side]), 1)  # smallest pictures have fewer vectors than cells
        vectors = sums / np.expand_dims(shares, tuple({0, 1, 2} - {axis}))
    return np.asarray(vectors.reshape(-1, 2))


@lru_cache(16)
def _places(
    height: int, width: int, stride: int, grid: tuple[int, int], rows: int, columns: int
) -> tuple[Float32[ndarray, "n 2"], Int64[ndarray, " m"], Int64[ndarray, " n"]]:
    """Return `places_in`, and which of so many vectors that share the picture evenly is nearest to each."""
    places, first = places_in(height, width, stride, *grid)
    x, y = ((places + 0.5) * (columns / width, rows / height)).astype(np.int64).T
    return places, first, y * columns + x
