"""Lanes: LANES numbers side by side, one for each run of a block, as one value of compiled code.

The generated law reads the same for lanes as for numbers. Explicit lanes keep a block in registers from
the matrix product through the law to the store, which LLVM does not manage from loops over arrays. Lanes of
float32 fill the same registers with twice as many numbers.
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
LANES = 16  # runs in a block of float64
BYTES = 64 if WIDE else 32  # of a register
PARTS = 8 * LANES // BYTES  # registers of a value
_INDEX = ir.IntType(32)


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


def _registers(context, builder, x, kind, lanes):
    if isinstance(kind, Lanes):
        return split(builder, x)
    return [splat(builder, context.cast(builder, x, kind, lanes.number), lanes.register)] * PARTS


def _parts(context, builder, signature, args):
    """The registers of several lanes or numbers, a tuple for each part."""
    lanes = _lanes_among(signature.args)
    return zip(
        *(_registers(context, builder, x, kind, lanes) for x, kind in zip(args, signature.args, strict=True)),
        strict=True,
    )


def _lanes_among(kinds):
    return next(kind for kind in kinds if isinstance(kind, Lanes))


def fma_of_registers(builder, register):
    """LLVM's ``a b + c`` of three registers of a type, rounded once."""
    bits = 8 * BYTES // register.count
    kind = ir.FunctionType(register, [register] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{register.count}f{bits}")


def _define(symbol, instruction: str) -> None:
    pairs = [pair for x in KINDS.values() for pair in ((x, x), (x, types.float64), (types.float64, x))]

    @infer_global(symbol)  # pyright: ignore[reportOptionalCall]
    class Operator(ConcreteTemplate):
        cases = [signature(_lanes_among(pair), *pair) for pair in pairs]

    def generate(context, builder, signature, args):
        parts = _parts(context, builder, signature, args)
        return join(builder, (getattr(builder, instruction)(x, y) for x, y in parts))

    for pair in pairs:
        lower_builtin(symbol, *pair)(generate)


for _symbol, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _define(_symbol, _instruction)


@infer_global(operator.neg)  # pyright: ignore[reportOptionalCall]
class _Negative(ConcreteTemplate):
    cases = [signature(lanes, lanes) for lanes in KINDS.values()]


@lower_builtin(operator.neg, Lanes)
def _negative(_context, builder, _signature, args):
    return join(builder, (builder.fneg(x) for x in split(builder, args[0])))


@intrinsic
def fma(_context, a, b, c):
    """``a b + c`` for a number a, rounded once."""

    def generate(context, builder, signature, args):
        function = fma_of_registers(builder, signature.return_type.register)
        return join(builder, (builder.call(function, part) for part in _parts(context, builder, signature, args)))

    return _lanes_among((a, b, c))(a, b, c), generate


@intrinsic
def less(_context, a, b):
    """1 where ``a < b``, else 0 (also where one is not a number)."""

    def generate(context, builder, signature, args):
        pairs, register = _parts(context, builder, signature, args), signature.return_type.register
        return join(builder, (builder.uitofp(builder.fcmp_ordered("<", x, y), register) for x, y in pairs))

    return _lanes_among((a, b))(a, b), generate


@intrinsic
def larger(_context, a, b):
    """The larger of two; a where one is not a number."""

    def generate(context, builder, signature, args):
        pairs = _parts(context, builder, signature, args)
        return join(builder, (builder.select(builder.fcmp_ordered("<", x, y), y, x) for x, y in pairs))

    return _lanes_among((a, b))(a, b), generate


@intrinsic
def size(_context, a):
    """``|a|``."""

    def generate(_context, builder, _signature, args):
        zero = ir.Constant(a.register, [0.0] * a.register.count)
        pairs = ((x, builder.fneg(x)) for x in split(builder, args[0]))
        return join(builder, (builder.select(builder.fcmp_ordered("<", x, zero), y, x) for x, y in pairs))

    return a(a), generate


@intrinsic
def total(_context, a):
    """The sum over the lanes."""

    def generate(_context, builder, _signature, args):
        registers = split(builder, args[0])
        while len(registers) > 1:
            registers = [builder.fadd(x, y) for x, y in zip(registers[::2], registers[1::2], strict=True)]
        numbers = [builder.extract_element(registers[0], _INDEX(q)) for q in range(a.register.count)]
        while len(numbers) > 1:
            numbers = [builder.fadd(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        return numbers[0]

    return a.number(a), generate


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
            function = context.get_function(scalar, x.number(x.number))

            def apply(register):
                result = ir.Constant(register.type, ir.Undefined)
                for q in range(register.type.count):
                    value = function(builder, [builder.extract_element(register, _INDEX(q))])
                    result = builder.insert_element(result, value, _INDEX(q))
                return result

            return join(builder, [apply(register) for register in split(builder, args[0])])

        return x(x), generate

    @overload(stub)
    def _(x):
        return (lambda x: each_lane(x)) if isinstance(x, Lanes) else (lambda x: scalar(x))  # pyright: ignore[reportCallIssue]


for _stub, _scalar in ((exp, math.exp), (sqrt, math.sqrt), (log, math.log), (cos, math.cos), (log1p, math.log1p)):
    _elementwise(_stub, _scalar)


def logaddexp(x, y):
    """``log(e^x + e^y)`` of numbers or of every lane, without overflow."""


@overload(logaddexp)
def _logaddexp(x, y):
    if isinstance(x, Lanes) or isinstance(y, Lanes):
        return lambda x, y: larger(x, y) + log1p(exp(-size(x - y)))  # pyright: ignore
    return lambda x, y: max(x, y) + math.log1p(math.exp(-abs(x - y)))


def row_pointer(context, builder, kind, array, row):
    """Address of a row of a two-dimensional C-contiguous array, as an integer."""
    view = context.make_array(kind)(context, builder, array)
    stride = cgutils.unpack_tuple(builder, view.strides, 2)[0]
    return builder.add(builder.ptrtoint(view.data, row.type), builder.mul(row, stride))


def load_register(builder, row, part: int, lanes: Lanes):
    """A register's worth of a row that begins at an address."""
    register = builder.load(_register_pointer(builder, row, part, lanes.register))
    register.align = lanes.number.bitwidth // 8
    return register


def _register_pointer(builder, row, part: int, register):
    return builder.inttoptr(builder.add(row, row.type(BYTES * part)), register.as_pointer())


@intrinsic
def load(_context, A, row):
    """Row ``row`` of an array (rows, LANES)."""
    lanes = KINDS[A.dtype]

    def generate(context, builder, signature, args):
        place = row_pointer(context, builder, signature.args[0], *args)
        return join(builder, [load_register(builder, place, part, lanes) for part in range(PARTS)])

    return lanes(A, types.intp), generate


@intrinsic
def store(_context, A, row, value):
    """Write row ``row`` of an array (rows, LANES): lanes of its kind, or one number everywhere."""
    lanes = KINDS[A.dtype]
    if isinstance(value, Lanes) and value != lanes:
        return None  # a typing error

    def generate(context, builder, signature, args):
        place = row_pointer(context, builder, signature.args[0], *args[:2])
        for part, register in enumerate(_registers(context, builder, args[2], signature.args[2], lanes)):
            written = builder.store(register, _register_pointer(builder, place, part, lanes.register))
            written.align = lanes.number.bitwidth // 8
        return context.get_dummy_value()

    return types.void(A, types.intp, value), generate
