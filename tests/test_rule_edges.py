"""The sharpness that counts under a rule is that of its linear map, at a minimum and at a run's own state."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import reference
from gdbias import sims, theory
from gdbias.sims.engine.backends import backend
from gdbias.sims.engine.job import Job
from gdbias.sims.measure.block import begin_runs
from gdbias.sims.measure.effective import gradient, sharpness_effective
from gdbias.sims.measure.max_norm import max_norm_sharpness
from gdbias.sims.options import Options
from gdbias.theory import UpdateRule
from gdbias.theory.derivation.landscape import Landscape
from gdbias.theory.rules.unit_circle import largest_stable
from published_rules import PUBLISHED

MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=6, d=10, sparsity=3, correlation=0.4, seed=0)


def landscape_of(rule, problem=PROBLEM):
    return Landscape(theory.derive(MODEL, problem.loss, rule), problem)


def at(theta):
    gradient = reference.gradient("difference", 2, theta, PROBLEM.X, PROBLEM.y)
    return ((PROBLEM.X @ reference.effective("difference", 2, theta) - PROBLEM.y) ** 2).sum() / 12, gradient


@pytest.mark.parametrize("b", [0.0, 0.5, 0.9])
def test_the_edge_of_momentum_is_that_of_the_literature(b):
    """Nesterov's (2 + 2 b) / (1 + 2 b) / lr, heavy ball's (2 + 2 b) / lr."""
    assert UpdateRule(step="nesterov", momentum=b).sharpness_limit(0.1) == pytest.approx(
        (2 + 2 * b) / (1 + 2 * b) / 0.1
    )
    assert UpdateRule(step="heavy_ball", momentum=b).sharpness_limit(0.1) == pytest.approx((2 + 2 * b) / 0.1)


TURNING = (
    ("weight - lr*(0.9*gradient + 0.8*old); old <- gradient, from 0", {}),
    ("weight - lr*(2*gradient - old); old <- gradient, from 0", {}),
    ("weight - lr*velocity; velocity <- gradient, from 0", {}),
    ("weight - lr*velocity; velocity <- beta*velocity + gradient, from 0", {"beta": 0.9}),
    ("weight - lr*older; old <- gradient, from 0; older <- old + 0.3*gradient, from 0", {}),
    ("weight - lr*(gradient + pull*weight + old); old <- 0.5*gradient, from 0", {"pull": 0.3}),
)  # steps that leave stability where eigenvalues are complex, all but the second and the last


def grows(rule, lr, sharpness):
    """Whether the weight of ``sharpness w^2 / 2`` does, by the step's own equations in 4,000 steps."""
    known = {"lr": lr, "weight": 1.0, **dict(rule.step_parameters)} | {str(s.symbol): 0.0 for s in rule.step.state}
    equations = {"weight": rule.step.update} | {str(s.symbol): s.update for s in rule.step.state}
    compiled = {name: compile(str(equation), name, "eval") for name, equation in equations.items()}
    for _ in range(4000):
        known |= {"gradient": sharpness * known["weight"]}
        known |= {name: eval(equation, {}, known) for name, equation in compiled.items()}
        if abs(known["weight"]) > 1e6:
            return True
    return abs(known["weight"]) > 1


@pytest.mark.parametrize("step, parameters", TURNING)
@pytest.mark.parametrize("lr", [1.0, 0.1])
def test_the_edge_is_where_the_first_eigenvalue_leaves_the_circle(step, parameters, lr):
    rule = UpdateRule(step=step, step_parameters=parameters)
    edge = rule.sharpness_limit(lr)
    assert not grows(rule, lr, 0.99 * edge) and grows(rule, lr, 1.01 * edge)
    run = sims.descend(MODEL, PROBLEM, 1e-3, rule=rule, max_steps=50, backend="numpy")
    assert run.sharpness_effective * rule.sharpness_limit(1e-3) == pytest.approx(float(run.sharpness), rel=1e-9)


@pytest.mark.parametrize("step", ["weight + lr*gradient", "weight - lr*velocity; velocity <- gradient - 1.5*velocity"])
def test_no_minimum_is_stable_under_a_step_that_climbs_or_grows_by_itself(step):
    assert UpdateRule(step=step).sharpness_limit(0.1) == 0


