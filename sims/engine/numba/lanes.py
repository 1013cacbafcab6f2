"""Lanes: LANES numbers side by side, one for each run of a block, as one value of compiled code.

Explicit lanes keep a block in registers from the matrix product through the law to the store, which LLVM does not
manage from loops over arrays. Lanes of float32 fill the same registers with twice as many numbers.

What is done to lanes is traced: a function of this module or of the law is run once, in Python, on values that write
down the instructions of each operation. It reads the same for lanes as for numbers, and no time is spent on compiling
it by itself.
"""

import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.core.codegen import get_host_cpu_features
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model
from numpy.lib.mixins import NDArrayOperatorsMixin

_ASKED = config.CPU_FEATURES  # type: ignore[attr-defined]  # NUMBA_CPU_FEATURES, for which kernels are compiled
_FEATURES = (get_host_cpu_features() if _ASKED is None else _ASKED).split(",")
WIDE = {feature[1:]: feature[:1] for feature in _FEATURES}.get("avx512f") == "+"  # the last counts
LANES = 16  # runs in a block of float64
BYTES = 64 if WIDE else 32  # of a register
PARTS = 8 * LANES // BYTES  # registers of a value
_INDEX = ir.IntType(32)
INSTRUCTIONS = {
    np.add: "fadd", np.subtract: "fsub", np.multiply: "fmul", np.divide: "fdiv", np.negative: "fneg",
}  # fmt: skip


class Lanes(types.Type):
    """The type of lanes of one kind of number."""

    def __init__(self, number: types.Float):
        self.number = number
        self.element = ir.DoubleType() if number is types.float64 else ir.FloatType()
        self.register = ir.VectorType(self.element, 8 * BYTES // number.bitwidth)
        super().__init__(name=f"Lanes of {number}")


KINDS = {number: Lanes(number) for number in (types.float64, types.float32)}


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.ArrayType(kind.register, PARTS))


def splat(builder, number, register):
    """A register of that type with the number everywhere."""
    undefined = ir.Constant(register, ir.Undefined)
    one = builder.insert_element(undefined, number, _INDEX(0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(_INDEX, register.count), None))


def split(builder, value):
    """The registers of lanes."""
    return [builder.extract_value(value, part) for part in range(PARTS)]


def join(builder, registers):
    """Lanes of registers."""
    registers = list(registers)
    value = ir.Constant(ir.ArrayType(registers[0].type, PARTS), ir.Undefined)
    for part, register in enumerate(registers):
        value = builder.insert_value(value, register, part)
    return value


class Place(NamedTuple):
    """Where instructions are written down."""

    context: Any
    builder: Any


class Value(NDArrayOperatorsMixin):
    """Lanes or a number of a traced function: its type, and its registers once there is a place for instructions.

    Python's operators call NumPy's functions of the same meaning, which come here.
    """

    def __init__(self, kind: types.Type, place: Place | None = None, registers: list | None = None):
        self.kind, self.place, self.registers = kind, place, registers or []

    def __array_ufunc__(self, function, method, *operands):
        if function is np.power:
            return _on_each(math.pow, *operands)
        if function is np.absolute:
            return _each(_absolute, *operands, 0.0)
        return _each(INSTRUCTIONS[function], *operands)


def _absolute(builder, x, zero):
    return builder.select(builder.fcmp_ordered("<", x, zero), builder.fneg(x), x)


def _each(instruction: str | Callable, *operands) -> Value:
    """The value of an instruction on each register of lanes or numbers, which it takes as the widest among them."""
    given = [x for x in operands if isinstance(x, Value)]
    kind, place = _widest(operands), given[0].place
    if place is None:
        return Value(kind)
    write = instruction if callable(instruction) else lambda builder, *parts: getattr(builder, instruction)(*parts)
    parts = zip(*(registers_of(x, kind, place) for x in operands), strict=True)
    return Value(kind, place, [write(place.builder, *part) for part in parts])


