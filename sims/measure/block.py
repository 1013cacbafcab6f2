"""A block: many runs of one model on one problem, advanced together and measured."""

import warnings
from dataclasses import replace

import numpy as np

from ...theory.derivation.hessian import columns, rows
from ...theory.derivation.landscape import Landscape
from ...theory.elementwise import function_of
from ...theory.errors import NoInterpolator
from ...theory.prediction.attainable import attainable_range, loss_min, require_interpolator
from ...theory.rules.schedule import constant
from ...theory.rules.update_rule import UpdateRule
from ..engine.backends import backend
from ..engine.draws import run_keys
from ..engine.job import Job
from ..engine.runs import Runs, not_begun
from ..status import Phase, Status
from .outcome import outcomes
from .phase import attractors, phases
from .settled import AVERAGED, measured_settled
from .sharpness import sharpness_at

AT_EDGE = 0.1  # of 1, on average


def begin_runs(
    landscape: Landscape, starts: np.ndarray, which: np.ndarray, lr: np.ndarray, records: int = 0,
    number: str = "float64",
) -> Runs:  # fmt: skip
    """Runs from ``starts[which]`` at the learning rates ``lr``; starts has shape (start, weight, feature)."""
    N, m = len(lr), starts.shape[1]
    rule, points = landscape.dynamics.rule, columns(starts)
    top, vector = np.full(len(starts), np.nan), np.zeros(starts.shape)
    if number == "float64":  # which alone looks at the sharpness
        found = sharpness_at(landscape, starts)
        top, vector = found.value, found.vector
    begins = [function_of(s.start) for s in rule.step.memory]
    state = [begin(*[row] * len(read)) + 0 * row for row in points for read, begin in begins]  # of the weight, if any
    state += [] if rule.step.ascent is None else [*points]  # where the gradient is taken
    theta = rows(np.concatenate([points, np.stack(state)])) if state else starts
    rates = np.ascontiguousarray(lr, dtype=float)
    first_rate, last_rate = rule.schedule.ends(rates)
    theta = np.ascontiguousarray(theta[which])
    return Runs(
        lr=last_rate,
        first_lr=first_rate,
        draw_key=run_keys(rule.noise_seed, rates, theta[:, :m]) if rule.stochastic else np.zeros(N, dtype=np.uint64),
        divergence_limit=landscape.divergence_limits(starts)[which],
        loss_min=smallest_losses(landscape, starts)[which],
        theta=theta.astype(number, copy=False),
        vector=np.ascontiguousarray(vector[which]),
        sharpness_max=top[which],
        **not_begun(N, (records, *theta.shape[1:])),
    )


def advance_block(job: Job, starts: np.ndarray, lr: np.ndarray, number: str = "float64") -> Runs:
    """The runs of every start (start, weight, feature) with every learning rate, start-major, at their ends.

    Starts with different smallest losses are advanced in turn.
    """
    records = job.options.max_steps // job.record_every + 1 if job.record_every else 0
    which = np.repeat(np.arange(len(starts)), len(lr))
    runs = begin_runs(job.landscape, starts, which, np.tile(lr, len(starts)), records, number)
    _warn_of_tolerance(job, runs)
    landscape, advance, done = job.landscape.stepped, backend(job.options).advance, 0
    for smallest in np.unique(runs.loss_min):
        chosen = np.flatnonzero(runs.loss_min == smallest)
        part = runs if len(chosen) == len(runs) else runs.part(chosen)
        tell = None if job.tell is None else lambda begun, before=done, tell=job.tell: tell(before + begun)
        advance(replace(job, landscape=landscape, tell=tell, floor=smallest - landscape.samples[2]), part)
        done += len(chosen)
        if part is not runs:
            runs.put(chosen, part)
    return runs


def _warn_of_tolerance(job: Job, runs: Runs) -> None:
    """Warn where coefficients of 0 are within ``tol`` of the smallest loss: runs then tell nothing of the data."""
    if job.landscape.dynamics.rule.weight_decay:  # whose tol is relative
        return
    problem, tol = job.landscape.problem, job.options.tol
    excess = float(problem.loss_at(np.zeros(problem.d)) - runs.loss_min.min())
    if 0 < excess <= tol:
        warnings.warn(
            f"tol = {tol:g} is above the excess loss {excess:.3g} of coefficients of 0: runs converge before they fit "
            "anything; use a smaller tol, or data in larger units",
            stacklevel=2,
        )


def measure_block(job: Job, runs: Runs) -> dict:
    """All outcomes of the runs of :func:`advance_block`."""
    found = outcomes(job.landscape, runs)
    found |= measured_settled(job, runs)
    return found | _phases(job, runs, found["status"], found["sharpness_max"], found.get(AVERAGED, np.nan))


def _phases(job: Job, runs: Runs, status: np.ndarray, top: np.ndarray, averaged: np.ndarray | float) -> dict:
    chosen = np.flatnonzero((runs.outcome == Status.STEP_LIMIT) | (status == Status.UNSTABLE_MINIMUM))
    seen = attractors(job, runs, chosen if job.options.window else chosen[:0])
    rule = job.landscape.dynamics.rule
    told = seen.period, seen.lyapunov, seen.peak, seen.lost, seen.fell, seen.near
    met, hovers = _met(rule, runs, top), _hovers(rule, runs, averaged)
    phase = phases(status, runs.rising, *told, rule.lowers_loss, met | hovers, hovers)
    return dict(phase=phase, period=np.where(phase == Phase.PERIODIC, seen.period, 0), lyapunov=seen.lyapunov)


def _met(rule: UpdateRule, runs: Runs, top: np.ndarray) -> np.ndarray | bool:
    """Whether the largest sharpness seen of a run was above the edge; of none where the edge moves."""
    limit = np.asarray(rule.sharpness_limit(runs.lr))
    still = rule.schedule == constant and not rule.stochastic
    return still & (top > limit)


def _hovers(rule: UpdateRule, runs: Runs, averaged: np.ndarray | float) -> np.ndarray:
    """Whether a run whose edge hangs on its own state was at it on average, once its steps had settled."""
    own = np.isinf(rule.once_settled.sharpness_limit(runs.lr)) & (not rule.stochastic)
    return own & (np.abs(averaged - 1) < AT_EDGE)


def smallest_losses(landscape: Landscape, starts: np.ndarray) -> np.ndarray:
    """The smallest attainable loss of each start; warns where no interpolator is strictly attainable."""
    model, problem = landscape.dynamics.model, landscape.problem
    known: dict[bytes, float] = {}
    smallest = np.empty(len(starts))
    for i, theta0 in enumerate(starts):
        bounds = attainable_range(model, theta0)
        key = np.concatenate(bounds).tobytes()
        if key not in known:
            known[key] = loss_min(problem, bounds)
            try:
                require_interpolator(model, problem, bounds)
            except NoInterpolator as reason:
                warnings.warn(f"{reason}. Runs go on, but may approach their limit slowly", stacklevel=2)
        smallest[i] = known[key]
    return smallest
