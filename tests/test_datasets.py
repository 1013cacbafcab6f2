"""Where problems come from: seeded draws in a documented order, and files that are refused by what is wrong in them."""

import numpy as np
import pandas as pd
import pytest

from gdbias import theory
from gdbias.theory import InputError, Problem


def data(n=4, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


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
        dict(seed=-1), dict(n=4.5), dict(d="40"), dict(sparsity=None), dict(seed=1.0), dict(n_test=True),
        dict(noise="a"), dict(noise=[0.1]), dict(noise=1j), dict(correlation="a"),
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
    for bad in [([1.0, np.nan], 1), ("abc", 1), ([1.0, 1j], 1), ([1.0], "abc"), ([1.0], np.inf), ([1.0], [1, 2])]:
        with pytest.raises(InputError):
            theory.single_point(*bad)


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
        ("a,t\n1,2\n", "one training row"),
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
                                 dict(test_fraction=0.99), dict(loss="hinge"), dict(seed=-1),
                                 dict(seed=0.5), dict(test_fraction="a")])  # fmt: skip
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


def test_a_table_of_more_features_than_rows_is_predicted_whatever_its_means(tmp_path):
    """Centred samples depend on each other: their rounding must not be taken for a sample of its own."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 30)) + 10.0 ** rng.uniform(-3, 7, 30)
    np.savetxt(tmp_path / "data.csv", np.c_[X, rng.standard_normal(12)], delimiter=",", comments="",
               header=",".join([f"x{i}" for i in range(30)] + ["y"]), fmt="%.17g")  # fmt: skip
    problem = Problem.from_csv(tmp_path / "data.csv", "y", test_fraction=0)
    Q, t = problem.interpolation
    assert len(Q) == 11
    flow = theory.predict(theory.difference(2), problem, 0.1).flow
    np.testing.assert_allclose(problem.X @ flow.beta, problem.y, atol=1e-8)
    np.testing.assert_allclose(Q @ flow.beta, t, atol=1e-8)
