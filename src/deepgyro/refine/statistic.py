"""Minima of a picture's autocorrelation at the ends of its paths: docs/theory/refinement.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from numpy import ndarray

from ..light import Pixels, to_unit_range
from ..threads import run_in_bands

LEVEL_SIDE_PX = 480
"""A picture is halved until its longer side is about this, px, ..."""
MIN_LEVEL_PATH_PX = 16.0
"""... but not so often that its paths get shorter than this, px; ..."""
MAX_LEVEL_PATH_PX = 100.0
"""... and further until they are shorter than this, px."""
SMOOTHING_STD_PX = 1.2
"""Standard deviation of the Gaussian before the derivatives, px of the level."""
DERIVATIVE_DIRECTIONS = np.stack([np.cos(np.arange(5) * np.pi / 5), np.sin(np.arange(5) * np.pi / 5)], -1)
"""Of second derivatives: five, as the product of two is a quartic of the direction."""
_TEST_DIRECTIONS = np.stack([np.cos(np.arange(36) * np.pi / 36), np.sin(np.arange(36) * np.pi / 36)], -1)
REGION_ROWS, REGION_COLUMNS = 4, 6
"""Regions of a picture that is wider than high; of a higher one the other way round."""
CONTRAST_EXTRA_HALVINGS = 3
"""Further halvings for the local mean and contrast, which are normalised."""
CONTRAST_FLOOR = 0.04
"""Contrast that is taken for noise, of white."""
ENERGY_CAP = 1.5
"""A region's energy counts up to this many times the mean."""

# The null distribution, of sharp photos: mean correlation of second derivatives by the lag over the
# smoothing, and its standard deviation over pictures and lags.
_LAGS = np.array([0, 0.83, 1.67, 2.5, 3.33, 4.17, 5, 6, 99])
_MEAN_AT_LAGS = np.array([1, 0.49, -0.24, -0.46, -0.32, -0.11, -0.03, 0, 0])
NULL_MEAN = np.interp(np.arange(0.5, 7 * 32) / 32, _LAGS, _MEAN_AT_LAGS)
"""Every 32nd of the smoothing."""
NULL_LENGTHS_PX = np.array([4.0, 5, 6, 7, 8, 10, 15, 20, 30])
NULL_STD = (  # at NULL_LENGTHS_PX, at full size and at any other
    np.array([0.15, 0.12, 0.09, 0.065, 0.06, 0.045, 0.03, 0.026, 0.022]),
    np.array([0.15, 0.12, 0.09, 0.07, 0.058, 0.055, 0.052, 0.052, 0.052]),
)
_NULL_AREA_PX = (90_000, 22_000)
"""That they were measured over, px of the level."""


@dataclass(frozen=True, eq=False)
class AutocorrelationMinima:
    """The correlation at the ends of a picture's paths, region by region."""

    minima: Float[ndarray, "regions side side"]
    """Correlation less the null mean, times the energy, by the shift of the end, px of the level."""
    energy: Float[ndarray, "regions side side"]
    vectors: Float64[ndarray, "regions 2"]
    """From the start to the end of the mean path, px of the level."""
    places: Float64[ndarray, "regions 2"]
    """x and y of the regions' centres, as shares of the picture's width and height."""
    null_std: Float64[ndarray, " n"]
    """`null_std_by_length`, larger for a smaller picture."""


def count_halvings(height: int, width: int) -> int:
    """Return how often a picture is halved until its longer side is about `LEVEL_SIDE_PX`."""
    return max(0, round(math.log2(max(height, width) / LEVEL_SIDE_PX)))


def level_for_length(length: float, height: int, width: int) -> int:
    """Return how often a picture is halved for paths of a mean length, px."""
    most = int(math.log2(max(length, MIN_LEVEL_PATH_PX) / MIN_LEVEL_PATH_PX))
    level = min(count_halvings(height, width), most)
    return max(level, math.ceil(math.log2(max(length, 1) / MAX_LEVEL_PATH_PX)))


