"""A large picture in overlapping windows, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

from jaxtyping import Float32
from numpy import ndarray

Window = tuple[slice, slice]
"""Rows and columns of a picture."""


@runtime_checkable
class PictureLike(Protocol):
    """A picture (h, w, 3) of float32, or what slices like one."""

    def __getitem__(self, window: Window, /) -> Float32[ndarray, "a b 3"]:
        """Return the picture in a window."""
        ...


@dataclass(frozen=True)
class Tile:
    """A window of a picture, and the core of it whose results are kept."""

    window: Window
    """Rows and columns of the picture to work on."""
    core: Window
    """Rows and columns of the picture to keep; the cores of all tiles are the picture."""
    core_in_window: Window
    """The core, counted from the window's own corner."""


def split_into_tiles(height: int, width: int, *, core: int, margin: int, multiple: int = 1) -> Iterator[Tile]:
    """Cut a picture into cores of about `core` px a side, each in a window `margin` px wider on every side.

    The cores are as equal as they can be, and start at multiples of `multiple` px (windows too, if the margin
    is one); windows end at the picture's border.
    """
    for rows in _split_side(height, core, multiple):
        for columns in _split_side(width, core, multiple):
            window = tuple(
                slice(max(part.start - margin, 0), min(part.stop + margin, size))
                for part, size in ((rows, height), (columns, width))
            )
            inner = tuple(
                slice(part.start - around.start, part.stop - around.start)
                for part, around in zip((rows, columns), window, strict=True)
            )
            yield Tile((window[0], window[1]), (rows, columns), (inner[0], inner[1]))


def _split_side(size: int, core: int, multiple: int) -> list[slice]:
    count = -(-size // core)
    edges = [size * k // count // multiple * multiple for k in range(count)]
    return [slice(a, b) for a, b in pairwise(sorted({*edges, size}))]
