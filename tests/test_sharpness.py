"""The largest Hessian eigenvalue of many points: in NumPy (theory) and compiled (sims), by the same tests."""

import numpy as np
import pytest

import reference
from gdbias import theory
from gdbias.sims.measure.sharpness import sharpness_at
from gdbias.theory.derivation import hessian
from gdbias.theory.derivation.hessian import Hessian, dense_hessian
from test_derive import CASES, IDS, setting


def compiled(dynamics, problem, points, start=None, adaptive=False):
    """sharpness_at, with the shapes of theory's function."""
    starts = None if start is None else np.moveaxis(start, -1, 0)
    return sharpness_at(dynamics, problem, np.moveaxis(points, -1, 0), starts, adaptive)


@pytest.fixture(params=[hessian.sharpness, compiled], ids=["theory", "sims"])
def sharpness(request):
    return request.param


@pytest.mark.parametrize("family, L", CASES, ids=IDS)
def test_sharpness_of_a_batch(sharpness, family, L):
    dyn, problem, _ = setting(family, L, n=5, d=9)
    points = np.random.default_rng(1).standard_normal((len(dyn.model.weights), 9, 7))
    expected = [
        reference.sharpness_by_differences(family, L, at, problem.X, problem.y) for at in points.T.swapaxes(1, 2)
    ]
    found = sharpness(dyn, problem, points)
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    _check_residual(dyn, problem, points, found)


@pytest.mark.parametrize("m, d, n", [(1, 60, 40), (2, 40, 20), (3, 30, 45)])
def test_sharpness_needs_restarts(sharpness, m, d, n):  # m d above the Krylov dimension
    dyn, problem, _ = setting(["power", "difference", "product"][m - 1], 3, n=n, d=d)
    points = np.random.default_rng(2).standard_normal((m, d, 5))
    found = sharpness(dyn, problem, points)
    expected = [np.linalg.eigvalsh(dense_hessian(dyn, problem, points[:, :, b]))[-1] for b in range(5)]
    np.testing.assert_allclose(found.value, expected, rtol=1e-9)
    _check_residual(dyn, problem, points, found)


def test_residual_bounds_the_error_before_convergence(sharpness, monkeypatch):
    monkeypatch.setattr("gdbias.theory.lanczos.ROUNDS", 1)
    monkeypatch.setattr("gdbias.sims.measure.sharpness.ROUNDS", 1)
    d = 200
    problem = theory.Problem(np.diag(np.sqrt(d * (1 - 1e-4 * np.arange(d) / d))), np.zeros(d))
    dyn, points = theory.derive(theory.power(1)), np.ones((1, d, 1))
    found = sharpness(dyn, problem, points)
    assert found.value[0] < 1 - 1e-9 and found.residual[0] > 1e-7  # it says that it has not converged
    _check_residual(dyn, problem, points, found)


def _check_residual(dyn, problem, points, found):
    H = Hessian(dyn, problem, points)
    error = np.linalg.norm(H @ found.vector - found.value * found.vector, axis=(0, 1))
    scale = np.abs(found.value) + 1
    np.testing.assert_allclose(np.linalg.norm(found.vector, axis=(0, 1)), 1, rtol=1e-10)
    assert (np.abs(error - found.residual) <= 1e-11 * scale).all()
    for b in range(points.shape[2]):
        spectrum = np.linalg.eigvalsh(dense_hessian(dyn, problem, points[:, :, b]))
        assert np.abs(spectrum - found.value[b]).min() <= found.residual[b] + 1e-11 * scale[b]


@pytest.mark.parametrize("d", [3, 40])
def test_degenerate_spectrum(sharpness, d):
    X = np.sqrt(d) * np.eye(d)
    problem = theory.Problem(X, X.sum(axis=1))
    dyn = theory.derive(theory.power(2))
    found = sharpness(dyn, problem, np.ones((1, d, 2)))  # the Hessian is 4 I
    np.testing.assert_allclose(found.value, 4, rtol=1e-13)
    np.testing.assert_allclose(found.residual, 0, atol=1e-12)


def test_zero_hessian(sharpness):
    problem = theory.Problem(np.eye(3), np.ones(3))
    found = sharpness(theory.derive(theory.power(3)), problem, np.zeros((1, 3, 1)))
    assert found.value[0] == 0 and found.residual[0] == 0


