"""Instructions on several numbers at once, for the loop in `kernels.py`.

LLVM does not find them by itself there: as scalar code the loop takes twice as long.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

COLUMNS = 16
"""Columns of pixel cells whose weights are computed at once."""
TAPS = 6
"""Weights a column: two columns of pixels by three rows (or two rows by three columns)."""

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_PIXEL = ir.VectorType(ir.FloatType(), 4)
_LANES = ir.VectorType(ir.FloatType(), COLUMNS)


class PixelType(types.Type):
    """Four floats in one register: a pixel."""

    def __init__(self):
        super().__init__(name="float32x4")


@register_model(PixelType)
class _PixelModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _PIXEL)


pixel_type = PixelType()


def _data(context, builder, array_type, array):
    return context.make_array(array_type)(context, builder, array).data


def _pixel_at(builder, data, index):
    return builder.bitcast(builder.gep(data, [index]), _PIXEL.as_pointer())


def _spread(builder, value, vector):
    """Return a vector whose every lane is the value."""
    undefined = ir.Constant(vector, ir.Undefined)
    lanes = ir.Constant(ir.VectorType(_INT32, vector.count), [0] * vector.count)
    one = builder.insert_element(undefined, value, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(one, undefined, lanes)


@intrinsic
def zero_pixel(typing):
    """Return a pixel of zeros."""
    return pixel_type(), lambda context, builder, signature, args: ir.Constant(_PIXEL, [0.0] * 4)


@intrinsic
def load_pixel(typing, image, p):
    """Return ``image[p : p + 4]``."""

    def code(context, builder, signature, args):
        data = _data(context, builder, signature.args[0], args[0])
        return builder.load(_pixel_at(builder, data, args[1]), align=4)

    return pixel_type(image, p), code


@intrinsic
def store_pixel(typing, image, p, pixel):
    """``image[p : p + 4] = pixel``."""

    def code(context, builder, signature, args):
        data = _data(context, builder, signature.args[0], args[0])
        builder.store(args[2], _pixel_at(builder, data, args[1]), align=4)
        return context.get_dummy_value()

    return types.void(image, p, pixel), code


def _taps(context, builder, signature, args):
    """Return the six pixels' pointers and their weights, each spread over a pixel."""
    image, p, major, minor, weights, column = args[:6]
    data = _data(context, builder, signature.args[0], image)
    table = _data(context, builder, signature.args[4], weights)
    next_p = builder.add(p, major)
    pointers, spread = [], []
    for k in range(TAPS):
        pointers.append(_pixel_at(builder, data, next_p if k % 2 else p))
        if k % 2:
            p, next_p = builder.add(p, minor), builder.add(next_p, minor)
        at = builder.add(column, ir.Constant(_INT64, k * COLUMNS))
        spread.append(_spread(builder, builder.load(builder.gep(table, [at])), _PIXEL))
    return pointers, spread


@intrinsic
def gather(typing, image, p, major, minor, weights, column, total):
    """Return total plus the six weighted pixels from p on, steps `major` and `minor` apart."""

    def code(context, builder, signature, args):
        pointers, spread = _taps(context, builder, signature, args)
        terms = [builder.fmul(builder.load(x, align=4), w) for x, w in zip(pointers, spread, strict=True)]
        # Two short sums, and the running total last: the loop waits for one addition, not for six.
        a = builder.fadd(builder.fadd(terms[0], terms[1]), terms[2])
        b = builder.fadd(builder.fadd(terms[3], terms[4]), terms[5])
        return builder.fadd(args[6], builder.fadd(a, b))

    return pixel_type(image, p, major, minor, weights, column, total), code


@intrinsic
def scatter(typing, image, p, major, minor, weights, column, pixel):
    """Add the pixel, six times weighted, to the pixels from p on: the transpose of `gather`."""

    def code(context, builder, signature, args):
        for x, w in zip(*_taps(context, builder, signature, args), strict=True):
            builder.store(builder.fadd(builder.load(x, align=4), builder.fmul(args[6], w)), x, align=4)
        return context.get_dummy_value()

    return types.void(image, p, major, minor, weights, column, pixel), code


