"""Figures hold the numbers they were given: every check reads the drawn data back."""

import re
from threading import Thread

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from gdbias import figures, theory
from gdbias.figures.phase_diagram import log_edges
from gdbias.sims.status import Status

MODEL = theory.power(2)
LR = np.array([0.02, 0.05, 0.07, 0.09, 0.11, 0.4])
SCALES = np.array([0.05, 0.1, 0.3])
X, Y = np.array([0.5, 1.0, 1.5, 2.0, 2.5]), 3.0


def small_problem():
    problem = theory.single_point(X, Y)
    return theory.Problem(problem.X, problem.y, X_test=np.eye(5), y_test=np.full(5, 0.5))


def descend(lr, scale, steps=3000, tol=1e-10):
    """A run of w <- w - lr * grad on beta = w * w and one sample: all its points (step, feature), and its status."""
    w, points, held = np.full(5, scale), [], 0
    for _ in range(steps):
        points.append(w)
        r = X @ (w * w) - Y
        held = held + 1 if r * r / 2 < tol else 0
        if not r * r / 2 < 1e6 or held == 20:
            break
        w = w - lr * 2 * w * X * r
    status = Status.CONVERGED if held == 20 else Status.STEP_LIMIT if r * r / 2 < 1e6 else Status.DIVERGED
    return np.array(points), status


def measures(w):
    """Loss, sharpness, norms and risk at points w (..., feature)."""
    beta = w * w
    r = beta @ X - Y
    J = 2 * w * X
    H = J[..., :, None] * J[..., None, :] + 2 * r[..., None, None] * np.diag(X)
    return dict(
        loss=r**2 / 2, sharpness=np.linalg.eigvalsh(H)[..., -1], theta_l1=np.abs(w).sum(-1),
        theta_l2=np.linalg.norm(w, axis=-1), beta_l1=beta.sum(-1), beta_l2=np.linalg.norm(beta, axis=-1),
        test_risk=((beta - 0.5) ** 2).mean(-1) / 2,
    )  # fmt: skip


def measured_sweep():
    ds = xr.Dataset(coords={"init_scale": SCALES, "lr": LR})
    runs = [[descend(lr, scale) for lr in LR] for scale in SCALES]
    status = np.array([[s for _, s in row] for row in runs], dtype=np.int8)
    found = measures(np.array([[points[-1] if s != Status.DIVERGED else 0 * X for points, s in row] for row in runs]))
    for name, values in found.items():
        ds[name] = (("init_scale", "lr"), np.where(status == Status.DIVERGED, np.nan, values))
    ds["status"] = (("init_scale", "lr"), status)
    return ds


@pytest.fixture(scope="module")
def ds():
    result = measured_sweep()
    assert {Status.CONVERGED, Status.DIVERGED} <= set(result.status.values.ravel())
    return result


@pytest.fixture(scope="module")
def pred():
    return theory.predict(MODEL, small_problem(), SCALES)


def drawn(figure, gid):
    """Data (x, y) of every line with this gid."""
    return [np.array(line.get_data()) for axes in figure.axes for line in axes.lines if line.get_gid() == gid]


def mesh(figure, gid):
    return next(c for c in figure.axes[0].collections if c.get_gid() == gid)


def path_of(lr, scale, dim, every=1):
    points, status = descend(lr, scale)
    points = points[::every]
    run = xr.Dataset({f"path_{k}": (dim, v) for k, v in measures(points).items()}, {"lr": lr, "init_scale": scale})
    return run.assign(status=((), np.int8(status))).assign_coords({dim: np.arange(len(points)) * every})


def deep_like(ds):
    """One dimension, no coefficients, the critical learning rate as an attribute."""
    row = ds.isel(init_scale=1, drop=True).drop_vars(["beta_l1", "beta_l2"])
    return row.assign_attrs(lr_critical=0.0731)


