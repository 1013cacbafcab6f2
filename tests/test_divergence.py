"""Maps of divergence: steps in single precision, which tell whether runs diverge and nothing else."""

import json

import numpy as np
import pytest
import xarray as xr

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.sims import Status
from gdbias.sims.store.group import open_result
from small_stores import SCALES

LRS = np.geomspace(0.02, 3, 48)
REGRESSION = theory.sparse_regression(n=8, d=16, sparsity=3, signs="positive", seed=2)
ONE_SAMPLE = theory.Problem(np.linspace(0.5, 1.5, 6)[None], [2.0])
LABELS = theory.Problem(REGRESSION.X, np.sign(REGRESSION.y), loss=theory.logistic)


def both(model, problem, **options):
    """The same runs in single and in double precision."""
    asked: dict = dict(lr=LRS, init_scale=[0.05, 0.3, 0.8], max_steps=3000) | options
    model = theory.parse(model)
    return sims.sweep(model, problem, precision="float32", **asked), sims.sweep(model, problem, keep=(), **asked)


def diverged(ds):
    return ds.status.values == Status.DIVERGED


def require_same(single, double, cells=2):
    """Rounding moves the border by a few cells, and the step of a run's divergence by little."""
    assert set(np.unique(single.status)) == {Status.DIVERGED, Status.BOUNDED}
    one, other = diverged(single), diverged(double)
    assert (one != other).sum() <= cells
    assert (single.steps == double.steps).values[one & other].mean() > 0.7


@pytest.mark.slow
@pytest.mark.parametrize(
    "model, problem",
    [(name, REGRESSION) for name in ("power(2)", "difference(2)", "product(3)", "custom(u*v - w**2)")]
    + [(name, ONE_SAMPLE) for name in ("power(3)", "product(3)")],
)
def test_a_map_agrees_with_double_precision(model, problem):
    require_same(*both(model, problem))


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        theory.UpdateRule(momentum=0.9, weight_decay=0.05),
        theory.UpdateRule(batch=3, label_noise=0.1, noise_steps=500, schedule=theory.ramp(10, start=0.5)),
    ],
    ids=str,
)
def test_with_an_update_rule(rule):
    require_same(*both("difference(2)", REGRESSION, rule=rule), cells=4)


@pytest.mark.slow
def test_with_another_loss():
    single, double = both("difference(2)", LABELS, lr=LRS * 100)
    assert diverged(double).any()
    require_same(single, double)


@pytest.mark.slow
def test_large_margins_are_no_divergence():
    single, double = both("power(1)", LABELS, lr=np.geomspace(1, 3000, 60), init_scale=1.0)
    assert diverged(double).sum() < 20 and (double.loss.values[~diverged(double)] < 1e6).all()
    assert (diverged(single) != diverged(double)).sum() <= 1
    wrong = theory.Problem([[1.0]], [-1.0], loss=theory.logistic)  # a margin of -1000, whose exponential is inf
    for ds in both("power(1)", wrong, lr=1.0, init_scale=1000.0, max_steps=3000):
        assert not diverged(ds).any()


def test_steps_are_made_in_single_precision():
    problem = theory.Problem([[1.0]], [1.0001])  # from 1.0 a step is 2e-8, which float32 rounds away
    single, double = both("power(2)", problem, lr=1e-4, init_scale=1.0, max_steps=60_000)
    assert double.status.item() == Status.CONVERGED and double.steps.item() < 60_000
    assert single.status.item() == Status.BOUNDED and single.steps.item() == 60_000


def test_a_run_that_comes_within_tol_ends():
    single, double = both("power(2)", REGRESSION, lr=0.05, init_scale=0.3, tol=1e-4, max_steps=20_000)
    assert single.status.item() == Status.BOUNDED
    assert abs(single.steps.item() - double.steps.item()) <= 1 and double.steps.item() < 20_000


def test_runs_depend_on_no_neighbour_and_no_thread():
    model, asked = theory.difference(2), dict(init_scale=[0.05, 0.3, 0.8], max_steps=2000, precision="float32")
    once = sims.sweep(model, REGRESSION, lr=LRS, threads=1, **asked)
    xr.testing.assert_equal(once, sims.sweep(model, REGRESSION, lr=LRS, threads=2, **asked))
    back = sims.sweep(model, REGRESSION, lr=LRS[::-1].copy(), threads=2, **asked)
    xr.testing.assert_equal(once, back.isel(lr=slice(None, None, -1)))


