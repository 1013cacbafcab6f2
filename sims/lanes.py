"""Lanes: LANES numbers side by side, one for each run of a block, as one value of compiled code.

The generated law reads the same for lanes as for numbers. Explicit lanes keep a block in registers from
the matrix product through the law to the store, which LLVM does not manage from loops over arrays.
"""

import math
import operator

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, overload, register_model

WIDE = llvm.get_host_cpu_features().get("avx512f", False)
LANES = 16  # runs in a block
WIDTH = 8 if WIDE else 4  # numbers in a register
PARTS = LANES // WIDTH
NUMBER = ir.DoubleType()
REGISTER = ir.VectorType(NUMBER, WIDTH)
_INDEX = ir.IntType(32)


class _LanesType(types.Type):
    def __init__(self):
        super().__init__(name=f"Lanes{LANES}")


lanes = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.ArrayType(REGISTER, PARTS))


def splat(builder, number):
    """A register with the number everywhere."""
    undefined = ir.Constant(REGISTER, ir.Undefined)
    one = builder.insert_element(undefined, number, _INDEX(0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(_INDEX, WIDTH), [0] * WIDTH))


def split(builder, value):
    """The registers of lanes."""
    return [builder.extract_value(value, part) for part in range(PARTS)]


def join(builder, registers):
    """Lanes of registers."""
    value = ir.Constant(ir.ArrayType(REGISTER, PARTS), ir.Undefined)
    for part, register in enumerate(registers):
        value = builder.insert_value(value, register, part)
    return value


def _registers(builder, x, kind):
    return split(builder, x) if kind is lanes else [splat(builder, x)] * PARTS


def _parts(builder, kinds, args):
    """The registers of several lanes or numbers, a tuple for each part."""
    return zip(*(_registers(builder, x, kind) for x, kind in zip(args, kinds.args, strict=True)), strict=True)


def fma_of_registers(builder):
    """LLVM's ``a b + c`` of three registers, rounded once."""
    kind = ir.FunctionType(REGISTER, [REGISTER] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{WIDTH}f64")


def _define(symbol, instruction: str) -> None:
    pairs = [(lanes, lanes), (lanes, types.float64), (types.float64, lanes)]

    @infer_global(symbol)  # pyright: ignore[reportOptionalCall]
    class Operator(ConcreteTemplate):
        cases = [signature(lanes, a, b) for a, b in pairs]

    def generate(_context, builder, kinds, args):
        return join(builder, (getattr(builder, instruction)(x, y) for x, y in _parts(builder, kinds, args)))

    for pair in pairs:
        lower_builtin(symbol, *pair)(generate)


for _symbol, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _define(_symbol, _instruction)


@infer_global(operator.neg)  # pyright: ignore[reportOptionalCall]
class _Negative(ConcreteTemplate):
    cases = [signature(lanes, lanes)]


@lower_builtin(operator.neg, lanes)
def _negative(_context, builder, _signature, args):
    return join(builder, (builder.fneg(x) for x in split(builder, args[0])))


@intrinsic
def fma(_context, a, b, c):
    """``a b + c`` for a number a, rounded once."""

    def generate(_context, builder, kinds, args):
        function = fma_of_registers(builder)
        return join(builder, (builder.call(function, part) for part in _parts(builder, kinds, args)))

    return lanes(a, b, c), generate


@intrinsic
def less(_context, a, b):
    """1 where ``a < b``, else 0 (also where one is not a number)."""

    def generate(_context, builder, kinds, args):
        pairs = _parts(builder, kinds, args)
        return join(builder, (builder.uitofp(builder.fcmp_ordered("<", x, y), REGISTER) for x, y in pairs))

    return lanes(a, b), generate


@intrinsic
def larger(_context, a, b):
    """The larger of two; a where one is not a number."""

    def generate(_context, builder, kinds, args):
        pairs = _parts(builder, kinds, args)
        return join(builder, (builder.select(builder.fcmp_ordered("<", x, y), y, x) for x, y in pairs))

    return lanes(a, b), generate


@intrinsic
def size(_context, a):
    """``|a|``."""

    def generate(_context, builder, _signature, args):
        zero = splat(builder, NUMBER(0.0))
        pairs = ((x, builder.fneg(x)) for x in split(builder, args[0]))
        return join(builder, (builder.select(builder.fcmp_ordered("<", x, zero), y, x) for x, y in pairs))

    return lanes(a), generate


@intrinsic
def total(_context, a):
    """The sum over the lanes."""

    def generate(_context, builder, _signature, args):
        registers = split(builder, args[0])
        while len(registers) > 1:
            registers = [builder.fadd(x, y) for x, y in zip(registers[::2], registers[1::2], strict=True)]
        numbers = [builder.extract_element(registers[0], _INDEX(q)) for q in range(WIDTH)]
        while len(numbers) > 1:
            numbers = [builder.fadd(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        return numbers[0]

    return types.float64(a), generate


def exp(x):
    """``e^x`` of a number or of every lane."""


def sqrt(x):
    """Square root of a number or of every lane."""


def log(x):
    """Natural logarithm of a number or of every lane."""


def cos(x):
    """Cosine of a number or of every lane."""


def log1p(x):
    """``log(1 + x)`` of a number or of every lane."""


def _elementwise(stub, scalar) -> None:
    @intrinsic
    def each_lane(_context, x):
        def generate(context, builder, _signature, args):
            function = context.get_function(scalar, types.float64(types.float64))

            def apply(register):
                result = ir.Constant(REGISTER, ir.Undefined)
                for q in range(WIDTH):
                    value = function(builder, [builder.extract_element(register, _INDEX(q))])
                    result = builder.insert_element(result, value, _INDEX(q))
                return result

            return join(builder, [apply(register) for register in split(builder, args[0])])

        return lanes(lanes), generate

    @overload(stub)
    def _(x):
        return (lambda x: each_lane(x)) if x is lanes else (lambda x: scalar(x))  # pyright: ignore[reportCallIssue]


for _stub, _scalar in ((exp, math.exp), (sqrt, math.sqrt), (log, math.log), (cos, math.cos), (log1p, math.log1p)):
    _elementwise(_stub, _scalar)


def row_pointer(context, builder, kind, array, row):
    """Address of a row of a two-dimensional C-contiguous array of float64, as an integer."""
    view = context.make_array(kind)(context, builder, array)
    stride = cgutils.unpack_tuple(builder, view.strides, 2)[0]
    return builder.add(builder.ptrtoint(view.data, row.type), builder.mul(row, stride))


def register_pointer(builder, row, part: int):
    """Pointer to a register's worth of a row that begins at an address."""
    return builder.inttoptr(builder.add(row, row.type(8 * WIDTH * part)), REGISTER.as_pointer())


@intrinsic
def load(_context, A, row):
    """Row ``row`` of an array (rows, LANES)."""

    def generate(context, builder, signature, args):
        place = row_pointer(context, builder, signature.args[0], *args)
        registers = [builder.load(register_pointer(builder, place, part)) for part in range(PARTS)]
        for register in registers:
            register.align = 8
        return join(builder, registers)

    return lanes(A, types.intp), generate


@intrinsic
def store(_context, A, row, value):
    """Write row ``row`` of an array (rows, LANES): lanes, or one number everywhere."""

    def generate(context, builder, signature, args):
        place = row_pointer(context, builder, signature.args[0], *args[:2])
        for part, register in enumerate(_registers(builder, args[2], signature.args[2])):
            builder.store(register, register_pointer(builder, place, part)).align = 8
        return context.get_dummy_value()

    return types.void(A, types.intp, value), generate
