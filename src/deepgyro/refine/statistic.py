"""How negative a picture's own correlation is one path apart: docs/theory/refinement.md."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from numpy import ndarray

from ..light import Pixels, to_unit
from ..threads import for_bands


@dataclass(frozen=True)
class Scale:
    """At what size a picture is looked at."""

    level: int
    """How often it is halved."""
    smoothing: float
    """Standard deviation of the Gaussian before the derivatives, px of the level."""

    @property
    def pixel(self) -> int:
        """A px of the level, px."""
        return int(2**self.level)


ROWS, COLUMNS = 4, 6
"""Regions of a picture that is wider than high; of a higher one the other way round."""
SIDE = 31
"""Of the window in which contrast is made equal, px of the level."""
FLOOR = 0.04
"""Contrast that is taken for noise, of white."""
CAP = 1.5
"""A region counts for at most so many times the mean."""

# Of sharp photos: what the correlation of second derivatives along a shift is whatever the picture, by the
# shift over the smoothing; and how much it differs from picture to picture and shift to shift.
_LAGS = np.array([0, 0.83, 1.67, 2.5, 3.33, 4.17, 5, 6, 99])
_EXPECTED = np.array([1, 0.49, -0.24, -0.46, -0.32, -0.11, -0.03, 0, 0])
LENGTHS = np.array([4.0, 5, 6, 7, 8, 10, 15, 20, 30])
SPREAD = {  # at LENGTHS, by the level (1: and above) and the smoothing
    (0, 1.2): np.array([0.15, 0.12, 0.09, 0.065, 0.06, 0.045, 0.03, 0.026, 0.022]),
    (0, 1.8): np.array([0.2, 0.17, 0.14, 0.12, 0.1, 0.065, 0.042, 0.037, 0.034]),
    (1, 1.2): np.array([0.15, 0.12, 0.09, 0.07, 0.058, 0.055, 0.052, 0.052, 0.052]),
    (1, 1.8): np.array([0.2, 0.17, 0.14, 0.12, 0.1, 0.08, 0.07, 0.065, 0.065]),
}
_AREA = {0: 90_000, 1: 22_000}
"""Of the places it was measured at, px of the level."""


@dataclass(frozen=True, eq=False)
class Dips:
    """What regions of a picture say of the places where their paths end."""

    dips: Float[ndarray, "regions side side"]
    """Correlation over what any picture has, times the energy, by the shift of the end, px of the level."""
    energy: Float[ndarray, "regions side side"]
    vectors: Float64[ndarray, "regions 2"]
    """From the start to the end of the mean path, px of the level."""
    places: Float64[ndarray, "regions 2"]
    """x and y of the regions' centres, as shares of the picture's width and height."""
    squares: Float32[ndarray, "regions 5"]
    """What the energy in any direction is made of."""
    points: int
    """Places that took part."""
    spread: float
    """How much wider than those of the reference the correlations of so small a picture spread by chance."""
    scale: Scale

    def z(
        self, basis: Float64[ndarray, "regions 2 k"], thetas: Float64[ndarray, "m k"]
    ) -> Float64[ndarray, " m"]:
        """Return how deep the dip is for ends shifted by basis times thetas (px), in standard deviations.

        At most 0.
        """
        from .kernels import add_up

        out = np.empty(len(thetas))
        usual = SPREAD[min(self.scale.level, 1), self.scale.smoothing]
        add_up(
            self.dips, self.energy, self.vectors, basis / self.scale.pixel, np.ascontiguousarray(thetas),
            LENGTHS, usual * self.spread, out,
        )  # fmt: skip
        return np.minimum(out, 0.0)

    def energy_along(self, vectors: Float[ndarray, "regions 2"]) -> float:
        """Return the mean energy of the second derivative along vectors."""
        return float(max((self.squares * _powers(vectors)).sum() / max(self.points, 1), 1e-9))

    def streaks(self, vectors: Float[ndarray, "regions 2"]) -> float:
        """Return the logarithm of the energy along vectors over that across: low where streaks run along."""
        across = vectors[:, ::-1] * np.array([-1.0, 1.0])
        return float(np.log(self.energy_along(vectors) / self.energy_along(across)))


class Pyramid:
    """A picture's second derivatives at several sizes, computed when they are asked for."""

    def __init__(self, image: Pixels) -> None:
        self.size = image.shape[:2]
        self._image = image
        self._levels: list[ndarray] = []
        self._planes: dict[Scale, ndarray] = {}

    def planes(self, scale: Scale) -> Float32[ndarray, "3 h w"]:
        """Return xx, xy and yy of the smoothed gray picture, its contrast made equal everywhere."""
        import cv2

        if scale not in self._planes:
            gray = self._gray(scale.level)
            less = gray - _around(gray)
            even = less / np.sqrt(np.maximum(_around(less * less), 0) + np.float32(FLOOR**2))
            smooth = cv2.GaussianBlur(even, (0, 0), scale.smoothing)
            bend, keep, slope = (np.array(k, np.float32) for k in ([1, -2, 1], [0, 1, 0], [-0.5, 0, 0.5]))
            self._planes[scale] = np.stack(
                [cv2.sepFilter2D(smooth, -1, x, y) for x, y in ((bend, keep), (slope, slope), (keep, bend))]
            )
        return self._planes[scale]

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the gray picture's noise, of white (Immerkaer, CVIU 1996)."""
        import cv2

        mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
        return float(np.abs(cv2.filter2D(self._gray(0), -1, mask)).mean() * np.sqrt(np.pi / 2) / 6)

    def _gray(self, level: int) -> Float32[ndarray, "h w"]:
        import cv2

        if not self._levels:
            gray = cv2.cvtColor(self._image, cv2.COLOR_RGB2GRAY)
            self._levels.append(to_unit(gray[..., None])[..., 0])
        while len(self._levels) <= level:
            height, width = self._levels[-1].shape
            half = (max(width // 2, 1), max(height // 2, 1))
            self._levels.append(cv2.resize(self._levels[-1], half, interpolation=cv2.INTER_AREA))
        return self._levels[level]


def _around(picture: Float32[ndarray, "h w"]) -> Float32[ndarray, "h w"]:
    """Return a smooth mean of what lies around each pixel (a box would leave copies of edges behind)."""
    import cv2

    height, width = picture.shape
    small = cv2.resize(picture, (max(width // 8, 1), max(height // 8, 1)), interpolation=cv2.INTER_AREA)
    return np.asarray(
        cv2.resize(cv2.GaussianBlur(small, (0, 0), 1.2), (width, height), interpolation=cv2.INTER_CUBIC)
    )


def region_dips(
    pyramid: Pyramid,
    vectors: Float32[ndarray, "rows columns 2"],
    scale: Scale,
    *,
    reach: int,
    stride: int = 3,
) -> Dips:
    """Measure the correlation one path apart, and for ends shifted by up to `reach`, region by region.

    Parameters
    ----------
    pyramid
        The picture.
    vectors
        From the start to the end of the path, px, at places that share the picture evenly.
    scale
        At what size.
    reach
        The largest shift along x and y, px of the level; those paths that lead out of the picture by it are
        passed over.
    stride
        Distance of the places that are looked at, px of the level.
    """
    planes = pyramid.planes(scale)
    _, height, width = planes.shape
    places, first = _places(height, width, stride)
    rows, columns = (
        ((places[:, k] + 0.5) * (vectors.shape[1 - k] / side)).astype(int)
        for k, side in ((1, height), (0, width))
    )
    paths = vectors[rows, columns] / np.float32(scale.pixel)
    sums = _correlations(planes, places - paths / 2, places + paths / 2, first, reach)
    means = np.add.reduceat(np.c_[paths, places], first[:-1]) / np.diff(first)[:, None]
    return _dips(*sums, means[:, :2], (means[:, 2:] + 0.5) / (width, height), scale, stride)


def grid(height: int, width: int) -> tuple[int, int]:
    """Return how many regions a picture has down and across."""
    return (ROWS, COLUMNS) if width >= height else (COLUMNS, ROWS)


def _places(height: int, width: int, stride: int) -> tuple[Float32[ndarray, "n 2"], Int64[ndarray, " m"]]:
    """Return x and y of places in a picture, region by region, and where each region's begin, and the end."""
    down, across = grid(height, width)
    y, x = (a.ravel() for a in np.mgrid[stride // 2 : height : stride, stride // 2 : width : stride])
    region = (y * down // height) * across + x * across // width
    order = np.argsort(region, kind="stable")
    first = np.searchsorted(region[order], np.arange(down * across + 1))
    return np.stack([x, y], -1)[order].astype(np.float32), first.astype(np.int64)


def _correlations(
    planes: Float32[ndarray, "3 h w"],
    starts: Float32[ndarray, "n 2"],
    ends: Float32[ndarray, "n 2"],
    first: Int64[ndarray, " m"],
    reach: int,
) -> tuple[ndarray, ndarray, int]:
    """Return `kernels.correlate` of all regions: products, squares, and how many places took part."""
    from .kernels import correlate

    regions, side = len(first) - 1, 2 * reach + 1
    products, squares = np.zeros((regions, 5, side, side), np.float32), np.zeros((regions, 5), np.float32)
    counts = np.zeros(regions, np.int64)

    def band(top: int, bottom: int) -> None:
        correlate(planes, starts, ends, first, reach, top, bottom, products, squares, counts)

    for_bands(regions, 4, band)
    return products, squares, int(counts.sum())


def _dips(
    products: ndarray,
    squares: ndarray,
    points: int,
    vectors: ndarray,
    places: ndarray,
    scale: Scale,
    stride: int,
) -> Dips:
    reach = (products.shape[-1] - 1) // 2
    shift = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), -1)  # x, y
    ends = vectors[:, None, None] + shift
    length = np.linalg.norm(ends, axis=-1)
    powers = np.moveaxis(_powers(ends), -1, 1)
    energy = np.maximum(np.einsum("rk,rkji->rji", squares, powers), 1e-6)
    correlation = np.einsum("rkji,rkji->rji", products, powers) / energy
    leak, beside = _leaks(squares, energy, ends)
    over = over_any(correlation, length, beside, leak, scale)
    middle = energy[:, reach, reach]
    energy = energy * np.minimum(1, CAP * middle.mean() / middle)[:, None, None]
    fewer = max(1.0, np.sqrt(_AREA[min(scale.level, 1)] / max(points * stride**2, 1)))
    return Dips(over * energy, energy, vectors, places, squares, points, float(fewer), scale)


def over_any(
    correlation: Float[ndarray, "*n"],
    length: Float[ndarray, "*#n"],
    beside: Float[ndarray, "*#n"],
    leak: Float[ndarray, "*#n"],
    scale: Scale,
) -> Float[ndarray, "*n"]:
    """Return correlations over what any picture has one length away, px of the level; see `_leaks`."""
    nearest = 4.5 * scale.smoothing + 0.5
    usual = leak * _expected(beside, scale) + (1 - leak) * _expected(length, scale)
    over = (correlation - usual).clip(-0.6, 0.6) * (length - nearest).clip(0, 1)
    return np.asarray(over * (1 - leak * (nearest + 1 - beside).clip(0, 1)))


def _expected(lags: Float[ndarray, "*n"], scale: Scale) -> Float[ndarray, "*n"]:
    """Return the correlation of second derivatives that any picture has at lags, px of the level."""
    return np.asarray(np.interp(lags / scale.smoothing, _LAGS, _EXPECTED))


def _leaks(
    squares: Float32[ndarray, "regions 5"], energy: ndarray, ends: Float64[ndarray, "regions side side 2"]
) -> tuple[Float64[ndarray, "regions side side"], Float64[ndarray, "regions side side"]]:
    """Return which share of the energy along each path is that of what lies across the streaks, and how far
    across them the path leads, px of the level.

    Where a picture is streaky, a direction beside that of the streaks sees hardly anything but what lies
    across, and that is correlated with itself as if the path led across alone.
    """
    turns = np.arange(36) * (np.pi / 36)
    directions = np.stack([np.cos(turns), np.sin(turns)], -1)
    least = (squares @ _powers(directions).T).argmin(1)
    axis = directions[least]
    weakest = np.einsum("rk,rk->r", squares, _powers(axis))
    beside = np.abs(ends[..., 0] * axis[:, None, None, 1] - ends[..., 1] * axis[:, None, None, 0])
    return (1 - weakest[:, None, None] / energy).clip(0, 1), beside


def _powers(vectors: Float[ndarray, "*n 2"]) -> Float[ndarray, "*n 5"]:
    """Return a^4, a^3 b, ..., b^4 of each vector's direction (a, b)."""
    a, b = np.moveaxis(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-3), -1, 0)
    return np.stack([a**4, a**3 * b, a * a * b * b, a * b**3, b**4], -1)
