"""The dual root where rounding decides: what is accepted is the flow's endpoint, what is not there is refused."""

import numpy as np
import pytest

import reference
from gdbias import theory
from gdbias.theory.derivation.dynamics import derive
from gdbias.theory.prediction import dual
from gdbias.theory.prediction.transport import Transport
from integrated import close, flow_of

# Weights far below their final size: the last bits of nu move the predictions by more than the stopping tolerance.
COARSE = [
    ("difference", 5, 0.01),
    ("power", 5, 0.01),
    ("product", 5, 0.02),
    ("difference", 8, 0.1),
    ("product", 8, 0.1),
]


def positive_problem(seed=0):
    return theory.sparse_regression(n=3, d=8, sparsity=2, signs="positive", n_test=0, seed=seed)


def root(name, problem, alpha):
    """The relative residual at the root that dual_root gives."""
    dynamics = derive(theory.parse(name))
    transport = Transport(dynamics, dynamics.model.theta0(alpha, problem.d))
    X, y, _ = problem.projected
    nu = dual.dual_root(dynamics, problem, transport)
    beta = dynamics.law.arrays.effective(*transport(X.T @ nu))
    return np.linalg.norm(X @ beta - y) / np.linalg.norm(y)


@pytest.mark.parametrize("family, L, alpha", COARSE)
def test_a_root_that_rounding_keeps_from_the_tolerance_is_accepted(family, L, alpha):
    problem, name = positive_problem(), f"{family}({L})"
    assert dual.TOLERANCE < root(name, problem, alpha) < 1e-7  # far from where it would have to be refused
    theta0 = reference.standard_start(family, L, alpha, problem.d)
    end = flow_of(family, L, theta0, problem).y[:, -1].reshape(theta0.shape)
    flow = theory.predict(theory.parse(name), problem, init_scale=alpha).flow
    assert close(flow.beta, reference.effective(family, L, end), 1e-6)


@pytest.mark.parametrize("short", [1e-1, 1e-3, 3e-6])
@pytest.mark.parametrize("name", ["power(2)", "power(4)"])
def test_targets_that_are_out_of_reach_by_little_are_refused(name, short):
    problem = theory.Problem(np.eye(2), [1.0, -short])  # the second coefficient comes as near as 0
    with pytest.raises(theory.NoInterpolator, match="residual"):
        root(name, problem, 0.1)


@pytest.mark.parametrize("family, L, alpha", [("difference", 8, 1e-3), ("product", 8, 1e-3), ("power", 5, 1e-4)])
def test_a_root_that_no_precision_resolves_is_refused(family, L, alpha):
    prediction = theory.predict(theory.parse(f"{family}({L})"), positive_problem(), init_scale=alpha)
    with pytest.raises(theory.NoInterpolator, match="init_scale nearer to"):
        _ = prediction.flow


def test_descent_goes_on_where_the_merit_no_longer_tells():
    for seed in range(3):  # the merit is at rounding in some of these long before the residual is
        for alpha in np.logspace(-3, -0.3, 12):
            assert root("difference(2)", positive_problem(seed), alpha) <= dual.TOLERANCE


@pytest.mark.parametrize("name, alpha", [("power(2)", 1e-8), ("difference(2)", 1e-12), ("power(4)", 1e-4)])
def test_the_first_step_may_be_long_by_many_orders(name, alpha):
    assert root(name, theory.sparse_regression(n=3, d=8, sparsity=8, signs="positive", n_test=0, seed=0), alpha) < 1e-6
