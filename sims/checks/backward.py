"""Checks of section BEA."""

from functools import partial

import numpy as np
from scipy.integrate import solve_ivp

from ...theory.families import difference, power, product
from .cases import beginning, plain_run
from .points import Point
from .registry import Case, Comparison, Formulas, check

HORIZON = 0.5
STEPS = (600, 1200)  # of two runs over the horizon


@check("BEA-1", cases=6)
def orders(f: Formulas, case: Case) -> list[Comparison]:
    """The distance of two runs to each flow after the same time, and its slope; flows by SciPy's DOP853."""
    model = case.choose((power(2), difference(2), product(3)))
    problem, theta = beginning(case, model, case.choose((3, 1, 2)), 3)
    distances = []
    for steps in STEPS:
        lr = HORIZON / steps
        run = plain_run(model, problem, lr, theta, steps, tol=1e-300)
        gradient, descended = Gradient(model, problem), run.theta.values.ravel()
        flows = [partial(_velocity, f, terms) for terms in (1, 2, 3)] + [partial(_modified, f)]
        distances.append([np.linalg.norm(_end(flow, gradient, theta, lr) - descended) for flow in flows])
    slopes = np.log(np.divide(*distances)) / np.log(STEPS[1] / STEPS[0])
    return [Comparison(slopes, np.array([1, 2, 3, 2]), scale=1.0, label=model.name)]


class Gradient:
    """The gradient of the loss in the weights (weight * feature,), real or complex, and its derivatives."""

    def __init__(self, model, problem):
        self.X, self.y, self.n, self.shape = problem.X, problem.y, problem.n, (len(model.weights), problem.d)
        point = Point(model, problem, np.ones(self.shape))
        self.beta, self.slopes = point.functions

    def parts(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Slopes of the coefficients, the residual and g, at points of shape (weight * feature, ...)."""
        theta = flat.reshape(*self.shape, *flat.shape[1:])
        residual = self.X @ self.beta(*theta) - self.y.reshape(-1, *(1,) * (flat.ndim - 1))
        slopes = np.stack([slope + 0 * theta[0] for slope in self.slopes(*theta)])
        return slopes, residual, self.X.T @ residual / self.n

    def __call__(self, flat: np.ndarray) -> np.ndarray:
        slopes, _, g = self.parts(flat)
        return (slopes * g).ravel()

    def hessian(self, flat: np.ndarray, v: np.ndarray) -> np.ndarray:
        """``H v`` by a complex step, exact to rounding."""
        return np.imag(self(flat + 1e-30j * v)) / 1e-30

    def third(self, flat: np.ndarray, v: np.ndarray) -> np.ndarray:
        """``T[v, v]``: the derivative of ``H v`` along v, a polynomial that five points differentiate exactly."""
        size = 0.1 / np.abs(v).max(initial=1e-300)
        at = [self.hessian(flat + shift * size * v, v) for shift in (-2, -1, 1, 2)]
        return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * size)


def _velocity(f: Formulas, terms: int, gradient: Gradient, lr: float, _, flat: np.ndarray) -> np.ndarray:
    grad = gradient(flat)
    velocity = f.first(grad=grad)
    H_grad = gradient.hessian(flat, grad)
    if terms > 1:
        velocity = velocity + f.second(lr=lr, H_grad=H_grad)
    if terms > 2:
        HH_grad, T_grad_grad = gradient.hessian(flat, H_grad), gradient.third(flat, grad)
        velocity = velocity + f.third(lr=lr, HH_grad=HH_grad, T_grad_grad=T_grad_grad)
    return velocity


def _modified(f: Formulas, gradient: Gradient, lr: float, _, flat: np.ndarray) -> np.ndarray:
    """Gradient flow on the modified loss, differentiated by complex steps."""
    slopes, residual, g = gradient.parts(flat[:, None] + 1e-30j * np.eye(len(flat)))
    loss = (residual**2).sum(axis=0) / (2 * gradient.n)
    by_feature = f.modified_loss(loss=loss / gradient.shape[1], lr=lr, k=(slopes**2).sum(axis=0), g=g)
    return -by_feature.sum(axis=0).imag / 1e-30


def _end(flow, gradient: Gradient, theta: np.ndarray, lr: float) -> np.ndarray:
    velocity = partial(flow, gradient, lr)
    return solve_ivp(velocity, (0, HORIZON), theta.ravel(), "DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
