"""What oscillation along the top eigenvectors does to the weights: it pushes to where the sharpness is smaller."""

import numpy as np

from .backend import eqx, jax, jnp
from .complementarity import multiplier, packed, unpacked
from .top_eigenspace import Eigenspace
from .training_loss import Objective


@eqx.filter_jit
def _turned(objective: Objective, theta: jax.Array, u: jax.Array, v: jax.Array) -> jax.Array:
    def product(theta: jax.Array) -> jax.Array:
        return objective.hessian_product(theta, v)

    return jax.jvp(product, (theta,), (u,))[1]


def slopes(objective: Objective, theta: jax.Array, vectors: np.ndarray) -> np.ndarray:
    """``G_ij = grad (u_i' H u_j)`` of unit vectors u_i, in packed coordinates, shape (k (k + 1) / 2, p)."""
    units = [jnp.asarray(u, theta.dtype) for u in vectors]
    pairs = zip(*np.triu_indices(len(units)), strict=True)
    each = [
        np.asarray(_turned(objective, theta, units[i], units[j]), float) * (1 if i == j else np.sqrt(2))
        for i, j in pairs
    ]
    return np.array(each)


@eqx.filter_jit
def _over_swing(objective: Objective, theta: jax.Array, u: jax.Array, a: jax.Array) -> jax.Array:
    return u @ (objective.gradient(theta + a * u) - objective.gradient(theta - a * u)) / (2 * a)


def secant(objective: Objective, theta: jax.Array, u: np.ndarray, a: float) -> float:
    """``u' [g(theta + a u) - g(theta - a u)] / 2a``: the curvature that an oscillation of amplitude a meets."""
    return float(_over_swing(objective, theta, *(jnp.asarray(value, theta.dtype) for value in (u, a))))


def held(
    G: np.ndarray, space: Eigenspace, k: int, before: np.ndarray, h: float, bound: float
) -> tuple[np.ndarray, np.ndarray]:
    """The covariance X of the oscillation that holds k eigenvalues at ``bound`` after a step h, and the shift it makes.

    A push changed from X_0 to X shifts the weights by ``-h/2 Phi G[X - X_0]``, where ``Phi`` lets stiff directions
    relax within the step, ``phi(z) = (1 - e^-z) / z`` of ``z = h lambda``. To first order the eigenvalues then are
    those of ``diag(lambda) - B[X - X_0]`` with ``B = h/2 G Phi G'``, and X >= 0 is complementary to what they leave of
    the bound (arXiv 2410.24206). Shapes (k, k) and (p,).
    """
    z = np.maximum(h * space.values, 1e-12)
    relaxed = G - ((G @ space.vectors.T) * (1 + np.expm1(-z) / z)) @ space.vectors
    B = h / 2 * (G @ relaxed.T)
    B = (B + B.T) / 2
    A = bound * np.eye(k) - np.diag(space.values[:k]) - unpacked(B @ packed(before), k)
    X = multiplier(A, B, before, bound)
    return X, -h / 2 * (packed(X - before) @ relaxed)
