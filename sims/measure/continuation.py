"""Runs that have ended, taken further with the rule as it is once its schedule has settled."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..engine.backends import backend
from ..engine.job import Job
from ..engine.runs import Runs, not_begun

HISTORY = 1 << 22  # numbers of one piece of the runs that are recorded


def pieces(chosen: np.ndarray, runs: Runs, records: int) -> Iterator[np.ndarray]:
    """The chosen runs in parts whose histories of so many records fit in memory."""
    width = max(1, HISTORY // (records * int(np.prod(runs.theta.shape[1:]))))
    return (chosen[at : at + width] for at in range(0, len(chosen), width))


def taken_further(job: Job, runs: Runs, steps: int, record: bool = True) -> Runs:
    """The runs after so many more steps, in place; their histories hold every state, the first included, if asked."""
    dynamics = job.landscape.dynamics
    settled = replace(job.landscape, dynamics=replace(dynamics, rule=dynamics.rule.once_settled)).stepped
    options = replace(job.options, max_steps=steps, hold=steps + 2, track_every=0, average=0)  # nothing can be held
    begun = not_begun(len(runs), ((steps + 1) * record, *runs.theta.shape[1:]))
    runs = replace(runs, first_lr=runs.lr, draw_key=~runs.draw_key, **begun)
    further = replace(job, landscape=settled, options=options, tell=None, record_every=int(record))
    backend(options).advance(further, runs)
    return runs
