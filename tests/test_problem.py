"""Data enter by one door, which names what is wrong; what the data determine without a model is exact."""

import numpy as np
import pandas as pd
import pytest

from gdbias import theory
from gdbias.theory import InputError, Problem
from gdbias.theory.law import array_loss


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
    "zero data": (np.zeros((2, 3)), np.array([1.0, 2.0])),
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


def test_sparse_regression_draw_order():
    n, d, k, seed = 7, 9, 4, 3
    problem = theory.sparse_regression(n=n, d=d, sparsity=k, noise=0.5, n_test=5, seed=seed)
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    support = rng.permutation(d)[:k]
    sizes = rng.uniform(0.5, 1.5, k)
    signs = rng.choice([-1.0, 1.0], k)
    beta_star = np.zeros(d)
    beta_star[support] = sizes * signs
    noise = rng.standard_normal(n)
    X_test = rng.standard_normal((5, d))
    np.testing.assert_array_equal(problem.X, X)
    np.testing.assert_array_equal(problem.beta_star, beta_star)
    np.testing.assert_allclose(problem.y, X @ beta_star + 0.5 * noise, rtol=1e-14)
    np.testing.assert_array_equal(problem.X_test, X_test)
    np.testing.assert_allclose(problem.y_test, X_test @ beta_star + 0.5 * rng.standard_normal(5), rtol=1e-14)


def test_sparse_regression_options_share_their_draws():
    base = theory.sparse_regression(seed=1)
    positive = theory.sparse_regression(seed=1, signs="positive")
    np.testing.assert_array_equal(positive.beta_star, np.abs(base.beta_star))
    assert base.fingerprint == theory.sparse_regression(seed=1).fingerprint
    assert base.fingerprint != theory.sparse_regression(seed=2).fingerprint
    np.testing.assert_array_equal(theory.sparse_regression(seed=1, n_test=0).y, base.y)
    assert theory.sparse_regression(n_test=0).test_risk(base.beta_star) is None
    assert base.test_risk(base.beta_star) == 0


def test_correlated_features():
    problem = theory.sparse_regression(n=20_000, d=4, sparsity=1, correlation=0.7, n_test=0)
    found = np.corrcoef(problem.X.T)
    np.testing.assert_allclose(found, 0.7 ** np.abs(np.subtract.outer(range(4), range(4))), atol=0.03)
    np.testing.assert_allclose(problem.X.std(axis=0), 1, atol=0.03)


@pytest.mark.parametrize(
    "bad",
    [
        dict(n=0), dict(d=0), dict(sparsity=-1), dict(sparsity=41), dict(noise=-1), dict(noise=np.nan),
        dict(noise=np.inf), dict(correlation=1), dict(correlation=np.nan), dict(signs="both"), dict(n_test=-1),
        dict(seed=-1),
    ],
)  # fmt: skip
def test_sparse_regression_refuses(bad):
    with pytest.raises(InputError):
        theory.sparse_regression(**bad)


def test_single_point():
    problem = theory.single_point([0.5, 1.0], 3)
    assert (problem.n, problem.d) == (1, 2)
    assert problem.loss_at(np.array([2.0, 1.0])) == pytest.approx((2 - 3) ** 2 / 2)
    with pytest.raises(InputError):
        theory.single_point(np.ones((2, 2)), 1)
    with pytest.raises(InputError):
        theory.single_point([1.0, np.nan], 1)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(3, 2, 40), "t": rng.normal(10, 5, 40), "b": rng.normal(-1, 9, 40)})


@pytest.fixture
def csv(tmp_path):
    def write(content):
        path = tmp_path / "data.csv"
        if isinstance(content, str):
            path.write_text(content)
        else:
            content.to_csv(path, index=False)
        return path

    return write


