"""Compiled loops of the correlation along paths."""

import numpy as np
from numba import njit

f32, i64 = np.float32, np.int64
_FAST = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": True}


@njit(**_FAST)
def correlate(planes, starts, ends, first, reach, top, bottom, products, squares, counts):
    """Sum the products of second derivatives at both ends of paths, for shifted ends, region by region.

    planes (3, h, w): xx, xy, yy; starts, ends (n, 2), px. Regions `top` to `bottom`: points ``first[r]`` to
    ``first[r + 1]``; those whose ends lie outside are passed over. The second derivative in direction (a, b)
    at one place times that at another is a polynomial in a and b. Its coefficients (of a^4, a^3 b, ..., b^4)
    are summed in products (regions, 5, 2 reach + 1, 2 reach + 1), by the shift of the end, and those of the
    squares at the starts in squares (regions, 5); the points in counts (regions).
    """
    height, width = planes.shape[1:]
    side = 2 * reach + 1
    for r in range(top, bottom):
        for n in range(first[r], first[r + 1]):
            y, x = starts[n, 1], starts[n, 0]
            y1, x1 = ends[n, 1] - f32(reach), ends[n, 0] - f32(reach)
            i, k = i64(np.floor(y)), i64(np.floor(x))
            j, m = i64(np.floor(y1)), i64(np.floor(x1))
            if i < 0 or k < 0 or i > height - 2 or k > width - 2:
                continue
            if j < 0 or m < 0 or j + side > height - 1 or m + side > width - 1:
                continue
            counts[r] += 1
            p, q, s = _at(planes, i, k, y - f32(i), x - f32(k))
            squares[r, 0] += p * p
            squares[r, 1] += f32(4) * p * q
            squares[r, 2] += f32(2) * p * s + f32(4) * q * q
            squares[r, 3] += f32(4) * q * s
            squares[r, 4] += s * s
            v, u = y1 - f32(j), x1 - f32(m)
            w00, w01, w10, w11 = (f32(1) - v) * (f32(1) - u), (f32(1) - v) * u, v * (f32(1) - u), v * u
            p2, q2, q4, s2 = f32(2) * p, f32(2) * q, f32(4) * q, f32(2) * s
            for row in range(side):
                a0, a1 = planes[0, j + row], planes[0, j + row + 1]
                b0, b1 = planes[1, j + row], planes[1, j + row + 1]
                c0, c1 = planes[2, j + row], planes[2, j + row + 1]
                o0, o1, o2 = products[r, 0, row], products[r, 1, row], products[r, 2, row]
                o3, o4 = products[r, 3, row], products[r, 4, row]
                for column in range(side):
                    c = m + column
                    xx = w00 * a0[c] + w01 * a0[c + 1] + w10 * a1[c] + w11 * a1[c + 1]
                    xy = w00 * b0[c] + w01 * b0[c + 1] + w10 * b1[c] + w11 * b1[c + 1]
                    yy = w00 * c0[c] + w01 * c0[c + 1] + w10 * c1[c] + w11 * c1[c + 1]
                    o0[column] += p * xx
                    o1[column] += p2 * xy + q2 * xx
                    o2[column] += p * yy + s * xx + q4 * xy
                    o3[column] += q2 * yy + s2 * xy
                    o4[column] += s * yy


@njit(**_FAST)
def _at(planes, i, k, v, u):
    """Return the three planes between the pixels (i, k) and (i + 1, k + 1)."""
    w00, w01, w10, w11 = (f32(1) - v) * (f32(1) - u), (f32(1) - v) * u, v * (f32(1) - u), v * u
    p = (
        planes[0, i, k] * w00
        + planes[0, i, k + 1] * w01
        + planes[0, i + 1, k] * w10
        + planes[0, i + 1, k + 1] * w11
    )
    q = (
        planes[1, i, k] * w00
        + planes[1, i, k + 1] * w01
        + planes[1, i + 1, k] * w10
        + planes[1, i + 1, k + 1] * w11
    )
    s = (
        planes[2, i, k] * w00
        + planes[2, i, k + 1] * w01
        + planes[2, i + 1, k] * w10
        + planes[2, i + 1, k + 1] * w11
    )
    return p, q, s


@njit(**_FAST)
def add_up(dips, energy, vectors, basis, thetas, lengths, spread, out):
    """Fill out (m,) with the sum of all regions' dips where models say the paths end, over its spread.

    dips, energy (regions, side, side) by the shift of the end, px; vectors (regions, 2), px; basis (regions,
    2, k) and thetas (m, k): the shifts; spread at lengths, px.
    """
    regions, side = dips.shape[:2]
    reach = (side - 1) // 2
    weights_x, weights_y = np.empty(4), np.empty(4)
    for m in range(thetas.shape[0]):
        total, whole, length = 0.0, 1e-9, 0.0
        for r in range(regions):
            dx, dy = 0.0, 0.0
            for k in range(thetas.shape[1]):
                dx += basis[r, 0, k] * thetas[m, k]
                dy += basis[r, 1, k] * thetas[m, k]
            x, y = dx + reach, dy + reach
            i, j = i64(min(max(x, 0.0), side - 1.0)), i64(min(max(y, 0.0), side - 1.0))
            e = energy[r, j, i]
            whole += e
            length += e * np.sqrt((vectors[r, 0] + dx) ** 2 + (vectors[r, 1] + dy) ** 2)
            if x < 1 or y < 1 or i > side - 3 or j > side - 3:
                continue
            _cubic(x - i, weights_x)
            _cubic(y - j, weights_y)
            for b in range(4):
                row = 0.0
                for a in range(4):
                    row += weights_x[a] * dips[r, j - 1 + b, i - 1 + a]
                total += weights_y[b] * row
        out[m] = total / whole / np.interp(length / whole, lengths, spread)


