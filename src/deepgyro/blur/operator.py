"""The blur operator: every pixel is the mean of the sharp picture along its own path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..threads import run_in_bands
from .border import LANES, crop_replicated

MAX_REACH_PX = 4096
"""Longest reach of a path from its pixel, px; beyond that the field is taken for a mistake."""


@dataclass(frozen=True, eq=False)
class BlurOperator:
    """The linear operator ``A(S)(x) = mean over the exposure of S(x - path(x, tau))``.

    The path is straight and its speed constant between two instants; S is interpolated bilinearly, and
    continued beyond its border by its border pixels. The mean is the exact integral, not a sum of samples:
    a path costs a look-up of six pixels for each column of cells it crosses, a zero path returns the picture
    bit for bit, and ``<A x, y> = <x, A* y>`` holds to rounding. It is quickest where neighbours' paths are
    alike, as in every field of a turning camera. Results don't depend on the number of cores.
    """

    field: Float32[ndarray, "h w n 2"]
    """Paths, px."""

    @cached_property
    def reach(self) -> int:
        """How far a path leads away from its pixel at the most, px."""
        reach = float(max(self.field.max(initial=0), -self.field.min(initial=0)))
        if not reach <= MAX_REACH_PX:
            raise ValueError(f"the field reaches {reach} px from a pixel; {MAX_REACH_PX} px is the most")
        return int(np.ceil(reach)) + 2

    def __call__(self, x: Float32[ndarray, "h w c"]) -> Float32[ndarray, "h w c"]:
        """Blur a picture of one to three channels."""
        self._check(x)
        return self.of_part(x, top=0, left=0)

    def __matmul__(self, x: Float32[ndarray, "h w c"]) -> Float32[ndarray, "h w c"]:
        """Return ``A @ x``, the blurred picture, as PyLops and scico write it."""
        return self(x)

    @property
    def T(self) -> AdjointBlur:
        """The adjoint: ``<A @ x, y> = <x, A.T @ y>``."""
        return AdjointBlur(self)

    def of_part(
        self, picture: Float32[ndarray, "a b c"], *, top: int, left: int
    ) -> Float32[ndarray, "h w c"]:
        """Blur the part of a larger picture whose first pixel is (left, top): its surroundings come in.

        Raises
        ------
        ValueError
            If the picture is not float32 of one to three channels, or the part reaches outside.
        """
        import cv2

        height, width = self.field.shape[:2]
        if picture.dtype != np.float32 or picture.ndim != 3 or not 1 <= picture.shape[2] <= 3:
            raise ValueError(
                f"the picture is {picture.dtype} {picture.shape}; float32 of 1 to 3 channels is needed"
            )
        if min(top, left) < 0 or top + height > picture.shape[0] or left + width > picture.shape[1]:
            raise ValueError(
                f"the part at ({left}, {top}), {width} x {height}, is not within {picture.shape}"
            )
        rows, columns = self._source_window(top, left, picture.shape[:2])
        window = picture[rows, columns]
        planes = [*cv2.split(window)]
        planes += planes[:1] * (3 - len(planes))  # the loop takes three
        out = self._blur_window(planes, top=top - rows.start, left=left - columns.start)
        merged: ndarray = cv2.merge(list(out[: picture.shape[2]]))
        return merged.reshape(height, width, picture.shape[2])

    def part_of_planes(
        self, picture: Float32[ndarray, "3 a b"], *, top: int, left: int
    ) -> Float32[ndarray, "3 h w"]:
        """As `of_part`, of a picture of three channels that is kept in planes."""
        rows, columns = self._source_window(top, left, picture.shape[1:])
        return self._blur_window(picture[:, rows, columns], top=top - rows.start, left=left - columns.start)

    def _source_window(self, top: int, left: int, size: tuple[int, ...]) -> tuple[slice, slice]:
        """Return the rows and columns of a larger picture that the part at (left, top) depends on."""
        height, width = self.field.shape[:2]
        rows, columns = (
            slice(max(start - self.reach, 0), min(start + length + self.reach + LANES, side))
            for start, length, side in ((top, height, size[0]), (left, width, size[1]))
        )
        return rows, columns

    def _blur_window(self, window: Sequence[ndarray] | ndarray, *, top: int, left: int) -> ndarray:
        """Blur the part at (left, top) of the planes of a window."""
        from .kernels import walk

        height, width = self.field.shape[:2]
        m = self.reach
        size = height + 2 * m, width + 2 * m + LANES
        planes = crop_replicated(window, top - m, left - m, *size)
        out = np.empty((3, height, -(-width // LANES) * LANES), np.float32)
        row = size[1]

        def band(start: int, end: int) -> None:
            first = (start + m) * row + m
            pixels = out[:, start:end]
            walk(self.field[start:end], planes.reshape(-1), size[0] * row, row, first, pixels, False)

        run_in_bands(height, 16, band)
        return out[:, :, :width]

    def adjoint(self, y: Float32[ndarray, "h w c"]) -> Float32[ndarray, "h w c"]:
        """Spread a picture of one to three channels back along the paths: the transpose of the blur."""
        import cv2

        from .kernels import walk

        self._check(y)
        m = self.reach
        height, width, channels = y.shape
        pixels = np.zeros((3, height, -(-width // LANES) * LANES), np.float32)
        pixels[:channels, :, :width] = cv2.split(y)
        total = np.zeros((3, height + 2 * m, width + 2 * m + LANES), np.float32)
        row = total.shape[2]
        plane = total.shape[1] * row
        rows = max(32, -(-height // 8), 2 * m)

        def band(start: int, end: int) -> None:
            first = (start + m) * row + m
            walk(self.field[start:end], total.reshape(-1), plane, row, first, pixels[:, start:end], True)

        # Neighbouring bands reach into each other, every other one doesn't: the even ones first, then the
        # odd. So no two threads write to one place, and the order of additions is always the same.
        run_in_bands(height, rows, band, first=0, step=2)
        run_in_bands(height, rows, band, first=1, step=2)
        # The border pixels gave the margin its values: they take back what it collected.
        total = total[:channels, :, : width + 2 * m]
        total[:, m] += total[:, :m].sum(1)
        total[:, -m - 1] += total[:, -m:].sum(1)
        total[:, :, m] += total[:, :, :m].sum(2)
        total[:, :, -m - 1] += total[:, :, -m:].sum(2)
        merged: ndarray = cv2.merge(list(total[:, m:-m, m:-m]))
        return merged.reshape(y.shape)

    def __post_init__(self) -> None:
        field = self.field
        if field.dtype != np.float32 or field.ndim != 4 or field.shape[2] < 2 or field.shape[3] != 2:
            raise ValueError(
                f"the field is {field.dtype} {field.shape}; float32 (h, w, n, 2), n >= 2, is needed"
            )

    def _check(self, picture: ndarray) -> None:
        if picture.dtype != np.float32:  # the compiled loop takes its word for it
            raise ValueError(f"the picture is {picture.dtype}; float32 is needed")
        if picture.shape[:2] != self.field.shape[:2] or picture.ndim != 3 or not 1 <= picture.shape[2] <= 3:
            raise ValueError(
                f"the picture is {picture.shape}, the field {self.field.shape}: same height and width, "
                "and 1 to 3 channels are needed"
            )


@dataclass(frozen=True, eq=False)
class AdjointBlur:
    """The adjoint of a blur operator, ``A.T``."""

    T: BlurOperator

    def __call__(self, y: Float32[ndarray, "h w c"]) -> Float32[ndarray, "h w c"]:
        """Spread a picture of one to three channels back along the paths."""
        return self.T.adjoint(y)

    def __matmul__(self, y: Float32[ndarray, "h w c"]) -> Float32[ndarray, "h w c"]:
        """Return ``A.T @ y``."""
        return self(y)
