"""A step of one's own is read from text, told from others of its name, refused if it cannot run, run as its equations
say by every backend, as stable as they say, and made again from what is stored."""

import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import sympy as sp

from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.theory import InputError, UpdateRule
from gdbias.theory.rules.step import (
    GRADIENT,
    GRADIENT_NORM,
    LEARNING_RATE,
    STEP,
    WEIGHT,
    WEIGHT_DECAY,
    StateVariable,
    Total,
)
from gdbias.theory.rules.steps import STEPS, parse_step

MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=6, d=10, sparsity=3, correlation=0.4, seed=0)


def other_step(factor, name="mine"):
    move = WEIGHT - factor * LEARNING_RATE * GRADIENT
    return UpdateRule(step=theory.Step(name, move))


def test_a_store_of_another_step_of_that_name_is_refused(tmp_path):
    asked = dict(lr=[0.01], init_scale=[0.1], max_steps=20, store=tmp_path / "a.zarr", backend="numpy")
    sims.sweep(MODEL, PROBLEM, rule=other_step(1), **asked)
    with pytest.raises(InputError, match="its rule is"):
        sims.sweep(MODEL, PROBLEM, rule=other_step(2), **asked)


@pytest.mark.parametrize(
    "rule, limit",
    [
        (UpdateRule(momentum=0.5, weight_decay=0.1), 3 / 0.2 - 0.1),
        (UpdateRule(schedule="ramp(10, start=0.5)"), 2 / 0.2),
        (UpdateRule(step=theory.Step("half", WEIGHT - LEARNING_RATE * GRADIENT / 2)), 4 / 0.2),
        (UpdateRule(step=theory.Step("rest", WEIGHT + 0 * GRADIENT)), np.inf),
    ],
)
def test_the_stable_sharpness_follows_from_the_step(rule, limit):
    assert rule.sharpness_limit(0.2) == pytest.approx(limit, rel=1e-15)
    np.testing.assert_allclose(rule.sharpness_limit(np.array([0.2, 0.4]))[0], limit, rtol=1e-15)


@pytest.mark.parametrize("parameters", [(sp.Symbol("drag"),), ()])
def test_a_step_that_reads_an_unknown_symbol_is_refused(parameters):
    with pytest.raises(InputError, match="reads drag"):
        UpdateRule(step=theory.Step("mine", WEIGHT - sp.Symbol("drag") * GRADIENT, parameters=parameters))


@pytest.mark.parametrize("start", [sp.Symbol("drag"), LEARNING_RATE])
def test_a_state_that_starts_from_an_unknown_symbol_is_refused(start):
    velocity = sp.Symbol("velocity")
    state = StateVariable(velocity, start, -LEARNING_RATE * GRADIENT)
    with pytest.raises(InputError, match=f"reads {start}"):
        UpdateRule(step=theory.Step("mine", WEIGHT + velocity, (state,)))


@pytest.mark.parametrize(
    "backend, decay", [("numpy", 0.0), ("numpy", 0.05), pytest.param("numba", 0.05, marks=pytest.mark.slow)]
)
def test_a_step_of_ones_own_with_decay_is_that_of_the_rule(backend, decay):
    own = theory.Step("own", WEIGHT - LEARNING_RATE * (GRADIENT + WEIGHT_DECAY * WEIGHT), parameters=(WEIGHT_DECAY,))
    run = partial(sims.descend, MODEL, PROBLEM, 0.01, max_steps=200, tol=1e-14, backend=backend)
    found, usual = run(rule=UpdateRule(step=own, weight_decay=decay)), run(rule=UpdateRule(weight_decay=decay))
    np.testing.assert_allclose(found.theta, usual.theta, rtol=0, atol=1e-13)
    assert int(found.status) == int(usual.status)


