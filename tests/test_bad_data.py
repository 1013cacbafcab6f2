"""Data that cannot be meant are named with their place: tables, archives, arrays and images."""

import numpy as np
import pytest

from gdbias import theory
from gdbias.figures.cli.command import main
from gdbias.theory import InputError, Problem
from gdbias.theory.validate import LARGEST, SMALLEST

X, Y = np.arange(1.0, 13.0).reshape(4, 3) % 5, np.array([1.0, -1.0, 2.0, 0.5])
TABLES = {
    "a,a,t\n1,2,3\n4,5,6\n": "column 'a' stands twice",
    "a,t,t\n1,2,3\n4,5,6\n": "column 't' stands twice",
    "a, a,t\n1,2,3\n4,5,6\n": "column 'a' stands twice",
    "a,b,a,t\n1,2,3,4\n4,5,6,7\n": "column 'a' stands twice",
    ",a,t\n0,2,3\n1,5,6\n": "column 1 .* has no name, as the index",
    "a,,t\n0,2,3\n1,5,6\n": "column 2 .* has no name",
    "a,t,\n0,2,\n1,5,\n": "column 3 .* has no name",
    "a;t\n1;2\n3;4\n": "separated by ';'",
    "a;t\n1,5;2\n3,1;4\n": "decimals by points",
    "a\tt\n1\t2\n3\t4\n": "separated by tabs",
    "a b t\n1 2 3\n": "'t' is not a column .* choose one of a b t",
    "a,t\n1,2,3\n4,5,6\n": "more values than its header",
    "a,t\n1,7\n2,7\n3,7\n4,7\n": "target 't' is constant",
    "a,t\n7,1\n7,2\n7,3\n7,4\n": "feature 'a' is constant",
    "a,t\n1e300,1\n2,2\n3,3\n": "row 1, column 'a' .* is beyond 1e.100",
    "a,t\n1,1\n2,-1e200\n3,3\n": "row 2, column 't' .* is beyond 1e.100",
    "a,t\n1e-300,1\n2e-300,2\n4e-300,3\n5e-300,4\n": "feature 'a' spreads by .*: give it in other units",
    "a,t\n1,1e-300\n2,2e-300\n3,5e-300\n4,7e-300\n": "target 't' spreads by .*: give it in other units",
    "a,t\n1,1\n2,yes\n": "'t' .* is not numeric",
    "a,t\n1,1\n,2\n3,3\n": "row 2, column 'a'",
    "a,t\n": "no rows",
    "\n": "cannot read",
    "t\n1\n2\n": "no column beside",
}
READ = {  # what is meant all the same
    "a,t\n1,2\n3,5\n4,1\n": "t",
    " a , t \n1,2\n3,5\n4,1\n": "t",
    "\ufeffa,t\n1,2\n3,5\n4,1\n": "t",
    '"a","t"\n1,2\n3,5\n4,1\n': " t",
    "a.1,t\n1,2\n3,5\n4,1\n": "t",
}
ARRAYS = [
    (dict(X=[[1, 2], [3]]), "X is not an array of real numbers"),
    (dict(X=np.ma.masked_less(X, 2)), "X has .* masked entries"),
    (dict(y=np.ma.masked_less(Y, 0)), "y has 1 masked entries"),
    (dict(X_test=np.ma.masked_less(X, 2), y_test=Y), "X_test has .* masked"),
    (dict(y=Y[:, None]), r"y has shape \(4, 1\), expected \(4,\): use y.ravel\(\)"),
    (dict(y=Y[None]), r"use y.ravel\(\)"),
    (dict(y_test=Y[:, None], X_test=X), r"use y_test.ravel\(\)"),
    (dict(y=Y[:3]), "one target for each row of X"),
    (dict(X=X.astype(str)), "X is not an array of real numbers"),
    (dict(X=[[1, None, 2]] * 4), "X is not an array of real numbers"),
    (dict(X=[[1, "2", 2.5]] * 4), "X is not an array of real numbers"),
    (dict(y=[1, 2, None, 4]), "y is not an array of real numbers"),
    (dict(X=X + 0j), "X is not an array of real numbers"),
    (dict(X=np.where(X == 1, np.nan, X)), "X.* is not finite"),
    (dict(y=[1, 2, np.inf, 4]), r"y\[2\] = inf is not finite"),
    (dict(X=X * 1e200), "is its largest entry.*other units"),
    (dict(X=X * 1e-200), "is its largest entry.*other units"),
    (dict(y=Y * 1e200), r"y\[2\] = 2e\+200 is its largest entry"),
    (dict(y=Y * 1e-200), r"y\[2\] = 2e-200 is its largest entry"),
    (dict(X=X * 0), "X is 0 in every entry"),
    (dict(X=X[0]), r"X has shape \(3,\)"),
    (dict(X=X[:, :0]), "X has shape"),
    (dict(X=X, y=Y, loss="logistic"), "targets -1 or"),
    (dict(X=X, y=Y, loss="hinge"), "hinge"),
    (dict(beta_star=[1.0]), "beta_star has shape"),
]