class DerivativePyramid:
    """A picture's second derivatives at several sizes, computed when they are asked for."""

    def __init__(self, image: Pixels) -> None:
        self.size = image.shape[:2]
        self._image = image
        self._levels: list[ndarray] = []
        self._planes: dict[int, ndarray] = {}
        self._derivatives: dict[int, ndarray] = {}

    def planes(self, level: int) -> Float32[ndarray, "3 h w"]:
        """Return xx, xy and yy of the smoothed gray picture, its contrast made equal everywhere."""
        import cv2

        if level not in self._planes:
            gray = self._gray(level)
            detail = gray - _upsample_means(self._gray(level + CONTRAST_EXTRA_HALVINGS), gray)
            small = detail * detail
            for _ in range(CONTRAST_EXTRA_HALVINGS):
                small = _halve(small)
            variance = np.maximum(_upsample_means(small, gray), 0) + np.float32(CONTRAST_FLOOR**2)
            smooth = cv2.GaussianBlur(detail / np.sqrt(variance), (0, 0), SMOOTHING_STD_PX)
            second, keep, first = (np.array(k, np.float32) for k in ([1, -2, 1], [0, 1, 0], [-0.5, 0, 0.5]))
            planes = np.empty((3, *gray.shape), np.float32)
            for plane, x, y in zip(planes, (second, first, keep), (keep, first, second), strict=True):
                cv2.sepFilter2D(smooth, -1, x, y, dst=plane)
            self._planes[level] = planes
        return self._planes[level]

    def prepare(self, levels: Sequence[int]) -> None:
        """Compute the planes of several levels side by side."""
        missing = [level for level in levels if level not in self._planes]
        if missing:
            self._gray(max(missing) + CONTRAST_EXTRA_HALVINGS)
            run_in_bands(len(missing), 1, lambda k, _: self.planes(missing[k]))

    def directional_derivatives(self, level: int) -> Float32[ndarray, "5 h w_margin"]:
        """Return the second derivatives in `DERIVATIVE_DIRECTIONS`, and some columns of zeros beside them."""
        from .kernels import MARGIN_PX

        if level not in self._derivatives:
            planes = self.planes(level)
            a, b = DERIVATIVE_DIRECTIONS.T.astype(np.float32)
            _, height, width = planes.shape
            derivatives = np.zeros((5, height, width + MARGIN_PX), np.float32)
            mixed = np.stack([a * a, 2 * a * b, b * b], 1) @ planes.reshape(3, -1)
            derivatives[:, :, :width] = mixed.reshape(5, height, width)
            self._derivatives[level] = derivatives
        return self._derivatives[level]

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
            self._levels.append(to_unit_range(gray[..., None])[..., 0])
        while len(self._levels) <= level:
            self._levels.append(_halve(self._levels[-1]))
        return self._levels[level]


def _halve(picture: Float32[ndarray, "h w"]) -> Float32[ndarray, "a b"]:
    import cv2

    height, width = picture.shape
    half = (max(width // 2, 1), max(height // 2, 1))
    return np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA))


def _upsample_means(
    small: Float32[ndarray, "a b"], picture: Float32[ndarray, "h w"]
) -> Float32[ndarray, "h w"]:
    """Return means of a picture's squares of pixels as smooth values at each pixel.

    A box about each pixel would leave copies of edges behind.
    """
    import cv2

    height, width = picture.shape
    smooth = cv2.GaussianBlur(small, (0, 0), 1.2)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC))


def measure_region_minima(
    pyramid: DerivativePyramid,
    vectors: Float32[ndarray, "rows columns 2"],
    level: int,
    *,
    reach: int,
    stride: int = 3,
) -> AutocorrelationMinima:
    """Measure the correlation one path apart, and for ends shifted by up to `reach`, region by region.

    vectors: from the start to the end of the path, px, on a grid over the picture. reach (of a shift along x
    or y) and stride (from one place to the next): px of the level; paths that lead out of the picture are
    skipped.
    """
    from .kernels import weigh_minima

    derivatives = pyramid.directional_derivatives(level)
    height, width = pyramid.planes(level).shape[1:]
    places, first = spread_places(height, width, stride, *region_grid(height, width))
    scale = np.divide(vectors.shape[1::-1], (width, height)).astype(np.float32)
    x, y = ((places + 0.5) * scale).astype(int).T
    paths = vectors[y, x] / np.float32(2**level)
    products, squares, counts = correlate_paths(derivatives, places, paths, first, reach)
    means, centres = mean_region_paths(paths, places, first, height, width)
    cap = energy_weights((squares * quartic_powers(means)).sum(1))
    axes, weakest = least_energy_direction(squares)
    regions, side = len(products), products.shape[2]
    minima, energy = np.empty((2, regions, side, side))
    weigh_minima(products, squares, means, axes, weakest, SMOOTHING_STD_PX, NULL_MEAN, cap, minima, energy)
    inflation = max(1.0, np.sqrt(_NULL_AREA_PX[min(level, 1)] / max(int(counts.sum()) * stride**2, 1)))
    return AutocorrelationMinima(minima, energy, means, centres, float(inflation) * null_std_by_length(level))


def region_grid(height: int, width: int) -> tuple[int, int]:
    """Return how many regions a picture has down and across."""
    return (REGION_ROWS, REGION_COLUMNS) if width >= height else (REGION_COLUMNS, REGION_ROWS)


