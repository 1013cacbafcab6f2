"""What is measured at the weights of a network."""

import numpy as np

from .backend import jax, jnp
from .lanczos import Eigenpair, largest
from .objective import Objective, evaluate, hessian_product

FINAL, PATH = 1e-4, 1e-2  # relative residuals; the eigenvalue's own error is about their square


def sharpness(objective: Objective, theta: jax.Array, start: np.ndarray, rtol: float = FINAL) -> Eigenpair:
    """The largest algebraic eigenvalue of the Hessian at theta, from an earlier eigenvector or any vector."""
    return largest(_product(objective, theta), start, rtol)


def adaptive_sharpness(objective: Objective, theta: jax.Array, start: np.ndarray, rtol: float = FINAL) -> Eigenpair:
    """The largest eigenvalue of ``diag|theta| H diag|theta|``: curvature under relative changes of the weights.

    Unlike sharpness it stays the same when the weights into a relu unit grow and those out of it shrink by the
    same factor (2102.11600).
    """
    size, product = np.abs(np.asarray(theta, dtype=float)), _product(objective, theta)
    return largest(lambda v: size * product(size * v), start, rtol)


def state_at(objective: Objective, theta: jax.Array, start: np.ndarray, rtol: float = FINAL) -> tuple[dict, np.ndarray]:
    """Loss, risk, accuracies, sharpness and norms at theta, and the top eigenvector; NaN where theta is not finite."""
    top = sharpness(objective, theta, start, rtol)
    loss, accuracy, test_risk, test_accuracy = (float(value) for value in evaluate(objective, theta))
    flat = np.asarray(theta, dtype=float)
    found = dict(
        loss=loss, accuracy=accuracy, test_risk=test_risk, test_accuracy=test_accuracy,
        sharpness=top.value, sharpness_residual=top.residual,
        theta_l1=float(np.abs(flat).sum()), theta_l2=float(np.linalg.norm(flat)),
    )  # fmt: skip
    return found, top.vector


def any_vector(theta: jax.Array) -> np.ndarray:
    """Where a search for the top eigenvector starts when none is known: always the same."""
    return np.random.default_rng(0).standard_normal(theta.size)


def _product(objective: Objective, theta: jax.Array):
    return lambda v: np.asarray(hessian_product(objective, theta, jnp.asarray(v, theta.dtype)), dtype=float)
