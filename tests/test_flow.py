"""Gradient flow where there is nowhere to go, and where the integrator cannot."""

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.theory import GdbiasError, Problem


def test_a_start_at_a_minimum_has_converged():
    model, problem = theory.difference(2), Problem(np.eye(3), np.zeros(3))
    ds = sims.flow(model, problem)
    assert int(ds.status) == Status.CONVERGED == int(sims.descend(model, problem, 0.1).status)
    assert int(ds.steps) == 0 and float(ds.loss) == 0 and ds.time.values.tolist() == [0]
    np.testing.assert_array_equal(ds.theta, model.theta0(0.1, 3))
    np.testing.assert_allclose(float(ds.lr_critical), 2 / (8 * 0.01 / 3), rtol=1e-10)


def test_a_flat_start_has_no_critical_learning_rate():
    ds = sims.flow(theory.power(3), Problem(np.eye(3), np.zeros(3)), theta0=np.zeros((1, 3)))
    assert int(ds.status) == Status.CONVERGED and float(ds.sharpness) == 0 and float(ds.lr_critical) == np.inf


@pytest.mark.filterwarnings("ignore:lsoda")
def test_an_integrator_that_gives_up_is_no_step_limit():
    problem = theory.sparse_regression(n=5, d=8, sparsity=2, n_test=0)
    with pytest.raises(GdbiasError, match="gave up at time 0.*try a start of another size"):
        sims.flow(theory.difference(2), problem, init_scale=1e5)


def test_a_short_time_is_a_step_limit():
    problem = theory.sparse_regression(n=5, d=8, sparsity=2, n_test=0)
    ds = sims.flow(theory.difference(2), problem, max_time=0.5)
    assert int(ds.status) == Status.STEP_LIMIT and float(ds.time[-1]) == 0.5
