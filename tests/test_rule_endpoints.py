"""Where rules other than descent end, beside runs; lags beside the slow root of a step; what no law tells."""

import re

import numpy as np
import pytest

from endpoint_runs import SIGNED, distance, own, predicted, run_of, slow
from gdbias import sims, theory
from gdbias.theory import NoClosedForm, UpdateRule
from gdbias.theory.rules.lag import lag_of
from gdbias.theory.rules.steps import STEPS, parse_step

OLD_VELOCITY = parse_step("weight - lr*velocity; velocity <- beta*velocity + gradient, from 0")
HEAVY = UpdateRule(momentum=0.5)
READS_WEIGHTS = UpdateRule(step="weight - lr*gradient/(1+total(weight**2))")
FROM_HERE = {  # one step of a quadratic of curvature s, in weight and velocity
    "heavy_ball": lambda s, b: [[1 - s, b], [-s, b]],
    "nesterov": lambda s, b: [[1 - s * (1 + b), -(b**2)], [s, b]],
    "custom": lambda s, b: [[1, -1], [s, b]],
}


@pytest.mark.parametrize("step", [STEPS["heavy_ball"], STEPS["nesterov"], OLD_VELOCITY], ids=lambda step: step.name)
def test_speed_and_lag_are_those_of_the_slow_root(step):
    """A weight of small curvature s falls by ``exp(-c s (1 + lag s) + O(s^3))`` a step."""
    lag, b, s = lag_of(step), 0.6, 1e-4
    values = {"lr": 1.0, "momentum": b, "beta": b}
    speed, behind = (float(e.subs({x: values[x.name] for x in e.free_symbols})) for e in (lag.speed, lag.behind))
    root = max(np.linalg.eigvals(np.array(FROM_HERE[step.name](s, b))).real)
    assert speed == pytest.approx(1 / (1 - b), rel=1e-12)
    assert (-np.log(root) / (speed * s) - 1) / s == pytest.approx(behind, rel=3e-3)


def test_steps_that_are_no_gradient_flow_have_no_lag():
    known = {name for name, step in STEPS.items() if lag_of(step)}
    assert known == {
        "gradient_descent", "heavy_ball", "nesterov", "normalized_descent", "clipped_descent", "polyak",
        "rmsprop_scalar", "sam", "sam_max",
    }  # fmt: skip
    slow_average = "weight - lr*gradient/sqrt(kept); kept <- 0.9*kept + 0.1*total(gradient**2), from 1"  # as it was
    assert str(lag_of(parse_step(slow_average)).speed) == "lr/sqrt(total(gradient**2))"
    assert lag_of(parse_step("weight - lr*gradient/(1 + step)")) is None
    assert lag_of(parse_step("weight - lr*gradient*abs(gradient)")) is None
    assert lag_of(parse_step("weight - lr*(gradient + 1)")) is None


AHEAD = "weight - lr*(2*gradient - old); old <- gradient, from 0"  # which bears lr S < 2/3
CLIPPED_BY_AVERAGE = (
    "weight - lr*gradient*min(1, 0.5/sqrt(kept)); kept <- 0.9999*kept + 0.0001*total(gradient**2), from 1"
)
AGAINST = "weight + lr*gradient"
EASY = ("clipped_descent", {"max_norm": 0.5}, 0.5), ("polyak", {}, 0.5), ("nesterov", {}, 0.1)


@pytest.mark.parametrize("step, parameters, share", EASY)
@pytest.mark.parametrize("name", ["difference(2)", slow("power(3)")])
def test_a_rule_ends_where_flow_does_from_its_effective_start(name, step, parameters, share):
    rule = UpdateRule(step=step, step_parameters=parameters, momentum=0.5 * (step == "nesterov"))
    pred = predicted(name, rule)
    lr = share * theory.predict(pred.dynamics.model, pred.problem, pred.init_scale).lr_critical * (1 - rule.momentum)
    end, found = pred.endpoint(lr), run_of(pred, lr).beta.values
    told = float(re.search(r"by ([\d.]+)%", end.note)[1]) / 100 if end.note else 0.01
    assert end.method == "effective_start" and end.lr == lr
    assert distance(end.beta, found) < min(told, 0.006, distance(pred.flow.beta, found) / 3)


