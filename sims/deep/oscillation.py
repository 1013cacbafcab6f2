"""What oscillation along the top eigenvectors does to the weights: it pushes to where the sharpness is smaller."""

from typing import NamedTuple

import numpy as np

from .backend import jax, jnp
from .complementarity import multiplier, packed, unpacked
from .several import gradients
from .top_eigenspace import Eigenspace
from .training_loss import Objective

LEAST = 1e-3  # of the weights' norm, the amplitude of a swing along which nothing oscillates yet


class Slopes(NamedTuple):
    """How curvature changes about a point, and what it is over the swings there."""

    G: np.ndarray  # grad (u_i' H u_j), in packed coordinates, (k (k + 1) / 2, p)
    curvature: np.ndarray  # (k, k)


def slopes(
    objective: Objective, theta: jax.Array, gradient: jax.Array, vectors: np.ndarray, variances: np.ndarray
) -> Slopes:
    """What gradients at both ends of swings tell, of variances (k,) along unit vectors u (k, p).

    ``G_ii = [g(theta + a u_i) + g(theta - a u_i) - 2 g(theta)] / a^2`` and from directions between two vectors
    ``G_ij``; the curvature is ``u_i' [g(theta + a u_j) - g(theta - a u_j)] / 2a``. Where a network is smooth these are
    the derivatives of its Hessian, and the Hessian itself, to second order in a.
    """
    least = LEAST * float(jnp.linalg.norm(theta))
    middle, k = np.asarray(gradient, dtype=float), len(vectors)
    i, j = np.triu_indices(k)
    same = i == j
    a = np.maximum(np.sqrt((variances[i] + variances[j]) / 2), least)[:, None]
    between = np.where(same[:, None], vectors[i], (vectors[i] + vectors[j]) / np.sqrt(2))
    swings = a * between
    ahead, behind = np.split(gradients(objective, theta, np.vstack([swings, -swings])), 2)
    bent = (ahead + behind - 2 * middle) / a**2
    G = np.where(same[:, None], bent, np.sqrt(2) * (bent - (bent[same][i] + bent[same][j]) / 2))
    curvature = vectors @ ((ahead - behind) / (2 * a))[same].T
    return Slopes(G, (curvature + curvature.T) / 2)


def held(
    G: np.ndarray, curvature: np.ndarray, space: Eigenspace, before: np.ndarray, h: float, bound: float
) -> tuple[np.ndarray, np.ndarray]:
    """The covariance X of the oscillation that holds curvature at ``bound`` after a step h, and the shift it makes.

    A push changed from X_0 to X shifts the weights by ``-h/2 Phi G[X - X_0]``, where ``Phi`` lets stiff directions
    relax within the step, ``phi(z) = (1 - e^-z) / z`` of ``z = h lambda``. To first order the curvature C then is
    ``C - B[X - X_0]`` with ``B = h/2 G Phi G'``, and X >= 0 is complementary to what it leaves of the bound
    (arXiv 2410.24206). Shapes (k, k) and (p,).
    """
    z = np.maximum(h * space.values, 1e-12)
    relaxed = G - ((G @ space.vectors.T) * (1 + np.expm1(-z) / z)) @ space.vectors
    B = h / 2 * (G @ relaxed.T)
    B = (B + B.T) / 2
    A = bound * np.eye(len(curvature)) - curvature - unpacked(B @ packed(before), len(curvature))
    X = multiplier(A, B, before, bound)
    return X, -h / 2 * (packed(X - before) @ relaxed)
