"""A blur field that is given at nodes, and bilinear between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from ..threads import run_in_bands


@dataclass(frozen=True, eq=False)
class GridField:
    """A field known at every `step`-th row and column and at the last ones, bilinear between them.

    It slices like an array (height, width, n, 2) of float32 px, and takes a hundredth of its memory.
    """

    nodes: Float32[ndarray, "rows columns n 2"]
    """Paths at the nodes, px."""
    height: int
    width: int
    step: int
    """Distance of the nodes, px; the last two rows and columns of nodes may be closer."""

    def __post_init__(self) -> None:
        expected = tuple(len(node_positions(size, self.step)) for size in (self.height, self.width))
        if self.nodes.shape[:2] != expected:
            raise ValueError(f"the grid has {self.nodes.shape[:2]} nodes; {expected} are needed")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(height, width, n, 2)."""
        return self.height, self.width, self.nodes.shape[2], 2

    def __getitem__(self, window: tuple[slice, slice]) -> Float32[ndarray, "h w n 2"]:
        """Return the part of the field in a window of rows and columns, px."""
        rows, columns = (
            np.arange(*part.indices(size)) for part, size in zip(window, self.shape[:2], strict=True)
        )
        _, y, row, row_share = locate_cells(rows, self.height, self.step)
        _, x, column, column_share = locate_cells(columns, self.width, self.step)
        return interpolate_nodes(self.nodes[y, x], row, row_share, column, column_share)


def node_positions(size: int, step: int) -> Int64[ndarray, " nodes"]:
    """Return the rows or columns that carry nodes: multiples of `step`, and the last; at least two."""
    nodes = np.unique(np.append(np.arange(0, size, step), size - 1))
    return nodes if len(nodes) > 1 else np.repeat(nodes, 2)


def locate_cells(
    positions: Int64[ndarray, " k"], size: int, step: int
) -> tuple[Int64[ndarray, " m"], slice, Int64[ndarray, " k"], Float32[ndarray, " k"]]:
    """Return the nodes around some rows or columns, which of all nodes they are, and each position's cell.

    A position lies `share` of the way from node `before` (counted among those returned) to the next. The
    nodes are the same whatever the positions, so that windows of a field agree with the whole.
    """
    nodes = node_positions(size, step)
    before = np.clip(np.searchsorted(nodes, positions, side="right") - 1, 0, len(nodes) - 2)
    part = slice(int(before.min(initial=len(nodes))), int(before.max(initial=-2)) + 2)
    nodes = nodes[part]
    before = before - part.start
    if not len(positions):
        return nodes, part, before, before.astype(np.float32)
    span = np.maximum(nodes[before + 1] - nodes[before], 1)
    return nodes, part, before, ((positions - nodes[before]) / span).astype(np.float32)


def interpolate_nodes(
    nodes: Float32[ndarray, "rows columns n 2"],
    row: Int64[ndarray, " h"],
    row_share: Float32[ndarray, " h"],
    column: Int64[ndarray, " w"],
    column_share: Float32[ndarray, " w"],
) -> Float32[ndarray, "h w n 2"]:
    """Return the bilinear values of nodes at (row + row_share, column + column_share)."""
    from .kernels import interpolate_bilinear

    out = np.empty((len(row), len(column), *nodes.shape[2:]), np.float32)
    size = nodes.shape[2] * 2
    numbers = np.ascontiguousarray(nodes).reshape(*nodes.shape[:2], size)
    lines = out.reshape(*out.shape[:2], size)

    def band(top: int, bottom: int) -> None:
        part = slice(top, bottom)
        interpolate_bilinear(numbers, row[part], row_share[part], column, column_share, lines[part])

    run_in_bands(len(row), 64, band)
    return out
