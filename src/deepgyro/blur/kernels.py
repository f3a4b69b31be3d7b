"""The compiled loop of the blur operator and of its adjoint; `operator.py` says what it computes."""

import numpy as np
from numba import njit

from .lanes import COLUMNS, TAPS, column_weights, gather, load_pixel, scatter, store_pixel, zero_pixel

f32, i64 = np.float32, np.int64
LANES_VERSION = 1  # Numba's cache looks at this file alone: raise it when lanes.py changes


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "nnan", "arcp"})
def walk(field, image, row, first, pixels, transpose):
    """Gather pixels from image along each pixel's path, or, transposed, scatter them to it.

    Each straight piece of a path is walked along its major axis (the one it runs along more), a column of
    pixel cells at a time: `column_weights` has the exact weights of the pixels around.

    Parameters
    ----------
    field: (h, w, n, 2) float32 px. image: flat, four floats a pixel, with a margin that holds every path.
    row: floats a row of image. first: index in image of the field's pixel (0, 0). pixels: flat (h, w, 4).
    """
    h, w, n = field.shape[:3]
    one, zero = f32(1), f32(0)
    share = one / f32(n - 1)
    weights = np.empty(TAPS * COLUMNS, np.float32)
    rows = np.empty(COLUMNS, np.int32)
    for r in range(h):
        for c in range(w):
            o = i64(4) * (r * w + c)
            centre = first + r * row + i64(4) * c
            total = load_pixel(pixels, o) if transpose else zero_pixel()
            still = True
            for k in range(n):
                still &= field[r, c, k, 0] == zero and field[r, c, k, 1] == zero
            if still:  # the pixel itself, to the last bit
                weights[:] = zero
                weights[0] = one
                if transpose:
                    scatter(image, centre, i64(4), row, weights, i64(0), total)
                else:
                    store_pixel(pixels, o, load_pixel(image, centre))
                continue
            x1 = -field[r, c, 0, 0]
            y1 = -field[r, c, 0, 1]
            for k in range(1, n):
                x0, y0 = x1, y1
                x1 = -field[r, c, k, 0]
                y1 = -field[r, c, k, 1]
                # One assignment a line: of tuples Numba makes slower code.
                if abs(x1 - x0) >= abs(y1 - y0):
                    m0 = x0
                    m1 = x1
                    s0 = y0
                    s1 = y1
                    major = i64(4)
                    minor = row
                else:
                    m0 = y0
                    m1 = y1
                    s0 = x0
                    s1 = x1
                    major = row
                    minor = i64(4)
                if m1 < m0:
                    m0, m1 = m1, m0
                    s0, s1 = s1, s0
                length = m1 - m0
                if length < f32(1e-4):  # a pause: a piece of 0.001 px, so that nothing is divided by 0
                    m0 -= f32(5e-4)
                    m1 = m0 + f32(1e-3)
                    length = m1 - m0
                    s1 = s0
                slope = (s1 - s0) / length
                density = share / length
                inverse_slope = one / max(abs(slope), f32(1e-12))
                sign = one if slope >= zero else -one
                column = i64(np.floor(m0))
                last = i64(np.floor(m1))
                while column <= last:
                    column_weights(
                        weights, rows, f32(column), m0, m1, s0, slope, inverse_slope, sign, density
                    )
                    p = centre + column * major
                    count = min(last - column + 1, i64(COLUMNS))
                    for lane in range(count):
                        if transpose:
                            scatter(image, p + rows[lane] * minor, major, minor, weights, lane, total)
                        else:
                            total = gather(image, p + rows[lane] * minor, major, minor, weights, lane, total)
                        p += major
                    column += COLUMNS
            if not transpose:
                store_pixel(pixels, o, total)
