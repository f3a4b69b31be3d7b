"""Sixteen float32 in one register of the processor, as a Numba type.

`+ - * /`, comparisons, `np.minimum`, `np.where` and so on work on it as they do on an array of sixteen, so a
formula in `kernels.py` runs on either. Scalar code takes several times as long: LLVM does not vectorise these
loops by itself.
"""

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, lower_cast, models, register_model

from .border import LANES

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_VECTOR, _BITS = ir.VectorType(_FLOAT, LANES), ir.VectorType(ir.IntType(1), LANES)


class VectorType(types.Type):
    """`LANES` floats."""


class MaskType(types.Type):
    """`LANES` truth values: what a comparison of vectors gives."""


vector, mask = VectorType(f"float32x{LANES}"), MaskType(f"boolx{LANES}")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _VECTOR)


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _BITS)


@lower_cast(types.Integer, VectorType)
@lower_cast(types.Float, VectorType)
def _fill(context, builder, kind, _, number):
    """Put a number into every lane."""
    number = context.cast(builder, number, types.unliteral(kind), types.float32)
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(_INT, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES))


def load(array, p):
    """Return ``array[p : p + LANES]`` of a flat array."""
    return array[p : p + LANES].copy()


def store(array, p, values):
    """Set ``array[p : p + LANES]`` of a flat array."""
    array[p : p + LANES] = values


def broadcast(number):
    """Return a vector that holds a number in every lane."""
    return np.full(LANES, number, np.float32)


def ramp():
    """Return 0, 1, 2, ..."""
    return np.arange(LANES, dtype=np.float32)


def first(values):
    """Return what the first lane holds."""
    return values[0]


def _define(function, arguments, result, emit):
    """Let a function take vectors: `emit` writes LLVM's instructions for it. Numbers count in every lane."""

    @infer_global(function)
    class Template(AbstractTemplate):
        def generic(self, given, _):
            if len(given) != len(arguments) or not any(isinstance(g, (VectorType, MaskType)) for g in given):
                return None
            for g, wanted in zip(given, arguments, strict=True):
                if g != wanted and not (wanted is vector and isinstance(g, types.Integer | types.Float)):
                    return None
            return signature(result, *arguments)

    lower_builtin(function, *arguments)(lambda context, builder, _, values: emit(builder, *values))


def _define_own(function, result, *arguments):
    """As `_define`, for a function of this module: a decorator of what writes the instructions.

    Its first argument is an array of float32 where `arguments` says `types.Array`.
    """

    @infer_global(function)
    class Template(AbstractTemplate):
        def generic(self, given, _):
            array = given[:1] if types.Array in arguments else ()
            if len(given) != len(arguments) or any(getattr(g, "dtype", None) != types.float32 for g in array):
                return None
            return signature(result, *array, *arguments[len(array) :])

    return lower_builtin(function, *arguments)


def _arithmetic(name):
    return lambda builder, a, b: getattr(builder, name)(a, b, flags=("contract",))


def _comparison(sign):
    return lambda builder, a, b: builder.fcmp_ordered(sign, a, b)


def _choice(sign):
    return lambda builder, a, b: builder.select(builder.fcmp_ordered(sign, a, b), a, b)


def _call(name, result=_VECTOR):
    """Call one of LLVM's intrinsic functions of a vector."""

    def emit(builder, value):
        kind = ir.FunctionType(result, [_VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f32")
        return builder.call(function, [value], fastmath=("nnan", "nsz"))

    return emit


def _any(builder, value):
    bits = builder.bitcast(value, ir.IntType(LANES))
    return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(LANES), 0))


for _name, _emit in (("add", "fadd"), ("sub", "fsub"), ("mul", "fmul"), ("truediv", "fdiv")):
    _define(getattr(operator, _name), [vector, vector], vector, _arithmetic(_emit))
for _name, _sign in (("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("eq", "=="), ("ne", "!=")):
    _define(getattr(operator, _name), [vector, vector], mask, _comparison(_sign))
_define(operator.and_, [mask, mask], mask, lambda builder, a, b: builder.and_(a, b))
_define(np.minimum, [vector, vector], vector, _choice("<"))
_define(np.maximum, [vector, vector], vector, _choice(">"))
_define(np.where, [mask, vector, vector], vector, lambda builder, m, a, b: builder.select(m, a, b))
_define(np.floor, [vector], vector, _call("floor"))
_define(np.abs, [vector], vector, _call("fabs"))
_define(np.min, [vector], types.float32, _call("vector.reduce.fmin", _FLOAT))
_define(np.max, [vector], types.float32, _call("vector.reduce.fmax", _FLOAT))
_define(np.any, [mask], types.boolean, _any)
_define(first, [vector], types.float32, lambda b, value: b.extract_element(value, ir.Constant(_INT, 0)))


def _pointer(context, builder, kind, array, index):
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@_define_own(load, vector, types.Array, types.int64)
def _load(context, builder, signature, args):
    return builder.load(_pointer(context, builder, signature.args[0], *args), align=4)


@_define_own(store, types.void, types.Array, types.int64, vector)
def _store(context, builder, signature, args):
    builder.store(args[2], _pointer(context, builder, signature.args[0], *args[:2]), align=4)
    return context.get_dummy_value()


@_define_own(broadcast, vector, vector)
def _broadcast(context, builder, signature, args):
    return args[0]


@_define_own(ramp, vector)
def _ramp(context, builder, signature, args):
    return ir.Constant(_VECTOR, [float(k) for k in range(LANES)])
