"""Endpoints that oscillation does not blur: the mean of the next weights, and the end of flow from the last ones."""

import warnings

import numpy as np

from ...theory import GdbiasError, NoInterpolator, gradient_descent, squared
from ...theory.derivation.landscape import Landscape
from ...theory.prediction.dual import dual_root
from ...theory.prediction.transport import Transport
from ..engine.integrator import integrate
from ..engine.job import Job
from ..engine.runs import Runs
from ..options import FlowOptions, Options
from ..schema import Point, measured
from ..status import Status
from .continuation import pieces, taken_further
from .effective import sharpness_effective
from .outcome import ended, state
from .sharpness import sharpness_at

AVERAGED = "averaged_sharpness_effective"
LAST = 32  # steps, an even number


def settled_points(options: Options) -> tuple[Point, ...]:
    """The points beyond the end of a run that the options ask for."""
    asked: dict[Point, object] = {"averaged": options.average, "cooled": options.cool}
    return tuple(point for point, wanted in asked.items() if wanted)


def measured_settled(job: Job, runs: Runs) -> dict:
    """The variables ``averaged_*`` and ``cooled_*`` of finished runs, NaN where a run diverged."""
    found, points = {}, settled_points(job.options)
    if not points:
        return found
    if job.options.average:
        means, effective = averaged(job, runs)
        found |= _measured("averaged", job.landscape, means)
        if job.landscape.dynamics.rule != gradient_descent:
            found[AVERAGED] = effective
    if job.options.cool:
        found |= _measured("cooled", job.landscape, flow_ends(job.landscape, ended(runs), runs.loss_min))
    return {name: found[name] for name in (*measured("diagonal", points), AVERAGED) if name in found}


def averaged(job: Job, runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """Means of the weights of the next ``average`` steps, shape (run, weight, feature); ``runs`` is left as is.

    And the harmonic mean of their sharpness in units of the edge, (run,), on the last :data:`LAST` of these steps at
    most; a length that differs on the two sides of a swing has its mean in the denominator. NaN where a run diverged,
    if only on these steps.
    """
    K, means, effective = job.options.average, np.full(runs.vector.shape, np.nan), np.full(len(runs), np.nan)
    bounded = np.flatnonzero((runs.outcome == Status.CONVERGED) | (runs.outcome == Status.STEP_LIMIT))
    for chosen in pieces(bounded, runs, K + 1):
        part = taken_further(job, runs.part(chosen), K)
        lost = (part.outcome != Status.STEP_LIMIT)[:, None, None]
        means[chosen] = np.where(lost, np.nan, part.recorded[:, 1:].mean(axis=1))
        if job.landscape.dynamics.rule != gradient_descent:
            effective[chosen] = _effective(job.landscape, part, np.where(lost[..., None], np.nan, part.history))
    return means, effective


def _effective(landscape: Landscape, runs: Runs, states: np.ndarray) -> np.ndarray:
    """The harmonic mean of the sharpness in units of the edge at the last states (run, step, weight and state, d)."""
    states = states[:, 1:][:, -LAST:]  # the first is where the run ended
    count, flat = states.shape[1], states.reshape(-1, *states.shape[2:])
    sharpness = sharpness_at(landscape, flat[:, : runs.vector.shape[1]]).value
    lr, floor = np.repeat(runs.lr, count), np.repeat(runs.loss_min, count)
    with np.errstate(all="ignore"):
        at_each = sharpness_effective(landscape, flat, lr, floor, sharpness)
        return 1 / (1 / at_each).reshape(-1, count).mean(axis=1)


def flow_ends(landscape: Landscape, starts: np.ndarray, smallest: np.ndarray) -> np.ndarray:
    """Where gradient flow ends from each of the weights (point, weight, feature), whose smallest losses are given.

    By the dual root (:mod:`gdbias.theory.prediction.dual`) where the characteristic flow is a formula, by integration
    until the excess loss is 1e-10 elsewhere. NaN, with a warning that counts them, where that fails; NaN from weights
    that are not finite, and for other losses than squared, whose flow has no finite endpoint.
    """
    ends, failures = np.full(starts.shape, np.nan), []
    for end, theta, least in zip(ends, starts, smallest, strict=True):
        if landscape.problem.loss == squared and np.isfinite(theta).all():
            exact = _exact_end(landscape, theta)
            try:
                end[:] = integrate(landscape, theta, least, FlowOptions()).states[-1] if exact is None else exact
            except GdbiasError as error:  # must not end a sweep: other runs are finished
                failures.append(error)
    if failures:
        warnings.warn(
            f"{len(failures)} of {len(starts)} states could not be cooled, their measures are NaN: {failures[0]}",
            stacklevel=2,
        )
    return ends


def _exact_end(landscape: Landscape, theta: np.ndarray) -> np.ndarray | None:
    dynamics, problem = landscape.dynamics, landscape.problem
    transport = Transport(dynamics, theta)
    if not transport.closed or not np.allclose(transport(np.zeros(problem.d)), theta, rtol=1e-12, atol=0):
        return None  # a formula may not hold from every sign of the weights
    try:
        return dual_root(dynamics, problem, transport).theta
    except NoInterpolator:
        return None


def _measured(prefix: str, landscape: Landscape, theta: np.ndarray) -> dict:
    return {f"{prefix}_{name}": values for name, values in state(landscape, theta).items()}
