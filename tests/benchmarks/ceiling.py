"""The contestant in C (ceiling.c): what this processor can do at most. It leaves the final sharpness out."""

import atexit
import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from avx2 import narrowed
from workloads import Outcome

FLAGS = ("-O3", "-march=native", *(["-mno-avx512f"] if narrowed() else []), "-fopenmp", "-shared", "-fPIC")
SOURCE = Path(__file__).with_name("ceiling.c")


def compiler():
    """The C compiler of this machine, or None."""
    return next(
        (path for name in (os.environ.get("CC"), "cc", "gcc", "clang") if name and (path := shutil.which(name))), None
    )


@lru_cache
def library(weights):
    """ceiling.c compiled for one or two weights a coordinate, in a temporary folder."""
    command = compiler()
    if command is None:
        raise FileNotFoundError("no C compiler found: install one or set CC")
    folder = tempfile.mkdtemp(prefix="gdbias-ceiling-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    output = os.path.join(folder, f"ceiling{weights}.so")
    subprocess.run([command, *FLAGS, f"-DWEIGHTS={weights}", str(SOURCE), "-o", output, "-lm"], check=True)
    return ctypes.CDLL(output)


def spans(A):
    """First and last (exclusive) column of each row of A (dataset, rows, columns) that is not 0, both increasing."""
    filled, width = A != 0, A.shape[2]
    first = np.where(filled.any(2), filled.argmax(2), width - 1)
    last = np.where(filled.any(2), width - filled[:, :, ::-1].argmax(2), 1)
    first = np.minimum.accumulate(first[:, ::-1], axis=1)[:, ::-1]
    return np.ascontiguousarray(first), np.maximum(np.maximum.accumulate(last, axis=1), first + 1)


def rotated(work):
    """The samples rotated by QR, as gdbias does: zeros below the diagonal, for C to skip."""
    Q, R = np.linalg.qr(work.X)
    return np.triu(R), np.einsum("sni,sn->si", Q, work.y)


def ceiling_contestant(work, dense=False):
    """Hand-written tiles, OpenMP, refilled slots, FTZ; on rotated samples unless `dense`. For n <= d."""
    program = library(len(work.signs)).ceiling
    X, y = (work.X, work.y) if dense else rotated(work)
    lr, scale = work.grid
    datasets, n, d = X.shape
    XT = X.transpose(0, 2, 1)
    arrays = X, *spans(X), XT, *spans(XT), y, lr, scale, work.limits
    X, X_first, X_last, XT, XT_first, XT_last, y, lr, scale, limits = map(np.ascontiguousarray, arrays)

    def pointer(array):
        return array.ctypes.data_as(ctypes.c_void_p)

    def start(cap):
        status = np.empty(work.runs, np.int8)
        steps, loss = np.empty(work.runs, np.int64), np.empty(work.runs)
        sizes = [ctypes.c_int64(size) for size in (datasets, n, d)]
        data = [pointer(a) for a in (X, X_first, X_last, XT, XT_first, XT_last, y)]
        runs = [ctypes.c_int64(len(lr)), pointer(lr), pointer(scale), pointer(limits)]
        ends = [ctypes.c_double(work.tol), ctypes.c_int64(cap), pointer(status), pointer(steps), pointer(loss)]

        def call():
            if program(*sizes, *data, *runs, *ends):
                raise MemoryError("ceiling.c found no memory for its blocks")
            return Outcome(status, steps, loss, np.full(work.runs, np.nan))

        return call

    return start