def test_where_stability_ends_agrees_with_the_largest_root():
    """Of random polynomials, on a line of feedback."""
    rng, line, compared = np.random.default_rng(0), np.linspace(0.01, 5, 500), 0
    for _ in range(40):
        below = [Fraction(1), Fraction(-1)]
        for root in rng.uniform(-0.99, 0.99, rng.integers(0, 4)):
            below = [a - Fraction(float(root)) * b for a, b in zip([*below, 0], [0, *below], strict=True)]
        above = rng.normal(size=len(below) - 1)
        end = largest_stable(tuple(Fraction(float(c)) for c in above), tuple(below))
        inside = [np.abs(np.roots(np.polysub(np.array(below, dtype=float), s * above))).max() < 1 for s in line]
        if not inside[0]:
            assert end < 0.02
            continue
        first = line[np.argmin(inside)] if not all(inside) else np.inf
        assert (end > 4.98) if np.isinf(first) else first - 0.02 < end < first + 0.001
        compared += 1
    assert compared > 10


TWICE = "weight - lr*m2; m1 <- beta*m1+(1-beta)*gradient, from 0; m2 <- beta*m2+(1-beta)*m1, from 0"
THRICE = "weight - lr*m3; m1 <- b*m1+(1-b)*gradient; m2 <- b*m2+(1-b)*m1; m3 <- b*m3+(1-b)*m2"
LOOKING_BACK = "weight - lr*(gradient + c*old); old <- gradient, from 0"


@pytest.mark.parametrize(
    "step, parameters, expected",
    [
        (TWICE, {"beta": 0.9999}, 1.9995001e-3),
        (THRICE, {"b": 0.999}, 8.8795170e-3),
        ("weight - lr*v; v <- b*v + gradient", {"b": 1 - 1e-12}, 1e-11),
        (LOOKING_BACK, {"c": 1.0}, 10.0),
        (LOOKING_BACK, {"c": 1 + 1e-14}, 10.0),
        (LOOKING_BACK, {"c": -1.0}, 10.0),
        ("weight - lr*v; v <- b*v + gradient", {"b": -1.0}, 20.0),
        ("weight - lr*v; v <- -v + gradient", {}, 20.0),
        ("-weight - lr*gradient", {}, 0.0),
        ("weight - lr*(gradient + 2*sum); sum <- sum + gradient", {}, 0.0),
        ("weight - lr*gradient - pull*weight", {"pull": 2.5}, -5.0),
    ],
)
def test_edges_far_from_where_signs_flip_and_where_they_would_there(step, parameters, expected):
    """Long memories, by roots of their characteristic polynomials; answers that vanish, or are infinite, at -1."""
    rule = UpdateRule(step=step, step_parameters=parameters)
    assert rule.sharpness_limit(0.1) == pytest.approx(expected, rel=1e-4, abs=1e-15)
    np.testing.assert_allclose(rule.sharpness_limit(np.array([0.1, 0.2]))[0], rule.sharpness_limit(0.1), rtol=1e-12)


@pytest.mark.parametrize("name, share", [("rmsprop", 2.0), ("rmsprop_scalar", 2.0), ("adam", 2 * 1.9 / 0.1)])
def test_a_preconditioner_counts_at_the_runs_own_state(name, share):
    """lambda_max(P^-1 H) / 2 (2410.24206), for Adam over (2 + 2 beta1) / (1 - beta1) (2207.14484), by dense algebra."""
    lr, steps, memory, theta = 0.01, 40, {}, MODEL.theta0(0.1, PROBLEM.d)
    run = sims.descend(
        MODEL, PROBLEM, lr, rule=UpdateRule(step=name), max_steps=steps, record_every=10, backend="numpy"
    )
    for t in range(steps):
        theta = PUBLISHED[name](theta, at, lr, t, memory)
    PUBLISHED[name](theta, at, lr, steps, memory)  # the next step's mean of squares
    square = memory["v"] / (1 - 0.999 ** (steps + 1)) if name == "adam" else memory["nu"]
    rate = lr / (np.sqrt(square) + 1e-8) / (1 - 0.9 ** (steps + 1) if name == "adam" else 1)
    H = landscape_of(theory.gradient_descent).dense_hessian(theta)
    expected = np.linalg.eigvals(np.broadcast_to(rate, theta.shape).reshape(-1, 1) * H).real.max() / share
    assert float(run.sharpness_effective) == pytest.approx(expected, rel=1e-8)
    assert float(run.path_sharpness_effective[-1]) == pytest.approx(float(run.sharpness_effective), rel=1e-8)


