"""Predicted endpoints of gradient descent: their order, their limits, and the reductions between families."""

import numpy as np
import pytest

from gdbias import sims, theory

METHODS = ("flow", "frontier", "bregman", "constrained_flow")


def problem(seed=3, signs="positive"):
    return theory.sparse_regression(n=5, d=20, sparsity=3, signs=signs, seed=seed, n_test=50)


def halfway(pred):
    return 0.5 * (pred.lr_critical_final + pred.lr_max)


def error(found, true):
    return np.linalg.norm(found - true) / np.linalg.norm(true)


@pytest.mark.parametrize("name, scale", [("power(2)", 0.1), ("difference(2)", 0.1), ("product(2)", 0.1),
                                         ("power(3)", 0.3),
                                         pytest.param("difference(3)", 0.3, marks=pytest.mark.slow)])  # fmt: skip
def test_the_closer_predictor_is_closer(name, scale):
    pred = theory.predict(theory.parse(name), problem(), scale)
    lr = halfway(pred)
    run = sims.descend(pred.dynamics.model, pred.problem, lr, scale, max_steps=400_000)
    assert int(run.status) == sims.Status.CONVERGED
    ends = {method: pred.endpoint(lr, method) for method in METHODS}
    errors = {method: error(end.beta, run.beta.values) for method, end in ends.items()}
    assert errors["constrained_flow"] < 0.12 and errors["constrained_flow"] < errors["bregman"] < errors["flow"]
    np.testing.assert_allclose([ends[m].sharpness for m in ("frontier", "bregman")], 2 / lr, rtol=1e-5)
    for method in METHODS[1:]:
        np.testing.assert_allclose(pred.problem.X @ ends[method].beta, pred.problem.y, atol=1e-4)
    assert "unstable" in ends["flow"].note and not ends["bregman"].note


@pytest.mark.parametrize("name, scale", [("power(2)", 0.1), ("difference(2)", 0.1), ("product(2)", 0.2),
                                         ("power(3)", 0.3), pytest.param("power(4)", 0.3, marks=pytest.mark.slow),
                                         pytest.param("difference(3)", 0.3, marks=pytest.mark.slow)])  # fmt: skip
def test_the_final_sharpness_is_as_far_below_the_edge_as_the_oscillation_needs_to_die_out(name, scale):
    data = theory.sparse_regression(n=8, d=24, sparsity=4, signs="positive" if "power" in name else "random", seed=303)
    pred = theory.predict(theory.parse(name), data, scale)
    lr = pred.lr_critical_final + 0.1 * (pred.lr_max - pred.lr_critical_final)
    run = sims.descend(pred.dynamics.model, data, lr, scale, max_steps=400_000)
    found, predicted = (1 - lr * float(end.sharpness) / 2 for end in (run, pred.endpoint(lr)))
    assert int(run.status) == sims.Status.CONVERGED and found > 2e-4
    np.testing.assert_allclose(predicted, found, rtol=0.1)


@pytest.mark.parametrize("name", ["power(2)", "difference(2)", "power(3)", "product(2)"])
def test_where_the_constraint_never_binds_it_is_gradient_flow(name):
    pred = theory.predict(theory.parse(name), problem(), 0.3)
    lr = 0.5 * pred.lr_critical
    bregman, constrained = pred.endpoint(lr, "bregman"), pred.endpoint(0.02 * pred.lr_critical)
    assert error(bregman.beta, pred.flow.beta) == 0 and bregman.multiplier == 0
    assert error(constrained.beta, pred.flow.beta) < 0.02 and not constrained.multiplier.any()


@pytest.mark.parametrize("method", METHODS)
def test_a_product_of_two_is_a_difference(method):  # at (alpha, lr) what the difference is at (alpha / 2, lr / 2)
    product, difference = (
        theory.predict(model, problem(signs="random"), scale)
        for model, scale in ((theory.product(2), 0.2), (theory.difference(2), 0.1))
    )
    np.testing.assert_allclose(product.lr_max, 2 * difference.lr_max, rtol=1e-6)
    lr = halfway(difference)
    a, b = product.endpoint(2 * lr, method), difference.endpoint(lr, method)
    assert error(a.beta, b.beta) < 1e-4
    np.testing.assert_allclose(2 * a.sharpness, b.sharpness, rtol=1e-5)


def test_a_difference_is_a_power_on_doubled_data():
    data = problem(signs="random")
    twice = theory.Problem(np.hstack([data.X, -data.X]), data.y)
    difference, power = (
        theory.predict(model, p, 0.3) for model, p in ((theory.difference(3), data), (theory.power(3), twice))
    )
    lr = halfway(difference)
    b = power.endpoint(lr, "bregman").beta
    assert error(b[: data.d] - b[data.d :], difference.endpoint(lr, "bregman").beta) < 1e-4


