"""Compiled loops before, between and after a network's stages."""

import numpy as np

from ..compiling import FINITE_MATH, kernel

f32, i64 = np.float32, np.int64


@kernel(fastmath=FINITE_MATH)
def fill_path_maps(ends, top, bottom, out):
    """Fill out (3, h, columns) with `inputs.path_maps` of ends (4, h, w)."""
    for r in range(top, bottom):
        for c in range(ends.shape[2]):
            u = ends[2, r, c] - ends[0, r, c]
            v = ends[3, r, c] - ends[1, r, c]
            square = u * u + v * v
            length = np.sqrt(square)
            gain = f32(1) / ((length + f32(4)) * max(length, f32(1e-6)))
            out[0, r, c] = length * f32(1 / 32)
            out[1, r, c] = (u * u - v * v) * gain
            out[2, r, c] = f32(2) * u * v * gain


@kernel
def fill_path_ends(field, top, bottom, out):
    """Fill out (4, h, w) with x and y of the first and the last point of a field's paths (h, w, n, 2)."""
    last = field.shape[2] - 1
    for r in range(top, bottom):
        for c in range(field.shape[1]):
            out[0, r, c] = field[r, c, 0, 0]
            out[1, r, c] = field[r, c, 0, 1]
            out[2, r, c] = field[r, c, last, 0]
            out[3, r, c] = field[r, c, last, 1]


@kernel(fastmath=FINITE_MATH)
def look_up_linear(values, table, top, bottom, out):
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


@kernel
def blend_by_path_length(blurred, sharp, paths, fade_start, out):
    """Fill out (h, w, c) with the sharp picture, held between 0 and 1; with the one before it at short paths.

    It fades from the one to the other while a path's length goes from shortest + 1 px to shortest. Paths are
    (h, w, n, 2) px.
    """
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            length = f32(0)
            for k in range(1, paths.shape[2]):
                u = paths[r, c, k, 0] - paths[r, c, k - 1, 0]
                v = paths[r, c, k, 1] - paths[r, c, k - 1, 1]
                length += np.sqrt(u * u + v * v)
            share = min(max(length - fade_start, f32(0)), f32(1))
            for q in range(out.shape[2]):
                held = min(max(sharp[r, c, q], f32(0)), f32(1))
                out[r, c, q] = blurred[r, c, q] + share * (held - blurred[r, c, q])
