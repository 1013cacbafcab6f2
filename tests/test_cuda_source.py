"""The law in C is the law in Python, and the GPU's kernel, compiled for this processor, the reference."""

import contextlib
import ctypes
import importlib
import itertools
import shutil
import subprocess
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from cuda_cases import MODELS, RULES
from gdbias import sims, theory
from gdbias.sims.engine.cuda import gpu
from gdbias.sims.engine.cuda.source import DRIVER, kernel_source, law_header
from gdbias.sims.engine.job import Job
from gdbias.sims.measure.block import begin_runs
from gdbias.sims.options import Options
from gdbias.sims.status import Status
from gdbias.theory.derivation.landscape import Landscape
from gdbias.theory.loss import LOSSES

CXX, NVCC = shutil.which("c++"), shutil.which("nvcc")
HERE = Path(__file__).parent
PAIRS = [(rule, MODELS[(k + shift) % len(MODELS)]) for k, rule in enumerate(RULES) for shift in (0, 2)]
needs_cxx = pytest.mark.skipif(CXX is None, reason="no C++ compiler here")


def compiled(source, folder, *flags):
    """A file as a library, compiled with what the folder has for it to include."""
    library = folder / f"{source.stem}.so"
    command = [CXX, "-O1", "-std=c++20", "-ffp-contract=off", "-shared", "-fPIC", f"-I{folder}", *flags]
    subprocess.run([*command, "-o", library, source], check=True)
    return ctypes.CDLL(str(library))


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def values_of(dynamics, compiled_law):
    """Of the law in C and of the law in Python at random points: arrays (value, point)."""
    rng, size, rule = np.random.default_rng(0), 50, dynamics.rule
    law, (step,) = dynamics.law.arrays, [f for f in dynamics.law.functions if f.name == "step"]
    m, P = len(dynamics.model.weights), len(step.values)
    x, numbers = rng.uniform(0.1, 0.9, (P, size)), rng.uniform(0.1, 0.9, (7, size))
    own = rng.uniform(0.1, 0.9, len(step.arguments) - 2 - P)
    parameters = own[: len(rule.parameters)]
    lr, g, f, y, first, last, progress = numbers
    parts = law.totals(lr, g, *parameters, *x) if rule.step.totals else ()
    there = law.ascent(lr, g, *own[: len(parameters) + len(rule.step.ascent_totals)], *x) if rule.step.ascent else ()
    expected = [
        law.effective(*x[:m]), *law.jacobian(*x[:m]), *law.curvature(*x[:m]), *law.step(lr, g, *own, *x), *parts,
        *there, law.loss_value(f, y), law.loss_slope(f, y), law.loss_curvature(f, y),
        law.schedule(first, last, progress),
    ]  # fmt: skip
    found = np.full((len(expected), size), np.nan)
    compiled_law(ctypes.c_long(size), pointer(x), pointer(own), *map(pointer, numbers), pointer(found))
    return found, np.stack([value + np.zeros(size) for value in expected])


@needs_cxx
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_the_laws_in_c_are_those_in_python(tmp_path, model):
    """Those of every loss and every rule, compiled together."""
    rules = RULES[:-1]  # the last has the law of the first
    laws = {f"law{k}": theory.derive(model, *of) for k, of in enumerate(itertools.product(LOSSES.values(), rules))}
    texts = [
        f'namespace of_{name} {{\n#define LAW {name}\n{law_header(dynamics)}#include "cuda_law.h"\n#undef LAW\n}}\n'
        for name, dynamics in laws.items()
    ]
    (tmp_path / "laws.cpp").write_text("".join(texts))
    library = compiled(tmp_path / "laws.cpp", tmp_path, f"-I{HERE}", "-include", "math.h", "-D__device__=")
    for name, dynamics in laws.items():
        found, expected = values_of(dynamics, library[name])
        np.testing.assert_allclose(found, expected, rtol=1e-13, err_msg=f"{dynamics.loss.name}, {dynamics.rule}")


class HostModule:
    """CuPy's RawModule, with the text compiled as C++ and each thread of a block one of this processor's."""

    folder, libraries = None, {}

    def __init__(self, code, options):
        if code not in HostModule.libraries:
            folder = HostModule.folder / f"kernel{len(HostModule.libraries)}"
            folder.mkdir()
            (folder / "advance.cu").write_text(code)
            HostModule.libraries[code] = compiled(HERE / "cuda_twin.cpp", folder, "-pthread", f"-DMEMORY={gpu.MEMORY}")
        self.library = HostModule.libraries[code]

    def get_function(self, name):
        def launch(grid, block, arguments, shared_mem):
            assert shared_mem <= 8 * gpu.MEMORY
            values = [
                pointer(a) if isinstance(a, np.ndarray)
                else ctypes.c_double(a) if isinstance(a, float) else ctypes.c_longlong(a)
                for a in arguments
            ]  # fmt: skip
            given = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
            self.library.launch(ctypes.c_longlong(grid[0]), ctypes.c_longlong(block[0]), given)

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


@pytest.mark.slow
@needs_cxx
@pytest.mark.parametrize("rule, model", PAIRS, ids=str)
def test_the_kernel_of_the_gpu_is_the_reference(host, model, rule):
    """Every rule with two models, every model with two rules or more: their laws, alone, are compared for all pairs."""
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


@needs_cxx
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

    monkeypatch.setattr(importlib.import_module("gdbias.sims.descent"), "advance_block", begun)
    problem = theory.Problem(np.ones((2, 9000)), np.ones(2))
    with pytest.raises(theory.InputError, match=r"n \+ d = 900[12] .* backend='numba'"):
        sims.descend(theory.power(2), problem, 0.1, backend="cupy")


@needs_cxx
def test_an_interrupt_ends_the_gpus_launches(host):
    problem, seen = theory.sparse_regression(n=5, d=9, sparsity=2, n_test=0), []
    landscape, halt = Landscape(theory.derive(theory.power(2)), problem), np.zeros(1, dtype=np.int64)
    start = theory.power(2).theta0(0.1, 9)[None]
    runs = begin_runs(landscape, start, np.zeros(2, dtype=int), np.array([1e-4, 50.0]))

    def stop(ended):
        seen.append(ended)
        halt[0] = 1

    gpu.advance(Job(landscape, Options(backend="cupy"), halt, stop), runs)
    assert seen == [1]
    np.testing.assert_array_equal(runs.outcome, [Status.NOT_RUN, Status.DIVERGED])
    np.testing.assert_array_equal(runs.theta[0], start[0])


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="no nvcc here")
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_it_compiles_as_cuda(tmp_path, rule):
    for model in MODELS:
        (tmp_path / "law.cuh").write_text(law_header(theory.derive(model, rule=rule)))
        subprocess.run([NVCC, "-c", f"-I{tmp_path}", DRIVER, "-o", tmp_path / "law.o"], check=True)


def test_nvrtc_is_given_one_text_without_files():
    assert "#include" not in kernel_source(theory.derive(MODELS[0]))
