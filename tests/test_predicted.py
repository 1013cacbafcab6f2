"""Predicted planes beside sweeps of the same cells, and endpoints with warm-up and bars beside runs."""

import numpy as np
import pytest

from gdbias import figures, sims, theory
from gdbias.sims.status import Phase, Status
from gdbias.theory.prediction.bars import COVERAGE

PROBLEM = theory.sparse_regression(n=10, d=30, sparsity=4, seed=2, n_test=50)
PROBLEM_WITH_SIGNS = theory.sparse_regression(n=4, d=30, sparsity=3, signs="positive", seed=1)
MODEL, SCALES = theory.difference(2), [0.05, 0.2]
PRED = theory.predict(MODEL, PROBLEM, 0.05)
RATES = np.linspace(0.5 * PRED.lr_critical, 1.2 * PRED.lr_max, 8)


@pytest.fixture(scope="module")
def plane():
    return sims.predicted(MODEL, PROBLEM, RATES, SCALES)


@pytest.fixture(scope="module")
def runs():
    return sims.sweep(MODEL, PROBLEM, RATES, SCALES, max_steps=50_000, track_every=0)


def error(found, expected):
    return np.linalg.norm(found - expected, axis=-1) / np.linalg.norm(expected, axis=-1)


def test_a_plane_ends_where_the_runs_end(plane, runs):
    both = (plane.status == Status.CONVERGED).values & (runs.status == Status.CONVERGED).values
    assert both.sum() >= 8
    assert np.median(error(plane.beta.values[both], runs.beta.values[both])) < 0.03
    settled = (plane.status != Status.CONVERGED).values
    assert settled.any() and not (settled & (runs.status == Status.CONVERGED).values).all()
    above = RATES > PRED.lr_max
    assert above.any() and not (plane.status.values[:, above] == Status.CONVERGED).any()
    below = plane.sel(lr=RATES[RATES < 0.9 * PRED.lr_critical])
    assert (below.phase == Phase.FLOW_ALIGNED).all() and (plane.phase == Phase.EDGE_OF_STABILITY).any()


def test_a_cell_is_the_endpoint_of_its_prediction(plane):
    end = PRED.endpoint(RATES[2])
    cell = plane.isel(init_scale=0, lr=2)
    np.testing.assert_array_equal(cell.beta, end.beta)
    assert (float(cell.sharpness), float(cell.beta_l1), float(cell.test_risk)) == (
        end.sharpness, end.l1_norm, end.test_risk,
    )  # fmt: skip
    assert end.error is not None
    np.testing.assert_array_equal(cell.error_beta, end.error.beta)
    assert float(plane.lr_critical[0]) == PRED.lr_critical


def test_a_plane_is_the_same_on_any_number_of_threads_and_completed_from_its_store(plane, tmp_path):
    one = sims.predicted(MODEL, PROBLEM, RATES, SCALES, threads=1, store=tmp_path / "plane.zarr")
    for name in plane:
        np.testing.assert_array_equal(one[name], plane[name])
    again = sims.predicted(MODEL, PROBLEM, RATES, SCALES, store=tmp_path / "plane.zarr")
    assert again.identical(one)
    models, problems = sims.rebuild(again)
    assert models == [MODEL] and problems[0].fingerprint == PROBLEM.fingerprint
    with pytest.raises(theory.InputError):
        sims.predicted(MODEL, PROBLEM, RATES, SCALES, warmup=20, store=tmp_path / "plane.zarr")


@pytest.mark.parametrize("draw", [figures.phase_diagram, figures.norm_sharpness])
def test_figures_draw_planes(plane, draw):
    assert draw(plane).axes


@pytest.mark.parametrize("by", ["sharpness", "phase"])
def test_a_plane_beside_the_runs_shows_their_difference(plane, runs, by):
    figure = figures.phase_diagram(runs, None, by, predicted=plane)
    both = (plane.status == Status.CONVERGED).values & (runs.status == Status.CONVERGED).values
    [difference] = [drawn for drawn in figure.axes[2].collections if drawn.get_gid() == "difference"]
    shown = np.ma.filled(difference.get_array().astype(float), np.nan).reshape(both.shape)
    off = RATES * (runs.sharpness - plane.sharpness).values / 2
    np.testing.assert_array_equal(np.isfinite(shown), both)
    np.testing.assert_allclose(shown[both], off[both])
    within = (np.abs(runs.sharpness - plane.sharpness) <= plane.error_sharpness.sel(coverage=0.9)).values[both].mean()
    told = " ".join(figure.get_supxlabel().split())
    assert f"{within:.0%} in the 90% bar" in told and f"of the {both.sum()} that converge" in told
    assert "errors of one plane are alike" in told


