"""What the processor is asked for: a shared counter, and denormal numbers flushed to 0."""

import platform

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ....theory.compiled.decorators import inner
from .intrinsics import intrinsic

_X86 = platform.machine().lower() in ("x86_64", "amd64")
_FLUSH = 0x8040  # flush-to-zero and denormals-are-zero


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


@inner
def flush_denormals():
    """Round numbers below 1e-308 to 0 in this thread (x86); returns what :func:`restore_denormals` needs.

    Coordinates that decay to 0 would otherwise cross the denormal range, where arithmetic is slow.
    """
    before = _read_control()  # pyright: ignore[reportCallIssue]
    _write_control(np.uint32(before | _FLUSH))  # pyright: ignore[reportCallIssue]
    return before


@inner
def restore_denormals(before):
    """Undo :func:`flush_denormals`."""
    _write_control(np.uint32(before))  # pyright: ignore[reportCallIssue]
