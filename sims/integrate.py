"""Gradient flow in the weights, by an integrator that knows nothing of theory's dual variables."""

import numpy as np
from scipy.integrate import solve_ivp

from ..theory.derive import Dynamics
from ..theory.errors import GdbiasError
from ..theory.hessian import dense_hessian
from ..theory.law import array_law
from ..theory.problem import Problem


def integrate(
    dynamics: Dynamics, problem: Problem, start: np.ndarray, smallest: float, tol: float = 1e-10, rtol: float = 1e-9,
    max_time: float = 1e9,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:  # fmt: skip
    """Times (T,), weights (T, weight, feature) and excess losses (T,) of gradient flow, and if ``tol`` was met.

    Raises:
        GdbiasError: the integrator failed.
    """
    law, d = array_law(dynamics), problem.d
    X, y, outside = problem.projected

    def beta_at(theta: np.ndarray) -> np.ndarray:
        return np.broadcast_to(law.effective(*theta), (d,))

    def velocity(_, flat):
        theta = flat.reshape(start.shape)
        return -(np.stack([np.broadcast_to(s, (d,)) for s in law.jacobian(*theta)]) * gradient(theta)).ravel()

    def gradient(theta):
        return X.T @ law.loss_slope(X @ beta_at(theta), y) / problem.n

    def jacobian(_, flat):
        return -dense_hessian(dynamics, problem, flat.reshape(start.shape))

    def excess(flat) -> float:
        f = X @ beta_at(flat.reshape(start.shape))
        return float(np.sum(law.loss_value(f, y))) / problem.n - (smallest - outside)

    def arrived(_, flat):
        return excess(flat) - tol

    arrived.terminal = True  # type: ignore[attr-defined]
    if excess(start) < tol:  # nowhere to go, and no crossing to be seen
        return np.zeros(1), start[None], np.array([excess(start)]), True
    size = max(float(np.abs(start).max()), 1e-12)
    path = solve_ivp(
        velocity,
        (0, max_time),
        start.ravel(),
        "LSODA",
        jac=jacobian,
        events=arrived,
        rtol=rtol,
        atol=1e-3 * rtol * size,
    )
    if path.status == -1:
        raise GdbiasError(
            f"{dynamics.model.name}: the integrator gave up at time {path.t[-1]:.3g} ({path.message}): "
            f"try a start of another size, or another rtol than {rtol:g}"
        )
    losses = np.array([excess(state) for state in path.y.T])
    return path.t, path.y.T.reshape(-1, *start.shape), losses, path.status == 1
