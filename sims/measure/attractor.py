"""What bounded runs settle on: whether their weights return, and whether nearby runs part."""

from typing import NamedTuple

import numpy as np

from ..engine.backends import LONGEST, backend, measured_steps
from ..engine.job import Job
from ..engine.runs import Runs


class Attractor(NamedTuple):
    """One entry a run: exponent a step, period (0 for none), largest excess loss at the end, if the loss blew up."""

    lyapunov: np.ndarray
    period: np.ndarray
    peak: np.ndarray
    lost: np.ndarray


def attractors(job: Job, runs: Runs, chosen: np.ndarray) -> Attractor:
    """Follow the chosen runs for ``window`` steps from where they ended; the runs are left as they are.

    A tangent vector goes along, ``delta <- D(step) delta``, which is ``(I - lr H) delta`` for gradient descent.
    Over the first quarter it turns into the direction that grows most; its mean logarithmic growth over the rest,
    over whole periods where there is one, is the largest Lyapunov exponent (Benettin et al. 1980). The period is
    the least p <= 64 with ``max |theta_(t+p) - theta_t| < 1e-7 max |theta|`` at three times t, 64 steps apart, at
    the end. Other runs have exponent NaN and period 0.
    """
    N = len(runs)
    found = Attractor(np.full(N, np.nan), np.zeros(N, dtype=np.int64), np.full(N, np.nan), np.zeros(N, dtype=bool))
    if not len(chosen):
        return found
    growth, tail, peak, lost, returns = backend(job.options).follow(job, runs, chosen)
    measured, floor = measured_steps(job.options), runs.loss_min[chosen] - job.landscape.samples[2]
    period = np.where((returns == returns[:, :1]).all(axis=1) & ~lost, returns[:, 0], 0)
    beyond = measured % np.maximum(period, 1)  # steps at the end that make no whole cycle
    with np.errstate(invalid="ignore"):
        growth = growth - np.where(np.arange(LONGEST) >= LONGEST - beyond[:, None], tail, 0).sum(axis=1)
    lyapunov = np.where(lost, np.nan, growth / (measured - beyond))
    for whole, part in zip(found, (lyapunov, period, peak - floor, lost), strict=True):
        whole[chosen] = part
    return found
