"""The two figures of a sweep hold the numbers they were given: every check reads the drawn data back."""

import numpy as np
import pytest

from gdbias import figures, theory
from gdbias.figures.parts.axes import log_edges
from gdbias.sims.status import Status
from small_results import LR, MODEL, SCALES, drawn, measured_sweep, mesh, small_problem


@pytest.fixture(scope="module")
def ds():
    result = measured_sweep()
    assert {Status.CONVERGED, Status.DIVERGED} <= set(result.status.values.ravel())
    return result


@pytest.fixture(scope="module")
def pred():
    return theory.predict(MODEL, small_problem(), SCALES)


def test_sharpness_panel_shows_the_hyperbola_the_flow_and_the_converged_runs(ds, pred):
    figure = figures.norm_sharpness(ds, pred, init_scale=0.1)
    [(x, y)] = drawn(figure, "hyperbola")
    np.testing.assert_allclose(y, 2 / x)
    assert x[0] == pytest.approx(LR[0]) and x[-1] == pytest.approx(LR[-1])
    [(x, y)] = drawn(figure, "flow")
    np.testing.assert_allclose(y, pred.flow.sharpness[1])
    row = ds.sel(init_scale=0.1)
    [(x, y)] = drawn(figure, "sharpness")
    np.testing.assert_array_equal(x, LR)
    np.testing.assert_array_equal(y, row.sharpness.where(row.status == Status.CONVERGED))


def test_vertical_lines_stand_at_the_prediction_in_every_panel(ds, pred):
    figure = figures.norm_sharpness(ds, pred, init_scale=0.3)
    for name in ("lr_critical", "lr_critical_final"):
        lines = drawn(figure, name)
        assert len(lines) == len(figure.axes) == 3
        np.testing.assert_allclose([x for x, _ in lines], getattr(pred, name)[2])


def test_norms_are_relative_to_the_flow_or_else_to_the_smallest_learning_rate(ds, pred):
    row = ds.sel(init_scale=0.1)
    unit = {
        "beta_l1": np.abs(pred.flow.beta[1]).sum(),
        "beta_l2": np.linalg.norm(pred.flow.beta[1]),
        "theta_l1": np.abs(pred.flow.theta[1]).sum(),
        "theta_l2": np.linalg.norm(pred.flow.theta[1]),
    }
    for given, units in ((pred, unit), (None, {name: row[name].values[0] for name in unit})):
        figure = figures.norm_sharpness(ds, given, init_scale=0.1)
        for name, size in units.items():
            [(_, y)] = drawn(figure, name)
            np.testing.assert_allclose(y, row[name] / size)
    assert drawn(figure, "theta_l1")[0][1][0] == 1


def test_smallest_test_risk_is_marked(ds):
    row = ds.sel(init_scale=0.1)
    best = int(np.nanargmin(row.test_risk))
    [point] = drawn(figures.norm_sharpness(ds, init_scale=0.1), "best")
    np.testing.assert_array_equal(point.ravel(), [LR[best], row.test_risk[best]])


def test_no_run_is_dropped(ds):
    marked = ds.copy(deep=True)
    marked.status[1, 1:4] = [Status.NOT_RUN, Status.STEP_LIMIT, Status.UNSTABLE_MINIMUM]
    figure = figures.norm_sharpness(marked, init_scale=0.1)
    for code in np.unique(marked.status[1]):
        if code != Status.CONVERGED:
            [(x, y)] = drawn(figure, f"status {code}")
            np.testing.assert_array_equal(x, LR[marked.status[1] == code])
            assert ((0.9 < y) & (y < 1)).all()
    [(_, y)] = drawn(figure, "sharpness")
    np.testing.assert_array_equal(np.isfinite(y), marked.status[1] == Status.CONVERGED)


