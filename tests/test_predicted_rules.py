"""Predictions with momentum, a schedule or weight decay, beside runs and closed forms; what is not known is refused."""

import json
import re

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.theory import NoClosedForm, UpdateRule

POSITIVE = theory.sparse_regression(n=8, d=24, sparsity=3, signs="positive", seed=1, n_test=50)
SIGNED = theory.sparse_regression(n=8, d=24, sparsity=3, signs="random", seed=1, n_test=50)
HEAVY = UpdateRule(momentum=0.5)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def predicted(name, rule, scale=0.1):
    return theory.predict(theory.parse(name), POSITIVE if name.startswith("power") else SIGNED, scale, rule=rule)


def run_of(pred, lr, **options):
    settings = dict(theta0=pred.starts[0], rule=pred.rule, max_steps=200_000, track_every=0) | options
    run = sims.descend(pred.dynamics.model, pred.problem, lr, **settings)
    assert int(run.status) == sims.Status.CONVERGED
    return run


def missed(pred, lr, run=None, **options):
    found = (run_of(pred, lr) if run is None else run).beta.values
    return np.linalg.norm(pred.endpoint(lr, **options).beta - found) / np.linalg.norm(found)


def test_momentum_moves_every_boundary_alike():
    plain, heavy = predicted("difference(2)", UpdateRule()), predicted("difference(2)", HEAVY)
    for name in ("lr_critical", "lr_critical_final", "lr_max"):
        assert getattr(heavy, name) == pytest.approx(1.5 * getattr(plain, name), rel=1e-12)
    assert heavy.flow.sharpness == plain.flow.sharpness
    limits = [HEAVY.sharpness_limit(lr) for lr in heavy.lr_max_bounds]
    np.testing.assert_allclose(limits, heavy.sharpness_min, rtol=1e-6)
    assert "momentum=0.5" in repr(heavy) and "momentum" not in repr(plain)


@pytest.mark.parametrize("name, scale", [slow("power(2)", 0.1), ("difference(2)", 0.1), slow("power(3)", 0.3)])
def test_heavy_ball_ends_where_the_flow_does_after_its_inertia(name, scale):
    pred, plain = predicted(name, HEAVY, scale), predicted(name, UpdateRule(), scale)
    lr = 0.8 * pred.lr_critical_final
    run = run_of(pred, lr)
    assert missed(pred, lr, run, warmup=20) < 2e-3
    assert np.linalg.norm(plain.endpoint(lr / 1.5).beta - run.beta.values) > 0.05 * np.linalg.norm(run.beta.values)


def test_heavy_ball_at_the_edge():
    pred = predicted("power(2)", UpdateRule(momentum=0.3))
    lr = 0.9 * pred.lr_critical_final + 0.1 * pred.lr_max
    run = run_of(pred, lr)
    end = pred.endpoint(lr, warmup=20)
    assert end.lr == lr and end.error is None and not end.note
    assert "warm-up of 20" in pred.endpoint(lr, warmup=5).note
    assert missed(pred, lr, run, warmup=20) < 0.02
    assert 0.98 * 2.6 / lr < end.sharpness <= 2.6 / lr * (1 + 1e-6)
    assert float(run.sharpness) == pytest.approx(end.sharpness, rel=1e-2)


def test_a_schedule_that_stays_is_none():
    plain, still = predicted("power(2)", UpdateRule()), predicted("power(2)", UpdateRule(schedule="ramp(200)"))
    lr = 0.6 * plain.lr_critical_final + 0.4 * plain.lr_max
    a, b = plain.endpoint(lr), still.endpoint(lr)
    assert np.linalg.norm(a.beta - b.beta) < 2e-3 * np.linalg.norm(a.beta)
    assert still.lr_max == plain.lr_max and still.lr_critical == plain.lr_critical


@pytest.mark.parametrize("schedule", ["cosine(300, final=0.5)", slow("ramp(100, start=0.1)")])
@pytest.mark.parametrize("name, scale", [("power(2)", 0.1), slow("power(3)", 0.3)])
def test_the_cap_moves_with_the_learning_rate(name, scale, schedule):
    pred, plain = predicted(name, UpdateRule(schedule=schedule), scale), predicted(name, UpdateRule(), scale)
    lr = 0.7 * plain.lr_critical_final + 0.3 * plain.lr_max
    run, final = run_of(pred, lr, hold=20), pred.rule.schedule.final
    assert missed(pred, lr, run) < 0.04
    assert pred.lr_max == pytest.approx(plain.lr_max / final)
    if final < 1:  # flatter than the settled rate asks for
        end, settled = pred.endpoint(lr), plain.endpoint(final * lr)
        assert end.sharpness < 0.96 * settled.sharpness
        errors = [np.linalg.norm(at.beta - run.beta.values) for at in (end, settled)]
        assert errors[0] < errors[1] / 3


