"""What checks of gradient flow need: the flow beside its clock by an integrator, and endpoints from a conjugate."""

from typing import Any

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from ...theory import Parameterization, Problem, derive
from ...theory.statements import Formula
from .registry import NotApplicable

PRECISION = dict(rtol=1e-13, atol=1e-15)


def starts(model: Parameterization, theta0: np.ndarray) -> dict[str, Any]:
    """The weights at the start by the names that formulas give them, with the depth."""
    return {f"{w.name}_0": row for w, row in zip(model.weights, theta0, strict=True)} | {"L": float(model.degree or 0)}


def value(formula: Formula, **known):
    """The formula at those of the known values that it needs."""
    return formula(**{name: known[name] for name in formula.symbols})


def clock(w, L: int, log=np.log):
    """``z = psi'(w^L)`` up to a constant: ``ln(w) / 2`` for w^2, else ``w^(2-L) / (L (2 - L))``."""
    return log(w) / 2 if L == 2 else w ** (2 - L) / (L * (2 - L))


def weight_at(z, L: int):
    """The weight at a clock."""
    return np.exp(2 * z) if L == 2 else (L * (2 - L) * z) ** (1 / (2 - L))


def slope(formula: Formula, name: str, order: int = 1) -> Formula:
    """Its derivative by one symbol."""
    [symbol] = [s for s in formula.expression.free_symbols if s.name == name]
    return Formula(formula.name, sp.diff(formula.expression, symbol, order))


def flow_beside_clock(model: Parameterization, problem: Problem, theta0: np.ndarray, horizon: float, settle=0.0):
    """Weights (weight, d), clocks ``-int g dt`` and ``int g^2 dt`` (d,) at the horizon, or once ``|g| <= settle``."""
    law, shape, d = derive(model).law.arrays, theta0.shape, problem.d

    def gradient(theta):
        return problem.X.T @ (problem.X @ law.effective(*theta) - problem.y) / problem.n

    def velocity(_, state):
        theta = state[: theta0.size].reshape(shape)
        g = gradient(theta)
        return np.concatenate([*(-slope * g for slope in law.jacobian(*theta)), -g, g * g])

    def settled(_, state):
        return np.abs(gradient(state[: theta0.size].reshape(shape))).max() - settle

    settled.terminal = True  # type: ignore[attr-defined]
    start = np.concatenate([theta0.ravel(), np.zeros(2 * d)])
    found = solve_ivp(velocity, (0, horizon), start, "DOP853", events=settled if settle else None, **PRECISION)
    if found.status < 0 or (settle and found.status != 1):
        raise NotApplicable("gradient flow did not settle within the horizon")
    theta, clock, energy = np.split(found.y[:, -1], [theta0.size, theta0.size + d])
    return theta.reshape(shape), clock, energy


def endpoint_of(conjugate: Formula, problem: Problem, reach=(-np.inf, np.inf), **known) -> np.ndarray:
    """``beta(X^T nu)`` at the minimum of ``sum_i psi*((X^T nu)_i) - y . nu``, by damped Newton, shape (d,).

    ``reach`` is the interval of the clocks, at whose ends a weight blows up.
    """
    X, y = problem.X, problem.y
    beta, curvature = slope(conjugate, "s"), slope(conjugate, "s", 2)

    def merit(nu):
        s = X.T @ nu
        with np.errstate(all="ignore"):
            total = np.sum(value(conjugate, s=s, **known)) - y @ nu
        return total if np.isfinite(total) and np.all((reach[0] < s) & (s < reach[1])) else np.inf

    nu, best = np.zeros(problem.n), np.inf
    for _ in range(200):
        s = X.T @ nu
        residual = X @ value(beta, s=s, **known) - y
        size = np.linalg.norm(residual)
        if size <= 1e-15 * np.linalg.norm(y) or (best <= 1e-11 * np.linalg.norm(y) and size >= best):
            break
        best = size
        step = np.linalg.solve((X * value(curvature, s=s, **known)) @ X.T, residual)
        length, now = 1.0, merit(nu)
        while not merit(nu - length * step) <= now + 1e-13 * abs(now) and length > 1e-40:
            length /= 2
        nu = nu - length * step
    return value(beta, s=X.T @ nu, **known)
