"""Predictions against gradient flow integrated in the weights, which shares no code with them."""

import numpy as np
import pytest

import reference
from gdbias import theory
from gdbias.theory.derivation.dynamics import derive
from gdbias.theory.derivation.landscape import Landscape
from gdbias.theory.prediction.attainable import attainable_range
from integrated import close, flow_of, integrate, labels, random_problem


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("family", reference.FAMILIES)
def test_endpoint_is_that_of_the_integrated_flow(family, seed):  # GF-1 to GF-3, GF-6b
    L, alpha = 2 + seed % 3, [0.5, 0.2, 0.1][seed // 7]
    problem, _ = random_problem(family, seed)
    theta0 = reference.standard_start(family, L, alpha, problem.d)
    end = flow_of(family, L, theta0, problem).y[:, -1].reshape(theta0.shape)
    flow = theory.predict(theory.parse(f"{family}({L})"), problem, init_scale=alpha).flow
    expected = reference.effective(family, L, end)
    assert close(flow.beta, expected)
    assert close(flow.theta, end, 1e-6)
    assert close(flow.beta, reference.effective(family, L, flow.theta), 1e-14)
    assert flow.l1_norm == pytest.approx(np.abs(expected).sum(), rel=1e-7)
    top = reference.sharpness_by_differences(family, L, end, problem.X, problem.y)
    assert flow.sharpness == pytest.approx(top, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", reference.FAMILIES)
def test_depth_one_is_the_projection_of_the_start(family, seed):
    problem, rng = random_problem(family, seed)
    theta0 = reference.random_start(rng, family, 1, problem.d)
    flow = theory.predict(theory.parse(f"{family}(1)"), problem, theta0=theta0).flow
    start = reference.effective(family, 1, theta0)
    expected = start + np.linalg.pinv(problem.X) @ (problem.y - problem.X @ start)
    assert close(flow.beta, expected, 1e-12)
    assert close(
        flow.beta, reference.effective(family, 1, flow_of(family, 1, theta0, problem).y[:, -1].reshape(theta0.shape))
    )


@pytest.mark.parametrize("family, L", [(family, L) for family in reference.FAMILIES for L in (2, 3, 4)])
def test_unequal_starts(family, L):
    problem, rng = random_problem(family, L)
    theta0 = reference.random_start(rng, family, L, problem.d)
    end = flow_of(family, L, theta0, problem).y[:, -1].reshape(theta0.shape)
    prediction = theory.predict(theory.parse(f"{family}({L})"), problem, theta0=theta0)
    assert close(prediction.flow.beta, reference.effective(family, L, end))


def test_signed_starts_where_the_sign_matters():
    problem, rng = random_problem("difference", 1)
    theta0 = reference.random_start(rng, "product", 2, 4) * rng.choice([-1, 1], (2, 4))
    end = flow_of("product", 2, theta0, problem).y[:, -1].reshape(theta0.shape)
    assert close(theory.predict(theory.product(2), problem, theta0=theta0).flow.beta, end[0] * end[1])
    problem = theory.Problem(problem.X, problem.X @ [-0.5, -0.3, -0.7, -0.9])
    theta0 = np.full((1, 4), -0.3)  # cubes of negative weights reach negative coefficients only
    end = flow_of("power", 3, theta0, problem).y[:, -1]
    assert close(theory.predict(theory.power(3), problem, theta0=theta0).flow.beta, end**3)


@pytest.mark.parametrize("alpha", [1e-3, 0.1])
@pytest.mark.parametrize("family, L", [(family, L) for family in reference.FAMILIES for L in (2, 3, 4)])
def test_critical_learning_rates(family, L, alpha):
    problem, _ = random_problem(family, 3)
    theta0 = reference.standard_start(family, L, alpha, problem.d)
    path = flow_of(family, L, theta0, problem, arrived=1e-7)
    points = path.y[:, np.unique(np.linspace(0, len(path.t) - 1, 500).astype(int))].T.reshape(-1, *theta0.shape)
    model = theory.parse(f"{family}({L})")
    tops = Landscape(derive(model), problem).sharpness(points).value  # itself tested against differences
    for b in (0, len(tops) // 2, int(np.argmax(tops)), -1):
        at = points[b]
        expected = reference.sharpness_by_differences(family, L, at, problem.X, problem.y)
        assert tops[b] == pytest.approx(expected, rel=1e-5, abs=1e-8)
    prediction = theory.predict(model, problem, init_scale=alpha)
    assert prediction.lr_critical == pytest.approx(2 / tops.max(), rel=1e-4)
    assert prediction.lr_critical_final == pytest.approx(2 / tops[-1], rel=1e-5)
    assert prediction.sharpness_max == pytest.approx(2 / prediction.lr_critical, rel=1e-15)


def test_sharpness_peaks_on_the_way():  # otherwise the test above could look at the endpoint alone
    peaks = []
    for family in reference.FAMILIES:
        problem, _ = random_problem(family, 3)
        prediction = theory.predict(theory.parse(f"{family}(2)"), problem, init_scale=0.1)
        peaks.append(prediction.lr_critical / prediction.lr_critical_final)
    assert max(peaks) <= 1 and min(peaks) < 0.99


def test_small_starts_of_deep_models():  # the dual variables reach 1e9 and more here
    problem, _ = random_problem("difference", 5)
    for name in ("difference(5)", "product(5)", "power(5)"):
        if name == "power(5)":
            problem, _ = random_problem("power", 5)
        prediction = theory.predict(theory.parse(name), problem, init_scale=1e-2)
        assert np.abs(problem.X @ prediction.flow.beta - problem.y).max() < 1e-6
        assert prediction.lr_critical <= prediction.lr_critical_final


def test_start_at_an_interpolator():
    problem = theory.Problem(np.eye(2), [0.0, 0.0])
    prediction = theory.predict(theory.difference(2), problem, init_scale=0.3)
    np.testing.assert_array_equal(prediction.flow.beta, 0)
    expected = reference.sharpness_by_differences("difference", 2, np.full((2, 2), 0.3), problem.X, problem.y)
    assert prediction.lr_critical == prediction.lr_critical_final == pytest.approx(2 / expected, rel=1e-8)


def test_an_array_of_scales_equals_its_entries():
    problem = theory.sparse_regression(n=4, d=8, sparsity=2)
    model, scales = theory.difference(2), np.array([0.03, 0.3, 1.0])
    many = theory.predict(model, problem, init_scale=scales)
    assert many.flow.beta.shape == (3, 8) and many.flow.theta.shape == (3, 2, 8)
    for i, scale in enumerate(scales):
        one = theory.predict(model, problem, init_scale=scale)
        np.testing.assert_array_equal(many.flow.beta[i], one.flow.beta)
        for name in ("lr_critical", "lr_critical_final", "sharpness_max"):
            assert getattr(many, name)[i] == getattr(one, name)
        for name in ("sharpness", "l1_norm", "test_risk"):
            assert getattr(many.flow, name)[i] == getattr(one.flow, name)
    assert theory.predict(model, problem, init_scale=[0.3]).lr_critical.shape == (1,)
    assert np.ndim(one.lr_critical) == 0


@pytest.mark.parametrize("bad", [0, -1, np.nan, np.inf, [], [[0.1]], [0.1, -1]])
def test_bad_scales(bad):
    with pytest.raises(theory.InputError):
        theory.predict(theory.power(2), theory.single_point([1.0], 1.0), init_scale=bad)


def test_bad_start():
    with pytest.raises(theory.InputError):
        theory.predict(theory.power(2), theory.single_point([1.0], 1.0), theta0=np.ones(1))


@pytest.mark.parametrize("samples", ["independent", "dependent"])
def test_dual_vector(samples):
    problem, _ = random_problem("difference", 0)
    X, y = problem.X, problem.y
    if samples == "dependent":
        X, y = np.vstack([X, X[0] + X[1]]), np.append(y, y[0] + y[1])
    flow = theory.predict(theory.difference(2), theory.Problem(X, y), init_scale=0.2).flow
    assert flow.nu.shape == y.shape
    s = X.T @ flow.nu
    np.testing.assert_allclose(flow.theta, [0.2 * np.exp(2 * s), 0.2 * np.exp(-2 * s)], rtol=1e-10)


@pytest.mark.parametrize("name", ["difference(2)", "difference(3)", "product(2)", "product(3)", "power(1)"])
def test_more_samples_than_features_give_least_squares(name):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 5))
    y = X @ [1.0, -2.0, 0.5, 0.3, -0.7] + 0.5 * rng.standard_normal(100)
    problem = theory.Problem(X, y)
    model = theory.parse(name)
    prediction = theory.predict(model, problem, init_scale=0.3)
    expected = np.linalg.lstsq(X, y)[0]
    if name == "product(2)":  # from u = 0.3, v = 0 every sign is in reach
        assert attainable_range(model, model.theta0(0.3, 5)).unbounded
    assert close(prediction.flow.beta, expected, 1e-9)
    H = reference.hessian_by_differences(name[:-3], int(name[-2]), prediction.flow.theta, X, y).astype(float)
    assert prediction.flow.sharpness == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-7)


