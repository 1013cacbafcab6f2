"""Real data that packages ship: what is fitted and held out, made again by the spec, or what to install."""

import sys

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.figures.cli.command import read_arguments
from gdbias.theory import InputError, MissingExtra
from gdbias.theory.datasets import MADE_BY_SPEC

BY_SKLEARN = {"diabetes": (442, 64), "breast_cancer": (569, 30), "digit_pair": (357, None)}


@pytest.mark.parametrize("name", BY_SKLEARN)
def test_rows_are_fitted_or_held_out_and_the_spec_makes_them_again(name):
    pytest.importorskip("sklearn")
    rows, features = BY_SKLEARN[name]
    problem = getattr(theory, name)(train=50, seed=1)
    assert problem.n == 50 and problem.n + len(problem.X_test) == rows and features in (None, problem.d)
    np.testing.assert_allclose(problem.X.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(problem.X.std(axis=0), 1, rtol=1e-12)
    spec = dict(problem.spec)
    assert MADE_BY_SPEC[spec.pop("kind")](**spec) == problem
    assert getattr(theory, name)(train=50, seed=2) != problem
    if name != "diabetes":
        assert set(problem.y) == set(problem.y_test) and np.ptp(problem.y) == 2
        assert abs(problem.y.mean()) < 1e-12 or problem.loss != theory.squared


def test_a_stored_sweep_finds_its_data_again(tmp_path):
    pytest.importorskip("sklearn")
    problem = theory.digit_pair(0, 1, train=12)
    sims.sweep(theory.difference(2), problem, 1e-3, 0.1, max_steps=3, store=tmp_path / "runs.zarr")
    _, (again,) = sims.rebuild(sims.store.open_result(tmp_path / "runs.zarr"))
    assert again == problem


@pytest.mark.parametrize(
    "bad", [dict(first=3, second=3), dict(first=10), dict(train=1), dict(train=357), dict(seed=-1)]
)
def test_what_is_no_pair_of_digits_is_refused(bad):
    pytest.importorskip("sklearn")
    with pytest.raises(InputError, match=next(iter(bad))):
        theory.digit_pair(**bad)


@pytest.mark.parametrize(
    "make, module, package",
    [
        (theory.khan, "ISLP", "ISLP"),
        (theory.gse7390, "sksurv", "scikit-survival"),
        (theory.breast_cancer, "sklearn.datasets", ""),
    ],
)
def test_what_is_not_installed_is_named(make, module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(MissingExtra, match=package or "gdbias\\[data\\]"):
        make()


@pytest.fixture
def islp(tmp_path, monkeypatch):
    """A package of the layout of ISLP, with few rows, that fails where it is imported."""
    data = tmp_path / "ISLP" / "data"
    data.mkdir(parents=True)
    (tmp_path / "ISLP" / "__init__.py").write_text("raise RuntimeError")
    rng = np.random.default_rng(0)
    for part, rows in (("train", 6), ("test", 4)):
        np.savetxt(data / f"Khan_x{part}.csv", rng.normal(size=(rows, 9)), delimiter=",", header="x", comments="")
        np.savetxt(data / f"Khan_y{part}.csv", 1 + np.arange(rows) % 3, header='"x"', comments="", fmt="%d")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "ISLP", raising=False)


def test_gene_expression_is_read_in_its_own_split(islp):
    problem = theory.khan(positive=3)
    assert (problem.n, problem.d, len(problem.X_test)) == (6, 9, 4)
    np.testing.assert_allclose(problem.y, [-2 / 3, -2 / 3, 4 / 3, -2 / 3, -2 / 3, 4 / 3])
    np.testing.assert_allclose(problem.y_test, [-2 / 3, -2 / 3, 4 / 3, -2 / 3])
    with pytest.raises(InputError, match="one class"):
        theory.khan(positive=4)


def test_the_command_line_takes_them(islp):
    pytest.importorskip("sklearn")
    read = lambda *words: read_arguments(["run", "--lr", "0.1", *words]).data.setting()[1]  # noqa: E731
    assert read("--dataset", "breast_cancer").loss.name == "logistic"
    assert read("--dataset", "breast_cancer", "--loss", "squared", "--train", "30", "--seed", "2").n == 30
    assert read("--dataset", "khan").d == 9
    for words in (["--dataset", "khan", "--train", "5"], ["--dataset", "khan", "--seed", "1"], ["--train", "5"]):
        with pytest.raises(InputError, match="no effect"):
            read(*words)
