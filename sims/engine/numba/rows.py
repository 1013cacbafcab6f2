"""Rows of memory as lanes: an array (rows, LANES) holds a number of every run of a block in each row."""

import functools
import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from .intrinsics import intrinsic, intrinsic_of_literals
from .lanes import BYTES, KINDS, PARTS, Lanes, Place, Value, join, registers_of, split


class Pointer(types.Type):
    """The type of the numbers that begin somewhere, of an array that lives on elsewhere.

    No references to them are counted, which in functions called for every row takes longer than a load; an index
    counts from the beginning alone, and a block (rows, LANES) is indexed by row and lane.
    """

    def __init__(self, dtype: types.Number):
        self.dtype = dtype
        super().__init__(name=f"pointer to {dtype}")


@register_model(Pointer)
class _PointerModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.PointerType(manager.lookup(kind.dtype).get_data_type()))


@intrinsic
def pointer(_context, A, row):
    """Where a row of an array (rows, LANES) begins."""

    def generate(context, builder, signature, args):
        data, lanes = _begin(context, builder, signature.args[0], args[0]), args[1].type(_lanes(signature.args[0]))
        return builder.gep(data, [builder.mul(args[1], lanes)])

    return Pointer(A.dtype)(A, types.intp), generate


@intrinsic
def blocks(_context, number, counts):
    """Blocks of so many rows of zeros each, one behind the other, and last their memory, for :func:`release`.

    They begin at a multiple of a row's bytes, so that no register is read from two lines of the cache. Where memory
    is short a MemoryError is raised, as for an array, which would take longer to compile.
    """

    def generate(context, builder, signature, args):
        whole, bytes = ir.IntType(64), BYTES * PARTS
        rows = cgutils.unpack_tuple(builder, args[1], len(counts))
        size = builder.mul(functools.reduce(builder.add, rows, whole(1)), whole(bytes))
        memory = context.nrt.allocate(builder, size)
        cgutils.memset(builder, memory, size, 0)
        place = builder.and_(builder.add(builder.ptrtoint(memory, whole), whole(bytes - 1)), whole(-bytes))
        kind, places = context.get_value_type(Pointer(number.dtype)), []
        for count in rows:
            places.append(builder.inttoptr(place, kind))
            place = builder.add(place, builder.mul(count, whole(bytes)))
        return context.make_tuple(builder, signature.return_type, [*places, builder.bitcast(memory, kind)])

    count = len(counts)
    return types.UniTuple(Pointer(number.dtype), count + 1)(number, types.UniTuple(types.intp, count)), generate


@intrinsic
def release(_context, memory):
    """Give back the memory of :func:`blocks`."""

    def generate(context, builder, _signature, args):
        context.nrt.free(builder, builder.bitcast(args[0], cgutils.voidptr_t))
        return context.get_dummy_value()

    return types.void(memory), generate


@intrinsic_of_literals
def wholes(_context, count):
    """So many whole numbers, a constant, that live as long as the function that asks for them."""

    def generate(_context, builder, _signature, _args):
        return cgutils.alloca_once(builder, ir.IntType(64), size=count.literal_value)

    return Pointer(types.int64)(count), generate


@infer_global(operator.getitem)  # pyright: ignore[reportOptionalCall]
class _Get(AbstractTemplate):
    def generic(self, args, kws):
        return signature(args[0].dtype, *args) if isinstance(args[0], Pointer) else None


@infer_global(operator.setitem)  # pyright: ignore[reportOptionalCall]
class _Set(AbstractTemplate):
    def generic(self, args, kws):
        return signature(types.void, *args[:2], args[0].dtype) if isinstance(args[0], Pointer) else None


@lower_builtin(operator.getitem, Pointer, types.Any)
def _get(context, builder, signature, args):
    return builder.load(_entry(context, builder, signature.args, *args))


@lower_builtin(operator.setitem, Pointer, types.Any, types.Any)
def _set(context, builder, signature, args):
    builder.store(args[2], _entry(context, builder, signature.args, *args[:2]))


def _entry(context, builder, kinds, data, index):
    if isinstance(kinds[1], types.BaseTuple):
        row, lane = (
            context.cast(builder, part, kind, types.intp)
            for part, kind in zip(cgutils.unpack_tuple(builder, index, 2), kinds[1].types, strict=True)
        )
        place = builder.add(builder.mul(row, row.type(_lanes(kinds[0]))), lane)
    else:
        place = context.cast(builder, index, kinds[1], types.intp)
    return builder.gep(data, [place])


def _lanes(kind) -> int:
    return BYTES * PARTS * 8 // kind.dtype.bitwidth


def _begin(context, builder, kind, array):
    return array if isinstance(kind, Pointer) else context.make_array(kind)(context, builder, array).data


def row_address(context, builder, kind, block, row):
    """Address of a row of a block (rows, LANES), as an integer."""
    begin = builder.ptrtoint(_begin(context, builder, kind, block), row.type)
    return builder.add(begin, builder.mul(row, row.type(BYTES * PARTS)))


