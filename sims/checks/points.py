"""What a loss is at one point: g, A, slopes, and derivatives that share nothing with the library's."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp

from ...theory import Parameterization, Problem
from ...theory.loss import PREDICTION, TARGET, Loss, squared

SIZE = 1e-30  # of a complex step


@dataclass(frozen=True)
class Point:
    """Weights theta (weight, feature) of a model on a problem, with the derivatives of its coefficient."""

    model: Parameterization
    problem: Problem
    theta: np.ndarray

    @property
    def functions(self) -> tuple[Callable, Callable]:
        """The coefficient and its slopes as functions of the weights, real or complex."""
        model = self.model
        slopes = tuple(sp.diff(model.effective, w) for w in model.weights)
        return _function(model.weights, model.effective), _function(model.weights, slopes)

    def _at(self, expression: sp.Expr) -> np.ndarray:
        return np.broadcast_to(_function(self.model.weights, expression)(*self.theta), self.theta[0].shape)

    @property
    def beta(self) -> np.ndarray:
        """Coefficients, shape (d,)."""
        return self._at(self.model.effective)

    @property
    def slopes(self) -> np.ndarray:
        """``d beta / d theta_p``, shape (m, d)."""
        return np.stack([self._at(sp.diff(self.model.effective, w)) for w in self.model.weights])

    @property
    def curvatures(self) -> np.ndarray:
        """Second derivatives of beta, shape (m, m, d)."""
        second = sp.hessian(self.model.effective, self.model.weights)
        m = len(self.model.weights)
        return np.array([[self._at(second[p, q]) for q in range(m)] for p in range(m)])

    @property
    def g(self) -> np.ndarray:
        """``dL/dbeta`` of squared loss, shape (d,)."""
        return self.problem.X.T @ (self.problem.X @ self.beta - self.problem.y) / self.problem.n

    @property
    def A(self) -> np.ndarray:  # noqa: N802
        """``X^T X / n``, shape (d, d)."""
        return self.problem.X.T @ self.problem.X / self.problem.n

    @property
    def tangents(self) -> np.ndarray:
        """``k = |grad beta|^2``, shape (d,)."""
        return (self.slopes**2).sum(axis=0)

    def differentiated(self) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (m d,) and Hessian (m d, m d) of the loss as one expression in all the weights, weights outermost.

        SymPy differentiates once, a complex step ``Im grad(theta + i h e) / h`` once more, exact to rounding: neither
        knows of the chain rule and the blocks by which theory writes them.
        """
        X, y, here = self.problem.X, self.problem.y, self.theta.ravel()
        slopes, data = _gradient(self.model, self.problem.loss, *X.shape), [*X.ravel(), *y]
        return np.array(slopes(*here, *data), float), by_complex_steps(lambda at: slopes(*at, *data), here)


@lru_cache(maxsize=256)
def _function(weights: tuple[sp.Symbol, ...], expression) -> Callable:
    return sp.lambdify(weights, expression)


@lru_cache(maxsize=64)
def _gradient(model: Parameterization, loss: Loss, n: int, d: int) -> Callable:
    """The slopes of the loss in all weights, as a function of these, the rows of X and the targets."""
    theta = [[sp.Symbol(f"t{p}_{i}") for i in range(d)] for p in range(len(model.weights))]
    X = [[sp.Symbol(f"x{a}_{i}") for i in range(d)] for a in range(n)]
    y = [sp.Symbol(f"y{a}") for a in range(n)]
    beta = [
        model.effective.subs(dict(zip(model.weights, column, strict=True)), simultaneous=True)
        for column in zip(*theta, strict=True)
    ]
    whole = (
        sum(
            loss.value.subs({PREDICTION: sum(x * b for x, b in zip(row, beta, strict=True)), TARGET: target})
            for row, target in zip(X, y, strict=True)
        )
        / n
    )
    flat = [weight for row in theta for weight in row]
    return sp.lambdify(
        [*flat, *(x for row in X for x in row), *y], [sp.diff(whole, weight) for weight in flat], "numpy"
    )


def interpolating(model: Parameterization, X: np.ndarray, theta: np.ndarray) -> Point:
    """The point theta with targets that it fits."""
    return targets(model, X, theta, X @ Point(model, Problem(X, np.ones(len(X))), theta).beta)


def targets(model: Parameterization, X: np.ndarray, theta: np.ndarray, y: np.ndarray, loss=squared) -> Point:
    """The point theta with targets y."""
    return Point(model, Problem(X, y, loss=loss), theta)


def by_complex_steps(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """``d function / d at_p`` for each entry p of ``at``, one a row; the function must be analytic."""
    units = SIZE * 1j * np.eye(at.size).reshape(-1, *at.shape)
    return np.imag([function(at + unit) for unit in units]) / SIZE


def slope_at_0(function: Callable, step: float):
    """By central differences of fourth order."""
    near, far = (function(k * step) - function(-k * step) for k in (1, 2))
    return (8 * near - far) / (12 * step)
