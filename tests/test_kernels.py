"""A kernel is a driver file with a law in it; what its constants rule out is not compiled."""

from pathlib import Path

import pytest
from numba.core.errors import TypingError

from gdbias import sims, theory
from gdbias.sims.engine.numba import kernels
from gdbias.sims.engine.numba.cache import load_kernel
from gdbias.sims.engine.numba.lanes import LANES

DRIVER = Path(kernels.__file__).with_name("advance.py").read_text()
CLOSED = dict(
    WEIGHT_DECAY=0, DECAYS=False, DRAWS=False, SCHEDULED=False, SETTLES=False, TRACKS=False, ONE_SAMPLE=False,
    NUDGE=0.0, LANES=2 * LANES,
)  # fmt: skip
OPENED = {  # a branch, and what it alone calls
    "DECAYS": "rest", "DRAWS": "draw", "SCHEDULED": "schedule", "TRACKS": "nudged", "ONE_SAMPLE": "fma",
}  # fmt: skip


@pytest.fixture(scope="module")
def arguments():
    """The types that the kernel is called with for float32."""
    model, problem = theory.power(2), theory.sparse_regression(n=3, d=4, sparsity=1, n_test=0)
    sims.sweep(model, problem, 0.1, 0.1, max_steps=1, precision="float32")
    return kernels.advance_kernel(theory.derive(model), number="float32").advance.signatures[0]


def without(names, **constants):
    """The kernel with those constants, in which nothing bears one of the names."""
    dynamics = theory.derive(theory.power(2), rule=theory.UpdateRule(schedule=theory.cosine(9)))
    text = kernels.kernel_text(DRIVER, dynamics, "float32", **CLOSED | constants)
    return load_kernel(f"{text}\n\ndel {', '.join(names)}\n").advance


def test_a_closed_branch_is_not_compiled(arguments):
    kernel = without([*OPENED.values(), "matmul", "bound", "product", "dot", "curvature", "loss_curvature"])
    kernel.compile(arguments)
    assert kernel.signatures == [arguments]


@pytest.mark.parametrize("constant", OPENED)
def test_an_open_branch_is_compiled(constant, arguments):
    with pytest.raises(TypingError):
        without([OPENED[constant]], **{constant: True}).compile(arguments)
