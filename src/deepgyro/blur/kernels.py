"""The compiled loop of the blur operator and of its adjoint; `operator.py` says what it computes."""

import numpy as np

from ..compiling import FINITE_MATH, kernel
from .border import LANES
from .simd import broadcast, first, load, ramp, store

f32, i64 = np.float32, np.int64
MAX_SPREAD_PX = 6
"""Neighbours whose paths differ by more than this are walked one group after the other."""
PAUSE_PX = 1e-4
"""A piece that leads less far along its major axis is a pause: a piece of length `PAUSE_LENGTH_PX`."""
PAUSE_LENGTH_PX = 1e-3
MIN_AXIS_RATIO = 0.998
"""A piece may be walked along an axis if it leads along it at least so much as along the other."""
PIECE_ROWS = 8
"""Vectors that describe straight pieces: see `start_piece`."""
NOWHERE = 1e9
"""A row that no picture has."""


@kernel(fastmath=FINITE_MATH)
def major_axes(x, y, start, end):
    """Return whether some pieces must be walked along y, and whether some must be walked along x."""
    dx, dy = np.abs(load(x, end) - load(x, start)), np.abs(load(y, end) - load(y, start))
    return np.any(MIN_AXIS_RATIO * dy > dx), np.any(MIN_AXIS_RATIO * dx > dy)


@kernel(fastmath=FINITE_MATH)
def start_piece(piece, active, major, minor, start, end, share, which):
    """Describe straight pieces, one a lane, that are walked along their major axis.

    Parameters
    ----------
    piece: filled with `PIECE_ROWS` vectors: m0, m1 (where a piece begins and ends along the major axis, m0 <
    m1), s0 (where it begins along the minor), slope, inverse of the slope's size, the slope's sign, density
    (weight per length along the major axis; 0 for lanes that take no part), m1 - m0. active: 1 or 0 a lane.
    major, minor, start, end: a lane goes from (major[start], minor[start]) to (major[end], minor[end]).
    share: the weight of a whole piece. which: 0: all lanes; 1: those that run along major at least as much
    as along minor; 2: those that run along major more.
    """
    a0, a1, b0, b1 = load(major, start), load(major, end), load(minor, start), load(minor, end)
    da, db = np.abs(a1 - a0), np.abs(b1 - b0)
    part = load(active, 0) > 0
    if which == 1:
        part = part & (da >= db)
    elif which == 2:
        part = part & (da > db)
    backwards = a1 < a0
    m0, m1 = np.minimum(a0, a1), np.maximum(a0, a1)
    s0, s1 = np.where(backwards, b1, b0), np.where(backwards, b0, b1)
    pause = m1 - m0 < PAUSE_PX  # becomes a short piece, so that nothing is divided by 0
    m0 = np.where(pause, m0 - 0.5 * PAUSE_LENGTH_PX, m0)
    m1 = np.where(pause, m0 + PAUSE_LENGTH_PX, m1)
    s1 = np.where(pause, s0, s1)
    inverse = 1 / (m1 - m0)
    slope = (s1 - s0) * inverse
    store(piece, 0, m0)
    store(piece, 1 * LANES, m1)
    store(piece, 2 * LANES, s0)
    store(piece, 3 * LANES, slope)
    store(piece, 4 * LANES, 1 / np.maximum(np.abs(slope), 1e-12))
    store(piece, 5 * LANES, np.where(slope >= 0, 1, -1))
    store(piece, 6 * LANES, np.where(part, share * inverse, 0))
    store(piece, 7 * LANES, m1 - m0)