class _Lanes:
    """A number for each column; its arithmetic emits instructions."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def _emit(self, name, other):
        if not isinstance(other, _Lanes):
            other = _Lanes(self.builder, ir.Constant(_LANES, [float(other)] * COLUMNS))
        emit = getattr(self.builder, name)
        return _Lanes(self.builder, emit(self.value, other.value, flags=("contract",)))

    def __add__(self, other):
        return self._emit("fadd", other)

    def __sub__(self, other):
        return self._emit("fsub", other)

    def __mul__(self, other):
        return self._emit("fmul", other)

    __rmul__ = __mul__

    def _pick(self, comparison, other):
        if not isinstance(other, _Lanes):
            other = _Lanes(self.builder, ir.Constant(_LANES, [float(other)] * COLUMNS))
        mine = self.builder.fcmp_ordered(comparison, self.value, other.value)
        return _Lanes(self.builder, self.builder.select(mine, self.value, other.value))

    def min(self, other):
        return self._pick("<", other)

    def max(self, other):
        return self._pick(">", other)

    def floor(self):
        kind = ir.FunctionType(_LANES, [_LANES])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.floor.v{COLUMNS}f32")
        return _Lanes(self.builder, self.builder.call(function, [self.value]))


@intrinsic
def column_weights(typing, weights, rows, column, m0, m1, s0, slope, inverse_slope, sign, density):
    """Compute the weights of `COLUMNS` columns of pixel cells that a straight line crosses.

    The line goes from (m0, s0) on, s rising by `slope` (at most 1 either way, `sign` its sign,
    `inverse_slope` the inverse of its size) while m rises to m1; `density` is its weight per length in m.
    Column i holds m from i to i + 1, its line parts up to two cells, rows j and j + 1. In a cell the
    bilinear interpolant is a product of linear functions of m, so its integral over a part of length q, with
    mean position (f, v) in the cell, has weights f v + slope q^2 / 12 and so on, exactly.

    weights[k] becomes the weight of pixel (i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1), (i, j + 2),
    (i + 1, j + 2) for k = 0 to 5; rows becomes j. Columns past the line's ends get weights of 0.
    """

    def code(context, builder, signature, args):
        column, m0, m1, s0, slope, inverse_slope, sign, density = (
            _Lanes(builder, _spread(builder, value, _LANES)) for value in args[2:]
        )
        edge = column + _Lanes(builder, ir.Constant(_LANES, [float(k) for k in range(COLUMNS)]))
        size = sign * slope
        start, end = (m0 - edge).max(0.0), (m1 - edge).min(1.0)
        length = (end - start).max(0.0)
        middle = 0.5 * (start + end)
        low = s0 + slope * (middle + edge - m0) - 0.5 * size * length
        row = low.floor()
        low = low - row
        high = low + size * length
        beyond = (high - 1.0).max(0.0)  # of row j: the part in row j + 1
        q2 = (beyond * inverse_slope).min(length)
        q1 = length - q2
        v1, v2 = 0.5 * (low + high.min(1.0)), 0.5 * beyond
        f1, f2 = middle - 0.5 * sign * q2, middle + 0.5 * sign * q1
        w1, w2 = q1 * density, q2 * density
        fw1, vw1, fw2, vw2 = f1 * w1, v1 * w1, f2 * w2, v2 * w2
        twelfth = (1 / 12) * slope
        fvw1 = f1 * vw1 + q1 * q1 * twelfth * w1
        fvw2 = f2 * vw2 + q2 * q2 * twelfth * w2
        values = (
            w1 - fw1 - vw1 + fvw1,
            fw1 - fvw1,
            vw1 - fvw1 + w2 - fw2 - vw2 + fvw2,
            fvw1 + fw2 - fvw2,
            vw2 - fvw2,
            fvw2,
        )
        table = builder.bitcast(_data(context, builder, signature.args[0], args[0]), _LANES.as_pointer())
        for k, value in enumerate(values):
            builder.store(value.value, builder.gep(table, [ir.Constant(_INT32, k)]), align=4)
        integers = ir.VectorType(_INT32, COLUMNS)
        out = builder.bitcast(_data(context, builder, signature.args[1], args[1]), integers.as_pointer())
        builder.store(builder.fptosi(row.value, integers), out, align=4)
        return context.get_dummy_value()

    signature = types.void(weights, rows, column, m0, m1, s0, slope, inverse_slope, sign, density)
    return signature, code