def test_a_balanced_product_is_a_power_at_a_smaller_learning_rate():
    data = problem()
    start = np.full((1, data.d), 0.3)
    power = theory.predict(theory.power(3), data, theta0=start)
    product = theory.predict(theory.product(3), data, theta0=np.repeat(start, 3, axis=0))
    lr = halfway(power)
    assert error(product.endpoint(3 * lr, "bregman").beta, power.endpoint(lr, "bregman").beta) < 1e-4


@pytest.mark.parametrize("method", ["frontier", "bregman"])
def test_the_multiplier_is_what_a_little_more_sharpness_gains(method):
    pred = theory.predict(theory.power(2), problem(), 0.1)
    S = 2 / halfway(pred)

    def objective(S):
        b = pred.endpoint(2 / S, method).beta
        return b.sum() if method == "frontier" else (b * np.log(b / 0.01) - b + 0.01).sum() / 4

    gain = (objective(S * 0.999) - objective(S * 1.001)) / (0.002 * S)
    np.testing.assert_allclose(pred.endpoint(2 / S, method).multiplier, gain, rtol=1e-3)


def test_what_cannot_be_predicted_is_refused():
    pred = theory.predict(theory.power(2), problem(), 0.1)
    with pytest.raises(theory.NoInterpolator, match="lr_max"):
        pred.endpoint(1.01 * pred.lr_max)
    with pytest.raises(theory.InputError, match="method"):
        pred.endpoint(0.1, "nonsense")  # type: ignore[arg-type]
    with pytest.raises(theory.InputError, match="lr = -1"):
        pred.endpoint(-1)
    with pytest.raises(theory.InputError, match="2 starts"):
        theory.predict(theory.power(2), problem(), [0.1, 0.2]).endpoint(0.1)
    with pytest.raises(theory.NoClosedForm, match=r"product\(3\)"):
        theory.predict(theory.product(3), problem(), 0.1).endpoint(0.1)
    with pytest.raises(theory.InputError, match="lr"):
        pred.endpoint("a")  # type: ignore[arg-type]
    with pytest.raises(theory.NoClosedForm, match="linear"):
        theory.predict(theory.power(1), problem(), 0.1).path(0.01)


def test_predictions_print_in_one_line():
    pred = theory.predict(theory.power(2), theory.single_point([1.0, 2.0], 1.0), init_scale=0.1)
    lr = 0.5 * (pred.lr_critical_final + theory.frontier(pred.dynamics.model, pred.problem, points=3).lr_max)
    for found in (pred.endpoint(lr), pred.path(lr), theory.frontier(pred.dynamics.model, pred.problem, points=3)):
        assert "\n" not in repr(found) and len(repr(found)) < 130, repr(found)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["power(2)", pytest.param("difference(3)", marks=pytest.mark.slow)])
def test_a_tiny_learning_rate_ends_with_gradient_flow(name, method):
    problem = theory.sparse_regression(n=4, d=9, sparsity=9, signs="positive", n_test=0, seed=1)
    pred = theory.predict(theory.parse(name), problem, 0.1)
    for share in (1e-12, 1e-6, 9e-5):
        end = pred.endpoint(share * pred.lr_critical_final, method)
        assert end.method == method
        if method != "frontier":
            assert error(end.beta, pred.flow.beta) < 1e-12
        else:  # the norm is not bounded by the sharpness either
            assert end.l1_norm == pytest.approx(pred.endpoint(0.5 * pred.lr_critical, "frontier").l1_norm, rel=1e-6)
    lr = 0.009 * pred.lr_critical_final
    run = sims.descend(theory.parse(name), problem, lr, 0.1, max_steps=10**6, track_every=0)
    assert error(run.beta.values, pred.flow.beta) < 5e-3
    assert error(run.beta.values, pred.endpoint(lr).beta) < 5e-4  # descent's own drift is followed


@pytest.mark.parametrize("seed", range(3))
def test_a_start_of_1e_12_is_followed_past_every_saddle_of_degree_3(seed):
    n, d = ((4, 12), (10, 20), (20, 40))[seed]
    problem = theory.sparse_regression(n=n, d=d, sparsity=3, signs="random", n_test=0, seed=seed)
    pred = theory.predict(theory.difference(3), problem, 1e-12)
    larger = theory.predict(theory.difference(3), problem, 1e-6)
    for share in (0.2, 0.5, 0.85):  # below the edge descent ends with gradient flow, which the dual root finds alone
        assert error(pred.endpoint(share * pred.lr_critical).beta, pred.flow.beta) < 1e-3
    for share in (0.9, 1.2):
        lr = share * pred.lr_critical_final
        if lr < pred.lr_max:  # a start this small or a millionth: the limit is the same
            assert error(pred.endpoint(lr).beta, larger.endpoint(lr).beta) < 3e-3
