"""The law in C is the law in Python, runs in the array program as CuPy's kernels would, and compiles as CUDA."""

import ctypes
import shutil
import subprocess
import types

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims import array_program
from gdbias.theory.cuda_source import cuda_operations, cuda_text
from gdbias.theory.law import array_law
from gdbias.theory.loss import LOSSES

MODELS = [
    theory.power(2), theory.power(3), theory.difference(2), theory.product(3),
    theory.custom("i*n - w**2", start={"i": 0.1, "n": 0.2, "w": 0.3}),
]  # fmt: skip
RULES = [theory.UpdateRule(), theory.UpdateRule(momentum=0.5, weight_decay=0.1, schedule="cosine(50)")]
CC, NVCC = shutil.which("cc"), shutil.which("nvcc")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler here")


def compiled(operation, folder):
    """The operation as a function of arrays that broadcast, compiled as C."""
    reads = ", ".join(
        [*(f"const double *p_{x}" for x in operation.inputs), *(f"double *p_{x}" for x in operation.outputs)]
    )
    each = [f"const double {x} = p_{x}[k];" for x in operation.inputs] + [f"double {x};" for x in operation.outputs]
    store = [f"p_{x}[k] = {x};" for x in operation.outputs]
    text = "\n".join(["#include <math.h>", f"void f(long size, {reads}) {{ for (long k = 0; k < size; k++) {{", *each,
                      operation.body, *store, "}}"])  # fmt: skip
    (folder / f"{operation.name}.c").write_text(text)
    library = folder / f"{operation.name}.so"
    subprocess.run(
        [CC, "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-o", library, f"{library.with_suffix('.c')}", "-lm"],
        check=True,
    )
    function = ctypes.CDLL(str(library)).f

    def call(*arrays):
        given = [np.ascontiguousarray(a, dtype=float) for a in np.broadcast_arrays(*arrays)]
        found = [np.empty(given[0].shape) for _ in operation.outputs]
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*given, *found)]
        function(ctypes.c_long(given[0].size), *pointers)
        return found[0] if len(found) == 1 else tuple(found)

    return call


@needs_cc
@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)
@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_the_law_in_c_is_that_in_python(tmp_path, model, rule, loss):
    dynamics, rng = theory.derive(model, loss, rule), np.random.default_rng(0)
    law = array_law(dynamics)
    for operation in cuda_operations(dynamics):
        values = rng.uniform(0.1, 0.9, (len(operation.inputs), 50))
        expected, found = getattr(law, operation.name)(*values), compiled(operation, tmp_path)(*values)
        for one, other in zip(
            np.atleast_2d(found),
            np.broadcast_arrays(*expected, values[0]) if isinstance(expected, tuple) else [expected],
            strict=False,
        ):
            np.testing.assert_allclose(one, other, rtol=1e-13)


@needs_cc
@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("model", MODELS[:4], ids=lambda m: m.name)
def test_the_array_program_runs_on_fused_operations(tmp_path, monkeypatch, model, rule):
    """With NumPy for CuPy, and kernels that were compiled as C."""

    def kernel(inputs, outputs, body, name):
        names = [tuple(part.split()[1] for part in text.split(", ")) for text in (inputs, outputs)]
        [operation] = [o for o in operations if f"gdbias_{o.name}" == name]
        assert (operation.inputs, operation.outputs, operation.body) == (*names, body)
        return compiled(operation, tmp_path)

    problem = theory.sparse_regression(n=5, d=8, sparsity=2, signs="positive", n_test=0)
    operations = cuda_operations(theory.derive(model, problem.loss, rule))
    asked = dict(lr=[0.01, 0.05, 5.0], init_scale=0.3, max_steps=200, track_every=7, rule=rule, window=512)
    plain = sims.sweep(model, problem, backend="numpy", **asked)
    module = types.SimpleNamespace(
        **{n: getattr(np, n) for n in dir(np) if not n.startswith("__")}, ElementwiseKernel=kernel
    )
    monkeypatch.setattr(array_program, "array_module", lambda backend: module)
    fused = sims.sweep(model, problem, backend="numpy", **asked)
    np.testing.assert_array_equal(fused.status, plain.status)
    np.testing.assert_allclose(fused.theta, plain.theta, rtol=1e-10, atol=1e-12)


@pytest.mark.skipif(NVCC is None, reason="no nvcc here")
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_it_compiles_as_cuda(tmp_path, rule):
    source = tmp_path / "law.cu"
    for model in MODELS:
        dynamics = theory.derive(model, rule=rule)
        source.write_text(cuda_text(dynamics))
        subprocess.run([NVCC, "-c", source, "-o", tmp_path / "law.o"], check=True)
