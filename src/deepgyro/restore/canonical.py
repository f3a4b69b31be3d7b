"""The canonical orientation of a picture: its paths run to the right, and down by at most 45 degrees.

A mirrored or transposed picture is the same picture with other paths. A network that sees only one of these
orientations has an eighth of the directions to learn (a path and its reverse are the same blur).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Shaped
from numpy import ndarray

from ..blurfield import Field, sample_paths
from ..threads import run_in_bands
from ..tiles import PictureLike, Window

DIRECTION_GRID_NODES = 33
"""Rows and columns where the paths' mean direction is taken."""


@dataclass(frozen=True)
class PictureOrientation:
    """One of the eight ways to lay a picture (mirror it, then let x and y change places), and its paths."""

    mirror_x: bool = False
    """Left and right change sides."""
    mirror_y: bool = False
    """Top and bottom change sides."""
    swap: bool = False
    reverse: bool = False
    """Paths run from their end to their start."""

    def picture(self, pixels: Shaped[ndarray, "h w ..."]) -> ndarray:
        """Return a view of a picture as it is seen after the turn."""
        turned = pixels[self._steps]
        return turned.swapaxes(0, 1) if self.swap else turned

    def inverse(self, pixels: Shaped[ndarray, "h w ..."]) -> ndarray:
        """Return a view of a turned picture as it was before the turn."""
        return (pixels.swapaxes(0, 1) if self.swap else pixels)[self._steps]

    def field(self, field: Float32[ndarray, "h w n 2"]) -> Float32[ndarray, "a b n 2"]:
        """Return the paths (px) of the turned picture; one is still the other's blur."""
        from ..blurfield.kernels import orient_paths

        if self == PictureOrientation():
            return field
        paths = self.picture(field[:, :, ::-1] if self.reverse else field)
        signs = np.where([self.mirror_x, self.mirror_y], -1, 1).astype(field.dtype)
        out = np.empty(paths.shape, field.dtype)
        run_in_bands(
            len(out), 16, lambda top, bottom: orient_paths(paths, *signs, self.swap, top, bottom, out)
        )
        return out

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width after the turn; or, of what is turned, before it."""
        return (width, height) if self.swap else (height, width)

    def window(self, window: Window, height: int, width: int) -> Window:
        """Return what a window of the turned picture shows of the original, whose size is given, px."""
        rows, columns = window[::-1] if self.swap else window
        return _mirror_slice(rows, height, self.mirror_y), _mirror_slice(columns, width, self.mirror_x)

    @property
    def _steps(self) -> Window:
        return slice(None, None, -1 if self.mirror_y else 1), slice(None, None, -1 if self.mirror_x else 1)


def _mirror_slice(part: slice, size: int, mirror: bool) -> slice:
    start, stop, _ = part.indices(size)
    return slice(size - stop, size - start) if mirror else slice(start, stop)


def canonical_orientation(field: Field) -> PictureOrientation:
    """Return the turn after which paths run, on average, 0 to 45 degrees down from the right.

    It is the same of a field and of its reverse, but for `reverse`.
    """
    paths = sample_paths(field, DIRECTION_GRID_NODES, DIRECTION_GRID_NODES)
    u, v = np.moveaxis(paths[:, :, -1] - paths[:, :, 0], -1, 0)
    # Doubled angles, weighted with the squares of the lengths: a path and its reverse are one direction.
    mirror_x, swap = bool((u * v).sum() < 0), bool((u * u).sum() < (v * v).sum())
    right = v.sum() if swap else -u.sum() if mirror_x else u.sum()
    return PictureOrientation(mirror_x=mirror_x, swap=swap, reverse=bool(right < 0))


@dataclass(frozen=True, eq=False)
class OrientedPicture:
    """A picture (height, width, 3) after a turn, where it is asked for."""

    picture: PictureLike
    orientation: PictureOrientation
    height: int
    """Before the turn."""
    width: int

    def __getitem__(self, window: Window) -> Float32[ndarray, "a b 3"]:
        """Return the turned picture in a window."""
        return self.orientation.picture(
            self.picture[self.orientation.window(window, self.height, self.width)]
        )


@dataclass(frozen=True, eq=False)
class OrientedField:
    """The paths of a turned picture, px, where they are asked for."""

    field: Field
    orientation: PictureOrientation

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, n, 2)."""
        return *self.orientation.size(*self.field.shape[:2]), *self.field.shape[2:]

    def __getitem__(self, window: Window) -> Float32[ndarray, "h w n 2"]:
        """Return the turned field in a window."""
        height, width = self.field.shape[:2]
        return self.orientation.field(self.field[self.orientation.window(window, height, width)])


def add_half_turn(orientation: PictureOrientation) -> PictureOrientation:
    """Return a turn and half a revolution more: paths keep their direction, but for the sign."""
    return replace(orientation, mirror_x=not orientation.mirror_x, mirror_y=not orientation.mirror_y)
