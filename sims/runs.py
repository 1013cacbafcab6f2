"""The state of many runs on one problem, which a backend advances in place."""

from dataclasses import dataclass

import numpy as np
import sympy as sp

from ..theory.derive import Dynamics
from ..theory.law import array_law
from ..theory.problem import Problem
from ..theory.update_rule import WEIGHT
from .draws import run_keys
from .sharpness import sharpness_at

DIVERGENCE = 1e6  # times max(1, first loss)
NUDGE = 1e-4  # of noise in every power step, so that the vector finds an eigenvector that overtakes its own


@dataclass
class Runs:
    """One entry for each of N runs; weights have shape (run, weight, feature), state rows behind them.

    ``outcome`` is -1 while a run is under way, then 0 (held tol), 1 (diverged) or 2 (step limit).
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
        outcome=np.full(N, -1, dtype=np.int8),
    )
