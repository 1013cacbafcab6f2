"""Gradient flow in the n dual variables: its endpoint as a convex root, its path as a small ODE.

The clock of coordinate i is ``s_i = (X^T nu)_i`` with ``d nu / dt = -l'(X beta(s), y) / n``. For squared
loss the endpoint solves ``X beta(X^T nu) = y``: the minimum of the strictly convex
``F(nu) = sum_i G(s_i) - y . nu`` with ``G' = beta``, whose Hessian is ``X diag(k) X^T`` (2002.09277).
"""

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from .derive import Dynamics
from .errors import NoInterpolator
from .hessian import sharpness
from .law import array_law
from .problem import Problem
from .transport import Transport

NEWTON_STEPS = 400
TOLERANCE = 1e-12  # of the residual, relative to the targets
STALL = 1e-6  # relative residual accepted once rounding stops the descent
PATH_RTOL = 1e-9
PATH_POINTS = 160  # of the solver's steps, where the sharpness is first looked at


def dual_root(dynamics: Dynamics, problem: Problem, transport: Transport) -> np.ndarray:
    """The dual vector nu at the end of gradient flow, shape (n,), by damped Newton from 0.

    Raises:
        NoInterpolator: no root was found.
    """
    X, y, _ = problem.projected
    law, degree = array_law(dynamics), dynamics.model.degree
    size = np.linalg.norm(y)

    def state(nu: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        theta = transport(X.T @ nu)
        with np.errstate(all="ignore"):
            residual = X @ np.broadcast_to(law.effective(*theta), (problem.d,)) - y
            # A homogeneous coefficient has G = |theta|^2 / (2 L); otherwise the residual is the merit.
            merit = (theta**2).sum() / (2 * degree) - y @ nu if degree else 0.5 * residual @ residual
        return (merit if np.isfinite(merit) else np.inf), residual, theta

    nu = np.zeros(len(y))
    merit, residual, theta = state(nu)
    for _ in range(NEWTON_STEPS):
        if np.linalg.norm(residual) <= TOLERANCE * size:
            return nu
        tangent = sum(slope**2 for slope in law.jacobian(*theta)) * np.ones(problem.d)
        direction = -np.linalg.lstsq(X * tangent @ X.T, residual, rcond=1e-15)[0]
        slope = residual @ direction if degree else -(residual @ residual)
        length = 1.0
        while length > 1e-12:
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
        f"{np.linalg.norm(residual):.3g} for targets of size {size:.3g}: try a larger init_scale, or integrate "
        "with sims.flow"
    )


def flow_path(
    dynamics: Dynamics, problem: Problem, theta0: np.ndarray, transport: Transport
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Gradient flow until its residual is 1e-6 of the targets: times, and weights at given times.

    The second value maps times (T,) to weights (weight, feature, T). Without a closed-form transport
    the weights themselves are integrated.
    """
    X, y, _ = problem.projected
    law, n = array_law(dynamics), problem.n
    shape = theta0.shape

    def weights(states: np.ndarray) -> np.ndarray:  # (state, T) -> (weight, feature, T)
        if not transport.closed:
            return states.reshape(*shape, -1)
        return np.moveaxis(transport((X.T @ states).T), 1, 2)

    def pull(states: np.ndarray):
        theta = weights(states[:, None])
        f = X @ np.broadcast_to(law.effective(*theta), theta.shape[1:])
        return theta, law.loss_slope(f, y[:, None])[:, 0] / n, f[:, 0]

    def velocity(_, state):
        theta, slope, _f = pull(state)
        if transport.closed:
            return -slope
        g = X.T @ slope
        return -np.stack([np.broadcast_to(p, g.shape) * g for p in law.jacobian(*theta[..., 0])]).ravel()

    def jacobian(_, state):
        theta, _, f = pull(state)
        tangent = sum(np.broadcast_to(p, theta.shape[1:]) ** 2 for p in law.jacobian(*theta))[:, 0]
        second = np.broadcast_to(law.loss_curvature(f, y), y.shape)
        return -(second[:, None] * (X * tangent)) @ X.T / n

    first = np.linalg.norm(pull(start := np.zeros(len(y)) if transport.closed else theta0.ravel())[1])

    def arrived(_, state):
        return float(np.linalg.norm(pull(state)[1])) - 1e-6 * first

    arrived.terminal = True  # type: ignore[attr-defined]
    scale = max(float(np.abs(theta0).max()), 1e-3)
    with np.errstate(all="ignore"):
        path = solve_ivp(
            velocity, (0, 1e12), start, "LSODA", rtol=PATH_RTOL, atol=PATH_RTOL * scale * 1e-3, events=arrived,
            dense_output=True, jac=jacobian if transport.closed else None, first_step=1e-6,
        )  # fmt: skip
    return path.t, lambda times: weights(path.sol(times))


def path_sharpness_max(dynamics: Dynamics, problem: Problem, theta0: np.ndarray, transport: Transport) -> float:
    """The largest sharpness along gradient flow, found among the solver's steps and refined between them."""
    times, weights = flow_path(dynamics, problem, theta0, transport)
    times = times[np.unique(np.linspace(0, len(times) - 1, PATH_POINTS).round().astype(int))]
    values = sharpness(dynamics, problem, weights(times)).value
    best = int(np.nanargmax(values))
    around = times[max(best - 1, 0)], times[min(best + 1, len(times) - 1)]
    refined = sharpness(dynamics, problem, weights(np.linspace(*around, 33))).value
    return float(max(np.nanmax(values), np.nanmax(refined)))
