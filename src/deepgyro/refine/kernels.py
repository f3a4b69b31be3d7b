"""Compiled loops of the correlation along paths."""

import numpy as np
from numba import njit

f32, i64 = np.float32, np.int64
_FAST = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": True}


MARGIN = 8
"""Columns beside the right of planes that may be read, px."""


@njit(**_FAST)
def correlate(bends, starts, corners, first, side, top, bottom, products, squares, counts):
    """Sum the products of second derivatives at both ends of paths, for shifted ends, region by region.

    bends (5, h, w + `MARGIN`): second derivatives in five directions; starts (n, 2): x and y, px; corners
    (n, 2): of the square of ends, `side` px wide. Regions `top` to `bottom`: points ``first[r]`` to
    ``first[r + 1]``; those whose ends lie outside are passed over. Fills in products (regions, 5, side,
    side + up to `MARGIN`) by the shift of the end, squares (regions, 5) at the starts, and how many points
    took part in counts (regions).
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
def _add_eight(flat, plane, row, at, values, side, products):
    """Add eight squares of ends times the values at their starts: the inner loop of `correlate`."""
    wide = products.shape[2]
    for d in range(5):
        v0, v1, v2, v3 = values[d, 0], values[d, 1], values[d, 2], values[d, 3]
        v4, v5, v6, v7 = values[d, 4], values[d, 5], values[d, 6], values[d, 7]
        for j in range(side):
            first = d * plane + j * row
            e0 = flat[first + at[0] : first + at[0] + wide]
            e1 = flat[first + at[1] : first + at[1] + wide]
            e2 = flat[first + at[2] : first + at[2] + wide]
            e3 = flat[first + at[3] : first + at[3] + wide]
            e4 = flat[first + at[4] : first + at[4] + wide]
            e5 = flat[first + at[5] : first + at[5] + wide]
            e6 = flat[first + at[6] : first + at[6] + wide]
            e7 = flat[first + at[7] : first + at[7] + wide]
            out = products[d, j]
            for i in range(wide):
                out[i] += ((v0 * e0[i] + v1 * e1[i]) + (v2 * e2[i] + v3 * e3[i])) + (
                    (v4 * e4[i] + v5 * e5[i]) + (v6 * e6[i] + v7 * e7[i])
                )


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
def depth(dips, energy, vectors, basis, theta, spread, cubic):
    """Return the sum of all regions' dips where a model says the paths end, over its spread: z, at most 0.

    dips, energy (regions, side, side) by the shift of the end, px; vectors (regions, 2), px; basis (regions,
    2, k) and theta (k,) or its first terms: the shifts; spread: every 1 / 4 px of length; cubic: between the
    shifts, or the nearest.
    """
    regions, side = dips.shape[:2]
    reach = (side - 1) // 2
    weights_x, weights_y = np.empty(4), np.empty(4)
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
        if not cubic:
            total += dips[r, i64(y + 0.5), i64(x + 0.5)]
            continue
        _cubic(x - i, weights_x)
        _cubic(y - j, weights_y)
        for b in range(4):
            row = 0.0
            for a in range(4):
                row += weights_x[a] * dips[r, j - 1 + b, i - 1 + a]
            total += weights_y[b] * row
    return min(total / whole / spread[min(i64(4 * length / whole), len(spread) - 1)], 0.0)


@njit(**_FAST)
def _cubic(t, weights):
    """Fill in the weights of four neighbours at t between the inner two (Catmull-Rom)."""
    weights[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
    weights[1] = (1.5 * t - 2.5) * t * t + 1.0
    weights[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
    weights[3] = (0.5 * t - 0.5) * t * t


@njit(**_FAST)
def unlikely(theta, gyro, spread, px):
    """Return minus the logarithm of the prior of all terms; spread: `model.GYRO`, px, or `model.FREE`.

    A turn has long tails where a gyro told the field (Student's t of three degrees), as translation has;
    without, all but the turn has.
    """
    turn = np.sqrt(theta[1] ** 2 + theta[2] ** 2)
    lens = (0.03 if gyro else 0.13) * turn + 0.5 * px
    total = 0.5 * (theta[8] ** 2 + theta[9] ** 2) / lens**2
    if gyro:
        total += 2 * np.log1p(((theta[1] / spread[1]) ** 2 + (theta[2] / spread[2]) ** 2) / 4)
        total += 0.5 * (theta[0] / spread[0]) ** 2
        for k in range(3, 8):
            total += 0.5 * (theta[k] / spread[k]) ** 2
        return total
    length = max(np.sqrt(turn * turn + (0.35 * theta[3]) ** 2), 8 * px)
    for k in range(3, 8):
        total += 2 * np.log1p((theta[k] / (spread[k - 3] * length + 0.2 * px)) ** 2 / 4)
    return total


@njit(**_FAST)
def costs(dips, energy, vectors, basis, spread, gyro, prior, px, trust, start, thetas, cubic, out):
    """Fill out (m,) with minus the logarithm of prior times likelihood of start plus thetas (m, k).

    The dips are those of paths that `start` made: only thetas, of all terms or the first, shift them.
    """
    theta = start.copy()
    terms = thetas.shape[1]
    for m in range(len(thetas)):
        z = depth(dips, energy, vectors, basis, thetas[m], spread, cubic)
        theta[:terms] = start[:terms] + thetas[m]
        out[m] = unlikely(theta, gyro, prior, px) - trust * z * z / 2


@njit(**_FAST)
def descend(dips, energy, vectors, basis, spread, gyro, prior, px, trust, start, theta, steps, rounds):
    """Take the best step along one term, round after round; halve the steps where none is better."""
    terms = len(theta)
    tried, out = np.empty((2 * terms + 1, terms)), np.empty(2 * terms + 1)
    steps = steps.copy()
    for _ in range(rounds):
        tried[:] = theta
        ways = 1
        for k in range(terms):
            if steps[k] > 0:
                tried[ways, k] += steps[k]
                tried[ways + 1, k] -= steps[k]
                ways += 2
        costs(
            dips, energy, vectors, basis, spread, gyro, prior, px, trust, start, tried[:ways], True,
            out[:ways],
        )  # fmt: skip
        best = np.argmin(out[:ways])
        if best == 0:
            steps /= 2
        theta = tried[best].copy()
    return theta


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
    regions, side = len(places), 2 * radius + 1
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
                        if y < 0:
                            x, y = -x, -y
                        row, column = i64(y + 0.5), i64(x + (radius + 0.5))
                        if row > radius or x < -radius - 0.5 or column > 2 * radius:
                            continue
                        at = row * side + column
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
    regions, side = vectors.shape[1], 2 * radius + 1
    for m in range(len(vectors)):
        total, weight, long = f32(0), f32(1e-9), f32(0)
        inside, streaks, across = f32(0), f32(1e-9), f32(1e-9)
        for r in range(regions):
            x, y = vectors[m, r]
            if y < 0:
                x, y = -x, -y
            row, column = i64(y + f32(0.5)), i64(x + f32(radius + 0.5))
            if row > radius or x < -radius - 0.5 or column > 2 * radius:
                continue
            at = row * side + column
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


@njit(**_FAST)
def turned_maps(products, squares, vectors, along, across, reach, fixed, maps):
    """Fill in correlations by how far the end is shifted along the path, and across it.

    products (cells, 5, side, ...) and squares (cells, 5): of `correlate`, as coefficients of a^4, a^3 b, ...,
    b^4 of the direction (a, b) that derivatives are taken in: from the start to the shifted end, or, if it is
    `fixed`, that of the path; vectors (cells, 2): px; along, across (cells, 2): unit vectors; maps (cells,
    2 reach + 1, 2 reach + 1); 0 where the products end. Between the shifts of the products bilinear.
    """
    rim = (products.shape[2] - 1) // 2
    mixed = np.empty(5)
    for r in range(len(vectors)):
        for i in range(2 * reach + 1):
            for j in range(2 * reach + 1):
                if (i - reach) ** 2 + (j - reach) ** 2 > (rim - 1) ** 2:
                    maps[r, i, j] = 0.0
                    continue
                x = (i - reach) * along[r, 0] + (j - reach) * across[r, 0]
                y = (i - reach) * along[r, 1] + (j - reach) * across[r, 1]
                ex, ey = vectors[r, 0], vectors[r, 1]
                if not fixed:
                    ex, ey = ex + x, ey + y
                length = max(np.sqrt(ex * ex + ey * ey), 1e-3)
                a, b = ex / length, ey / length
                k, m = i64(np.floor(x)), i64(np.floor(y))
                u, v = x - k, y - m
                k, m = k + rim, m + rim
                for c in range(5):
                    p = products[r, c]
                    mixed[c] = (1 - v) * ((1 - u) * p[m, k] + u * p[m, k + 1])
                    mixed[c] += v * ((1 - u) * p[m + 1, k] + u * p[m + 1, k + 1])
                e = max(_quartic(squares[r], a, b), 1e-4)
                maps[r, i, j] = min(max(_quartic(mixed, a, b) / e, -1.5), 1.5)