def test_totals_the_loss_and_a_gradient_elsewhere_count_at_the_runs_own_state():
    theta = sims.descend(MODEL, PROBLEM, 0.05, max_steps=60, backend="numpy").theta.values
    (loss, g), H = at(theta), landscape_of(theory.gradient_descent).dense_hessian
    S, norm = np.linalg.eigvalsh(H(theta))[-1], np.linalg.norm(g)
    there = theta + 0.05 * g / norm
    grown = (g * at(there)[1]).sum() / norm**2
    expected = {
        "normalized_descent": S * 0.7 / (norm + 1e-8) / 2,
        "clipped_descent": S * 0.7 * min(1, 1 / norm) / 2,
        "polyak": S * min(0.7, loss / norm**2) / 2,
        "sam": np.linalg.eigvalsh(H(there))[-1] * 0.7 * grown / 2,
    }
    for name, value in expected.items():
        landscape = landscape_of(UpdateRule(step=name))
        kept = np.concatenate([theta, theta])[None]
        found = sharpness_effective(landscape, kept, np.array([0.7]), 0.0, np.array([S]))
        np.testing.assert_allclose(found, value, rtol=1e-7, err_msg=name)


@pytest.mark.parametrize(
    "size, made_of",
    [
        ("sqrt(square)", lambda old, new: np.sqrt(old)),
        ("sqrt(square) + sqrt(beta*square + (1 - beta)*gradient**2)", lambda old, new: np.sqrt(old) + np.sqrt(new)),
    ],
)
def test_a_step_may_read_its_mean_of_squares_before_and_after_it_is_renewed(size, made_of):
    kept = "square <- beta*square + (1 - beta)*gradient**2, from 1"
    rule = UpdateRule(step=f"weight - lr*gradient/({size}); {kept}", step_parameters={"beta": 0.6})
    theta, old = np.random.default_rng(0).standard_normal((2, 2, PROBLEM.d))
    old = old**2 + 0.1
    new = 0.6 * old + 0.4 * at(theta)[1] ** 2
    q = 0.02 / made_of(old, new) / 2
    H = landscape_of(theory.gradient_descent).dense_hessian(theta)
    S = np.linalg.eigvalsh(H)[-1:]
    found = sharpness_effective(landscape_of(rule), np.concatenate([theta, old])[None], np.array([0.02]), 0.0, S)
    np.testing.assert_allclose(found, np.linalg.eigvals(q.reshape(-1, 1) * H).real.max(), rtol=1e-9)


@pytest.mark.parametrize("d", [4, 6])
def test_the_max_norm_sharpness_is_the_largest_at_a_corner(d):
    """Of 8 weights, where all are tried, and of 12, where some are climbed to."""
    problem = theory.sparse_regression(n=3, d=d, sparsity=2, seed=d, n_test=0)
    landscape = landscape_of(theory.gradient_descent, problem)
    theta = np.random.default_rng(d).standard_normal((3, 2, d))
    found = max_norm_sharpness(landscape, theta, gradient(landscape, theta))
    corners = np.array([*itertools.product((-1.0, 1.0), repeat=2 * d)])
    for value, weights in zip(found, theta, strict=True):
        H = landscape.dense_hessian(weights)
        assert value == pytest.approx(((corners @ H) * corners).sum(axis=1).max(), rel=1e-10)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["nesterov", "adam"])