@kernel(fastmath=FINITE_MATH)
def column_weights(piece, edge):
    """Compute the weights of one column of pixel cells that straight pieces cross, one a lane.

    The piece rises by its slope (at most 1 either way) from (m0, s0) on while m goes on to m1. The column
    holds m from `edge` to `edge` + 1, and the piece's parts in up to two of its cells, rows j and j + 1.
    In a cell the bilinear interpolant is a product of linear functions of m, so its integral over a part of
    length q, with mean position (f, v) in the cell, has weights f v + slope q^2 / 12 and so on, exactly.

    Returns
    -------
    level: whether all lanes that cross the column do so from one row j on, and there is one. first: that row.
    two: whether some lane crosses row j + 1 too. Then vectors: the weights of pixels (i, j), (i + 1, j),
    (i, j + 1), (i + 1, j + 1), (i, j + 2), (i + 1, j + 2), 0 if the lane does not cross the column; the first
    row of cells that it crosses, or `NOWHERE`; the last one, or -`NOWHERE`.
    """
    m0, m1, s0, slope = load(piece, 0), load(piece, 1 * LANES), load(piece, 2 * LANES), load(piece, 3 * LANES)
    inverse_slope, sign = load(piece, 4 * LANES), load(piece, 5 * LANES)
    density, whole = load(piece, 6 * LANES), load(piece, 7 * LANES)
    rise = sign * slope
    start, end = np.maximum(m0 - edge, 0), np.minimum(m1 - edge, 1)
    # Not end - start: of a piece of 0.0001 px that loses a thousandth.
    length = np.maximum(whole - np.maximum(edge - m0, 0) - np.maximum(m1 - (edge + 1), 0), 0)
    middle = 0.5 * (start + end)
    low = s0 + slope * (middle + edge - m0) - 0.5 * rise * length
    row = np.floor(low)
    low = low - row
    high = low + rise * length
    beyond = np.maximum(high - 1, 0)  # of row j: the part in row j + 1
    q2 = np.minimum(beyond * inverse_slope, length)
    q1 = length - q2
    v1, v2 = 0.5 * (low + np.minimum(high, 1)), 0.5 * beyond
    f1, f2 = middle - 0.5 * sign * q2, middle + 0.5 * sign * q1
    w1, w2 = q1 * density, q2 * density
    fw1, vw1, fw2, vw2 = f1 * w1, v1 * w1, f2 * w2, v2 * w2
    fvw1 = f1 * vw1 + q1 * q1 * (1 / 12 * slope) * w1
    fvw2 = f2 * vw2 + q2 * q2 * (1 / 12 * slope) * w2
    crosses, second = np.maximum(w1, w2) > 0, w2 > 0
    first_row = first(row)
    level = np.any(crosses) and not np.any(crosses & (row != first_row))
    rows = np.where(crosses, row, NOWHERE)
    last_rows = np.where(second, row + 1, np.where(crosses, row, -NOWHERE))
    return (
        level, first_row, np.any(second),
        w1 - fw1 - vw1 + fvw1, fw1 - fvw1, vw1 - fvw1 + w2 - fw2 - vw2 + fvw2, fvw1 + fw2 - fvw2,
        vw2 - fvw2, fvw2, rows, last_rows,
    )  # fmt: skip


@kernel(fastmath=FINITE_MATH)
def row_weights(one, two, three, rows, row):
    """Return each lane's weight of the pixel in an absolute row: those of its rows, rows + 1 and rows + 2."""
    off = row - rows
    return np.where(off == 0, one, np.where(off == 1, two, np.where(off == 2, three, 0)))


@kernel(fastmath=FINITE_MATH)
def path_positions(ends, start, end, share, lowest, highest, fall):
    """Return where paths are at a share of them, -1/2 the first point, 1/2 the last.

    Held between bounds that fall by `fall` from each lane to the next.
    """
    low, high = lowest - fall * ramp(), highest - fall * ramp()
    position = (f32(0.5) - share) * load(ends, start) + (f32(0.5) + share) * load(ends, end)
    return np.minimum(np.maximum(position, low), high)


@kernel(fastmath=FINITE_MATH)
def tent(x, centre, height):
    """Return ``height * max(0, 1 - |x - centre|)``: the weight of a pixel in bilinear interpolation."""
    return np.maximum(1 - np.abs(x - centre), 0) * height


@kernel(fastmath=FINITE_MATH)
def min_max(x, p):
    """Return the least and the greatest of ``x[p : p + LANES]``."""
    values = load(x, p)
    return np.min(values), np.max(values)


@kernel(fastmath=FINITE_MATH)
def load_pixels(image, p, plane):
    """Return neighbouring pixels of three planes."""
    return load(image, p), load(image, p + plane), load(image, p + i64(2) * plane)


@kernel(fastmath=FINITE_MATH)
def store_pixels(image, p, plane, pixels):
    """Set neighbouring pixels of three planes."""
    store(image, p, pixels[0])
    store(image, p + plane, pixels[1])
    store(image, p + i64(2) * plane, pixels[2])


@kernel(fastmath=FINITE_MATH)
def add_product(totals, pixels, weights):
    """Return totals plus pixels, each times its lane's weight, of three planes."""
    return (totals[0] + pixels[0] * weights, totals[1] + pixels[1] * weights, totals[2] + pixels[2] * weights)


@kernel(fastmath=FINITE_MATH)
def visit(image, p, plane, totals, weights, transpose):
    """Gather pixels from p on, times their weights, to totals; or, transposed, scatter the totals to them."""
    pixels = load_pixels(image, p, plane)
    if transpose:
        store_pixels(image, p, plane, add_product(pixels, totals, weights))
        return totals
    return add_product(totals, pixels, weights)


