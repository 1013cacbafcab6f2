"""The central flow: the course of gradient descent without its oscillation.

``d theta / dt = -grad L - 1/2 sum_ij X_ij grad(u_i' H u_j)``, with the covariance ``X >= 0`` of the oscillation along
the top eigenvectors U complementary to ``2 / lr I - U' H U >= 0`` (arXiv 2410.24206). A step of descent is ``lr`` of
time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .backend import jax, jnp
from .complementarity import packed
from .integrator import STAGES, Step, longest, stages, start, step
from .oscillation import held, slopes
from .top_eigenspace import Eigenspace, leading
from .training_loss import Objective, hessian, loss_at

RTOL = 1e-2  # of the weights' norm, the local error of one step
NEAR = 0.97  # of 2 / lr, from where an eigenvalue may be held
CLOSE, FAR = (0.9, 2e-3), 1e-2  # from there on, of 2 / lr, relative residuals of eigenvectors; and before
GUARDS = 2  # eigenvalues that are followed below those at the edge
MARGIN = 1.1  # the sharpness may grow by so much within a step
PAST = 1.25  # of 2 / lr: a step that ends there where nothing is held is taken again, shorter
NOTHING = 1e-8  # of the trace of X, what does not oscillate


@dataclass(frozen=True)
class Center:
    """A point of the flow.

    Attributes:
        theta: the weights about which descent oscillates, shape (p,).
        loss: there.
        velocity: from here, the force included.
        force: ``1/2 sum_ij X_ij grad(u_i' H u_j)``.
        space: the top of the spectrum.
        X: the covariance in the first k vectors of the space, shape (k, k).
    """

    lr: float
    time: float
    theta: jax.Array
    loss: float
    velocity: jax.Array
    force: jax.Array
    space: Eigenspace
    X: np.ndarray

    @property
    def sharpness(self) -> float:
        """``2 / lr`` where it is held there."""
        return 2 / self.lr if len(self.X) else float(self.space.values[0])

    @property
    def mean_loss(self) -> float:
        """The mean training loss of descent, ``L + tr(X) / lr``."""
        return self.loss + float(np.trace(self.X)) / self.lr

    @property
    def swings(self) -> np.ndarray:
        """Vectors whose outer products sum to the covariance ``U X U'`` of the weights, the largest last, (k, p)."""
        variances, axes = np.linalg.eigh(self.X)
        return (axes * np.sqrt(np.maximum(variances, 0))).T @ self.space.vectors[: len(axes)]


def follow(
    objective: Objective, theta: jax.Array, lr: float, time: float = 0.0, rtol: float = RTOL
) -> Iterator[Center]:
    """The points of the flow from theta, one after every step; they end where it cannot be followed.

    The estimated local error of a step is at most ``rtol |theta|``, the force being constant within it. The largest
    eigenvalues are then held at ``2 / lr`` anew, by what they are, so that what a step misses the next one makes good.
    """
    loss, velocity = start(objective, theta)
    nothing = Eigenspace(np.empty(0), np.empty((0, theta.size)), np.empty(0))
    force, space = jnp.zeros_like(theta), _space(objective, theta, nothing, 0, lr)
    at = Center(lr, time, theta, float(loss), velocity, force, space, np.zeros((0, 0)))
    yield at
    h, growth = 1.0 / max(at.sharpness, 1e-9), 0.0
    while h > 1e-6 * lr:
        h = min(h, _longest(at, growth))
        new = step(objective, at.theta, at.velocity, h, stages(_stiffness(at) * h), at.force)
        error = float(new.error) / (rtol * float(jnp.linalg.norm(at.theta)))
        if not error <= 1:
            h *= max(0.1, 0.8 / error ** (1 / 3)) if np.isfinite(error) else 0.1
            continue
        center = _held(objective, new, at, h)
        past = center.space.values[0] > PAST * 2 / lr and not len(at.X) and h > lr
        if past or not np.isfinite(center.loss):
            h /= 2
            continue
        growth = (center.sharpness - at.sharpness) / h
        at = center
        yield at
        h *= min(3.0, 0.8 / max(error, 1e-6) ** (1 / 3))


def between(before: Center, after: Center, time: float) -> tuple[jax.Array, np.ndarray]:
    """Weights and swings at a time within a step: a cubic through both ends, and covariances in proportion."""
    h = after.time - before.time
    x = (time - before.time) / h
    a, b = (1 + 2 * x) * (1 - x) ** 2, x * (1 - x) ** 2
    c, d = x * x * (3 - 2 * x), x * x * (x - 1)
    theta = a * before.theta + b * h * before.velocity + c * after.theta + d * h * after.velocity
    return theta, np.vstack([np.sqrt(1 - x) * before.swings, np.sqrt(x) * after.swings])


def crossing(objective: Objective, before: Center, after: Center, tol: float, swinging: bool = True) -> float:
    """The time within a step at which the mean loss of descent falls below tol, or that of the center."""
    low, high = before.time, after.time
    for _ in range(20):
        middle = (low + high) / 2
        theta, swings = between(before, after, middle)
        loss = float(loss_at(objective, theta)) + swinging * float(np.sum(swings**2)) / after.lr
        low, high = (low, middle) if loss < tol else (middle, high)
    return high


def _stiffness(at: Center) -> float:
    """The curvature for which a step is stable."""
    return max(MARGIN * float(at.space.values[0]), 1e-9)


def _longest(at: Center, growth: float) -> float:
    """The longest step that is stable, and runs to the edge at most where nothing is held there."""
    most = longest(STAGES) / _stiffness(at)
    if len(at.X) or growth <= 0:
        return most
    return min(most, max(1.1 * (2 / at.lr - at.sharpness) / growth, at.lr))


def _space(objective: Objective, theta: jax.Array, before: Eigenspace, k: int, lr: float) -> Eigenspace:
    """The top of the spectrum: all eigenvalues near the edge, at least k, and some below."""
    product, vectors = hessian(objective, theta), before.vectors

    def image(v: np.ndarray) -> np.ndarray:
        return np.asarray(product(jnp.asarray(v, theta.dtype)), dtype=float)

    close = bool(len(before.values)) and before.values[0] > CLOSE[0] * 2 / lr
    while True:
        space = leading(image, vectors, k + GUARDS, k + 1, CLOSE[1] if close else FAR)
        near = int(np.sum(space.values > NEAR * 2 / lr))
        if near <= k or len(space.values) == theta.size:
            return space
        k, vectors, close = near, space.vectors, True


def _held(objective: Objective, new: Step, at: Center, h: float) -> Center:
    """The point after a step h: the largest eigenvalues are held at ``2 / lr`` by an oscillation that is found anew."""
    bound = 2 / at.lr
    space = _space(objective, new.theta, at.space, len(at.X), at.lr)
    plain = replace(at, time=at.time + h, theta=new.theta, loss=float(new.loss), velocity=new.velocity, space=space)
    k = max(int(np.sum(space.values > NEAR * bound)), len(at.X))
    if not k or not np.isfinite(space.values).all():
        return plain
    turned = space.vectors[:k] @ at.space.vectors[: len(at.X)].T
    G = slopes(objective, new.theta, space.vectors[:k])
    X, shift = held(G, space, k, turned @ at.X @ turned.T, h, bound)
    theta = new.theta + jnp.asarray(shift, new.theta.dtype)
    force = jnp.asarray(packed(X) @ G / 2, theta.dtype)
    loss, velocity = start(objective, theta)
    last = int(np.flatnonzero(np.diag(X) > NOTHING * np.trace(X)).max(initial=-1)) + 1
    return replace(plain, theta=theta, loss=float(loss), velocity=velocity - force, force=force, X=X[:last, :last])