def test_a_minimum_is_left_above_the_edge_alone(name, seed):
    """0.1 % beside it, with a preconditioner that stays; by 4,000 steps from 1e-7 beside the minimum."""
    rule = UpdateRule(step="adam", step_parameters=dict(beta2=1 - 1e-9))
    rule = UpdateRule(step="nesterov", momentum=0.5) if name == "nesterov" else rule
    problem, rng = theory.sparse_regression(n=4, d=9, sparsity=3, seed=seed, n_test=0), np.random.default_rng(seed)
    landscape = landscape_of(rule, problem)
    theta = sims.flow(MODEL, problem, 0.3, tol=1e-24).theta.values
    moved = theta * (1 + 1e-7 * rng.standard_normal(theta.shape))
    runs = begin_runs(landscape, moved[None], np.zeros(2, dtype=int), np.ones(2))
    if name == "adam":
        runs.theta[:, 3::4] = rng.lognormal(size=theta.shape)
        runs.theta[:, 4::4], runs.theta[:, 5::4] = 0, 0  # nothing is left of the bias correction
    still = np.concatenate([theta, runs.theta[0, len(theta) :]])[None]
    S = landscape.sharpness(theta[None]).value
    edge = 1 / sharpness_effective(landscape, still, np.ones(1), 0.0, S)[0]
    runs = replace(runs, lr=edge * np.array([0.999, 1.001]))
    job = Job(landscape, Options(max_steps=4000, tol=0, track_every=0), np.zeros(1, dtype=np.int64))
    backend(job.options).advance(job, runs)
    far = np.abs(runs.weights - theta).max(axis=(1, 2))
    assert far[0] < 1e-6 and far[1] > 1e-5


def test_a_run_is_at_a_stable_minimum_by_the_sharpness_that_counts():
    """Clipped descent is plain descent near a minimum: one that it starts at beyond 2 / lr is not stable."""
    problem = theory.single_point([1.0], 1.0)  # power(2) has its minimum at w = 1, where S = 4
    for lr, status in ((0.49, sims.Status.CONVERGED), (0.51, sims.Status.UNSTABLE_MINIMUM)):
        run = sims.descend(
            theory.power(2), problem, lr, theta0=[[1.0]], rule=UpdateRule(step="clipped_descent"), backend="numpy"
        )
        assert run.status == status and float(run.sharpness_effective) == pytest.approx(2 * lr)


def test_plain_descent_has_no_variable_more():
    assert "sharpness_effective" not in sims.descend(MODEL, PROBLEM, 0.01, max_steps=5, backend="numpy")


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_two_sides_of_a_swing_are_at_the_edge_on_average(backend):
    """Of normalized descent one has a larger gradient than the other: the mean of its lengths is 2 / S."""
    rules = [theory.gradient_descent, UpdateRule(step="normalized_descent"), UpdateRule(momentum=0.5)]
    ds = sims.sweep(MODEL, PROBLEM, [0.02, 0.1], 0.3, rule=rules, max_steps=4000, average=20, backend=backend)
    plain, swinging, momentum = ds.averaged_sharpness_effective.values[:, 0]
    assert np.isnan(plain).all() and np.abs(swinging - 1).max() < 0.05
    np.testing.assert_allclose(momentum, ds.sharpness_effective.values[2, 0], rtol=0.05)
    assert (ds.status[1] == sims.Status.STEP_LIMIT).all() and (ds.phase[1] == sims.Phase.EDGE_OF_STABILITY).all()
    unasked = sims.sweep(MODEL, PROBLEM, [0.02], 0.3, rule=rules[1], max_steps=4000, backend=backend)
    assert "averaged_sharpness_effective" not in unasked and (unasked.phase == sims.Phase.UNDECIDED).all()


def test_the_average_of_the_edge_is_that_of_the_next_steps_of_a_run():
    rule, settings = UpdateRule(step="normalized_descent"), dict(tol=0, backend="numpy")
    run = sims.descend(MODEL, PROBLEM, 0.1, 0.3, rule=rule, max_steps=500, average=6, **settings)
    longer = sims.descend(MODEL, PROBLEM, 0.1, 0.3, rule=rule, max_steps=506, record_every=1, **settings)
    expected = 1 / (1 / longer.path_sharpness_effective[-6:]).mean()
    assert float(run.averaged_sharpness_effective) == pytest.approx(float(expected), rel=1e-9)
    plain = sims.descend(MODEL, PROBLEM, 0.1, 0.3, max_steps=500, average=6, **settings)
    assert "averaged_sharpness_effective" not in plain