def load_register(builder, row, part: int, lanes: Lanes):
    """A register's worth of a row that begins at an address."""
    register = builder.load(_register_pointer(builder, row, part, lanes.register))
    register.align = lanes.number.bitwidth // 8
    return register


def _register_pointer(builder, row, part: int, register):
    return builder.inttoptr(builder.add(row, row.type(BYTES * part)), register.as_pointer())


def _load(context, builder, kind, array, row):
    place = row_address(context, builder, kind, array, row)
    return join(builder, [load_register(builder, place, part, KINDS[kind.dtype]) for part in range(PARTS)])


def _store(context, builder, kind, array, row, registers):
    place = row_address(context, builder, kind, array, row)
    for part, register in enumerate(registers):
        written = builder.store(register, _register_pointer(builder, place, part, register.type))
        written.align = kind.dtype.bitwidth // 8


def _registers(context, builder, kind, code, array):
    place, kind = Place(context, builder), types.unliteral(kind)
    value = Value(kind, place, split(builder, code) if isinstance(kind, Lanes) else [code])
    return registers_of(value, KINDS[array.dtype], place)


@intrinsic
def load(_context, A, row):
    """Row ``row`` of an array (rows, LANES)."""

    def generate(context, builder, signature, args):
        return _load(context, builder, signature.args[0], *args)

    return KINDS[A.dtype](A, types.intp), generate


@intrinsic
def store(_context, A, row, value):
    """Write row ``row`` of an array (rows, LANES): lanes of its kind, or one number everywhere."""
    lanes = KINDS[A.dtype]
    if isinstance(value, Lanes) and value != lanes:
        return None  # a typing error

    def generate(context, builder, signature, args):
        registers = _registers(context, builder, signature.args[2], args[2], A)
        _store(context, builder, signature.args[0], args[0], args[1], registers)
        return context.get_dummy_value()

    return types.void(A, types.intp, value), generate


@intrinsic_of_literals
def gather(_context, A, row, apart, count):
    """Rows ``row``, ``row + apart`` ... of an array (rows, LANES), a tuple of ``count``, which is a constant."""
    number = count.literal_value

    def generate(context, builder, signature, args):
        array, row, apart, _ = args
        rows = [builder.add(row, builder.mul(apart, apart.type(k))) for k in range(number)]
        lanes = [_load(context, builder, signature.args[0], array, place) for place in rows]
        return context.make_tuple(builder, signature.return_type, lanes)

    return types.UniTuple(KINDS[A.dtype], number)(A, types.intp, types.intp, count), generate


@intrinsic
def scatter(_context, A, row, apart, values):
    """Write a tuple of lanes or numbers to rows ``row``, ``row + apart`` ... of an array (rows, LANES)."""

    def generate(context, builder, signature, args):
        array, row, apart, values = args
        codes = cgutils.unpack_tuple(builder, values, len(signature.args[3]))
        for k, (kind, code) in enumerate(zip(signature.args[3].types, codes, strict=True)):
            place = builder.add(row, builder.mul(apart, apart.type(k)))
            _store(context, builder, signature.args[0], array, place, _registers(context, builder, kind, code, A))
        return context.get_dummy_value()

    return types.void(A, types.intp, types.intp, values), generate


@intrinsic_of_literals
def numbers(_context, A, first, apart, count):
    """Entries ``first``, ``first + apart`` ... of a C-contiguous array, a tuple of ``count``, which is a constant."""
    number = count.literal_value

    def generate(context, builder, signature, args):
        array, first, apart, _ = args
        data = _begin(context, builder, signature.args[0], array)
        places = [builder.add(first, builder.mul(apart, apart.type(k))) for k in range(number)]
        entries = [builder.load(builder.gep(data, [place])) for place in places]
        return context.make_tuple(builder, signature.return_type, entries)

    return types.UniTuple(A.dtype, number)(A, types.intp, types.intp, count), generate


def fold(function, value, rows, i, *rest):
    """``value = function(value, row, i + r, *rest)`` for each row r of a tuple: written out, not a loop."""


@infer_global(fold)  # pyright: ignore[reportOptionalCall]
class _Fold(AbstractTemplate):
    def generic(self, args, kws):
        return signature(_folded(self.context, args).return_type, *args)


def _folded(context, kinds):
    function, value, rows, i, *rest = kinds
    return function.get_call_type(context, (value, rows.dtype, i, *rest), {})


@lower_builtin(fold, types.VarArg(types.Any))
def _fold(context, builder, signature, args):
    called = _folded(context.typing_context, signature.args)
    call = context.get_function(signature.args[0], called)
    _, value, rows, i, *rest = args
    for r, row in enumerate(cgutils.unpack_tuple(builder, rows, len(signature.args[2]))):
        value = call(builder, [value, row, builder.add(i, i.type(r)), *rest])
    return value
