"""Minima of a picture's autocorrelation one path apart: docs/theory/refinement.md."""

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
"""... unless its paths get shorter than this, px, ..."""
MAX_LEVEL_PATH_PX = 100.0
"""... and on until they are shorter than this, px."""
SMOOTHING_STD_PX = 1.2
"""Standard deviation of the Gaussian before the derivatives, px of the level."""
DERIVATIVE_DIRECTIONS = np.stack([np.cos(np.arange(5) * np.pi / 5), np.sin(np.arange(5) * np.pi / 5)], -1)
"""Of second derivatives: five, as many as the product of two has coefficients in the direction (a, b)."""
_TEST_DIRECTIONS = np.stack([np.cos(np.arange(36) * np.pi / 36), np.sin(np.arange(36) * np.pi / 36)], -1)
REGION_ROWS, REGION_COLUMNS = 4, 6
"""Regions of a landscape picture; of a portrait one the other way round."""
CONTRAST_EXTRA_HALVINGS = 3
"""Further halvings for the local means that contrast is normalised by."""
CONTRAST_FLOOR = 0.04
"""Contrast below counts as noise, of white."""
ENERGY_CAP = 1.5
"""A region counts for at most so many times the mean."""
PLACE_STRIDE_PX = 3
"""Distance of the places that are correlated, px of the level."""

# Of sharp photos: null mean and null standard deviation of the autocorrelation of second derivatives along a
# shift; the mean by the shift over the smoothing.
_LAGS = np.array([0, 0.83, 1.67, 2.5, 3.33, 4.17, 5, 6, 99])
_EXPECTED_AT_LAGS = np.array([1, 0.49, -0.24, -0.46, -0.32, -0.11, -0.03, 0, 0])
EXPECTED_AUTOCORRELATION = np.interp(np.arange(0.5, 7 * 32) / 32, _LAGS, _EXPECTED_AT_LAGS)
"""Null mean, every 1 / 32 of the smoothing."""
NULL_LENGTHS_PX = np.array([4.0, 5, 6, 7, 8, 10, 15, 20, 30])
NULL_STD = (  # at NULL_LENGTHS_PX, at full size and at any other
    np.array([0.15, 0.12, 0.09, 0.065, 0.06, 0.045, 0.03, 0.026, 0.022]),
    np.array([0.15, 0.12, 0.09, 0.07, 0.058, 0.055, 0.052, 0.052, 0.052]),
)
_NULL_AREA_PX = (90_000, 22_000)
"""Of the pictures that they were measured in, at full size and at any other, px of the level."""


@dataclass(frozen=True, eq=False)
class AutocorrelationMinima:
    """Autocorrelation over its null mean, of regions of a picture, about the ends of their paths."""

    minima: Float[ndarray, "regions side side"]
    """Excess over the null mean, times the energy, by the shift of the end, px of the level."""
    energy: Float[ndarray, "regions side side"]
    vectors: Float64[ndarray, "regions 2"]
    """From the start to the end of the mean path, px of the level."""
    places: Float64[ndarray, "regions 2"]
    """x and y of the regions' centres, as shares of the picture's width and height."""
    null_std: Float64[ndarray, " n"]
    """`null_std_by_length`, larger where the picture is small."""


def count_halvings(height: int, width: int) -> int:
    """Return how often a picture is halved until its longer side is about `LEVEL_SIDE_PX`."""
    return max(0, round(math.log2(max(height, width) / LEVEL_SIDE_PX)))


def level_for_length(length: float, height: int, width: int) -> int:
    """Return how often a picture is halved to measure paths of a mean length, px."""
    most = int(math.log2(max(length, MIN_LEVEL_PATH_PX) / MIN_LEVEL_PATH_PX))
    return max(
        min(count_halvings(height, width), most), math.ceil(math.log2(max(length, 1) / MAX_LEVEL_PATH_PX))
    )


class DerivativePyramid:
    """A picture's second derivatives at several sizes, computed on demand."""

    def __init__(self, image: Pixels) -> None:
        self.size = image.shape[:2]
        self._image = image
        self._levels: list[ndarray] = []
        self._planes: dict[int, ndarray] = {}
        self._directional: dict[int, ndarray] = {}

    def planes(self, level: int) -> Float32[ndarray, "3 h w"]:
        """Return xx, xy and yy of the smoothed gray picture, its local contrast normalised."""
        import cv2

        if level not in self._planes:
            gray = self._gray(level)
            detail = gray - _upsample_means(self._gray(level + CONTRAST_EXTRA_HALVINGS), gray)
            power = detail * detail
            for _ in range(CONTRAST_EXTRA_HALVINGS):
                power = _halve(power)
            variance = np.maximum(_upsample_means(power, gray), 0) + np.float32(CONTRAST_FLOOR**2)
            smooth = cv2.GaussianBlur(detail / np.sqrt(variance), (0, 0), SMOOTHING_STD_PX)
            bend, keep, slope = (np.array(k, np.float32) for k in ([1, -2, 1], [0, 1, 0], [-0.5, 0, 0.5]))
            planes = np.empty((3, *gray.shape), np.float32)
            for plane, x, y in zip(planes, (bend, slope, keep), (keep, slope, bend), strict=True):
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
        """Return the second derivatives in `DERIVATIVE_DIRECTIONS`, with `MARGIN_PX` columns of zeros."""
        from .kernels import MARGIN_PX

        if level not in self._directional:
            planes = self.planes(level)
            a, b = DERIVATIVE_DIRECTIONS.T.astype(np.float32)
            flat = np.stack([a * a, 2 * a * b, b * b], 1) @ planes.reshape(3, -1)
            self._directional[level] = np.pad(
                flat.reshape(5, *planes.shape[1:]), ((0, 0), (0, 0), (0, MARGIN_PX))
            )
        return self._directional[level]

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
    """Return means of squares of a picture's pixels at each pixel, smooth: a box would copy edges."""
    import cv2

    height, width = picture.shape
    smooth = cv2.GaussianBlur(small, (0, 0), 1.2)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC))