NORMALISED = UpdateRule(step=theory.Step("normalised", WEIGHT - LEARNING_RATE * GRADIENT / GRADIENT_NORM))
SIGN = UpdateRule(step=theory.Step("sign", WEIGHT - LEARNING_RATE * sp.sign(GRADIENT)))
CLIPPED = UpdateRule(step="weight - lr*gradient*min(1, most/sqrt(total(gradient**2)))", step_parameters={"most": 0.1})


def adam():
    """Adam (1412.6980) with its bias correction, from the number of the step."""
    (m, v), (b, c, eps) = sp.symbols("m v"), sp.symbols("beta1 beta2 eps")
    first, second = b * m + (1 - b) * GRADIENT, c * v + (1 - c) * GRADIENT**2
    size = sp.sqrt(second / (1 - c ** (STEP + 1))) + eps
    state = StateVariable(m, sp.Integer(0), first), StateVariable(v, sp.Integer(0), second)
    step = theory.Step("adam", WEIGHT - LEARNING_RATE * first / (1 - b ** (STEP + 1)) / size, state)
    return UpdateRule(step=step, step_parameters=dict(beta1=0.9, beta2=0.99, eps=1e-8))


COMPILED = ("clipped", "adam")  # a step by a total, and one of each weight alone: the others compile to the same
OWN = {"normalised": NORMALISED, "sign": SIGN, "clipped": CLIPPED, "adam": adam()}


def moved(name, weights, gradient, lr, t, memory):
    """The step as it is written in a paper, of arrays (weight, feature)."""
    norm = np.sqrt((gradient**2).sum())
    if name == "normalised":
        return weights - lr * gradient / norm
    if name == "sign":
        return weights - lr * np.sign(gradient)
    if name == "clipped":
        return weights - lr * gradient * min(1.0, 0.1 / norm)
    memory["m"] = 0.9 * memory.get("m", 0.0) + 0.1 * gradient
    memory["v"] = 0.99 * memory.get("v", 0.0) + 0.01 * gradient**2
    return weights - lr * memory["m"] / (1 - 0.9 ** (t + 1)) / (np.sqrt(memory["v"] / (1 - 0.99 ** (t + 1))) + 1e-8)