@lru_cache(16)
def spread_places(
    height: int, width: int, stride: int, down: int, across: int
) -> tuple[Float32[ndarray, "n 2"], Int64[ndarray, " m"]]:
    """Return x and y of places in a picture, by region, the first place of each region, and the end."""
    y, x = (a.ravel() for a in np.mgrid[stride // 2 : height : stride, stride // 2 : width : stride])
    region = (y * down // height) * across + x * across // width
    order = np.argsort(region, kind="stable")
    first = np.searchsorted(region[order], np.arange(down * across + 1))
    return np.stack([x, y], -1)[order].astype(np.float32), first.astype(np.int64)


def mean_region_paths(
    paths: Float32[ndarray, "n 2"],
    places: Float32[ndarray, "n 2"],
    first: Int64[ndarray, " m"],
    height: int,
    width: int,
) -> tuple[Float64[ndarray, "regions 2"], Float64[ndarray, "regions 2"]]:
    """Return each region's mean path, px of the level, and its centre, as shares of the level's size."""
    taken = np.maximum(np.diff(first), 1)[:, None]  # regions of the smallest pictures may have no place
    means = np.add.reduceat(np.c_[paths, places], np.minimum(first[:-1], len(places) - 1)) / taken
    return means[:, :2].astype(np.float64), (means[:, 2:] + 0.5) / (width, height)


def correlate_paths(
    derivatives: Float32[ndarray, "5 h w_margin"],
    places: Float32[ndarray, "n 2"],
    paths: Float32[ndarray, "n 2"],
    first: Int64[ndarray, " m"],
    reach: int,
) -> tuple[
    Float32[ndarray, "regions 5 side wide"], Float32[ndarray, "regions 5"], Int64[ndarray, " regions"]
]:
    """Return `kernels.correlate` of all regions: products, squares, and the number of places used.

    Products and squares are coefficients of a^4, a^3 b, ..., b^4 of the direction (a, b).
    """
    from .kernels import MARGIN_PX, correlate

    regions, side = len(first) - 1, 2 * reach + 1
    products = np.zeros((regions, 5, side, -(-side // MARGIN_PX) * MARGIN_PX), np.float32)
    squares, counts = np.zeros((regions, 5), np.float32), np.zeros(regions, np.int64)
    ends = np.floor(places + paths / 2 + 0.5)  # whole: only the starts need interpolation
    starts, corners = ends - paths, ends.astype(np.int64) - reach

    def band(top: int, bottom: int) -> None:
        correlate(derivatives, starts, corners, first, side, top, bottom, products, squares, counts)

    run_in_bands(regions, 4, band)
    flat = _FROM_VALUES.T @ products.reshape(regions, 5, -1)
    return flat.reshape(products.shape), quartic_coefficients(squares), counts


def energy_weights(energy: Float[ndarray, " regions"]) -> Float64[ndarray, " regions"]:
    """Return the weights, at most 1, that hold each region's energy to `ENERGY_CAP` times the mean."""
    return np.asarray(np.minimum(1, ENERGY_CAP * energy.mean() / np.maximum(energy, 1e-6)))


def quartic_coefficients(values: Float[ndarray, "*n 5"]) -> Float[ndarray, "*n 5"]:
    """Return the coefficients of a^4, a^3 b, ..., b^4 from values in `DERIVATIVE_DIRECTIONS` (a, b)."""
    return np.asarray(values @ _FROM_VALUES)


@cache
def null_std_by_length(level: int) -> Float64[ndarray, " n"]:
    """Return the standard deviation of sharp photos' correlations, every 1 / 4 px of the path's length."""
    lengths = np.arange(0, NULL_LENGTHS_PX[-1] + 0.25, 0.25)
    return np.asarray(np.interp(lengths, NULL_LENGTHS_PX, NULL_STD[min(level, 1)]))


def least_energy_direction(
    squares: Float[ndarray, "regions 5"],
) -> tuple[Float64[ndarray, "regions 2"], Float64[ndarray, " regions"]]:
    """Return the direction in which each region has the least energy, and that energy."""
    energies = squares @ quartic_powers(_TEST_DIRECTIONS).T
    return _TEST_DIRECTIONS[energies.argmin(1)], energies.min(1)


def quartic_powers(vectors: Float[ndarray, "*n 2"]) -> Float[ndarray, "*n 5"]:
    """Return a^4, a^3 b, ..., b^4 of each vector's direction (a, b)."""
    a, b = np.moveaxis(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-3), -1, 0)
    return np.stack([a**4, a**3 * b, a * a * b * b, a * b**3, b**4], -1)


_FROM_VALUES = np.linalg.inv(quartic_powers(DERIVATIVE_DIRECTIONS)).T.astype(np.float32)
