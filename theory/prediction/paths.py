"""The course of gradient descent at the edge of stability, without its oscillation, predicted without a run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import NoClosedForm
from ..validate import whole
from .constrained import constrained_flow
from .coordinates import doubled
from .endpoints import require_reachable

if TYPE_CHECKING:
    from .prediction import Prediction


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


def path(pred: "Prediction", lr: float, record_every: int = 1) -> Path:
    """Follow the constrained flow at ``lr``, one state for every ``record_every`` steps of descent.

    Raises:
        InputError: an lr that is not positive, record_every below 1, or a prediction of many starts.
        NoInterpolator: no interpolator with ``S <= 2 / lr`` exists, that is ``lr > lr_max``.
        NoClosedForm: a model, loss or start outside the doubled coordinates.
    """
    record_every = whole("record_every", record_every, 1)
    coordinates, problem = doubled(pred.dynamics.model), pred.problem
    if coordinates.degree == 1:
        raise NoClosedForm(
            f"{pred.dynamics.model.name}: a linear model has the same sharpness everywhere and no edge to follow: its "
            "path is gradient flow's, sims.flow"
        )
    kit, w0 = require_reachable(pred, coordinates, lr)
    states = constrained_flow(coordinates, problem, w0, lr, record_every=record_every)
    beta = np.array([coordinates.beta(b) for b in states.b])
    sharpness = np.array([kit.sharpness_of(b) for b in states.b])
    return Path(lr, states.time, beta, problem.loss_at(beta), sharpness, np.abs(beta).sum(axis=1))