def test_largest_algebraic_eigenvalue_not_the_largest_in_size(sharpness):
    problem = theory.Problem(np.ones((1, 30)), [-50.0])  # y < 0: at w = 0 the Hessian is 2 g I with g = 50
    dyn = theory.derive(theory.difference(2))
    theta = np.zeros((2, 30, 1))
    theta[0, 0], theta[1, 1] = 0.3, 0.2
    spectrum = np.linalg.eigvalsh(dense_hessian(dyn, problem, theta[..., 0]))
    assert spectrum[-1] > 0 > spectrum[0]
    assert sharpness(dyn, problem, theta).value[0] == pytest.approx(spectrum[-1], rel=1e-10)
    problem = theory.Problem(np.ones((1, 30)), [50.0])
    theta = np.random.default_rng(0).uniform(0, 0.01, (1, 30, 1))
    spectrum = np.linalg.eigvalsh(dense_hessian(theory.derive(theory.power(2)), problem, theta[..., 0]))
    assert spectrum[-1] < 0 and abs(spectrum[0]) > abs(spectrum[-1])  # every eigenvalue is negative
    found = sharpness(theory.derive(theory.power(2)), problem, theta)
    assert found.value[0] == pytest.approx(spectrum[-1], rel=1e-8)


def test_start_vectors(sharpness):
    dyn, problem, _ = setting("difference", 2, n=15, d=25)
    points = np.random.default_rng(3).standard_normal((2, 25, 4))
    cold = sharpness(dyn, problem, points)
    eigenvectors = [np.linalg.eigh(dense_hessian(dyn, problem, points[:, :, b]))[1] for b in range(4)]
    for column in (-1, 0):  # the answer, and the eigenvector at the wrong end
        start = np.stack([vectors[:, column].reshape(2, 25) for vectors in eigenvectors], axis=-1)
        warm = sharpness(dyn, problem, points, start)
        np.testing.assert_allclose(warm.value, cold.value, rtol=1e-9)


def test_points_that_are_not_finite(sharpness):
    dyn, problem, _ = setting("difference", 2)
    points = np.random.default_rng(3).standard_normal((2, 6, 4))
    expected = sharpness(dyn, problem, points).value
    points[0, 2, 1], points[1, 0, 3] = np.nan, np.inf
    found = sharpness(dyn, problem, points)
    np.testing.assert_array_equal(np.isnan(found.value), [False, True, False, True])
    np.testing.assert_allclose(found.value[[0, 2]], expected[[0, 2]], rtol=1e-12)


def test_many_points_in_chunks(monkeypatch):
    dyn, problem, _ = setting("difference", 2)
    points = np.random.default_rng(4).standard_normal((2, 6, 50))
    whole = hessian.sharpness(dyn, problem, points).value
    monkeypatch.setattr("gdbias.theory.lanczos.CHUNK", 12 * 12 * 7)  # seven points at a time
    np.testing.assert_allclose(hessian.sharpness(dyn, problem, points).value, whole, rtol=1e-12)


def test_pieces_and_lanes_change_nothing_but_the_rounding(monkeypatch):
    dyn, problem, _ = setting("difference", 3, n=15, d=25)  # some points need restarts and some do not
    points = np.random.default_rng(5).standard_normal((2, 25, 45)) * np.geomspace(0.1, 2, 45)
    points[:, :, 7] = np.nan
    whole = compiled(dyn, problem, points)
    monkeypatch.setattr("gdbias.sims.measure.sharpness.PIECE", 11)
    np.testing.assert_allclose(compiled(dyn, problem, points).value, whole.value, rtol=1e-13)
    alone = [compiled(dyn, problem, points[:, :, [b]]).value for b in range(45)]
    np.testing.assert_allclose(np.concatenate(alone), whole.value, rtol=1e-13)


@pytest.mark.parametrize("name", ["power(3)", "difference(2)", "product(3)"])
def test_adaptive(sharpness, name):
    dyn = theory.derive(theory.parse(name))
    problem = setting("power", 1, n=8, d=15)[1]
    points = np.random.default_rng(6).standard_normal((len(dyn.model.weights), 15, 9))
    expected = []
    for b in range(9):
        scale = np.abs(points[:, :, b]).ravel()
        expected.append(np.linalg.eigvalsh(scale[:, None] * dense_hessian(dyn, problem, points[:, :, b]) * scale)[-1])
    np.testing.assert_allclose(sharpness(dyn, problem, points, adaptive=True).value, expected, rtol=1e-10)
