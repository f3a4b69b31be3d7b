"""Compiled loops of the correlation along paths."""

import numpy as np

from ..blur.border import LANES
from ..blur.simd import load, store
from ..compiling import kernel

f32, i32, i64 = np.float32, np.int32, np.int64

MARGIN_PX = LANES
"""Columns that may be read to the right of a plane."""
ROWS_IN_REGISTERS = 5
"""Rows of a square that `_add_squares` keeps in registers."""
SQUARES_AT_ONCE = 64
"""Squares that are added together, so that what they read stays in the processor's cache."""
NO_REGION = (f32(0),) * 6
"""Sums of `_add_region` over no region."""


@kernel(fastmath=True)
def correlate(derivatives, starts, corners, first, side, top, bottom, products, squares, counts):
    """Sum the products of second derivatives at both ends of paths, for shifted ends, region by region.

    derivatives (5, h, w + `MARGIN_PX`): second, in five directions; starts (n, 2): x and y, px; corners
    (n, 2) of the square of ends, `side` px wide. Regions `top` to `bottom`: points ``first[r]`` to
    ``first[r + 1]`` that end inside. Fills in products (regions, 5, side, side rounded up to a multiple of
    `LANES`) by the shift of the end, squares (regions, 5) at the starts, counts (regions) of points used.
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
    """Fill in correlations of second derivatives at both ends of paths, by the shift of the end.

    planes (3, h, w): xx, xy, yy; places (n, 2): x and y of the paths' middles, px; nearest (n,): index into
    vectors (m, 2) from start to end, px; along, across (regions, 2): unit vectors; the derivatives are those
    `along`. Regions `top` to `bottom`: points ``first[r]`` to ``first[r + 1]`` that end inside.
    maps (regions, 2 reach + 1, 2 reach + 1): by the shift along and across, bilinear from shifts in x and y
    of up to `rim`, 0 beyond. squares and counts (regions,): sum of squares at starts, number of points used.
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
    """Move the paths inside, with the squares about their ends, to the front; return their number."""
    kept = 0
    for n in range(count):
        x, y, m, j = starts[0, n], starts[1, n], ends[0, n], ends[1, n]
        outside = (min(x, y) < f32(0)) | (x >= f32(width - 1)) | (y >= f32(height - 1))
        outside |= (min(m, j) < f32(rim)) | (m > f32(width - 1 - rim)) | (j > f32(height - 1 - rim))
        if not outside:
            starts[0, kept], starts[1, kept], ends[0, kept], ends[1, kept] = x, y, m, j
            kept += 1
    return kept


@kernel(fastmath=True)
def _whole_range(values):
    """Return the whole parts of the least and the greatest of values, none of them negative."""
    low, high = values[0], values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    return i64(low), i64(high)


@kernel(fastmath=True)
def _fill_derivatives(planes, top, left, rows, columns, a, b, out):
    """Fill in the second derivatives of a part of the picture in the direction (a, b), row after row."""
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
            store(
                out, here + k, aa * load(flat, q) + ab * load(flat, q + size) + bb * load(flat, q + 2 * size)
            )


@kernel(fastmath=True)
def _load_rows(flat, p, row):
    """Return vectors of `ROWS_IN_REGISTERS` rows."""
    return (
        load(flat, p), load(flat, p + row), load(flat, p + 2 * row), load(flat, p + 3 * row),
        load(flat, p + 4 * row),
    )  # fmt: skip


@kernel(fastmath=True)
def _add_squares(flat, row, at, values, products):
    """Add the squares about ends, from the indices `at` into flat on, times the values at their starts.

    flat: rows of `row` numbers; it and products (side, wide) are read `LANES` numbers at a time, and
    `ROWS_IN_REGISTERS` rows of a square are kept in registers.
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
def weigh_minima(products, squares, vectors, axes, weakest, smoothing, expected, cap, minima, energy):
    """Fill in by how much correlations exceed their null mean, times the energy, and the energy.

    products (regions, 5, side, ...) and squares (regions, 5): of `correlate`, as coefficients of a^4, a^3 b,
    ..., b^4 of the path's direction (a, b); vectors (regions, 2): the mean path, px; axes (regions, 2): the
    direction of least energy, `weakest`; expected: the null mean every 1 / 32 of `smoothing`, px; cap
    (regions,): factor on the energy. minima and energy: (regions, side, side) by the shift of the end.
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
                beside = abs(x * axes[r, 1] - y * axes[r, 0])
                excess = _excess(correlation, length, beside, weakest[r] / e, smoothing, expected)
                energy[r, j, i] = e * cap[r]
                minima[r, j, i] = excess * e * cap[r]


