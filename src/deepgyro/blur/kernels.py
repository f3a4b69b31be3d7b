"""The compiled loop of the blur operator and of its adjoint; `operator.py` says what it computes."""

import numpy as np

from ..compiling import FINITE_MATH, kernel
from .lanes import (
    LANES,
    LINE,
    alike,
    bounds,
    column_weights,
    extremes,
    gather,
    leaning,
    load,
    place,
    row_weights,
    scatter,
    start_piece,
    store,
    tent,
    times,
    zeros,
)

f32, i64 = np.float32, np.int64
SPREAD = f32(6)
"""Neighbours whose paths differ by more than this are walked one group after the other, px."""
PAUSE = f32(1e-3)
"""What `start_piece` may add to a piece that is a pause, px."""


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
    strips = -(-w // LANES)
    padded = strips * LANES
    x = np.zeros(n * padded, np.float32)
    y = np.zeros(n * padded, np.float32)
    ends = np.empty((n, 4), np.float32)
    share = f32(1) / f32(n - 1)
    active = np.empty(LANES, np.float32)
    still = np.empty(LANES, np.float32)
    line = np.empty(LINE * LANES, np.float32)
    for r in range(h):
        for c in range(w):
            p = c
            for k in range(n):
                x[p] = -field[r, c, k, 0]
                y[p] = -field[r, c, k, 1]
                p += padded
        for k in range(n):
            x[k * padded + w : (k + 1) * padded] = x[k * padded + w - 1]
            y[k * padded + w : (k + 1) * padded] = y[k * padded + w - 1]
        for strip in range(strips):
            c = strip * LANES
            centre = first + r * row + c
            apart = f32(0)
            largest = f32(0)
            moving = False
            for k in range(n):
                low, high = extremes(x, k * padded + c)
                left, right = extremes(y, k * padded + c)
                ends[k, 0] = low
                ends[k, 1] = high
                ends[k, 2] = left
                ends[k, 3] = right
                apart = max(apart, high - low, right - left)
                largest = max(largest, high, -low, right, -left)
                moving |= low > f32(0) or high < f32(0) or left > f32(0) or right < f32(0)
            if largest == f32(0):  # the pixels themselves, to the last bit
                for q in range(3):
                    value = load(pixels[q, r], c) if transpose else load(image, centre + q * plane)
                    if transpose:
                        store(still, i64(0), value)
                        for lane in range(min(w - c, i64(LANES))):
                            image[centre + q * plane + lane] += still[lane]
                    else:
                        store(pixels[q, r], c, value)
                continue
            total0 = load(pixels[0, r], c) if transpose else zeros()
            total1 = load(pixels[1, r], c) if transpose else zeros()
            total2 = load(pixels[2, r], c) if transpose else zeros()
            lane = 0
            while lane < LANES:
                if moving and apart <= SPREAD:
                    active[:] = f32(1)
                    any_still = False
                    lane = int(LANES)
                else:
                    lane, any_still = _next_group(
                        x, y, n, padded, c, lane, min(w - c, i64(LANES)), apart, active, still
                    )
                if any_still:
                    own = load(still, i64(0))
                    if transpose:
                        scatter(image, centre, total0, own)
                        scatter(image, centre + plane, total1, own)
                        scatter(image, centre + i64(2) * plane, total2, own)
                    else:
                        total0 = gather(total0, image, centre, own)
                        total1 = gather(total1, image, centre + plane, own)
                        total2 = gather(total2, image, centre + i64(2) * plane, own)
                for k in range(1, n):
                    start = (k - 1) * padded + c
                    end = start + padded
                    along_y, along_x = leaning(x, y, start, end)
                    for axis in range(2):
                        if axis == 0:
                            if not along_y:
                                which = f32(0)
                            elif not along_x:
                                continue
                            else:
                                which = f32(1)
                            start_piece(line, active, x, y, start, end, share, which)
                            m0 = min(ends[k - 1, 0], ends[k, 0])
                            m1 = max(ends[k - 1, 1], ends[k, 1])
                            major = i64(1)
                            minor = row
                        else:
                            if not along_y:
                                continue
                            which = f32(2) if along_x else f32(0)
                            start_piece(line, active, y, x, start, end, share, which)
                            m0 = min(ends[k - 1, 2], ends[k, 2])
                            m1 = max(ends[k - 1, 3], ends[k, 3])
                            major = row
                            minor = i64(1)
                        for column in range(i64(np.floor(m0 - PAUSE)), i64(np.floor(m1 + PAUSE)) + 1):
                            level, first_row, two, a0, a1, b0, b1, c0, c1, rows, last_rows = column_weights(
                                line, f32(column)
                            )
                            low = i64(first_row)
                            high = low + i64(two)
                            if not level:
                                bound, _ = bounds(rows)
                                low = i64(bound)
                                _, bound = bounds(last_rows)
                                high = i64(bound)
                            for j in range(low, high + 2):
                                p = centre + column * major + j * minor
                                if not level:
                                    w0 = row_weights(a0, b0, c0, rows, f32(j))
                                    w1 = row_weights(a1, b1, c1, rows, f32(j))
                                elif j == low:
                                    w0 = a0
                                    w1 = a1
                                elif j == low + 1:
                                    w0 = b0
                                    w1 = b1
                                else:
                                    w0 = c0
                                    w1 = c1
                                if transpose:
                                    scatter(image, p, total0, w0)
                                    scatter(image, p + plane, total1, w0)
                                    scatter(image, p + i64(2) * plane, total2, w0)
                                    p += major
                                    scatter(image, p, total0, w1)
                                    scatter(image, p + plane, total1, w1)
                                    scatter(image, p + i64(2) * plane, total2, w1)
                                else:
                                    total0 = gather(total0, image, p, w0)
                                    total1 = gather(total1, image, p + plane, w0)
                                    total2 = gather(total2, image, p + i64(2) * plane, w0)
                                    p += major
                                    total0 = gather(total0, image, p, w1)
                                    total1 = gather(total1, image, p + plane, w1)
                                    total2 = gather(total2, image, p + i64(2) * plane, w1)
            if not transpose:
                store(pixels[0, r], c, total0)
                store(pixels[1, r], c, total1)
                store(pixels[2, r], c, total2)


@kernel
def continued(plane, top, left, first, last, out):
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
    if apart <= SPREAD:
        end = i64(LANES)
    else:
        near = True
        while end < lanes and near:
            for k in range(n):
                p = k * padded + c
                if (
                    abs(x[p + end] - x[p + lane]) > f32(0.5) * SPREAD
                    or abs(y[p + end] - y[p + lane]) > f32(0.5) * SPREAD
                ):
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
    same, first = alike(lanes)
    if same:  # mostly: neighbours move alike, and reductions over lanes are slow
        return i64(first), i64(first)
    least, most = bounds(lanes)
    return i64(np.floor(least)), i64(np.floor(most))


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
                total0 = zeros()
                total1 = zeros()
                total2 = zeros()
                for side in range(2):
                    gain = ends[m, 2] if side else -ends[m, 2]
                    share = ends[m, side]
                    x = place(points, x0, x1, share, f32(-c - before), f32(after - c), f32(1))
                    y = place(points, y0, y1, share, upmost, lowest, f32(0))
                    left, right = _cells(x)
                    upper, lower = _cells(y)
                    for j in range(upper, lower + 2):
                        line = tent(y, f32(j), gain)
                        for i in range(left, right + 2):
                            weights = times(line, tent(x, f32(i), f32(1)))
                            p = here + j * row + i
                            total0 = gather(total0, flat, p, weights)
                            total1 = gather(total1, flat, p + plane, weights)
                            total2 = gather(total2, flat, p + i64(2) * plane, weights)
                store(results, result, total0)
                store(results, result + results_plane, total1)
                store(results, result + i64(2) * results_plane, total2)
                result += i64(3) * results_plane
