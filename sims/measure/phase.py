"""The dynamical phase of a run, by its end and by what bounded runs settle on in a window after that."""

from typing import NamedTuple

import numpy as np

from ..engine.backends import LONGEST, backend, measured_steps
from ..engine.job import Job
from ..engine.runs import Runs
from ..status import Phase, Status
from .cycles import settled_periods

FEW = 10  # rising steps of a catapult
SLOW = 1e-6  # excess loss below which a run at its step limit is slow, whatever else it does
CHAOS = 5e-3  # Lyapunov exponent a step above which nearby runs part
PARTED = 1.0  # growth of a tangent over the measured steps of a window above which nearby runs have parted


class Attractor(NamedTuple):
    """One entry a run: exponent a step, period (0 for none), largest excess loss at the end, if the loss blew up.

    And if it never rose, and if a nearby run stayed near: e times as far at most after the steps of the exponent.
    """

    lyapunov: np.ndarray
    period: np.ndarray
    peak: np.ndarray
    lost: np.ndarray
    fell: np.ndarray
    near: np.ndarray


def attractors(job: Job, runs: Runs, chosen: np.ndarray) -> Attractor:
    """Follow the chosen runs for ``window`` steps from where they ended; the runs are left as they are.

    A tangent vector goes along, ``delta <- D(step) delta``, which is ``(I - lr H) delta`` for gradient descent.
    Over the first quarter it turns into the direction that grows most; its mean logarithmic growth over the rest,
    over whole periods where there is one, is the largest Lyapunov exponent (Benettin et al. 1980). The period is
    the least p <= 64 with ``max |theta_(t+p) - theta_t| < 1e-7 max |theta|`` at three times t, 64 steps apart, at
    the end, and half of that where the alternation within it dies out. Other runs have exponent NaN and period 0.
    """
    N = len(runs)
    unknown = (np.zeros(N, dtype=bool) for _ in range(3))
    found = Attractor(np.full(N, np.nan), np.zeros(N, dtype=np.int64), np.full(N, np.nan), *unknown)
    if not len(chosen):
        return found
    growth, tail, peak, lost, returns, rises = backend(job.options).follow(job, runs, chosen)
    measured, floor = measured_steps(job.options), runs.loss_min[chosen] - job.landscape.samples[2]
    period = np.where((returns == returns[:, :1]).all(axis=1) & ~lost, returns[:, 0], 0)
    near = growth <= PARTED
    beyond = measured % np.maximum(period, 1)  # steps at the end that make no whole cycle
    with np.errstate(invalid="ignore"):
        growth = growth - np.where(np.arange(LONGEST) >= LONGEST - beyond[:, None], tail, 0).sum(axis=1)
    lyapunov = np.where(lost, np.nan, growth / (measured - beyond))
    period = settled_periods(job, runs, chosen, period, lyapunov)
    for whole, part in zip(found, (lyapunov, period, peak - floor, lost, rises == 0, near), strict=True):
        whole[chosen] = part
    return found


def phases(
    status: np.ndarray,
    rising_steps: np.ndarray,
    period: np.ndarray,
    lyapunov: np.ndarray,
    peak: np.ndarray,
    lost: np.ndarray,
    fell: np.ndarray,
    near: np.ndarray,
    rising_tells: bool = True,
    met: np.ndarray | bool = False,
    hovers: np.ndarray | bool = False,
) -> np.ndarray:
    """The phase of every run, in this order:

    diverged (by status, or ``lost`` in the window); converged, which is flow_aligned, catapult or
    edge_of_stability by ``rising_steps`` 0, 1 to 10, more; where the ``peak`` excess loss of its last steps is not
    below 1e-6 (slow), periodic where the weights return after ``period`` > 1 steps and ``lyapunov <= 5e-3``, and
    chaotic where they do not, ``lyapunov > 5e-3`` and the loss rose in the window; converging where it never rose
    (``fell``) and nearby runs stayed ``near``, at the step limit; else undecided.

    A run that held the tolerance at an unstable minimum by chance is bounded, not converged. Unless ``rising_tells``,
    as with momentum, whose loss rings anywhere, runs that converged are edge_of_stability where their sharpness was
    seen above the rule's edge (``met``); all else that the loss would have told is undecided, since looks at the
    sharpness are from below and now and then. So are runs at their step limit that were at an edge of their own state
    on average (``hovers``), and neither periodic nor chaotic in a window.
    """
    converged = (status == Status.CONVERGED) & (rising_tells or met)
    bounded = (status == Status.STEP_LIMIT) | (status == Status.UNSTABLE_MINIMUM)
    seen = bounded & ~(peak < SLOW)
    rules = [
        (status == Status.NOT_RUN, Phase.NOT_RUN),
        ((status == Status.DIVERGED) | (bounded & lost), Phase.DIVERGED),
        (converged & (rising_steps == 0) & rising_tells, Phase.FLOW_ALIGNED),
        (converged & (rising_steps <= FEW) & rising_tells, Phase.CATAPULT),
        (converged, Phase.EDGE_OF_STABILITY),
        (seen & (period > 1) & (lyapunov <= CHAOS), Phase.PERIODIC),
        (seen & (period == 0) & (lyapunov > CHAOS) & ~fell, Phase.CHAOTIC),
        ((status == Status.STEP_LIMIT) & hovers, Phase.EDGE_OF_STABILITY),
        ((status == Status.STEP_LIMIT) & fell & near & rising_tells, Phase.CONVERGING),
    ]
    labels = np.select([where for where, _ in rules], [int(label) for _, label in rules], int(Phase.UNDECIDED))
    return labels.astype(np.int8)
