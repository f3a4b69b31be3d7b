"""Compiled loops over the pixels of a blur field; `field.py` says what the matrices are."""

import numpy as np

from ..compiling import kernel

# Lens models as the loops know them.
LENS_NONE, LENS_RADTAN, LENS_EQUIDISTANT = 0, 1, 2
LENS_CODES = {"none": LENS_NONE, "radtan": LENS_RADTAN, "equidistant": LENS_EQUIDISTANT}
# What they return: bits.
STATUS_BEHIND_CAMERA = 1
STATUS_OUTRUNS_SHUTTER = 2


@kernel(inline="always")
def _project_pixel(X, Y, Z, lens, k, fx, fy, cx, cy):
    """Project homogeneous coordinates to a pixel; without a lens model the matrices hold K already."""
    x = X / Z
    y = Y / Z
    if lens == LENS_NONE:
        return x, y
    r2 = x * x + y * y
    if lens == LENS_RADTAN:
        radial = 1.0 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))
        xd = x * radial + 2.0 * k[2] * x * y + k[3] * (r2 + 2.0 * x * x)
        yd = y * radial + k[2] * (r2 + 2.0 * y * y) + 2.0 * k[3] * x * y
    else:
        r = np.sqrt(r2)
        a = np.arctan(r)
        a2 = a * a
        scale = a * (1.0 + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3])))) / r if r > 1e-12 else 1.0
        xd = x * scale
        yd = y * scale
    return fx * xd + cx, fy * yd + cy


@kernel
def compute_row_paths(maps, by_row, ys, xs, rays, lens, k, fx, fy, cx, cy, out):
    """Fill ``out[y, x, i] = pixel(maps[p, i] @ (ray, 1)) - (x, y)``, p-th line; return 0 or BEHIND."""
    status = 0
    lines, others = (ys, xs) if by_row else (xs, ys)
    for p in range(len(lines)):
        for i in range(maps.shape[1]):
            m = maps[p, i]
            a, b, c = m[0, 0], m[0, 1], m[0, 2]
            d, e, f = m[1, 0], m[1, 1], m[1, 2]
            g, h, j = m[2, 0], m[2, 1], m[2, 2]
            least = 1.0
            for q in range(len(others)):
                r, s = (p, q) if by_row else (q, p)
                px = float(xs[s])
                py = float(ys[r])
                rx = px
                ry = py
                if lens != LENS_NONE:
                    rx = rays[r, s, 0]
                    ry = rays[r, s, 1]
                Z = g * rx + h * ry + j
                least = min(least, Z)
                u, v = _project_pixel(a * rx + b * ry + c, d * rx + e * ry + f, Z, lens, k, fx, fy, cx, cy)
                out[r, s, i, 0] = u - px
                out[r, s, i, 1] = v - py
            if not least > 1e-6:
                status = STATUS_BEHIND_CAMERA
    return status


@kernel(inline="always")
def _project_at_line(world_to_ray, line, V, lens, k, fx, fy, cx, cy):
    """Return where the world vector V is in the picture's line `line` (fractional), and its depth."""
    last = len(world_to_ray) - 1
    line = min(max(line, 0.0), float(last))
    low = min(int(line), max(last - 1, 0))
    high = min(low + 1, last)
    t = line - low
    X = 0.0
    Y = 0.0
    Z = 0.0
    for q in range(4):
        X += ((1.0 - t) * world_to_ray[low, 0, q] + t * world_to_ray[high, 0, q]) * V[q]
        Y += ((1.0 - t) * world_to_ray[low, 1, q] + t * world_to_ray[high, 1, q]) * V[q]
        Z += ((1.0 - t) * world_to_ray[low, 2, q] + t * world_to_ray[high, 2, q]) * V[q]
    u, v = _project_pixel(X, Y, Z, lens, k, fx, fy, cx, cy)
    return u, v, Z


