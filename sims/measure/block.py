"""A block: many runs of one model on one problem, advanced together and measured."""

import warnings
from collections.abc import Callable

import numpy as np
import sympy as sp

from ...theory.derivation.dynamics import Dynamics
from ...theory.errors import NoInterpolator
from ...theory.prediction.attainable import attainable_range, loss_min, require_interpolator
from ...theory.problem import Problem
from ...theory.update_rule import WEIGHT
from ..engine.draws import run_keys
from ..engine.runs import Runs, divergence_limits, samples
from ..options import Options
from ..status import Phase, Status
from .attractor import follow
from .outcome import outcomes
from .phase import phases
from .settled import engine, measured_endpoints
from .sharpness import sharpness_at


def begin_runs(
    dynamics: Dynamics, problem: Problem, starts: np.ndarray, which: np.ndarray, lr: np.ndarray, records: int = 0,
    number: str = "float64",
) -> Runs:  # fmt: skip
    """Runs from ``starts[which]`` at the learning rates ``lr``; starts has shape (start, weight, feature)."""
    N, m, d = len(lr), starts.shape[1], starts.shape[2]
    points = np.moveaxis(starts, 0, -1)  # (weight, feature, start)
    top, vector = np.full(len(starts), np.nan), np.zeros(starts.shape)
    if number == "float64":  # which alone looks at the sharpness
        found = sharpness_at(dynamics, problem, starts)
        top, vector = found.value, np.moveaxis(found.vector, -1, 0)
    state = [sp.lambdify(WEIGHT, s.start, "numpy")(row) + 0 * row for row in points for s in dynamics.rule.step.state]
    theta = np.concatenate([points, np.stack(state)]) if state else points
    rates = np.ascontiguousarray(lr, dtype=float)
    first_rate, last_rate = dynamics.rule.schedule.ends(rates)
    theta = np.ascontiguousarray(np.moveaxis(theta, -1, 0)[which])
    stochastic = dynamics.rule.stochastic
    return Runs(
        lr=last_rate,
        first=first_rate,
        key=run_keys(dynamics.rule.noise_seed, rates, theta[:, :m]) if stochastic else np.zeros(N, dtype=np.uint64),
        limit=divergence_limits(dynamics, problem, starts)[which],
        theta=theta.astype(number),
        vector=np.ascontiguousarray(vector[which]),
        sharpness_max=top[which],
        history=np.full((N if records else 0, records, m, d), np.nan),
        steps=np.zeros(N, dtype=np.int64),
        rising=np.zeros(N, dtype=np.int64),
        loss=np.full(N, np.nan),
        outcome=np.full(N, Status.NOT_RUN, dtype=np.int8),
    )


def advance_block(
    dynamics: Dynamics,
    problem: Problem,
    starts: np.ndarray,
    lr: np.ndarray,
    options: Options,
    floors: np.ndarray,
    halt: np.ndarray,
    progress: Callable[[int], None] | None = None,
    records: tuple[int, int] = (0, 0),
    number: str = "float64",
) -> Runs:
    """The runs of every start with every learning rate, start-major, at their ends.

    ``starts`` has shape (start, weight, feature), ``floors`` is the smallest attainable loss of each start.
    ``records`` is (record_every, number of records). Starts with different floors are advanced in turn.
    """
    which = np.repeat(np.arange(len(starts)), len(lr))
    record_every, count = records
    runs = begin_runs(dynamics, problem, starts, which, np.tile(lr, len(starts)), count, number)
    advance = engine(options)
    done = 0
    for floor in np.unique(floors):
        chosen = np.flatnonzero(floors[which] == floor)
        everything = len(chosen) == len(runs)
        part = runs if everything else _take(runs, chosen)
        tell = None if progress is None else lambda begun, before=done: progress(before + begun)
        advance(dynamics, problem, part, options, floor - samples(dynamics, problem)[2], record_every, halt, tell)
        done += len(chosen)
        if not everything:
            _put(runs, chosen, part)
    return runs


def measure_block(
    dynamics: Dynamics, problem: Problem, runs: Runs, options: Options, floors: np.ndarray, halt: np.ndarray
) -> dict:
    """All outcomes of the runs of :func:`advance_block`."""
    loss_min = np.repeat(floors, len(runs) // len(floors))
    found = outcomes(dynamics, problem, runs, loss_min)
    found |= _phases(dynamics, problem, runs, found, loss_min, options, halt)
    return found | measured_endpoints(dynamics, problem, runs, loss_min, options, halt)


def _phases(
    dynamics: Dynamics, problem: Problem, runs: Runs, found: dict, floors: np.ndarray, options: Options,
    halt: np.ndarray,
) -> dict:  # fmt: skip
    chosen = np.flatnonzero((runs.outcome == Status.STEP_LIMIT) | (found["status"] == Status.UNSTABLE_MINIMUM))
    if not options.window:
        chosen = chosen[:0]
    seen = follow(dynamics, problem, runs, chosen, floors[chosen] - problem.projected[2], options, halt)
    phase = phases(
        found["status"], runs.rising, seen.period, seen.lyapunov, seen.peak, seen.lost, dynamics.rule.lowers_loss
    )
    return dict(phase=phase, period=np.where(phase == Phase.PERIODIC, seen.period, 0), lyapunov=seen.lyapunov)


def smallest_losses(dynamics: Dynamics, problem: Problem, starts: np.ndarray) -> np.ndarray:
    """The smallest attainable loss of each start; warns where no interpolator is strictly attainable."""
    known: dict[bytes, float] = {}
    floors = np.empty(len(starts))
    for i, theta0 in enumerate(starts):
        bounds = attainable_range(dynamics.model, theta0)
        key = np.concatenate(bounds).tobytes()
        if key not in known:
            known[key] = loss_min(problem, bounds)
            try:
                require_interpolator(dynamics.model, problem, theta0)
            except NoInterpolator as reason:
                warnings.warn(f"{reason}. Runs go on, but may approach their limit slowly", stacklevel=2)
        floors[i] = known[key]
    return floors


def _take(runs: Runs, chosen: np.ndarray) -> Runs:
    arrays = {name: getattr(runs, name) for name in Runs.__dataclass_fields__}
    return Runs(**{name: a[chosen] if len(a) == len(runs) else a for name, a in arrays.items()})


def _put(runs: Runs, chosen: np.ndarray, part: Runs) -> None:
    for name in Runs.__dataclass_fields__:
        if len(getattr(runs, name)) == len(runs):
            getattr(runs, name)[chosen] = getattr(part, name)