@pytest.mark.parametrize("problem", [PROBLEM, theory.single_point([1.0, 0.5], 0.7)], ids=["several", "one"])
@pytest.mark.parametrize("name, backend", [*((name, "numpy") for name in OWN), *((name, "numba") for name in COMPILED)])
def test_declared_steps_move_as_written(name, backend, problem):
    lr, steps, memory = 0.003, 40, {}
    run = sims.descend(MODEL, problem, lr, max_steps=steps, rule=OWN[name], backend=backend, record_every=1)
    u, v = MODEL.theta0(0.1, problem.d)
    for t in range(steps):
        g = problem.X.T @ (problem.X @ (u**2 - v**2) - problem.y) / problem.n
        u, v = moved(name, np.array([u, v]), np.array([2 * u * g, -2 * v * g]), lr, t, memory)
        np.testing.assert_allclose(run.path_theta[t + 1], [u, v], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", [*OWN.values(), UpdateRule(momentum=0.3, weight_decay=0.01)], ids=str)
def test_a_rule_is_made_again_from_a_stored_result(rule, tmp_path):
    asked = dict(lr=[0.01, 0.02], init_scale=[0.1], max_steps=20, rule=rule, store=tmp_path / "a.zarr", backend="numpy")
    stored = sims.sweep(MODEL, PROBLEM, **asked)
    assert sims.rebuild_rule(stored) == rule and parse_step(str(rule.step)) == rule.step
    again = asked | dict(rule=sims.rebuild_rule(sims.store.open_result(tmp_path / "a.zarr")))
    assert sims.sweep(MODEL, PROBLEM, **again).equals(stored)


def test_another_value_of_a_parameter_is_another_result(tmp_path):
    asked = dict(lr=[0.01], init_scale=[0.1], max_steps=20, store=tmp_path / "a.zarr", backend="numpy")
    sims.sweep(MODEL, PROBLEM, rule=CLIPPED, **asked)
    with pytest.raises(InputError, match="its rule is"):
        sims.sweep(MODEL, PROBLEM, rule=UpdateRule(step=CLIPPED.step, step_parameters={"most": 0.2}), **asked)


@pytest.mark.parametrize(
    "update",
    [
        WEIGHT - sp.Float(0.1 + 0.2) * sp.Symbol("lr") * GRADIENT,
        sp.Max(WEIGHT, 0) - LEARNING_RATE * abs(GRADIENT) ** sp.Rational(-1, 3),
        WEIGHT - LEARNING_RATE * sp.exp(-STEP / 7) * sp.log(1 + sp.Symbol("drag") ** 2) * Total(WEIGHT * GRADIENT),
    ],
)
def test_equations_are_read_back_as_they_are_written(update):
    step = theory.Step("mine", update, (StateVariable(sp.Symbol("lambda_"), WEIGHT / 3, GRADIENT),))
    assert parse_step(str(step)) == step and step == theory.Step("mine", update, step.state)


def test_a_declared_step_is_found_by_its_name_or_its_equations():
    for name, step in STEPS.items():
        assert parse_step(name) is step and parse_step(str(step)) is step
    assert UpdateRule(step="heavy_ball", momentum=0.9) == UpdateRule(momentum=0.9)
    assert UpdateRule(step="gradient_descent").lowers_loss and not UpdateRule(step="heavy_ball").lowers_loss


def test_a_new_rule_is_one_entry_of_the_table(monkeypatch, tmp_path, capsys):
    update = WEIGHT - LEARNING_RATE * GRADIENT / (sp.Symbol("eps") + GRADIENT_NORM)
    declared = theory.Step("normalised", update, defaults={"eps": 1e-3}, lowers_loss=True)
    monkeypatch.setitem(STEPS, "normalised", declared)
    rule = UpdateRule(step="normalised")
    assert rule.parameters == (1e-3,) and rule.lowers_loss
    assert UpdateRule(**rule.spec) == rule and UpdateRule(**rule.spec).step is declared
    main(["run", "--n", "4", "--d", "8", "--lr", "0.01", "--max-steps", "20", "--step", "normalised",
          "--backend", "numpy", "--store", str(tmp_path / "a.zarr")])  # fmt: skip
    assert sims.rebuild_rule(sims.store.open_result(tmp_path / "a.zarr")) == rule
    assert pickle.loads(pickle.dumps(rule)) == rule  # as workers get it
    assert "total(gradient**2)" in str(theory.derive(MODEL, rule=rule).gd_map)


@pytest.mark.parametrize(
    "text, message",
    [
        ("adagrad", "unknown step"),
        ("weight - lr*tanh(gradient)", "tanh.* is not allowed"),
        ("__import__('os').system('true')", "is not allowed"),
        ("weight - lr*gradient*2**(9**9)", "is not allowed"),
        ("weight - lr*gradient*(weight + 2)**(step + 10**9)", "is not allowed"),
        ("weight - lr*gradient/0", "not a real number"),
        ("weight - lr*gradient*min(1)", "is not allowed"),
        ("weight - lr*total(gradient*total(weight))", "total inside a total"),
        ("weight - lr*m; m = gradient", "cannot read"),
        ("weight - lr*m; m <- gradient, from drag", "reads drag"),
        ("weight - lr*m; lr <- gradient", "state named lr"),
        ("weight - lr*_m*gradient", "parameter named _m"),
        ("weight - lr*gradient" + "+ 0" * 400, "shorten"),
        (3, "no Step and no text"),
    ],
)
def test_text_that_is_no_step_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        UpdateRule(step=text)


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(step_parameters={"drag": 1}), "has drag.* takes none"),
        (dict(step=CLIPPED.step), "reads most"),
        (dict(step=CLIPPED.step, step_parameters={"most": 1, "drag": 1}), "has drag.* takes most"),
        (dict(step=CLIPPED.step, step_parameters={"most": np.nan}), "most = nan"),
        (dict(step=CLIPPED.step, step_parameters={"most": 1}, momentum=0.5), "reads no momentum"),
    ],
)
def test_values_that_do_not_fit_the_step_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        UpdateRule(**given)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_weights_and_parameters_may_have_any_name(backend):
    run = partial(sims.descend, problem=PROBLEM, lr=0.01, max_steps=50, window=512)
    plain = run(theory.custom("a*b - p*q"), rule=UpdateRule(momentum=0.6), backend="numpy")
    odd = run(theory.custom("g_dot*v - v_dot*velocity_v"), rule=UpdateRule(momentum=0.6), backend=backend)
    np.testing.assert_allclose(plain.theta, odd.theta, rtol=1e-12)
    np.testing.assert_allclose(plain.lyapunov, odd.lyapunov, rtol=1e-9)
    plain, odd = (
        UpdateRule(step=f"weight - lr*({a} + {b}*{c})*gradient", step_parameters={a: 0.1, b: 0.2, c: 0.7})
        for a, b, c in (("drag", "pull", "push"), ("u", "g", "xp"))
    )
    thetas = [run(MODEL, rule=rule, backend=by).theta for rule, by in ((plain, "numpy"), (odd, backend))]
    np.testing.assert_allclose(*thetas, rtol=1e-12)


