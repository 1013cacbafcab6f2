"""Figures of several update rules: each rule's learning rates in units of its edge, and planes of momentum."""

import numpy as np
import pytest

from gdbias import figures, sims, theory
from gdbias.figures.cli.command import main
from gdbias.figures.parts.edge import rate_at_edge
from gdbias.figures.parts.results import stored_prediction
from gdbias.sims import Status
from gdbias.theory import InputError, UpdateRule
from reading import faults
from small_results import drawn

MODEL, PROBLEM = theory.difference(2), theory.sparse_regression(n=5, d=8, sparsity=2, n_test=20)
HALF, NESTEROV = UpdateRule(momentum=0.5), UpdateRule(momentum=0.5, step="nesterov")
STABLE = {"heavy_ball": lambda b: 2 + 2 * b, "nesterov": lambda b: (2 + 2 * b) / (1 + 2 * b)}  # the largest lr S
LR = np.geomspace(0.02, 2, 9)


def swept(rule, **other):
    return sims.sweep(MODEL, PROBLEM, LR, 0.1, rule=rule, max_steps=3000, **other)


@pytest.mark.parametrize("sharpness", [3e-4, 7.0, 2e5])
def test_the_learning_rate_at_an_edge(sharpness):
    decayed = UpdateRule(momentum=0.3, weight_decay=0.2, schedule="ramp(10, start=0.1)")
    for rule, rate in (
        (theory.gradient_descent, 2 / sharpness),
        (HALF, 3 / sharpness),
        (NESTEROV, 1.5 / sharpness),
        (decayed, 2.6 / (sharpness + 0.2)),
    ):
        assert rate_at_edge(rule, sharpness) == pytest.approx(rate, rel=1e-12)
    assert np.isnan(rate_at_edge(UpdateRule(step="adam"), sharpness))


@pytest.mark.slow
def test_rules_are_drawn_in_units_of_their_edges(tmp_path):
    store = tmp_path / "rules.zarr"
    rules = [theory.gradient_descent, HALF, UpdateRule(step="adam")]
    ds = swept(rules, store=store)
    pred = stored_prediction(ds)
    figure = figures.rules(ds, pred, endpoints=4)
    assert faults(figure) == []
    flow = theory.predict(MODEL, PROBLEM, 0.1).flow
    sharpness = flow.sharpness
    of_run = drawn(figure, "sharpness_effective")
    for k, edge in enumerate((2, 3, 2)):  # of Adam none is its own
        good = ds.status.values[k, 0] == Status.CONVERGED
        x, y = of_run[k]
        np.testing.assert_allclose(x, LR * sharpness / edge, rtol=1e-12)
        np.testing.assert_allclose(y[good], ds.sharpness_effective.values[k, 0, good])
        assert good.any() and np.isnan(y[~good]).all()
    told = drawn(figure, "predicted_beta_l1")
    assert len(told) == 2
    for (x, y), rule, edge in zip(told, rules, (2, 3), strict=False):
        under = theory.predict(MODEL, PROBLEM, 0.1, rule=rule)
        ends = [under.endpoint(lr, warmup=20 if rule.momentum else 0) for lr in x * edge / sharpness]
        np.testing.assert_allclose(y, [end.l1_norm / flow.l1_norm for end in ends], rtol=1e-8)
    bare = figures.rules(ds.isel(rule=[0, 1]))
    first = ds.isel(rule=0, init_scale=0, lr=int(np.argmax(ds.status.values[0, 0] == Status.CONVERGED)))
    np.testing.assert_allclose(drawn(bare, "beta_l1")[0][0], LR * float(first.sharpness) / 2)
    of_norms = figures.rules(ds, panels=["norms"])
    assert faults(of_norms) == [] and len(drawn(of_norms, "beta_l1")) == 3 and not drawn(of_norms, "edge")
    main(["plot", "rules", str(store), "--endpoints", "0", "--out", str(tmp_path / "rules.png")])
    for few in (ds.isel(rule=[0]), ds.isel(rule=0)):
        with pytest.raises(InputError, match="2 to 6"):
            figures.rules(few)


def test_every_line_between_rules_is_in_the_legend():
    ds = sims.sweep(MODEL, PROBLEM, LR[::2], 0.1, rule=[theory.gradient_descent, HALF], max_steps=3000)
    figure = figures.rules(ds, theory.predict(MODEL, PROBLEM, 0.1), endpoints=0)
    legend = next(axes.get_legend() for axes in figure.axes if axes.get_legend() is not None)
    named = {(line.get_color(), line.get_linestyle()) for line in legend.get_lines()}
    assert {(line.get_color(), line.get_linestyle()) for axes in figure.axes for line in axes.lines} <= named
    assert faults(figure) == []