@njit(**_FAST)
def _cubic(t, weights):
    """Fill in the weights of four neighbours at t between the inner two (Catmull-Rom)."""
    weights[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
    weights[1] = (1.5 * t - 2.5) * t * t + 1.0
    weights[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
    weights[3] = (0.5 * t - 0.5) * t * t


@njit(**_FAST)
def correlate_lags(bent, direction, y, x, down, across, top, bottom, products, counts):
    """Sum the products of second derivatives one path apart, for all paths, region by region.

    bent (directions, h, w); direction, y, x (m,): of each path, the number of its direction and its ends'
    distances, px; paths `top` to `bottom`. Regions lie between the rows `down` and columns `across`; the
    places in the middle of the path count, of every other row. Fills in products and counts (regions, m).
    """
    height, width = bent.shape[1:]
    columns = len(across) - 1
    line = np.empty(width, np.float32)
    for n in range(top, bottom):
        plane = bent[direction[n]]
        up, left = y[n] // 2, x[n] // 2
        below, right = y[n] - up, x[n] - left
        start, end = max(0, left, -right), width + min(0, left, -right)
        for r in range(len(down) - 1):
            first, last = max(down[r], up), min(down[r + 1], height - below)
            line[:] = 0
            rows = 0
            for i in range(first + (first & 1), last, 2):
                a, b = plane[i - up, start - left :], plane[i + below, start + right :]
                for k in range(end - start):
                    line[start + k] += a[k] * b[k]
                rows += 1
            for c in range(columns):
                total = f32(0)
                for k in range(across[c], across[c + 1]):
                    total += line[k]
                products[r * columns + c, n] = total
                counts[r * columns + c, n] = rows * max(min(across[c + 1], end) - max(across[c], start), 0)


@njit(**_FAST)
def search_lags(
    dips, energy, along, support, places, middle, tried, step, lens, free, lengths, spread, top, bottom,
    cost, more,
):  # fmt: skip
    """Fill cost (m,) and more (m, 3) with the likeliest roll and changes down the picture of each path.

    middle (m, 2): the path at the centre, px of the level; tried: how many changes each way; free: as
    `model.FREE`; see `lags.Lags` for the others. cost is minus the logarithm of prior times likelihood,
    up to a constant.
    """
    regions, high, side = dips.shape
    radius = high - 1
    for n in range(top, bottom):
        x0, y0 = middle[n]
        length = np.sqrt(x0 * x0 + y0 * y0)
        rolls = i64(np.ceil(max(length, 6 * step) / step))
        change = 0.12 * length
        changes = tried if change > 3 else 0
        best = np.inf
        for k in range(-rolls, rolls + 1):
            roll = k * step
            usual = max(np.sqrt(x0 * x0 + y0 * y0 + 0.12 * roll * roll), 4.0)
            for i in range(-changes, changes + 1):
                for j in range(-changes, changes + 1):
                    total, weight, long = 0.0, 1e-9, 0.0
                    inside, streaks, across = 0.0, 1e-9, 1e-9
                    for r in range(regions):
                        u, v = places[r]
                        far = lens * (x0 * u + y0 * v)
                        x = x0 + (i * change - roll) * v + far * u
                        y = y0 + roll * u + j * change * v + far * v
                        if y < 0:
                            x, y = -x, -y
                        row, column = i64(y + 0.5), i64(np.floor(x + 0.5)) + radius
                        if row > radius or column < 0 or column >= side:
                            continue
                        w = energy[r, row, column]
                        total += dips[r, row, column]
                        weight += w
                        long += w * np.sqrt(x * x + y * y)
                        inside += support[r, row, column]
                        streaks += along[0, r, row, column]
                        across += along[1, r, row, column]
                    z = total / weight / np.interp(long / weight, lengths, spread)
                    z = min(z * np.sqrt(inside / regions), 0.0)
                    streaky = min(max(np.log(streaks / across), -2.0), 1.0)
                    unlikely = 2 * np.log1p((roll / usual / free[0]) ** 2 / 4)
                    if changes > 0:
                        unlikely += np.log1p((i * change / usual / free[1]) ** 2 / 4)
                        unlikely += np.log1p((j * change / usual / free[2]) ** 2 / 4)
                    c = unlikely + 0.5 * streaky - z * z / 4
                    if c < best:
                        best = c
                        more[n, 0], more[n, 1], more[n, 2] = roll, i * change, j * change
        cost[n] = best
