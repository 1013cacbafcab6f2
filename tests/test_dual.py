"""The end of gradient flow at every scale of the start and of the samples, or a refusal."""

import mpmath
import numpy as np
import pytest

import reference
from gdbias import theory
from gdbias.theory.derivation.dynamics import derive
from gdbias.theory.derivation.landscape import Landscape
from gdbias.theory.prediction.dual import dual_root
from gdbias.theory.prediction.integration import flow_path
from gdbias.theory.prediction.transport import Transport
from integrated import close, flow_of

FAMILIES = ["power", "difference", "product"]


def drawn(family="power", n=3, d=8, seed=0):
    signs = "positive" if family == "power" else "random"
    return theory.sparse_regression(n=n, d=d, sparsity=2, signs=signs, n_test=0, seed=seed)


def end(name, problem, alpha):
    return theory.predict(theory.parse(name), problem, init_scale=alpha).flow


@pytest.mark.parametrize(
    "family, L, alpha",
    [("power", 3, 0.01), ("power", 5, 0.01), ("product", 5, 0.02), ("difference", 5, 0.01), ("difference", 8, 0.1),
     ("product", 8, 0.1)],
)  # fmt: skip
def test_the_end_is_that_of_an_integration(family, L, alpha):
    problem = drawn(family)
    theta0 = reference.standard_start(family, L, alpha, problem.d)
    path = flow_of(family, L, theta0, problem).y[:, -1].reshape(theta0.shape)
    flow = end(f"{family}({L})", problem, alpha)
    assert close(flow.beta, reference.effective(family, L, path), 1e-6)
    np.testing.assert_allclose(problem.X @ flow.beta, problem.y, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.3, 1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize("family", ["power", "difference"])
@pytest.mark.parametrize("L", [2, 3, 4, 8])
def test_one_sample_has_its_end_in_many_digits(family, L, alpha):
    """With one sample the clocks are ``s_i = nu x_i``: a single equation, solved in 120 digits."""
    x, y = [1.0, 0.7, 0.2], 1.3
    with mpmath.workdps(120):
        a = mpmath.mpf(alpha)

        def power(s):
            if L == 2:
                return a**2 * mpmath.exp(4 * s)
            rest = a ** (2 - L) - L * (L - 2) * s
            return rest ** (-mpmath.mpf(L) / (L - 2)) if rest > 0 else mpmath.inf

        beta = power if family == "power" else lambda s: power(s) - power(-s)
        low, high = mpmath.mpf(0), a ** (2 - L) + 100
        for _ in range(400):
            nu = (low + high) / 2
            low, high = (nu, high) if sum(xi * beta(nu * mpmath.mpf(xi)) for xi in x) < y else (low, nu)
        expected = [float(beta(low * mpmath.mpf(xi))) for xi in x]
    np.testing.assert_allclose(end(f"{family}({L})", theory.Problem([x], [y]), alpha).beta, expected, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.3, 1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize("L", [3, 4, 8])
def test_layers_have_clocks_in_the_row_space(L, alpha):
    """One sample of three features: the clocks ``x 2F1(1/2, (L-1)/2; 3/2; -x^2)`` are as the entries of the sample."""
    sample = np.array([1.0, -0.7, 0.2])
    flow = end(f"product({L})", theory.Problem(sample[None], [1.3]), alpha)
    assert sample @ flow.beta == pytest.approx(1.3, rel=1e-9)
    with mpmath.workdps(60):
        ratio = [mpmath.mpf(u) / alpha for u in flow.theta[-1]]
        half = mpmath.mpf(1) / 2
        clock = [x * mpmath.hyp2f1(half, half * (L - 1), 3 * half, -x * x) for x in ratio]
        nu = np.array([float(s / float(xi)) for s, xi in zip(clock, sample, strict=True)])
    np.testing.assert_allclose(nu, nu[0], rtol=1e-9)


@pytest.mark.parametrize("L", [2, 3, 4])
@pytest.mark.parametrize("family", ["power", "difference"])
def test_starts_of_very_different_sizes(family, L):
    """Weights of 1e-6 beside 1: the end is that of the start that flow has after a while."""
    problem, rng = drawn(family), np.random.default_rng(8)
    model = theory.parse(f"{family}({L})")
    theta0 = 1e-3 * 10 ** rng.uniform(-3, 3, (len(model.weights), 8))
    path = flow_path(Landscape(derive(model), problem), theta0, end=1e-9, accuracy=1e-8)
    found = theory.predict(model, problem, theta0=theta0).flow.beta
    expected = path.landscape.beta(path.theta[-1:])[0]
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    "name, scale, off",
    [("power(2)", 1e-9, 1e-9), ("difference(2)", 1e9, 1e-9), ("difference(3)", 1e-3, 1e-9), ("power(4)", 30, 1e-9),
     ("product(2)", 0.01, 1e-5)],  # whose steps are judged by other weights
)  # fmt: skip
def test_flow_in_doubled_coordinates_takes_the_steps_of_the_weights_own(name, scale, off):
    """On samples as they are flow goes by the model's own characteristics, on rotated ones by compiled steps."""
    model, problem = theory.parse(name), drawn(name[:-3])
    problem = theory.Problem(problem.X, scale * problem.y)
    theta0 = model.theta0(0.1 * scale ** (1 / model.degree), 8)
    one, other = (flow_path(Landscape(derive(model), problem, rotated), theta0) for rotated in (True, False))
    assert len(one.step) == len(other.step) > 20
    np.testing.assert_allclose(one.theta, other.theta, rtol=0, atol=off * np.abs(one.theta).max())
    assert one.sharpness_max() == pytest.approx(other.sharpness_max(), rel=off / 10)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("L", [2, 3])
def test_what_samples_are_multiplied_by_changes_nothing(family, L, size):
    problem, rng = drawn(family), np.random.default_rng(1)
    weight = np.exp(rng.uniform(-1, 1, 3) * abs(np.log(size)))
    weighted = theory.Problem(weight[:, None] * problem.X, weight * problem.y)
    found, plain = (end(f"{family}({L})", p, 1e-3).beta for p in (weighted, problem))
    np.testing.assert_allclose(found, plain, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("apart", [0, 1e-3, 1e-6, 1e-8])
@pytest.mark.parametrize("name", ["power(2)", "difference(3)", "product(2)"])
def test_samples_that_nearly_repeat(name, apart):
    """A sample that is another and a little of a third tells as much as the third."""
    problem = drawn(name.split("(")[0], n=3)
    X, y = problem.X.copy(), problem.y.copy()
    mixed = theory.Problem([X[0], X[1], X[0] + apart * X[2]], [y[0], y[1], y[0] + apart * y[2]])
    plain = problem if apart else theory.Problem(X[:2], y[:2])
    np.testing.assert_allclose(
        end(name, mixed, 0.01).beta, end(name, plain, 0.01).beta, rtol=0, atol=1e-14 / (apart or 1e-5)
    )


def test_samples_that_rounding_tells_apart_are_refused():
    problem = drawn(n=2)
    X = np.vstack([problem.X, problem.X[0] + 1e-12 * np.arange(8)])
    with pytest.raises(theory.GdbiasError, match="rounding"):
        end("difference(2)", theory.Problem(X, [*problem.y, problem.y[0]]), 0.1)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1e-6, 1, 1e6)])
