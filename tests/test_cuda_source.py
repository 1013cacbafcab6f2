"""The law in C is the law in Python, and the GPU's kernel, compiled for this processor, the reference."""

import contextlib
import ctypes
import importlib
import re
import shutil
import subprocess
import types
import warnings

import numpy as np
import pytest

from cuda_cases import MODELS
from gdbias import sims, theory
from gdbias.sims.engine.cuda import gpu
from gdbias.sims.engine.cuda.text import gpu_source
from gdbias.sims.measure.block import begin_runs
from gdbias.sims.options import Options
from gdbias.sims.status import Status
from gdbias.theory.derivation.cuda_law import cuda_operations
from gdbias.theory.derivation.numpy_law import array_law
from gdbias.theory.loss import LOSSES

RULES = [theory.UpdateRule(), theory.UpdateRule(momentum=0.5, weight_decay=0.1, schedule="cosine(50)")]
KERNEL_RULES = [
    *RULES,
    theory.UpdateRule(batch=2, label_noise=0.1, noise_seed=3),
    theory.UpdateRule(momentum=0.3, label_noise=0.1, noise_steps=20, schedule=theory.cosine(50)),
]
CC, CXX, NVCC = shutil.which("cc"), shutil.which("c++"), shutil.which("nvcc")
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


HOST = """
#include <atomic>
#include <barrier>
#include <cmath>
#include <memory>
#include <thread>
#include <vector>
#define __device__
#define __global__
#define __shared__
struct double2 { double x, y; };
struct place { long long x; };
static thread_local place threadIdx;
static place blockIdx, blockDim;
static std::unique_ptr<std::barrier<>> gate;
static std::atomic<int> any{0};
double memory[MEMORY];
static void __syncthreads() { gate->arrive_and_wait(); }
static int __syncthreads_or(int yes) {
    if (yes) any = 1;
    gate->arrive_and_wait();
    const int found = any;
    gate->arrive_and_wait();
    any = 0;
    gate->arrive_and_wait();
    return found;
}
"""
LAUNCH = """
extern "C" void launch(long long grid, long long block, PARAMETERS) {
    blockDim.x = block;
    gate.reset(new std::barrier<>(block));
    for (blockIdx.x = 0; blockIdx.x < grid; blockIdx.x++) {
        std::vector<std::thread> threads;
        for (long long i = 0; i < block; i++) threads.emplace_back([=] { threadIdx.x = i; advance_runs(NAMES); });
        for (auto& thread : threads) thread.join();
    }
}
"""


class HostModule:
    """CuPy's RawModule, with the text compiled as C++ and each thread of a block one of this processor's."""

    folder = None

    def __init__(self, code, options):
        path = HostModule.folder / f"kernel{len(list(HostModule.folder.iterdir()))}"
        parameters = re.search(r"void advance_runs\((.*?)\) {", code, re.DOTALL)[1].replace("__restrict__", "")
        names = ", ".join(part.split()[-1].lstrip("*") for part in parameters.split(","))
        text = (
            HOST.replace("MEMORY", str(gpu.MEMORY))
            + code.replace("__restrict__", "")
            + LAUNCH.replace("PARAMETERS", parameters)
        )
        path.with_suffix(".cpp").write_text(text.replace("NAMES", names))
        command = [CXX, "-O1", "-std=c++20", "-pthread", "-ffp-contract=off", "-shared", "-fPIC"]
        subprocess.run([*command, "-o", path.with_suffix(".so"), path.with_suffix(".cpp")], check=True)
        self.library = ctypes.CDLL(str(path.with_suffix(".so")))

    def get_function(self, name):
        def launch(grid, block, arguments, shared_mem):
            assert shared_mem <= 8 * gpu.MEMORY
            given = [
                ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray)
                else ctypes.c_double(a) if isinstance(a, float) else ctypes.c_longlong(a)
                for a in arguments
            ]  # fmt: skip
            self.library.launch(ctypes.c_longlong(grid[0]), ctypes.c_longlong(block[0]), *given)

        return launch