def test_a_stored_map_resumes(tmp_path, computed):
    asked = dict(lr=[0.1, 0.3, 1.0, 3.0], init_scale=SCALES, max_steps=500, precision="float32", chunk_runs=4)
    store = tmp_path / "map.zarr"
    first = sims.sweep(theory.power(2), REGRESSION, store=store, **asked).load()
    assert sorted(first.data_vars) == ["status", "steps"] and computed == list(range(len(SCALES)))
    xr.testing.assert_identical(first, sims.sweep(theory.power(2), REGRESSION, store=store, **asked).load())
    assert len(computed) == len(SCALES)
    assert json.loads(first.attrs["spec"])["precision"] == "float32"
    with pytest.raises(theory.InputError, match="its precision is .float32., asked is null"):
        sims.sweep(theory.power(2), REGRESSION, store=store, **(asked | {"precision": "float64"}))


def test_double_precision_is_no_part_of_a_spec():
    ds = sims.sweep(theory.power(2), ONE_SAMPLE, lr=0.1, max_steps=10)
    assert "precision" not in json.loads(ds.attrs["spec"])


def test_many_models_and_problems_of_different_size():
    problems = [theory.sparse_regression(n=n, d=n + 3, sparsity=2, seed=1) for n in (3, 6)]
    models = [theory.power(2), theory.difference(2)]
    ds = sims.sweep(models, problems, lr=[0.1, 5.0], max_steps=200, precision="float32")
    assert ds.status.dims == ("model", "seed", "init_scale", "lr")
    assert (ds.status.values[..., 1] == Status.DIVERGED).all() and (ds.status.values[..., 0] == Status.BOUNDED).all()


def test_what_it_costs():
    found = sims.estimate(theory.power(2), REGRESSION, LRS, [0.05, 0.3], max_steps=2000, precision="float32")
    assert found.runs == 96 and 0 < found.size < 96 * 10


@pytest.mark.parametrize(
    "wrong, told",
    [
        (dict(window=2000), "window = 2000 measures runs"),
        (dict(average=20), "average = 20 measures runs"),
        (dict(cool=True), "cool = True measures runs"),
        (dict(track_every=5), "track_every = 5 looks at the sharpness"),
        (dict(keep=["beta"]), "keeps vectors"),
        (dict(backend="numpy"), "use numba"),
        (dict(backend="cupy"), "use numba"),
        (dict(max_steps=2**23), "above 8388607"),
        (dict(precision="half"), "float64, float32"),
        (dict(init_scale=1e-39), "1e-38 to 3e"),
        (dict(lr=[0.1, 1e39]), "lr = 1e.39"),
        (dict(init_scale=[0.1, 1e9]), "init_scale = 1e.09"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_what_single_precision_cannot_do(wrong, told, tmp_path):
    store = tmp_path / "map.zarr"
    with pytest.raises(theory.InputError, match=told):
        sims.sweep(theory.power(2), REGRESSION, **(dict(lr=0.1, precision="float32", store=store) | wrong))
    assert not store.exists()


def test_a_phase_diagram_of_a_map():
    single, _ = both("power(2)", REGRESSION)
    pred = theory.predict(theory.power(2), REGRESSION, single.init_scale.values)
    figure = figures.phase_diagram(single, pred)
    [axes] = figure.axes  # no colour bar
    [mesh] = [c for c in axes.collections if c.get_gid() == "status"]
    drawn = np.asarray(mesh.get_array()).reshape(single.status.shape)
    order = np.argsort(single.init_scale.values)
    assert len(np.unique(drawn)) == 2
    assert ((drawn == drawn[0, -1]) == diverged(single)[order]).all()
    assert [text.get_text() for text in axes.get_legend().get_texts()][-2:] == ["diverged", "bounded"]


@pytest.mark.parametrize("draw", [figures.norm_sharpness, figures.bifurcation])
def test_other_figures_say_what_a_map_lacks(draw):
    single, _ = both("power(2)", ONE_SAMPLE, lr=[0.1, 0.2], max_steps=10)
    with pytest.raises(theory.InputError, match="map of divergence"):
        draw(single)
    with pytest.raises(theory.InputError, match="leave out by='phase'"):
        figures.phase_diagram(single, by="phase")


def test_on_the_command_line(tmp_path, capsys):
    store = str(tmp_path / "map.zarr")
    spec = tmp_path / "map.toml"
    spec.write_text('precision = "float32"\nlr = "0.05:5:8:log"\ninit_scale = 0.1\nmax_steps = 300\n')
    main(["sweep", store, "--spec", str(spec)])
    out = capsys.readouterr().out
    assert "DIVERGED" in out and "BOUNDED" in out and "CONVERGED" not in out
    main(["report", store])
    assert "precision    float32" in capsys.readouterr().out
    main(["plot", "phase_diagram", store, "--out", str(tmp_path / "map.png")])
    assert (tmp_path / "map.png").stat().st_size > 5000
    assert set(open_result(store).data_vars) == {"status", "steps"}
