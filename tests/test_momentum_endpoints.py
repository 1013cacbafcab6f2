"""Where momentum ends above its edge, after a warm-up of its own steps, and what is refused with it."""

import re

import numpy as np
import pytest

from endpoint_runs import distance, predicted, run_of
from gdbias import sims, theory
from gdbias.theory import NoClosedForm, UpdateRule

HEAVY = UpdateRule(momentum=0.5)


@pytest.mark.parametrize("name, way", [("difference(2)", 0.1), ("power(3)", 0.2)])
@pytest.mark.parametrize("momentum", [0.3, 0.5])
def test_nesterov_above_its_edge_ends_where_the_constrained_flow_does_after_a_warm_up(name, way, momentum):
    rule = UpdateRule(step="nesterov", momentum=momentum)
    pred = predicted(name, rule)
    lr = pred.lr_critical_final + way * (pred.lr_max - pred.lr_critical_final)
    run = run_of(pred, lr)
    assert run.status == sims.Status.CONVERGED
    told = pred.endpoint(lr, warmup=20)
    assert not told.note.startswith("not predicted") and told.method == "constrained_flow"
    assert distance(told.beta, run.beta.values) < 0.01 < distance(pred.flow.beta, run.beta.values)
    assert told.sharpness == pytest.approx(float(run.sharpness), rel=0.01)
    assert rule.sharpness_limit(lr) == pytest.approx(told.sharpness, rel=0.03)


def test_the_first_steps_of_nesterov_are_its_own():
    """A run that ends within its warm-up is told as it is."""
    pred = predicted("difference(2)", UpdateRule(step="nesterov", momentum=0.5))
    lr = 0.7 * pred.lr_critical_final
    told = pred.endpoint(lr, warmup=600)
    assert told.note.startswith("not predicted")
    np.testing.assert_allclose(told.beta, run_of(pred, lr, tol=1e-20).beta, rtol=1e-5, atol=1e-7)


def test_nesterov_above_lr_max_is_told_so():
    pred = predicted("difference(2)", UpdateRule(step="nesterov", momentum=0.5))
    for warmup in (0, 50):
        with pytest.raises(theory.NoInterpolator, match="above lr_max"):
            pred.endpoint(1.1 * pred.lr_max, warmup=warmup)


@pytest.mark.parametrize("rule", [HEAVY, UpdateRule(step="nesterov", momentum=0.5)], ids=["heavy_ball", "nesterov"])
def test_the_lr_that_is_asked_for_is_told_where_the_start_reaches_nothing_stable(rule):
    rng, beta = np.random.default_rng(0), np.zeros(16)
    X, beta[:2] = rng.standard_normal((8, 16)), (1.0, -0.5)
    one_sign = np.stack([np.zeros(16), np.full(16, 0.1)])
    pred = theory.predict(theory.difference(2), theory.Problem(X, X @ beta), theta0=one_sign, rule=rule)
    lr = 1.02 * pred.lr_critical_final
    with pytest.raises(theory.NoInterpolator, match=re.escape(f"lr = {lr:g} is above lr_max of this start")):
        pred.endpoint(lr, warmup=20)


def test_remedies_of_momentum_work():
    """A warm-up is not advised where it is refused, nor none where one is needed."""
    with pytest.raises(NoClosedForm, match="^((?!warm-up).)*$"):
        predicted("difference(2)", UpdateRule(step="nesterov", momentum=0.99)).endpoint(0.3)
    for rule in (HEAVY, UpdateRule(step="nesterov", momentum=0.5)):
        pred = predicted("difference(2)", rule)
        lr = pred.lr_critical_final * 1.05
        with pytest.raises(NoClosedForm, match=r"the constrained flow after a warm-up of 20 steps \(--warmup 20\)"):
            pred.endpoint(lr, "effective_start")
    assert pred.endpoint(lr, warmup=20).method == "constrained_flow"


def test_nesterov_without_momentum_is_descent():
    plain = predicted("difference(2)", UpdateRule())
    pred, lr = predicted("difference(2)", UpdateRule(step="nesterov")), 1.2 * plain.lr_critical_final
    np.testing.assert_allclose(pred.endpoint(lr, warmup=20).beta, plain.endpoint(lr, warmup=20).beta, rtol=1e-12)


def test_a_warm_up_leaves_steps_without_meaning():
    pred = predicted("difference(2)", UpdateRule(step="nesterov", momentum=0.5))
    with pytest.raises(theory.InputError, match="nesterov does: leave it out"):
        pred.endpoint(0.1, warmup=20, steps=1000)
