"""What a start can reach: the range of each coefficient, whether an interpolator lies in it, the smallest loss."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize, nnls

from gdbias import theory
from gdbias.theory.prediction.attainable import attainable_range, loss_min, require_interpolator
from integrated import labels


def smallest_coefficient(X, y):
    """``max_b min_i b_i`` over ``X b = y``, capped at 1: an interpolator b = c + t plus its null space."""
    d = X.shape[1]
    A = np.hstack([X, X.sum(axis=1, keepdims=True)])  # b = p + t with p >= 0, t <= 1
    answer = linprog([*np.zeros(d), -1.0], A_eq=A, b_eq=y, bounds=[(0, None)] * d + [(None, 1)], method="highs-ipm")
    return -answer.fun


def test_existence():  # GF-4
    limits = 0
    for seed in range(16):
        problem = theory.sparse_regression(n=6, d=14, sparsity=2, signs="positive", seed=seed)
        positive = smallest_coefficient(problem.X, problem.y) > 1e-6
        prediction = theory.predict(theory.power(2), problem, init_scale=0.1)
        if positive:
            assert (prediction.flow.beta > 0).all()
            assert np.abs(problem.X @ prediction.flow.beta - problem.y).max() < 1e-9
        else:
            limits += 1
            with pytest.warns(UserWarning, match="tends to it"):
                beta = prediction.flow.beta
            assert beta.min() == 0 and np.abs(problem.X @ beta - problem.y).max() < 1e-9
            assert prediction.lr_critical <= prediction.lr_critical_final
    assert 0 < limits < 16  # both outcomes are tested


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_existence_in_any_unit(scale):
    for seed, n in ((0, 2), (1, 6)):
        base = theory.sparse_regression(n=n, d=14, sparsity=2, signs="positive", seed=seed)
        scaled = theory.Problem(base.X, base.y * scale)
        model = theory.power(2)
        for problem, alpha in ((base, 0.1), (scaled, 0.1 * np.sqrt(scale))):
            bounds = attainable_range(model, model.theta0(alpha, 14))
            if smallest_coefficient(base.X, base.y) > 1e-6:
                require_interpolator(model, problem, bounds)
            else:
                with pytest.raises(theory.NoInterpolator):
                    require_interpolator(model, problem, bounds)


@pytest.mark.parametrize(
    "name, theta0",
    [
        ("power(2)", [[0.1, 0.1]]),
        ("power(3)", [[0.1, 0.1]]),
        ("product(2)", [[0.1, 0.1], [0.1, 0.1]]),  # balanced: the signs are frozen
        ("product(3)", [[0.1, 0.1]] * 3),
        ("difference(2)", [[0.1, 0.1], [0.0, 0.0]]),
        ("power(2)", [[0.0, 0.0]]),
    ],
)
def test_a_sign_out_of_reach(name, theta0):
    problem = theory.single_point([1.0, 2.0], -1.0)
    with pytest.raises(theory.NoInterpolator):
        _ = theory.predict(theory.parse(name), problem, theta0=np.array(theta0)).flow


@pytest.mark.parametrize(
    "name, theta0, expected",
    [
        ("power(1)", [0.5], (-np.inf, np.inf)),
        ("power(2)", [0.5], (0, np.inf)),
        ("power(2)", [-0.5], (0, np.inf)),
        ("power(3)", [-0.5], (-np.inf, 0)),
        ("power(2)", [0.0], (0, 0)),
        ("difference(2)", [0.5, 0.1], (-np.inf, np.inf)),
        ("difference(2)", [0.5, 0.0], (0, np.inf)),
        ("difference(3)", [-0.5, 0.5], (-np.inf, 0)),
        ("product(2)", [0.5, 0.0], (-np.inf, np.inf)),
        ("product(2)", [-0.5, 0.5], (-np.inf, 0)),
        ("product(3)", [0.5, 0.5, 0.0], (-np.inf, np.inf)),
        ("custom(u - u**3)", [0.1], (-2 / np.sqrt(27), 2 / np.sqrt(27))),
        ("custom(u**2 + 1)", [0.3], (1, np.inf)),
    ],
)
def test_attainable_range(name, theta0, expected):
    for scale in (1, 1e-3, 10) if "custom" not in name else (1,):
        lower, upper = attainable_range(theory.parse(name), scale * np.array(theta0)[:, None])
        np.testing.assert_allclose([lower[0], upper[0]], expected, rtol=1e-6)


def test_attainable_range_of_each_coordinate():
    lower, upper = attainable_range(theory.product(2), np.array([[0.5, -0.5, 0.2], [0.5, 0.5, 0.0]]))
    np.testing.assert_array_equal(lower, [0, -np.inf, -np.inf])
    np.testing.assert_array_equal(upper, [np.inf, 0, np.inf])


def smallest_loss(name, problem, theta0=None):
    model = theory.parse(name)
    start = model.theta0(0.1, problem.d) if theta0 is None else np.array(theta0)
    return loss_min(problem, attainable_range(model, start))


@pytest.mark.parametrize("n, d", [(30, 4), (4, 6), (6, 6)])
def test_smallest_squared_loss(n, d):
    rng = np.random.default_rng(n)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    problem = theory.Problem(X, y)
    least = np.linalg.lstsq(X, y)[0]
    free = np.sum((X @ least - y) ** 2) / (2 * n)
    assert smallest_loss("difference(2)", problem) == pytest.approx(free, rel=1e-12, abs=1e-25)
    bound = nnls(X, y)[1] ** 2 / (2 * n)
    assert smallest_loss("power(2)", problem) == pytest.approx(bound, rel=1e-10, abs=1e-25)
    negative = nnls(-X, y)[1] ** 2 / (2 * n)
    assert smallest_loss("power(3)", problem, -0.1 * np.ones((1, d))) == pytest.approx(negative, rel=1e-10, abs=1e-25)
    assert smallest_loss("power(2)", problem, np.zeros((1, d))) == pytest.approx(y @ y / (2 * n), rel=1e-12)
    signs = np.where(np.arange(d) % 2, 1, -1)  # one orthant of a balanced product
    mixed = nnls(X * signs, y)[1] ** 2 / (2 * n)
    theta0 = 0.1 * np.array([signs, np.ones(d)])
    assert smallest_loss("product(2)", problem, theta0) == pytest.approx(mixed, rel=1e-10, abs=1e-25)


def test_smallest_squared_loss_between_two_bounds():
    problem = theory.Problem(np.eye(2), [1.0, 0.2])  # |u - u^3| stays below 0.385
    bound = 2 / np.sqrt(27)
    found = smallest_loss("custom(u - u**3)", problem)
    assert found == pytest.approx((1 - bound) ** 2 / 4, rel=1e-6)


def test_smallest_logistic_loss():
    assert smallest_loss("difference(2)", labels(separable=True)) == 0
    problem = labels(separable=False)
    X, y = problem.X, problem.y

    def objective(b):
        return np.log1p(np.exp(-y * (X @ b))).mean()

    free = minimize(objective, np.zeros(3), method="BFGS", options=dict(gtol=1e-9)).fun
    assert smallest_loss("difference(2)", problem) == pytest.approx(free, rel=1e-9)
    bound = minimize(objective, np.ones(3), method="L-BFGS-B", bounds=[(0, None)] * 3, options=dict(ftol=1e-15)).fun
    assert bound > free + 1e-3
    assert smallest_loss("power(2)", problem) == pytest.approx(bound, rel=1e-7)
    # Separable, but by no coefficients of one sign.
    assert smallest_loss("power(2)", labels(separable=True)) > 1e-3


@pytest.mark.parametrize("small", [1e-13, 1e-40])
def test_a_small_weight_is_not_a_fixed_one(small):
    bounds = attainable_range(theory.difference(2), np.array([[1.0], [small]]))
    assert np.isneginf(bounds.lower).all() and np.isposinf(bounds.upper).all()
    bounds = attainable_range(theory.difference(3), np.array([[small], [1.0]]))
    assert bounds.unbounded


def test_a_tiny_start_reaches_what_a_large_one_does():
    tiny, large = (attainable_range(theory.power(2), np.full((1, 2), alpha)) for alpha in (1e-200, 1.0))
    np.testing.assert_array_equal(tiny, large)
