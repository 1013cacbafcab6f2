"""Checks of section FRO that need runs at the edge of stability."""

import numpy as np

from ...theory.adiabatic import adiabatic
from ...theory.constrained_flow import constrained_flow
from ...theory.doubled import doubled
from ...theory.errors import GdbiasError
from ...theory.families import difference, power
from ...theory.predict import Prediction, predict
from ...theory.schedule import ramp
from ...theory.statements import Formulas
from ...theory.update_rule import UpdateRule
from ..status import Status
from .cases import only_positive, sparse_problem, whole_degree
from .check import Case, Comparison, NotApplicable, check
from .critical import between, predicted

SHORT = (power(2), difference(2), power(3))
SHARES = (0.1, 0.4, 0.7)


def _run_between(case: Case, models) -> tuple[Prediction, float, np.ndarray, float]:
    """A run that converges between the critical learning rates: its prediction, lr, coefficients and sharpness."""
    from ..descend import descend

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


@check("FRO-7", cases=30, quick_cases=6)
def undershoot(f: Formulas, case: Case) -> Comparison:
    """The predictor's error at the learning rate of the final sharpness beside that at the run's own."""
    pred, lr, beta, sharpness = _run_between(case, (power(2), power(3), power(2)))
    effective = float(f.lr_effective(sharpness=sharpness))
    if not effective > 1.002 * lr:
        raise NotApplicable("the final sharpness is that of the law")
    coordinates = doubled(pred.dynamics.model)
    w0 = coordinates.start(pred.starts[0])
    flows = [constrained_flow(coordinates, pred.problem, w0, rate) for rate in (lr, min(effective, pred.lr_max))]
    errors = [_distance(beta, coordinates.beta(states.b[-1])) for states in flows]
    return Comparison(errors[1], f.remaining(error=errors[0]), "at_most", label=pred.dynamics.model.name)


@check("FRO-8", cases=8, quick_cases=3)
def slow_ramps(f: Formulas, case: Case) -> Comparison:
    """Ten times slower a ramp, and how much nearer it ends to the sweeping process."""
    from ..descend import descend

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