def _widest(operands) -> types.Type:
    kinds = [x.kind if isinstance(x, Value) else types.float64 for x in operands]
    lanes = [kind for kind in kinds if isinstance(kind, Lanes)]
    return lanes[0] if lanes else types.float32 if set(kinds) == {types.float32} else types.float64


def registers_of(x, kind: types.Type, place: Place) -> list:
    """The registers of a value or of a Python number, as lanes or a number of that type."""
    if isinstance(x, Value) and x.kind == kind:
        return x.registers
    lanes = isinstance(kind, Lanes)
    number = kind.number if lanes else kind
    if isinstance(x, Value):
        one = place.context.cast(place.builder, x.registers[0], x.kind, number)
    else:
        one = ir.Constant(place.context.get_value_type(number), float(x))
    return [splat(place.builder, one, kind.register)] * PARTS if lanes else [one]


def _given(kind, place: Place | None = None, code=None):
    """What a traced function is given for an argument: a value, or a tuple of them."""
    if isinstance(kind, types.BaseTuple):
        items = kind.types  # pyright: ignore[reportAttributeAccessIssue]
        codes = cgutils.unpack_tuple(place.builder, code, len(items)) if place else [None] * len(items)
        return tuple(_given(item, place, part) for item, part in zip(items, codes, strict=True))
    if place is None:
        return Value(types.unliteral(kind))
    return Value(types.unliteral(kind), place, split(place.builder, code) if isinstance(kind, Lanes) else [code])


def _kind(result):
    if isinstance(result, tuple):
        return types.BaseTuple.from_types([_kind(item) for item in result])
    return result.kind if isinstance(result, Value) else types.float64


def _code(result, kind, place: Place):
    if isinstance(result, tuple):
        items = [_code(item, kind[k], place) for k, item in enumerate(result)]
        return place.context.make_tuple(place.builder, kind, items)
    registers = registers_of(result, kind, place)
    return join(place.builder, registers) if isinstance(kind, Lanes) else registers[0]


def _trace(name: Any, function: Callable, applies: Callable[[tuple], bool], *patterns: tuple) -> None:
    """Make Numba run a function on values where ``name`` is called with arguments of the patterns."""

    class Template(AbstractTemplate):
        key = name

        def generic(self, args, kws):
            if kws or not applies(args):
                return None
            return signature(_kind(function(*map(_given, args))), *args)

    infer_global(name, types.Function(Template))

    def generate(context, builder, signature, args):
        place = Place(context, builder)
        given = (_given(kind, place, code) for kind, code in zip(signature.args, args, strict=True))
        return _code(function(*given), signature.return_type, place)

    for pattern in patterns:
        lower_builtin(name, *pattern)(generate)


def traced(function: Callable) -> Callable:
    """A function of numbers, lanes and tuples of them that kernels may call: without branches or memory."""
    _trace(function, function, lambda _: True, (types.VarArg(types.Any),))
    return function


def law(function: Callable) -> Callable:
    """A traced function of the law, called with its arguments one by one or in tuples.

    It takes as many numbers as it has arguments: those behind, such as the state behind the weights, are left.
    """
    count = function.__code__.co_argcount

    def spread(*arguments):
        numbers = [x for given in arguments for x in (given if isinstance(given, tuple) else (given,))]
        return function(*numbers[:count])

    _trace(function, spread, lambda _: True, (types.VarArg(types.Any),))
    return function


def _among_lanes(args) -> bool:
    return any(isinstance(kind, Lanes) for kind in args)


for _operator in (operator.add, operator.sub, operator.mul, operator.truediv):
    _trace(_operator, _operator, _among_lanes, (Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes))
for _operator in (operator.neg, abs):
    _trace(_operator, _operator, _among_lanes, (Lanes,))


def llvm_function(builder, name: str, kind, operands: int):
    """LLVM's function ``name`` of so many registers, or numbers, of a type."""
    wide = isinstance(kind, ir.VectorType)
    suffix = f"v{kind.count}{kind.element.intrinsic_name}" if wide else kind.intrinsic_name
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * operands), f"llvm.{name}.{suffix}"
    )