def test_more_samples_than_features_that_agree(sizes):
    rng = np.random.default_rng(2)
    X, beta = rng.standard_normal((9, 4)) * np.repeat(sizes, 3)[:, None], np.array([1.0, -0.5, 2.0, 0.1])
    found = end("difference(2)", theory.Problem(X, X @ beta), 1e-3).beta
    np.testing.assert_allclose(found, beta, rtol=1e-9)


@pytest.mark.parametrize("short", [1e-1, 1e-3, 3e-6])
@pytest.mark.parametrize("name", ["power(2)", "power(4)"])
def test_targets_that_are_out_of_reach_by_little_are_refused(name, short):
    problem = theory.Problem(np.eye(2), [1.0, -short])  # the second coefficient comes as near as 0
    dynamics = derive(theory.parse(name))
    with pytest.raises(theory.NoInterpolator, match="residual"):
        dual_root(dynamics, problem, Transport(dynamics, dynamics.model.theta0(0.1, 2)))


@pytest.mark.parametrize(
    "text, start",
    [("u*v*w", [0.3, 0.2, 0.1]), ("u**2*v", None), pytest.param("w + w**3", None, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("alpha", [1e-2, pytest.param(1e-4, marks=pytest.mark.slow)])
def test_models_without_a_formula_end_where_smaller_steps_do(text, start, alpha):
    model, problem = theory.custom(text), drawn("power")
    theta0 = model.theta0(alpha, 8) if start is None else alpha * np.repeat(np.array(start)[:, None], 8, axis=1)
    flow = theory.predict(model, problem, theta0=theta0).flow
    path = flow_path(Landscape(derive(model), problem), theta0, end=1e-9, accuracy=1e-9)
    np.testing.assert_allclose(flow.beta, path.landscape.beta(path.theta[-1:])[0], atol=1e-6 * np.abs(flow.beta).max())
