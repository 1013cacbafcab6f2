"""Data enter by one door, which names what is wrong; what the data determine without a model is exact."""

from dataclasses import replace

import numpy as np
import pytest

from gdbias import theory
from gdbias.theory import InputError, Problem
from gdbias.theory.loss import array_loss


def data(n=4, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


@pytest.mark.parametrize(
    "X, y, more",
    [
        (np.ones(3), np.ones(3), {}),
        (np.ones((2, 3, 1)), np.ones(2), {}),
        (np.ones((0, 3)), np.ones(0), {}),
        (np.ones((3, 0)), np.ones(3), {}),
        (np.ones((2, 3)), np.ones(3), {}),
        (np.ones((2, 3)), np.ones((2, 1)), {}),
        (np.ones((2, 3)), np.ones(2), dict(beta_star=np.ones(2))),
        (np.ones((2, 3)), np.ones(2), dict(X_test=np.ones((1, 3)))),
        (np.ones((2, 3)), np.ones(2), dict(y_test=np.ones(1))),
        (np.ones((2, 3)), np.ones(2), dict(X_test=np.ones((1, 2)), y_test=np.ones(1))),
        (np.ones((2, 3)), np.ones(2), dict(X_test=np.ones((2, 3)), y_test=np.ones(1))),
        ([["a", "b"]], [1.0], {}),
        ([[1.0, 2.0], [3.0]], [1.0, 2.0], {}),
        (np.ones((2, 3)), ["low", "high"], {}),
        (np.ones((2, 3)), np.ones(2), dict(loss="hinge")),
    ],
)
def test_shapes_that_do_not_match(X, y, more):
    with pytest.raises(InputError):
        Problem(X, y, **more)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_entries_that_are_not_finite_are_named(bad):
    X, y = data()
    X[2, 5] = bad
    with pytest.raises(InputError, match=r"X\[2, 5\]"):
        Problem(X, y)
    X, y = data()
    y[3] = bad
    with pytest.raises(InputError, match=r"y\[3\]"):
        Problem(X, y)
    with pytest.raises(InputError, match=r"y_test\[1\]"):
        Problem(*data(), X_test=np.ones((2, 6)), y_test=[0.0, bad])


@pytest.mark.parametrize("name", ["X", "y", "X_test", "y_test", "beta_star"])
def test_complex_data_are_refused(name):
    X, y = data()
    given = dict(X=X, y=y, X_test=X, y_test=y, beta_star=np.ones(6))
    with pytest.raises(InputError, match=f"^{name} is not an array of real numbers"):
        Problem(**(given | {name: given[name] + 0j}))


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_features_of_zeros_are_refused(loss):  # no loss to descend
    with pytest.raises(InputError, match="X is 0 in every entry"):
        Problem(np.zeros((2, 3)), [1, -1], loss=loss)
    with pytest.raises(InputError, match="X is 0 in every entry"):
        theory.single_point([0, 0], 1)
    Problem([[0, 0], [0, 1e-140]], [1, -1], loss=loss)  # one entry is enough


def test_a_spec_is_plain():
    X, y = data()
    assert dict(Problem(X, y, spec={"me": (1, 2)}).spec) == {"kind": "data", "me": [1, 2]}
    for bad in ({"me": X}, {"kind": 3}, "me", 5, {"me": object()}):
        with pytest.raises(InputError, match="^spec = "):
            Problem(X, y, spec=bad)


def test_data_are_copied_and_frozen():
    X, y = data()
    problem = Problem(X, y)
    X[0, 0] = 7.0  # the caller's array stays the caller's
    assert problem.X[0, 0] != 7.0
    with pytest.raises(ValueError):
        problem.X[0, 0] = 7.0


def test_lists_and_integers_are_data():
    problem = Problem([[1, 2], [3, 4]], [1, 0])
    assert problem.X.dtype == problem.y.dtype == float
    assert (problem.n, problem.d) == (2, 2)


def test_losses():
    X, y = data()
    beta = np.random.default_rng(1).standard_normal((3, 2, 6))
    problem = Problem(X, y, X_test=2 * X, y_test=y)
    loss, risk = problem.loss_at(beta), problem.test_risk(beta)
    assert loss.shape == risk.shape == (3, 2)
    for at in np.ndindex(3, 2):
        assert loss[at] == pytest.approx(np.sum((X @ beta[at] - y) ** 2) / 8, rel=1e-14)
        assert risk[at] == pytest.approx(np.sum((2 * X @ beta[at] - y) ** 2) / 8, rel=1e-14)
    assert Problem(X, y).test_risk(beta) is None


def test_logistic_labels():
    X, _ = data()
    labels = np.array([1.0, -1.0, -1.0, 1.0])
    beta = np.random.default_rng(1).standard_normal(6)
    problem = Problem(X, labels, loss="logistic", X_test=X, y_test=labels)
    expected = np.log1p(np.exp(-labels * (X @ beta))).mean()
    assert problem.loss_at(beta) == pytest.approx(expected, rel=1e-14)
    assert problem.test_risk(beta) == pytest.approx(expected, rel=1e-14)
    for bad in (0.0, 2.0, 0.5):
        wrong = np.where(np.arange(4) == 1, bad, labels)
        with pytest.raises(InputError):
            Problem(X, wrong, loss="logistic")
        with pytest.raises(InputError):
            Problem(X, labels, loss="logistic", X_test=X, y_test=wrong)


def rank_deficient():
    X, y = data(6, 5)
    X[4], X[5] = X[0] + X[1], 2 * X[2]
    X[:, 4] = X[:, 0]
    return X, y


def duplicates():
    X, y = data(3, 7)
    return np.vstack([X, X[:2]]), np.concatenate([y, y[:2]])


PROJECTED = {
    "fewer samples": data(4, 6),
    "square": data(5, 5),
    "more samples": data(9, 4),
    "rank deficient": rank_deficient(),
    "duplicated samples": duplicates(),
    "contradicting samples": (np.ones((2, 3)), np.array([1.0, 2.0])),
    "one feature": data(5, 1),
    "one sample": data(1, 4),
    "zero sample": (np.vstack([data(2, 4)[0], np.zeros(4)]), np.array([1.0, 2.0, 3.0])),
    "scales": (data(4, 6)[0] * 1e-6, data(4, 6)[1] * 1e6),
    "large offset": (data(8, 3)[0], 1e8 + data(8, 3)[1]),
}


@pytest.mark.parametrize("name", PROJECTED)
def test_projected_is_the_same_problem(name):
    X, y = PROJECTED[name]
    problem = Problem(X, y)
    X_r, y_r, floor = problem.projected
    assert X_r.shape == (np.linalg.matrix_rank(X), X.shape[1])
    assert y_r.shape == X_r.shape[:1]
    np.testing.assert_allclose(X_r.T @ X_r, X.T @ X, rtol=1e-12, atol=1e-13 * np.abs(X.T @ X).max())
    rng = np.random.default_rng(1)
    for _ in range(5):
        beta = rng.standard_normal(X.shape[1]) * np.abs(y).max() / (np.abs(X).max() or 1)
        gradient, turned = X.T @ (X @ beta - y), X_r.T @ (X_r @ beta - y_r)
        np.testing.assert_allclose(turned, gradient, rtol=1e-10, atol=1e-12 * np.abs(gradient).max())
        residual = X_r @ beta - y_r
        assert residual @ residual / (2 * len(y)) + floor == pytest.approx(float(problem.loss_at(beta)), rel=1e-12)
    best = np.linalg.lstsq(X, y, rcond=None)[0]
    assert floor == pytest.approx(float(problem.loss_at(best)), rel=1e-9, abs=1e-18 * (y @ y))
    np.testing.assert_allclose(X_r @ best, y_r, atol=1e-12 * np.abs(y_r).max(initial=0))


def test_other_losses_are_not_projected():
    X, _ = data(6, 3)
    problem = Problem(X, np.sign(X[:, 0]), loss="logistic")
    X_r, y_r, floor = problem.projected
    assert X_r is problem.X and y_r is problem.y and floor == 0


def test_a_loss_is_known_by_value():  # as after a trip to another process
    copy = theory.Loss("squared", theory.squared.value)
    X, y = data(6, 3)
    assert Problem(X, y, loss=copy).projected[0].shape == (3, 3)


def test_fingerprint_tells_problems_apart():
    X, y = data()
    base = Problem(X, y).fingerprint
    assert Problem(X.copy(), y.copy()).fingerprint == base
    signs = np.sign(y)
    others = [
        Problem(X + 1e-15, y),
        Problem(X, -y),
        Problem(X.reshape(6, 4), np.zeros(6)),
        Problem(X, y, X_test=X, y_test=y),
        Problem(X, signs),
        Problem(X, signs, loss="logistic"),
    ]
    assert len({base, *(p.fingerprint for p in others)}) == 7


MADE = {
    "sparse": dict(n=7, d=9, noise=0.1, n_test=5),
    "no noise": dict(n=7, d=9, n_test=5, correlation=0.5),
    "no teacher": dict(n=7, d=9, sparsity=0),
}


@pytest.mark.parametrize("name", MADE)
def test_the_fingerprint_of_synthetic_data_is_no_machines(name):
    problem = theory.sparse_regression(**MADE[name])
    for ulps in (-8, 8):  # a product summed in another order
        share = 1 + ulps * np.finfo(float).eps
        elsewhere = replace(problem, y=problem.y * share, y_test=problem.y_test * share)
        assert elsewhere.fingerprint == problem.fingerprint


def test_the_sign_of_zero_is_no_difference():
    problem = theory.sparse_regression(n=7, d=9, sparsity=0)
    assert not problem.y.any() and replace(problem, y=-problem.y).fingerprint == problem.fingerprint


def test_the_fingerprint_tells_synthetic_data_apart():
    problem = theory.sparse_regression(n=7, d=9, noise=0.1, n_test=5)
    others = [
        replace(problem, **{name: getattr(problem, name) * (1 + 1e-6)}) for name in ("X", "y", "X_test", "y_test")
    ]
    others += [theory.sparse_regression(n=7, d=9, noise=0.1 + 1e-15, n_test=5), replace(problem, spec={"kind": "data"})]
    others += [theory.single_point([1.0, 2.0], y) for y in (3.0, 3.0 + 1e-15, 1e90, 2e90, 0.0)]
    assert len({problem.fingerprint, *(p.fingerprint for p in others)}) == len(others) + 1


def test_squared_loss_is_half_the_square():
    assert array_loss(theory.squared).loss_value(3.0, 1.0) == 2.0