@pytest.mark.parametrize("scale_x, scale_y", [(1e-40, 1e30), (1e50, 1e-20)])
def test_an_effective_start_is_the_same_at_any_scale_of_the_data(scale_x, scale_y):
    """``X -> a X, y -> b y``: beta by ``b / a``, weights by its root, lr by ``1 / (a b)``, gradients by both last."""
    pred = predicted("difference(2)", UpdateRule(step="clipped_descent", step_parameters={"max_norm": 0.5}))
    unit = (scale_y / scale_x) ** 0.5
    rule = UpdateRule(step="clipped_descent", step_parameters={"max_norm": 0.5 * scale_y * scale_x * unit})
    other = theory.predict(
        pred.dynamics.model, theory.Problem(SIGNED.X * scale_x, SIGNED.y * scale_y), 0.1 * unit, rule=rule
    )
    a, b = pred.endpoint(0.1), other.endpoint(0.1 / scale_x / scale_y)
    np.testing.assert_allclose(b.beta / unit**2, a.beta, atol=1e-6 * abs(a.beta).max())


def test_a_linear_model_has_no_end_under_a_step_that_climbs():
    pred = theory.predict(theory.power(1), SIGNED, 0.1, rule=own(AGAINST))
    with pytest.raises(NoClosedForm, match="no minimum is stable"):
        pred.endpoint(0.01)


AHEAD_OF_ITSELF = "weight - lr*(1.5*gradient - 0.5*old); old <- gradient, from 0"  # its lag is 0
DELAYED = "weight - lr*velocity; velocity <- gradient, from 0"


@pytest.mark.parametrize("step", [AHEAD, AHEAD_OF_ITSELF, DELAYED])
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_what_is_told_of_the_next_order_holds_for_steps_that_look_back(step, share):
    """Also where gradients count against each other, so that little is left of their first order."""
    pred = predicted("difference(2)", own(step))
    lr = share * pred.lr_critical
    end = pred.endpoint(lr)
    told = float(re.search(r"by ([\d.]+)%", end.note)[1]) / 100 if end.note else 0.01
    assert distance(end.beta, run_of(pred, lr, tol=1e-16).beta.values) < told <= 0.1


def test_two_orders_of_descent_itself():
    """At half the rate the flow is half as far from the run, its effective start less than a third."""
    pred, missed = predicted("difference(2)", UpdateRule()), []
    for share in (0.4, 0.2):
        lr = share * pred.lr_critical
        found = run_of(pred, lr, tol=1e-20).beta.values
        missed.append([distance(b, found) for b in (pred.flow.beta, pred.endpoint(lr, "effective_start").beta)])
    (far, near), (farther, nearer) = missed
    assert 1.8 < far / farther < 2.2 and near / nearer > 3 and nearer < 1e-3


@pytest.mark.parametrize("name", ["difference(2)", slow("product(2)")])
def test_label_noise_shrinks_the_start(name):
    rule = UpdateRule(label_noise=0.3, noise_steps=3000)
    pred = predicted(name, rule)
    lr = 0.2 * pred.lr_critical
    end = pred.endpoint(lr)
    found = run_of(pred, lr).beta.values
    assert distance(end.beta, found) < min(0.02, distance(pred.flow.beta, found) / 3)


@pytest.mark.parametrize(
    "rule, ask, reason",
    [
        (UpdateRule(step="adamw"), lambda p: p, "adamw.*no law"),
        (UpdateRule(label_noise=0.1), lambda p: p, "label_noise=0.1 without an end.*noise_steps"),
        (UpdateRule(step="sam", schedule="ramp(10)"), lambda p: p, "sam.*leave out schedule"),
        (UpdateRule(step="sign_descent", batch=1), lambda p: p, "sign_descent.*leave out batch"),
        (UpdateRule(step="polyak"), lambda p: p.lr_max, "polyak has no learning rate"),
        (UpdateRule(step="sam"), lambda p: p.lr_critical, "sam has no learning rate"),
        (UpdateRule(step="normalized_descent"), lambda p: p.lr_max, "normalized_descent has no learning rate"),
        (UpdateRule(step="nesterov", momentum=0.9), lambda p: p.endpoint(0.02), "too far.*an lr well.*--warmup 100"),
        (UpdateRule(step="polyak"), lambda p: p.endpoint(0.01, warmup=5), "a warm-up of 5"),
        (UpdateRule(step="clipped_descent"), lambda p: p.endpoint(0.01, "frontier"), "method='frontier'"),
        (UpdateRule(step="clipped_descent"), lambda p: p.path(0.01), "the path.*step=clipped_descent"),
        (UpdateRule(label_noise=0.1, noise_steps=5), lambda p: p.steps(0.01), "number of steps.*label_noise"),
        (UpdateRule(step="sam"), lambda p: p.endpoint(10.0), "too far from gradient flow"),
        (UpdateRule(step="sign_descent"), lambda p: p.endpoint(1e-4, steps=10**6), "how sign_descent goes on"),
        (own("rmsprop", beta2=0.9, eps=1.0), lambda p: p.endpoint(1e-5), "eps = 1 is not small beside"),
        (own("rmsprop_scalar", beta2=0.9999), lambda p: p.endpoint(0.01), "begins with a step of 250% of the start"),
        (own(CLIPPED_BY_AVERAGE), lambda p: p.endpoint(0.1), "remembers 1e.04 steps, and arrives after"),
        (own("normalized_descent", eps=0.01), lambda p: p.endpoint(0.01), "eps = 0.01 is neither small nor large"),
        (UpdateRule(step="polyak"), lambda p: p.endpoint(10.0), "polyak at lr = 10 is too far"),
        (own("weight - beta*lr*gradient", beta=0.0), lambda p: p.endpoint(0.01), "not at all"),
        (own("weight - beta*lr*gradient", beta=0.0), lambda p: p.lr_critical, "every minimum is stable"),
        (own(AGAINST), lambda p: p.endpoint(0.01), "no minimum is stable"),
        (own("weight + min(lr, loss)*gradient"), lambda p: p.endpoint(0.01), "against gradient flow"),
        (own(AHEAD), lambda p: p.endpoint(0.5), "custom at lr = 0.5 is too far"),
        (READS_WEIGHTS, lambda p: p.lr_critical_final, "no learning rate below which"),
        (READS_WEIGHTS, lambda p: p.endpoint(0.01), "hangs on the weights"),
    ],
)  # fmt: skip
def test_what_no_law_tells_is_refused_by_name(rule, ask, reason):
    with pytest.raises(NoClosedForm, match=reason):
        ask(predicted("power(2)", rule))


