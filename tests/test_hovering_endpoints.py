"""Where rules are that do not rest, beside runs: at arrival, on their drift, and how far they swing."""

import re

import numpy as np
import pytest

from endpoint_runs import SIGNED, distance, own, predicted, run_of, slow
from gdbias import sims, theory
from gdbias.theory import NoClosedForm, UpdateRule
from gdbias.theory.derivation.landscape import Landscape
from gdbias.theory.prediction.drift import AcrossSigns


@pytest.mark.parametrize("step", ["sam", "sam_max", "normalized_descent"])
def test_rules_swing_about_the_end_of_a_linear_model(step):
    pred = theory.predict(theory.power(1), SIGNED, 0.1, rule=UpdateRule(step=step))
    lr = 0.1 / pred.flow.sharpness
    end = pred.endpoint(lr)
    told = float(re.search(r"by ([\d.]+)% at most", end.note)[1]) / 100
    assert told / 10 < distance(end.beta, run_of(pred, lr, max_steps=20_000).beta.values) < 1.01 * told
    with pytest.raises(NoClosedForm, match="need not rest"):
        pred.endpoint(100.0)


@pytest.mark.parametrize("step, parameters", [("normalized_descent", {}), ("sam", {"rho": 1e-4})])
def test_a_rule_that_begins_where_it_ends_has_arrived(step, parameters):
    pred = predicted("difference(2)", UpdateRule())
    there = theory.predict(
        pred.dynamics.model, pred.problem, theta0=pred.flow.theta * 1.001,
        rule=UpdateRule(step=step, step_parameters=parameters),
    )  # fmt: skip
    assert there.endpoint(1e-4).steps == 0


def test_what_sam_adds_to_a_norm_counts_where_gradients_are_as_small():
    small = theory.Problem(SIGNED.X * 1e-8, SIGNED.y * 1e-8)
    pred = theory.predict(theory.difference(2), small, 0.1, rule=UpdateRule(step="sam"))
    with pytest.raises(NoClosedForm, match="adds to the norm"):
        pred.endpoint(1e13)


def along(pred, lr, steps, **options):
    """Where gradient flow comes to rest from the last weights of a run."""
    run = run_of(pred, lr, max_steps=steps, tol=0, **options)
    return sims.flow(pred.dynamics.model, pred.problem, theta0=run.theta.transpose("weight", "feature").values)


HOVERING = ("sam", {"rho": 0.02}), ("sam_max", {"rho": 5e-4}), ("normalized_descent", {})


@pytest.mark.parametrize("step, parameters", HOVERING)
def test_rules_that_hover_arrive_at_the_end_from_their_effective_start(step, parameters):
    plain = predicted("difference(2)", UpdateRule())
    pred, lr = predicted("difference(2)", UpdateRule(step=step, step_parameters=parameters)), 0.1 * plain.lr_critical
    end = pred.endpoint(lr)
    found = along(pred, lr, int(end.steps)).beta.values
    assert "does not rest" in end.note and f"after {np.ceil(end.steps):.0f} steps" in end.note
    assert distance(end.beta, found) < min(0.01, 0.7 * distance(plain.flow.beta, found))


@pytest.mark.parametrize(
    "name, step, parameters, lr, steps",
    [("difference(2)", "normalized_descent", {}, 0.02, 10_000),
     slow("difference(2)", "sam", {"rho": 0.05}, 0.05, 10_000),
     slow("power(3)", "rmsprop_scalar", {"beta2": 0.9}, 0.01, 20_000)],
)  # fmt: skip
def test_what_does_not_rest_drifts_to_less_sharpness(name, step, parameters, lr, steps):
    pred = predicted(name, UpdateRule(step=step, step_parameters=parameters))
    end, found = pred.endpoint(lr, steps=steps), along(pred, lr, steps, backend="numba")
    assert distance(pred.flow.beta, found.beta.values) > 0.05
    assert distance(end.beta, found.beta.values) < 0.02
    fallen = pred.flow.sharpness - float(found.sharpness)
    assert pred.flow.sharpness - end.sharpness == pytest.approx(fallen, rel=0.05) and fallen > 0


@pytest.mark.parametrize("name", ["difference(2)", slow("product(2)"), slow("difference(3)")])
def test_sam_max_drifts_by_the_signs_that_turn_over(name):
    """Sharpness may rise on the way: what falls is the curvature along the signs."""
    rule, steps = own("sam_max", rho=5e-3), 30_000
    pred = predicted(name, rule, 0.3)
    lr = 0.5 / pred.flow.sharpness
    end, found = pred.endpoint(lr, steps=steps), along(pred, lr, steps, backend="numba").beta.values
    moved = distance(pred.flow.beta, found)
    assert moved > 0.02 and distance(end.beta, found) < min(0.01, moved / 8)
    assert "drifts to less curvature across which it swings" in end.note


def test_the_swing_of_sam_max_is_where_its_own_steps_come_to():
    """On the quadratic of a minimum, from a displacement whose residual it is told."""
    pred, lr, rho = predicted("difference(2)", own("sam_max", rho=5e-3), 0.3), 0.05, 5e-3
    landscape, theta = Landscape(pred.dynamics, pred.problem), pred.flow.theta
    H = landscape.dense_hessian(theta)
    for seed in range(3):
        delta = 1e-2 * np.random.default_rng(seed).normal(size=theta.size)
        slopes = np.array(landscape.law.jacobian(*theta)).ravel()
        residual = np.tile(pred.problem.X, (1, len(theta))) @ (slopes * delta)
        y, a = AcrossSigns(lr, rho, residual).swing(landscape, theta)
        assert a @ a / pred.problem.n == pytest.approx(y.ravel() @ H @ y.ravel(), rel=1e-9)
        for _ in range(20_000):
            delta = delta - lr * H @ (delta + rho * np.sign(H @ delta))
        ahead = delta + rho * np.sign(H @ delta)
        null = np.linalg.svd(H)[2][pred.problem.n :]  # which no step moves
        ahead, y = (v - null.T @ (null @ v) for v in (ahead, y.ravel()))
        assert min(np.abs(ahead - y).max(), np.abs(ahead + y).max()) < 1e-3 * rho


def test_where_sam_max_may_swing_along_several_vectors_it_is_not_followed():
    problem = theory.sparse_regression(n=20, d=40, sparsity=3, seed=3, n_test=0)
    pred = theory.predict(theory.difference(2), problem, 0.3, rule=own("sam_max", rho=5e-3))
    lr = 0.3 / pred.flow.sharpness
    assert pred.endpoint(lr).steps > 0
    with pytest.raises(NoClosedForm, match="several vectors"):
        pred.endpoint(lr, steps=20_000)


def test_sam_is_refused_where_its_ascent_is_not_small():
    """From starts below rho it stays at the saddle, and above 2 / S it swings ever farther."""
    sam, problem = UpdateRule(step="sam"), theory.Problem(np.array([[1.0, 2.0, 0.5, -1.0]]), np.array([1.0]))
    for name in ("difference(2)", "product(2)"):
        pred = theory.predict(theory.parse(name), problem, 0.01, rule=sam)
        assert np.abs(run_of(pred, 0.005, max_steps=5000).beta).max() < 0.1
        with pytest.raises(NoClosedForm, match="may be held at the saddle"):
            pred.endpoint(0.005)
    pred = predicted("difference(2)", own("sam", rho=1e-3))
    with pytest.raises(NoClosedForm, match="too far from gradient flow"):
        pred.endpoint(2.2 / pred.flow.sharpness)