def test_the_counts_beside_a_plane_are_of_all_runs(plane, runs):
    run, told = runs.copy(deep=True), plane.copy(deep=True)
    run["status"][0, :2] = Status.STEP_LIMIT  # where it is predicted to converge
    run["status"][:, -1] = told["status"][:, -1] = Status.STEP_LIMIT
    remark = " ".join(figures.phase_diagram(run, predicted=told).get_supxlabel().split())
    alike = int((run.status.values == told.status.values).sum())
    assert f"{alike} of {run.status.size - 2} runs end as predicted, 2 of which never settle" in remark
    assert "; 2 were stopped before their end" in remark


def test_cells_that_look_alike_beside_each_other_have_one_entry(plane, runs):
    some, told = runs.copy(deep=True), plane.copy(deep=True)
    some.status[0, 0] = told.status[0, 1] = Status.STEP_LIMIT
    legend = figures.phase_diagram(some, predicted=told).axes[0].get_legend()
    names = [text.get_text() for text in legend.texts if "settles" in text.get_text() or "limit" in text.get_text()]
    assert names == ["step limit (predicted: never settles)"]


def test_a_plane_of_other_cells_or_of_runs_is_not_drawn_beside(plane, runs):
    for other, told in ((runs, "not what sims.predicted"), (plane.isel(lr=slice(3)), "predict at the result's own lr")):
        with pytest.raises(theory.InputError, match=told):
            figures.phase_diagram(runs, predicted=other)
    elsewhere = sims.predicted(theory.power(2), PROBLEM_WITH_SIGNS, RATES[:2], SCALES)
    with pytest.raises(theory.InputError, match="another model or other data"):
        figures.phase_diagram(runs.isel(lr=slice(2)), predicted=elsewhere)


def test_a_flow_too_long_to_follow_is_not_predicted_and_nothing_is_said_of_its_run():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 12))
    problem = theory.Problem(X, X[:, 0] + X[:, 1])
    pred = theory.predict(theory.power(4), problem, 1e-12)  # 1e24 steps of descent and more
    rates = np.array([0.5]) * pred.lr_critical_final
    with pytest.raises(theory.GdbiasError, match="did not end within.*use method='bregman'"):
        pred.endpoint(rates[0])
    assert pred.endpoint(rates[0], method="bregman").l1_norm == pytest.approx(pred.flow.l1_norm, rel=1e-3)
    found = sims.predicted(theory.power(4), problem, rates, 1e-12)
    assert found.status.values.tolist() == [[Status.NOT_RUN]]
    assert found.phase.values[0, 0] == Phase.NOT_RUN and np.isnan(found.sharpness.values[0, 0])


def test_many_models_and_problems_are_planes_too():
    problems = [theory.sparse_regression(n=4, d=8, sparsity=1, seed=s, n_test=0) for s in range(2)]
    ds = sims.predicted([MODEL, theory.product(2)], problems, [0.05, 0.1], 0.1, keep=())
    assert ds.sizes == {"model": 2, "seed": 2, "init_scale": 1, "lr": 2, "coverage": 2} and "beta" not in ds
    assert (ds.status == Status.CONVERGED).all() and "test_risk" not in ds


def test_what_is_not_predicted_is_refused_before_a_store_is_made(tmp_path):
    logistic = theory.Problem([[1.0, 0.5]], [1.0], loss=theory.logistic)
    unreached = theory.Problem([[1.0]], [-1.0])
    for model, problem in ((theory.product(3), PROBLEM), (MODEL, logistic), (theory.power(2), unreached)):
        with pytest.raises(theory.GdbiasError):
            sims.predicted(model, problem, [0.1], [0.1], store=tmp_path / "no.zarr")
    assert not (tmp_path / "no.zarr").exists()
    with pytest.raises(theory.InputError, match="warmup"):
        sims.predicted(MODEL, PROBLEM, [0.1], [0.1], warmup=-1)


