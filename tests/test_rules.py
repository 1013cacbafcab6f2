"""Every named update rule moves as its paper says, in each engine and in single precision, from any start."""

import re

import numpy as np
import pytest

import reference
from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.theory import InputError, UpdateRule
from gdbias.theory.rules.steps import STEPS
from published_rules import MAX_NORM, MOMENTUM, PUBLISHED

MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=6, d=10, sparsity=3, correlation=0.4, seed=0)


GIVEN = {"nesterov": dict(momentum=MOMENTUM), "clipped_descent": dict(step_parameters=dict(max_norm=MAX_NORM))}


def rule(name, **settings):
    return UpdateRule(step=name, **GIVEN.get(name, {}), **settings)


def at(theta):
    residual = PROBLEM.X @ reference.effective("difference", 2, theta) - PROBLEM.y
    gradient = reference.gradient("difference", 2, theta, PROBLEM.X, PROBLEM.y)
    return (residual**2).sum() / (2 * PROBLEM.n), gradient  # the samples can be fitted: the least loss is 0


def test_the_named_rules_are_those_published():
    descent = {"gradient_descent", "heavy_ball"}
    assert set(STEPS) == set(PUBLISHED) | descent | {name + "_with_weight_decay" for name in descent}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_named_rule_moves_as_published(name, backend):
    """To 1e-12 of weights of size 1 over 60 steps, before rounding is amplified where a rule does not come to rest."""
    lr, steps, memory = (100.0, 12, {}) if name == "polyak" else (0.003, 60, {})  # its own length, which is chaotic
    run = sims.descend(MODEL, PROBLEM, lr, rule=rule(name), max_steps=steps, record_every=1, backend=backend)
    theta = reference.standard_start("difference", 2, 0.1, PROBLEM.d)
    for t in range(steps):
        theta = PUBLISHED[name](theta, at, lr, t, memory)
        np.testing.assert_allclose(run.path_theta[t + 1], theta, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sam", "polyak", "adam"])
def test_a_rule_in_single_precision_diverges_where_it_does_in_double(name):
    grid = dict(lr=[0.003, 0.03, 30.0], init_scale=[0.1, 1.0], max_steps=200, rule=rule(name))
    single, double = (sims.sweep(MODEL, PROBLEM, precision=p, **grid).status for p in ("float32", "float64"))
    np.testing.assert_array_equal(single == sims.Status.DIVERGED, double == sims.Status.DIVERGED)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_both_gradients_of_a_step_are_of_the_samples_drawn(backend):
    """With targets 0 and X = identity a sample that is not drawn has no gradient, at the weights or elsewhere."""
    drawn, start = theory.Problem(np.eye(5), np.zeros(5)), np.full((2, 5), [[1.0], [0.5]])
    run = sims.descend(
        MODEL, drawn, 0.1, theta0=start, max_steps=40, tol=0, record_every=1, backend=backend,
        rule=rule("sam_max", batch=2),
    )  # fmt: skip
    moved = (np.diff(run.path_theta.values, axis=0) != 0).any(axis=1)
    assert (moved.sum(axis=1) == 2).all()


@pytest.mark.parametrize("name", ["sam", "normalized_descent", "polyak", "rmsprop"])
def test_a_run_without_a_gradient_stays(name):
    run = sims.descend(MODEL, PROBLEM, 0.1, theta0=np.zeros((2, 10)), rule=rule(name), max_steps=5, backend="numpy")
    assert run.status == sims.Status.STEP_LIMIT and not run.theta.values.any()


@pytest.mark.parametrize(
    "text, message",
    [
        ("weight - lr*gradient; gradient at weight + rho*gradient*loss", "reads the loss"),
        ("weight - lr*total(loss*gradient)", r"reads the loss in total\(gradient\*loss\)"),
        ("weight - lr*gradient; gradient at weight; gradient at weight", "cannot read"),
        ("weight - lr*gradient; gradient at", "cannot read"),
        ("weight - lr*loss; loss <- loss, from 0", "state named loss"),
    ],
)
def test_what_cannot_be_read_at_once_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        UpdateRule(step=text, step_parameters={"rho": 0.1} if "rho" in text else {})


def test_a_list_of_rules_is_a_dimension_of_a_sweep(tmp_path, capsys):
    """Each part is the sweep of that rule, is made again from the store, and has the edge of its own rule."""
    names = ["gradient_descent", "adam", "nesterov"]
    store = tmp_path / "a.zarr"
    words = [
        "--n",
        "4",
        "--d",
        "8",
        "--lr",
        "0.01,0.02",
        "--init-scale",
        "0.1",
        "--max-steps",
        "30",
        "--backend",
        "numpy",
    ]
    main(
        ["sweep", str(store), *words, "--rule", ",".join(names), "--momentum", "0.9", "--step-parameters", "beta1=0.5"]
    )
    found = sims.store.open_result(store)
    rules = sims.rebuild_rules(found)
    assert found.rule.values.tolist() == ["gradient_descent", "adam(beta1=0.5)", "nesterov(momentum=0.9)"]
    [model], [problem] = sims.rebuild(found)
    asked = dict(lr=found.lr.values, init_scale=[0.1], max_steps=30, backend="numpy")
    for label, one in zip(found.rule.values, rules, strict=True):
        part = found.sel(rule=label)
        assert sims.rebuild_rule(part) == one
        np.testing.assert_array_equal(part.theta, sims.sweep(model, problem, rule=one, **asked).theta)
    np.testing.assert_allclose(found.sharpness_effective[0], found.sharpness[0] * found.lr / 2, rtol=1e-12)
    assert sims.sweep(model, problem, rule=rules, store=store, **asked).equals(found)
    with pytest.raises(InputError, match="3 update rules"):
        sims.rebuild_rule(found)
    with pytest.raises(InputError, match="adam is repeated"):
        sims.sweep(model, problem, rule=[UpdateRule(step="adam")] * 2, **asked)


@pytest.mark.parametrize(
    "words, message",
    [
        (["run", "--lr", "0.1", "--rule", "adam,rmsprop"], "only gdbias sweep takes them"),
        (["sweep", "x.zarr", "--rule", "adam,rmsprop", "--momentum", "0.5"], "reads momentum: leave it out"),
        (
            ["sweep", "x.zarr", "--rule", "adam,rmsprop", "--step-parameters", "beta2 0.9"],
            "beta2 0.9' is no NAME=VALUE",
        ),
        (["sweep", "x.zarr", "--rule", "adam,rmsprop", "--step-parameters", "eps=1,eps=2"], "gives eps twice"),
        (["sweep", "x.zarr", "--rule", "adam,rmsprob"], "unknown rule 'rmsprob': do you mean rmsprop"),
        (["run", "--lr", "0.1", "--rule", "polyak", "--batch", "3"], "polyak' reads the loss of all .* batch = 3"),
        (["run", "--lr", "0.1", "--rule", "polyak", "--label-noise", "0.1"], "with label_noise = 0.1"),
    ],
)
def test_what_a_verb_cannot_do_with_rules_is_told(words, message, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    "step, parameters",
    [
        (
            "weight - lr*velocity; velocity <- (0.5 + 0.1/(1 + square))*velocity + gradient; "
            "square <- 0.9*square + 0.1*gradient**2",
            {},
        ),  # another map in each weight
        (
            "weight - lr*velocity; velocity <- beta*velocity + gradient/sqrt(total(gradient**2))",
            dict(beta=0.5),
        ),  # its velocity follows no gradient linearly
        (
            "weight - lr*gradient/(sqrt(square) + 0.01); square <- 0.9*square + 0.1*gradient**2; "
            "gradient at weight + rho*gradient",
            dict(rho=0.01),
        ),  # two gradients, and a divisor of each weight
    ],
)
def test_where_no_edge_is_known_there_is_no_number(step, parameters):
    own = UpdateRule(step=step, step_parameters=parameters)
    run = sims.descend(MODEL, PROBLEM, 0.002, rule=own, max_steps=300, backend="numpy")
    assert np.isfinite(run.sharpness) and np.isnan(run.sharpness_effective)
    assert own.sharpness_limit(0.002) == np.inf


def test_an_edge_at_one_step_does_not_make_a_minimum_unstable():
    """Polyak's length at a step is often beyond 2 / S, and its loss falls below any tolerance all the same."""
    ds = sims.sweep(MODEL, PROBLEM, [1.0, 10.0, 100.0], [0.05, 0.1, 0.2], rule=rule("polyak"), max_steps=5000)
    assert (ds.status == sims.Status.CONVERGED).all() and (ds.sharpness_effective > 1).any()


@pytest.mark.parametrize(
    "step, parameters, wanted",
    [
        ("adam", dict(beta1=1.5), "beta1 = 1.5 .* >= 0 and < 1: use for example 0.9"),
        ("rmsprop", dict(beta2=1.0), "beta2 = 1.0 .* < 1"),
        ("sam", dict(rho=-0.1), "rho = -0.1 .* >= 0"),
        ("clipped_descent", dict(max_norm=0.0), "max_norm = 0.0 .* > 0"),
        ("normalized_descent", dict(eps=-1e-8), "eps = -1e-08 .* >= 0"),
    ],
)
def test_parameters_without_sense_are_refused(step, parameters, wanted):
    with pytest.raises(InputError, match=wanted):
        UpdateRule(step=step, step_parameters=parameters)
