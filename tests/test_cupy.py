"""The GPU's runs are those of the compiled engine. Skipped where there is no GPU."""

import numpy as np
import pytest

from cuda_cases import MODELS, RULES
from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.sims.engine.cuda.gpu import gpu_module
from gdbias.theory import MissingExtra

try:
    gpu_module()
except MissingExtra as reason:
    pytest.skip(str(reason), allow_module_level=True)

PROBLEM = theory.sparse_regression(n=5, d=20, sparsity=2, signs="positive", n_test=10)


def both(model, problem, **asked):
    return [sims.sweep(model, problem, backend=backend, **asked) for backend in ("cupy", "numba")]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_runs_agree(model, rule):
    gpu, cpu = both(
        model, PROBLEM, lr=[0.01, 0.05, 5.0], init_scale=[0.1, 0.3], max_steps=300, track_every=7, rule=rule,
        window=0 if rule.stochastic or rule.step.shared else 512, average=4,
    )  # fmt: skip
    np.testing.assert_array_equal(gpu.status, cpu.status)
    np.testing.assert_array_equal(gpu.steps, cpu.steps)
    diverged = (cpu.status == Status.DIVERGED).values
    for name in ("theta", "sharpness_max", "averaged_theta_l2"):
        np.testing.assert_allclose(gpu[name].values[~diverged], cpu[name].values[~diverged], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("model", MODELS[:4], ids=lambda m: m.name)
def test_converged_runs_agree(model):
    """Of 128 runs those that converge below the edge do so in the same number of steps."""
    gpu, cpu = both(model, PROBLEM, lr=sims.Grid(0.005, 0.08, 32), init_scale=sims.Grid(0.1, 0.5, 4), max_steps=20_000)
    smooth = ((cpu.status == Status.CONVERGED) & (cpu.rising_steps == 0)).values
    assert smooth.sum() > 10
    np.testing.assert_array_equal(gpu.steps.values[smooth], cpu.steps.values[smooth])
    np.testing.assert_allclose(gpu.sharpness.values[smooth], cpu.sharpness.values[smooth], rtol=1e-9)


def test_other_losses_and_histories_agree():
    problem = theory.Problem(PROBLEM.X, np.sign(PROBLEM.y), loss="logistic")
    gpu, cpu = both(theory.difference(2), problem, lr=[0.1, 1.0], init_scale=0.2, max_steps=500)
    np.testing.assert_allclose(gpu.theta, cpu.theta, rtol=1e-9)
    gpu, cpu = (
        sims.descend(theory.product(2), PROBLEM, 0.05, max_steps=300, record_every=10, backend=backend)
        for backend in ("cupy", "numba")
    )
    np.testing.assert_allclose(gpu.path_theta, cpu.path_theta, rtol=1e-9, atol=1e-12)


def test_one_sample_agrees():
    gpu, cpu = both(theory.power(2), theory.single_point((0.5, 1, 1.5), 3), lr=[0.05, 0.1], init_scale=[0.1, 0.5])
    np.testing.assert_array_equal(gpu.status, cpu.status)
    np.testing.assert_allclose(gpu.theta, cpu.theta, rtol=1e-8)
