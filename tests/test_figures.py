"""What figures have in common, and trajectories: every check reads the drawn data back."""

import re
from inspect import signature
from threading import Thread

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from gdbias import figures, theory
from gdbias.figures.cli.plot_verb import RESULT, Plot
from gdbias.figures.parts import phases, statuses
from gdbias.sims.status import Phase, Status
from small_results import (
    LR,
    MODEL,
    SCALES,
    X,
    Y,
    deep_like,
    drawn,
    measured_sweep,
    mesh,
    path_of,
    small_problem,
    text_of,
)


@pytest.fixture(scope="module")
def ds():
    result = measured_sweep()
    assert {Status.CONVERGED, Status.DIVERGED} <= set(result.status.values.ravel())
    return result


@pytest.fixture(scope="module")
def pred():
    return theory.predict(MODEL, small_problem(), SCALES)


def test_unsorted_grids_are_drawn_in_order(ds):
    shuffled = ds.isel(lr=[3, 0, 5, 1, 4, 2], init_scale=[2, 0, 1])
    for draw, gid in ((figures.norm_sharpness, "sharpness"),):
        np.testing.assert_array_equal(drawn(draw(shuffled), gid)[0], drawn(draw(ds), gid)[0])
    np.testing.assert_array_equal(
        mesh(figures.phase_diagram(shuffled), "stability").get_array(),
        mesh(figures.phase_diagram(ds), "stability").get_array(),
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


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_figure_has_the_options_that_the_command_line_gives_it(name):
    keywords = signature(getattr(figures, name)).parameters
    for option in figures.FIGURES[name][1]:
        assert "pred" in keywords if option == "predict" else option in keywords
        assert option in Plot.__dataclass_fields__
    assert len([keyword for keyword in keywords if keyword in RESULT]) == 1


def test_every_status_and_phase_has_a_look_of_its_own():
    assert set(statuses.OWN) == set(Status) - {Status.CONVERGED} and set(phases.OWN) == set(Phase)


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


def test_a_long_oscillation_is_a_mean_and_its_band():
    """Every step lies on the other side of 1: a blot as a curve."""
    steps = np.arange(1001)
    run = xr.Dataset({"path_sharpness": ("step", 1 + 0.5 * (-1.0) ** steps)}, {"step": steps})
    figure = figures.trajectory(run)
    [(x, y)] = drawn(figure, "sharpness")
    assert 50 < len(x) < 1001 / 2
    np.testing.assert_allclose(y[:-1], 1, atol=1e-12)
    [band] = [c for axes in figure.axes for c in axes.collections if c.get_gid() == "extremes"]
    np.testing.assert_allclose(band.get_paths()[0].get_extents().intervaly, [0.5, 1.5])