def text_of(figure):
    return " ".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


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

    assert row_of(ds, init_scale=0.25) == [2]
    assert row_of(ds, theory.predict(MODEL, small_problem(), 0.05)) == [0]
    spoilt = ds.copy(deep=True)
    spoilt.status[1:, 0] = Status.STEP_LIMIT
    [(_, y)] = drawn(figures.norm_sharpness(spoilt), "sharpness")
    np.testing.assert_array_equal(y, ds.sharpness[0])


def test_unsorted_grids_are_drawn_in_order(ds):
    shuffled = ds.isel(lr=[3, 0, 5, 1, 4, 2], init_scale=[2, 0, 1])
    for draw, gid in ((figures.norm_sharpness, "sharpness"),):
        np.testing.assert_array_equal(drawn(draw(shuffled), gid)[0], drawn(draw(ds), gid)[0])
    np.testing.assert_array_equal(
        mesh(figures.phase_diagram(shuffled), "stability").get_array(),
        mesh(figures.phase_diagram(ds), "stability").get_array(),
    )


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


def test_a_result_over_the_learning_rate_alone_is_drawn(ds):
    deep = deep_like(ds)
    for draw in (figures.norm_sharpness, figures.phase_diagram):
        figure = draw(deep)
        assert drawn(figure, "lr_critical")[0][0] == pytest.approx(0.0731)
        figure.draw_without_rendering()
    assert mesh(figure, "stability").get_array().shape == (1, 6)
    assert not drawn(figures.norm_sharpness(deep), "beta_l1")


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.NOT_RUN])
def test_grids_without_a_converged_run_are_drawn(ds, pred, status):
    lost = xr.full_like(ds.drop_vars("status"), np.nan).assign(status=xr.full_like(ds.status, status))
    for case, given in ((lost, pred), (lost.isel(lr=[0], init_scale=[0]), None)):
        for draw in (figures.norm_sharpness, figures.phase_diagram):
            draw(case, given).draw_without_rendering()


def test_status_read_back_as_a_float_is_the_same_status(ds):
    decoded = ds.assign(status=ds.status.where(ds.lr > LR[0]))  # the fill value became NaN
    [(x, _)] = drawn(figures.norm_sharpness(decoded), f"status {int(Status.NOT_RUN)}")
    np.testing.assert_array_equal(x, LR[:1])


def test_without_an_interpolator_the_figure_says_so_and_is_drawn(ds):
    problem = theory.single_point(X, -Y)  # w * w cannot be negative
    for draw in (figures.norm_sharpness, figures.phase_diagram):
        figure = draw(ds, theory.predict(MODEL, problem, SCALES))
        assert not drawn(figure, "lr_critical_final")
        assert "no prediction" in text_of(figure)


def test_a_prediction_for_another_scale_is_not_drawn(ds):
    figure = figures.norm_sharpness(ds, theory.predict(MODEL, small_problem(), 0.2), init_scale=0.1)
    assert not drawn(figure, "lr_critical") and not drawn(figure, "flow")
    assert "no prediction" in text_of(figure)


def test_trajectory_of_descent(ds):
    run = path_of(0.09, 0.1, "step", every=3)
    figure = figures.trajectory(run)
    for name in ("loss", "sharpness", "theta_l1", "beta_l2", "test_risk"):
        [(x, y)] = drawn(figure, name)
        np.testing.assert_array_equal([x, y], [run.step, run[f"path_{name}"]])
    [(_, y)] = drawn(figure, "edge")
    np.testing.assert_allclose(y, 2 / 0.09)
    assert figure.axes[0].get_yscale() == "log"


def test_trajectory_of_flow_has_time_and_no_edge():
    run = path_of(0.01, 0.1, "time").drop_vars("lr")
    figure = figures.trajectory(run)
    assert not drawn(figure, "edge")
    np.testing.assert_array_equal(drawn(figure, "loss")[0], [run.time, run.path_loss])
    assert figure.axes[-1].get_xscale() == "log"


