"""The norm-sharpness plane, and predicted endpoints over measured ones: every check reads the drawn data back."""

import numpy as np
import pytest

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.figures.look import Figure
from gdbias.figures.parts import predicted
from gdbias.figures.parts.panels import footnote
from gdbias.sims.status import Status
from small_results import MODEL, SCALES, drawn, measured_sweep, small_problem, text_of

PROBLEM = theory.sparse_regression(n=4, d=12, sparsity=2, signs="positive", seed=5, n_test=50)
PRED = theory.predict(MODEL, PROBLEM, 0.1)


@pytest.fixture(scope="module")
def ds():
    return sims.sweep(MODEL, PROBLEM, np.geomspace(0.3 * PRED.lr_critical, 1.2 * PRED.lr_max, 8), [0.1, 0.3])


def points(figure):
    [dots] = [c for axes in figure.axes for c in axes.collections if c.get_gid() == "descent"]
    return np.asarray(dots.get_offsets()), dots.get_array()


def test_the_plane_holds_the_curve_its_ends_the_flow_and_the_converged_runs(ds):
    figure = figures.frontier(PRED, ds, points=6)
    line = theory.frontier(MODEL, PROBLEM, 6)
    [(x, y)] = drawn(figure, "frontier")
    np.testing.assert_allclose([x, y], [line.sharpness, line.l1_norm], rtol=1e-6)
    np.testing.assert_allclose(np.ravel(drawn(figure, "norm minimiser")), [x[0], y[0]])
    np.testing.assert_allclose(np.ravel(drawn(figure, "flat minimiser")), [x[-1], y[-1]])
    np.testing.assert_allclose(np.ravel(drawn(figure, "flow")), [PRED.flow.sharpness, PRED.flow.l1_norm])
    row = ds.sel(init_scale=0.1)
    good = row.status.values == Status.CONVERGED
    places, colours = points(figure)
    assert 2 <= good.sum() < len(good)
    np.testing.assert_array_equal(places, np.c_[row.sharpness, row.beta_l1][good])
    np.testing.assert_array_equal(colours, row.lr[good])
    for S, norm in places:  # no interpolator lies below the curve
        assert norm > np.interp(S, x[::-1], y[::-1]) * (1 - 0.02)


