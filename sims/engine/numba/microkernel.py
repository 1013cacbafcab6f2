"""The matrix product of the engine: rows of the data times a block of runs, in registers.

Each output sums over the depth in order, one fused multiply-add at a time, whatever the tile: so a run's
numbers depend on nothing but the run, not on the runs beside it, the number of threads or a BLAS version.
"""

import math
from functools import lru_cache

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ....theory.compiled.decorators import inner
from ....theory.derivation.landscape import Landscape
from .intrinsics import intrinsic_of_literals
from .lanes import KINDS, PARTS, WIDE, join, llvm_function, splat
from .rows import load_register, row_address, store

# Rows of a tile, and steps of the depth in one turn of the loop; results depend on neither. Three rows of narrow
# registers leave no sum waiting for the one before, but more rows of zeros, which weigh little in large data alone.
ROWS = 5 if WIDE else 2
LARGE_ROWS, LARGE = 5 if WIDE else 3, 8_000  # numbers of the data
UNROLL = 4


def _row_address(context, builder, kind, array, row):
    view = context.make_array(kind)(context, builder, array)
    stride = cgutils.unpack_tuple(builder, view.strides, 2)[0]
    return builder.add(builder.ptrtoint(view.data, row.type), builder.mul(row, stride))


@intrinsic_of_literals
def tile(_context, A, i, B, first, last, count):
    """Rows ``i`` to ``i + count`` of ``A[:, first:last] @ B[first:last]`` as lanes, for C-contiguous arrays and a
    constant count."""
    lanes, rows = KINDS[A.dtype], count.literal_value
    signature = types.UniTuple(lanes, rows)(A, types.intp, B, types.intp, types.intp, count)

    def generate(context, builder, signature, args):
        a, i, b, start, stop, _ = args
        integer = i.type
        fma = llvm_function(builder, "fma", lanes.register, 3)
        places = [_row_address(context, builder, signature.args[0], a, builder.add(i, integer(r))) for r in range(rows)]

        def accumulate(k, sums):  # sums[part, row] + A[row, k] B[k, part]
            entries = []
            for row in places:
                place = builder.add(row, builder.mul(k, integer(lanes.number.bitwidth // 8)))
                entry = builder.load(builder.inttoptr(place, lanes.element.as_pointer()))
                entries.append(splat(builder, entry, lanes.register))
            b_row, new = row_address(context, builder, signature.args[2], b, k), []
            for part in range(PARTS):
                b_part = load_register(builder, b_row, part, lanes)
                totals = sums[part * rows : (part + 1) * rows]
                new += [builder.call(fma, [entry, b_part, s]) for entry, s in zip(entries, totals, strict=True)]
            return new

        def loop(start, sums, by):  # to the end of the last whole group of `by`
            before, head = builder.block, builder.append_basic_block("head")
            body, after = builder.append_basic_block("body"), builder.append_basic_block("after")
            builder.branch(head)
            builder.position_at_end(head)
            k, phis = builder.phi(integer), [builder.phi(lanes.register) for _ in sums]
            builder.cbranch(builder.icmp_signed("<=", builder.add(k, integer(by)), stop), body, after)
            builder.position_at_end(body)
            new = phis
            for u in range(by):
                new = accumulate(builder.add(k, integer(u)), new)
            for phi, at_start, later in [(k, start, builder.add(k, integer(by))), *zip(phis, sums, new, strict=True)]:
                phi.add_incoming(at_start, before)
                phi.add_incoming(later, body)
            builder.branch(head)
            builder.position_at_end(after)
            return k, phis

        k, sums = loop(start, [ir.Constant(lanes.register, [0.0] * lanes.register.count)] * (rows * PARTS), UNROLL)
        _, sums = loop(k, sums, 1)
        return context.make_tuple(builder, signature.return_type, [join(builder, sums[r::rows]) for r in range(rows)])

    return signature, generate


@inner
def matmul(A, B, C, first, last):
    """``C[i] = A[i, first[i]:last[i]] @ B[first[i]:last[i]]`` for A (r, k), B (k, LANES), C (r, LANES)
    of one kind of number.

    r is a multiple of ROWS. The spans must hold every entry that is not 0, and both ends must not decrease
    with i: zeros before and behind are skipped.
    """
    for i in range(0, A.shape[0], ROWS):
        rows = tile(A, i, B, first[i], last[i + ROWS - 1], ROWS)  # pyright: ignore[reportCallIssue]
        for r in range(ROWS):
            store(C, i + r, rows[r])  # pyright: ignore[reportCallIssue]


@lru_cache(maxsize=8)  # a problem's runs begin, are advanced and measured on the same samples
def sample_spans(landscape: Landscape, number: str) -> tuple[np.ndarray, ...]:
    """The samples that a landscape steps on, and their transpose, with the spans of their rows."""
    X = landscape.samples[0].astype(number)
    multiple = math.lcm(ROWS, tile_rows(*X.shape))
    return *spans(X, multiple), *spans(X.T, multiple)


def tile_rows(n: int, d: int) -> int:
    """Rows of a tile of the step loop: as many everywhere where registers are wide."""
    return LARGE_ROWS if n * d >= LARGE else ROWS


def spans(A: np.ndarray, multiple: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A, and for each row the span that holds its entries, widened until neither end decreases.

    Rows of zeros are added up to a multiple, to fill the last tile of the matrix product.
    """
    rows, width = A.shape
    padded = np.zeros((rows + -rows % multiple, width), A.dtype)
    padded[:rows] = A
    filled = padded != 0
    some = filled.any(axis=1)
    first = np.where(some, filled.argmax(axis=1), width - 1)
    last = np.where(some, width - filled[:, ::-1].argmax(axis=1), 1)
    first = np.minimum.accumulate(first[::-1])[::-1].copy()
    return padded, first, np.maximum(np.maximum.accumulate(last), first + 1)
