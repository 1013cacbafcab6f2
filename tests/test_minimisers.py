"""One sample: the three minimisers against searches over weights, linear and quadratic programs, and drawn teachers."""

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.optimize import linprog, lsq_linear, minimize

from gdbias import theory
from gdbias.theory import InputError, NoClosedForm, NoInterpolator, derive

MODELS = ("power(2)", "power(3)", "power(4)", "difference(2)", "difference(3)", "product(2)", "product(3)",
          "custom(u**2*v)", "custom(u**2 - v**2 + 2*u*v)")  # fmt: skip
THREE = ("norm", "sharpness", "generalisation")
X, Y = np.array([0.7, 1.3, 0.4, 1.9]), 1.7
every_model = pytest.mark.parametrize("name", MODELS)


def parts(model, x):
    """Output and its gradient as functions of flat weights."""
    law, shape = derive(model).law.arrays, (len(model.weights), len(x))

    def output(flat):
        return float(x @ law.effective(*flat.reshape(shape)))

    def slope(flat):
        return (np.stack(np.broadcast_arrays(*law.jacobian(*flat.reshape(shape)))) * x).ravel()

    return output, slope


def least(model, x, y, measure, starts=4):
    """Of a function of (output, slope, weights) on the interpolators, by SLSQP from many weights."""
    output, slope = parts(model, x)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(starts):
        start = rng.uniform(0.2, 1, len(model.weights) * len(x))
        ended = minimize(
            lambda flat: measure(slope(flat), flat), start, method="SLSQP", bounds=[(0, None)] * start.size,
            options=dict(ftol=1e-13, maxiter=500),
            constraints={"type": "eq", "fun": lambda flat: output(flat) - y, "jac": slope},
        )  # fmt: skip
        if abs(output(ended.x) - y) < 1e-7:
            found.append(ended.fun)
    return min(found)


@every_model
def test_no_weights_that_fit_are_flatter(name):
    model = theory.parse(name)
    flat = theory.minimisers(model, X, Y).sharpness
    assert least(model, X, Y, lambda slope, flat: slope @ slope) == pytest.approx(flat.sharpness, rel=1e-5)


@every_model
def test_weights_fit_and_have_the_sharpness_told(name):
    model, x = theory.parse(name), np.array([1e-3, 0.3, 2e4, 5.0])
    law = derive(model).law.arrays
    for kind in THREE:
        one = getattr(theory.minimisers(model, x, 3e-5), kind)
        np.testing.assert_allclose(law.effective(*one.theta), one.beta, rtol=1e-12)
        assert x @ one.beta == pytest.approx(3e-5, rel=1e-12) and one.share.sum() == pytest.approx(1)
        slope = parts(model, x)[1](one.theta.ravel())
        assert slope @ slope == pytest.approx(one.sharpness, rel=1e-11)
        assert np.abs(one.theta).sum() == pytest.approx(one.theta_l1)


@pytest.mark.parametrize("name", MODELS[:7])
def test_no_weights_that_fit_are_smaller_in_any_norm(name):
    """A linear program for beta; for theta many weights, some with few features, all scaled until they fit."""
    model = theory.parse(name)
    norm, law = theory.minimisers(model, X, Y).norm, derive(model).law.arrays
    split = linprog(np.ones(8), A_eq=np.concatenate([X, -X])[None], b_eq=[Y]).x
    np.testing.assert_allclose(norm.beta, split[:4] - split[4:], atol=1e-9)
    rng = np.random.default_rng(0)
    theta = rng.gamma(0.05, size=(len(model.weights), 4, 40_000)) + 1e-9
    output = np.tensordot(X, law.effective(*theta), 1)
    theta = theta[..., output > 0] * (Y / output[output > 0]) ** (1 / model.degree)
    for order in (1, 2):
        best = np.linalg.norm(theta.reshape(-1, theta.shape[-1]), order, axis=0).min()
        assert np.linalg.norm(norm.theta.ravel(), order) * (1 - 1e-9) <= best
        assert best < 1.2 * np.linalg.norm(norm.theta.ravel(), order)  # the search comes near it


