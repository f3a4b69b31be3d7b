"""Compiled loops of the correlation along paths."""

import numpy as np
from numba import njit

from ..blur.lanes import LANES, broadcast, gather, load, store

f32, i64 = np.float32, np.int64
LANES_VERSION = 20  # as in blur/kernels.py
_FAST = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": True}


MARGIN = LANES
"""Columns beside the right of planes that may be read, px."""


@njit(**_FAST)
def correlate(bends, starts, corners, first, side, top, bottom, products, squares, counts):
    """Sum the products of second derivatives at both ends of paths, for shifted ends, region by region.

    bends (5, h, w + `MARGIN`): second derivatives in five directions; starts (n, 2): x and y, px; corners
    (n, 2): of the square of ends, `side` px wide. Regions `top` to `bottom`: points ``first[r]`` to
    ``first[r + 1]``; those whose ends lie outside are passed over. Fills in products (regions, 5, side, side
    rounded up to a multiple of `MARGIN`) by the shift of the end, squares (regions, 5) at the starts, and how
    many points took part in counts (regions).
    """
    height, row = bends.shape[1], bends.shape[2]
    width, flat = row - MARGIN, bends.reshape(-1)
    at, values = np.empty(8, np.int64), np.zeros((5, 8), np.float32)
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
            counts[r] += 1
            v, u = y - f32(i), x - f32(k)
            for d in range(5):
                above, below = bends[d, i], bends[d, i + 1]
                value = (f32(1) - v) * ((f32(1) - u) * above[k] + u * above[k + 1])
                value += v * ((f32(1) - u) * below[k] + u * below[k + 1])
                squares[r, d] += value * value
                values[d, taken] = value
            at[taken] = j * row + m
            taken += 1
            if taken == 8:
                _add_eight(flat, height * row, row, at, values, side, products[r])
                taken = 0
        if taken > 0:
            values[:, taken:] = 0
            at[taken:] = at[0]
            _add_eight(flat, height * row, row, at, values, side, products[r])


