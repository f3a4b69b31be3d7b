"""Straight fields from vectors; lengths, reach and samples of any field."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from ..threads import run_in_bands
from .field import Field, MotionField
from .grid import GridField


def paths_from_vectors(vectors: Float[ndarray, "h w 2"]) -> Float32[ndarray, "h w 2 2"]:
    """Return the field of straight blur vectors (u, v), px: from minus to plus half the vector."""
    half = 0.5 * np.asarray(vectors, np.float32)
    return np.stack([-half, half], axis=-2)


def path_lengths(field: Float[ndarray, "h w n 2"]) -> Float[ndarray, "h w"]:
    """Return the length of every pixel's path, px."""
    return _measure_paths(field)[0]


def measure_field(field: Field) -> tuple[float, float, int]:
    """Return median and largest path length (px) and the largest |x| or |y| of a path (px, rounded up).

    Of an array every pixel is looked at (the median is that of every eighth row and column); of a
    `MotionField`, which is smooth, 65 rows and columns from border to border; of a `GridField` its nodes.
    """
    if isinstance(field, GridField | MotionField):
        if isinstance(field, GridField):
            paths: ndarray = field.nodes
        else:
            rows, columns = (
                np.unique(np.linspace(0, size - 1, 65).round().astype(np.int64)) for size in field.shape[:2]
            )
            paths = field.at(rows, columns)
        length, reach = _measure_paths(paths)
        return float(np.median(length)), float(length.max()), int(np.ceil(reach))
    longest, most = 0.0, 0.0
    lengths: list[ndarray] = []
    for top in range(0, field.shape[0], 256):
        length, reach = _measure_paths(field[top : top + 256, :])
        longest, most = max(longest, float(length.max())), max(most, reach)
        lengths.append(length[::8, ::8])
    return float(np.median(np.concatenate(lengths))), longest, int(np.ceil(most))


def sample_paths(field: Field, rows: int, columns: int) -> Float32[ndarray, "a b n 2"]:
    """Return the paths at about so many rows and columns that share the picture evenly, px."""
    if isinstance(field, MotionField):
        y, x = (
            ((np.arange(count) + 0.5) / count * side).astype(np.int64)
            for count, side in zip(np.minimum((rows, columns), field.shape[:2]), field.shape, strict=False)
        )
        return field.at(y, x, np.float32)
    steps = (max(1, side // count) for side, count in zip(field.shape[:2], (rows, columns), strict=True))
    down, across = (slice(step // 2, None, step) for step in steps)
    return field[down, across]


def _measure_paths(field: Float[ndarray, "h w n 2"]) -> tuple[Float[ndarray, "h w"], float]:
    """Return every path's length, and the largest |x| or |y| of them all, px."""
    from .kernels import measure_lengths

    out = np.empty(field.shape[:2], field.dtype)
    reach: list[float] = []

    def band(top: int, bottom: int) -> None:
        reach.append(measure_lengths(field, top, bottom, out))

    run_in_bands(field.shape[0], 16, band)
    return out, float(max(reach, default=0.0))