def test_a_warm_up_is_nearer_to_the_run(runs):
    pred, near, far = PRED, [], []
    for j, lr in enumerate(RATES):
        if int(runs.status[0, j]) == Status.CONVERGED and lr > pred.lr_critical:
            near.append(error(pred.endpoint(lr, warmup=50).beta, runs.beta.values[0, j]))
            far.append(error(pred.endpoint(lr).beta, runs.beta.values[0, j]))
    assert near and np.mean(near) < 0.5 * np.mean(far)


def test_warm_ups_end_converge_diverge_or_are_refused_by_name():
    assert "ended within the warm-up" in PRED.endpoint(0.8 * PRED.lr_critical, warmup=10_000).note
    with pytest.raises(theory.Diverges, match="use a smaller lr"):
        PRED.endpoint(5 * PRED.lr_max, warmup=20)
    with pytest.raises(theory.InputError, match="warmup"):
        PRED.endpoint(0.1, "bregman", warmup=20)
    problem = theory.sparse_regression(n=3, d=8, sparsity=2, seed=5, n_test=0)
    deep = theory.predict(theory.difference(3), problem, 0.5)
    with pytest.raises(theory.NoClosedForm, match="sign of a weight"):
        deep.endpoint(0.7 * deep.lr_max, warmup=20)
    run = sims.descend(theory.difference(3), problem, 0.7 * deep.lr_max, 0.5, max_steps=30, tol=0)
    assert (run.theta < 0).any()


def test_bars_hold_most_runs_and_widen_with_the_distance_from_flow():
    held, widths = [], []
    for seed in range(6):
        problem = theory.sparse_regression(n=8, d=24, sparsity=3, seed=seed, n_test=50)
        pred = theory.predict(MODEL, problem, 0.1)
        rates = pred.lr_critical_final + np.array([0.1, 0.3, 0.5]) * (pred.lr_max - pred.lr_critical_final)
        runs = sims.sweep(MODEL, problem, rates, 0.1, max_steps=50_000, track_every=0)
        for j in np.flatnonzero(runs.status.values[0] == Status.CONVERGED):
            end = pred.endpoint(float(rates[j]))
            assert end.error is not None and (np.diff(end.error.beta) > 0).all()
            held.append(np.linalg.norm(end.beta - runs.beta.values[0, j]) <= end.error.beta)
            widths.append(end.error.beta[1] / np.linalg.norm(end.beta))
    shares = np.mean(held, axis=0)
    assert len(held) >= 12 and shares[0] > 0.4 and shares[1] > COVERAGE[1] - 0.25
    assert 0.001 < np.median(widths) < 0.3


@pytest.mark.parametrize("name", ["power(2)", "difference(2)", "power(3)", "difference(4)"])
@pytest.mark.parametrize("c", [1e-8, 1e8])
def test_endpoints_scale_with_the_data(name, c):
    model, scale, L = theory.parse(name), 0.2, theory.parse(name).degree
    assert L is not None
    problem = theory.sparse_regression(n=5, d=15, sparsity=3, seed=1, signs="positive", n_test=0)
    pred = theory.predict(model, problem, scale)
    lr = 0.5 * (pred.lr_critical_final + pred.lr_max)
    # (c X, c^2 y): beta c, so weights c^(1/L), the loss c^4 and the sharpness c^(4 - 2/L)
    other = theory.predict(model, theory.Problem(c * problem.X, c**2 * problem.y), scale * c ** (1 / L))
    end, moved = pred.endpoint(lr), other.endpoint(lr / c ** (4 - 2 / L))
    np.testing.assert_allclose(moved.beta, c * end.beta, rtol=1e-6, atol=1e-9 * c)


def test_an_lr_above_lr_max_is_proved_to_be_so_without_computing_lr_max():
    pred = theory.predict(MODEL, PROBLEM, 0.05)
    with pytest.raises(theory.NoInterpolator, match="above lr_max"):
        pred.endpoint(1.01 * PRED.lr_max)
    assert "_sharpness_bounds" not in vars(pred)
    assert pred.endpoint(0.99 * PRED.lr_max).sharpness == pytest.approx(2 / (0.99 * PRED.lr_max), rel=1e-3)


def test_far_above_lr_max_its_number_is_told():
    pred, lr = theory.predict(MODEL, PROBLEM, 0.4), 1e3 * PRED.lr_max
    for asked in (pred.endpoint, pred.steps, pred.path):
        with pytest.raises(theory.NoInterpolator, match=f"lr = {lr:g} is above lr_max = {PRED.lr_max:.6g}"):
            asked(lr)
