"""The state of many runs on one problem, which a backend advances in place."""

from dataclasses import dataclass

import numpy as np

from ...theory.derivation.dynamics import Dynamics
from ...theory.derivation.numpy_law import array_law
from ...theory.problem import Problem

DIVERGENCE = 1e6  # times max(1, first loss)
NUDGE = 1e-4  # of noise in every power step, so that the vector finds an eigenvector that overtakes its own


@dataclass
class Runs:
    """One entry for each of N runs; weights have shape (run, weight, feature), state rows behind them.

    ``outcome`` holds a :class:`gdbias.sims.Status`: NOT_RUN while a run is under way, then CONVERGED (held tol),
    DIVERGED or STEP_LIMIT.
    ``loss`` is the excess loss. ``history`` has shape (run, record, weight, feature). Steps are made in the numbers of
    ``theta``, float64 or float32.
    """

    lr: np.ndarray  # once the schedule has settled
    first: np.ndarray  # learning rate of the first step
    key: np.ndarray  # of the run's random draws
    limit: np.ndarray
    theta: np.ndarray
    vector: np.ndarray  # (run, weight, feature), of the power iteration for the sharpness
    sharpness_max: np.ndarray
    history: np.ndarray
    steps: np.ndarray
    rising: np.ndarray
    loss: np.ndarray
    outcome: np.ndarray

    def __len__(self) -> int:
        return len(self.lr)


def power_noise(m: int, d: int) -> np.ndarray:
    """The fixed noise (weight, feature) that every step of the power iteration is nudged with."""
    return np.random.default_rng(0).standard_normal((m, d)) / np.sqrt(m * d)


def samples(dynamics: Dynamics, problem: Problem) -> tuple[np.ndarray, np.ndarray, float]:
    """``(X, y, floor)`` that descent works on: rotated (:attr:`Problem.projected`), but as they are where a step
    draws from them."""
    return (problem.X, problem.y, 0.0) if dynamics.rule.stochastic else problem.projected


def divergence_limits(dynamics: Dynamics, problem: Problem, starts: np.ndarray) -> np.ndarray:
    """The excess loss at which runs from each of the starts (start, weight, feature) have diverged."""
    points = np.moveaxis(starts, 0, -1)  # (weight, feature, start)
    beta = np.broadcast_to(array_law(dynamics).effective(*points), points.shape[1:])
    return DIVERGENCE * np.maximum(1.0, problem.loss_at(beta.T) - problem.projected[2])
