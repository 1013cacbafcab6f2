"""Gradient flow in the n dual variables: its endpoint as a convex root, its path as a small ODE.

The clock of coordinate i is ``s_i = (X^T nu)_i`` with ``d nu / dt = -l'(X beta(s), y) / n``. For squared
loss the endpoint solves ``X beta(X^T nu) = y``: the minimum of the strictly convex
``F(nu) = sum_i G(s_i) - y . nu`` with ``G' = beta``, whose Hessian is ``X diag(k) X^T`` (2002.09277).
"""

from collections.abc import Callable

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from ..derivation.dynamics import Dynamics
from ..derivation.hessian import rows
from ..derivation.landscape import Landscape
from ..errors import GdbiasError, NoInterpolator
from ..problem import Problem
from .transport import Transport

NEWTON_STEPS = 400
SHORTEST = 1e-40  # of a Newton step, in its own units: the first is of size alpha^(2-2L)
TOLERANCE = 1e-12  # of the residual, relative to the targets
STALL = 1e-6  # relative residual accepted once rounding stops the descent
PATH_RTOL = 1e-7
PATH_ATOL = 1e-10  # in units of the start's weights, or of a clock
LONGEST = 1e30  # time
PATH_POINTS = 160  # of the solver's steps, where the sharpness is first looked at
REFINED_POINTS = 33


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


def flow_path(
    dynamics: Dynamics, problem: Problem, theta0: np.ndarray, transport: Transport
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Gradient flow until dL/dbeta is 1e-6 of the first: times, and weights at given times.

    The second value maps times (T,) to weights (T, weight, feature). In the n dual variables where the
    transport is linear; elsewhere they would need ``(w / w_0)^(L - 2)`` times the precision of the weights,
    so the weights themselves are integrated.

    Raises:
        GdbiasError: the integrator failed.
    """
    X, y, _ = problem.projected
    law, n, shape, dual = dynamics.law.arrays, problem.n, theta0.shape, transport.linear
    landscape = Landscape(dynamics, problem)
    slope = np.empty(len(y))  # of the loss in the predictions, at the state seen last

    def weights(states: np.ndarray) -> np.ndarray:  # (state, T) -> (T, weight, feature)
        return transport((X.T @ states).T).swapaxes(0, 1) if dual else rows(states.reshape(*shape, -1))

    def pull(state: np.ndarray) -> np.ndarray:
        theta = transport(X.T @ state) if dual else state.reshape(shape)
        slope[:] = law.loss_slope(X @ law.effective(*theta), y) / n
        return theta

    def velocity(_, state):
        theta = pull(state)
        if dual:
            return -slope
        g = X.T @ slope
        return -np.concatenate([p * g for p in law.jacobian(*theta)])

    def jacobian(_, state):
        if not dual:
            return -landscape.dense_hessian(state.reshape(shape))
        theta = transport(X.T @ state)
        tangent = sum(p * p for p in law.jacobian(*theta))
        second = law.loss_curvature(X @ law.effective(*theta), y)
        return -np.reshape(second, (-1, 1)) * (X * tangent) @ X.T / n

    start, size = (np.zeros(len(y)), 1.0) if dual else (theta0.ravel(), float(np.abs(theta0).max()))
    tolerance = dict(rtol=PATH_RTOL, atol=PATH_ATOL * size)
    with np.errstate(all="ignore"):
        pull(start)
        last = 1e-6 * np.linalg.norm(X.T @ slope)
        solver = scipy.integrate.LSODA(velocity, 0.0, start, LONGEST, jac=jacobian, first_step=1e-6, **tolerance)
        times, pieces = [0.0], []
        while solver.status == "running" and not np.linalg.norm(X.T @ slope) <= last:
            solver.step()
            if solver.status != "failed":
                times.append(solver.t)
                pieces.append(solver.dense_output())
    if solver.status == "failed":
        raise GdbiasError(
            f"{dynamics.model.name}: the path of gradient flow could not be followed beyond "
            f"t = {times[-1]:.3g}: try an init_scale nearer to 0.1"
        )
    path = scipy.integrate.OdeSolution(times, pieces) if pieces else lambda t: np.repeat(start[:, None], len(t), axis=1)
    return np.array(times), lambda t: weights(path(t))


def path_sharpness_max(dynamics: Dynamics, problem: Problem, theta0: np.ndarray, transport: Transport) -> float:
    """The largest sharpness along gradient flow, found among the solver's steps and refined between them."""
    times, weights = flow_path(dynamics, problem, theta0, transport)
    times = times[np.unique(np.linspace(0, len(times) - 1, PATH_POINTS).round().astype(int))]
    landscape = Landscape(dynamics, problem)
    values = landscape.sharpness(weights(times)).value
    best = int(np.nanargmax(values))
    around = times[max(best - 1, 0)], times[min(best + 1, len(times) - 1)]
    refined = landscape.sharpness(weights(np.linspace(*around, REFINED_POINTS))).value
    return float(max(np.nanmax(values), np.nanmax(refined)))