def measure_region_minima(
    pyramid: DerivativePyramid, vectors: Float32[ndarray, "rows columns 2"], level: int, *, reach: int
) -> AutocorrelationMinima:
    """Measure the autocorrelation one path apart, and for ends shifted by up to `reach`, region by region.

    vectors: from the start to the end of the path, px, at places that share the picture evenly; reach: the
    largest shift along x and y, px of the level; paths that leave the picture by it are left out.
    """
    from .kernels import weigh_minima

    height, width = pyramid.planes(level).shape[1:]
    places, first = spread_places(height, width, PLACE_STRIDE_PX, *region_grid(height, width))
    rows, columns = (
        ((places[:, k] + 0.5) * (vectors.shape[1 - k] / side)).astype(int)
        for k, side in ((1, height), (0, width))
    )
    paths = vectors[rows, columns] / np.float32(2**level)
    counts = np.maximum(np.diff(first), 1)[:, None]  # regions of the smallest pictures may have no place
    means = np.add.reduceat(np.c_[paths, places], np.minimum(first[:-1], len(places) - 1)) / counts
    means, centres = means[:, :2].astype(np.float64), (means[:, 2:] + 0.5) / (width, height)
    derivatives = pyramid.directional_derivatives(level)
    products, squares, used = _correlate_paths(derivatives, places, paths, first, reach)
    axes, least = least_energy_direction(squares)
    cap = energy_weights((squares * quartic_powers(means)).sum(1))
    minima, energy = np.empty((2, len(products), 2 * reach + 1, 2 * reach + 1))
    weigh_minima(
        products, squares, means, axes, least, SMOOTHING_STD_PX, EXPECTED_AUTOCORRELATION, cap, minima, energy
    )
    area = max(used * PLACE_STRIDE_PX**2, 1)
    spread = max(1.0, np.sqrt(_NULL_AREA_PX[min(level, 1)] / area))
    return AutocorrelationMinima(minima, energy, means, centres, spread * null_std_by_length(level))


def _correlate_paths(
    derivatives: Float32[ndarray, "5 h w_margin"],
    places: Float32[ndarray, "n 2"],
    paths: Float32[ndarray, "n 2"],
    first: Int64[ndarray, " m"],
    reach: int,
) -> tuple[Float32[ndarray, "regions 5 side wide"], Float32[ndarray, "regions 5"], int]:
    """Return products and squares of `kernels.correlate`, as quartic coefficients, and the places used."""
    from .kernels import MARGIN_PX, correlate

    regions, side = len(first) - 1, 2 * reach + 1
    products = np.zeros((regions, 5, side, -(-side // MARGIN_PX) * MARGIN_PX), np.float32)
    squares, counts = np.zeros((regions, 5), np.float32), np.zeros(regions, np.int64)
    ends = np.floor(places + paths / 2 + 0.5)  # only the start is between pixels
    starts, corners = ends - paths, ends.astype(np.int64) - reach

    def band(top: int, bottom: int) -> None:
        correlate(derivatives, starts, corners, first, side, top, bottom, products, squares, counts)

    run_in_bands(regions, 4, band)
    flat = _FROM_VALUES.T @ products.reshape(regions, 5, -1)
    return flat.reshape(products.shape), quartic_coefficients(squares), int(counts.sum())


def region_grid(height: int, width: int) -> tuple[int, int]:
    """Return how many regions a picture has down and across."""
    return (REGION_ROWS, REGION_COLUMNS) if width >= height else (REGION_COLUMNS, REGION_ROWS)


@lru_cache(16)
def spread_places(
    height: int, width: int, stride: int, down: int, across: int
) -> tuple[Float32[ndarray, "n 2"], Int64[ndarray, " m"]]:
    """Return x and y of places in a picture, by its down x across regions, the first of each, and the end."""
    y, x = (a.ravel() for a in np.mgrid[stride // 2 : height : stride, stride // 2 : width : stride])
    region = (y * down // height) * across + x * across // width
    order = np.argsort(region, kind="stable")
    first = np.searchsorted(region[order], np.arange(down * across + 1))
    return np.stack([x, y], -1)[order].astype(np.float32), first.astype(np.int64)


def energy_weights(energy: Float[ndarray, " regions"]) -> Float64[ndarray, " regions"]:
    """Return the factors that bring regions of much energy down to `ENERGY_CAP`."""
    return np.asarray(np.minimum(1, ENERGY_CAP * energy.mean() / np.maximum(energy, 1e-6)))


def quartic_coefficients(values: Float[ndarray, "*n 5"]) -> Float[ndarray, "*n 5"]:
    """Return the coefficients of a^4, a^3 b, ..., b^4 from values in `DERIVATIVE_DIRECTIONS` (a, b)."""
    return np.asarray(values @ _FROM_VALUES)


@cache
def null_std_by_length(level: int) -> Float64[ndarray, " n"]:
    """Return the null standard deviation of autocorrelations, every 1 / 4 px of the path's length."""
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
