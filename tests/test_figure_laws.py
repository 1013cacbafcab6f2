"""Every figure says what it is of, has room for its texts, and is drawn of results of every shape and fate."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gdbias import figures, sims, theory
from gdbias.figures.parts.results import stored_prediction
from gdbias.figures.parts.titles import subject
from gdbias.sims import Phase, Status
from reading import faults, texts
from small_results import drawn

MODEL, PROBLEM = theory.difference(2), theory.sparse_regression(n=5, d=8, sparsity=2, n_test=20)
MOST = theory.predict(MODEL, PROBLEM, 0.1).lr_max
RATES, SCALES = np.geomspace(0.2, 1.4, 7) * MOST, [0.05, 0.1, 0.5]
SHAPES = {  # learning rates, starts and steps
    "plane": (RATES, SCALES, 8000),
    "row": (RATES, [0.1], 8000),
    "column": ([0.6 * MOST], SCALES, 8000),
    "cell": ([0.6 * MOST], [0.1], 8000),
    "narrow": (np.linspace(0.6, 0.602, 4) * MOST, [0.1, 0.1004], 8000),
    "wide": (np.geomspace(1e-2, 30, 7) * MOST, [1e-4, 1e-2, 1], 2000),
    "diverged": (np.array([8, 12]) * MOST, [0.3, 0.6], 100),
    "undecided": (RATES, SCALES, 3),
}
slow = pytest.mark.slow
NAMED = "difference(2) on sparse_regression, n = 5, d = 8"
KEPT = Path(__file__).parent.parent / "figures" / "gallery" / "mnist1k.json"
OF_A_SWEEP = ("phase_diagram", "norm_sharpness", "frontier", "regimes", "bifurcation")


@cache
def swept(shape):
    """A sweep of this shape, and its prediction."""
    lr, scales, steps = SHAPES[shape]
    ds = sims.sweep(MODEL, PROBLEM, lr, scales, max_steps=steps, window=512 if steps > 5000 else 0)
    return ds, stored_prediction(ds)


def figure_of(name, ds, pred, **options):
    draw = getattr(figures, name)
    return draw(pred, ds, **options) if name == "frontier" else draw(ds, pred=pred, **options)


def title_of(figure):
    return " ".join(figure.get_suptitle().split())


@pytest.mark.parametrize("shape", [pytest.param(each, marks=[] if each == "cell" else slow) for each in SHAPES])
@pytest.mark.parametrize("name", OF_A_SWEEP)
def test_a_figure_of_a_sweep_has_room_for_its_texts_and_says_what_it_is_of(name, shape):
    figure = figure_of(name, *swept(shape))
    found = texts(figure)
    assert faults(figure, found) == []
    assert title_of(figure).startswith(NAMED)
    written = " ".join(text for text, _ in found)
    assert "init_scale" in written
    assert f"{MOST:.3g}" in written or drawn(figure, "lr_max")


@slow
def test_planes_beside_each_other_and_phases_have_room():
    ds, pred = swept("plane")
    told = sims.predicted(MODEL, PROBLEM, RATES, SCALES)
    for by in ("sharpness", "phase"):
        figure = figures.phase_diagram(ds, pred, by=by, predicted=told)
        assert faults(figure) == []
        assert figure.get_figwidth() <= 7.0  # inches, of a page


def test_diverged_and_undecided_runs_do_not_look_alike():
    ds, _ = swept("wide")
    ds = ds.copy(deep=True)
    ds.status[0, :2], ds.phase[0, :2] = [Status.DIVERGED, Status.STEP_LIMIT], [Phase.DIVERGED, Phase.UNDECIDED]
    for by, names in (("sharpness", ("diverged", "step limit")), ("phase", ("diverged", "undecided"))):
        axes = figures.phase_diagram(ds, by=by).axes[0]
        legend = axes.get_legend()
        one, other = (legend.legend_handles[[t.get_text() for t in legend.texts].index(name)] for name in names)
        assert one.get_facecolor() != other.get_facecolor() and one.get_hatch() != other.get_hatch()
        [hatched] = [patch for patch in axes.patches if patch.get_hatch()]
        codes, open_ = (ds.status, Status.STEP_LIMIT) if by == "sharpness" else (ds.phase, Phase.UNDECIDED)
        assert len(hatched.get_path().vertices) == 5 * int((codes == open_).sum())


def test_one_row_or_column_has_one_tick():
    for shape, ticks in (("row", [0.1]), ("cell", [0.1])):
        np.testing.assert_allclose(figures.phase_diagram(*swept(shape)).axes[0].get_yticks(), ticks)
    for shape in ("column", "cell"):
        np.testing.assert_allclose(figures.phase_diagram(*swept(shape)).axes[0].get_xticks(), [0.6 * MOST])


def test_rows_of_models_and_problems_have_room_and_name_the_start():
    several = [theory.sparse_regression(n=n, d=8, sparsity=2) for n in (2, 4)]
    for models, problems, named in (
        ([MODEL, theory.difference(3)], PROBLEM, "difference(2), difference(3) on sparse_regression, n = 5, d = 8"),
        (MODEL, several, "difference(2) on 2 x sparse_regression, d = 8"),
    ):
        ds = sims.sweep(models, problems, RATES, 0.1, max_steps=300)
        figure = figures.phase_diagram(ds, stored_prediction(ds))
        assert faults(figure) == []
        assert title_of(figure) == f"{named}, init_scale 0.1"


def test_a_title_has_the_size_of_the_selected_problem_where_seeds_repeat():
    problems = [theory.sparse_regression(n=n, d=8, sparsity=2, seed=seed) for n, seed in ((4, 1), (5, 1), (6, 0))]
    ds = sims.sweep(MODEL, problems, 0.1, 0.1, max_steps=1, backend="numpy")
    for k, n in enumerate((4, 5, 6)):
        assert subject(ds.isel(seed=k)) == f"difference(2) on sparse_regression, n = {n}, d = 8"


def test_without_an_interpolator_every_figure_has_room_and_says_why():
    problem = theory.Problem(np.c_[[1.0, 2, 3], [1.0, 0, 1]], [1.0, 5, 2])
    ds = sims.sweep(MODEL, problem, [0.05, 0.2, 2.0], [0.1, 0.3], max_steps=4000, window=512)
    for name in OF_A_SWEEP:
        figure = figure_of(name, ds, stored_prediction(ds))
        assert faults(figure) == []
        assert not drawn(figure, "lr_max")
        assert "d = 2" in title_of(figure)
        assert "interpolat" in figure.get_supxlabel() or "fits" in figure.get_supxlabel()


@pytest.mark.parametrize(
    ("lr", "steps"), [(0.5, 3), (1.1, 3000), pytest.param(0.5, 4000, marks=slow), pytest.param(12, 4000, marks=slow)]
)
def test_a_trajectory_says_what_it_is_of_and_what_its_band_is(lr, steps):
    run = sims.descend(MODEL, PROBLEM, lr * MOST, 0.1, max_steps=steps, record_every=1)
    figure = figures.trajectory(run)
    assert faults(figure) == []
    assert title_of(figure).startswith(f"{NAMED}, init_scale 0.1, learning rate {lr * MOST:.3g}, ")
    banded = [c for axes in figure.axes for c in axes.collections if c.get_gid() == "extremes"]
    assert bool(banded) == (run.sizes["step"] > 600) == ("bands reach" in figure.get_supxlabel())
    assert faults(figures.trajectory(sims.flow(MODEL, PROBLEM, 0.1))) == []


@slow
def test_the_runs_of_regimes_explain_their_bands():
    run = sims.descend(MODEL, PROBLEM, 1.1 * MOST, 0.1, max_steps=3000, record_every=1)
    figure = figures.regimes(*swept("plane"), init_scale=0.1, endpoints=0, runs=[run])
    assert faults(figure) == []
    assert "bands reach" in figure.get_supxlabel()


def test_one_sample_has_room_for_its_texts():
    problem = theory.single_point([1.6, 0.5, 1.2, 0.8], 1.5)
    ds = sims.sweep(theory.power(2), problem, [0.1, 0.3, 0.9], [0.1, 0.2], max_steps=4000)
    figure = figures.minimisers(stored_prediction(ds), ds)
    assert faults(figure) == []
    assert title_of(figure) == "power(2) on single_point, n = 1, d = 4, init_scale 0.1 (one of 2)"


def test_figures_of_deep_networks_have_room_and_say_what_they_are_of():
    deep = sims.store.open_result(KEPT)
    named = "fcn width 100 depth 2 relu on mnist5k, n = 1000"
    over = deep.sharpness.values
    parts = {"spectrum": ("lr", "eigenvalue"), "layer_sharpness": ("lr", "layer")}
    parts = {name: (dims, over[:, None] / np.arange(1, 6)) for name, dims in parts.items()}
    measured = deep.assign(parts | {"distance": ("lr", np.geomspace(0.01, 3, len(over)))})
    for figure in (figures.spectrum(measured), figures.norm_sharpness(deep), figures.phase_diagram(deep)):
        assert faults(figure) == []
        assert title_of(figure) == named
    assert not figure.axes[0].yaxis.get_visible()  # it has one row, whose height means nothing
    figure = figures.contrast(*swept("row")[:1], deep, swept("row")[1])
    assert faults(figure) == []
    titles = [" ".join(axes.get_title().split()) for axes in figure.axes[:2]]
    assert titles == [f"diagonal network, {NAMED}, init_scale 0.1", f"deep network, {named}"]
    assert drawn(figure, "lr_max")[0][0][0] == pytest.approx(MOST / float(swept("row")[1].lr_critical[0]))
