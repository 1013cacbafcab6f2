"""From runs to outcomes: the measures that a result reports."""

import numpy as np

from ...theory.derivation.dynamics import Dynamics
from ...theory.derivation.hessian import trace
from ...theory.derivation.numpy_law import array_law
from ...theory.problem import Problem
from ..engine.runs import Runs
from ..status import Status
from .sharpness import sharpness_at

STABLE = 1 + 1e-6  # times the largest sharpness of a minimum that descent can stay at


def measure(dynamics: Dynamics, problem: Problem, theta: np.ndarray, start: np.ndarray | None = None) -> dict:
    """Measures at points theta (point, weight, feature): those of :func:`state`, adaptive sharpness, trace."""
    adaptive = sharpness_at(dynamics, problem, theta, adaptive=True)  # another eigenvector: start is no help
    also = dict(sharpness_adaptive=adaptive.value, trace=trace(dynamics, problem, np.moveaxis(theta, 0, -1)))
    return state(dynamics, problem, theta, start) | also


def state(dynamics: Dynamics, problem: Problem, theta: np.ndarray, start: np.ndarray | None = None) -> dict:
    """Sharpness, norms, test risk, beta and theta at points theta (point, weight, feature).

    ``start`` holds approximate top eigenvectors of the same shape. Points that are not finite give NaN.
    """
    points = np.moveaxis(theta, 0, -1)
    beta = np.broadcast_to(array_law(dynamics).effective(*points), points.shape[1:]).T
    top = sharpness_at(dynamics, problem, theta, start)
    measures: dict = dict(
        sharpness=top.value,
        sharpness_residual=top.residual,
        theta_l1=np.abs(theta).sum(axis=(1, 2)),
        theta_l2=np.sqrt((theta**2).sum(axis=(1, 2))),
        beta_l1=np.abs(beta).sum(axis=1),
        beta_l2=np.sqrt((beta**2).sum(axis=1)),
        beta=beta,
        theta=theta,
    )
    if problem.X_test is not None:
        measures["test_risk"] = problem.test_risk(beta)
    return measures


def outcomes(dynamics: Dynamics, problem: Problem, runs: Runs, loss_min: np.ndarray) -> dict:
    """Every outcome variable of finished runs, one entry a run; NaN measures where a run diverged."""
    ended = runs.outcome == Status.DIVERGED
    theta = np.where(ended[:, None, None], np.nan, runs.theta[:, : runs.vector.shape[1]])
    with np.errstate(invalid="ignore", over="ignore"):
        found = measure(dynamics, problem, theta, runs.vector)
        unstable = (runs.outcome == Status.CONVERGED) & ~(
            found["sharpness"] <= STABLE * dynamics.rule.once_settled.sharpness_limit(runs.lr)
        )
    return found | dict(
        status=np.where(unstable, np.int8(Status.UNSTABLE_MINIMUM), runs.outcome),
        steps=runs.steps,
        loss=runs.loss + loss_min,
        loss_min=np.broadcast_to(loss_min, runs.loss.shape),
        sharpness_max=np.fmax(runs.sharpness_max, found["sharpness"]),
        monotone=runs.rising == 0,
        rising_steps=runs.rising,
    )
