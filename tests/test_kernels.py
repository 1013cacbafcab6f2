"""A kernel is a driver file with a law in it; what its constants rule out is not compiled, and the rest once."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numba.core.errors import TypingError
from numba.core.runtime import _nrt_python, rtsys

from gdbias import sims, theory
from gdbias.sims.engine.numba import kernels, microkernel
from gdbias.sims.engine.numba.lanes import LANES
from gdbias.sims.engine.numba.microkernel import ROWS
from gdbias.theory.compiled import cache
from gdbias.theory.compiled.cache import make_kernel
from gdbias.theory.prediction import constrained

DRIVER = Path(kernels.__file__).with_name("advance.py").read_text()
CLOSED = dict(
    WEIGHT_DECAY=0, DECAYS=False, DRAWS=False, SCHEDULED=False, SETTLES=False, TRACKS=False, ONE_SAMPLE=False,
    NUDGE=0.0, LANES=2 * LANES, ROWS=ROWS,
)  # fmt: skip
OPENED = {  # a branch, and what it alone calls
    "DECAYS": "rest", "DRAWS": "draw", "SCHEDULED": "schedule", "TRACKS": "nudged", "ONE_SAMPLE": "fma",
}  # fmt: skip


@pytest.fixture(scope="module")
def arguments():
    """The types that the kernel is called with for float32."""
    model, problem = theory.power(2), theory.Problem(np.eye(3), np.ones(3))
    sims.sweep(model, problem, 0.1, 0.1, max_steps=1, precision="float32")
    return kernels.advance_kernel(theory.derive(model), 3, 3, number="float32").advance.signatures[0]


def without(folder, names, **constants):
    """The kernel with those constants, in which nothing bears one of the names."""
    dynamics = theory.derive(theory.power(2), rule=theory.UpdateRule(schedule=theory.cosine(9)))
    text = kernels.kernel_text(DRIVER, dynamics, "float32", **CLOSED | constants)
    return make_kernel(f"{text}\n\ndel {', '.join(names)}\n", "power(2)", folder).advance


def test_a_closed_branch_is_not_compiled(arguments, tmp_path):
    kernel = without(tmp_path, [*OPENED.values(), "matmul", "bound", "product", "dot", "curvature", "loss_curvature"])
    kernel.compile(arguments)
    assert kernel.signatures == [arguments]


@pytest.mark.parametrize("constant", OPENED)
def test_an_open_branch_is_compiled(constant, arguments, tmp_path):
    with pytest.raises(TypingError):
        without(tmp_path, [OPENED[constant]], **{constant: True}).compile(arguments)


@pytest.mark.parametrize(("n", "d"), [(4, 9), (7, 8)])  # whose last tiles differ
@pytest.mark.parametrize("track_every", [0, 11])
def test_tiles_of_more_rows_give_the_same_bits(n, d, track_every, monkeypatch):
    def swept():
        microkernel.sample_spans.cache_clear()
        problem = theory.sparse_regression(n=n, d=d, sparsity=2)
        return sims.sweep(
            theory.difference(2), problem, [0.05, 0.2], [0.1, 0.3], max_steps=300, track_every=track_every
        )

    usual = swept()
    monkeypatch.setattr(microkernel, "LARGE", 0)
    monkeypatch.setattr(microkernel, "LARGE_ROWS", 3)
    assert microkernel.tile_rows(n, d) == 3 != ROWS
    xr.testing.assert_equal(usual, swept())
    microkernel.sample_spans.cache_clear()


DOUBLE = """
from gdbias.theory.compiled.decorators import kernel


@kernel
def double(x):
    return 2.0 * x
"""


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def double(tmp_path, monkeypatch):
    """A kernel as a new process finds it in a folder, which returns what was said on a terminal."""

    def call():
        monkeypatch.setattr(sys, "stderr", Terminal())
        assert make_kernel(DOUBLE, "twice", tmp_path).double(1.5) == 3.0
        return sys.stderr.getvalue()

    return call


def test_a_kernel_is_compiled_once_and_says_so(double):
    assert "twice" in double() and not double()


@pytest.mark.parametrize("kind, left", [("nbi", 0), ("nbi", 20), ("nbc", 0), ("nbc", 200), ("py", 30)])
def test_a_damaged_entry_is_made_again(kind, left, double, tmp_path):
    double()
    (path,) = tmp_path.rglob(f"*.{kind}")
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    double()
    assert path.stat().st_size > 0.9 * len(whole) and not double()  # names in it are numbered


SWEEP = """
from gdbias import sims, theory

problem = theory.sparse_regression(n=3, d=5, sparsity=1, n_test=0)
found = sims.sweep(theory.power(2), problem, sims.Grid(0.1, 0.9, 5), 0.3, max_steps=200)
bits = b"".join(found[name].values.tobytes() for name in ("theta", "loss", "steps", "status", "sharpness_max"))
"""
NEWER = f"""
import sys

import numba

numba.__version__ = "1000.0.0"
{SWEEP}
assert "gdbias.theory.compiled.decorators" in sys.modules
assert "gdbias.theory.compiled.pipeline" not in sys.modules
print(bits.hex())
"""


@pytest.mark.slow  # it compiles a kernel by all of Numba's passes
def test_a_numba_newer_than_those_that_were_tried_gives_the_same_bits_by_its_own_passes(tmp_path):
    here, environment = {}, os.environ | {"GDBIAS_CACHE_DIR": str(tmp_path)}
    exec(SWEEP, here)
    told = subprocess.run([sys.executable, "-c", NEWER], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == here["bits"].hex()


def test_compiled_code_gives_its_memory_back():
    """Arrays that kernels make are freed: they would add up over the blocks of a sweep and the points of a plane."""
    model, problem = theory.difference(2), theory.sparse_regression(n=5, d=12, sparsity=2, seed=0)
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        sims.sweep(model, problem, [0.1, 0.4], 0.1, max_steps=100)
        predicted = theory.predict(model, problem, 0.1)
        predicted.endpoint(1.1 * predicted.lr_critical_final)
        predicted.endpoint(1.1 * predicted.lr_critical_final, warmup=5)
        after = rtsys.get_allocation_stats()
    finally:
        _nrt_python.memsys_disable_stats()
    assert after.mi_alloc > before.mi_alloc
    assert after.mi_alloc - after.mi_free == before.mi_alloc - before.mi_free


def test_the_kernel_of_the_constrained_flow_is_made_anew_when_what_it_imports_changes(monkeypatch):
    """Every module of predictions that it reaches by imports is among the files that its cache looks at."""
    monkeypatch.setattr(cache, "load_kernel", lambda text, title, imported: {path.name for path in imported})
    folder, reached, left = Path(constrained.__file__).parent, set(), ["constrained_kernel.py"]
    imports = re.compile(r"^from (?:gdbias\.theory\.prediction)?\.(\w+) import", re.MULTILINE)
    while left:
        new = {f"{name}.py" for name in imports.findall((folder / left.pop()).read_text())} - reached
        reached, left = reached | new, [*left, *new]
    assert constrained.kernel.__wrapped__() == reached | {"dense.py"}
