"""Instructions on 16 numbers at once, one for each of 16 neighbouring pixels, for loops in `kernels.py`.

LLVM does not find them by itself there: as scalar code the loop takes several times as long.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16
"""Neighbouring pixels of a row that are computed together."""
LINE = 8
"""Rows of `LANES` numbers that describe a straight piece: see `start_piece`."""
STEEP = 0.998
"""A piece may be walked along the axis it runs along at least so much as along the other."""

_INT, _FLOAT = ir.IntType(64), ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)


class LanesType(types.Type):
    """`LANES` floats in registers."""

    def __init__(self):
        super().__init__(name=f"float32x{LANES}")


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _VECTOR)


lanes_type = LanesType()


class _Lanes:
    """`LANES` floats; the arithmetic emits instructions."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def _other(self, other):
        return other if isinstance(other, _Lanes) else _constant(self.builder, other)

    def _emit(self, name, other):
        emit = getattr(self.builder, name)
        return _Lanes(self.builder, emit(self.value, self._other(other).value, flags=("contract",)))

    def __add__(self, other):
        return self._emit("fadd", other)

    def __sub__(self, other):
        return self._emit("fsub", other)

    def __mul__(self, other):
        return self._emit("fmul", other)

    def __truediv__(self, other):
        return self._emit("fdiv", other)

    __rmul__ = __mul__

    def __neg__(self):
        return self * -1.0

    def compare(self, comparison, other):
        return self.builder.fcmp_ordered(comparison, self.value, self._other(other).value)

    def where(self, condition, other):
        """Return these lanes where the condition holds, and the other's where not."""
        chosen = self.builder.select(condition, self.value, self._other(other).value)
        return _Lanes(self.builder, chosen)

    def min(self, other):
        return self.where(self.compare("<", other), other)

    def max(self, other):
        return self.where(self.compare(">", other), other)

    def _call(self, name, result, *arguments):
        kind = ir.FunctionType(result, [x.type for x in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{LANES}f32")
        return self.builder.call(function, arguments, fastmath=("nnan", "nsz"))

    def floor(self):
        return _Lanes(self.builder, self._call("floor", _VECTOR, self.value))

    def abs(self):
        return _Lanes(self.builder, self._call("fabs", _VECTOR, self.value))

    def least(self):
        return self._call("vector.reduce.fmin", _FLOAT, self.value)

    def most(self):
        return self._call("vector.reduce.fmax", _FLOAT, self.value)


def _constant(builder, value):
    return _Lanes(builder, ir.Constant(_VECTOR, [float(value)] * LANES))


def _spread(builder, scalar):
    """Return lanes that all hold the scalar."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return _Lanes(builder, builder.shuffle_vector(one, undefined, first))


def _any(builder, condition):
    """Return whether the condition holds in any lane."""
    bits = builder.bitcast(condition, ir.IntType(LANES))
    return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(LANES), 0))


def _pointer(context, builder, signature, args, k, index):
    """Return where the lanes of array argument k from an index on are."""
    data = context.make_array(signature.args[k])(context, builder, args[k]).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _load(context, builder, signature, args, k, index):
    pointer = _pointer(context, builder, signature, args, k, index)
    return _Lanes(builder, builder.load(pointer, align=4))


def _row(k):
    return ir.Constant(_INT, k * LANES)


@intrinsic
def zeros(typing):
    """Return lanes of zeros."""
    return lanes_type(), lambda context, builder, signature, args: ir.Constant(_VECTOR, [0.0] * LANES)


@intrinsic
def broadcast(typing, scalar):
    """Return lanes that all hold the scalar."""

    def code(context, builder, signature, args):
        return _spread(builder, args[0]).value

    return lanes_type(types.float32), code


@intrinsic
def load(typing, array, p):
    """Return ``array[p : p + LANES]``."""

    def code(context, builder, signature, args):
        return _load(context, builder, signature, args, 0, args[1]).value

    return lanes_type(array, p), code


@intrinsic
def store(typing, array, p, value):
    """``array[p : p + LANES] = value``."""

    def code(context, builder, signature, args):
        pointer = _pointer(context, builder, signature, args, 0, args[1])
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, p, value), code


@intrinsic
def gather(typing, total, image, p, weights):
    """Return total plus the pixels from p on, each times its lane's weight."""

    def code(context, builder, signature, args):
        pixels = _load(context, builder, signature, args, 1, args[2])
        return (_Lanes(builder, args[0]) + pixels * _Lanes(builder, args[3])).value

    return lanes_type(total, image, p, weights), code


@intrinsic
def scatter(typing, image, p, pixels, weights):
    """Add the lanes, times their weights, to the pixels from p on: the transpose of `gather`."""

    def code(context, builder, signature, args):
        pointer = _pointer(context, builder, signature, args, 0, args[1])
        there = _Lanes(builder, builder.load(pointer, align=4))
        builder.store((there + _Lanes(builder, args[2]) * _Lanes(builder, args[3])).value, pointer, align=4)
        return context.get_dummy_value()

    return types.void(image, p, pixels, weights), code


@intrinsic
def extremes(typing, array, p):
    """Return the least and the greatest of ``array[p : p + LANES]``."""

    def code(context, builder, signature, args):
        lanes = _load(context, builder, signature, args, 0, args[1])
        return context.make_tuple(builder, signature.return_type, [lanes.least(), lanes.most()])

    return types.UniTuple(types.float32, 2)(array, p), code


@intrinsic
def leaning(typing, x, y, start, end):
    """Return whether some pieces run along y beyond `STEEP`, and whether some run so along x."""

    def code(context, builder, signature, args):
        dx, dy = (
            (
                _load(context, builder, signature, args, k, args[3])
                - _load(context, builder, signature, args, k, args[2])
            ).abs()
            for k in (0, 1)
        )
        along_y, along_x = (STEEP * dy).compare(">", dx), (STEEP * dx).compare(">", dy)
        return context.make_tuple(
            builder, signature.return_type, [_any(builder, along_y), _any(builder, along_x)]
        )

    return types.UniTuple(types.boolean, 2)(x, y, start, end), code


@intrinsic
def start_piece(typing, line, active, major, minor, start, end, share, which):
    """Describe straight pieces, one a lane, that are walked along their major axis.

    Parameters
    ----------
    line: filled with `LINE` rows of lanes: m0, m1 (where a piece begins and ends along the major axis, m0 <
    m1), s0 (where it begins along the minor), slope, inverse of the slope's size, the slope's sign, density
    (weight per length along the major axis; 0 for lanes that take no part), m1 - m0. active: 1 or 0 a lane.
    major, minor, start, end: a lane goes from (major[start], minor[start]) to (major[end], minor[end]).
    share: the weight of a whole piece. which: 0: all lanes; 1: those that run along major at least as much
    as along minor; 2: those that run along major more.

    """

    def code(context, builder, signature, args):
        def lanes(k, index):
            return _load(context, builder, signature, args, k, index)

        a0, a1, b0, b1 = lanes(2, args[4]), lanes(2, args[5]), lanes(3, args[4]), lanes(3, args[5])
        part = lanes(1, _row(0)).compare(">", 0.0)
        da, db = (a1 - a0).abs(), (b1 - b0).abs()
        choice = _spread(builder, args[7])
        wanted = builder.or_(choice.compare("<", 0.5), da.compare(">", db))
        tie = builder.and_(choice.compare("<", 1.5), da.compare("==", db))
        part = builder.and_(part, builder.or_(wanted, tie))
        turned = a1.compare("<", a0)
        m0, m1, s0, s1 = a0.min(a1), a0.max(a1), b1.where(turned, b0), b0.where(turned, b1)
        # A pause becomes a piece of 0.001 px, so that nothing is divided by 0.
        pause = (m1 - m0).compare("<", 1e-4)
        m0 = (m0 - 5e-4).where(pause, m0)
        m1 = (m0 + 1e-3).where(pause, m1)
        s1 = s0.where(pause, s1)
        inverse = _constant(builder, 1.0) / (m1 - m0)
        slope = (s1 - s0) * inverse
        size = slope.abs()
        sign = _constant(builder, 1.0).where(slope.compare(">=", 0.0), -1.0)
        zero = _constant(builder, 0.0)
        density = (_spread(builder, args[6]) * inverse).where(part, zero)
        rows = (m0, m1, s0, slope, _constant(builder, 1.0) / size.max(1e-12), sign, density, m1 - m0)
        for k, row in enumerate(rows):
            pointer = _pointer(context, builder, signature, args, 0, _row(k))
            builder.store(row.value, pointer, align=4)
        return context.get_dummy_value()

    return types.void(line, active, major, minor, start, end, share, which), code


@intrinsic
def column_weights(typing, line, column):
    """Compute the weights of one column of pixel cells that straight pieces cross, one a lane.

    The piece rises by its slope (at most 1 either way) from (m0, s0) on while m goes on to m1. The column
    holds m from `column` to `column` + 1, and the piece's parts in up to two of its cells, rows j and j + 1.
    In a cell the bilinear interpolant is a product of linear functions of m, so its integral over a part of
    length q, with mean position (f, v) in the cell, has weights f v + slope q^2 / 12 and so on, exactly.

    Returns
    -------
    level: whether all lanes that cross the column do so from one row j on, and there is one. first: that row.
    two: whether some lane crosses row j + 1 too. Then lanes: the weights of pixels (i, j), (i + 1, j),
    (i, j + 1), (i + 1, j + 1), (i, j + 2), (i + 1, j + 2), 0 if the lane does not cross the column; the first
    row of cells that it crosses, or 1e9; the last one, or -1e9.
    """

    def code(context, builder, signature, args):
        m0, m1, s0, slope, inverse_slope, sign, density, whole = (
            _load(context, builder, signature, args, 0, _row(k)) for k in range(LINE)
        )
        edge = _spread(builder, args[1])
        size = sign * slope
        start, end = (m0 - edge).max(0.0), (m1 - edge).min(1.0)
        # Not end - start: of a piece of 0.0001 px that loses a thousandth.
        length = (whole - (edge - m0).max(0.0) - (m1 - (edge + 1.0)).max(0.0)).max(0.0)
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
        crosses, second = w1.max(w2).compare(">", 0.0), w2.compare(">", 0.0)
        first = builder.extract_element(row.value, ir.Constant(ir.IntType(32), 0))
        other = _any(builder, builder.and_(crosses, row.compare("!=", _spread(builder, first))))
        level = builder.and_(_any(builder, crosses), builder.not_(other))
        after = (row + 1.0).where(second, row.where(crosses, -1e9))
        lanes = (value.value for value in (*values, row.where(crosses, 1e9), after))
        results = [level, first, _any(builder, second), *lanes]
        return context.make_tuple(builder, signature.return_type, results)

    kinds = [types.boolean, types.float32, types.boolean] + [lanes_type] * 8
    return types.Tuple(kinds)(line, column), code


@intrinsic
def row_weights(typing, first, second, third, rows, row):
    """Return each lane's weight of the pixel in an absolute row: those of its rows, rows + 1 and rows + 2."""

    def code(context, builder, signature, args):
        distance = _spread(builder, args[4]) - _Lanes(builder, args[3])
        result = _constant(builder, 0.0)
        for k in range(3):
            result = _Lanes(builder, args[k]).where(distance.compare("==", float(k)), result)
        return result.value

    return lanes_type(first, second, third, rows, row), code


@intrinsic
def place(typing, ends, first, last, share, lowest, highest, fall):
    """Return where pixels' paths are at a share of them, -1/2 the first point, 1/2 the last.

    That is ``(1/2 - share) * ends[first : first + LANES] + (1/2 + share) * ends[last : last + LANES]``, held
    between `lowest` and `highest`. Both bounds fall by `fall` from each lane to the next.
    """

    def code(context, builder, signature, args):
        number = _Lanes(builder, ir.Constant(_VECTOR, [float(k) for k in range(LANES)]))
        fallen = _spread(builder, args[6]) * number
        low, high = _spread(builder, args[4]) - fallen, _spread(builder, args[5]) - fallen
        start = _load(context, builder, signature, args, 0, args[1])
        end = _load(context, builder, signature, args, 0, args[2])
        half, share = _constant(builder, 0.5), _spread(builder, args[3])
        moved = (half - share) * start + (half + share) * end
        return moved.max(low).min(high).value

    return lanes_type(ends, first, last, share, lowest, highest, fall), code


@intrinsic
def bounds(typing, lanes):
    """Return the least and the greatest of lanes."""

    def code(context, builder, signature, args):
        value = _Lanes(builder, args[0])
        return context.make_tuple(builder, signature.return_type, [value.least(), value.most()])

    return types.UniTuple(types.float32, 2)(lanes), code


@intrinsic
def alike(typing, lanes):
    """Return whether all lanes have the same whole part, and the first lane's."""

    def code(context, builder, signature, args):
        whole = _Lanes(builder, args[0]).floor()
        first = builder.extract_element(whole.value, ir.Constant(ir.IntType(32), 0))
        other = _any(builder, whole.compare("!=", _spread(builder, first)))
        return context.make_tuple(builder, signature.return_type, [builder.not_(other), first])

    return types.Tuple([types.boolean, types.float32])(lanes), code


@intrinsic
def tent(typing, lanes, centre, height):
    """Return ``height * max(0, 1 - |lanes - centre|)``: the weight of a pixel in bilinear interpolation."""

    def code(context, builder, signature, args):
        distance = (_Lanes(builder, args[0]) - _spread(builder, args[1])).abs()
        inside = (_constant(builder, 1.0) - distance).max(0.0)
        return (inside * _spread(builder, args[2])).value

    return lanes_type(lanes, centre, height), code


@intrinsic
def times(typing, a, b):
    """Return the product of lanes."""

    def code(context, builder, signature, args):
        return (_Lanes(builder, args[0]) * _Lanes(builder, args[1])).value

    return lanes_type(a, b), code
