"""Differences of a picture along each pixel's own blur path: they make the path easy to use for a network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..threads import run_in_bands
from .border import LANES, crop_replicated

BORDER_PX = 2
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
        self.difference_part(picture, out, top=0, left=0)
        return out[..., :width]

    def difference_part(
        self,
        picture: Float32[ndarray, "3 a b"],
        out: Float32[ndarray, "m 3 rows columns"],
        *,
        top: int,
        left: int,
    ) -> None:
        """Write the differences of the part at (left, top) of a larger picture into the first rows of `out`.

        Its rows are contiguous, at least as long as the part's, rounded up to `LANES`; the rest is undefined.
        """
        height, width = self.ends.shape[1:]
        columns = self._paths.shape[2]
        after = picture.shape[2] - left - width
        padded = picture.shape[2] + 2 * BORDER_PX + max(columns - width - after, 0) + LANES
        image = crop_replicated(picture, -BORDER_PX, -BORDER_PX, picture.shape[1] + 2 * BORDER_PX, padded)
        place = (top, left, picture.shape[1] - top - height, width - 1 + after)
        from .kernels import differences

        def band(first: int, last: int) -> None:
            differences(image, self._paths, self._taps, BORDER_PX, *place, first, last, out)

        run_in_bands(height, 16, band)

    @cached_property
    def _paths(self) -> ndarray:
        beyond = -self.ends.shape[2] % LANES
        if not beyond:
            return np.ascontiguousarray(self.ends)
        return np.pad(self.ends, ((0, 0), (0, 0), (0, beyond)), mode="edge")

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
