"""Where rules end whose small steps are those of signs, beside runs, and where that is not known."""

import re

import numpy as np
import pytest

from endpoint_runs import DENSE, distance, own, predicted, run_of, slow
from gdbias import theory
from gdbias.theory import NoClosedForm, UpdateRule
from gdbias.theory.derivation.landscape import Landscape
from gdbias.theory.prediction.signed_flow import sign_flow

SQUARE = np.array([[1.0, 0.5, -0.3], [0.2, 1.0, 0.4], [-0.5, 0.3, 1.0]])


@pytest.mark.parametrize("name", ["difference(2)", slow("product(2)"), slow("power(3)")])
def test_sign_descent_slides(name):
    pred = predicted(name, UpdateRule(step="sign_descent"))
    lr = 1e-4
    end = pred.endpoint(lr)
    steps = int(1.02 * end.steps)
    found = run_of(pred, lr, max_steps=steps, tol=0).beta.values
    assert end.method == "sign_flow" and pred.problem.loss_at(end.beta) < 1e-12
    assert distance(end.beta, found) < 0.03 and distance(pred.flow.beta, found) > 0.2


@pytest.mark.parametrize("step, parameters", [("rmsprop", {"beta2": 0.9}), slow("adam", {"beta1": 0.5, "beta2": 0.9})])
def test_averages_of_squares_that_forget_fast_make_signs(step, parameters):
    pred = predicted("difference(2)", UpdateRule(step=step, step_parameters=parameters))
    lr = 2e-5
    end = pred.endpoint(lr)
    steps = int(1.02 * end.steps)
    found = run_of(pred, lr, max_steps=steps, tol=0, backend="numba").beta.values
    assert distance(end.beta, found) < 0.03
    with pytest.raises(NoClosedForm, match="use an lr below"):
        pred.endpoint(1e-2)


def test_one_coefficient_of_signs_by_hand():
    """``u^2 - v^2`` from 0.5: u + v stays, so u = 0.5 + t and v = 0.5 - t until 0, then u alone; x beta = y."""
    problem, model = theory.Problem(np.array([[2.0]]), np.array([4.5])), theory.difference(2)
    end = theory.predict(model, problem, 0.5, rule=UpdateRule(step="sign_descent")).endpoint(1e-5)
    assert end.beta[0] == pytest.approx(2.25, rel=1e-6)
    assert float(end.note.split()[4]) == pytest.approx((1.5 - 0.5) / 1e-5, rel=1e-2)  # u ends at 1.5


def test_where_steps_of_signs_end_far_from_their_flow_is_refused():
    """On some data runs end 47 % away at the largest rate that is small, and 19 % at a thirtieth of it."""
    problem = theory.sparse_regression(n=20, d=40, sparsity=3, seed=5, n_test=0, signs="positive")
    pred = theory.predict(theory.power(2), problem, 0.1, rule=UpdateRule(step="sign_descent"))
    with pytest.raises(NoClosedForm, match="may end .* from where small steps of signs do") as refused:
        pred.endpoint(1e-3)
    limit = (sign_flow(Landscape(pred.dynamics, problem), pred.starts[0]).theta ** 2).sum(axis=0)
    assert distance(run_of(pred, 1e-3, max_steps=4000).beta.values, limit) > 0.1
    advised = float(re.findall(r"below ([\d.e-]+),", str(refused.value))[0])
    assert "mostly within" in pred.endpoint(advised).note


@pytest.mark.parametrize("step, share", [("sign_descent", 1.0), ("sign_descent", 0.1)])
def test_runs_of_signs_are_as_far_as_told(step, share):
    pred = predicted("difference(2)", UpdateRule(step=step))
    lr = share / 400 * pred.endpoint(1e-6).steps * 1e-6
    end, run = pred.endpoint(0.99 * lr), run_of(pred, 0.99 * lr, max_steps=round(600 / share))
    told = float(re.findall(r"within ([\d.]+)%", end.note)[0]) / 100
    assert told / 20 < distance(end.beta, run.beta.values) < 1.5 * told


@pytest.mark.parametrize("step, parameters", [("rmsprop", {"beta2": 0.0}), ("adam", {"beta1": 0.0, "beta2": 0.0})])
@pytest.mark.parametrize("beta", [[1.8, 0.2, 0.35], None])
def test_weights_of_odd_power_wait_at_0_for_eps_alone(step, parameters, beta):
    """Also one that comes back: two runs stay 29 % from where steps of signs end for twice the steps these take."""
    problem = DENSE if beta is None else theory.Problem(SQUARE, SQUARE @ np.array(beta))
    pred = theory.predict(theory.power(3), problem, 0.2, rule=own(step, **parameters))
    with pytest.raises(NoClosedForm, match="waits, for as long as it remembers or eps counts"):
        pred.endpoint(1e-4)
    if beta is not None:
        assert distance(run_of(pred, 1e-4, max_steps=40_000, backend="numba").beta.values, np.array(beta)) > 0.2


def test_a_weight_that_waits_at_0_for_good_delays_no_more_than_told():
    """``u^3 - v^3`` to 1 from 0.005: u goes alone from where v is 0, and not beside a v below it."""
    problem, rule = theory.Problem(np.ones((1, 1)), np.ones(1)), own("rmsprop", beta2=0.9)
    pred = theory.predict(theory.difference(3), problem, 0.005, rule=rule)
    end = pred.endpoint(1e-4)
    assert end.steps == pytest.approx(0.995 / 1e-4, rel=5e-3)
    assert abs(run_of(pred, 1e-4, max_steps=round(1.03 * end.steps), backend="numba").beta.item() - 1) < 1e-3


@pytest.mark.parametrize("name, lr", [("difference(2)", 2.0**-10), ("power(3)", 2.0**-11)])
def test_signs_stop_at_exactly_0(name, lr):
    """From a start that is a multiple of lr, whose next one below is not."""
    pred = predicted(name, UpdateRule(step="sign_descent"), 2.0**-4)
    with pytest.raises(NoClosedForm, match="weights of exactly 0") as refused:
        pred.endpoint(lr)
    advised = float(re.findall(r"such as ([\d.e-]+)", str(refused.value))[0])
    end = pred.endpoint(advised)
    far, near = (run_of(pred, rate, max_steps=20_000, backend="numba").beta.values for rate in (lr, advised))
    assert distance(end.beta, near) < 0.06 < distance(end.beta, far)
