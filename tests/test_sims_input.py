"""What runs cannot be made of is refused before any runs."""

import importlib
import importlib.util

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.theory import InputError, MissingExtra


def paper_point():
    return theory.single_point((0.5, 1, 1.5, 2, 2.5), 3)


@pytest.mark.parametrize(
    "bad",
    [
        dict(lr=[]),
        dict(lr=-0.1),
        dict(lr=0.0),
        dict(lr=np.nan),
        dict(lr=[0.1, np.inf]),
        dict(lr=[0.1, 0.1]),
        dict(lr="fast"),
        dict(lr=[[0.1]]),
        dict(init_scale=0),
        dict(init_scale=[0.1, -0.1]),
        dict(init_scale=[0.1, 0.1]),
        dict(max_steps=-1),
        dict(max_steps=1.5),
        dict(tol=-1e-9),
        dict(tol=np.nan),
        dict(hold=0),
        dict(track_every=-1),
        dict(threads=0),
        dict(backend="torch"),
        dict(keep=("gamma",)),
        dict(model=[]),
        dict(problem=[]),
        dict(max_steps=100.0),
        dict(tol=None),
        dict(tol="1"),
        dict(threads=1.5),
        dict(lr=[0.1, 0.2j]),
        dict(model="power(2)"),
        dict(model=["power(2)"]),
        dict(model=[theory.power(2), theory.product(2), theory.power(2)]),
        dict(model=3),
        dict(problem=np.eye(3)),
        dict(problem=None),
    ],
)
def test_bad_input_to_a_sweep(bad):
    with pytest.raises(InputError):
        sims.sweep(**(dict(model=theory.power(2), problem=paper_point(), lr=0.1) | bad))


@pytest.mark.parametrize(
    "bad",
    [
        dict(lr=[0.1, 0.2]),
        dict(lr=np.nan),
        dict(init_scale=0),
        dict(max_steps=-1),
        dict(tol=-1e-9),
        dict(backend="torch"),
        dict(record_every=-1),
        dict(record_every=1, max_steps=10**9),
        dict(theta0=np.ones((2, 5))),
        dict(theta0=np.ones(5)),
        dict(theta0=np.full((1, 5), np.nan)),
        dict(theta0=np.ones((1, 5), complex)),
        dict(init_scale=[0.1, 0.2]),
        dict(init_scale="x"),
        dict(lr=sims.Grid(0.1, 1, 3)),
        dict(record_every=2.0),
        dict(record_every=2.5),
        dict(record_every="2"),
        dict(model="power(2)"),
        dict(problem=None),
    ],
)
def test_bad_input_to_descend(bad):
    with pytest.raises(InputError):
        sims.descend(**(dict(model=theory.power(2), problem=paper_point(), lr=0.1) | bad))


@pytest.mark.parametrize(
    "bad",
    [
        dict(init_scale=0),
        dict(init_scale=[0.1, 0.2]),
        dict(init_scale="x"),
        dict(theta0=np.ones(5)),
        dict(tol=0),
        dict(tol="1"),
        dict(rtol=0),
        dict(rtol=-1),
        dict(rtol=2),
        dict(max_time=-1),
        dict(max_time=np.nan),
        dict(max_time="a"),
        dict(model="power(2)"),
        dict(problem=None),
    ],
)
def test_bad_input_to_flow(bad):
    with pytest.raises(InputError):
        sims.flow(**(dict(model=theory.power(2), problem=paper_point()) | bad))


@pytest.mark.parametrize("bad", [dict(init_scale="a"), dict(init_scale=0), dict(model="power(2)"), dict(problem=None)])
def test_bad_input_to_predict(bad):
    with pytest.raises(InputError):
        theory.predict(**(dict(model=theory.power(2), problem=paper_point()) | bad))


def test_the_name_of_a_model_is_not_the_model():
    with pytest.raises(InputError, match=r"use theory.parse\('power\(2\)'\)"):
        sims.descend("power(2)", paper_point(), 0.1)


def test_several_learning_rates_are_a_sweep():
    with pytest.raises(InputError, match="has 2 values.*sims.sweep takes many"):
        sims.descend(theory.power(2), paper_point(), [0.1, 0.2])


@pytest.mark.parametrize(
    "bad",
    [(0.0, 1.0, 3), (0.1, np.nan, 3), (0.1, 1.0, 0), (0.1, 1.0, 3, "cube"), (0.1, 1, 3.5), ("0.1", 1, 3), (0.1, 1j, 3)],
)
def test_bad_grids(bad):
    with pytest.raises(InputError):
        sims.Grid(*bad)


@pytest.mark.parametrize("one", [np.array(0.02), [0.02], sims.Grid(0.02, 0.02, 1)])
def test_one_value_may_stand_in_an_array(one):
    ds = sims.descend(theory.power(2), paper_point(), one, init_scale=[0.1], max_steps=3)
    assert ds.identical(sims.descend(theory.power(2), paper_point(), 0.02, 0.1, max_steps=3))


def test_numpy_integers_are_whole_numbers(tmp_path):
    problems = [theory.sparse_regression(n=4, d=6, sparsity=2, n_test=0, seed=seed) for seed in np.arange(2)]
    plain = [theory.sparse_regression(n=4, d=6, sparsity=2, n_test=0, seed=seed) for seed in range(2)]
    options = dict(max_steps=np.int64(4), hold=np.int32(20), track_every=np.uint8(11), threads=np.int64(1))
    ds = sims.sweep(theory.difference(2), problems, [0.01, 0.02], store=tmp_path / "a.zarr", **options)
    again = sims.sweep(theory.difference(2), plain, [0.01, 0.02], max_steps=4)
    assert ds.seed.values.tolist() == [0, 1] and ds.attrs["spec"] == again.attrs["spec"]
    run = sims.descend(theory.difference(2), problems[1], 0.01, max_steps=np.int64(4), record_every=np.int64(2))
    assert run.step.values.tolist() == [0, 2, 4]
    assert sims.Grid(0.1, 1, np.int64(3)).values().size == 3


@pytest.mark.parametrize(
    ("run", "module", "work"), [(sims.descend, "descent", "advance_block"), (sims.flow, "gradient_flow", "integrate")]
)
def test_what_cannot_be_kept_is_refused_before_the_run(run, module, work, monkeypatch):
    module = importlib.import_module(f"gdbias.sims.{module}")

    def refused(*_, **__):
        raise InputError("spec")

    def begun(*_, **__):
        raise AssertionError("the run began")

    monkeypatch.setattr(module, "result_spec", refused)
    monkeypatch.setattr(module, work, begun)
    with pytest.raises(InputError, match="spec"):
        run(theory.power(2), paper_point(), **({"lr": 0.1} if run is sims.descend else {}))


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is here")
def test_cupy_without_cupy_says_what_to_install():
    with pytest.raises(MissingExtra, match="gpu"):
        sims.descend(theory.power(2), paper_point(), 0.01, backend="cupy")


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is here")
def test_a_refused_backend_leaves_no_store(tmp_path):
    asked = theory.power(2), paper_point(), [0.01, 0.1]
    with pytest.raises(MissingExtra, match="use backend='numba'"):
        sims.sweep(*asked, backend="cupy", store=tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()
    assert (sims.sweep(*asked, store=tmp_path / "a.zarr").status == Status.CONVERGED).any()
