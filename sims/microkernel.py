"""The matrix product of the engine: a block of runs times the data, in registers.

The runs of a block are the lanes of SIMD vectors. Each output sums over the depth in order, one fused
multiply-add at a time, whatever the tile: so a run's numbers depend on nothing but the run, not on
the runs beside it, the number of threads or a BLAS version.
"""

import platform

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16  # runs in a block
_FEATURES = llvm.get_host_cpu_features()
ROWS = 4 if _FEATURES.get("avx512f", False) else 2  # as many sums as the registers hold; results do not depend on it
_X86 = platform.machine().lower() in ("x86_64", "amd64")
_FLUSH = 0x8040  # flush-to-zero and denormals-are-zero


def _make_tile(rows: int):
    @intrinsic
    def tile(_context, A, i, B, C, first, last):
        """``C[i:i+rows] = A[i:i+rows, first:last] @ B[first:last]`` for C-contiguous arrays, first < last."""
        signature = types.void(A, types.intp, B, C, types.intp, types.intp)

        def generate(context, builder, signature, args):
            a, i, b, c, start, stop = args
            integer, number, lane = i.type, ir.DoubleType(), ir.IntType(32)
            vector = ir.VectorType(number, LANES)
            size = integer(8)

            def start_and_stride(array, kind):
                view = context.make_array(kind)(context, builder, array)
                return builder.ptrtoint(view.data, integer), cgutils.unpack_tuple(builder, view.strides, 2)[0]

            (a0, a_stride), (b0, b_stride), (c0, c_stride) = (
                start_and_stride(array, kind)
                for array, kind in zip((a, b, c), (signature.args[0], *signature.args[2:4]), strict=True)
            )
            index = [builder.add(i, integer(r)) for r in range(rows)]
            a_rows = [builder.add(a0, builder.mul(r, a_stride)) for r in index]
            kind = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f64")
            undefined = ir.Constant(vector, ir.Undefined)
            everywhere = ir.Constant(ir.VectorType(lane, LANES), [0] * LANES)

            before = builder.block
            body, after = builder.append_basic_block("depth"), builder.append_basic_block("store")
            builder.branch(body)
            builder.position_at_end(body)
            k = builder.phi(integer)
            sums = [builder.phi(vector) for _ in range(rows)]
            b_row = builder.load(builder.inttoptr(builder.add(b0, builder.mul(k, b_stride)), vector.as_pointer()))
            b_row.align = 8
            new = []
            for a_row, total in zip(a_rows, sums, strict=True):
                entry = builder.load(builder.inttoptr(builder.add(a_row, builder.mul(k, size)), number.as_pointer()))
                entry = builder.insert_element(undefined, entry, lane(0))
                entry = builder.shuffle_vector(entry, undefined, everywhere)
                new.append(builder.call(fma, [entry, b_row, total]))
            following = builder.add(k, integer(1))
            zero = ir.Constant(vector, [0.0] * LANES)
            for phi, first, later in [(k, start, following), *((s, zero, t) for s, t in zip(sums, new, strict=True))]:
                phi.add_incoming(first, before)
                phi.add_incoming(later, body)
            builder.cbranch(builder.icmp_signed("<", following, stop), body, after)

            builder.position_at_end(after)
            for r, total in zip(index, new, strict=True):
                place = builder.inttoptr(builder.add(c0, builder.mul(r, c_stride)), vector.as_pointer())
                builder.store(total, place).align = 8
            return context.get_dummy_value()

        return signature, generate

    return tile


_tile, _row = _make_tile(ROWS), _make_tile(1)


@njit(nogil=True)
def matmul(A, B, C, first, last):
    """``C[i] = A[i, first[i]:last[i]] @ B[first[i]:last[i]]`` for C-contiguous A (r, k), B (k, LANES), C (r, LANES).

    The spans must hold every entry that is not 0, each span at least one entry, and both ends must not
    decrease with i: zeros before and behind are skipped.
    """
    rows = A.shape[0]
    whole = rows - rows % ROWS
    for i in range(0, whole, ROWS):
        _tile(A, i, B, C, first[i], last[i + ROWS - 1])  # pyright: ignore[reportCallIssue]
    for i in range(whole, rows):
        _row(A, i, B, C, first[i], last[i])  # pyright: ignore[reportCallIssue]


@intrinsic
def take_next(_context, queue):
    """Add 1 to ``queue[0]`` as one indivisible operation and return the old value."""
    signature = types.int64(queue)

    def generate(context, builder, signature, args):
        view = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.atomic_rmw("add", view.data, ir.IntType(64)(1), "monotonic")

    return signature, generate


@intrinsic
def _read_control(_context):
    def generate(_target, builder, _signature, _args):
        word = cgutils.alloca_once_value(builder, ir.IntType(32)(0))
        if _X86:
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
            read = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.stmxcsr")
            builder.call(read, [builder.bitcast(word, ir.IntType(8).as_pointer())])
        return builder.load(word)

    return types.uint32(), generate


@intrinsic
def _write_control(_context, value):
    def generate(context, builder, _signature, args):
        word = cgutils.alloca_once_value(builder, args[0])
        if _X86:
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
            write = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.ldmxcsr")
            builder.call(write, [builder.bitcast(word, ir.IntType(8).as_pointer())])
        return context.get_dummy_value()

    return types.void(types.uint32), generate


@njit(nogil=True)
def flush_denormals():
    """Round numbers below 1e-308 to 0 in this thread (x86); returns what :func:`restore_denormals` needs.

    Coordinates that decay to 0 would otherwise cross the denormal range, where arithmetic is slow.
    """
    before = _read_control()  # pyright: ignore[reportCallIssue]
    _write_control(np.uint32(before | _FLUSH))  # pyright: ignore[reportCallIssue]
    return before


@njit(nogil=True)
def restore_denormals(before):
    """Undo :func:`flush_denormals`."""
    _write_control(np.uint32(before))  # pyright: ignore[reportCallIssue]