@pytest.fixture
def table(tmp_path):
    def write(text):
        (tmp_path / "data.csv").write_text(text, encoding="utf-8")
        return str(tmp_path / "data.csv")

    return write


@pytest.mark.parametrize("text", TABLES)
def test_a_table_is_refused_by_what_is_wrong_in_it(text, table, capsys):
    path = table(text)
    with pytest.raises(InputError, match=TABLES[text]):
        Problem.from_csv(path, "t", test_fraction=0)
    with pytest.raises(SystemExit) as end:
        main(["predict", "--csv", path, "--target", "t", "--test-fraction", "0"])
    shown = capsys.readouterr()
    assert end.value.code == 2 and not shown.out
    [line] = shown.err.splitlines()
    assert line.startswith("gdbias: ")


@pytest.mark.parametrize("text", READ)
def test_what_is_meant_is_read(text, table):
    problem = Problem.from_csv(table(text), READ[text], test_fraction=0, standardize=False)
    order = np.argsort(problem.X[:, 0])
    np.testing.assert_array_equal(problem.X[order, 0], [1, 3, 4])
    np.testing.assert_array_equal(problem.y[order], [2, 5, 1])


@pytest.mark.parametrize("given, told", ARRAYS)
def test_arrays_are_refused_by_what_is_wrong_in_them(given, told):
    with pytest.raises(InputError, match=told) as error:
        Problem(**dict(X=X, y=Y) | given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given, told", ARRAYS[4:22])
def test_so_are_those_of_an_archive(given, told, tmp_path, capsys):
    np.savez(tmp_path / "data.npz", **(dict(X=X, y=Y) | given))
    with pytest.raises(SystemExit) as end:
        main(["predict", "--npz", str(tmp_path / "data.npz")])
    shown = capsys.readouterr()
    assert end.value.code == 2 and not shown.out and "data.npz" in shown.err and len(shown.err.splitlines()) == 1


@pytest.mark.parametrize("size", [LARGEST / 10, 1.0, SMALLEST * 10])
def test_sizes_whose_squares_are_numbers_are_data(size):
    problem = Problem(X * size, Y * size)
    assert np.isfinite(problem.loss_at(np.ones(3))) and problem.loss_at(np.zeros(3)) > 0


def test_nothing_masked_is_an_array():
    assert Problem(np.ma.array(X), Y).fingerprint == Problem(X, Y).fingerprint


@pytest.mark.parametrize(
    "asked",
    ["--noise 1e300", "--init-scale 1e300", "--init-scale nan", "--noise -1", "--correlation 1", "--sparsity -1"],
)
def test_sizes_of_options_are_refused_in_one_line(asked, capsys):
    for verb in ("predict", "run --lr 0.1"):
        with pytest.raises(SystemExit) as end:
            main([*verb.split(), *asked.split()])
        shown = capsys.readouterr()
        assert end.value.code == 2 and not shown.out and len(shown.err.splitlines()) == 1


def test_coefficients_that_fit_at_the_boundary_alone_are_a_limit():
    problem = theory.sparse_regression(n=5, d=8, sparsity=2, signs="positive", n_test=0)
    with pytest.warns(UserWarning, match="6 of 8 coefficients are 0 in whatever fits the 5 samples"):
        flow = theory.predict(theory.power(2), problem, 0.1).flow
    np.testing.assert_allclose(flow.beta, problem.beta_star, atol=1e-9)


@pytest.mark.parametrize("model", [theory.power(2), theory.power(3), theory.difference(2), theory.product(2)])
def test_targets_of_0_have_an_endpoint(model):
    """Coefficients that the samples do not see, near the start; of weights that cancel, the start itself."""
    problem = theory.sparse_regression(sparsity=0, n_test=0)
    flow = theory.predict(model, problem, 0.1).flow
    start = model.effective.subs(dict(zip(model.weights, model.theta0(0.1, 1)[:, 0], strict=True)))
    np.testing.assert_allclose(problem.X @ flow.beta, 0, atol=1e-12)
    assert (flow.beta > 0).all() if start else np.allclose(flow.theta, model.theta0(0.1, problem.d))


def test_a_logistic_prediction_has_no_endpoint(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", X=rng.standard_normal((6, 3)), y=np.array([1, -1, 1, -1, 1, -1]))
    main(["predict", "--npz", str(tmp_path / "data.npz"), "--loss", "logistic"])
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 and told[1].startswith("lr_critical ")
