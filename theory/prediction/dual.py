"""Gradient flow in the dual variables of the samples: its endpoint as a convex root.

The clock of coordinate i is ``s_i = (Q^T nu)_i``, Q the orthonormal rows of :attr:`Problem.interpolation`. For squared
loss the endpoint solves ``Q beta(Q^T nu) = t``: the minimum of the strictly convex ``F(nu) = sum_i G(s_i) - t . nu``
with ``G' = beta``, whose Hessian is ``Q diag(k) Q^T`` (2002.09277).

A small start is far from its end: the targets are moved from what fits the start to t by factors of ``GROWTH``, which
the coefficients that grow follow within a few of Newton's steps each.
"""

from dataclasses import dataclass

import numpy as np

from ..derivation.dynamics import Dynamics
from ..errors import NoInterpolator
from ..problem import Problem
from .transport import Transport

GROWTH = 100.0
NEAR = 1e-2  # residual, relative to the targets, from which they are moved on
TOLERANCE = 1e-13  # of the last residual
ROUNDING = 1e-15  # of the targets
STALL = 1e-9  # accepted where rounding stops the descent: the coefficients miss by as much
NEWTON_STEPS = 100  # for one value of the targets
HALVES = 100  # of a step


@dataclass(frozen=True)
class DualRoot:
    """The end of gradient flow: the clocks s (d,), in the row space of X, and the weights (weight, d)."""

    clock: np.ndarray
    theta: np.ndarray


def dual_root(dynamics: Dynamics, problem: Problem, transport: Transport) -> DualRoot:
    """The root in the dual variables, by damped Newton along growing targets.

    Raises:
        NoInterpolator: no root was found.
        GdbiasError: samples that nearly depend on each other.
    """
    Q, t = problem.interpolation
    dual = _Dual(dynamics, Q, transport)
    state, nu = transport.start((problem.d,)), np.zeros(len(t))
    first, theta = dual.fit(state)
    # Targets of 0 are met as well as others of the size of the start, which may fit them by cancellation.
    size = np.linalg.norm(t) or max(np.linalg.norm(first), 1e-6 * np.linalg.norm(theta))

    share, missed = dual.within_reach(theta, t - first), np.inf
    with np.errstate(all="ignore"):
        while True:
            targets = t if share == 1 else first + share * (t - first)
            near = TOLERANCE * size if share == 1 else NEAR * np.linalg.norm(targets)
            for _ in range(NEWTON_STEPS):
                fitted, theta = dual.fit(state)
                missed = np.linalg.norm(targets - fitted)
                if missed <= near or (found := dual.step(state, theta, targets, targets - fitted)) is None:
                    break
                state, nu = found[0], nu + found[1]
            if share == 1:
                break
            share = min(1.0, GROWTH * share)
    if not missed <= STALL * size:
        raise NoInterpolator(
            f"{dynamics.model.name}: the dual root of gradient flow was not found, residual {missed:.3g} for targets "
            f"of size {size:.3g}: try an init_scale nearer to 0.1, or integrate with sims.flow"
        )
    return DualRoot(Q.T @ nu, theta)


class _Dual:
    """``F`` along the states of a transport."""

    def __init__(self, dynamics: Dynamics, Q: np.ndarray, transport: Transport):
        self.law, self.Q, self.transport = dynamics.law.arrays, Q, transport

    def fit(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``Q beta`` and the weights."""
        theta = self.transport.weights(state)
        return self.Q @ np.broadcast_to(self.law.effective(*theta), theta.shape[1:]), theta

    def within_reach(self, theta: np.ndarray, missing: np.ndarray) -> float:
        """The share of what is missing for which Newton's step changes the weights by as much as they are."""
        clock = self.Q.T @ self._newton(theta, missing)
        change = np.abs([slope * clock for slope in self.law.jacobian(*theta)]).max(axis=0)
        largest = np.abs(theta).max(axis=0)
        return float(1 / max(1.0, (change / np.where(largest > 0, largest, 1.0)).max()))

    def step(
        self, state: np.ndarray, theta: np.ndarray, targets: np.ndarray, missing: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The state after 1, 1/2, 1/4 ... of Newton's step, the first at which F falls, and the change of nu.

        Judged by the slope of F along the step, which has digits where F itself has lost them; None at rounding.
        """
        direction = self._newton(theta, missing, ROUNDING * float(np.linalg.norm(targets)))
        slope, clock, share = missing @ direction, self.Q.T @ direction, 1.0
        for _ in range(HALVES):
            new = self.transport.moved(state, share * clock)
            if (targets - self.fit(new)[0]) @ direction >= -0.5 * slope:  # no longer falling, by half as much at most
                return None if np.array_equal(new, state) else (new, share * direction)
            share /= 2
        return None

    def _newton(self, theta: np.ndarray, missing: np.ndarray, rounding: float = 0.0) -> np.ndarray:
        """The change of nu that fits what is missing beyond rounding; the least where weights of 0 leave it open.

        By the singular values of ``diag(k)^(1/2) Q^T``: weights of 1e-6 beside 1 have k in a ratio beyond all digits.
        """
        tangent = sum(slope**2 for slope in self.law.jacobian(*theta))
        _, sizes, directions = np.linalg.svd((self.Q * np.sqrt(tangent)).T, full_matrices=False)
        parts = directions @ missing
        known = (sizes > 1e-16 * sizes[0]) & (np.abs(parts) > rounding)
        return (parts[known] / sizes[known] ** 2) @ directions[known]