def test_paper_example():  # arXiv 2505.21423
    problem = theory.single_point([0.5, 1, 1.5, 2, 2.5], 3)
    prediction = theory.predict(theory.power(2), problem, init_scale=0.1)
    assert prediction.flow.sharpness == pytest.approx(27.36, abs=0.005)
    assert prediction.flow.l1_norm == pytest.approx(1.38, abs=0.005)
    end = flow_of("power", 2, np.full((1, 5), 0.1), problem).y[:, -1]
    assert close(prediction.flow.beta, end**2)


def test_a_weight_on_a_critical_point_stays():
    problem = theory.single_point([1.0, 2.0, 0.5], 1.0)
    flow = theory.predict(theory.power(2), problem, theta0=[[0.1, 0.0, 0.1]]).flow
    assert flow.beta[1] == 0 and problem.X @ flow.beta == pytest.approx(1, rel=1e-12)


def test_logistic_has_a_path_but_no_endpoint():
    problem = labels(separable=False)
    prediction = theory.predict(theory.difference(2), problem, init_scale=0.3)
    with pytest.raises(theory.NoClosedForm):
        _ = prediction.flow
    with pytest.raises(theory.NoClosedForm):
        _ = prediction.lr_critical_final
    law = derive(theory.difference(2), "logistic").law.arrays

    def gradient(theta):
        return (
            np.stack(law.jacobian(*theta))
            * (problem.X.T @ law.loss_slope(problem.X @ law.effective(*theta), problem.y))
            / 40
        )

    path = integrate(gradient, np.full((2, 3), 0.3), arrived=1e-6)
    tops = Landscape(derive(theory.difference(2), "logistic"), problem).sharpness(path.y.T.reshape(-1, 2, 3)).value
    assert prediction.lr_critical == pytest.approx(2 / tops.max(), rel=1e-4)


