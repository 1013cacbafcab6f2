"""The largest Hessian eigenvalue of many points: in NumPy (theory) and compiled (sims), by the same tests."""

import numpy as np
import pytest

import reference
from gdbias import theory
from gdbias.sims.measure.sharpness import sharpness_at
from gdbias.theory.derivation.landscape import Landscape
from test_derive import CASES, IDS, setting


@pytest.fixture(params=[Landscape.sharpness, sharpness_at], ids=["theory", "sims"])
def sharpness(request):
    return request.param


@pytest.mark.parametrize("family, L", CASES, ids=IDS)
def test_sharpness_of_a_batch(sharpness, family, L):
    dyn, problem, _ = setting(family, L, n=5, d=9)
    points = np.random.default_rng(1).standard_normal((7, len(dyn.model.weights), 9))
    expected = [reference.sharpness_by_differences(family, L, at, problem.X, problem.y) for at in points]
    found = sharpness(Landscape(dyn, problem), points)
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    _check_residual(Landscape(dyn, problem), points, found)


@pytest.mark.parametrize("m, d, n", [(1, 60, 40), (2, 40, 20), (3, 30, 45)])
def test_sharpness_needs_restarts(sharpness, m, d, n):  # m d above the Krylov dimension
    dyn, problem, _ = setting(["power", "difference", "product"][m - 1], 3, n=n, d=d)
    landscape, points = Landscape(dyn, problem), np.random.default_rng(2).standard_normal((5, m, d))
    found = sharpness(landscape, points)
    expected = [np.linalg.eigvalsh(landscape.dense_hessian(point))[-1] for point in points]
    np.testing.assert_allclose(found.value, expected, rtol=1e-9)
    _check_residual(landscape, points, found)


@pytest.mark.parametrize("c", [1e-140, 1e-120, 1e-20, 1e20, 1e90])
@pytest.mark.parametrize("family, L", [("power", 2), ("difference", 3), ("product", 2)])
def test_data_of_any_size(sharpness, c, family, L):
    """The Hessian of (c X, c y) is c^2 that of (X, y)."""
    dyn, problem, _ = setting(family, L, n=5, d=9)
    points = np.random.default_rng(1).standard_normal((3, len(dyn.model.weights), 9))
    plain = sharpness(Landscape(dyn, problem), points)
    scaled = sharpness(Landscape(dyn, theory.Problem(c * problem.X, c * problem.y)), points)
    np.testing.assert_allclose(scaled.value / c / c, plain.value, rtol=1e-9)
    assert (scaled.residual <= 1e-6 * scaled.value).all()


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("data", ["one sample", "repeated samples", "more samples than features"])
def test_data_of_any_shape(sharpness, data, size):
    rng = np.random.default_rng(8)
    X = {
        "one sample": rng.standard_normal((1, 40)),
        "repeated samples": np.repeat(rng.standard_normal((2, 12)), 3, axis=0),
        "more samples than features": rng.standard_normal((20, 6)),
    }[data]
    problem = theory.Problem(size * X, size * rng.standard_normal(len(X)))
    landscape = Landscape(theory.derive(theory.difference(2)), problem)
    points = rng.standard_normal((4, 2, X.shape[1])) * np.geomspace(1e-3, 1e3, 4)[:, None, None]
    for adaptive in (False, True):
        scale = (np.abs(points) if adaptive else np.ones_like(points)).reshape(4, -1)
        expected = [np.linalg.eigvalsh(s[:, None] * landscape.dense_hessian(point) * s)[-1]
                    for s, point in zip(scale, points, strict=True)]  # fmt: skip
        np.testing.assert_allclose(sharpness(landscape, points, adaptive=adaptive).value, expected, rtol=1e-12)


def test_residual_bounds_the_error_before_convergence(sharpness, monkeypatch):
    monkeypatch.setattr("gdbias.theory.lanczos.ROUNDS", 1)
    monkeypatch.setattr("gdbias.sims.measure.sharpness.ROUNDS", 1)
    d = 200
    problem = theory.Problem(np.diag(np.sqrt(d * (1 - 1e-4 * np.arange(d) / d))), np.zeros(d))
    landscape, points = Landscape(theory.derive(theory.power(1)), problem), np.ones((1, 1, d))
    found = sharpness(landscape, points)
    assert found.value[0] < 1 - 1e-9 and found.residual[0] > 1e-7  # it says that it has not converged
    _check_residual(landscape, points, found)


def _check_residual(landscape, points, found):
    turned = landscape.hessian_product(points, found.vector)
    error = np.linalg.norm(turned - found.value[:, None, None] * found.vector, axis=(1, 2))
    scale = np.abs(found.value) + 1
    np.testing.assert_allclose(np.linalg.norm(found.vector, axis=(1, 2)), 1, rtol=1e-10)
    assert (np.abs(error - found.residual) <= 1e-11 * scale).all()
    for b, point in enumerate(points):
        spectrum = np.linalg.eigvalsh(landscape.dense_hessian(point))
        assert np.abs(spectrum - found.value[b]).min() <= found.residual[b] + 1e-11 * scale[b]


@pytest.mark.parametrize("d", [3, 40])
def test_degenerate_spectrum(sharpness, d):
    X = np.sqrt(d) * np.eye(d)
    problem = theory.Problem(X, X.sum(axis=1))
    landscape = Landscape(theory.derive(theory.power(2)), problem)
    found = sharpness(landscape, np.ones((2, 1, d)))  # the Hessian is 4 I
    np.testing.assert_allclose(found.value, 4, rtol=1e-13)
    np.testing.assert_allclose(found.residual, 0, atol=1e-12)