def test_the_least_expected_error_is_that_of_drawn_teachers():
    q = np.array([0.5, 3.0, 1.0, 0.1])
    found = theory.minimisers(theory.difference(2), X, Y, prior=q)
    plane, point = null_space(X[None]), X * Y / (X @ X)
    precision = plane.T @ (plane / q[:, None])
    middle = np.linalg.solve(precision, -plane.T @ (point / q))
    draws = np.random.default_rng(0).multivariate_normal(middle, np.linalg.inv(precision), 200_000)
    teachers = point + draws @ plane.T
    np.testing.assert_allclose(teachers @ X, Y)
    np.testing.assert_allclose(found.generalisation.beta, teachers.mean(axis=0), atol=0.01)
    for kind in THREE:
        one = getattr(found, kind)
        error = ((teachers - one.beta) ** 2).sum(axis=1).mean()
        assert error == pytest.approx(one.expected_error, rel=0.01)
        assert found.expected_error(one.beta) == pytest.approx(one.expected_error)
        assert one.expected_error >= found.generalisation.expected_error


def test_where_one_sign_alone_is_made_the_least_error_is_that_of_a_bounded_program():
    x, q = np.array([0.7, -1.3, 0.4, 1.9, 0.0]), np.array([0.5, 3.0, 1.0, 0.1, 2.0])
    found = theory.minimisers(theory.power(2), x, Y, prior=q)
    heavy = 1e6  # of the sample, in a least-squares problem whose other rows are the distance from the teacher
    program = lsq_linear(np.vstack([np.eye(5), heavy * x]), np.append(found.teacher, heavy * Y), (0, np.inf), tol=1e-14)
    np.testing.assert_allclose(found.generalisation.beta, program.x, atol=1e-6)
    assert all(not getattr(found, kind).beta[[1, 4]].any() for kind in THREE)


@pytest.mark.parametrize("scale", [1e-40, 1e-8, 1e12])
def test_units_change_nothing_else(scale):
    for name in MODELS:
        model = theory.parse(name)
        L = model.degree
        a, b = (theory.minimisers(model, factor * X, scale**3 * Y if factor != 1 else Y) for factor in (1, scale))
        for kind in THREE:
            one, other = getattr(a, kind), getattr(b, kind)
            np.testing.assert_allclose(other.share, one.share, rtol=1e-9)
            np.testing.assert_allclose(other.beta, one.beta * scale**2, rtol=1e-9)
            assert other.sharpness == pytest.approx(one.sharpness * scale ** (2 + 2 * (2 - 2 / L)), rel=1e-9)


def test_the_least_sharp_of_each_degree_tends_to_the_vertex_or_to_equal_shares():
    shares = [theory.minimisers(theory.power(L), X, Y).sharpness.share for L in (2, 3, 64)]
    np.testing.assert_array_equal(shares[0], [0, 0, 1, 0])
    assert shares[1].argmax() == 2 and shares[1].min() > 0.01
    np.testing.assert_allclose(shares[2], 0.25, atol=0.02)


@pytest.mark.parametrize(
    ("model", "x", "y", "error"),
    [("power(1)", X, Y, NoClosedForm), ("custom(u*v - w**2)", X, Y, NoClosedForm), ("power(2)", -X, Y, NoInterpolator),
     ("power(2)", X, 0.0, NoInterpolator), ("power(2)", 0 * X, Y, NoInterpolator), ("power(2)", X[None], Y, InputError),
     ("power(2)", np.array([np.nan, 1]), Y, InputError), ("power(2)", X * 1e-200, Y, InputError)],
)  # fmt: skip
def test_refused_by_name(model, x, y, error):
    with pytest.raises(error):
        theory.minimisers(theory.parse(model), x, y)


@pytest.mark.parametrize("prior", [0.0, -1.0, [1.0, 2.0], "x", [[1.0]]])
def test_a_prior_is_variances(prior):
    with pytest.raises(InputError, match="prior"):
        theory.minimisers(theory.power(2), X, Y, prior=prior)