@pytest.fixture
def host(tmp_path, monkeypatch):
    """backend="cupy" without a GPU: NumPy for CuPy, and its kernel on this processor."""
    HostModule.folder = tmp_path
    module = types.SimpleNamespace(
        **{n: getattr(np, n) for n in ("asarray", "empty", "zeros", "full", "int64")},
        RawModule=HostModule,
        cuda=types.SimpleNamespace(Stream=lambda non_blocking: contextlib.nullcontext()),
    )
    monkeypatch.setattr(gpu, "gpu_module", lambda: module)
    monkeypatch.setattr(gpu, "SIDE", 4)  # several blocks, the last with runs to spare
    monkeypatch.setattr(gpu, "TEAM", 4)  # and several rows a thread
    gpu._kernel.cache_clear()
    yield
    gpu._kernel.cache_clear()


@pytest.mark.skipif(CXX is None, reason="no C++ compiler here")
@pytest.mark.parametrize("rule", KERNEL_RULES, ids=str)
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_the_kernel_of_the_gpu_is_the_reference(host, model, rule):
    problem = theory.sparse_regression(n=5, d=9, sparsity=2, signs="positive", n_test=0)
    asked = dict(lr=[0.01, 0.05, 5.0], init_scale=[0.3, 0.5], max_steps=230, track_every=7, rule=rule, average=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no interpolator for some: so much the better
        plain, fused = (sims.sweep(model, problem, backend=backend, **asked) for backend in ("numpy", "cupy"))
    np.testing.assert_array_equal(fused.status, plain.status)
    np.testing.assert_array_equal(fused.steps, plain.steps)
    np.testing.assert_array_equal(fused.rising_steps, plain.rising_steps)
    for name in ("theta", "loss", "sharpness_max", "averaged_theta_l2"):
        np.testing.assert_allclose(fused[name], plain[name], rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(CXX is None, reason="no C++ compiler here")
@pytest.mark.parametrize("shape", [(12, 5), (4, 7), (1, 3), (3, 1500)], ids=str)
def test_the_kernel_of_the_gpu_takes_any_shape(host, shape):
    """More samples than features, a sample twice, one sample, and so many features that a block holds fewer runs."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    X[-1] = X[0]
    problem = theory.Problem(X, X @ rng.uniform(0.5, 1.0, shape[1]) / shape[1] + 0.1 * (shape[0] > shape[1]))
    asked = dict(lr=[0.01, 0.05], init_scale=[0.1, 0.3], max_steps=120)
    plain, fused = (sims.sweep(theory.power(2), problem, backend=backend, **asked) for backend in ("numpy", "cupy"))
    for name in ("steps", "theta", "loss", "sharpness_max"):
        np.testing.assert_allclose(fused[name], plain[name], rtol=1e-9, atol=1e-12)


def test_what_a_gpu_cannot_hold_is_refused_at_once(monkeypatch):
    def begun(*arguments):
        raise AssertionError("the run began")

    monkeypatch.setattr(importlib.import_module("gdbias.sims.descent"), "smallest_losses", begun)
    problem = theory.Problem(np.ones((2, 9000)), np.ones(2))
    with pytest.raises(theory.InputError, match=r"n \+ d = 900[12] .* backend='numba'"):
        sims.descend(theory.power(2), problem, 0.1, backend="cupy")


@pytest.mark.skipif(CXX is None, reason="no C++ compiler here")
def test_an_interrupt_ends_the_gpus_launches(host):
    problem, seen = theory.sparse_regression(n=5, d=9, sparsity=2, n_test=0), []
    dynamics, halt = theory.derive(theory.power(2)), np.zeros(1, dtype=np.int64)
    start = theory.power(2).theta0(0.1, 9)[None]
    runs = begin_runs(dynamics, problem, start, np.zeros(2, dtype=int), np.array([1e-4, 50.0]))

    def stop(ended):
        seen.append(ended)
        halt[0] = 1

    gpu.advance_gpu(dynamics, problem, runs, Options(backend="cupy"), 0.0, 0, halt, stop)
    assert seen == [1]
    np.testing.assert_array_equal(runs.outcome, [Status.NOT_RUN, Status.DIVERGED])
    np.testing.assert_array_equal(runs.theta[0], start[0])


@pytest.mark.skipif(NVCC is None, reason="no nvcc here")
@pytest.mark.parametrize("rule", KERNEL_RULES, ids=str)
def test_it_compiles_as_cuda(tmp_path, rule):
    source = tmp_path / "law.cu"
    for model in MODELS:
        dynamics = theory.derive(model, rule=rule)
        source.write_text(gpu_source(dynamics))
        subprocess.run([NVCC, "-c", source, "-o", tmp_path / "law.o"], check=True)
