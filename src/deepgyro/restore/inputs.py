"""What the stages of a network see of a picture, its paths, and the guess before them."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ..light import linear_to_srgb, srgb_to_linear
from ..threads import run_in_bands

PATH_CHANNELS = 4
"""Channels that tell of the path: length, cosine and sine of the doubled angle, and whether there is one."""


def path_ends(field: Float32[ndarray, "h w n 2"]) -> Float32[ndarray, "4 h w"]:
    """Return x and y of each path's first point and of its last, px, in planes."""
    from .kernels import fill_path_ends

    out = np.empty((4, *field.shape[:2]), np.float32)
    run_in_bands(len(field), 16, lambda top, bottom: fill_path_ends(field, top, bottom, out))
    return out


def path_maps(
    ends: Float32[ndarray, "4 h w"], out: Float32[ndarray, "3 rows columns"] | None = None
) -> ndarray:
    """Return length / 32 px, and cosine and sine of the doubled angle (towards 0 for short paths).

    A path and its reverse have the same maps. With `out` they are written into its first rows and columns.
    """
    from .kernels import fill_path_maps

    filled = np.empty((3, *ends.shape[1:]), np.float32) if out is None else out
    run_in_bands(ends.shape[1], 16, lambda top, bottom: fill_path_maps(ends, top, bottom, filled))
    return filled


def to_light(encoded: Float32[ndarray, "3 h w"]) -> Float32[ndarray, "3 h w"]:
    """Return the light of encoded values, held between 0 and 1, from a table (to 3e-8)."""
    return _look_up_table(encoded, srgb_tables()[0])


def to_encoded(light: Float32[ndarray, "3 h w"]) -> Float32[ndarray, "3 h w"]:
    """Return the encoded values of light, held between 0 and 1, from a table (to 2e-5)."""
    return _look_up_table(light, srgb_tables()[1])


def _look_up_table(values: ndarray, table: ndarray) -> ndarray:
    from .kernels import look_up_linear

    out = np.empty(values.shape, np.float32)
    run_in_bands(values.shape[1], 16, lambda top, bottom: look_up_linear(values, table, top, bottom, out))
    return out


@cache
def srgb_tables() -> tuple[Float32[ndarray, " n"], Float32[ndarray, " n"]]:
    """Return light of encoded values, and the inverse, at equal steps from 0 to 1."""
    steps = np.linspace(0, 1, 4097, dtype=np.float32)
    return srgb_to_linear(steps), linear_to_srgb(steps)
