"""From runs to outcomes: the measures that a result reports."""

import numpy as np

from ...theory.derivation.landscape import Landscape
from ...theory.rules.stability import edge_of, own_symbols
from ...theory.rules.step import LOSS
from ..engine.runs import Runs
from ..status import Status
from .batches import batch_sharpness
from .effective import sharpness_effective
from .pieces import over_pieces
from .sharpness import Hessians, Sharpness

STABLE = 1 + 1e-6  # times the largest sharpness of a minimum that descent can stay at


def measure(landscape: Landscape, theta: np.ndarray, start: np.ndarray | None = None) -> dict:
    """Measures at points theta (point, weight, feature): those of :func:`state`, adaptive sharpness, trace."""

    def piece(part: slice) -> dict:
        hessians = Hessians(landscape, theta[part])
        adaptive = hessians.top(scale=np.abs(theta[part]))  # another eigenvector: start is no help
        more = dict(sharpness_adaptive=adaptive.value, trace=hessians.trace())
        return _state(landscape, theta[part], hessians.top(None if start is None else start[part])) | more

    return over_pieces(piece, theta) | dict(theta=theta)


def state(landscape: Landscape, theta: np.ndarray) -> dict:
    """Loss, sharpness, norms, test risk, beta and theta at points theta (point, weight, feature).

    Points that are not finite give NaN.
    """

    def piece(part: slice) -> dict:
        return _state(landscape, theta[part], Hessians(landscape, theta[part]).top())

    return over_pieces(piece, theta) | dict(theta=theta)


def _state(landscape: Landscape, theta: np.ndarray, top: Sharpness) -> dict:
    beta, problem = landscape.beta(theta), landscape.problem
    measures = dict(
        loss=problem.loss_at(beta),
        sharpness=top.value,
        sharpness_residual=top.residual,
        theta_l1=np.abs(theta).sum(axis=(1, 2)),
        theta_l2=np.sqrt(np.einsum("pwf,pwf->p", theta, theta)),
        beta_l1=np.abs(beta).sum(axis=1),
        beta_l2=np.sqrt(np.einsum("pf,pf->p", beta, beta)),
        beta=beta,
    )
    risk = problem.test_risk(beta)
    return measures if risk is None else measures | dict(test_risk=risk)


def outcomes(landscape: Landscape, runs: Runs) -> dict:
    """Every outcome variable of finished runs, one entry a run; NaN measures where a run diverged."""
    theta = np.where((runs.outcome == Status.DIVERGED)[:, None, None], np.nan, runs.theta)
    found = measure(landscape, theta[:, : runs.vector.shape[1]], runs.vector)
    given = runs.lr, runs.loss_min, found["sharpness"]
    with np.errstate(invalid="ignore", over="ignore"):
        found["sharpness_effective"] = sharpness_effective(landscape, theta, *given)
        if landscape.dynamics.rule.batch:
            found["batch_sharpness"] = batch_sharpness(landscape, found["theta"])
        return with_end(found, runs, _limit(landscape, runs, found))


def _limit(landscape: Landscape, runs: Runs, found: dict) -> np.ndarray:
    """The largest stable sharpness at the ends of runs, infinite where the rule tells none.

    Nor does an edge that hangs on state or the loss: these differ from step to step, and one of them is no verdict.
    """
    rule = landscape.dynamics.rule.once_settled
    limit, factor = np.asarray(rule.sharpness_limit(runs.lr)), edge_of(rule.step).factor
    if factor is None or factor.free_symbols & {LOSS, *own_symbols(rule.step)}:
        return limit
    at_end = found["sharpness"] / found["sharpness_effective"]
    return np.where(np.isinf(limit) & np.isfinite(at_end), at_end, limit)


def with_end(found: dict, runs: Runs, limit: np.ndarray | float) -> dict:
    """The measures ``found`` at the ends of runs, with how they ended; ``limit`` is the largest stable sharpness."""
    unstable = (runs.outcome == Status.CONVERGED) & ~(found["sharpness"] <= STABLE * limit)
    return found | dict(
        status=np.where(unstable, np.int8(Status.UNSTABLE_MINIMUM), runs.outcome),
        steps=runs.steps,
        loss=runs.loss + runs.loss_min,
        loss_min=runs.loss_min,
        sharpness_max=largest(runs.sharpness_max, found["sharpness"], runs.outcome),
        monotone=runs.rising == 0,
        rising_steps=runs.rising,
    )


def largest(seen: np.ndarray, sharpness: np.ndarray, status: np.ndarray) -> np.ndarray:
    """The largest sharpness of runs: of what was seen, and of more of them; NaN counts unless a run diverged."""
    return np.where(status == Status.DIVERGED, np.fmax(seen, sharpness), np.maximum(seen, sharpness))


def ended(runs: Runs) -> np.ndarray:
    """The last weights (run, weight, feature), NaN where a run diverged."""
    return np.where((runs.outcome == Status.DIVERGED)[:, None, None], np.nan, runs.weights)