def test_the_risk_of_the_curve_stands_at_its_learning_rates(ds):
    figure = figures.frontier(PRED, ds, points=6)
    line = theory.frontier(MODEL, PROBLEM, 6)
    [(x, y)] = drawn(figure, "frontier_risk")
    np.testing.assert_allclose(x, 2 / line.sharpness, rtol=1e-6)
    np.testing.assert_allclose(y, line.test_risk, rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(drawn(figure, "lr_max")[0][0], PRED.lr_max, rtol=1e-5)
    row = ds.sel(init_scale=0.1)
    np.testing.assert_array_equal(drawn(figure, "test_risk")[0][1], row.test_risk[row.status == Status.CONVERGED])


def test_the_row_is_chosen_and_the_curve_stands_alone(ds):
    many = theory.predict(MODEL, PROBLEM, ds.init_scale.values)
    figure = figures.frontier(many, ds, init_scale=0.3, points=3)
    row = ds.sel(init_scale=0.3)
    np.testing.assert_array_equal(points(figure)[1], row.lr[row.status == Status.CONVERGED])
    np.testing.assert_allclose(np.ravel(drawn(figure, "flow"))[1], many.flow.l1_norm[1])
    alone = figures.frontier(PRED, points=3)
    assert len(alone.axes) == 1 and drawn(alone, "frontier")
    named = f"{MODEL} on sparse_regression, n = {PRED.problem.n}, d = {PRED.problem.d}, init_scale 0.1"
    assert " ".join(alone.get_suptitle().split()) == named


@pytest.mark.parametrize(
    "model, problem",
    [(MODEL, theory.single_point([1.0, 2.0], -1.0)), (theory.custom("u*v - w**2"), small_problem())],
)
def test_without_a_frontier_the_figures_say_so_and_are_drawn(model, problem):
    runs = measured_sweep()
    figure = figures.frontier(theory.predict(model, problem, SCALES), runs)
    figure.draw_without_rendering()
    assert "no frontier" in text_of(figure) and not drawn(figure, "frontier") and len(points(figure)[0])
    figure = figures.norm_sharpness(runs, theory.predict(model, problem, SCALES), endpoints=4)
    assert "no predict" in text_of(figure) and not drawn(figure, "predicted_sharpness")


def test_predicted_endpoints_run_through_the_measured_ones(ds):
    figure = figures.norm_sharpness(ds, PRED, init_scale=0.1, endpoints=6)
    [(lr, S)] = drawn(figure, "predicted_sharpness")
    assert len(lr) == 6 and (np.diff(lr) > 0).all() and lr[-1] < PRED.lr_max
    for rate, sharpness in zip(lr, S, strict=True):
        np.testing.assert_allclose(sharpness, PRED.endpoint(rate).sharpness)
    [(_, norm)] = drawn(figure, "predicted_beta_l1")
    np.testing.assert_allclose(norm[-1], PRED.endpoint(lr[-1]).l1_norm / PRED.flow.l1_norm)
    assert drawn(figure, "frontier") and drawn(figure, "predicted_test_risk") and drawn(figure, "lr_max")
    end = PRED.endpoint(lr[-1])
    bands = {str(c.get_gid()): c for c in figure.axes[0].collections}
    for k in (0, 1):  # of the last endpoint
        top = bands[f"predicted_sharpness bar {k}"].get_paths()[0].vertices[:, 1].max()
        np.testing.assert_allclose(
            top, max(each.sharpness + each.error.sharpness[k] for each in map(PRED.endpoint, lr))
        )
    assert end.error.sharpness[1] > end.error.sharpness[0] > 0
    plain = figures.norm_sharpness(ds, PRED, init_scale=0.1, endpoints=0)
    assert not drawn(plain, "predicted_sharpness") and drawn(plain, "lr_max")


def test_the_predicted_curve_passes_through_the_end_at_every_run_and_turns_at_the_boundaries(ds):
    rates = np.geomspace(0.5 * PRED.lr_critical, 0.98 * PRED.lr_max, 30)
    runs = ds.sel(init_scale=0.1).interp(lr=rates, method="nearest").assign_attrs(ds.attrs)
    [(lr, S)] = drawn(figures.norm_sharpness(runs, PRED), "predicted_sharpness")
    ends = np.array([PRED.endpoint(rate).sharpness for rate in rates])
    np.testing.assert_allclose(np.interp(np.log(rates), np.log(lr), S), ends, rtol=1e-3)
    assert {float(PRED.lr_critical), float(PRED.lr_critical_final)} <= set(lr)
    [(at, _)] = drawn(figures.frontier(PRED, runs), "predicted")
    np.testing.assert_allclose(at, S)


def test_where_the_predicted_curve_stops_there_is_a_boundary():
    pred = theory.predict(MODEL, PROBLEM, 1.0)
    ds = sims.sweep(MODEL, PROBLEM, np.geomspace(0.5, 1.5, 4) * pred.lr_divergence, 1.0, max_steps=500)
    figure = figures.norm_sharpness(ds, pred)
    [(lr, _)] = drawn(figure, "predicted_sharpness")
    lines = drawn(figure, "lr_divergence")
    assert lr[-1] < pred.lr_divergence < pred.lr_max and len(lines) == len(figure.axes)
    np.testing.assert_allclose(lines[0][0], pred.lr_divergence)
    assert f"divergence above $\\eta$ = {pred.lr_divergence:.3g}" in text_of(figure)
    below = ds.isel(lr=(ds.lr < pred.lr_divergence).values)
    assert not drawn(figures.norm_sharpness(below, pred), "lr_divergence")


def test_a_norm_between_two_runs_that_diverged_is_a_mark(ds):
    runs = ds.sel(init_scale=0.1).copy(deep=True)
    runs.status[:5] = [Status.CONVERGED, Status.CONVERGED, Status.DIVERGED, Status.CONVERGED, Status.DIVERGED]
    runs.status[5:] = Status.DIVERGED
    lines = [line for axes in figures.norm_sharpness(runs).axes for line in axes.lines if line.get_gid() == "beta_l1"]
    assert [line.get_marker() for line in lines] == ["o"]
    np.testing.assert_array_equal(np.flatnonzero(lines[0].get_markevery()), [3])


def test_predicted_ends_that_take_long_are_few_and_said_to_be(monkeypatch):
    monkeypatch.setattr(predicted, "SECONDS", 0)
    notes = []
    told = predicted.predicted_ends(PRED, np.geomspace(0.5, 0.9, 30) * PRED.lr_max, 40, notes)
    assert told.late and len(told.ends) == predicted.LEAST and "straight" in notes[0]


def test_a_predicted_curve_ends_below_what_is_refused(monkeypatch):
    lr, bound, endpoint = np.geomspace(0.3, 0.9, 9) * PRED.lr_max, 0.6 * PRED.lr_max, type(PRED).endpoint

    def refusing(pred, rate, **rest):
        if rate > bound:
            raise theory.NoClosedForm("no law up there")
        return endpoint(pred, rate, **rest)

    monkeypatch.setattr(type(PRED), "endpoint", refusing)
    notes = []
    told = predicted.predicted_ends(PRED, lr, 20, notes)
    assert bound / 1.1 < told.lr[-1] <= bound and len(told.ends) > 8 and notes[0].endswith("no law up there")


def test_the_plane_has_the_predicted_ends_of_descent(ds):
    first = float(ds.lr[0])
    [(S, norm)] = drawn(figures.frontier(PRED, ds, 0.1, points=2, endpoints=4), "predicted")
    end = PRED.endpoint(first)
    np.testing.assert_allclose([len(S), S[0], norm[0]], [4, end.sharpness, end.l1_norm])
    assert not drawn(figures.frontier(PRED, ds, 0.1, points=2, endpoints=0), "predicted")


def test_a_long_remark_ends_with_a_clause_and_is_kept_whole():
    figure, note = Figure(), "first: " + "a word and another, " * 20 + "the end"
    footnote(figure, [note])
    written = " ".join(figure.get_supxlabel().split())
    assert note.startswith(written.rstrip(".")) and written.endswith("another.") and figure.remarks == [note]


def test_grids_beyond_lr_max_or_of_one_value_are_drawn(ds):
    beyond = ds.assign_coords(lr=ds.lr * 100 * PRED.lr_max)
    for case in (beyond, ds.isel(lr=[3])):
        figures.norm_sharpness(case, PRED, init_scale=0.1, endpoints=3).draw_without_rendering()
        figures.frontier(PRED, case, 0.1, points=2).draw_without_rendering()


def test_the_command_line_draws_the_frontier_and_prints_lr_max(tmp_path, capsys):
    small = ["--n", "4", "--d", "12", "--sparsity", "2", "--n-test", "50"]
    store, out = str(tmp_path / "runs.zarr"), str(tmp_path / "frontier.png")
    main(["sweep", store, *small, "--lr", "0.01:0.05:3:log", "--init-scale", "0.1,0.2", "--max-steps", "50"])
    main(["plot", "frontier", store, "--out", out])
    main(["plot", "norm_sharpness", store, "--out", out, "--endpoints", "0"])
    capsys.readouterr()
    main(["predict", *small])
    printed = capsys.readouterr().out.split("lr_max")[1].split()[0]
    problem = theory.sparse_regression(4, 12, 2, signs="positive", n_test=50)
    assert float(printed) == pytest.approx(theory.predict(MODEL, problem).lr_max, rel=1e-5)
    np.savez(tmp_path / "data.npz", X=np.eye(3)[:, :2] + 0.1, y=[1.0, 2.0, 4.0])  # no interpolator
    main(["predict", "--npz", str(tmp_path / "data.npz"), "--model", "difference(2)"])
    assert capsys.readouterr().out.split("lr_max")[1].split()[0] == "none:"