@pytest.mark.parametrize("rule", OWN.values(), ids=str)
def test_a_step_without_a_linear_map_at_a_minimum_has_no_stable_sharpness(rule):
    assert rule.sharpness_limit(0.1) == np.inf and not rule.lowers_loss


def test_a_window_needs_a_step_of_each_weight_alone():
    with pytest.raises(InputError, match="window = 512"):
        sims.descend(MODEL, PROBLEM, 0.01, rule=NORMALISED, window=512)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_means_go_on_counting_steps(backend):
    run = partial(sims.descend, MODEL, PROBLEM, 0.003, rule=OWN["adam"], backend=backend)
    mean = run(max_steps=32, record_every=1).path_theta.values[21:].mean(axis=0)
    assert float(run(max_steps=20, average=12).averaged_theta_l2) == pytest.approx(np.linalg.norm(mean), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [CLIPPED, SIGN], ids=str)
def test_totals_of_drawn_samples_and_in_single_precision(rule):
    drawn = UpdateRule(step=rule.step, step_parameters=rule.step_parameters, batch=2, noise_seed=1)
    run = partial(sims.descend, MODEL, PROBLEM, 0.003, max_steps=60, rule=drawn)
    np.testing.assert_allclose(run(backend="numba").theta, run(backend="numpy").theta, rtol=1e-9)
    grid = dict(lr=[0.003, 0.1, 30.0], init_scale=[0.1, 1.0], max_steps=200, rule=rule)
    single, double = (sims.sweep(MODEL, PROBLEM, precision=number, **grid).status for number in ("float32", "float64"))
    np.testing.assert_array_equal(single == sims.Status.DIVERGED, double == sims.Status.DIVERGED)


def test_rules_of_a_step_with_defaults_of_its_own_are_read_back_from_a_sweep():
    """Its values differ by the rule alone; a stored step does not know its defaults, nor what they are elsewhere."""
    update = parse_step("weight - lr*gain*gradient").update
    own = [UpdateRule(step=theory.Step("gained", update, defaults={"gain": gain})) for gain in (0.5, 0.7)]
    adam = parse_step("adam")
    other = UpdateRule(step=replace(adam, defaults=dict(adam.defaults) | {"beta1": 0.5}))
    rules = [*own, UpdateRule(step="adam"), other]
    ds = sims.sweep(MODEL, PROBLEM, [0.01, 0.02], 0.1, rule=rules, max_steps=3, backend="numpy")
    assert sims.rebuild_rules(ds) == rules
    assert [sims.rebuild_rule(ds.isel(rule=k)) for k in range(4)] == rules
    with pytest.raises(InputError, match="not among those of its spec"):
        sims.rebuild_rules(ds.assign_coords(rule=["another", *ds.rule.values[1:]]))