@pytest.mark.parametrize(
    "text, start",
    [
        ("u*v + u", None),  # no homogeneous degree
        ("u*v*w + u", None),  # no closed form
        pytest.param("w + w**3", None, marks=pytest.mark.slow),
        ("u**3 - v**2", {"v": 0.5}),
        ("u*v + v*w + 2*w*u + u**2", [0.1, 0.2, "alpha"]),
        ("u**2*v - v**3", None),
    ],
)
def test_custom_models(text, start):
    model = theory.custom(text, start)
    problem, _ = random_problem("difference", 2)
    law = derive(model).law.arrays

    def gradient(theta):
        g = problem.X.T @ (problem.X @ law.effective(*theta) - problem.y) / problem.n
        return np.stack([slope * g for slope in law.jacobian(*theta)])

    theta0 = model.theta0(0.4, problem.d)
    path = integrate(gradient, theta0)
    end = path.y[:, -1].reshape(theta0.shape)
    prediction = theory.predict(model, problem, init_scale=0.4)
    assert close(prediction.flow.beta, law.effective(*end))
    tops = Landscape(derive(model), problem).sharpness(path.y.T.reshape(-1, *theta0.shape)).value
    assert prediction.lr_critical == pytest.approx(2 / tops.max(), rel=1e-4)


def test_held_out_risk():
    problem = theory.sparse_regression(n=4, d=6, sparsity=2, n_test=50)
    flow = theory.predict(theory.difference(2), problem, init_scale=0.1).flow
    expected = np.mean((problem.X_test @ flow.beta - problem.y_test) ** 2) / 2
    assert flow.test_risk == pytest.approx(expected, rel=1e-12)
