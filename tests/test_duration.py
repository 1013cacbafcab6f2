"""Predicted steps to a tolerance agree with integrals that are known, and with runs."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import scipy

from gdbias import sims, theory
from gdbias.figures.summary import steps_of_slowest
from gdbias.sims import Phase, Status
from gdbias.theory import GdbiasError, InputError, NoClosedForm, NoInterpolator
from gdbias.theory.prediction.duration import linear_steps
from gdbias.theory.prediction.oscillation import Modes

FAMILIES = ("power(2)", "power(3)", "difference(2)", "difference(3)", "product(2)")


def data(name, seed, n=6, d=16):
    signs = "positive" if "power" in name else "random"
    return theory.sparse_regression(n=n, d=d, sparsity=3, signs=signs, seed=seed, n_test=0)


@pytest.mark.parametrize("degree", [2, 3, 4])
@pytest.mark.parametrize("scale", [1e-6, 0.1, 0.9])
@pytest.mark.parametrize("tol", [1e-4, 1e-10, 1e-18])
def test_one_feature_takes_the_time_of_its_integral(degree, scale, tol):
    """``dw/dt = L (1 - w^L) w^(L - 1)`` to ``1 - w^L = sqrt(2 tol)``; by the distance from 0 and from 1."""
    pred = theory.predict(theory.power(degree), theory.single_point([1.0], 1.0), scale)
    lr, end = 1e-3 * pred.lr_critical_final, (1 - np.sqrt(2 * tol)) ** (1 / degree)

    def slowness(log):  # over ln(w / (1 - w))
        w = 1 / (1 + np.exp(-log))
        return w * (1 - w) / (degree * w ** (degree - 1) * -np.expm1(degree * np.log(w)))

    at = [-np.log(1 / scale - 1), np.log(end) + np.log(1 / (1 - end))]
    assert pred.steps(lr, tol) * lr == pytest.approx(scipy.integrate.quad(slowness, *at, limit=1000)[0], rel=0.03)


@pytest.mark.parametrize("name", FAMILIES)
def test_below_the_edge_runs_take_the_steps_that_are_predicted(name):
    errors = []
    for seed in range(3):
        for scale in (1e-6, 1e-2, 0.3) if not name.endswith("(3)") else (0.03, 0.3):
            pred = theory.predict(theory.parse(name), data(name, seed), scale)
            rates = pred.lr_critical_final * np.array([0.15, 0.5, 0.8])
            runs = sims.sweep(pred.dynamics.model, pred.problem, rates, scale, track_every=0, max_steps=300_000)
            for lr, status, steps in zip(rates, runs.status.values[0], runs.steps.values[0], strict=True):
                if status == Status.CONVERGED:
                    errors.append(abs(np.log(pred.steps(lr) / (steps - 19))))
    assert len(errors) >= 10
    assert np.median(errors) < 0.04 and np.quantile(errors, 0.9) < 0.15


@pytest.mark.parametrize("name", ["power(2)", "difference(2)"])
def test_at_the_edge_the_oscillation_dies_out_last(name):
    errors, alone = [], []
    for seed in range(4):
        pred = theory.predict(theory.parse(name), data(name, seed), 0.1)
        low, high = pred.lr_critical_final, pred.lr_max
        rates = low + (high - low) * np.array([0.2, 0.5, 0.7])
        runs = sims.sweep(pred.dynamics.model, pred.problem, rates, 0.1, track_every=0)
        for lr, status, steps in zip(rates, runs.status.values[0], runs.steps.values[0], strict=True):
            if status == Status.CONVERGED:
                errors.append(abs(np.log(pred.steps(lr) / steps)))
                path = pred.path(lr)
                alone.append(abs(np.log(path.time[-1] / lr / steps)))  # of the flow without its oscillation
    assert len(errors) >= 8
    assert np.median(errors) < 0.25 < np.median(alone)


def test_where_several_directions_are_held_the_steps_are_doubted_and_too_few():
    doubted, others = [], []
    for seed in range(6):
        pred = theory.predict(theory.difference(2), data("difference(2)", seed), 0.1)
        low, high = pred.lr_critical_final, pred.lr_max
        rates = low + (high - low) * np.array([0.3, 0.7, 0.9])
        runs = sims.sweep(pred.dynamics.model, pred.problem, rates, 0.1, track_every=0)
        for lr, status, steps in zip(rates, runs.status.values[0], runs.steps.values[0], strict=True):
            if status == Status.CONVERGED:
                (doubted if pred.steps_note(lr) else others).append(np.log(pred.steps(lr) / (steps - 19)))
        assert not pred.steps_note(0.9 * low)
    assert len(doubted) >= 3 and max(doubted) < 0
    assert len(others) >= 6 and max(np.abs(others)) < -np.median(doubted)


@pytest.mark.parametrize("name", ["power(2)", "power(3)"])
@pytest.mark.filterwarnings("ignore:.*whatever fits", "ignore:.*only at the boundary")
def test_towards_the_boundary_the_residual_falls_as_a_power_of_time(name):
    """A teacher that is the only fit: the limit of the flow, ``rho ~ t^(-L / (2 L - 2))``, as 1 / t for L = 2."""
    X = np.random.default_rng(7).standard_normal((10, 20))
    problem, model = theory.Problem(X, X[:, :3].sum(axis=1)), theory.parse(name)
    pred = theory.predict(model, problem, 0.1)
    np.testing.assert_allclose(pred.flow.beta, [1.0] * 3 + [0.0] * 17, atol=1e-9)
    flow = sims.flow(model, problem, 0.1, tol=1e-10, max_time=1e12)
    np.testing.assert_allclose(flow.beta, pred.flow.beta, atol=3e-4)
    assert float(flow.sharpness) == pytest.approx(pred.flow.sharpness, rel=1e-3)
    lr, degree = 0.8 * pred.lr_critical_final, model.degree
    run = sims.descend(model, problem, lr, 0.1, tol=1e-7, track_every=0)
    assert int(run.status) == Status.CONVERGED and pred.steps(lr, 1e-7) == pytest.approx(int(run.steps) - 19, rel=0.03)
    np.testing.assert_allclose(pred.endpoint(lr).beta, run.beta, atol=0.01)
    power = np.log(pred.steps(lr, 1e-14) / pred.steps(lr, 1e-10)) / np.log(1e4)
    assert power == pytest.approx(1 - 1 / degree, abs=0.03)


def test_the_last_digits_take_the_time_of_the_least_eigenvalue():
    pred = theory.predict(theory.difference(2), data("difference(2)", 0), 0.3)
    lr, b = 0.1 * pred.lr_critical_final, pred.flow
    tangent = (np.square(b.theta) * 4).sum(axis=0)
    least = np.linalg.eigvalsh((pred.problem.X * tangent) @ pred.problem.X.T / pred.problem.n)[0]
    decades = pred.steps(lr, 1e-18) - pred.steps(lr, 1e-14)
    assert decades == pytest.approx(np.log(1e4) / (2 * lr * least), rel=0.05)


def test_what_has_no_steps_is_refused():
    pred = theory.predict(theory.power(2), data("power(2)", 0), 0.1)
    for arguments in ((0.0,), (0.1, 0.0), (0.1, -1.0)):
        with pytest.raises(InputError):
            pred.steps(*arguments)
    with pytest.raises(NoInterpolator, match="lr_max"):
        pred.steps(1.1 * pred.lr_max)
    with pytest.raises(NoClosedForm, match="linear"):
        theory.predict(theory.power(1), data("power(2)", 0), 0.1).steps(0.1)
    with pytest.raises(InputError, match="2 starts"):
        theory.predict(theory.power(2), data("power(2)", 0), np.array([0.1, 0.2])).steps(0.1)
    with pytest.raises(GdbiasError, match="a larger tol"):
        pred.steps(0.1, 1e-40)
    assert pred.steps(0.1, 1e6) == 0


def test_a_plane_has_the_steps_of_its_runs_and_says_which_are_not_there_yet():
    problem, lr = data("power(2)", 1), sims.Grid(0.004, 0.5, 16)
    plane = sims.predicted(theory.power(2), problem, lr, [0.01, 0.3], max_steps=3000)
    runs = sims.sweep(theory.power(2), problem, lr, [0.01, 0.3], max_steps=3000, window=1000)
    pred = theory.predict(theory.power(2), problem, np.array([0.01, 0.3]))
    below = plane.lr.values < 0.9 * pred.lr_critical_final[:, None]
    assert (plane.steps.values[below] > 0).all()
    slow, found = plane.phase.values == Phase.CONVERGING, runs.phase.values == Phase.CONVERGING
    clear = below & (np.abs(plane.steps.values / 3000 - 1) > 0.1)
    np.testing.assert_array_equal(slow[clear], found[clear])
    assert slow[clear].sum() >= 5 and (~slow[clear]).sum() >= 5
    assert (plane.status.values[slow] == Status.STEP_LIMIT).all() and np.isfinite(plane.sharpness.values[slow]).all()
    ended = clear & ~slow
    np.testing.assert_allclose(plane.steps.values[ended], runs.steps.values[ended], rtol=0.15)
    endless = sims.predicted(theory.power(2), problem, lr, [0.01, 0.3])
    assert not (endless.phase.values == Phase.CONVERGING).any()
    np.testing.assert_array_equal(endless.steps, plane.steps)
    assert (endless.steps.values[endless.status.values != Status.CONVERGED] == -1).all()


def test_the_slowest_run_of_a_sweep_takes_the_steps_that_are_told():
    model, problem, lr = theory.power(2), data("power(2)", 1), np.array([0.01, 0.03, 0.3])
    ds = sims.sweep(model, problem, lr, [0.03, 0.3], max_steps=300)
    slow = (ds.status.values == Status.STEP_LIMIT) & (lr < 0.1)
    told = steps_of_slowest(ds, theory.predict(model, problem, np.array([0.03, 0.3])), slow)
    taken = sims.sweep(model, problem, lr[:2], [0.03, 0.3], max_steps=200_000, track_every=0).steps.values
    assert slow.any() and told == pytest.approx(taken.max(), rel=0.05)
    assert steps_of_slowest(ds, theory.predict(theory.power(1), problem, 0.1), slow) is None


def test_a_direction_that_grows_never_ends():
    """``lr lambda`` is 0.5 and 2.5: ``(1 - lr lambda)^(2 t)`` falls by four a step, and grows."""
    modes = cast(Modes, SimpleNamespace(samples=np.eye(2), shares=np.array([0.25, 1.25])))
    assert linear_steps(modes, np.array([1.0, 0.0]), 0.25**4, held=False) == pytest.approx(4.0)
    assert linear_steps(modes, np.array([0.0, 1.0]), 1e-8, held=False) == np.inf
