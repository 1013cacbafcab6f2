"""The state of many runs on one problem, which a backend advances in place."""

from dataclasses import dataclass

import numpy as np

from ..theory.derive import Dynamics
from ..theory.hessian import sharpness
from ..theory.law import array_law
from ..theory.problem import Problem

DIVERGENCE = 1e6  # times max(1, first loss)


@dataclass(frozen=True)
class Settings:
    """When a run ends and what is watched on the way.

    Attributes:
        tol: excess loss below which a run may have converged.
        hold: consecutive steps that it must stay there.
        track_every: steps between looks at the sharpness for its maximum along the path; 0 for none. An
            odd number, since at the edge of stability the weights alternate between two sides.
    """

    tol: float
    hold: int
    track_every: int


@dataclass
class Runs:
    """One entry for each of N runs; weights have shape (run, weight + state, feature).

    ``outcome`` is -1 while a run is under way, then 0 (held tol), 1 (diverged) or 2 (step limit).
    """

    lr: np.ndarray
    theta: np.ndarray
    vector: np.ndarray  # (run, weight, feature), of the power iteration
    limit: np.ndarray
    until: np.ndarray
    steps: np.ndarray
    held: np.ndarray
    rising: np.ndarray
    previous: np.ndarray
    loss: np.ndarray
    sharpness_max: np.ndarray
    outcome: np.ndarray

    def __len__(self) -> int:
        return len(self.lr)

    @classmethod
    def begin(
        cls, dynamics: Dynamics, problem: Problem, starts: np.ndarray, which: np.ndarray, lr: np.ndarray, max_steps: int
    ) -> "Runs":
        """Runs from ``starts[which]``; starts has shape (start, weight, feature)."""
        N, m = len(lr), starts.shape[1]
        law = array_law(dynamics)
        points = np.moveaxis(starts, 0, -1)  # (weight, feature, start)
        beta = np.broadcast_to(law.effective(*points), points.shape[1:])
        first = problem.loss_at(beta.T) - problem.projected[2]
        top = sharpness(dynamics, problem, points)
        states = [
            np.full(points.shape[1:], float(s.start)) if s.start.is_number else np.broadcast_to(w, points.shape[1:])
            for w in points for s in dynamics.rule.state
        ]  # fmt: skip
        theta = np.concatenate([points, np.stack(states)]) if states else points
        return cls(
            lr=np.ascontiguousarray(lr, dtype=float),
            theta=np.ascontiguousarray(np.moveaxis(theta, -1, 0)[which]),
            vector=np.ascontiguousarray(np.moveaxis(top.vector, -1, 0)[which]).reshape(N, m, -1),
            limit=DIVERGENCE * np.maximum(1.0, first)[which],
            until=np.full(N, max_steps, dtype=np.int64),
            steps=np.zeros(N, dtype=np.int64),
            held=np.zeros(N, dtype=np.int64),
            rising=np.zeros(N, dtype=np.int64),
            previous=np.full(N, np.inf),
            loss=np.full(N, np.nan),
            sharpness_max=top.value[which],
            outcome=np.full(N, -1, dtype=np.int8),
        )
