"""Compiled loops of the correlation along all straight paths: `lags.py`."""

import numpy as np

from ..compiling import kernel
from .kernels import _excess, _fill_derivatives, _quartic

f32, i64 = np.float32, np.int64

NOTHING = (f32(0),) * 6
"""Sums over no region: see `_add_region`."""


@kernel(fastmath=True)
def correlate_lags(planes, directions, first, y, x, down, across, top, bottom, products, counts):
    """Sum the products of second derivatives one path apart, for all paths, region by region.

    planes (3, h, w): xx, xy, yy; directions (n, 2), of which `top` to `bottom`; first (n + 1,): the first
    path of each; y, x (m,): the paths' vectors, px. Regions lie between the rows `down` and columns `across`;
    a path belongs to the region of its middle, of every other row. Fills products and counts (regions, m).
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
    products, counts, coefficients, weakest, axes, cap, full, y, x, radius, least, smoothing, null_mean, maps
):
    """Fill maps (5, regions, m) with each path's minimum times its weight, the weight, the share of the
    region's places that it uses, and the energy along the path and across.

    By y (from 0 on) and x (from -radius on) of the path; the other entries are left. products and counts: of
    `correlate_lags`; coefficients (regions, 5): of the energy in direction (a, b); full (regions,): the count
    of a short path; least: the smallest share that counts; for the others see `weigh_minima`.
    """
    for r in range(len(products)):
        for n in range(len(y)):
            length = np.sqrt(f32(x[n] * x[n] + y[n] * y[n]))
            a, b = x[n] / length, y[n] / length
            energy = max(_quartic(coefficients[r], a, b), 1e-6)
            correlation = products[r, n] / max(counts[r, n], 1) / energy
            beside = abs(x[n] * axes[r, 1] - y[n] * axes[r, 0])
            leak = min(max(1 - weakest[r] / energy, 0.0), 1.0)
            excess = _excess(correlation, length, beside, leak, smoothing, null_mean)
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
    of length; see `LagMaps` for the others. cost is minus the logarithm of prior times likelihood, up to a
    constant, without the streaks' term; inf for paths that are too long.
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
    maps, places, radius, paths, near, step, lens, prior_std, null_std, top, bottom, cost, terms
):
    """Fill cost (m,) and terms (m, 3) with the likeliest roll and changes down the picture of each path.

    paths (m, 3): x and y at the centre and the roll, px of the level, of which `near` steps each way are
    tried; for the others see `search_rolls`. The streaks' term is included.
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
                    sums = NOTHING
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
                        terms[n, 0], terms[n, 1], terms[n, 2] = roll, i * change, j * change


@kernel(fastmath=True)
def _map_index(x, y, radius):
    """Return the index in maps of a path, whose sign does not matter; -1 if it is too long."""
    if y < 0:
        x, y = -x, -y
    row, column = i64(y + f32(0.5)), i64(x + f32(radius + 0.5))
    if row > radius or x < -radius - 0.5 or column > 2 * radius:
        return -1
    return row * (2 * radius + 1) + column


@kernel(fastmath=True)
def _add_region(maps, r, x, y, radius, sums):
    """Return the sums of `maps` and of squared lengths with one more region, whose path is (x, y)."""
    at = _map_index(x, y, radius)
    if at < 0:
        return sums
    total, weight, long, inside, along, across = sums
    w = maps[1, r, at]
    return (
        total + maps[0, r, at], weight + w, long + w * f32(x * x + y * y), inside + maps[2, r, at],
        along + maps[3, r, at], across + maps[4, r, at],
    )  # fmt: skip


@kernel(fastmath=True)
def _prior_cost(length, roll, down_x, down_y, prior_std):
    """Return minus the logarithm of the prior of a roll and of changes down the picture, px."""
    scale = max(np.sqrt(length * length + 0.12 * roll * roll), 4.0)
    cost = 2 * np.log1p((roll / scale / prior_std[0]) ** 2 / 4)
    if down_x != 0 or down_y != 0:
        x, y = down_x / scale / prior_std[1], down_y / scale / prior_std[2]
        cost += np.log1p(x**2 / 4) + np.log1p(y**2 / 4)
    return cost


@kernel(fastmath=True)
def _minima_cost(total, weight, long, inside, null_std):
    """Return minus the logarithm of the likelihood of sums of `_add_region`; inside: a share of regions."""
    weight = max(weight, f32(1e-9))
    quarters = min(i64(4 * np.sqrt(long / weight)), len(null_std) - 1)
    z = min(total / weight / null_std[quarters] * np.sqrt(inside), 0.0)
    return -z * z / 4


@kernel(fastmath=True)
def _streak_cost(along, across):
    """Return the cost of a path along which a picture has more energy than across it."""
    return 0.5 * min(max(np.log(max(along, f32(1e-9)) / max(across, f32(1e-9))), -2.0), 1.0)


@kernel(fastmath=True)
def likelihood_costs(maps, vectors, radius, null_std, cost):
    """Fill cost (m,) with minus the logarithm of the likelihood of fields.

    vectors (m, regions, 2): their paths at the regions' centres, px of the level, none longer than `radius`;
    for the others see `search_rolls`.
    """
    regions = vectors.shape[1]
    for m in range(len(vectors)):
        sums = NOTHING
        for r in range(regions):
            x, y = vectors[m, r]
            sums = _add_region(maps, r, x, y, radius, sums)
        total, weight, long, inside, along, across = sums
        cost[m] = _minima_cost(total, weight, long, inside / regions, null_std) + _streak_cost(along, across)