@pytest.mark.parametrize("step", STABLE)
def test_a_plane_of_momenta_has_its_boundaries(step):
    momenta = np.array([0.6, 0.2, 0.4])
    ds = swept([UpdateRule(momentum=b, step=step) for b in momenta])
    pred = theory.predict(MODEL, PROBLEM, 0.1)
    figure = figures.phase_diagram(ds, pred)
    assert faults(figure) == []
    assert f"{step} with 3 momenta" in " ".join(figure.get_suptitle().split())
    momenta.sort()
    assert [float(label.get_text()) for label in figure.axes[0].get_yticklabels()] == momenta.tolist()
    for name in ("lr_critical", "lr_critical_final", "lr_max"):
        [(x, y)] = drawn(figure, name)
        np.testing.assert_allclose(x, STABLE[step](momenta) * float(getattr(pred, name)) / 2, rtol=1e-12)
        np.testing.assert_array_equal(y, [0, 1, 2])
    mesh = next(c for c in figure.axes[0].collections if c.get_gid() == "stability").get_array()
    order = np.argsort([0.6, 0.2, 0.4])
    np.testing.assert_array_equal(np.ma.getmaskarray(mesh), ds.status.values[order, 0] != Status.CONVERGED)
    np.testing.assert_allclose(mesh.compressed(), ds.sharpness_effective.values[order, 0][~np.ma.getmaskarray(mesh)])


def test_a_plane_of_rules_of_all_kinds():
    ds = swept([theory.gradient_descent, NESTEROV, UpdateRule(step="adam")])
    figure = figures.phase_diagram(ds, stored_prediction(ds))
    assert faults(figure) == []
    x, _ = drawn(figure, "lr_max")[0]
    assert np.isnan(x[6]) and x[3] == pytest.approx(0.75 * x[0])
    for name in ("norm_sharpness", "bifurcation", "regimes"):
        with pytest.raises(InputError, match="--rule"):
            getattr(figures, name)(ds, stored_prediction(ds))


def test_norm_sharpness_draws_the_ends_of_a_rule_that_hovers_after_the_steps_of_its_runs(tmp_path):
    """Hollow points of runs at max_steps, on the curve that is told after as many steps."""
    rule = UpdateRule(step="sam", step_parameters={"rho": 0.05})
    ds = sims.sweep(MODEL, PROBLEM, [0.02, 0.05, 0.1], 0.3, rule=rule, max_steps=3000, store=tmp_path / "sam.zarr")
    assert (ds.status == Status.STEP_LIMIT).all()
    figure = figures.norm_sharpness(ds, theory.predict(MODEL, PROBLEM, 0.3, rule=rule), endpoints=6)
    assert faults(figure) == []
    (x, told), (_, runs) = drawn(figure, "predicted_sharpness")[0], drawn(figure, "sharpness last")[0]
    np.testing.assert_allclose(np.interp([0.02, 0.05, 0.1], x, told), runs, rtol=0.02)
    pred = theory.predict(MODEL, PROBLEM, 0.3, rule=rule)
    assert pred.endpoint(0.1).sharpness > 1.01 * pred.endpoint(0.1, steps=3000).sharpness
    with pytest.raises(InputError, match="the prediction is of gradient_descent, the runs are of sam"):
        figures.norm_sharpness(ds, theory.predict(MODEL, PROBLEM, 0.3))
    main(["plot", "norm_sharpness", str(tmp_path / "sam.zarr"), "--out", str(tmp_path / "sam.png")])
    assert (tmp_path / "sam.png").exists()


def test_trajectory_has_a_panel_for_an_edge_that_hangs_on_state_and_a_curve_of_batches():
    adam, batches = (
        sims.descend(MODEL, PROBLEM, 0.01, rule=rule, max_steps=40, record_every=2)
        for rule in (UpdateRule(step="adam"), UpdateRule(batch=2))
    )
    figure = figures.trajectory(adam)
    np.testing.assert_array_equal(drawn(figure, "sharpness_effective")[0][1], adam.path_sharpness_effective)
    assert drawn(figure, "edge_effective")[0][1][0] == 1 and not drawn(figure, "edge")
    figure = figures.trajectory(batches)
    np.testing.assert_array_equal(drawn(figure, "batch_sharpness")[0][1], batches.path_batch_sharpness)
    assert drawn(figure, "edge") and not drawn(figure, "sharpness_effective")
    assert drawn(figures.trajectory(batches, panels="sharpness_effective"), "sharpness_effective")
