"""What is measured at the weights of a network."""

from collections.abc import Callable

import numpy as np

from .backend import jax, jnp
from .lanczos import Eigenpair, largest
from .training_loss import Objective, evaluate, hessian

FINAL, PATH = 1e-4, 1e-2  # relative residuals; the eigenvalue's own error is about their square


def sharpness(objective: Objective, theta: jax.Array, start: np.ndarray | None = None) -> Eigenpair:
    """The largest algebraic eigenvalue of the Hessian at theta.

    With an earlier result's ``start`` a quick look on the way, without it the careful measure of an endpoint,
    which starts from a random vector so that it depends on nothing but theta.
    """
    return _largest(hessian_image(objective, theta), theta, start)


def adaptive_sharpness(objective: Objective, theta: jax.Array, start: np.ndarray | None = None) -> Eigenpair:
    """The largest eigenvalue of ``diag|theta| H diag|theta|``: curvature under relative changes of the weights.

    Unlike sharpness it stays the same when the weights into a relu unit grow and those out of it shrink by the
    same factor (2102.11600).
    """
    size, product = np.abs(np.asarray(theta, dtype=float)), hessian_image(objective, theta)
    return _largest(lambda v: size * product(size * v), theta, start)


def state_at(objective: Objective, theta: jax.Array, start: np.ndarray | None = None) -> tuple[dict, np.ndarray]:
    """Loss, risk, accuracies, sharpness and norms at theta, and a warm start; NaN where theta is not finite."""
    top = sharpness(objective, theta, start)
    loss, accuracy, test_risk, test_accuracy = (float(value) for value in evaluate(objective, theta))
    flat = np.asarray(theta, dtype=float)
    found = dict(
        loss=loss, accuracy=accuracy, test_risk=test_risk, test_accuracy=test_accuracy,
        sharpness=top.value, sharpness_residual=top.residual,
        theta_l1=float(np.abs(flat).sum()), theta_l2=float(np.linalg.norm(flat)),
    )  # fmt: skip
    return found, top.start


def any_vector(theta: jax.Array) -> np.ndarray:
    """Where a search for the top eigenvector starts when none is known: always the same."""
    return np.random.default_rng(0).standard_normal(theta.size)


def hessian_image(objective: Objective, theta: jax.Array) -> Callable[[np.ndarray], np.ndarray]:
    """``v -> H v`` at theta, from float64 to float64 and computed in the precision of theta."""
    product = hessian(objective, theta)
    return lambda v: np.asarray(product(jnp.asarray(v, theta.dtype)), dtype=float)


def _largest(product: Callable, theta: jax.Array, start: np.ndarray | None) -> Eigenpair:
    return largest(product, any_vector(theta), FINAL) if start is None else largest(product, start, PATH)
