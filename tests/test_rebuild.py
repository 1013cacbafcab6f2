"""A result holds what made it: its models and problems come back from its attributes, or the reason why not."""

import json
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims.store.group import open_result
from gdbias.theory import InputError, Problem


def data(n=6, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def labelled(tmp_path, suffix):
    """Data with labels -1 and +1 from a file that is gone when the result is read."""
    X, y = data(16)
    path = tmp_path / f"data.{suffix}"
    if suffix == "npz":
        np.savez(path, X=X, y=np.sign(y), X_test=X, y_test=np.sign(y))
        problem = Problem.from_npz(path, loss="logistic")
    else:
        np.savetxt(path, np.c_[X, np.sign(y)], delimiter=",", header="a,b,c,t", comments="")
        problem = Problem.from_csv(path, "t", loss="logistic")
    path.unlink()
    return problem


PROBLEMS = {
    "sparse": lambda _: theory.sparse_regression(n=5, d=4, sparsity=2, noise=0.1, correlation=0.3, n_test=3, seed=8),
    "point": lambda _: theory.single_point([0.5, 1.0, 1.5], 3),
    "arrays": lambda _: Problem(*data(), beta_star=np.ones(3)),
    "labels": lambda _: Problem(data()[0], np.sign(data()[1]), loss="logistic"),
    "squared labels": lambda _: Problem(data()[0], np.sign(data()[1])),
    "csv": lambda tmp_path: labelled(tmp_path, "csv"),
    "npz": lambda tmp_path: labelled(tmp_path, "npz"),
}


def assert_same(found, problem):
    assert found.fingerprint == problem.fingerprint and found.loss == problem.loss
    assert dict(found.spec) == dict(problem.spec)
    for name in ("X", "y", "beta_star", "X_test", "y_test"):
        np.testing.assert_array_equal(getattr(found, name), getattr(problem, name), err_msg=name)


def short(model, problem, **options):
    return sims.sweep(model, problem, [0.01, 0.02], [0.1], max_steps=1, backend="numpy", **options)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_stored_result_is_rebuilt(name, tmp_path):
    model, problem = theory.custom("u*v - w**2", {"w": 0.5}), PROBLEMS[name](tmp_path)
    short(model, problem, store=tmp_path / "a.zarr")
    models, [found] = sims.rebuild(open_result(tmp_path / "a.zarr"))
    assert models == [model]
    assert_same(found, problem)


def test_several_models_and_problems():
    models = [theory.difference(2), theory.product(3)]
    problems = [Problem(*data(seed=1)), theory.single_point([1.0, 0.2, 0.4], 2.0)]
    found_models, found_problems = sims.rebuild(short(models, problems))
    assert found_models == models
    for found, problem in zip(found_problems, problems, strict=True):
        np.testing.assert_array_equal(found.X, problem.X)
        assert found.fingerprint == problem.fingerprint


@pytest.mark.parametrize("run", [lambda *given: sims.descend(*given, 0.01, max_steps=1), sims.flow])
def test_single_runs_are_rebuilt(run):
    model, problem = theory.difference(2), theory.sparse_regression(n=3, d=5, sparsity=1, n_test=0)
    [found_model], [found] = sims.rebuild(run(model, problem))
    assert found_model == model
    assert_same(found, problem)


def changed(ds, **spec):
    """The result with other entries in its spec; ``None`` drops one."""
    stored = {k: v for k, v in (json.loads(ds.attrs["spec"]) | spec).items() if v is not None}
    return ds.assign_attrs(spec=json.dumps(stored))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda ds: ds.drop_attrs(), "spec"),
        (lambda ds: ds.assign_attrs(spec="{"), "spec"),
        (lambda ds: changed(ds, model=None), "model"),
        (lambda ds: changed(ds, model=["mine"]), "mine"),
        (lambda ds: changed(ds, model=["custom(__import__('os'))"]), "not allowed"),
        (lambda ds: changed(ds, problem=[{"kind": "sparse_regression", "rows": 3, "fingerprint": ""}]), "rows"),
        (lambda ds: changed(ds, problem=[{"kind": "sparse_regression", "fingerprint": "0"}]), "fingerprint 0"),
        (lambda ds: changed(ds, problem=[{"kind": "csv", "fingerprint": "0"}]), "csv"),
        (lambda ds: ds.assign_attrs(data="[{}, {}]"), "rebuilt"),
    ],
)
def test_what_cannot_be_rebuilt_says_why(spoil, words):
    ds = short(theory.difference(2), theory.sparse_regression(n=3, d=5, sparsity=1, n_test=0))
    with pytest.raises(InputError, match="spec|problem|model|expression") as error:
        sims.rebuild(spoil(ds))
    assert words in str(error.value)


def test_synthetic_data_are_rebuilt_where_sums_round_otherwise(tmp_path):
    model, problem = theory.difference(2), theory.sparse_regression(n=6, d=9, sparsity=3, noise=0.1)
    elsewhere = replace(problem, y=np.nextafter(problem.y, 9.0), y_test=np.nextafter(problem.y_test, 9.0))
    short(model, elsewhere, store=tmp_path / "a.zarr")
    assert_same(sims.rebuild(open_result(tmp_path / "a.zarr"))[1][0], problem)
    short(model, problem, store=tmp_path / "a.zarr")  # taken up here


def test_other_data_than_those_of_the_runs_are_refused():
    ds = short(theory.difference(2), Problem(*data()))
    [arrays] = json.loads(ds.attrs["data"])
    arrays["y"][0] += 1e-15
    with pytest.raises(InputError, match="differ"):
        sims.rebuild(ds.assign_attrs(data=json.dumps([arrays])))


def test_a_path_is_no_result():
    with pytest.raises(InputError, match="open_result"):
        sims.rebuild("runs.zarr")


@pytest.mark.parametrize(
    "argv, module, command",
    [
        (["/usr/bin/gdbias", "sweep", "my runs.zarr"], None, "gdbias sweep 'my runs.zarr'"),
        (["/lib/gdbias/__main__.py", "sweep", "runs.zarr"], "gdbias.__main__", "python -m gdbias sweep runs.zarr"),
        (["/lib/mine/sub.py", "5"], "mine.sub", "python -m mine.sub 5"),
        (["./mine.py"], None, "mine.py"),
        ([""], None, "''"),
        ([], None, ""),
    ],
)
def test_a_result_says_by_which_command_it_was_made(argv, module, command, monkeypatch):
    monkeypatch.setattr("sys.argv", argv)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", module and ModuleSpec(module, None))
    assert sims.descend(theory.power(2), theory.Problem(np.eye(2), np.ones(2)), 0.1, max_steps=2).command == command