@kernel(fastmath=FINITE_MATH)
def walk_pieces(image, plane, centre, piece, low, high, major, minor, totals, transpose):
    """Walk straight pieces between `low` and `high` of their major axis, a column of pixel cells at a time.

    Returns the totals of `visit`. major, minor: floats from a pixel of image to the next along the axes.
    """
    for column in range(i64(np.floor(low - PAUSE_LENGTH_PX)), i64(np.floor(high + PAUSE_LENGTH_PX)) + 1):
        level, first_row, two, a0, a1, b0, b1, c0, c1, rows, last_rows = column_weights(piece, f32(column))
        top = i64(first_row)
        bottom = top + i64(two)
        if not level:
            top, bottom = i64(np.min(rows)), i64(np.max(last_rows))
        for j in range(top, bottom + 2):
            if not level:
                w0, w1 = row_weights(a0, b0, c0, rows, f32(j)), row_weights(a1, b1, c1, rows, f32(j))
            elif j == top:
                w0, w1 = a0, a1
            elif j == top + 1:
                w0, w1 = b0, b1
            else:
                w0, w1 = c0, c1
            p = centre + column * major + j * minor
            totals = visit(image, p, plane, totals, w0, transpose)
            totals = visit(image, p + major, plane, totals, w1, transpose)
    return totals


