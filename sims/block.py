"""A block: many runs of one model on one problem, advanced together and measured."""

import warnings
from collections.abc import Callable

import numpy as np

from ..theory.attainable import attainable_range, loss_min, require_interpolator
from ..theory.derive import Dynamics
from ..theory.errors import NoInterpolator
from ..theory.problem import Problem
from .attractor import follow
from .endpoints import engine, measured_endpoints
from .options import Options
from .outcome import outcomes
from .phase import Phase, phases
from .runs import Runs, begin_runs, samples
from .status import Status


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
    chosen = np.flatnonzero((runs.outcome == 2) | (found["status"] == Status.UNSTABLE_MINIMUM))
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
