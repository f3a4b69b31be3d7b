"""Compiled loops between a network's stages."""

import numpy as np

from ..compiling import FINITE_MATH, kernel

f32, i64 = np.float32, np.int64


@kernel(fastmath=FINITE_MATH)
def maps(ends, top, bottom, out):
    """Fill out (3, h, columns) with `inputs.path_maps` of ends (4, h, w)."""
    for r in range(top, bottom):
        for c in range(ends.shape[2]):
            u = ends[2, r, c] - ends[0, r, c]
            v = ends[3, r, c] - ends[1, r, c]
            square = u * u + v * v
            length = np.sqrt(square)
            sure = f32(1) / ((length + f32(4)) * max(length, f32(1e-6)))
            out[0, r, c] = length * f32(1 / 32)
            out[1, r, c] = (u * u - v * v) * sure
            out[2, r, c] = f32(2) * u * v * sure


@kernel
def ends(field, top, bottom, out):
    """Fill out (4, h, w) with x and y of the first and the last point of a field's paths (h, w, n, 2)."""
    last = field.shape[2] - 1
    for r in range(top, bottom):
        for c in range(field.shape[1]):
            out[0, r, c] = field[r, c, 0, 0]
            out[1, r, c] = field[r, c, 0, 1]
            out[2, r, c] = field[r, c, last, 0]
            out[3, r, c] = field[r, c, last, 1]


@kernel(fastmath=FINITE_MATH)
def look_up(values, table, top, bottom, out):
    """Fill out with the linear interpolation of a table that is given at equal steps from 0 to 1."""
    last = len(table) - 1
    for q in range(values.shape[0]):
        for r in range(top, bottom):
            for c in range(values.shape[2]):
                value = values[q, r, c]
                if value > f32(1):
                    value = f32(1)
                if value < f32(0):
                    value = f32(0)
                place = value * f32(last)
                k = i64(place)
                if k < 0:
                    k = i64(0)
                if k > last - 1:  # 1 itself, and what is no number
                    k = i64(last - 1)
                out[q, r, c] = table[k] + (place - f32(k)) * (table[k + 1] - table[k])
