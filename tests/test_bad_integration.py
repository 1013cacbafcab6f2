"""Integrations that fail are told: they end soon, and no maximum passes over what is not finite."""

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.sims.engine.integrator import FlowRun, integrate_flow
from gdbias.sims.measure.outcome import largest
from gdbias.sims.options import FlowOptions
from gdbias.theory import GdbiasError


@pytest.mark.parametrize("size", [1e60, 1e80, 1e98])
def test_gradient_flow_of_large_data_is_that_of_data_of_size_one(size):
    """``c X beta = c y`` for every c: the path is the same, in the time ``t / c^2``."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((4, 8)), np.abs(rng.standard_normal(4))
    with pytest.warns(UserWarning, match="boundary"):  # of a teacher that is not positive
        plain = sims.flow(theory.power(2), theory.Problem(X, y))
        large = sims.flow(theory.power(2), theory.Problem(size * X, size * y))
    np.testing.assert_allclose(large.beta, plain.beta, atol=1e-5)
    np.testing.assert_allclose(large.sharpness_max, plain.sharpness_max * size**2, rtol=1e-6)


@pytest.mark.parametrize("size", [1e30, 1e98])
def test_a_loss_that_floats_do_not_bring_below_tol(size):
    net = theory.linear_network(np.random.default_rng(0).standard_normal((3, 3)) * size, depth=3)
    with pytest.raises(GdbiasError, match="rests at time .* above tol = 1e-10: use a larger tol") as error:
        sims.linear.flow(net, 0.1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_a_loss_that_stays(value):
    with pytest.raises(GdbiasError, match="rests at time"):
        integrate_flow("a circle", lambda t, x: x[::-1] * [1, -1], None, lambda x: value, np.ones(2), FlowOptions())


@pytest.mark.parametrize("at", [0, 1, 2])
def test_flow_whose_sharpness_fails_at_one_state_has_no_largest(at):
    run = FlowRun(np.arange(3.0), np.zeros((3, 1)), np.array([1.0, 0.1, 0.01]), True)
    sharpness = np.array([1.0, 3.0, 2.0])
    assert run.outcome({"sharpness": sharpness}, 0.0)["lr_critical"] == 2 / 3
    sharpness[at] = np.nan
    found = run.outcome({"sharpness": sharpness}, 0.0)
    assert np.isnan(found["sharpness_max"]) and np.isnan(found["lr_critical"])


def test_a_run_that_diverged_has_the_largest_of_what_was_seen():
    status = np.array([Status.CONVERGED, Status.STEP_LIMIT, Status.DIVERGED, Status.DIVERGED])
    found = largest(np.array([1.0, 1.0, 1.0, 1.0]), np.array([2.0, np.nan, np.nan, 2.0]), status)
    np.testing.assert_array_equal(found, [2.0, np.nan, 1.0, 2.0])
    problem = theory.sparse_regression(n=4, d=8, sparsity=2, n_test=0)
    for record in (0, 1):
        run = sims.descend(theory.difference(2), problem, 50.0, record_every=record)
        assert run.status == Status.DIVERGED and np.isnan(run.sharpness) and run.sharpness_max > 0
