"""Checks of section FRO that need runs at the edge of stability."""

import numpy as np
from scipy.optimize import brentq

from ...theory import GdbiasError, Prediction, Problem, UpdateRule, difference, power, predict, ramp
from ...theory.prediction.constrained import constrained_flow
from ...theory.prediction.coordinates import Doubled, doubled
from ...theory.prediction.sweeping_process import adiabatic
from .. import Status, descend
from .cases import only_positive, plain_run, sparse_problem, whole_degree
from .critical import between, predicted
from .points import by_complex_steps
from .registry import Case, Comparison, Formulas, NotApplicable, check

SHORT = (power(2), difference(2), power(3))
SHARES = (0.1, 0.4, 0.7)


def _run_between(case: Case, models) -> tuple[Prediction, float, np.ndarray, float]:
    """A run that converges between the critical learning rates: its prediction, lr, coefficients and sharpness."""
    model = case.choose(models)
    problem = sparse_problem(case, *((3, 12), (5, 20))[case.index // 9 % 2], only_positive(model))
    scale = 0.3 if whole_degree(model) > 2 else (0.1, 0.03)[case.index // 18 % 2]
    pred = predicted(case, model, problem, scale)
    lr = between(pred, SHARES[case.index // 3 % 3])
    run = descend(model, problem, lr, scale, max_steps=10_000, track_every=0)
    if int(run.status) != Status.CONVERGED:
        raise NotApplicable("the run did not converge in 10,000 steps")
    return pred, lr, run.beta.values, float(run.sharpness)


def _predicted_beta(pred: Prediction, lr: float) -> np.ndarray:
    try:
        return pred.endpoint(lr).beta
    except GdbiasError:
        raise NotApplicable("the constrained flow did not end") from None


def _distance(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(found))


@check("FRO-6", cases=30, quick_cases=6)
def endpoints(f: Formulas, case: Case) -> list[Comparison]:
    """The coefficients and the sharpness of a run's end."""
    pred, lr, beta, sharpness = _run_between(case, SHORT)
    expected = _predicted_beta(pred, lr)
    widest = float(np.abs(beta - expected).max())
    return [
        Comparison(beta, expected, scale=widest / _distance(beta, expected), label=pred.dynamics.model.name),
        Comparison(sharpness, f.sharpness(lr=lr)),
    ]


@check("FRO-7", cases=30, quick_cases=15)
def limits(f: Formulas, case: Case) -> list[Comparison]:
    """The predictor's error at the lr of the final sharpness beside that at the run's own, and beside heavy ball's."""
    pred, lr, beta, sharpness = _run_between(case, (power(2), power(3), power(2)))
    effective = float(f.lr_effective(sharpness=sharpness))
    if not effective > 1.002 * lr:
        raise NotApplicable("the final sharpness is that of the law")
    model, coordinates = pred.dynamics.model, doubled(pred.dynamics.model)
    w0 = coordinates.start(pred.starts[0])
    ends = [
        coordinates.beta(constrained_flow(coordinates, pred.problem, w0, rate, accuracy=1e-5).b[-1])
        for rate in (lr, min(effective, pred.lr_max))
    ]
    errors = [_distance(beta, end) for end in ends]
    heavy = _heavy_ball(pred, float(f.of("EXT-1").lr_max(b=0.5, sharpness=2 / lr)))
    return [
        Comparison(errors[1], f.remaining(error=errors[0]), "at_most", label=model.name),
        Comparison(1.0 if heavy is None else _distance(heavy, ends[0]), errors[0], "at_least", label="heavy ball"),
    ]


def _heavy_ball(pred: Prediction, lr: float) -> np.ndarray | None:
    """Where descent with momentum 0.5 ends; None if it does not."""
    rule = UpdateRule(momentum=0.5)
    run = plain_run(pred.dynamics.model, pred.problem, lr, pred.starts[0], 10_000, rule=rule)
    return run.beta.values if int(run.status) == Status.CONVERGED else None


@check("FRO-8", cases=8, quick_cases=3)
def slow_ramps(f: Formulas, case: Case) -> Comparison:
    """Ten times slower a ramp, and how much nearer it ends to the sweeping process."""
    model = power(2)
    problem = sparse_problem(case, *case.choose(((3, 12), (5, 20))), positive=True)
    pred = predict(model, problem, 0.1)
    low, high, T = float(pred.lr_critical_final), pred.lr_max, 10_000
    if not low < 0.99 * high:
        raise NotApplicable("gradient flow ends at the least sharpness")
    lr, errors = 0.5 * (low + high), []
    limit = adiabatic(pred, lr, caps=500).beta
    for steps in (T, 10 * T):
        rule = UpdateRule(label_noise=1e-6, noise_steps=steps, schedule=ramp(steps, start_lr=0.98 * low))
        run = descend(model, problem, lr, theta0=pred.flow.theta, rule=rule, max_steps=steps + 200_000, track_every=0)
        if int(run.status) != Status.CONVERGED:
            raise NotApplicable("the run did not converge")
        errors.append(_distance(run.beta.values, limit))
    return Comparison(errors[1], f.error(first=errors[0], T=T, T_longer=10 * T), label=f"n = {problem.n}")


@check("FRO-9", cases=30, quick_cases=6)
def dying_oscillation(f: Formulas, case: Case) -> Comparison:
    """The final sharpness of a run beside the rate found at the predicted end, with derivatives of its own."""
    pred, lr, _, sharpness = _run_between(case, SHORT)
    model, problem = pred.dynamics.model, pred.problem
    coordinates = doubled(model)
    w0 = coordinates.start(pred.starts[0])
    theta = constrained_flow(coordinates, problem, w0, lr).b[-1] ** (1 / whole_degree(model))
    hessian = by_complex_steps(lambda at: _gradient(coordinates, problem, at), theta)
    values, vectors = np.linalg.eigh(hessian)
    if abs(lr * values[-1] / 2 - 1) > 1e-4:
        raise NotApplicable("the predicted end is not at the edge of stability")
    third, fourth = _along(coordinates, problem, theta, vectors[:, -1])
    parts = vectors.T @ third
    values[: -len(problem.projected[1])] = 0.0  # at an interpolator the Hessian has the rank of X

    def excess(rate: float) -> float:
        balance = f.balance(third=parts, lam=values, lr=lr, rate=rate)
        return float(balance.sum() - f.quartic(fourth=fourth, lr=lr))

    least = lr * values[values > 0].min()
    ends = 1e-12 * least, (1 - 1e-12) * least
    if not excess(ends[0]) < 0 < excess(ends[1]):
        raise NotApplicable("no rate balances the derivatives")
    predicted_gap = float(f.undershoot(rate=brentq(excess, *ends)))
    if not lr * values[-2] / 2 < 1 - predicted_gap:
        raise NotApplicable("two directions oscillate")
    gap = 1 - lr * sharpness / 2
    return Comparison(gap, predicted_gap, scale=abs(gap), label=f"{model.name}, 1 - lr S / 2 = {gap:.2e}")


def _gradient(coordinates: Doubled, problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Of the loss in the weights (weight, d) of sums of separate powers, real or complex; flat."""
    L, signs = coordinates.degree, coordinates.signs[:, None]
    residual = problem.X @ (signs * theta**L).sum(axis=0) - problem.y
    return (signs * L * theta ** (L - 1) * (problem.X.T @ residual) / problem.n).ravel()


def _along(coordinates: Doubled, problem: Problem, theta: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, float]:
    """``D^3 L(u, u)`` and ``D^4 L(u, u, u, u)``: the gradient along u is a polynomial, read off a circle."""
    circle = np.exp(2j * np.pi * np.arange(16) / 16)
    path = [_gradient(coordinates, problem, theta + z * u.reshape(theta.shape)) for z in circle]
    second, third = (np.real(np.mean(np.array(path) * circle[:, None] ** -k, axis=0)) for k in (2, 3))
    return 2 * second, 6 * float(u @ third)
