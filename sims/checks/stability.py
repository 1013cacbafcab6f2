"""Where the linear map of a step begins to flip signs, and runs from beside a minimum on both sides of that."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq

from ...theory import Parameterization, Problem, UpdateRule, derive, difference, power, product
from ...theory.derivation.landscape import Landscape
from .. import descend
from ..measure.effective import gradient
from .cases import beta_of, dense_problem, unequal_weights
from .registry import Case, Comparison

MODELS = (power(2), difference(2), product(2), power(3))
NEAR, OFFSET = 0.02, 1e-9
FADED, GROWN = 0.25, 4.0  # of the distance at the start, along the top eigenvector


def fitted(case: Case) -> tuple[Parameterization, Problem, np.ndarray]:
    """A model, a problem that random weights fit, and these."""
    model, n = case.choose(MODELS), 1 + 2 * (case.index % 2)
    data = dense_problem(case, n, n + 2)
    theta = unequal_weights(case, model, data.d)
    return model, Problem(data.X, data.X @ beta_of(model, theta)), theta


def hessian_at(model: Parameterization, problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Dense, in the order of ``theta.ravel()``."""
    return Landscape(derive(model), problem).dense_hessian(theta)


def gradients_at(model: Parameterization, problem: Problem, theta: np.ndarray) -> np.ndarray:
    """In the weights, at points (point, weight, feature)."""
    return gradient(Landscape(derive(model), problem), theta)


def flip(step: Callable[[float], np.ndarray], low: float, high: float) -> float:
    """The number at which the least real part of the eigenvalues of ``step(number)`` is -1."""
    return brentq(lambda x: np.linalg.eigvals(step(x)).real.min() + 1, low, high, xtol=1e-15, rtol=1e-14)


def heavy_ball_map(H: np.ndarray, lr: float, b: float) -> np.ndarray:
    """Of the weights and those of the step before."""
    eye = np.eye(len(H))
    return np.block([[(1 + b) * eye - lr * H, -b * eye], [eye, np.zeros_like(eye)]])


def beside_the_edge(
    model: Parameterization, problem: Problem, minimum: np.ndarray, lr: float, rule: UpdateRule
) -> list[Comparison]:
    """Runs from near the minimum come back at 2 % below the edge lr, and leave at 2 % above it."""
    top = np.linalg.eigh(hessian_at(model, problem, minimum))[1][:, -1].reshape(minimum.shape)
    settings: dict[str, Any] = dict(theta0=minimum + OFFSET * top, max_steps=600, hold=601, track_every=0)

    def along_top(rate: float) -> np.ndarray:
        run = descend(model, problem, lr * rate, rule=rule, record_every=3, backend="numpy", **settings)
        theta = run.path_theta.transpose("step", "weight", "feature").values
        return np.abs(((theta - minimum) * top).sum(axis=(1, 2)))

    label = f"{model.name}, {rule.step.name}"
    below, above = along_top(1 - NEAR)[-1], np.nanmax(along_top(1 + NEAR))
    return [
        Comparison(below, FADED * OFFSET, "at_most", label=f"{label} below the edge"),
        Comparison(above, GROWN * OFFSET, "at_least", label=f"{label} above it"),
    ]