def test_a_schedule_that_begins_far_above_the_edge_is_refused():
    """Its first oscillation decides: at the edge the cap tells a run within 1 %, at twice that some diverge."""
    pred = predicted("difference(2)", UpdateRule(schedule="cosine(300, final=0.3)"))
    with pytest.raises(NoClosedForm, match="begins at 2 times lr_critical.*begin below") as refused:
        pred.endpoint(2 * pred.lr_critical)
    advised = float(re.findall(r"below ([\d.e-]+)", str(refused.value))[0])
    end, run = pred.endpoint(0.999 * advised), run_of(pred, 0.999 * advised)
    assert "begins above lr_critical: mostly within 9." in end.note
    assert np.linalg.norm(end.beta - run.beta.values) < 0.1 * np.linalg.norm(end.beta)


def test_a_ramp_that_comes_to_the_edge_when_the_loss_is_gone_is_refused():
    """Such runs stay where they are."""
    pred = predicted("difference(2)", UpdateRule(schedule="ramp(2000, start=0.3)"))
    lr = 0.7 * pred.lr_critical_final + 0.3 * pred.lr_max
    run = sims.descend(pred.dynamics.model, pred.problem, lr, 0.1, rule=pred.rule, backend="numpy")
    assert int(run.status) == sims.Status.UNSTABLE_MINIMUM
    with pytest.raises(NoClosedForm, match="the loss is gone, to .* when the learning rate comes above the edge"):
        pred.endpoint(lr)


@pytest.mark.parametrize("name, unit", [("power(2)", 0.5), ("difference(2)", 0.5), ("product(2)", 1.0)])
def test_weight_decay_soft_thresholds_a_diagonal_regression(name, unit):
    sizes, y = np.array([1.0, 2.0, 3.0, 0.5]), np.array([2.0, 1.0, 3.0, 0.1])
    problem, decay = theory.Problem(np.diag(sizes), y), 0.2
    pred = theory.predict(theory.parse(name), problem, 0.1, rule=UpdateRule(weight_decay=decay))
    end = pred.endpoint(1e-3)
    expected = np.maximum(y / sizes - unit * decay * 4 / sizes**2, 0)
    np.testing.assert_allclose(end.beta, expected, atol=1e-12)
    assert end.method == "lasso" and expected[-1] == 0


@pytest.mark.parametrize(
    "name, momentum",
    [("power(2)", 0.9), ("difference(2)", 0.0), slow("difference(2)", 0.9), slow("product(2)", 0.9),
     slow("custom(3*u*v; v=0)", 0.9)],
)  # fmt: skip
def test_weight_decay_ends_at_the_lasso(name, momentum):
    rule = UpdateRule(weight_decay=0.1, momentum=momentum)
    pred = predicted(name, rule)
    lr = 0.3 * predicted(name, UpdateRule()).lr_critical
    end = pred.endpoint(lr)
    run = run_of(pred, lr)
    np.testing.assert_allclose(end.beta, run.beta, atol=1e-3 * abs(end.beta).max())
    assert end.sharpness == pytest.approx(float(run.sharpness), rel=1e-3)
    assert end.l1_norm == pytest.approx(float(run.beta_l1), rel=1e-3)
    limit = (2 + 2 * momentum) / (end.sharpness + 0.1)
    assert pred.endpoint(0.999 * limit).l1_norm == end.l1_norm
    with pytest.raises(NoClosedForm, match="is not stable"):
        pred.endpoint(1.001 * limit)


def test_a_large_penalty_leaves_nothing():
    end = predicted("difference(2)", UpdateRule(weight_decay=50.0)).endpoint(1e-3)
    assert not end.beta.any() and "no coefficient" in end.note


