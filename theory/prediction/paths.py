"""The course of gradient descent at the edge of stability, without its oscillation, predicted without a run."""

from dataclasses import dataclass

import numpy as np

from .constrained import constrained_flow
from .interpolators import Interpolators

ACCURACY = 3e-4  # of a weight in one step: between states the sharpness is above its cap by less than that


@dataclass(frozen=True, repr=False)
class Path:
    """States of the constrained flow.

    Attributes:
        lr: the learning rate, which sets the constraint ``S <= 2 / lr``.
        time: ``lr`` times the step of descent that the state stands for, shape (states,).
        beta: coefficients, shape (states, d).
        loss: training loss, shape (states,).
        sharpness: ``lambda_max(X diag(k) X^T) / n``, the Hessian's largest eigenvalue but for its part of the size of
            the residual, shape (states,).
        l1_norm: ``||beta||_1``, shape (states,).
    """

    lr: float
    time: np.ndarray
    beta: np.ndarray
    loss: np.ndarray
    sharpness: np.ndarray
    l1_norm: np.ndarray

    def __repr__(self) -> str:
        return f"Path(lr={self.lr:g}, {len(self.time)} states to time {self.time[-1]:.4g})"

    def at(self, time: np.ndarray) -> np.ndarray:
        """Coefficients at times (...,), shape (..., d): linear between states, constant beyond the last."""
        return np.stack([np.interp(time, self.time, column) for column in self.beta.T], axis=-1)


def path(reachable: Interpolators, w0: np.ndarray, lr: float, record_every: int) -> Path:
    """Follow the constrained flow from weights w0 (block, d) at ``lr``, a state for each ``record_every`` steps."""
    coordinates, problem = reachable.coordinates, reachable.problem
    states = constrained_flow(coordinates, problem, w0, lr, record_every=record_every, accuracy=ACCURACY)
    beta = np.array([coordinates.beta(b) for b in states.b])
    sharpness = np.array([reachable.sharpness_of(b) for b in states.b])
    return Path(lr, states.time, beta, problem.loss_at(beta), sharpness, np.abs(beta).sum(axis=1))
