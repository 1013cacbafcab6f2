"""Gradient flow in the n dual variables: its endpoint as a convex root.

The clock of coordinate i is ``s_i = (X^T nu)_i`` with ``d nu / dt = -l'(X beta(s), y) / n``. For squared
loss the endpoint solves ``X beta(X^T nu) = y``: the minimum of the strictly convex
``F(nu) = sum_i G(s_i) - y . nu`` with ``G' = beta``, whose Hessian is ``X diag(k) X^T`` (2002.09277).
"""

import numpy as np

from ..derivation.dynamics import Dynamics
from ..errors import NoInterpolator
from ..problem import Problem
from .transport import Transport

NEWTON_STEPS = 400
SHORTEST = 1e-40  # of a Newton step, in its own units: the first is of size alpha^(2-2L)
TOLERANCE = 1e-12  # of the residual, relative to the targets
STALL = 1e-6  # relative residual accepted once rounding stops the descent


def dual_root(dynamics: Dynamics, problem: Problem, transport: Transport) -> np.ndarray:
    """The dual vector nu at the end of gradient flow, shape (n,), by damped Newton from 0.

    Raises:
        NoInterpolator: no root was found.
    """
    X, y, _ = problem.projected
    law, degree = dynamics.law.arrays, dynamics.model.degree
    size = np.linalg.norm(y)

    def state(nu: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        theta = transport(X.T @ nu)
        with np.errstate(all="ignore"):
            residual = X @ law.effective(*theta) - y
            # A homogeneous coefficient has G = |theta|^2 / (2 L); otherwise the residual is the merit.
            merit = (theta**2).sum() / (2 * degree) - y @ nu if degree else 0.5 * residual @ residual
        return (merit if np.isfinite(merit) else np.inf), residual, theta

    nu = np.zeros(len(y))
    merit, residual, theta = state(nu)
    for _ in range(NEWTON_STEPS):
        if np.linalg.norm(residual) <= TOLERANCE * size:
            return nu
        tangent = sum(slope**2 for slope in law.jacobian(*theta))
        direction = -np.linalg.lstsq(X * tangent @ X.T, residual, rcond=1e-15)[0]
        slope = residual @ direction if degree else -(residual @ residual)
        length = 1.0
        while length > SHORTEST:
            new = state(nu + length * direction)
            if new[0] <= merit + 1e-4 * length * slope:
                break
            at_rounding = new[0] <= merit + 1e-12 * abs(merit)
            if at_rounding and np.linalg.norm(new[1]) < 0.9 * np.linalg.norm(residual):
                break
            length /= 2
        else:
            break
        nu = nu + length * direction
        merit, residual, theta = new
    if np.linalg.norm(residual) <= STALL * size:
        return nu
    raise NoInterpolator(
        f"{dynamics.model.name}: the dual root of gradient flow was not found, residual "
        f"{np.linalg.norm(residual):.3g} for targets of size {size:.3g}: try an init_scale "
        "nearer to 0.1, or integrate with sims.flow"
    )
