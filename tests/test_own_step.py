"""A step of one's own is told from others of its name, refused if it cannot run, and as stable as its equations say."""

from functools import partial

import numpy as np
import pytest
import sympy as sp

from gdbias import sims, theory
from gdbias.theory import InputError, UpdateRule
from gdbias.theory.update_rule import GRADIENT, LEARNING_RATE, WEIGHT, WEIGHT_DECAY, StateVariable

MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=6, d=10, sparsity=3, correlation=0.4, seed=0)


def other_step(factor, name="mine"):
    move = WEIGHT - factor * LEARNING_RATE * GRADIENT
    return UpdateRule(step=theory.Step(name, move))


def test_a_store_of_another_step_of_that_name_is_refused(tmp_path):
    asked = dict(lr=[0.01], init_scale=[0.1], max_steps=20, store=tmp_path / "a.zarr")
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


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_step_of_ones_own_with_decay_is_that_of_the_rule(backend):
    own = theory.Step("own", WEIGHT - LEARNING_RATE * (GRADIENT + WEIGHT_DECAY * WEIGHT), parameters=(WEIGHT_DECAY,))
    run = partial(sims.descend, MODEL, PROBLEM, 0.01, max_steps=200, tol=1e-14, backend=backend)
    for decay in (0.0, 0.05):
        found, usual = run(rule=UpdateRule(step=own, weight_decay=decay)), run(rule=UpdateRule(weight_decay=decay))
        np.testing.assert_allclose(found.theta, usual.theta, rtol=0, atol=1e-13)
        assert int(found.status) == int(usual.status)
