"""The blur operator: every pixel is the mean of the sharp picture along its own path."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..threads import for_bands

MAX_REACH = 4096
"""Longest reach of a path from its pixel, px; beyond that the field is taken for a mistake."""


@dataclass(frozen=True, eq=False)
class Blur:
    """The linear operator ``A(S)(x) = mean over the exposure of S(x - path(x, tau))``.

    The path is straight and its speed constant between two instants; S is interpolated bilinearly, and
    continued beyond its border by its border pixels. The mean is the exact integral, not a sum of samples:
    a path costs a look-up of six pixels for each column of cells it crosses, a zero path returns the picture
    bit for bit, and ``<A x, y> = <x, A* y>`` holds to rounding. Results don't depend on the number of cores.
    """

    field: Float32[ndarray, "h w n 2"]
    """Paths, px."""

    @cached_property
    def reach(self) -> int:
        """How far a path leads away from its pixel at the most, px."""
        reach = float(max(self.field.max(initial=0), -self.field.min(initial=0)))
        if not reach <= MAX_REACH:
            raise ValueError(f"the field reaches {reach} px from a pixel; {MAX_REACH} px is the most")
        return int(np.ceil(reach)) + 2

    def __call__(self, x: Float32[ndarray, "h w c"]) -> Float32[ndarray, "h w c"]:
        """Blur a picture of up to four channels."""
        import cv2

        from .kernels import walk

        self._check(x)
        m = self.reach
        image = cv2.copyMakeBorder(_four(x), m, m, m, m, cv2.BORDER_REPLICATE)
        height, width = x.shape[:2]
        row = 4 * image.shape[1]
        out = np.zeros((height, width, 4), np.float32)

        def band(top: int, bottom: int) -> None:
            first = (top + m) * row + 4 * m
            walk(self.field[top:bottom], image.reshape(-1), row, first, out[top:bottom].reshape(-1), False)

        for_bands(height, 16, band)
        return out if x.shape[2] == 4 else np.ascontiguousarray(out[..., : x.shape[2]])

    def adjoint(self, y: Float32[ndarray, "h w c"]) -> Float32[ndarray, "h w c"]:
        """Spread a picture of up to four channels back along the paths: the transpose of the blur."""
        from .kernels import walk

        self._check(y)
        m = self.reach
        height, width = y.shape[:2]
        pixels = np.ascontiguousarray(_four(y))
        total = np.zeros((height + 2 * m, width + 2 * m, 4), np.float32)
        row = 4 * total.shape[1]
        rows = max(32, -(-height // 8), 2 * m)

        def band(top: int, bottom: int) -> None:
            first = (top + m) * row + 4 * m
            walk(self.field[top:bottom], total.reshape(-1), row, first, pixels[top:bottom].reshape(-1), True)

        # Neighbouring bands reach into each other, every other one doesn't: the even ones first, then the
        # odd. So no two threads write to one place, and the order of additions is always the same.
        for_bands(height, rows, band, first=0, step=2)
        for_bands(height, rows, band, first=1, step=2)
        # The border pixels gave the margin its values: they take back what it collected.
        total[m] += total[:m].sum(0)
        total[-m - 1] += total[-m:].sum(0)
        total[:, m] += total[:, :m].sum(1)
        total[:, -m - 1] += total[:, -m:].sum(1)
        return np.ascontiguousarray(total[m:-m, m:-m, : y.shape[2]])

    def __post_init__(self) -> None:
        field = self.field
        if field.dtype != np.float32 or field.ndim != 4 or field.shape[2] < 2 or field.shape[3] != 2:
            raise ValueError(
                f"the field is {field.dtype} {field.shape}; float32 (h, w, n, 2), n >= 2, is needed"
            )

    def _check(self, picture: ndarray) -> None:
        if picture.dtype != np.float32:  # the compiled loop takes its word for it
            raise ValueError(f"the picture is {picture.dtype}; float32 is needed")
        if picture.shape[:2] != self.field.shape[:2] or picture.ndim != 3 or not 1 <= picture.shape[2] <= 4:
            raise ValueError(
                f"the picture is {picture.shape}, the field {self.field.shape}: same height and width, "
                "and 1 to 4 channels are needed"
            )


def _four(picture: Float32[ndarray, "h w c"]) -> Float32[ndarray, "h w 4"]:
    height, width, channels = picture.shape
    if channels == 4:
        return picture
    four = np.zeros((height, width, 4), np.float32)
    four[..., :channels] = picture
    return four