def test_a_long_trajectory_keeps_its_extremes():
    run = path_of(0.09, 0.1, "step").isel(step=np.arange(4000) % 60)
    run = run.assign_coords(step=np.arange(4000))
    figure = figures.trajectory(run)
    [(x, y)] = drawn(figure, "sharpness")
    assert len(x) < 1000 and x[0] < 10 and x[-1] > 3990
    band = np.concatenate([p.vertices[:, 1] for p in figure.axes[1].collections[0].get_paths()])
    assert (band.min(), band.max()) == (run.path_sharpness.min(), run.path_sharpness.max())


def test_a_trajectory_that_diverges_is_drawn():
    figures.trajectory(path_of(0.4, 0.3, "step")).draw_without_rendering()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda ds: figures.norm_sharpness(xr.concat([ds, ds], "seed")), "seed"),
        (lambda ds: figures.phase_diagram(xr.concat([ds, ds], "model")), "model"),
        (lambda ds: figures.trajectory(ds), "record_every"),
        (lambda ds: figures.trajectory(path_of(0.05, 0.1, "step").expand_dims(run=[0, 1])), "run"),
        (lambda ds: figures.phase_diagram(ds.drop_vars("sharpness")), "sharpness"),
        (lambda ds: figures.norm_sharpness(ds.isel(lr=[])), "0 learning rates"),
        (lambda ds: figures.norm_sharpness(ds, init_scale=-1.0), "-1.0"),
        (lambda ds: figures.norm_sharpness(ds, init_scale=np.nan), "nan"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(ds, call, says):
    with pytest.raises(theory.InputError, match=re.escape(says)):
        call(ds)


def test_single_entries_of_other_dimensions_are_drawn(ds):
    several = ds.expand_dims(model=["power(2)"], seed=[0])
    np.testing.assert_array_equal(
        drawn(figures.norm_sharpness(several), "sharpness"), drawn(figures.norm_sharpness(ds), "sharpness")
    )


@pytest.mark.parametrize(
    ("draw", "suffix", "magic"),
    [
        (figures.phase_diagram, "png", b"\x89PNG"),
        (figures.phase_diagram, "pdf", b"%PDF"),
        (figures.norm_sharpness, "SVG", b"<?xml"),
    ],
)
def test_saved_twice_the_bytes_are_the_same(ds, pred, draw, suffix, magic, tmp_path):
    figure = draw(ds, pred)
    paths = [figures.save(f, tmp_path / f"{k}.{suffix}") for k, f in enumerate((figure, figure, draw(ds, pred)))]
    first, *others = [path.read_bytes() for path in paths]
    assert first.startswith(magic)
    assert all(first == other for other in others)


@pytest.mark.parametrize("name", ["figure.jpg", "figure", "missing/figure.png"])
def test_a_path_that_cannot_be_written_is_refused(name, tmp_path):
    with pytest.raises(theory.InputError, match="figure"):
        figures.save(Figure(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_callers_style_neither_changes_nor_matters(ds, pred, tmp_path):
    reference = figures.save(figures.phase_diagram(ds, pred), tmp_path / "a.svg").read_bytes()
    with matplotlib.rc_context(
        {"font.size": 30, "lines.linewidth": 7, "axes.facecolor": "black", "svg.fonttype": "path"}
    ):
        before = dict(matplotlib.rcParams)
        again = figures.save(figures.phase_diagram(ds, pred), tmp_path / "b.svg").read_bytes()
        assert dict(matplotlib.rcParams) == before
    assert again == reference


def test_figures_are_drawn_in_threads_and_unknown_to_pyplot(ds, pred, tmp_path):
    before = dict(matplotlib.rcParams)
    reference = figures.save(figures.phase_diagram(ds, pred), tmp_path / "a.png").read_bytes()
    threads = [
        Thread(target=lambda k=k: figures.save(figures.phase_diagram(ds, pred), tmp_path / f"t{k}.png"))
        for k in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(tmp_path / f"t{k}.png").read_bytes() == reference for k in range(2)] == [True] * 2
    assert dict(matplotlib.rcParams) == before
    from matplotlib import _pylab_helpers

    assert not _pylab_helpers.Gcf.figs


def test_notebooks_show_a_figure(ds):
    assert figures.phase_diagram(ds)._repr_png_().startswith(b"\x89PNG")