@pytest.mark.parametrize(
    "rule, ask, reason",
    [
        (HEAVY, lambda p: p.endpoint(0.1), "inertia.*warm-up of 20 steps .--warmup 20"),
        (UpdateRule(momentum=0.9), lambda p: p.endpoint(0.1), "warm-up of 100 steps"),
        (UpdateRule(momentum=0.999), lambda p: p.endpoint(0.1, warmup=100), "0.999 is above 0.98"),
        (HEAVY, lambda p: p.endpoint(0.1, "bregman"), "constrained flow"),
        (HEAVY, lambda p: p.lr_divergence, "lr_divergence.*momentum = 0.5"),
        (HEAVY, lambda p: p.path(0.1), "path.*momentum"),
        (UpdateRule(schedule="ramp(10, start=0.1)"), lambda p: p.endpoint(0.1, warmup=5), "warm-up with ramp"),
        (UpdateRule(schedule="ramp(10)", momentum=0.5), lambda p: p.endpoint(0.1, warmup=5), "momentum with ramp"),
        (UpdateRule(weight_decay=0.1), lambda p: p.flow, "weight_decay = 0.1"),
        (UpdateRule(weight_decay=0.1), lambda p: p.lr_critical, "lr_critical.*weight_decay"),
        (UpdateRule(weight_decay=0.1), lambda p: p.lr_max, "lr_max.*weight_decay"),
        (UpdateRule(batch=1), lambda p: p, "batch=1"),
        (UpdateRule(label_noise=0.1, momentum=0.5), lambda p: p, "label_noise=0.1"),
        (UpdateRule(step="weight - lr*sign(gradient)"), lambda p: p, "step="),
    ],
)  # fmt: skip
def test_what_is_not_predicted_is_refused_by_name(rule, ask, reason):
    with pytest.raises(NoClosedForm, match=reason):
        ask(predicted("power(2)", rule))


def test_weight_decay_is_refused_elsewhere():
    rule = UpdateRule(weight_decay=0.1)
    with pytest.raises(NoClosedForm, match="degree 2"):
        predicted("power(3)", rule).endpoint(0.1)
    labels = theory.Problem(SIGNED.X, np.sign(SIGNED.y), loss=theory.logistic)
    with pytest.raises(NoClosedForm, match="logistic"):
        theory.predict(theory.difference(2), labels, 0.1, rule=rule).endpoint(0.1)
    with pytest.raises(theory.InputError, match="no UpdateRule"):
        theory.predict(theory.power(2), POSITIVE, 0.1, rule=0.9)  # type: ignore[arg-type]


def test_a_comparison_has_its_rule_and_warm_up():
    pred = predicted("difference(2)", HEAVY)
    lr = 0.8 * pred.lr_critical_final
    ds = sims.compare(pred.dynamics.model, SIGNED, lr, rule=HEAVY, warmup=20).isel(lr=0)
    run = run_of(pred, lr)
    np.testing.assert_allclose(ds.beta, run.beta, rtol=1e-9, atol=1e-12)
    near = ds.sel(predictor="constrained_flow")
    assert (
        float(near.beta_error) == pytest.approx(missed(pred, lr, run, warmup=20), rel=1e-6) and near.beta_error < 0.02
    )
    refused = json.loads(ds.attrs["not_predicted"])
    assert {method for method, *_ in refused} == {"frontier", "bregman"}
    assert sims.rebuild_rule(ds) == HEAVY and json.loads(ds.attrs["spec"])["warmup"] == 20
    with pytest.raises(NoClosedForm):
        sims.compare(pred.dynamics.model, SIGNED, lr, rule=UpdateRule(label_noise=0.1))


def test_the_command_line_predicts_with_a_rule(tmp_path, capsys):
    data = ["--model", "difference(2)", "--n", "8", "--d", "24", "--sparsity", "3", "--signs", "random", "--seed", "1"]
    pred = predicted("difference(2)", HEAVY)
    lr = 0.8 * pred.lr_critical_final
    main(["predict", *data, "--momentum", "0.5", "--lr", str(lr), "--warmup", "20"])
    told = capsys.readouterr().out.split()
    assert float(told[told.index("lr_max") + 1]) == pytest.approx(pred.lr_max, rel=1e-5)
    assert float(told[len(told) - 1 - told[::-1].index("l1_norm") + 1]) == pytest.approx(
        pred.endpoint(lr, warmup=20).l1_norm, rel=1e-5
    )
    main(["predict", *data, "--weight-decay", "0.1", "--lr", "0.1"])
    told = capsys.readouterr().out.split()
    decayed = predicted("difference(2)", UpdateRule(weight_decay=0.1)).endpoint(0.1)
    assert float(told[told.index("l1_norm") + 1]) == pytest.approx(decayed.l1_norm, rel=1e-5)
    main(["predict", *data, "--rule", "sign_descent", "--lr", "1e-4"])
    told = capsys.readouterr().out
    assert "no learning rate below which a minimum is stable" in told and "after" in told
    with pytest.raises(SystemExit):
        main(["predict", str(tmp_path / "a.zarr"), *data, "--momentum", "0.5", "--lr", "0.1,0.2"])
    assert not (tmp_path / "a.zarr").exists()