@njit(**_FAST)
def map_ends(
    planes, places, nearest, vectors, first, along, across, rim, reach, top, bottom, squares, counts, maps
):
    """Fill in correlations of second derivatives at both ends of paths, by how far the end is shifted.

    planes (3, h, w): xx, xy, yy; places (n, 2): x and y of the paths' middles, px; nearest (n,): which of
    vectors (m, 2) leads from start to end, px; along, across (regions, 2): unit vectors. The derivatives are
    those along the first, in all of a region. Regions `top` to `bottom`: points ``first[r]`` to
    ``first[r + 1]``; those whose ends lie outside are passed over. maps (regions, 2 reach + 1, 2 reach + 1):
    by the shift along and across; made of shifts along x and y of up to `rim`, bilinear, and 0 where those
    end. squares and counts (regions,): the sum of squares at the starts, and how many points took part.
    """
    height, width = planes.shape[1:]
    side = 2 * rim + 1
    wide = -(-side // MARGIN) * MARGIN
    products = np.empty((1, side, wide), np.float32)
    at, values = np.empty(8, np.int64), np.zeros((1, 8), np.float32)
    most = 0
    for r in range(top, bottom):
        most = max(most, first[r + 1] - first[r])
    starts, corners = np.empty((2, most), np.float32), np.empty((2, most), np.int64)
    for r in range(top, bottom):
        low_i, low_k, low_j, low_m = i64(height), i64(width), i64(height), i64(width)
        high_i, high_k, high_j, high_m = i64(-1), i64(-1), i64(-1), i64(-1)
        count = 0
        for n in range(first[r], first[r + 1]):
            vector = vectors[nearest[n]]
            m, j = _whole(places[n, 0] + f32(0.5) * vector[0]), _whole(places[n, 1] + f32(0.5) * vector[1])
            x, y = f32(f32(m) - vector[0]), f32(f32(j) - vector[1])
            k, i = _below(x), _below(y)
            m, j = m - rim, j - rim
            if _outside(i, k, 2, height, width) or _outside(j, m, side, height, width):
                continue
            starts[0, count], starts[1, count], corners[0, count], corners[1, count] = x, y, m, j
            count += 1
            low_i, high_i, low_k, high_k = min(low_i, i), max(high_i, i), min(low_k, k), max(high_k, k)
            low_j, high_j, low_m, high_m = min(low_j, j), max(high_j, j), min(low_m, m), max(high_m, m)
        if count == 0:
            maps[r] = 0
            continue
        a, b = f32(along[r, 0]), f32(along[r, 1])
        near = _bent(planes, low_i, high_i + 2, low_k, high_k + 2, 0, a, b)
        far = _bent(planes, low_j, high_j + side, low_m, high_m + side, wide - side, a, b)
        row, flat = far.shape[1], far.reshape(-1)
        products[:] = 0
        square = f32(0)
        for n in range(count):
            x, y = starts[0, n], starts[1, n]
            k, i = _below(x), _below(y)
            v, u = y - f32(i), x - f32(k)
            above, below, k = near[i - low_i], near[i + 1 - low_i], k - low_k
            value = (f32(1) - v) * ((f32(1) - u) * above[k] + u * above[k + 1])
            value += v * ((f32(1) - u) * below[k] + u * below[k + 1])
            square += value * value
            values[0, n & 7] = value
            at[n & 7] = (corners[1, n] - low_j) * row + corners[0, n] - low_m
            if n & 7 == 7:
                _add_eight(flat, 0, row, at, values, side, products)
        if count & 7:
            values[:, count & 7 :] = 0
            at[count & 7 :] = at[0]
            _add_eight(flat, 0, row, at, values, side, products)
        squares[r], counts[r] = square, count
        _turn(products[0], f32(1) / max(square, f32(1e-4)), along[r], across[r], rim, reach, maps[r])


@njit(**_FAST)
def _turn(products, factor, along, across, rim, reach, out):
    """Fill in products by how far the end is shifted along the path, and across it."""
    for i in range(2 * reach + 1):
        for j in range(2 * reach + 1):
            if (i - reach) ** 2 + (j - reach) ** 2 > (rim - 1) ** 2:
                out[i, j] = 0
                continue
            x = f32((i - reach) * along[0] + (j - reach) * across[0] + rim)
            y = f32((i - reach) * along[1] + (j - reach) * across[1] + rim)
            k, m = i64(x), i64(y)
            u, v = x - f32(k), y - f32(m)
            value = (f32(1) - v) * ((f32(1) - u) * products[m, k] + u * products[m, k + 1])
            value += v * ((f32(1) - u) * products[m + 1, k] + u * products[m + 1, k + 1])
            out[i, j] = min(max(value * factor, f32(-1.5)), f32(1.5))


@njit(**_FAST)
def _below(x):
    """Return the greatest whole number up to x."""
    whole = i64(x)
    return whole - i64(f32(whole) > x)


@njit(**_FAST)
def _whole(x):
    """Return the whole number that is nearest to x."""
    return _below(x + f32(0.5))


@njit(**_FAST)
def _outside(i, k, side, height, width):
    return i < 0 or k < 0 or i + side > height or k + side > width


@njit(**_FAST)
def _bent(planes, top, bottom, left, right, more, a, b):
    """Return second derivatives in the direction (a, b), and `more` columns of zeros beside them."""
    out = np.zeros((bottom - top, right - left + more), np.float32)
    aa, ab, bb = a * a, f32(2) * a * b, b * b
    for i in range(top, bottom):
        xx, xy, yy = planes[0, i, left:right], planes[1, i, left:right], planes[2, i, left:right]
        line = out[i - top]
        for k in range(right - left):
            line[k] = aa * xx[k] + ab * xy[k] + bb * yy[k]
    return out


@njit(**_FAST)
def _add_eight(flat, plane, row, at, values, side, products):
    """Add eight squares of ends times the values at their starts: the inner loop of both of them.

    The rows of flat from a square on and those of products are read `LANES` numbers at a time.
    """
    sums, wide = products.reshape(-1), products.shape[2]
    for d in range(len(products)):
        v0, v1 = broadcast(values[d, 0]), broadcast(values[d, 1])
        v2, v3 = broadcast(values[d, 2]), broadcast(values[d, 3])
        v4, v5 = broadcast(values[d, 4]), broadcast(values[d, 5])
        v6, v7 = broadcast(values[d, 6]), broadcast(values[d, 7])
        for j in range(side):
            for i in range(0, wide, LANES):
                here, end = (d * side + j) * wide + i, d * plane + j * row + i
                total = gather(load(sums, here), flat, end + at[0], v0)
                total = gather(total, flat, end + at[1], v1)
                total = gather(total, flat, end + at[2], v2)
                total = gather(total, flat, end + at[3], v3)
                total = gather(total, flat, end + at[4], v4)
                total = gather(total, flat, end + at[5], v5)
                total = gather(total, flat, end + at[6], v6)
                store(sums, here, gather(total, flat, end + at[7], v7))


@njit(**_FAST)
def depths(products, squares, vectors, axes, weakest, smoothing, expected, cap, dips, energy):
    """Fill in how much lower than any picture's the correlations are, times the energy, and the energy.

    products (regions, 5, side, ...) and squares (regions, 5): of `correlate`, as coefficients of a^4, a^3 b,
    ..., b^4 of the path's direction (a, b); vectors (regions, 2): the mean path, px; axes (regions, 2): the
    direction of least energy, `weakest`; expected: the usual correlation every 1 / 32 px over `smoothing`; a
    region counts for at most `cap`. dips and energy: (regions, side, side) by the shift of the end.
    """
    regions, side = dips.shape[:2]
    reach = (side - 1) // 2
    for r in range(regions):
        for j in range(side):
            y = vectors[r, 1] + j - reach
            for i in range(side):
                x = vectors[r, 0] + i - reach
                length = np.sqrt(x * x + y * y)
                a, b = x / max(length, 1e-3), y / max(length, 1e-3)
                e = max(_quartic(squares[r], a, b), 1e-6)
                beside = abs(x * axes[r, 1] - y * axes[r, 0])
                leak = min(max(1 - weakest[r] / e, 0.0), 1.0)
                correlation = _quartic(products[r, :, j, i], a, b) / e
                over = _over(correlation, length, beside, leak, smoothing, expected)
                energy[r, j, i] = e * cap[r]
                dips[r, j, i] = over * e * cap[r]


@njit(**_FAST)
def _quartic(c, a, b):
    return c[0] * a**4 + c[1] * a**3 * b + c[2] * a * a * b * b + c[3] * a * b**3 + c[4] * b**4


@njit(**_FAST)
def _over(correlation, length, beside, leak, smoothing, expected):
    """Return a correlation over what any picture has one length away, px of the level.

    `leak`: which share of the energy along the path is that of what lies across the streaks, and `beside`:
    how far across them the path leads. Where a picture is streaky, a direction beside that of the streaks
    sees hardly anything but what lies across, and that is correlated with itself as if the path led across
    alone.
    """
    nearest = 4.5 * smoothing + 0.5
    usual = leak * _usual(beside, smoothing, expected) + (1 - leak) * _usual(length, smoothing, expected)
    over = min(max(correlation - usual, -0.6), 0.6) * min(max(length - nearest, 0.0), 1.0)
    return over * (1 - leak * min(max(nearest + 1 - beside, 0.0), 1.0))


@njit(**_FAST)
def _usual(lag, smoothing, expected):
    return expected[min(i64(lag / smoothing * 32), len(expected) - 1)]


@njit(**_FAST)
def depth(dips, energy, vectors, basis, theta, spread):
    """Return the sum of all regions' dips where a model says the paths end, over its spread: z, at most 0.

    dips, energy (regions, side, side) by the shift of the end, px; vectors (regions, 2), px; basis (regions,
    2, k) and theta (k,) or its first terms: the shifts, of which the nearest count; spread: every 1 / 4 px of
    length.
    """
    regions, side = dips.shape[:2]
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
        total += dips[r, i64(y + 0.5), i64(x + 0.5)]
    return min(total / whole / spread[min(i64(4 * length / whole), len(spread) - 1)], 0.0)


@njit(**_FAST)
def costs(dips, energy, vectors, basis, spread, prior, trust, thetas, out):
    """Fill out (m,) with minus the logarithm of prior times likelihood of thetas (m, 4).

    prior (4,): the terms' standard deviations. A turn has long tails (Student's t of three degrees), as
    translation has. For the others see `depth`.
    """
    for m in range(len(thetas)):
        theta = thetas[m]
        z = depth(dips, energy, vectors, basis, theta, spread)
        turn = (theta[1] / prior[1]) ** 2 + (theta[2] / prior[2]) ** 2
        unlikely = 2 * np.log1p(turn / 4)
        unlikely += 0.5 * ((theta[0] / prior[0]) ** 2 + (theta[3] / prior[3]) ** 2)
        out[m] = unlikely - trust * z * z / 2


@njit(**_FAST)
def correlate_lags(planes, directions, first, y, x, down, across, top, bottom, products, counts):
    """Sum the products of second derivatives one path apart, for all paths, region by region.

    planes (3, h, w): xx, xy, yy; directions (n, 2); first (n + 1,): where the paths of each begin; y, x
    (m,): how far apart the paths' ends are, px; directions `top` to `bottom`. Regions lie between the rows
    `down` and columns `across`; the places in the middle of the path count, of every other row. Fills in
    products and counts (regions, m).
    """
    height, width = planes.shape[1:]
    columns = len(across) - 1
    line, bent = np.empty(width, np.float32), np.empty((height, width), np.float32)
    for d in range(top, bottom):
        a, b = f32(directions[d, 0]), f32(directions[d, 1])
        for i in range(height):
            xx, xy, yy, out = planes[0, i], planes[1, i], planes[2, i], bent[i]
            for k in range(width):
                out[k] = a * a * xx[k] + f32(2) * a * b * xy[k] + b * b * yy[k]
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
                    _add_products(bent, i, i + 2, up, below, left, right, start, end, line)
                if rows % 2 == 1:
                    last = low + 2 * (rows - 1)
                    one, other = bent[last - up, start - left :], bent[last + below, start + right :]
                    for k in range(end - start):
                        line[start + k] += one[k] * other[k]
                for c in range(columns):
                    total = f32(0)
                    for k in range(across[c], across[c + 1]):
                        total += line[k]
                    products[r * columns + c, n] = total
                    inside = max(min(across[c + 1], end) - max(across[c], start), 0)
                    counts[r * columns + c, n] = rows * inside


@njit(**_FAST)
def _add_products(bent, i, j, up, below, left, right, start, end, line):
    """Add the products one path apart of the rows i and j."""
    one, other = bent[i - up, start - left :], bent[i + below, start + right :]
    two, another = bent[j - up, start - left :], bent[j + below, start + right :]
    out = line[start:]
    for k in range(end - start):
        out[k] += one[k] * other[k] + two[k] * another[k]


@njit(**_FAST)
def fill_maps(
    products, counts, coefficients, weakest, axes, cap, full, y, x, radius, least, smoothing, expected, maps
):
    """Fill maps (5, regions, m) with each path's dip times its weight, the weight, how much of the region
    takes part, and the energy along the path and across.

    By y (from 0 on) and x (from -radius on) of the path; what no path is at stays as it is. products and
    counts: of `correlate_lags`; coefficients (regions, 5): of the energy in direction (a, b); full
    (regions,): the count of a path that is short; for the others see `depths`.
    """
    for r in range(len(products)):
        for n in range(len(y)):
            length = np.sqrt(f32(x[n] * x[n] + y[n] * y[n]))
            a, b = x[n] / length, y[n] / length
            energy = max(_quartic(coefficients[r], a, b), 1e-6)
            beside = abs(x[n] * axes[r, 1] - y[n] * axes[r, 0])
            leak = min(max(1 - weakest[r] / energy, 0.0), 1.0)
            correlation = products[r, n] / max(counts[r, n], 1) / energy
            over = _over(correlation, length, beside, leak, smoothing, expected)
            support = min(counts[r, n] / full[r], 1.0)
            support = support if support >= least else 0.0
            weight = energy * cap[r] * support
            at = y[n] * (2 * radius + 1) + x[n] + radius
            maps[0, r, at] = over * weight
            maps[1, r, at] = weight
            maps[2, r, at] = support
            maps[3, r, at] = energy
            maps[4, r, at] = max(_quartic(coefficients[r], -b, a), 1e-6)


@njit(**_FAST)
def search_rolls(maps, places, radius, step, lens, free, spread, top, bottom, cost, rolls):
    """Fill cost and rolls (radius + 1, 2 radius + 1) with the likeliest roll of each path.

    Paths by their y and x + radius at the centre, px of the level, of rows `top` to `bottom`. maps: of
    `fill_maps`; step: from one roll to the next; free: as `model.FREE`; spread: every 1 / 4 px of length; see
    `lags.Lags` for the others. cost is minus the logarithm of prior times likelihood, up to a constant, but
    for the streaks; inf for the paths that are too long.
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
                dips, weights, supports = maps[0, r], maps[1, r], maps[2, r]
                for n in range(paths):
                    w = weights[at[n]]
                    total[n] += dips[at[n]]
                    weight[n] += w
                    long[n] += w * squares[n]
                    inside[n] += supports[at[n]]
            for n in range(paths):
                x0 = first + n
                length = np.sqrt(x0 * x0 + y0 * y0)
                if abs(roll) >= max(length, 6 * step) + step:
                    continue
                share = inside[n] / regions
                c = _unlikely(total[n], weight[n], long[n], share, length, roll, 0, 0, free, spread)
                if c < cost[y0, x0 + radius]:
                    cost[y0, x0 + radius], rolls[y0, x0 + radius] = c, roll


@njit(**_FAST)
def search_changes(maps, places, radius, paths, near, step, lens, free, spread, top, bottom, cost, more):
    """Fill cost (m,) and more (m, 3) with the likeliest roll and changes down the picture of each path.

    paths (m, 3): x and y at the centre and the roll, px of the level, of which `near` steps each way are
    tried; for the others see `search_rolls`. The streaks count here.
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
                    total, weight, long = f32(0), f32(0), f32(0)
                    inside, streaks, across = f32(0), f32(0), f32(0)
                    for r in range(regions):
                        u, v = places[r]
                        far = lens * (x0 * u + y0 * v)
                        x = x0 + (i * change - roll) * v + far * u
                        y = y0 + roll * u + j * change * v + far * v
                        at = _place(x, y, radius)
                        if at < 0:
                            continue
                        w = maps[1, r, at]
                        total += maps[0, r, at]
                        weight += w
                        long += w * f32(x * x + y * y)
                        inside += maps[2, r, at]
                        streaks += maps[3, r, at]
                        across += maps[4, r, at]
                    c = _unlikely(
                        total, weight, long, inside / regions, length, roll, i * change, j * change, free,
                        spread,
                    )  # fmt: skip
                    streaky = np.log(max(streaks, f32(1e-9)) / max(across, f32(1e-9)))
                    c += 0.5 * min(max(streaky, -2.0), 1.0)
                    if c < cost[n]:
                        cost[n] = c
                        more[n, 0], more[n, 1], more[n, 2] = roll, i * change, j * change


@njit(**_FAST)
def _place(x, y, radius):
    """Return where in maps a path is, which has no sign; -1 of one that is too long."""
    if y < 0:
        x, y = -x, -y
    row, column = i64(y + f32(0.5)), i64(x + f32(radius + 0.5))
    if row > radius or x < -radius - 0.5 or column > 2 * radius:
        return -1
    return row * (2 * radius + 1) + column


@njit(**_FAST)
def _unlikely(total, weight, long, inside, length, roll, down_x, down_y, free, spread):
    """Return minus the logarithm of prior times likelihood."""
    usual = max(np.sqrt(length * length + 0.12 * roll * roll), 4.0)
    unlikely = 2 * np.log1p((roll / usual / free[0]) ** 2 / 4)
    if down_x != 0 or down_y != 0:
        unlikely += np.log1p((down_x / usual / free[1]) ** 2 / 4)
        unlikely += np.log1p((down_y / usual / free[2]) ** 2 / 4)
    weight = max(weight, f32(1e-9))
    quarters = min(i64(4 * np.sqrt(long / weight)), len(spread) - 1)
    z = min(total / weight / spread[quarters] * np.sqrt(inside), 0.0)
    return unlikely - z * z / 4


@njit(**_FAST)
def judge(maps, vectors, radius, spread, cost):
    """Fill cost (m,) with minus the logarithm of the likelihood of fields.

    vectors (m, regions, 2): their paths at the regions' centres, px of the level, none longer than `radius`;
    for the others see `search_rolls`.
    """
    regions = vectors.shape[1]
    for m in range(len(vectors)):
        total, weight, long = f32(0), f32(1e-9), f32(0)
        inside, streaks, across = f32(0), f32(1e-9), f32(1e-9)
        for r in range(regions):
            x, y = vectors[m, r]
            at = _place(x, y, radius)
            if at < 0:
                continue
            w = maps[1, r, at]
            total += maps[0, r, at]
            weight += w
            long += w * (x * x + y * y)
            inside += maps[2, r, at]
            streaks += maps[3, r, at]
            across += maps[4, r, at]
        quarters = min(i64(4 * np.sqrt(long / weight)), len(spread) - 1)
        z = min(total / weight / spread[quarters] * np.sqrt(inside / regions), f32(0))
        cost[m] = 0.5 * min(max(np.log(streaks / across), -2.0), 1.0) - z * z / 4
