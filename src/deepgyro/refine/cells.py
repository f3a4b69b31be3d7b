"""What a picture's cells say about the ends of their paths: what the corrector sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray

from .model import mean_length
from .statistic import (
    SIZE,
    Pyramid,
    Scale,
    correlations,
    level_for,
    paths_at,
    places_in,
    powers,
    region_means,
)

ROWS, COLUMNS = 9, 16
"""Cells of a picture that is wider than high; of a higher one the other way round."""
REACH = 5
"""How far from the path's end the maps go, px of their level, along the path and across."""
SIDE = 2 * REACH + 1
MAPS = 3
"""Of a cell: about the path's end; the same at half the size; and about the path's start, which is what the
picture has of itself."""
FACTS = 8
SMOOTHING = 1.2
STRIDE = 2
"""Distance of the places that are looked at, px of a level of `statistic.SIZE`; in a larger one more."""
POINTS = 240.0
"""Places of a cell in pictures that the corrector was trained on, which were 480 x 270 px."""
_RIM = 7
"""How far the shifts along x and y go that the maps are made of: corners of the maps stay 0."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a picture, row by row; a picture that is higher than wide is taken on its side, mirrored."""

    maps: Float32[ndarray, "cells 3 side side"]
    """Correlation of the second derivative along the path with itself, by how far the end is shifted along
    the path and across it."""
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
    def seen(self) -> Float32[ndarray, "channels rows columns"]:
        """Maps and facts, as the corrector takes them."""
        channels = np.concatenate([self.maps.reshape(len(self.maps), -1), self.facts], 1).T
        return np.ascontiguousarray(channels).reshape(-1, ROWS, COLUMNS)

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
    from .kernels import turned_maps

    level = level_for(mean_length(vectors), *pyramid.size)
    first = _seen(pyramid, vectors, Scale(level, SMOOTHING))
    half = _seen(pyramid, vectors, Scale(level + 1, SMOOTHING))
    again = _about_start(pyramid, Scale(level, SMOOTHING), first.paths)
    maps = np.empty((MAPS, ROWS * COLUMNS, SIDE, SIDE))
    for out, seen in zip(maps, (first, half, again), strict=True):
        axes = seen.along, seen.across
        turned_maps(seen.products, seen.squares, seen.paths, *axes, REACH, seen is again, out)
    energy = (first.squares * powers(first.paths)).sum(1) / np.maximum(first.counts, 1)
    lying = pyramid.size[0] > pyramid.size[1]
    found = Cells(
        maps.swapaxes(0, 1).astype(np.float32), first.paths, first.along, first.across, first.middles, energy,
        first.counts, level, pyramid.noise, lying,
    )  # fmt: skip
    return _on_its_side(found) if lying else found


def _on_its_side(cells: Cells) -> Cells:
    """Return cells row by row of the picture whose x and y change places: left and right of paths do, too."""
    order = np.arange(ROWS * COLUMNS).reshape(COLUMNS, ROWS).T.ravel()
    names = ("vectors", "along", "across", "places", "energy", "counts")
    moved = {name: getattr(cells, name)[order] for name in names}
    moved["across"] = -moved["across"]
    return replace(cells, maps=cells.maps[order, :, :, ::-1], **moved)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What `correlations` says of the cells of a level."""

    products: Float32[ndarray, "cells 5 side wide"]
    squares: Float32[ndarray, "cells 5"]
    counts: Int64[ndarray, " cells"]
    paths: Float64[ndarray, "cells 2"]
    middles: Float64[ndarray, "cells 2"]

    @property
    def along(self) -> Float64[ndarray, "cells 2"]:
        """The paths' directions."""
        return np.asarray(self.paths / np.maximum(np.linalg.norm(self.paths, axis=1, keepdims=True), 1e-3))

    @property
    def across(self) -> Float64[ndarray, "cells 2"]:
        """The directions to their right."""
        return np.asarray(self.along[:, ::-1] * np.array([-1.0, 1.0]))


def _seen(pyramid: Pyramid, vectors: Float32[ndarray, "rows columns 2"], scale: Scale) -> _Seen:
    """Look one path away."""
    height, width = pyramid.planes(scale).shape[1:]
    places, first = _places(height, width)
    paths = paths_at(vectors, places, height, width) / np.float32(scale.pixel)
    found = correlations(pyramid.bends(scale), places, paths, first, _RIM)
    return _Seen(*found, *region_means(paths, places, first, height, width))


def _about_start(pyramid: Pyramid, scale: Scale, paths: Float64[ndarray, "cells 2"]) -> _Seen:
    """Look about the places themselves, which is the same whatever the paths are."""
    if scale not in pyramid.own:
        places, first = _places(*pyramid.planes(scale).shape[1:])
        nowhere = np.zeros_like(places)
        pyramid.own[scale] = correlations(pyramid.bends(scale), places, nowhere, first, _RIM)
    return _Seen(*pyramid.own[scale], paths, np.zeros_like(paths))


def _places(height: int, width: int) -> tuple[Float32[ndarray, "n 2"], Int64[ndarray, " m"]]:
    down, across = (ROWS, COLUMNS) if width >= height else (COLUMNS, ROWS)
    stride = STRIDE * max(1, round(max(height, width) / SIZE))
    return places_in(height, width, stride, down, across)
