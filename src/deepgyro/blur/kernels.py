"""The compiled loop of the blur operator and of its adjoint; `operator.py` says what it computes."""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

f32, i32, i64 = np.float32, np.int32, np.int64
_INT32 = ir.IntType(32)
_PIXEL = ir.VectorType(ir.FloatType(), 4)


def _cell(context, builder, signature, args):
    """Return pointers to the four pixels of a cell, and the four weights, each spread over a vector."""
    image = context.make_array(signature.args[0])(context, builder, args[0])
    _, p, row, *weights = args
    right = builder.add(p, ir.Constant(ir.IntType(64), 4))
    pointers = [
        builder.bitcast(builder.gep(image.data, [index]), _PIXEL.as_pointer())
        for index in (p, right, builder.add(p, row), builder.add(right, row))
    ]
    undefined = ir.Constant(_PIXEL, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(_INT32, 4), [0] * 4)
    spread = [
        builder.shuffle_vector(builder.insert_element(undefined, w, ir.Constant(_INT32, 0)), undefined, zeros)
        for w in weights
    ]
    return pointers, spread


def _pointer(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _PIXEL.as_pointer())


# One pixel is four floats, one vector register. LLVM doesn't find that by itself in the loop below: as scalar
# code it runs 1.5 times as long.
@intrinsic
def _gather(typing, image, p, row, w00, w01, w10, w11, out, o):
    """``out[o:o+4] += w00 image[p:p+4] + w01 image[p+4:p+8] + w10, w11 of the row below``."""
    signature = types.void(image, p, row, w00, w01, w10, w11, out, o)

    def code(context, builder, signature, args):
        pointers, weights = _cell(context, builder, signature, args[:7])
        a, b, c, d = (
            builder.fmul(builder.load(x, align=4), w) for x, w in zip(pointers, weights, strict=True)
        )
        total = _pointer(context, builder, signature.args[7], args[7], args[8])
        # A tree, with the running total last: the loop waits for one addition, not for four.
        taps = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
        builder.store(builder.fadd(builder.load(total, align=4), taps), total, align=4)
        return context.get_dummy_value()

    return signature, code


@intrinsic
def _scatter(typing, image, p, row, w00, w01, w10, w11, out, o):
    """``image[p:p+4] += w00 out[o:o+4]``, and so on: the transpose of `_gather`."""
    signature = types.void(image, p, row, w00, w01, w10, w11, out, o)

    def code(context, builder, signature, args):
        pointers, weights = _cell(context, builder, signature, args[:7])
        value = builder.load(_pointer(context, builder, signature.args[7], args[7], args[8]), align=4)
        for x, w in zip(pointers, weights, strict=True):
            builder.store(builder.fadd(builder.load(x, align=4), builder.fmul(value, w)), x, align=4)
        return context.get_dummy_value()

    return signature, code


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "nnan"})
def walk(field, image, row, first, pixels, transpose):
    """Gather pixels from image along each pixel's path, or, transposed, scatter them to it.

    Each straight piece of a path is cut where it crosses from one cell of four pixel centres to the next.
    Inside a cell the bilinear interpolant is a product of linear functions of the time, so the mean over the
    piece is exact: with means u, v and changes du, dv over the piece, mean(u v) = u v + du dv / 12.

    Parameters
    ----------
    field: (h, w, n, 2) float32 px. image: flat, four floats a pixel, with a margin that holds every path.
    row: floats a row of image. first: index in image of the field's pixel (0, 0). pixels: flat (h, w, 4).
    """
    h, w, n = field.shape[:3]
    one, half, zero, never = f32(1), f32(0.5), f32(0), f32(1e30)
    for r in range(h):
        for c in range(w):
            o = i64(4) * (r * w + c)
            p0 = first + r * row + i64(4) * c
            still = True
            for k in range(n):
                still &= field[r, c, k, 0] == zero and field[r, c, k, 1] == zero
            share = one if still else one / f32(n - 1)
            x1 = -field[r, c, 0, 0]
            y1 = -field[r, c, 0, 1]
            for k in range(1, 2 if still else n):
                x0, y0 = x1, y1
                x1 = -field[r, c, k, 0]
                y1 = -field[r, c, k, 1]
                dx = x1 - x0
                dy = y1 - y0
                left = np.floor(x0)
                top = np.floor(y0)
                u = x0 - left
                v = y0 - top
                ix = i64(left)
                iy = i64(top)
                pieces = 1 + abs(i64(np.floor(x1)) - ix) + abs(i64(np.floor(y1)) - iy)
                # times (0 to 1) of the next crossing in x and in y, and from one crossing to the next
                per_x = one / abs(dx) if dx != zero else never
                per_y = one / abs(dy) if dy != zero else never
                next_x = ((one - u) if dx > zero else u) * per_x if dx != zero else never
                next_y = ((one - v) if dy > zero else v) * per_y if dy != zero else never
                step_u = one if dx > zero else -one
                step_v = one if dy > zero else -one
                step_x = i64(4) if dx > zero else i64(-4)
                step_y = row if dy > zero else -row
                twelfth = dx * dy * f32(1 / 12)
                p = p0 + iy * row + i64(4) * ix
                t = zero
                for piece in range(pieces, 0, -1):
                    along_x = next_x < next_y
                    end = min(next_x if along_x else next_y, one) if piece > 1 else one
                    dt = end - t
                    tm = half * (end + t)
                    um = u + dx * tm
                    vm = v + dy * tm
                    weight = dt * share
                    w11 = (um * vm + twelfth * dt * dt) * weight
                    w01 = um * weight - w11
                    w10 = vm * weight - w11
                    w00 = weight - w11 - w01 - w10
                    if transpose:
                        _scatter(image, p, row, w00, w01, w10, w11, pixels, o)
                    else:
                        _gather(image, p, row, w00, w01, w10, w11, pixels, o)
                    t = end
                    next_x += per_x if along_x else zero
                    next_y += zero if along_x else per_y
                    u -= step_u if along_x else zero
                    v -= zero if along_x else step_v
                    p += step_x if along_x else step_y
