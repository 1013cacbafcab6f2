"""With weight decay a run converges at a minimum of the objective, not at the saddle it may start beside."""

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.theory import UpdateRule

PROBLEM = theory.sparse_regression(n=5, d=8, sparsity=2, signs="positive", n_test=0)
MODELS = (theory.power(2), theory.power(3), theory.difference(2), theory.product(2))
# From 1e-3 power(3) does not leave: 0 attracts weights below decay / (3 |gradient|).
BACKENDS = ["numpy", pytest.param("numba", marks=pytest.mark.slow)]  # each model has a kernel of its own
SMALL = [(model, scale) for model in MODELS for scale in (1e-3, 0.1) if model != theory.power(3) or scale == 0.1]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(("model", "scale"), SMALL, ids=str)
def test_a_small_start_is_left(model, scale, backend):
    decay = 3e-2
    run = sims.descend(
        model, PROBLEM, 0.05, scale, tol=1e-8, max_steps=400_000, backend=backend, rule=UpdateRule(weight_decay=decay)
    )
    assert run.status == Status.CONVERGED
    beta, theta = run.beta.values, run.theta.values
    assert PROBLEM.loss_at(beta[None])[0] < 0.1 * PROBLEM.loss_at(np.zeros((1, PROBLEM.d)))[0]
    gradient = PROBLEM.X.T @ (PROBLEM.X @ beta - PROBLEM.y) / PROBLEM.n
    pulled = np.stack(theory.derive(model).law.arrays.jacobian(*theta)) * gradient + decay * theta
    assert np.linalg.norm(pulled) < 1.01e-4 * decay * np.linalg.norm(theta)


@pytest.mark.parametrize(
    "model, backend",
    [
        (theory.power(2), "numpy"), pytest.param(theory.power(2), "numba", marks=pytest.mark.slow),
        (theory.power(3), "numpy"), pytest.param(theory.power(3), "numba", marks=pytest.mark.slow),
        (theory.difference(2), "numpy"), (theory.difference(2), "numba"),
    ],
    ids=str,
)  # fmt: skip
def test_weights_vanish_where_the_decay_wins(model, backend):
    run = sims.descend(model, PROBLEM, 0.05, 0.1, max_steps=20_000, backend=backend, rule=UpdateRule(weight_decay=20.0))
    assert run.status == Status.CONVERGED
    assert abs(run.theta.values).max() < 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_start_at_a_saddle_is_no_minimum(backend):
    """power(3) from 1e-3: the squared gradient is 1e-14 from the first step on."""
    run = sims.descend(
        theory.power(3), PROBLEM, 0.05, 1e-3, max_steps=300, backend=backend, rule=UpdateRule(weight_decay=1e-4)
    )
    assert run.status == Status.STEP_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("model", [theory.power(2), theory.difference(2), theory.product(2)], ids=str)
@pytest.mark.parametrize("scale", [1e-12, 1e-100])
def test_a_saddle_on_the_way_is_left(model, scale, backend):
    """The second coefficient still grows when the first has balanced, with a gradient below every sum's rounding."""
    problem, decay = theory.Problem(np.diag([3.0, 1.0]), np.array([3.0, 1.0])), 1e-2
    run = sims.descend(model, problem, 0.02, scale, backend=backend, rule=UpdateRule(weight_decay=decay))
    assert run.status == Status.CONVERGED
    # On a diagonal X each coefficient is soft-thresholded: of |w|^2 = |beta|, for product(2) 2 |beta|.
    pull = decay if model == theory.product(2) else decay / 2
    np.testing.assert_allclose(run.beta, 1 - pull * problem.n / np.array([9.0, 1.0]), rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_weight_of_0_that_is_pulled_away_grows(backend):
    start = np.array([[1e-6, 1e-6], [0.0, 0.0]])
    problem = theory.Problem(np.eye(2), np.ones(2))
    run = sims.descend(
        theory.product(2), problem, 0.1, theta0=start, hold=1, backend=backend, rule=UpdateRule(weight_decay=0.01)
    )
    assert run.status == Status.CONVERGED
    np.testing.assert_allclose(run.beta, 1 - 0.01 * 2, rtol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_that_momentum_swings_about_0_leave_no_saddle(backend):
    """A pair (u, v) that vanishes swings, so that one of them grows at times; found: 7,243 steps."""
    problem = theory.sparse_regression(n=6, d=10, sparsity=3, seed=0)
    rule = UpdateRule(weight_decay=0.1, momentum=0.9)
    run = sims.descend(theory.product(2), problem, 0.1, 0.1, max_steps=10_000, backend=backend, rule=rule)
    assert run.status == Status.CONVERGED and (abs(run.beta.values) < 1e-6).any()
