"""Compiled loops of the correlation along a field's paths."""

import numpy as np

from ..blur.border import LANES
from ..blur.simd import load, store
from ..compiling import kernel

f32, i32, i64 = np.float32, np.int32, np.int64

MARGIN_PX = LANES
"""Columns beside the right of planes that may be read."""
ROWS_IN_REGISTERS = 5
"""Rows of a square that `_add_squares` keeps in registers."""
SQUARES_AT_ONCE = 64
"""Squares that are added together: what they read stays near the processor."""


@kernel(fastmath=True)
def correlate(derivatives, starts, corners, first, side, top, bottom, products, squares, counts):
    """Sum the products of second derivatives at both ends of paths, for shifted ends, region by region.

    derivatives (5, h, w + `MARGIN_PX`): second ones in five directions; starts (n, 2): x and y, px; corners
    (n, 2): of the square of ends, `side` px wide. Regions `top` to `bottom`: points ``first[r]`` to
    ``first[r + 1]``; those whose ends lie outside are skipped. Fills products (regions, 5, side, side rounded
    up to a multiple of `LANES`) by the shift of the end, squares (regions, 5) at the starts, and the number
    of points used, counts (regions).
    """
    height, row = derivatives.shape[1:]
    width, flat = row - MARGIN_PX, derivatives.reshape(-1)
    most = (first[top + 1 : bottom + 1] - first[top:bottom]).max()
    at, values = np.empty(most, np.int64), np.empty((5, most), np.float32)
    for r in range(top, bottom):
        taken = 0
        for n in range(first[r], first[r + 1]):
            x, y = starts[n, 0], starts[n, 1]
            k, i = i64(np.floor(x)), i64(np.floor(y))
            m, j = corners[n, 0], corners[n, 1]
            if i < 0 or k < 0 or i > height - 2 or k > width - 2:
                continue
            if j < 0 or m < 0 or j + side > height or m + side > width:
                continue
            for d in range(5):
                value = _interpolate(flat[d * height * row :], row, x, y)
                squares[r, d] += value * value
                values[d, taken] = value
            at[taken] = j * row + m
            taken += 1
        counts[r] = taken
        for d in range(5):
            plane = flat[d * height * row :]
            for n in range(0, taken, SQUARES_AT_ONCE):
                few = slice(n, min(n + SQUARES_AT_ONCE, taken))
                _add_squares(plane, row, at[few], values[d, few], products[r, d])


