"""Differences of a picture along each pixel's own blur path: they make the path easy to use for a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..threads import for_bands

LANES = 16
BORDER = 2
"""Pixels that continue the picture on every side, px; positions are clamped to them."""


@dataclass(frozen=True, eq=False)
class PathDifferences:
    """The linear operator ``B -> [B(x + p(k + e)) - B(x + p(k - e))] / (4 e)`` for fractions k and steps e.

    p(k) is where the path's chord is at a fraction k of it: -1/2 is the path's first point, 1/2 its last.
    For a straight path of constant speed, d its chord, ``d . grad B(x) = S(x + d / 2) - S(x - d / 2)``: these
    differences hold shifted copies of the sharp picture S, at the same scale for every length and direction
    of the blur. B is bilinear between its pixels, and continued by its border pixels.
    """

    ends: Float32[ndarray, "4 h w"]
    """x and y of each path's first point and of its last, px, in planes."""
    fractions: tuple[float, ...]
    """k, of the path."""
    steps: tuple[float, ...]
    """e, of the path; positive."""

    def reach(self, extent: int) -> int:
        """Return how far from a pixel a sample is taken at the most, px.

        extent: the largest |x| or |y| of an end, px, rounded up.
        """
        share = float(np.abs(self._taps[:, :2]).max())
        return int(np.ceil((abs(share + 0.5) + abs(share - 0.5)) * extent)) + 1

    def __call__(self, picture: Float32[ndarray, "3 h w"]) -> Float32[ndarray, "m 3 h w"]:
        """Return the differences of a picture in planes.

        m: fractions times steps, the steps of a fraction side by side.
        """
        height, width = self._check(picture, 3)
        out = np.empty((len(self._taps), 3, height, self._paths.shape[2]), np.float32)
        self.of_part(picture, out, top=0, left=0)
        return out[..., :width]

    def of_part(
        self,
        picture: Float32[ndarray, "3 a b"],
        out: Float32[ndarray, "m 3 rows columns"],
        *,
        top: int,
        left: int,
    ) -> None:
        """Write the differences of the part at (left, top) of a larger picture into the first rows of `out`.

        Its rows are contiguous, at least as long as the part's, rounded up to `LANES`; what is beyond the
        part is filled with anything.
        """
        height, width = self.ends.shape[1:]
        columns = self._paths.shape[2]
        after = picture.shape[2] - left - width
        padded = BORDER + max(columns - width - after, 0) + LANES
        image = np.pad(picture, ((0, 0), (BORDER, BORDER), (BORDER, padded)), mode="edge")
        place = (top, left, picture.shape[1] - top - height, width - 1 + after)
        for_bands(height, 16, self._work(image, place, out, transpose=False))

    def adjoint(self, differences: Float32[ndarray, "m 3 h w"]) -> Float32[ndarray, "3 h w"]:
        """Return the transpose of the operator, of differences."""
        height, width = self._check(differences, len(self._taps), 3)
        columns = self._paths.shape[2]
        spread = np.pad(differences, ((0, 0), (0, 0), (0, 0), (0, columns - width)))
        parts = np.zeros((2, 3, height + 2 * BORDER, 2 * BORDER + columns + LANES), np.float32)
        place = (0, 0, 0, width - 1)
        # Two halves, each into a picture of its own: they reach into each other.
        middle = -(-height // 2)
        bands = [(0, middle, parts[0]), (middle, height, parts[1])]

        def half(first: int, last: int) -> None:
            for top, bottom, image in bands[first:last]:
                self._work(image, place, spread, transpose=True)(top, bottom)

        for_bands(2, 1, half)
        total = parts.sum(0)[:, :, : width + 2 * BORDER]
        total[:, BORDER] += total[:, :BORDER].sum(1)
        total[:, -BORDER - 1] += total[:, -BORDER:].sum(1)
        total[:, :, BORDER] += total[:, :, :BORDER].sum(2)
        total[:, :, -BORDER - 1] += total[:, :, -BORDER:].sum(2)
        return np.ascontiguousarray(total[:, BORDER:-BORDER, BORDER:-BORDER])

    def _work(
        self, image: ndarray, place: tuple[int, int, int, int], out: ndarray, *, transpose: bool
    ) -> Callable[[int, int], None]:
        from .kernels import differences

        def band(top: int, bottom: int) -> None:
            differences(image, self._paths, self._taps, BORDER, *place, top, bottom, out, transpose)

        return band

    @cached_property
    def _paths(self) -> ndarray:
        return np.pad(self.ends, ((0, 0), (0, 0), (0, -self.ends.shape[2] % LANES)), mode="edge")

    @cached_property
    def _taps(self) -> ndarray:
        return np.array([(k - e, k + e, 1 / (4 * e)) for k in self.fractions for e in self.steps], np.float32)

    def __post_init__(self) -> None:
        if self.ends.dtype != np.float32 or self.ends.ndim != 3 or self.ends.shape[0] != 4:
            raise ValueError(f"the ends are {self.ends.dtype} {self.ends.shape}; float32 (4, h, w) is needed")

    def _check(self, planes: ndarray, *leading: int) -> tuple[int, int]:
        if planes.dtype != np.float32 or planes.shape != (*leading, *self.ends.shape[1:]):
            raise ValueError(
                f"{planes.dtype} {planes.shape}: float32 {(*leading, *self.ends.shape[1:])} is needed"
            )
        return planes.shape[-2], planes.shape[-1]
