"""A single result on disk is the result; nothing is written over, and a failure leaves nothing."""

import numpy as np
import pytest
import xarray as xr

from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.sims.store.files import save_result
from gdbias.sims.store.group import open_result
from gdbias.theory import InputError

MODEL = theory.difference(2)


def problem():
    return theory.sparse_regression(n=3, d=5, sparsity=1, n_test=4)


RESULTS = {
    "descent": lambda: sims.descend(MODEL, problem(), 0.05, max_steps=20, record_every=3),
    "divergence": lambda: sims.descend(MODEL, problem(), 90.0, theta0=np.ones((2, 5)), max_steps=20, record_every=1),
    "unrecorded": lambda: sims.descend(MODEL, problem(), 0.05, max_steps=20),
    "flow": lambda: sims.flow(MODEL, problem()),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_comes_back(name, tmp_path):
    ds, path = RESULTS[name](), tmp_path / "new" / "run.zarr"
    assert save_result(ds, path) == path
    found = open_result(path)
    xr.testing.assert_equal(found, ds)
    assert found.attrs == ds.attrs
    for variable in ds.variables:
        assert found[variable].attrs == ds[variable].attrs
        assert variable == "weight" or found[variable].dtype == ds[variable].dtype
    assert [p.name for p in path.parent.iterdir()] == ["run.zarr"]


@pytest.mark.parametrize("path", ["file", "folder", "file/run.zarr"])
def test_nothing_is_written_over(path, tmp_path):
    (tmp_path / "file").write_text("keep me")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=path.split("/")[0]):
        save_result(RESULTS["unrecorded"](), tmp_path / path)
    assert (tmp_path / "file").read_text() == "keep me" and not list((tmp_path / "folder").iterdir())


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(self, folder, **_):
        folder.mkdir()
        raise KeyboardInterrupt

    ds = RESULTS["unrecorded"]()
    monkeypatch.setattr(xr.Dataset, "to_zarr", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_result(ds, tmp_path / "run.zarr")
    assert not list(tmp_path.iterdir())


def test_run_keeps_what_plot_trajectory_draws(tmp_path, capsys):
    store, out = tmp_path / "run.zarr", tmp_path / "run.svg"
    run = ["run", "--lr", "0.05", "--n", "3", "--d", "5", "--sparsity", "1", "--max-steps", "30"]
    run += ["--model", MODEL.name, "--store", str(store)]
    main(run)
    alone = theory.sparse_regression(n=3, d=5, sparsity=1, signs="positive")
    expected = sims.descend(MODEL, alone, 0.05, max_steps=30, record_every=1)
    xr.testing.assert_equal(open_result(store), expected)
    main(["plot", "trajectory", str(store), "--out", str(out)])
    assert out.read_bytes().startswith(b"<?xml")
    before = capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(run)
    shown = capsys.readouterr()
    assert end.value.code == 2 and "exists" in shown.err and not shown.out and before