@kernel(fastmath=True)
def map_ends(
    planes, places, nearest, vectors, first, along, across, rim, reach, top, bottom, squares, counts, maps
):
    """Fill maps with correlations of second derivatives at both ends of paths, by the shift of the end.

    planes (3, h, w): xx, xy, yy; places (n, 2): x and y of the paths' middles, px; nearest (n,): index of the
    vector (m, 2) from start to end, px; along, across (regions, 2): unit vectors. The derivatives are those
    along the first, in all of a region. Regions `top` to `bottom`: points ``first[r]`` to ``first[r + 1]``;
    those whose ends lie outside are skipped. maps (regions, 2 reach + 1, 2 reach + 1): by the shift along and
    across, interpolated from shifts in x and y of up to `rim`, and 0 beyond. squares and counts (regions,):
    the sum of squares at the starts, and the number of points used.
    """
    height, width = planes.shape[1:]
    side = 2 * rim + 1
    wide = -(-side // LANES) * LANES
    most = (first[top + 1 : bottom + 1] - first[top:bottom]).max()
    starts, ends = np.empty((2, most), np.float32), np.empty((2, most), np.float32)
    at, values = np.empty(most, np.int64), np.empty(most, np.float32)
    products, scratch = np.empty((side, wide), np.float32), np.empty(0, np.float32)
    for r in range(top, bottom):
        count = first[r + 1] - first[r]
        for n in range(count):
            p, q = first[r] + n, nearest[first[r] + n]
            u, v = vectors[q, 0], vectors[q, 1]
            x = np.floor(places[p, 0] + f32(0.5) * u + f32(0.5))
            y = np.floor(places[p, 1] + f32(0.5) * v + f32(0.5))
            ends[0, n], ends[1, n] = x, y
            starts[0, n], starts[1, n] = x - u, y - v
        count = _keep_inside(starts, ends, count, rim, height, width)
        if count == 0:
            squares[r], counts[r], maps[r] = 0, 0, 0
            continue
        left, right = _whole_range(starts[0, :count])
        upper, lower = _whole_range(starts[1, :count])
        left_end, right_end = _whole_range(ends[0, :count])
        upper_end, lower_end = _whole_range(ends[1, :count])
        near_row, near_rows = right - left + 2, lower - upper + 2
        row, rows = right_end - left_end + side, lower_end - upper_end + side
        size = max(near_rows * near_row, rows * row + wide - side)
        if 2 * size > len(scratch):
            scratch = np.empty(2 * size, np.float32)
        near, far = scratch[:size], scratch[size:]
        a, b = f32(along[r, 0]), f32(along[r, 1])
        _fill_derivatives(planes, upper, left, near_rows, near_row, a, b, near)
        _fill_derivatives(planes, upper_end - rim, left_end - rim, rows, row, a, b, far)
        square = f32(0)
        for n in range(count):
            value = _interpolate(near, near_row, starts[0, n] - f32(left), starts[1, n] - f32(upper))
            square += value * value
            values[n] = value
            at[n] = (i64(i32(ends[1, n])) - upper_end) * row + i64(i32(ends[0, n])) - left_end
        products[:] = 0
        _add_squares(far, row, at[:count], values[:count], products)
        squares[r], counts[r] = square, count
        _rotate_shifts(products, f32(1) / max(square, f32(1e-4)), along[r], across[r], rim, reach, maps[r])


@kernel(fastmath=True)
def _interpolate(flat, row, x, y):
    """Return the bilinear value of a plane at (x, y), neither of them negative."""
    k, i = i64(i32(x)), i64(i32(y))
    u, v, p = x - f32(k), y - f32(i), i * row + k
    above = (f32(1) - u) * flat[p] + u * flat[p + 1]
    below = (f32(1) - u) * flat[p + row] + u * flat[p + row + 1]
    return (f32(1) - v) * above + v * below


@kernel(fastmath=True)
def _rotate_shifts(products, factor, along, across, rim, reach, out):
    """Fill in products by how far the end is shifted along the path, and across it."""
    flat, wide = products.reshape(-1), products.shape[1]
    a0, a1, c0, c1 = f32(along[0]), f32(along[1]), f32(across[0]), f32(across[1])
    for i in range(2 * reach + 1):
        for j in range(2 * reach + 1):
            if (i - reach) ** 2 + (j - reach) ** 2 > (rim - 1) ** 2:
                out[i, j] = 0
                continue
            x = f32(i - reach) * a0 + f32(j - reach) * c0 + f32(rim)
            y = f32(i - reach) * a1 + f32(j - reach) * c1 + f32(rim)
            value = _interpolate(flat, wide, x, y)
            out[i, j] = min(max(value * factor, f32(-1.5)), f32(1.5))


@kernel(fastmath=True)
def _keep_inside(starts, ends, count, rim, height, width):
    """Move the paths that stay inside, with the squares about their ends, first; return their count."""
    outside = False
    for n in range(count):
        outside |= _leaves_picture(starts[0, n], starts[1, n], ends[0, n], ends[1, n], rim, height, width)
    if not outside:  # mostly
        return count
    kept = 0
    for n in range(count):
        x, y, m, j = starts[0, n], starts[1, n], ends[0, n], ends[1, n]
        if not _leaves_picture(x, y, m, j, rim, height, width):
            starts[0, kept], starts[1, kept], ends[0, kept], ends[1, kept] = x, y, m, j
            kept += 1
    return kept


@kernel(fastmath=True)
def _leaves_picture(x, y, m, j, rim, height, width):
    """Return whether a path's start (x, y), or the square about its end (m, j), lies outside."""
    start = (min(x, y) < f32(0)) | (x >= f32(width - 1)) | (y >= f32(height - 1))
    return start | (min(m, j) < f32(rim)) | (m > f32(width - 1 - rim)) | (j > f32(height - 1 - rim))


@kernel(fastmath=True)
def _whole_range(values):
    """Return the whole parts of the least and the greatest of some values, none of them negative."""
    low, high = values[0], values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    return i64(low), i64(high)


@kernel(fastmath=True)
def _fill_derivatives(planes, top, left, rows, columns, a, b, out):
    """Fill out, flat, with the second derivatives of a part in the direction (a, b)."""
    width, size, flat = planes.shape[2], planes.shape[1] * planes.shape[2], planes.reshape(-1)
    aa, ab, bb = a * a, f32(2) * a * b, b * b
    for i in range(rows):
        p, here = (top + i) * width + left, i * columns
        if columns < LANES:
            for k in range(columns):
                q = p + k
                out[here + k] = aa * flat[q] + ab * flat[q + size] + bb * flat[q + 2 * size]
            continue
        for k in range(0, columns, LANES):
            k = min(k, columns - LANES)  # the last ones of a row are computed twice
            q = p + k
            xx, xy, yy = load(flat, q), load(flat, q + size), load(flat, q + 2 * size)
            store(out, here + k, aa * xx + ab * xy + bb * yy)


@kernel(fastmath=True)
def _load_rows(flat, p, row):
    """Return vectors of `ROWS_IN_REGISTERS` rows."""
    return (
        load(flat, p), load(flat, p + row), load(flat, p + 2 * row), load(flat, p + 3 * row),
        load(flat, p + 4 * row),
    )  # fmt: skip


@kernel(fastmath=True)
def _add_squares(flat, row, at, values, products):
    """Add the squares at places of flat, rows `row` apart, times the values at their starts, to products.

    The inner loop of `correlate` and `map_ends`. The rows of flat and of products (side, wide) are read
    `LANES` numbers at a time, five rows of a square in registers.
    """
    sums, side, wide = products.reshape(-1), products.shape[0], products.shape[1]
    for i in range(0, wide, LANES):
        for j in range(0, side - ROWS_IN_REGISTERS + 1, ROWS_IN_REGISTERS):
            t0, t1, t2, t3, t4 = _load_rows(sums, j * wide + i, wide)
            for n in range(len(at)):
                s0, s1, s2, s3, s4 = _load_rows(flat, at[n] + j * row + i, row)
                v = values[n]
                t0, t1, t2, t3, t4 = t0 + s0 * v, t1 + s1 * v, t2 + s2 * v, t3 + s3 * v, t4 + s4 * v
            for k, total in enumerate((t0, t1, t2, t3, t4)):
                store(sums, (j + k) * wide + i, total)
        for j in range(side - side % ROWS_IN_REGISTERS, side):
            total = load(sums, j * wide + i)
            for n in range(len(at)):
                total = total + load(flat, at[n] + j * row + i) * values[n]
            store(sums, j * wide + i, total)


@kernel(fastmath=True)
def weigh_minima(products, squares, vectors, axes, weakest, smoothing, null_mean, cap, minima, energy):
    """Fill minima with the correlations less the null mean, times the energy, and energy.

    products (regions, 5, side, ...) and squares (regions, 5): of `correlate`, as coefficients of a^4, a^3 b,
    ..., b^4 of the path's direction (a, b); vectors (regions, 2): the mean path, px; axes (regions, 2): the
    direction of least energy, `weakest`; null_mean: the mean correlation of sharp pictures every 1 / 32 of
    `smoothing`; cap (regions,): weight. minima and energy: (regions, side, side) by the shift of the end.
    """
    regions, side = minima.shape[:2]
    reach = (side - 1) // 2
    for r in range(regions):
        for j in range(side):
            for i in range(side):
                x, y = vectors[r, 0] + i - reach, vectors[r, 1] + j - reach
                length = np.sqrt(x * x + y * y)
                a, b = x / max(length, 1e-3), y / max(length, 1e-3)
                e = max(_quartic(squares[r], a, b), 1e-6)
                correlation = _quartic(products[r, :, j, i], a, b) / e
                beside, leak = abs(x * axes[r, 1] - y * axes[r, 0]), min(max(1 - weakest[r] / e, 0.0), 1.0)
                excess = _excess(correlation, length, beside, leak, smoothing, null_mean)
                energy[r, j, i] = e * cap[r]
                minima[r, j, i] = excess * e * cap[r]


@kernel(fastmath=True)
def _quartic(c, a, b):
    return c[0] * a**4 + c[1] * a**3 * b + c[2] * a * a * b * b + c[3] * a * b**3 + c[4] * b**4


@kernel(fastmath=True)
def _excess(correlation, length, beside, leak, smoothing, null_mean):
    """Return a correlation less its null mean at a lag of `length`, px of the level.

    `leak`: share of the energy along the path that leaks in from across the picture's streaks, `beside`: the
    path's component across them, px. In a streaky picture nearly all the energy along a direction beside the
    streaks comes from across them, and its correlation is that of the component across.
    """
    nearest = 4.5 * smoothing + 0.5
    across, along = _look_up(beside, smoothing, null_mean), _look_up(length, smoothing, null_mean)
    mean = leak * across + (1 - leak) * along
    excess = min(max(correlation - mean, -0.6), 0.6) * min(max(length - nearest, 0.0), 1.0)
    return excess * (1 - leak * min(max(nearest + 1 - beside, 0.0), 1.0))


@kernel(fastmath=True)
def _look_up(lag, smoothing, null_mean):
    return null_mean[min(i64(lag / smoothing * 32), len(null_mean) - 1)]


@kernel(fastmath=True)
def z_score(minima, energy, vectors, basis, theta, null_std):
    """Return the z-score, at most 0, of the regions' minima at the path ends of a model.

    minima, energy (regions, side, side) by the shift of the end, px; vectors (regions, 2), px; basis
    (regions, 2, k) and theta (k,) or its first terms: the shifts, rounded; null_std: every 1 / 4 px of path.
    """
    regions, side = minima.shape[:2]
    reach = (side - 1) // 2
    total, whole, length = 0.0, 1e-9, 0.0
    for r in range(regions):
        dx, dy = 0.0, 0.0
        for k in range(len(theta)):
            dx += basis[r, 0, k] * theta[k]
            dy += basis[r, 1, k] * theta[k]
        x, y = dx + reach, dy + reach
        i, j = i64(min(max(x, 0.0), side - 1.0)), i64(min(max(y, 0.0), side - 1.0))
        e = energy[r, j, i]
        whole += e
        length += e * np.sqrt((vectors[r, 0] + dx) ** 2 + (vectors[r, 1] + dy) ** 2)
        if x < 1 or y < 1 or i > side - 3 or j > side - 3:
            continue
        total += minima[r, i64(y + 0.5), i64(x + 0.5)]
    return min(total / whole / null_std[min(i64(4 * length / whole), len(null_std) - 1)], 0.0)


@kernel(fastmath=True)
def log_posterior_costs(minima, energy, vectors, basis, null_std, prior_std, weight, thetas, cost):
    """Fill cost (m,) with minus the logarithm of prior times likelihood of thetas (m, 4).

    prior_std (4,): of the terms; a turn has long tails (Student's t of three degrees). weight: of the
    log-likelihood. For the others see `z_score`.
    """
    for m in range(len(thetas)):
        theta = thetas[m]
        z = z_score(minima, energy, vectors, basis, theta, null_std)
        turn = (theta[1] / prior_std[1]) ** 2 + (theta[2] / prior_std[2]) ** 2
        c = 2 * np.log1p(turn / 4)
        c += 0.5 * ((theta[0] / prior_std[0]) ** 2 + (theta[3] / prior_std[3]) ** 2)
        cost[m] = c - weight * z * z / 2