@kernel
def compute_picture_paths(ray_to_world, world_to_ray, by_row, ys, xs, rays, lens, k, fx, fy, cx, cy, out):
    """Fill ``out[y, x, i] = (x, y) - z`` with z where the sharp rolling-shutter picture shows the point.

    The point is ``V = lift[p, i] @ (ray, 1)`` in the world, for the p-th of the lines that are computed.
    It is in the picture at z if it is seen there from the pose of z's own line: a fixed point in one unknown,
    the line, found by the secant method. Returns 0, BEHIND or RUNS_WITH_SHUTTER.
    """
    status = 0
    V = np.empty(4)
    for r in range(len(ys)):
        for s in range(len(xs)):
            px = float(xs[s])
            py = float(ys[r])
            rx = px
            ry = py
            if lens != LENS_NONE:
                rx = rays[r, s, 0]
                ry = rays[r, s, 1]
            own = ys[r] if by_row else xs[s]
            p = r if by_row else s
            for i in range(ray_to_world.shape[1]):
                for q in range(4):
                    V[q] = (
                        ray_to_world[p, i, q, 0] * rx
                        + ray_to_world[p, i, q, 1] * ry
                        + ray_to_world[p, i, q, 2]
                    )
                old = float(own)
                u, v, Z = _project_at_line(world_to_ray, old, V, lens, k, fx, fy, cx, cy)
                projected = v if by_row else u
                guess = projected
                old_projected = projected
                for _ in range(12):
                    u, v, Z = _project_at_line(world_to_ray, guess, V, lens, k, fx, fy, cx, cy)
                    projected = v if by_row else u
                    if Z <= 1e-6 or abs(projected - guess) < 1e-8:
                        break
                    slope = (projected - old_projected) / (guess - old)
                    if slope > 0.9:
                        status |= STATUS_OUTRUNS_SHUTTER
                        break
                    old = guess
                    old_projected = projected
                    guess = guess + (projected - guess) / (1.0 - slope)
                if not Z > 1e-6:
                    status |= STATUS_BEHIND_CAMERA
                out[r, s, i, 0] = px - u
                out[r, s, i, 1] = py - v
    return status


@kernel(fastmath={"contract"})
def interpolate_bilinear(nodes, row, row_share, column, column_share, out):
    """Fill out with bilinear values of nodes at (row + row_share, column + column_share).

    nodes: (rows, columns, m) float32. out: (h, w, m).
    """
    m = nodes.shape[2]
    line = np.empty(nodes.shape[1:], np.float32)
    for r in range(len(row)):
        a = np.float32(row_share[r])
        for j in range(nodes.shape[1]):
            for k in range(m):
                line[j, k] = nodes[row[r], j, k] + a * (nodes[row[r] + 1, j, k] - nodes[row[r], j, k])
        for s in range(len(column)):
            j = column[s]
            b = np.float32(column_share[s])
            for k in range(m):
                out[r, s, k] = line[j, k] + b * (line[j + 1, k] - line[j, k])


@kernel
def orient_paths(field, x_sign, y_sign, swap, top, bottom, out):
    """Fill out (h, w, n, 2) with the paths of a field, their signs changed, then x and y if they swap."""
    x = 1 if swap else 0
    for r in range(top, bottom):
        for c in range(out.shape[1]):
            for k in range(out.shape[2]):
                out[r, c, k, x] = x_sign * field[r, c, k, 0]
                out[r, c, k, 1 - x] = y_sign * field[r, c, k, 1]


@kernel(fastmath={"contract", "nsz", "arcp", "reassoc"})
def measure_lengths(field, top, bottom, out):
    """Fill out (h, w) with the length of each path of a field (h, w, n, 2); return the largest |x| or |y|."""
    reach = field.dtype.type(0)
    for r in range(top, bottom):
        for c in range(field.shape[1]):
            length = field.dtype.type(0)
            x = field[r, c, 0, 0]
            y = field[r, c, 0, 1]
            reach = max(reach, abs(x), abs(y))
            for k in range(1, field.shape[2]):
                u = field[r, c, k, 0]
                v = field[r, c, k, 1]
                length += np.sqrt((u - x) * (u - x) + (v - y) * (v - y))
                x = u
                y = v
                reach = max(reach, abs(x), abs(y))
            out[r, c] = length
    return reach