def test_the_row_is_the_asked_one_or_the_predicted_one_or_one_that_converged(ds):
    def row_of(*args, **kwargs):
        [(_, y)] = drawn(figures.norm_sharpness(*args, **kwargs), "sharpness")
        return [k for k in range(3) if np.allclose(y, ds.sharpness[k], equal_nan=True)]

    assert row_of(ds, init_scale=0.301) == [2]
    assert row_of(ds, theory.predict(MODEL, small_problem(), 0.05)) == [0]
    spoilt = ds.copy(deep=True)
    spoilt.status[1:, 0] = Status.STEP_LIMIT
    [(_, y)] = drawn(figures.norm_sharpness(spoilt), "sharpness")
    np.testing.assert_array_equal(y, ds.sharpness[0])


def test_phase_diagram_colours_converged_runs_by_stability_and_others_by_status(ds):
    marked = ds.transpose("lr", "init_scale").copy(deep=True)
    marked.status[:4, 0] = [Status.NOT_RUN, Status.STEP_LIMIT, Status.UNSTABLE_MINIMUM, Status.DIVERGED]
    status = marked.status.values.T
    figure = figures.phase_diagram(marked)
    values = mesh(figure, "stability").get_array()
    assert values.shape == (3, 6)
    np.testing.assert_array_equal(values.mask, status != Status.CONVERGED)
    expected = (ds.lr * ds.sharpness / 2).transpose("init_scale", "lr").values
    np.testing.assert_allclose(values.compressed(), expected[status == Status.CONVERGED])
    assert mesh(figure, "stability").get_clim() == (0, 1)
    flat = mesh(figure, "status")
    np.testing.assert_array_equal(flat.get_array().mask, status == Status.CONVERGED)
    figure.draw_without_rendering()
    colours = flat.to_rgba(flat.get_array()).reshape(-1, 4)
    by_status = {code: {tuple(c) for c in colours[status.ravel() == code]} for code in np.unique(status)}
    del by_status[Status.CONVERGED]
    assert all(len(found) == 1 for found in by_status.values())
    assert len(set.union(*by_status.values())) == len(by_status) == 4


def test_cells_lie_around_their_values_on_an_irregular_grid(ds):
    edges = log_edges(LR)
    assert ((edges[:-1] < LR) & (edges[1:] > LR)).all()
    np.testing.assert_allclose(edges[1:-1] ** 2, LR[1:] * LR[:-1])
    corners = mesh(figures.phase_diagram(ds), "stability").get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], edges)
    np.testing.assert_allclose(corners[:, 0, 1], log_edges(SCALES))


def test_phase_diagram_draws_the_critical_learning_rates(ds, pred):
    figure = figures.phase_diagram(ds, pred)
    for name in ("lr_critical", "lr_critical_final"):
        [(x, y)] = drawn(figure, name)
        np.testing.assert_allclose(x, getattr(pred, name))
        np.testing.assert_allclose(y, SCALES)
    one = theory.predict(MODEL, small_problem(), 0.1)
    [(x, y)] = drawn(figures.phase_diagram(ds, one), "lr_critical")  # only across its own row
    np.testing.assert_allclose(x, one.lr_critical)
    np.testing.assert_allclose(y, log_edges(SCALES)[1:3])
    [(x, y)] = drawn(figures.phase_diagram(ds.sel(init_scale=0.1), one), "lr_critical")
    np.testing.assert_allclose([*x, *y], [one.lr_critical] * 2 + [0, 1])


def test_a_critical_learning_rate_in_the_result_serves_where_no_prediction_is_given(ds, pred):
    carried = ds.assign(lr_critical=("init_scale", pred.lr_critical))
    [(x, y)] = drawn(figures.phase_diagram(carried), "lr_critical")
    np.testing.assert_array_equal([x, y], [pred.lr_critical, SCALES])
    np.testing.assert_array_equal(
        drawn(figures.norm_sharpness(carried, init_scale=0.3), "lr_critical")[0][0], pred.lr_critical[2]
    )
