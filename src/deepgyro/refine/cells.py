"""The correlations of a picture's cells about the ends of their paths: the corrector's inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray

from ..threads import run_in_bands
from .model import mean_vector_length
from .statistic import LEVEL_SIDE_PX, DerivativePyramid, level_for_length, spread_places

CELL_ROWS, CELL_COLUMNS = 9, 16
"""Cells of a picture that is wider than high; of a higher one the other way round."""
SEARCH_REACH_PX = 5
"""Reach of the maps from the path's end, px of their level, along the path and across."""
MAP_SIDE_PX = 2 * SEARCH_REACH_PX + 1
MAP_SCALES = ((0, 2, False), (1, 2, False), (2, 1, False), (1, 2, True))
"""Maps of a cell: how often the level is halved for them; distance of the places, px; whether they are about
the path's start (the picture's own autocorrelation) or about its end."""
MAP_COUNT = len(MAP_SCALES)
FEATURE_COUNT = 8
TRAINED_PLACES_PER_CELL = 240.0
"""Places of a cell in pictures that the corrector was trained on, which were 480 x 270 px."""
CELLS_PER_BATCH = 24
"""A divisor of the number of cells."""
_MAX_SHIFT_PX = 7
"""Of the shifts along x and y that the maps are interpolated from: corners of the maps stay 0."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a picture, row by row; a picture that is higher than wide is transposed."""

    maps: Float32[ndarray, "cells maps side side"]
    """Correlation of the second derivative along the path with itself, by how far the end is shifted along
    the path and across it (`MAP_SCALES`)."""
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
    transposed: bool
    """Whether the picture is higher than wide: rows are its columns here."""

    @property
    def canonical_vectors(self) -> Float64[ndarray, "cells 2"]:
        """The vectors as the picture lies here."""
        return self.vectors[:, ::-1] if self.transposed else self.vectors

    @property
    def network_inputs(self) -> Float32[ndarray, "rows columns channels"]:
        """Maps and features, as the corrector takes them."""
        channels = np.concatenate([self.maps.reshape(len(self.maps), -1), self.features], 1)
        return channels.reshape(CELL_ROWS, CELL_COLUMNS, -1)

    @cached_property
    def features(self) -> Float32[ndarray, "cells features"]:
        """Cosine and sine of the doubled direction, length, energy, share of the places used; and of the
        picture, whether it was halved, its noise, its energy."""
        length = np.maximum(np.linalg.norm(self.vectors, axis=1), 1e-3)
        c, s = self.canonical_vectors.T / length
        energy = np.log(np.maximum(self.energy, 1e-6))
        mean = np.log(max(self.energy @ self.counts, 1e-6) / max(self.counts.sum(), 1))
        one = np.ones(len(length))
        noise = np.log(max(self.noise, 1e-4) / 0.01)
        rows = [c * c - s * s, 2 * c * s, np.log(length / 16), np.clip(energy - mean, -4, 3)]
        rows += [self.counts / max(self.counts.max(), 1), one * (self.level > 0), one * noise]
        return np.stack([*rows, one * np.clip(mean, -8, 0) / 4], -1).astype(np.float32)


def measure_cells(pyramid: DerivativePyramid, vectors: Float32[ndarray, "rows columns 2"]) -> Cells:
    """Measure a picture's cells; vectors: from the start to the end of the path, px, on a grid over it."""
    from .kernels import map_ends

    level = level_for_length(mean_vector_length(vectors), *pyramid.size)
    pyramid.prepare(sorted({level + k for k, *_ in MAP_SCALES}))
    transposed = pyramid.size[0] > pyramid.size[1]
    grid = (CELL_COLUMNS, CELL_ROWS) if transposed else (CELL_ROWS, CELL_COLUMNS)
    apart = max(1, round(max(pyramid.planes(level).shape) / LEVEL_SIDE_PX))
    paths = _cell_means(vectors, *grid) / 2.0**level
    along = paths / np.maximum(np.linalg.norm(paths, axis=1, keepdims=True), 1e-3)
    across = along[:, ::-1] * np.array([-1.0, 1.0])
    cells = CELL_ROWS * CELL_COLUMNS
    maps = np.empty((cells, MAP_COUNT, MAP_SIDE_PX, MAP_SIDE_PX), np.float32)
    squares, counts = np.zeros((MAP_COUNT, cells), np.float32), np.zeros((MAP_COUNT, cells), np.int64)
    tasks = []
    for k, step, own in MAP_SCALES:
        planes = pyramid.planes(level + k)
        places, first, nearest = _cell_places(*planes.shape[1:], apart * step, grid, *vectors.shape[:2])
        ends = vectors.reshape(-1, 2) * np.float32((not own) / 2 ** (level + k))
        tasks.append((planes, places, nearest, ends, first, along, across, _MAX_SHIFT_PX, SEARCH_REACH_PX))

    def band(top: int, bottom: int) -> None:
        task, cell = divmod(top, cells)
        results = squares[task], counts[task], maps[:, task]
        map_ends(*tasks[task], cell, cell + bottom - top, *results)

    run_in_bands(MAP_COUNT * cells, CELLS_PER_BATCH, band)
    y, x = ((k.ravel() + 0.5) / count for k, count in zip(np.indices(grid), grid, strict=True))
    measured = Cells(
        maps, paths, along, across, np.stack([x, y], -1),
        squares[0] / np.maximum(counts[0], 1), counts[0], level, pyramid.noise, transposed,
    )  # fmt: skip
    return _transpose_cells(measured) if transposed else measured


def _transpose_cells(cells: Cells) -> Cells:
    """Return cells row by row of the picture whose x and y change places: left and right of paths do, too."""
    order = np.arange(CELL_ROWS * CELL_COLUMNS).reshape(CELL_COLUMNS, CELL_ROWS).T.ravel()
    names = ("vectors", "along", "across", "places", "energy", "counts")
    moved = {name: getattr(cells, name)[order] for name in names}
    moved["across"] = -moved["across"]
    return replace(cells, maps=cells.maps[order, :, :, ::-1], **moved)


def _cell_means(
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
def _cell_places(
    height: int, width: int, stride: int, grid: tuple[int, int], rows: int, columns: int
) -> tuple[Float32[ndarray, "n 2"], Int64[ndarray, " m"], Int64[ndarray, " n"]]:
    """Return `spread_places`, and which of so many vectors that share the picture evenly is nearest to
    each."""
    places, first = spread_places(height, width, stride, *grid)
    x, y = ((places + 0.5) * (columns / width, rows / height)).astype(np.int64).T
    return places, first, y * columns + x