@kernel(fastmath=True)
def _quartic(c, a, b):
    return c[0] * a**4 + c[1] * a**3 * b + c[2] * a * a * b * b + c[3] * a * b**3 + c[4] * b**4


@kernel(fastmath=True)
def _excess(correlation, length, beside, weakest, smoothing, expected):
    """Return by how much the correlation one `length` away, px of the level, exceeds its null mean.

    `weakest`: the least energy of all directions over that along the path; `beside`: how far the path leads
    across that direction, px. In a streaky picture a path beside the streaks sees mostly what lies across
    them, which is correlated with itself as if the path led across alone.
    """
    leak = min(max(1 - weakest, 0.0), 1.0)
    nearest = 4.5 * smoothing + 0.5
    across, along = _null_mean(beside, smoothing, expected), _null_mean(length, smoothing, expected)
    mean = leak * across + (1 - leak) * along
    excess = min(max(correlation - mean, -0.6), 0.6) * min(max(length - nearest, 0.0), 1.0)
    return excess * (1 - leak * min(max(nearest + 1 - beside, 0.0), 1.0))


@kernel(fastmath=True)
def _null_mean(lag, smoothing, expected):
    return expected[min(i64(lag / smoothing * 32), len(expected) - 1)]


@kernel(fastmath=True)
def z_score(minima, energy, vectors, basis, theta, null_std):
    """Return z, at most 0: the regions' minima at a model's path ends, over their null standard deviation.

    minima, energy (regions, side, side) by the shift of the end, px; vectors (regions, 2), px; basis
    (regions, 2, k) and theta (k,) or its first terms give the shifts; null_std: every 1 / 4 px of length.
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
def fill_posterior_costs(minima, energy, vectors, basis, null_std, prior_std, weight, thetas, out):
    """Fill out (m,) with minus the log posterior of thetas (m, 4), up to a constant.

    prior_std (4,): of the terms; the turn's prior has long tails (Student's t of three degrees of freedom),
    as translation has; weight: of the log-likelihood z^2 / 2. For the others see `z_score`.
    """
    for m in range(len(thetas)):
        theta = thetas[m]
        z = z_score(minima, energy, vectors, basis, theta, null_std)
        rotation = (theta[1] / prior_std[1]) ** 2 + (theta[2] / prior_std[2]) ** 2
        cost = 2 * np.log1p(rotation / 4)
        cost += 0.5 * ((theta[0] / prior_std[0]) ** 2 + (theta[3] / prior_std[3]) ** 2)
        out[m] = cost - weight * z * z / 2


@kernel(fastmath=True)
def correlate_lags(planes, directions, first, y, x, down, across, top, bottom, products, counts):
    """Sum the products of second derivatives one path apart, for all paths, region by region.

    planes (3, h, w): xx, xy, yy; directions (n, 2), of which `top` to `bottom`: paths ``first[d]`` to
    ``first[d + 1]`` of y, x (m,), px from start to end. Regions lie between the rows `down` and the columns
    `across`; a path belongs to the region of its middle, of every other row. Fills in products and counts
    (regions, m).
    """
    height, width = planes.shape[1:]
    columns = len(across) - 1
    line, derivatives = np.empty(width, np.float32), np.empty((height, width), np.float32)
    for d in range(top, bottom):
        a, b = f32(directions[d, 0]), f32(directions[d, 1])
        _fill_derivatives(planes, 0, 0, height, width, a, b, derivatives.reshape(-1))
        for n in range(first[d], first[d + 1]):
            up, left = y[n] // 2, x[n] // 2
            below, right = y[n] - up, x[n] - left
            start, end = max(0, left, -right), width + min(0, left, -right)
            for r in range(len(down) - 1):
                low, high = max(down[r], up), min(down[r + 1], height - below)
                low += low & 1
                line[:] = 0
                rows = max(high - low + 1, 0) // 2
                for i in range(low, high - 2, 4):
                    _add_products(derivatives, i, i + 2, up, below, left, right, start, end, line)
                if rows % 2 == 1:
                    i = low + 2 * (rows - 1)
                    one, other = derivatives[i - up, start - left :], derivatives[i + below, start + right :]
                    for k in range(end - start):
                        line[start + k] += one[k] * other[k]
                for c in range(columns):
                    total = f32(0)
                    for k in range(across[c], across[c + 1]):
                        total += line[k]
                    products[r * columns + c, n] = total
                    inside = max(min(across[c + 1], end) - max(across[c], start), 0)
                    counts[r * columns + c, n] = rows * inside


@kernel(fastmath=True)
def _add_products(derivatives, i, j, up, below, left, right, start, end, line):
    """Add the products one path apart of the rows i and j."""
    one, other = derivatives[i - up, start - left :], derivatives[i + below, start + right :]
    two, another = derivatives[j - up, start - left :], derivatives[j + below, start + right :]
    out = line[start:]
    for k in range(end - start):
        out[k] += one[k] * other[k] + two[k] * another[k]


@kernel(fastmath=True)
def fill_maps(
    products, counts, coefficients, weakest, axes, cap, full, y, x, radius, least, smoothing, expected, maps
):
    """Fill maps (5, regions, m): excess times weight, weight, support, energy along the path and across.

    By y (from 0 on) and x (from -radius on) of the path; other entries stay unchanged. products, counts: of
    `correlate_lags`; coefficients (regions, 5): of the energy in direction (a, b); full (regions,): the count
    of a short path; least: support below counts as 0; for the others see `weigh_minima`.
    """
    for r in range(len(products)):
        for n in range(len(y)):
            length = np.sqrt(f32(x[n] * x[n] + y[n] * y[n]))
            a, b = x[n] / length, y[n] / length
            energy = max(_quartic(coefficients[r], a, b), 1e-6)
            correlation = products[r, n] / max(counts[r, n], 1) / energy
            beside = abs(x[n] * axes[r, 1] - y[n] * axes[r, 0])
            excess = _excess(correlation, length, beside, weakest[r] / energy, smoothing, expected)
            support = min(counts[r, n] / full[r], 1.0)
            support = support if support >= least else 0.0
            weight = energy * cap[r] * support
            at = y[n] * (2 * radius + 1) + x[n] + radius
            maps[0, r, at] = excess * weight
            maps[1, r, at] = weight
            maps[2, r, at] = support
            maps[3, r, at] = energy
            maps[4, r, at] = max(_quartic(coefficients[r], -b, a), 1e-6)


@kernel(fastmath=True)
def search_rolls(maps, places, radius, step, lens, prior_std, null_std, top, bottom, cost, rolls):
    """Fill cost and rolls (radius + 1, 2 radius + 1) with the likeliest roll of each path.

    Paths by their y and x + radius at the centre, px of the level, of rows `top` to `bottom`. maps: of
    `fill_maps`; step: from one roll to the next; prior_std: `model.BLIND_PRIOR_STD`; null_std: every 1 / 4 px
    of length; for the others see `LagMaps`. cost is minus the log posterior, up to a constant and without
    `_streak_cost`; inf for paths that are too long.
    """
    regions, side = len(places), 2 * radius + 1
    nowhere = maps.shape[2] - 1
    at, squares = np.empty(side, np.int32), np.empty(side, np.float32)
    total, weight, long, inside = np.empty((4, side), np.float32)
    most = i64(np.ceil(max(radius, 6 * step) / step))
    for y0 in range(top, bottom):
        cost[y0] = np.inf
        far = i64(np.sqrt(radius * radius - y0 * y0))
        first = -far if y0 > 0 else 0
        paths = far + 1 - first
        for k in range(-most, most + 1):
            roll = k * step
            total[:], weight[:], inside[:], long[:] = 0, 0, 0, 0
            for r in range(regions):
                u, v = f32(places[r, 0]), f32(places[r, 1])
                along_x, along_y = f32(1) + f32(lens) * u * u, f32(lens) * u * v
                begin_x = f32(first) * along_x + f32(y0) * along_y - f32(roll) * v
                begin_y = f32(first) * along_y + f32(y0) * (f32(1) + f32(lens) * v * v) + f32(roll) * u
                for n in range(paths):
                    x, y = begin_x + f32(n) * along_x, begin_y + f32(n) * along_y
                    x = -x if y < 0 else x
                    y = abs(y)
                    row, column = np.int32(y + f32(0.5)), np.int32(x + f32(radius + 0.5))
                    off = row > radius or column > 2 * radius or x < f32(-radius - 0.5)
                    at[n] = nowhere if off else row * side + column
                    squares[n] = x * x + y * y
                minima, weights, supports = maps[0, r], maps[1, r], maps[2, r]
                for n in range(paths):
                    w = weights[at[n]]
                    total[n] += minima[at[n]]
                    weight[n] += w
                    long[n] += w * squares[n]
                    inside[n] += supports[at[n]]
            for n in range(paths):
                x0 = first + n
                length = np.sqrt(x0 * x0 + y0 * y0)
                if abs(roll) >= max(length, 6 * step) + step:
                    continue
                share = inside[n] / regions
                c = _prior_cost(length, roll, 0, 0, prior_std)
                c += _minima_cost(total[n], weight[n], long[n], share, null_std)
                if c < cost[y0, x0 + radius]:
                    cost[y0, x0 + radius], rolls[y0, x0 + radius] = c, roll


@kernel(fastmath=True)
def search_changes(
    maps, places, radius, paths, near, step, lens, prior_std, null_std, top, bottom, cost, more
):
    """Fill cost (m,) and more (m, 3) with the likeliest roll and changes down the picture of each path.

    paths (m, 3): x and y at the centre and the roll, px of the level; `near` steps of roll are tried each
    way; for the others see `search_rolls`. cost has `_streak_cost`.
    """
    regions = len(places)
    for n in range(top, bottom):
        x0, y0, middle = paths[n]
        length = np.sqrt(x0 * x0 + y0 * y0)
        change = 0.12 * length
        tried = 1 if change > 3 else 0
        cost[n] = np.inf
        for k in range(-near, near + 1):
            roll = middle + k * step
            for i in range(-tried, tried + 1):
                for j in range(-tried, tried + 1):
                    sums = NO_REGION
                    for r in range(regions):
                        u, v = places[r]
                        far = lens * (x0 * u + y0 * v)
                        x = x0 + (i * change - roll) * v + far * u
                        y = y0 + roll * u + j * change * v + far * v
                        sums = _add_region(maps, r, x, y, radius, sums)
                    total, weight, long, inside, along, across = sums
                    c = _prior_cost(length, roll, i * change, j * change, prior_std)
                    c += _minima_cost(total, weight, long, inside / regions, null_std)
                    c += _streak_cost(along, across)
                    if c < cost[n]:
                        cost[n] = c
                        more[n, 0], more[n, 1], more[n, 2] = roll, i * change, j * change


@kernel(fastmath=True)
def _add_region(maps, r, x, y, radius, sums):
    """Return the sums over regions of `maps`, with a region whose path, or its reverse, is (x, y)."""
    if y < 0:
        x, y = -x, -y
    row, column = i64(y + f32(0.5)), i64(x + f32(radius + 0.5))
    if row > radius or x < -radius - 0.5 or column > 2 * radius:  # too long
        return sums
    at = row * (2 * radius + 1) + column
    total, weight, long, inside, along, across = sums
    w = maps[1, r, at]
    return (
        total + maps[0, r, at], weight + w, long + w * f32(x * x + y * y), inside + maps[2, r, at],
        along + maps[3, r, at], across + maps[4, r, at],
    )  # fmt: skip


@kernel(fastmath=True)
def _prior_cost(length, roll, down_x, down_y, prior_std):
    """Return minus the log prior of a roll and of changes down the picture, px."""
    scale = max(np.sqrt(length * length + 0.12 * roll * roll), 4.0)
    cost = 2 * np.log1p((roll / scale / prior_std[0]) ** 2 / 4)
    if down_x != 0 or down_y != 0:
        cost += np.log1p((down_x / scale / prior_std[1]) ** 2 / 4) + np.log1p(
            (down_y / scale / prior_std[2]) ** 2 / 4
        )
    return cost


@kernel(fastmath=True)
def _minima_cost(total, weight, long, inside, null_std):
    """Return minus the log-likelihood of the sums of `_add_region`; inside: a share of the regions."""
    weight = max(weight, f32(1e-9))
    quarters = min(i64(4 * np.sqrt(long / weight)), len(null_std) - 1)
    z = min(total / weight / null_std[quarters] * np.sqrt(inside), 0.0)
    return -z * z / 4


@kernel(fastmath=True)
def _streak_cost(along, across):
    """Return the cost of a path along which a picture has more energy than across it."""
    return 0.5 * min(max(np.log(max(along, f32(1e-9)) / max(across, f32(1e-9))), -2.0), 1.0)


@kernel(fastmath=True)
def fill_field_costs(maps, vectors, radius, null_std, cost):
    """Fill cost (m,) with minus the log-likelihood of fields.

    vectors (m, regions, 2): their paths at the regions' centres, px of the level, none longer than `radius`;
    for the others see `search_rolls`.
    """
    regions = vectors.shape[1]
    for m in range(len(vectors)):
        sums = NO_REGION
        for r in range(regions):
            x, y = vectors[m, r]
            sums = _add_region(maps, r, x, y, radius, sums)
        total, weight, long, inside, along, across = sums
        cost[m] = _minima_cost(total, weight, long, inside / regions, null_std) + _streak_cost(along, across)