@kernel(fastmath=FINITE_MATH)
def walk(field, image, plane, row, first, pixels, transpose):
    """Gather pixels from image along each pixel's path, or, transposed, scatter them to it.

    `LANES` neighbours of a row are walked together. Each straight piece of their paths is walked along its
    major axis (the one it runs along more), a column of pixel cells at a time: `column_weights` has the exact
    weights of the pixels around. Neighbours' paths hardly differ, so the pixels that they need lie side by
    side.

    Parameters
    ----------
    field: (h, w, n, 2) float32 px. image: flat, three planes, with a margin that holds every path and `LANES`
    pixels more on the right. plane, row: floats a plane and a row of image. first: index in image of the
    field's pixel (0, 0). pixels: (3, h, w padded to whole `LANES`).
    """
    h, w, n = field.shape[:3]
    padded = -(-w // LANES) * LANES
    x = np.zeros(n * padded, np.float32)
    y = np.zeros(n * padded, np.float32)
    ends = np.empty((n, 4), np.float32)
    share = f32(1) / f32(n - 1)
    active = np.empty(LANES, np.float32)
    still = np.empty(LANES, np.float32)
    piece = np.empty(PIECE_ROWS * LANES, np.float32)
    for r in range(h):
        for c in range(padded):
            for k in range(n):
                x[k * padded + c] = -field[r, min(c, w - 1), k, 0]
                y[k * padded + c] = -field[r, min(c, w - 1), k, 1]
        for c in range(0, padded, LANES):
            centre = first + r * row + c
            apart = f32(0)
            largest = f32(0)
            moving = False
            for k in range(n):
                left, right = min_max(x, k * padded + c)
                above, below = min_max(y, k * padded + c)
                ends[k, 0], ends[k, 1], ends[k, 2], ends[k, 3] = left, right, above, below
                apart = max(apart, right - left, below - above)
                largest = max(largest, right, -left, below, -above)
                moving |= left > 0 or right < 0 or above > 0 or below < 0
            if largest == 0:  # the pixels themselves, to the last bit
                for q in range(3):
                    for lane in range(c, min(w, c + LANES)):
                        if transpose:
                            image[centre + q * plane + lane - c] += pixels[q, r, lane]
                        else:
                            pixels[q, r, lane] = image[centre + q * plane + lane - c]
                continue
            if transpose:
                totals = load(pixels[0, r], c), load(pixels[1, r], c), load(pixels[2, r], c)
            else:
                totals = broadcast(f32(0)), broadcast(f32(0)), broadcast(f32(0))
            lane = 0
            while lane < LANES:
                if moving and apart <= MAX_SPREAD_PX:
                    active[:] = 1
                    any_still = False
                    lane = int(LANES)
                else:
                    lane, any_still = _next_group(
                        x, y, n, padded, c, lane, min(w - c, i64(LANES)), apart, active, still
                    )
                if any_still:
                    totals = visit(image, centre, plane, totals, load(still, 0), transpose)
                for k in range(1, n):
                    start = (k - 1) * padded + c
                    end = start + padded
                    along_y, along_x = major_axes(x, y, start, end)
                    if along_x or not along_y:
                        start_piece(piece, active, x, y, start, end, share, 1 if along_y else 0)
                        low, high = min(ends[k - 1, 0], ends[k, 0]), max(ends[k - 1, 1], ends[k, 1])
                        totals = walk_pieces(
                            image, plane, centre, piece, low, high, i64(1), row, totals, transpose
                        )
                    if along_y:
                        start_piece(piece, active, y, x, start, end, share, 2 if along_x else 0)
                        low, high = min(ends[k - 1, 2], ends[k, 2]), max(ends[k - 1, 3], ends[k, 3])
                        totals = walk_pieces(
                            image, plane, centre, piece, low, high, row, i64(1), totals, transpose
                        )
            if not transpose:
                for q, total in enumerate(totals):
                    store(pixels[q, r], c, total)


@kernel
def replicate_border(plane, top, left, first, last, out):
    """Fill rows of out with a plane from (left, top) on; its border pixels continue it."""
    height, width = plane.shape
    columns = out.shape[1]
    begin = min(max(-left, 0), columns)
    end = max(min(width - left, columns), begin)
    for r in range(first, last):
        row = min(max(r + top, 0), height - 1)
        for c in range(begin):
            out[r, c] = plane[row, 0]
        out[r, begin:end] = plane[row, begin + left : end + left]
        for c in range(end, columns):
            out[r, c] = plane[row, width - 1]


@kernel
def _next_group(x, y, n, padded, c, lane, lanes, apart, active, still):
    """Mark the lanes from `lane` on that are walked together; return where the next group begins.

    active: 1 for those with a path, still: 1 for those whose path is zero.
    """
    active[:] = f32(0)
    still[:] = f32(0)
    end = lane + 1
    if apart <= MAX_SPREAD_PX:
        end = i64(LANES)
    else:
        near = True
        while end < lanes and near:
            for k in range(n):
                p = k * padded + c
                apart_x, apart_y = abs(x[p + end] - x[p + lane]), abs(y[p + end] - y[p + lane])
                if max(apart_x, apart_y) > 0.5 * MAX_SPREAD_PX:
                    near = False
                    break
            if near:
                end += 1
    any_still = False
    for q in range(lane, min(end, lanes)):
        moves = False
        for k in range(n):
            moves |= x[k * padded + c + q] != f32(0) or y[k * padded + c + q] != f32(0)
        if moves:
            active[q] = f32(1)
        else:
            still[q] = f32(1)
            any_still = True
    if end >= lanes:
        end = i64(LANES)
    return end, any_still


@kernel(fastmath=FINITE_MATH)
def _cells(lanes):
    """Return the least and the greatest whole part of lanes."""
    whole = np.floor(lanes)
    one = first(whole)
    if not np.any(whole != one):  # mostly: neighbours move alike, and reductions over lanes are slow
        return i64(one), i64(one)
    return i64(np.min(whole)), i64(np.max(whole))


@kernel(fastmath=FINITE_MATH)
def differences(image, paths, ends, border, above, before, below, after, top, bottom, out):
    """Fill out with ``(image(x + path at b) - image(x + path at a)) * gain`` for each (a, b, gain) of `ends`.

    `LANES` neighbours of a row are computed together, with all the pixels that any of them needs.

    Parameters
    ----------
    image: (3, rows, columns) float32, with a border on every side, wider by `LANES` on the right. paths: (4,
    h, padded) float32, x and y of the first point and of the last. ends: (m, 3) float32. above, before,
    below, after: how many px within the border lie above the first row, left of the first column, below the
    last row and right of the first column. top, bottom: rows to compute. out: (m, 3, at least h, at least
    padded).
    """
    height = paths.shape[1]
    row = image.shape[2]
    plane = image.shape[1] * row
    flat = image.reshape(-1)
    points = paths.reshape(-1)
    points_plane = height * paths.shape[2]
    results = out.reshape(-1)
    results_plane = out.shape[2] * out.shape[3]
    for r in range(top, bottom):
        upmost = f32(-r - above)
        lowest = f32(height - 1 + below - r)
        for c in range(0, paths.shape[2], LANES):
            here = (r + border + above) * row + c + border + before
            x0 = r * paths.shape[2] + c
            y0 = x0 + points_plane
            x1 = y0 + points_plane
            y1 = x1 + points_plane
            result = r * out.shape[3] + c
            for m in range(len(ends)):
                totals = broadcast(f32(0)), broadcast(f32(0)), broadcast(f32(0))
                for side in range(2):
                    gain = ends[m, 2] if side else -ends[m, 2]
                    share = ends[m, side]
                    x = path_positions(points, x0, x1, share, f32(-c - before), f32(after - c), f32(1))
                    y = path_positions(points, y0, y1, share, upmost, lowest, f32(0))
                    left, right = _cells(x)
                    upper, lower = _cells(y)
                    for j in range(upper, lower + 2):
                        line = tent(y, f32(j), gain)
                        for i in range(left, right + 2):
                            weights = line * tent(x, f32(i), f32(1))
                            p = here + j * row + i
                            totals = add_product(totals, load_pixels(flat, p, plane), weights)
                store_pixels(results, result, results_plane, totals)
                result += i64(3) * results_plane
