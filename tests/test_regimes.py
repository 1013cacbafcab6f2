"""The figure of all regimes holds the numbers of its panels; the learning rate of least test risk."""

import numpy as np
import pytest

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.figures.overview import regime_runs
from gdbias.figures.parts.risk import best_risk, lr_of_least_test_risk
from gdbias.sims.status import Status
from gdbias.theory.errors import InputError
from small_results import LR, drawn, measured_sweep, text_of

MODEL = theory.power(2)
PROBLEM = theory.sparse_regression(n=4, d=12, sparsity=2, signs="positive", seed=5, n_test=50)
PRED = theory.predict(MODEL, PROBLEM, np.array([0.1, 0.3]))


@pytest.fixture(scope="module")
def ds():
    rates = np.geomspace(0.3 * PRED.lr_critical.min(), 1.2 * PRED.lr_max, 8)
    return sims.sweep(MODEL, PROBLEM, rates, PRED.init_scale, max_steps=20_000)


def test_every_panel_holds_its_runs_and_predictions(ds):
    figure = figures.regimes(ds, PRED, init_scale=0.3, endpoints=4)
    row = ds.sel(init_scale=0.3)
    good = (row.status == Status.CONVERGED).values
    for name in ("sharpness", "beta_l1", "test_risk"):
        [(x, y)] = drawn(figure, name)
        np.testing.assert_array_equal(y[good], row[name].values[good])
        assert np.isnan(y[~good]).all() and (~good).any()
    marked = [x for code in Status for x, _ in drawn(figure, f"status {int(code)}")]
    np.testing.assert_array_equal(np.sort(np.concatenate(marked)), row.lr.values[~good])
    [(lr, norm)] = drawn(figure, "predicted_beta_l1")
    one = theory.predict(MODEL, PROBLEM, 0.3)
    np.testing.assert_allclose(norm[-1], one.endpoint(lr[-1]).l1_norm)
    [dots] = [c for axes in figure.axes for c in axes.collections if c.get_gid() == "descent"]
    np.testing.assert_array_equal(dots.get_array(), row.lr[good])
    np.testing.assert_allclose(drawn(figure, "lr_critical")[0][0], PRED.lr_critical)
    assert "theory allows" in text_of(figure)
    figure.draw_without_rendering()


def test_three_runs_stand_on_both_sides_of_the_boundaries(ds):
    runs = regime_runs(PRED, 0.1)
    low, middle, high = (float(run.lr) for run in runs)
    assert low < PRED.lr_critical[0] and PRED.lr_critical_final[0] < middle < PRED.lr_max < high
    figure = figures.regimes(ds, PRED, init_scale=0.1, endpoints=0, runs=runs)
    for run, (_, y) in zip(runs, drawn(figure, "stability"), strict=True):
        if len(run.step) < 2000:
            np.testing.assert_allclose(y, run.lr * run.path_sharpness / 2)
    assert len(drawn(figure, "loss")) == 3 and not drawn(figure, "test_risk")


def test_several_models_are_refused(ds):
    both = sims.sweep([MODEL, theory.power(3)], PROBLEM, [0.01, 0.02], 0.1, max_steps=20)
    with pytest.raises(InputError):
        figures.regimes(both, PRED)


def test_the_least_risk_is_that_of_a_converged_run_and_its_place_is_told():
    ds = measured_sweep()
    found = lr_of_least_test_risk(ds)
    assert found.dims == ("init_scale",)
    for row, lr in zip(ds.test_risk.values, found.values, strict=True):
        assert lr == LR[np.nanargmin(row)]
    worse = ds.copy(deep=True)
    worse.status[1, np.nanargmin(ds.test_risk[1])] = Status.STEP_LIMIT
    assert lr_of_least_test_risk(worse)[1] != found[1]
    np.testing.assert_array_equal(lr_of_least_test_risk(ds.transpose("lr", "init_scale")), found)
    assert best_risk(LR[:3], np.array([3.0, 1.0, 2.0])) == (LR[1], 1.0, "")
    assert best_risk(LR[:3], np.array([np.nan, 1.0, 2.0])).place == "the first run"
    assert best_risk(LR[:3], np.array([3.0, 2.0, np.nan])).place == "the last to converge"
    assert best_risk(LR[:3], np.full(3, 0.5)) is None and best_risk(LR[:3], np.full(3, np.nan)) is None
    with pytest.raises(InputError, match="n_test"):
        lr_of_least_test_risk(ds.drop_vars("test_risk"))


def test_the_command_line_draws_regimes(tmp_path, capsys):
    store, out = str(tmp_path / "runs.zarr"), tmp_path / "regimes.png"
    small = ["--n", "4", "--d", "12", "--sparsity", "2", "--n-test", "50"]
    main(["sweep", store, *small, "--lr", "0.01:0.05:3:log", "--init-scale", "0.1,0.2", "--max-steps", "500"])
    main(["plot", "regimes", store, "--runs", "--out", str(out)])
    assert out.stat().st_size > 1000
