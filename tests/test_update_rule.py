"""Update rules agree with hand-typed twins, with themselves on every path, and with what theory says of them."""

import numpy as np
import pytest

import reference
from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.theory import InputError, UpdateRule

MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=6, d=10, sparsity=3, correlation=0.4, seed=0)
RULES = [
    UpdateRule(momentum=0.9),
    UpdateRule(momentum=0.5, weight_decay=0.01, schedule="ramp(100, start=0.5)"),
    UpdateRule(batch=2, label_noise=0.1, noise_seed=3),
    UpdateRule(momentum=0.3, label_noise=0.1, noise_steps=20, schedule=theory.cosine(50)),
]


def run(rule, lr=0.01, **options):
    return sims.descend(MODEL, PROBLEM, lr, rule=rule, **(dict(max_steps=200, tol=1e-14) | options))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_backends_and_sweep_agree(rule):
    fast, slow = run(rule), run(rule, backend="numpy")
    assert int(fast.steps) == int(slow.steps) and int(fast.rising_steps) == int(slow.rising_steps)
    np.testing.assert_allclose(fast.theta, slow.theta, rtol=0, atol=1e-12)
    one, two = (
        sims.sweep(MODEL, PROBLEM, [0.005, 0.01, 0.02], [0.05, 0.1], max_steps=200, tol=1e-14, threads=k, rule=rule)
        for k in (1, 2)
    )
    np.testing.assert_array_equal(one.theta, two.theta)
    np.testing.assert_array_equal(one.sel(lr=0.01, init_scale=0.1).theta, fast.theta)


def test_momentum_and_decay_are_the_hand_typed_twin():
    rule, lr = RULES[1], 0.02
    before = theta = reference.standard_start("difference", 2, 0.1, PROBLEM.d)
    for t in range(150):
        rate = lr * 0.5 ** (1 - min(t / 100, 1))
        slope = reference.gradient("difference", 2, theta, PROBLEM.X, PROBLEM.y) + 0.01 * theta
        before, theta = theta, theta - rate * slope + 0.5 * (theta - before)
    np.testing.assert_allclose(run(rule, lr, max_steps=150).theta, theta, rtol=0, atol=1e-12)


def test_batches_are_uniform_and_end_where_the_exact_formula_says():
    # With targets 0 and X = identity a sample that is drawn moves its own weight, so that draws can be counted.
    drawn = theory.Problem(np.eye(5), np.zeros(5))
    w0 = np.full((1, 5), 1.0)
    path = sims.descend(
        theory.power(1), drawn, 0.1, theta0=w0, max_steps=1500, tol=1e-300, record_every=1, rule=UpdateRule(batch=2)
    ).path_theta.values[:, 0]
    picked = np.diff(path, axis=0) != 0
    assert (picked.sum(axis=1) == 2).all()
    counts = picked.sum(axis=0) / len(picked)
    np.testing.assert_allclose(counts, 0.4, atol=4 * np.sqrt(0.24 / len(picked)))


def test_momentum_threshold():
    X, y = np.array([[1.0]]), np.array([1.0])  # power(2), minimum at w = 1, where S = 4
    for share, status in ((0.98, Status.CONVERGED), (1.02, Status.STEP_LIMIT)):
        rule = UpdateRule(momentum=0.5)
        lr = share * 3 / 4
        assert (4 <= rule.sharpness_limit(lr)) == (share < 1)
        matrix = np.array([[1 + 0.5 - 4 * lr, -0.5], [1.0, 0.0]])
        assert (np.abs(np.linalg.eigvals(matrix)).max() < 1) == (share < 1)
        ds = sims.descend(
            theory.power(2),
            theory.Problem(X, y),
            lr,
            theta0=np.array([[1 + 1e-4]]),
            max_steps=5000,
            rule=rule,
            tol=1e-20,
        )
        assert int(ds.status) == status or (share > 1 and int(ds.status) != Status.CONVERGED)


def test_weight_decay_ends_at_the_lasso():
    decay = 0.1
    ds = run(UpdateRule(weight_decay=decay), 0.05, max_steps=200_000, tol=1e-26)
    assert int(ds.status) == Status.CONVERGED
    beta = ds.beta.values
    slope = PROBLEM.X.T @ (PROBLEM.X @ beta - PROBLEM.y) / PROBLEM.n  # in (decay / 2) times the subgradient of |beta|
    inside = np.abs(beta) > 1e-6
    assert inside.any() and not inside.all()
    np.testing.assert_allclose(slope[inside], -decay / 2 * np.sign(beta[inside]), atol=1e-9)
    assert (np.abs(slope[~inside]) <= decay / 2 + 1e-9).all()


def test_convergence_waits_for_the_schedule():
    pred = theory.predict(MODEL, PROBLEM, 0.1)
    rule = UpdateRule(schedule=theory.ramp(300, start=0.5))
    ds = run(rule, 0.5 * pred.lr_critical, theta0=pred.flow.theta, tol=1e-10, max_steps=1000)
    assert int(ds.status) == Status.CONVERGED and int(ds.steps) == 300 + 19


@pytest.mark.parametrize(
    "bad",
    [
        dict(momentum=1.0),
        dict(weight_decay=-1),
        dict(batch=0),
        dict(schedule="ramp(x)"),
        dict(schedule="ramp(0)"),
        dict(schedule=3),
    ],
)
def test_bad_rules(bad):
    with pytest.raises(InputError):
        UpdateRule(**bad)


def test_rules_that_do_not_fit():
    for rule, options in ((UpdateRule(batch=7), {}), (UpdateRule(batch=1), dict(window=600)), ("momentum", {})):
        with pytest.raises(InputError):
            run(rule, **options)


def test_a_rule_is_its_spec():
    for rule in RULES:
        assert UpdateRule(**rule.spec) == rule
        assert sims.rebuild_rule(run(rule, max_steps=1)) == rule
        assert repr(rule).startswith("UpdateRule(") and "\n" not in repr(rule)