@traced
def fma(a, b, c):
    """``a b + c`` on every lane, rounded once."""
    return _each(lambda builder, *parts: builder.call(llvm_function(builder, "fma", parts[0].type, 3), parts), a, b, c)


@traced
def less(a, b):
    """1 where ``a < b``, else 0 (also where one is not a number)."""
    write = lambda builder, x, y, one, zero: builder.select(builder.fcmp_ordered("<", x, y), one, zero)  # noqa: E731
    return _each(write, a, b, 1.0, 0.0)


@traced
def larger(a, b):
    """The larger of two; a where one is not a number."""
    return _each(lambda builder, x, y: builder.select(builder.fcmp_ordered("<", x, y), y, x), a, b)


@traced
def sign(a):
    """1, -1, or a itself where it is 0 or not a number."""

    def write(builder, x, zero, above, below):
        negative = builder.select(builder.fcmp_ordered("<", x, zero), below, x)
        return builder.select(builder.fcmp_ordered("<", zero, x), above, negative)

    return _each(write, a, 0.0, 1.0, -1.0)


@traced
def minimum(a, b):
    """The smaller of two, not a number where one is none."""
    return _each(lambda builder, x, y: _chosen(builder, "<", x, y), a, b)


@traced
def maximum(a, b):
    """The larger of two, not a number where one is none."""
    return _each(lambda builder, x, y: _chosen(builder, ">", x, y), a, b)


def _chosen(builder, order: str, x, y):
    first = builder.or_(builder.fcmp_ordered(order, x, y), builder.fcmp_unordered("!=", x, x))
    return builder.select(first, x, y)


@traced
def choose(flag, a, b):
    """a where the flag is above 0, else b."""
    write = lambda builder, zero, f, x, y: builder.select(builder.fcmp_ordered("<", zero, f), x, y)  # noqa: E731
    return _each(write, 0.0, flag, a, b)


@traced
def some(a):
    """Whether a number of any lane is not 0."""
    if a.place is None:
        return Value(types.boolean)
    builder, zero = a.place.builder, ir.Constant(a.kind.register, [0.0] * a.kind.register.count)
    bits = ir.IntType(a.kind.register.count)
    found = [builder.bitcast(builder.fcmp_unordered("!=", part, zero), bits) for part in a.registers]
    return Value(types.boolean, a.place, [builder.icmp_signed("!=", reduce(builder.or_, found), bits(0))])


def _on_each(scalar: Callable, *operands) -> Any:
    """A function of numbers on each lane."""
    given = [x for x in operands if isinstance(x, Value)]
    if not given:
        return scalar(*operands)
    kind, place = _widest(operands), given[0].place
    if place is None:
        return Value(kind)
    number = kind.number if isinstance(kind, Lanes) else kind
    function = place.context.get_function(scalar, number(*[number] * len(operands)))

    def write(builder, *registers):
        if not isinstance(kind, Lanes):
            return function(builder, registers)
        result = ir.Constant(registers[0].type, ir.Undefined)
        for q in range(registers[0].type.count):
            value = function(builder, [builder.extract_element(register, _INDEX(q)) for register in registers])
            result = builder.insert_element(result, value, _INDEX(q))
        return result

    return _each(write, *operands)


def _elementwise(scalar: Callable) -> Callable:
    return traced(lambda x: _on_each(scalar, x))


# Of a number or of every lane.
exp, log, cos, log1p = map(_elementwise, (math.exp, math.log, math.cos, math.log1p))


@traced
def sqrt(x):
    """The square root of a number or of every lane, rounded to the nearest."""
    if not isinstance(x, Value):
        return math.sqrt(x)
    return _each(lambda builder, part: builder.call(llvm_function(builder, "sqrt", part.type, 1), [part]), x)


@traced
def logaddexp(x, y):
    """``log(e^x + e^y)`` of numbers or of every lane, without overflow."""
    return larger(x, y) + log1p(exp(-abs(x - y)))
