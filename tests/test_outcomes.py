"""What a run reports of its end and of its path, where earlier versions reported something else."""

import warnings

import numpy as np
import pytest

from gdbias import sims, theory

BACKENDS = ("numba", "numpy")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_below_what_gradient_flow_can_reach_has_not_converged(backend):
    problem = theory.Problem([[1.0]], [-1.0])  # power(3) flows to beta = 0 from above; a large step goes through
    ds = sims.descend(theory.power(3), problem, 0.35, 1.0, max_steps=300, backend=backend)
    assert float(ds.loss_min) == 0.5 and float(ds.loss) < 0.4
    assert int(ds.status) == sims.Status.STEP_LIMIT


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_goes_on_while_a_tiny_weight_grows(backend):
    problem = theory.Problem([[1.0]], [-1.0])
    ds = sims.descend(theory.difference(2), problem, 0.1, theta0=np.array([[1.0], [1e-13]]), backend=backend)
    assert int(ds.status) == sims.Status.CONVERGED and float(ds.loss) < 1e-10


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "problem, lr, init_scale",
    [
        (theory.Problem(np.eye(2), [1.0, 3.0]), 0.36, 1e-3),  # the top eigenvector jumps to the other coordinate
        (theory.single_point([1.0], 3.0), 0.17, 1e-9),  # H + shift is 0 at the start
    ],
)
def test_largest_sharpness_is_found_where_the_eigenvector_changes(problem, lr, init_scale, backend):
    ds = sims.descend(
        theory.power(2), problem, lr, init_scale, max_steps=3000, track_every=1, record_every=1, backend=backend
    )
    largest = float(ds.path_sharpness.max())
    assert 0.99 * largest < float(ds.sharpness_max) <= largest * (1 + 1e-9)


@pytest.mark.parametrize("name", ["power(2)", "difference(2)", "product(3)"])
def test_largest_sharpness_is_a_lower_bound(name):
    model = theory.parse(name)
    problem = theory.sparse_regression(n=10, d=20, sparsity=3, signs="positive", seed=1)
    lr = 1.1 * theory.predict(model, problem, 0.1).lr_critical
    ds = sims.descend(model, problem, lr, 0.1, max_steps=5000, record_every=1)
    largest = float(ds.path_sharpness.max())  # at a catapult, which lasts a few steps
    assert 0.7 * largest < float(ds.sharpness_max) <= largest * (1 + 1e-9)


def test_a_tolerance_above_the_data_is_warned_of():
    problem = theory.Problem([[1.0, 0.5], [0.2, 1.0]], [1e-8, 2e-8])
    with pytest.warns(UserWarning, match="tol = 1e-10 is above the excess loss 1.25e-16 of coefficients of 0"):
        assert sims.descend(theory.difference(2), problem, 0.1, 1e-6).status == sims.Status.CONVERGED
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sims.descend(theory.difference(2), problem, 0.1, 1e-4, tol=1e-24, max_steps=10)
        sims.descend(theory.difference(2), theory.Problem([[1.0, 0.5]], [0.0]), 0.1, 1e-4, max_steps=10)
        decayed = theory.UpdateRule(weight_decay=0.1)
        sims.descend(theory.difference(2), problem, 0.1, 1e-4, rule=decayed, max_steps=10)
