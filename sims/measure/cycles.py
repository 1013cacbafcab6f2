"""Whether a run that alternates has a cycle, or dies out towards one of half the period.

Near a doubling an alternation x changes by ``-(rate + c x^2) x`` a step: it ends at 0 for rate > 0, at a cycle of twice
the period for rate < 0, and both return within any tolerance before they are there.
"""

import numpy as np

from ..engine.backends import LONGEST, REPEATS
from ..engine.job import Job
from ..engine.runs import Runs
from .continuation import pieces, taken_further

DIED_OUT = 40.0  # times of decay after which nothing is left of an alternation
STEADY = 1e-9  # relative change of an alternation between two looks that is rounding


def settled_periods(job: Job, runs: Runs, chosen: np.ndarray, period: np.ndarray, lyapunov: np.ndarray) -> np.ndarray:
    """The periods of the chosen runs, halved where the alternation between the halves of a cycle dies out.

    ``period`` and ``lyapunov`` are what returns and growth over the window told.
    """
    period, long = period.copy(), job.options.max_steps + job.options.window
    slow = np.flatnonzero((period > 1) & (period % 2 == 0) & (lyapunov * long > -DIED_OUT))
    if not len(slow):
        return period
    parts = pieces(slow, runs, REPEATS * LONGEST + 1)
    looks = np.hstack([_alternations(job, runs.part(chosen[part]), period[part] // 2) for part in parts])
    with np.errstate(all="ignore"):
        change = np.diff(np.log(looks), axis=0)
        size = (looks[1:] ** 2 + looks[:-1] ** 2) / 2
        bend = (change[1] - change[0]) / (size[1] - size[0])  # -c of the law above, over the steps of a look
        rate = bend * size[0] - change[0]
        steady = np.abs(change).max(axis=0) < STEADY
    dies = (looks[2] == 0) | (~steady & ~(rate < 0))
    period[slow[dies]] //= 2
    return period


def _alternations(job: Job, runs: Runs, half: np.ndarray) -> np.ndarray:
    """How far the weights move in half a cycle, at the times at which returns were looked for, (REPEATS, run)."""
    last = REPEATS * LONGEST
    runs = taken_further(job, taken_further(job, runs, job.options.window - last, record=False), last)
    at, run = np.arange(REPEATS)[:, None] * LONGEST, np.arange(len(runs))
    return np.abs(runs.recorded[run, at + half] - runs.recorded[run, at]).max(axis=(2, 3))