def test_csv_split_and_standardisation(csv, table):
    problem = Problem.from_csv(csv(table), target="t", test_fraction=0.25, seed=5)
    assert problem.X.shape == (30, 2) and problem.X_test.shape == (10, 2)
    np.testing.assert_allclose(problem.X.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(problem.X.std(axis=0), 1, rtol=1e-13)
    assert abs(problem.y.mean()) < 1e-13
    order = np.random.default_rng(5).permutation(40)
    train, test = table.iloc[order[10:]], table.iloc[order[:10]]
    features = ["a", "b"]
    mean, scale = train[features].mean(), train[features].std(ddof=0)  # of the training rows alone
    np.testing.assert_allclose(problem.X_test, (test[features] - mean) / scale, rtol=1e-12)
    np.testing.assert_allclose(problem.y_test, test["t"] - train["t"].mean(), rtol=1e-12)
    again = Problem.from_csv(csv(table), target="t", seed=5)
    assert again.fingerprint == problem.fingerprint
    assert Problem.from_csv(csv(table), target="t", seed=6).fingerprint != problem.fingerprint


def test_csv_as_it_is(csv, table):
    problem = Problem.from_csv(csv(table), target="t", test_fraction=0, standardize=False)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(problem.X, table[["a", "b"]].to_numpy()[order], rtol=1e-15)
    np.testing.assert_allclose(problem.y, table["t"].to_numpy()[order], rtol=1e-15)
    assert problem.X_test is None


def test_csv_labels_are_not_centred(csv, table):
    table["t"] = np.where(table["t"] > 10, 1, -1)
    problem = Problem.from_csv(csv(table), target="t", loss="logistic")
    assert set(problem.y) == {-1.0, 1.0}
    table["t"] = (table["t"] > 0).astype(int)
    with pytest.raises(InputError):
        Problem.from_csv(csv(table), target="t", loss="logistic")


@pytest.mark.parametrize(
    "content, named",
    [
        ("a,b\n1,2\n3,4\n", "'t'"),
        ("a,t,word\n1,2,low\n3,4,high\n5,6,low\n", "'word'"),
        ("a,t\n1,2\n,4\n5,6\n7,8\n", "row 2, column 'a'"),
        ("a,t\n1,2\n3,\n5,6\n7,8\n", "row 2, column 't'"),
        ("a,t\n1,inf\n3,4\n5,6\n7,8\n", "row 1, column 't'"),
        ("a,b,t\n1,0.1,2\n2,0.1,4\n5,0.1,6\n4,0.1,3\n", "'b' is constant"),
        ("t\n1\n2\n3\n", "no column beside"),
        ("a,t\n", "no rows"),
        ("", "data.csv"),
        ("a,t\n1,2,3\n4,5,6,7\n", "data.csv"),
        ("a,t\n1,2\n", "constant"),
    ],
)
def test_csv_refuses(csv, content, named):
    with pytest.raises(InputError, match=named):
        Problem.from_csv(csv(content), target="t")


def test_csv_missing_or_not_text(tmp_path):
    with pytest.raises(InputError, match="nowhere.csv"):
        Problem.from_csv(tmp_path / "nowhere.csv", target="t")
    with pytest.raises(InputError):
        Problem.from_csv(tmp_path, target="t")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(InputError):
        Problem.from_csv(tmp_path / "binary.csv", target="t")


@pytest.mark.parametrize("bad", [dict(test_fraction=1.0), dict(test_fraction=-0.1), dict(test_fraction=np.nan),
                                 dict(test_fraction=0.99), dict(loss="hinge"), dict(seed=-1)])  # fmt: skip
def test_csv_options(csv, table, bad):
    with pytest.raises(InputError):
        Problem.from_csv(csv(table), target="t", **bad)


def test_npz(tmp_path):
    X, y = data()
    np.savez(tmp_path / "data.npz", X=X, y=y, beta_star=np.ones(6), X_test=X, y_test=y, unrelated=np.ones(2))
    problem = Problem.from_npz(tmp_path / "data.npz")
    np.testing.assert_array_equal(problem.X, X)
    np.testing.assert_array_equal(problem.y_test, y)
    np.testing.assert_array_equal(problem.beta_star, np.ones(6))
    np.savez(tmp_path / "bare.npz", X=X, y=np.sign(y))
    assert Problem.from_npz(tmp_path / "bare.npz", loss="logistic").loss == theory.logistic


def test_npz_refuses(tmp_path):
    X, y = data()
    np.savez(tmp_path / "no_y.npz", X=X)
    np.save(tmp_path / "array.npy", X)
    np.savez(tmp_path / "objects.npz", X=np.array([{}], dtype=object), y=y)
    (tmp_path / "text.npz").write_text("X, y")
    (tmp_path / "empty.npz").write_text("")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "no_y.npz").read_bytes()[:100])
    for name in ("no_y.npz", "array.npy", "objects.npz", "text.npz", "empty.npz", "cut.npz", "nowhere.npz", "."):
        with pytest.raises(InputError):
            Problem.from_npz(tmp_path / name)


def test_squared_loss_is_half_the_square():
    assert array_loss(theory.squared).loss_value(3.0, 1.0) == 2.0