def test_what_is_added_to_a_norm_brings_its_rule_to_rest():
    pred = predicted("difference(2)", own("normalized_descent", eps=0.1))
    run = run_of(pred, 0.01)
    assert run.status == sims.Status.CONVERGED
    assert distance(pred.endpoint(0.01).beta, run.beta.values) < 1e-3


def test_a_start_that_a_rule_moves_to_nothing_is_refused_by_that():
    with pytest.raises(NoClosedForm, match="sam goes uphill from the start"):
        predicted("difference(2)", own("sam", rho=1e-3), 1e-12).endpoint(0.02)
    nothing = theory.Problem(SIGNED.X, 0 * SIGNED.y)
    for step in ("polyak", "sign_descent"):
        with pytest.raises(NoClosedForm, match="the start fits the targets"):
            theory.predict(theory.difference(2), nothing, 0.1, rule=UpdateRule(step=step)).endpoint(0.01)


def test_steps_are_of_rules_that_do_not_rest():
    for rule in (UpdateRule(), UpdateRule(step="polyak"), HEAVY):
        with pytest.raises(theory.InputError, match="does: leave it out"):
            predicted("difference(2)", rule).endpoint(0.01, steps=100)
    pred = predicted("difference(2)", UpdateRule(step="sam", step_parameters={"rho": 1e-3}))
    with pytest.raises(theory.InputError, match="steps = 2 is below the") as refused:
        pred.endpoint(1e-3, steps=2)
    enough = int(re.findall(r"below the (\d+) in", str(refused.value))[0])  # what is told is taken when typed back
    assert f"after {enough} steps" in pred.endpoint(1e-3, steps=enough).note


def test_data_that_nothing_fits_end_at_the_least_squares():
    rng = np.random.default_rng(0)
    noisy = theory.Problem(rng.standard_normal((20, 6)), rng.standard_normal(20))
    pred = theory.predict(theory.difference(2), noisy, 0.1, rule=UpdateRule(step="clipped_descent"))
    beta = np.linalg.lstsq(noisy.X, noisy.y, rcond=None)[0]
    assert distance(pred.endpoint(1e-3).beta, beta) < 1e-6 and distance(run_of(pred, 0.1).beta.values, beta) < 1e-4


def test_gradient_flow_is_a_predictor_of_every_rule():
    sam = predicted("difference(2)", UpdateRule(step="sam"))
    end = sam.endpoint(0.02, "flow")
    assert not end.note and np.array_equal(end.beta, sam.flow.beta) and end.method == "flow"


def test_label_noise_is_refused_for_other_degrees():
    with pytest.raises(NoClosedForm, match="degree 2"):
        predicted("power(3)", UpdateRule(label_noise=0.1, noise_steps=10)).endpoint(1e-3)


@pytest.mark.parametrize("step, momentum, cap", [("nesterov", 0.5, 1.5), ("clipped_descent", 0.0, 2.0)])
def test_boundaries_go_by_the_cap_of_the_step(step, momentum, cap):
    pred, plain = (
        predicted("difference(2)", UpdateRule(step=step, momentum=momentum)),
        predicted("difference(2)", UpdateRule()),
    )
    for name in ("lr_critical", "lr_critical_final", "lr_max"):
        assert getattr(pred, name) == pytest.approx(cap / 2 * getattr(plain, name), rel=1e-12)