def test_zero_hessian(sharpness):
    problem = theory.Problem(np.eye(3), np.ones(3))
    found = sharpness(Landscape(theory.derive(theory.power(3)), problem), np.zeros((1, 1, 3)))
    assert found.value[0] == 0 and found.residual[0] == 0


def test_largest_algebraic_eigenvalue_not_the_largest_in_size(sharpness):
    problem = theory.Problem(np.ones((1, 30)), [-50.0])  # y < 0: at w = 0 the Hessian is 2 g I with g = 50
    landscape = Landscape(theory.derive(theory.difference(2)), problem)
    theta = np.zeros((1, 2, 30))
    theta[0, 0, 0], theta[0, 1, 1] = 0.3, 0.2
    spectrum = np.linalg.eigvalsh(landscape.dense_hessian(theta[0]))
    assert spectrum[-1] > 0 > spectrum[0]
    assert sharpness(landscape, theta).value[0] == pytest.approx(spectrum[-1], rel=1e-10)
    problem = theory.Problem(np.ones((1, 30)), [50.0])
    landscape = Landscape(theory.derive(theory.power(2)), problem)
    theta = np.random.default_rng(0).uniform(0, 0.01, (1, 1, 30))
    spectrum = np.linalg.eigvalsh(landscape.dense_hessian(theta[0]))
    assert spectrum[-1] < 0 and abs(spectrum[0]) > abs(spectrum[-1])  # every eigenvalue is negative
    found = sharpness(landscape, theta)
    assert found.value[0] == pytest.approx(spectrum[-1], rel=1e-8)


def test_start_vectors(sharpness):
    dyn, problem, _ = setting("difference", 2, n=15, d=25)
    landscape, points = Landscape(dyn, problem), np.random.default_rng(3).standard_normal((4, 2, 25))
    cold = sharpness(landscape, points)
    eigenvectors = [np.linalg.eigh(landscape.dense_hessian(point))[1] for point in points]
    for column in (-1, -2, 0):  # the answer, the next, and the eigenvector at the wrong end
        start = np.stack([vectors[:, column].reshape(2, 25) for vectors in eigenvectors])
        warm = sharpness(landscape, points, start)
        np.testing.assert_allclose(warm.value, cold.value, rtol=1e-9)


def test_points_that_are_not_finite(sharpness):
    dyn, problem, _ = setting("difference", 2)
    landscape, points = Landscape(dyn, problem), np.random.default_rng(3).standard_normal((4, 2, 6))
    expected = sharpness(landscape, points).value
    points[1, 0, 2], points[3, 1, 0] = np.nan, np.inf
    found = sharpness(landscape, points)
    np.testing.assert_array_equal(np.isnan(found.value), [False, True, False, True])
    np.testing.assert_allclose(found.value[[0, 2]], expected[[0, 2]], rtol=1e-12)


def test_an_overflow_leaves_other_points_alone(sharpness):
    dyn, problem, _ = setting("difference", 2)
    landscape, points = Landscape(dyn, problem), np.random.default_rng(7).standard_normal((40, 2, 6))
    expected = sharpness(landscape, points).value
    points[5] *= 1e160  # whose Hessian is not finite
    found = sharpness(landscape, points).value
    assert np.isnan(found[5])
    np.testing.assert_allclose(np.delete(found, 5), np.delete(expected, 5), rtol=1e-12)


def test_many_points_in_chunks(monkeypatch):
    dyn, problem, _ = setting("difference", 2)
    landscape, points = Landscape(dyn, problem), np.random.default_rng(4).standard_normal((50, 2, 6))
    whole = landscape.sharpness(points).value
    monkeypatch.setattr("gdbias.theory.lanczos.CHUNK", 12 * 12 * 7)  # seven points at a time
    np.testing.assert_allclose(landscape.sharpness(points).value, whole, rtol=1e-12)


def test_pieces_and_lanes_change_nothing_but_the_rounding(monkeypatch):
    dyn, problem, _ = setting("difference", 3, n=15, d=25)  # some points need restarts and some do not
    landscape = Landscape(dyn, problem)
    points = np.random.default_rng(5).standard_normal((45, 2, 25)) * np.geomspace(0.1, 2, 45)[:, None, None]
    points[7] = np.nan
    whole = sharpness_at(landscape, points)
    monkeypatch.setattr("gdbias.sims.measure.pieces.NUMBERS", 1)  # a block at a time
    np.testing.assert_allclose(sharpness_at(landscape, points).value, whole.value, rtol=1e-13)
    alone = [sharpness_at(landscape, point[None]).value for point in points]
    np.testing.assert_allclose(np.concatenate(alone), whole.value, rtol=1e-13)


@pytest.mark.parametrize("name", ["power(3)", "difference(2)", "product(3)"])
def test_adaptive(sharpness, name):
    dyn = theory.derive(theory.parse(name))
    problem = setting("power", 1, n=8, d=15)[1]
    landscape = Landscape(dyn, problem)
    points = np.random.default_rng(6).standard_normal((9, len(dyn.model.weights), 15))
    expected = []
    for point in points:
        scale = np.abs(point).ravel()
        expected.append(np.linalg.eigvalsh(scale[:, None] * landscape.dense_hessian(point) * scale)[-1])
    np.testing.assert_allclose(sharpness(landscape, points, adaptive=True).value, expected, rtol=1e-10)
