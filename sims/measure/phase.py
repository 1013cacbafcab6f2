"""The dynamical phase of a run, by its end and by what was seen of it in a window after that."""

import numpy as np

from ..status import Phase, Status

FEW = 10  # rising steps of a catapult
SLOW = 1e-6  # excess loss below which a run at its step limit is slow, whatever else it does
CHAOS = 5e-3  # Lyapunov exponent a step above which nearby runs part


def phases(
    status: np.ndarray,
    rising_steps: np.ndarray,
    period: np.ndarray,
    lyapunov: np.ndarray,
    peak: np.ndarray,
    lost: np.ndarray,
    rising_tells: bool = True,
) -> np.ndarray:
    """The phase of every run, in this order:

    diverged (by status, or ``lost`` in the window); converged, which is flow_aligned, catapult or
    edge_of_stability by ``rising_steps`` 0, 1 to 10, more; undecided where the ``peak`` excess loss of its last
    steps is below 1e-6 (slow); periodic where the weights return after ``period`` > 1 steps and ``lyapunov <= 5e-3``;
    chaotic where they do not and ``lyapunov > 5e-3``; else undecided.

    A run that held the tolerance at an unstable minimum by chance is bounded, not converged. Unless ``rising_tells``,
    as with momentum, whose loss rings anywhere, converged runs are undecided.
    """
    converged = (status == Status.CONVERGED) & rising_tells
    bounded = (status == Status.STEP_LIMIT) | (status == Status.UNSTABLE_MINIMUM)
    seen = bounded & ~(peak < SLOW)
    rules = [
        (status == Status.NOT_RUN, Phase.NOT_RUN),
        ((status == Status.DIVERGED) | (bounded & lost), Phase.DIVERGED),
        (converged & (rising_steps == 0), Phase.FLOW_ALIGNED),
        (converged & (rising_steps <= FEW), Phase.CATAPULT),
        (converged, Phase.EDGE_OF_STABILITY),
        (seen & (period > 1) & (lyapunov <= CHAOS), Phase.PERIODIC),
        (seen & (period == 0) & (lyapunov > CHAOS), Phase.CHAOTIC),
    ]
    labels = np.select([where for where, _ in rules], [int(label) for _, label in rules], int(Phase.UNDECIDED))
    return labels.astype(np.int8)
