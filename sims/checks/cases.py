"""Random problems and weights for checks: correlated features, unequal weights, positive where a family needs it."""

import numpy as np
import xarray as xr

from ...theory import Parameterization, Problem, derive, sparse_regression
from .. import descend
from .registry import Case


def dense_problem(case: Case, n: int, d: int, positive: bool = False, correlation: float = 0.5) -> Problem:
    """``y = X b`` with AR(1)-correlated rows and a dense teacher; ``positive`` keeps every entry of b above 0.2."""
    X = case.rng.standard_normal((n, d))
    for i in range(1, d):
        X[:, i] = correlation * X[:, i - 1] + np.sqrt(1 - correlation**2) * X[:, i]
    b = case.rng.uniform(0.2, 1.0, d)
    if not positive:
        b *= case.rng.choice([-1.0, 1.0], d)
    return Problem(X, X @ b, b)


def sparse_problem(case: Case, n: int, d: int, positive: bool = False, sparsity: int | None = None) -> Problem:
    """A sparse teacher, seeded by the case."""
    return sparse_regression(
        n=n, d=d, sparsity=max(1, n // 3) if sparsity is None else sparsity, n_test=0,
        signs="positive" if positive else "random", seed=int(case.rng.integers(2**31)),
    )  # fmt: skip


def unequal_weights(case: Case, model: Parameterization, d: int, scale: float = 1.0) -> np.ndarray:
    """Positive weights that differ in every entry, shape (weight, feature)."""
    return scale * case.rng.uniform(0.3, 1.0, (len(model.weights), d))


def beginning(
    case: Case, model: Parameterization, n: int, d: int, scale: float = 1.0, correlation: float = 0.5
) -> tuple[Problem, np.ndarray]:
    """A dense problem that the model can fit, and unequal weights to start from."""
    problem = dense_problem(case, n, d, only_positive(model), correlation)
    return problem, unequal_weights(case, model, d, scale)


def plain_run(model: Parameterization, problem: Problem, lr: float, theta0, steps: int, **options) -> xr.Dataset:
    """So many steps of the reference, without looks at the sharpness on the way."""
    return descend(model, problem, lr, theta0=theta0, max_steps=steps, track_every=0, backend="numpy", **options)


def beta_of(model: Parameterization, theta: np.ndarray) -> np.ndarray:
    """Coefficients of weights (weight, ...)."""
    return derive(model).law.arrays.effective(*theta)


def only_positive(model: Parameterization) -> bool:
    """Whether the coefficient cannot change its sign from positive weights: one weight for each coordinate."""
    return len(model.weights) == 1


def whole_degree(model: Parameterization) -> int:
    """L of a homogeneous model."""
    assert model.degree is not None
    return model.degree
