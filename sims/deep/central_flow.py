"""The central flow: the course of gradient descent without its oscillation.

``d theta / dt = -grad L - 1/2 sum_ij X_ij grad(u_i' H u_j)``, with the covariance ``X >= 0`` of the oscillation along
the top eigenvectors U complementary to ``2 / lr I - U' H U >= 0`` (arXiv 2410.24206). A step of descent is ``lr`` of
time. That it is finite adds ``-lr / 2 H grad L`` off the top, by backward error analysis (2009.11162), which is a step
or two of a run and makes those below the edge exact to the step. At kinks, of which H says nothing, it is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from .backend import jax, jnp
from .complementarity import packed
from .integrator import STAGES, Step, longest, stages, start, step
from .oscillation import held, slopes
from .several import hessian_products
from .top_eigenspace import Eigenspace, leading
from .training_loss import Objective

RTOL = 1e-2  # of the weights' norm, a local error of one step
HELD = 3.0  # times as much where something is held: the next step makes good what this one misses
CALM = 0.03  # times as much elsewhere, where steps are cheap and nothing makes good what they miss; not at kinks
ROUNDING = 10  # units of rounding, below which an estimated error says nothing
NEAR = 0.97  # of 2 / lr, from where an eigenvalue may be held
CLOSE, FAR = (0.9, 5e-3), 2e-2  # from there on, of 2 / lr, relative residuals of eigenvectors; and before
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
        force: ``1/2 sum_ij X_ij grad(u_i' H u_j)``, and ``lr / 2 H grad L`` off the top.
        space: the top of the spectrum.
        X: the covariance in the first k vectors of the space, shape (k, k).
        shift: what the last step was corrected by, shape (p,).
        bend: by how much the curvature over a swing differs from that at the center, in units of ``2 / lr``.
    """

    lr: float
    time: float
    theta: jax.Array
    loss: float
    velocity: jax.Array
    force: jax.Array
    space: Eigenspace
    X: np.ndarray
    shift: jax.Array
    bend: float = 0.0

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
    objective: Objective, theta: jax.Array, lr: float, time: float = 0.0, rtol: float = RTOL, kinks: bool = False
) -> Iterator[Center]:
    """The points of the flow from theta, one after every step; they end where it cannot be followed.

    The estimated local error of a step is at most ``3 rtol |theta|``, the force being constant within it, and a
    hundredth of that where nothing is held. The largest eigenvalues are then held at ``2 / lr`` anew, by what they are,
    so that what a step misses the next one makes good.
    Of a network with ``kinks``, whose Hessian says little of what lies around, the curvature over swings is held, and
    ``rtol`` is taken as it is where nothing is: at kinks errors fall with the first power of the step.
    """
    loss, velocity = start(objective, theta)
    nothing = Eigenspace(np.empty(0), np.empty((0, theta.size)), np.empty(0))
    zero, space = jnp.zeros_like(theta), _space(objective, theta, nothing, 0, lr)
    at = _center(objective, lr, time, theta, float(loss), -velocity, zero, space, np.zeros((0, 0)), zero, kinks)
    yield at
    h, growth, calm = 1.0 / max(at.sharpness, 1e-9), 0.0, 1.0 if kinks else CALM
    while h > 1e-6 * lr:
        h = min(h, _longest(at, growth))
        new = _stepped(objective, at, h)
        allowed = max(rtol * (HELD if len(at.X) else calm), ROUNDING * float(jnp.finfo(theta.dtype).eps))
        error = float(new.error) / (allowed * float(jnp.linalg.norm(at.theta)))
        if not error <= 1:
            h *= max(0.1, 0.8 / error ** (1 / 3)) if np.isfinite(error) else 0.1
            continue
        center = _held(objective, new, at, h, kinks)
        past = center.space.values[0] > PAST * 2 / lr and not len(at.X) and h > lr
        if past or not np.isfinite(center.loss):
            h /= 2
            continue
        growth = (center.sharpness - at.sharpness) / h
        at = center
        yield at
        h *= min(3.0, 0.8 / max(error, 1e-6) ** (1 / 3))


def within(objective: Objective, before: Center, after: Center, time: float) -> tuple[jax.Array, np.ndarray]:
    """Weights and swings at a time within a step: the step to there, and what was corrected in proportion.

    A cubic through both ends would swing about in the stiff directions.
    """
    h, x = time - before.time, (time - before.time) / (after.time - before.time)
    theta = _stepped(objective, before, h).theta + x * after.shift
    return theta, np.vstack([np.sqrt(1 - x) * before.swings, np.sqrt(x) * after.swings])


def _stepped(objective: Objective, at: Center, h: float) -> Step:
    return step(objective, at.theta, at.velocity, h, stages(_stiffness(at) * h), at.force)


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
    bound, vectors = 2 / lr, before.vectors
    while True:
        known = np.zeros(k + 1)
        known[: len(before.values)] = before.values[: k + 1]
        space = leading(
            partial(hessian_products, objective, theta), vectors, np.where(known > CLOSE[0] * bound, CLOSE[1], FAR)
        )
        near = int(np.sum(space.values > NEAR * bound))
        if near <= k or len(space.values) == theta.size:
            return space
        k, before, vectors = near, space, space.vectors


def _held(objective: Objective, new: Step, at: Center, h: float, kinks: bool) -> Center:
    """The point after a step h: the largest eigenvalues are held at ``2 / lr`` by an oscillation that is found anew."""
    bound, time = 2 / at.lr, at.time + h
    space, gradient = _space(objective, new.theta, at.space, len(at.X), at.lr), -new.velocity - at.force
    k = max(int(np.sum(space.values > NEAR * bound)), len(at.X))
    if not k or not np.isfinite(space.values).all():
        zero = jnp.zeros_like(new.theta)
        return _center(objective, at.lr, time, new.theta, float(new.loss), gradient, zero, space, at.X, zero, kinks)
    vectors = space.vectors[:k]
    turned = vectors @ at.space.vectors[: len(at.X)].T
    before = turned @ at.X @ turned.T
    G, over_swings = slopes(objective, new.theta, gradient, vectors, np.diag(before))
    point = np.diag(space.values[:k])
    X, moved = held(G, over_swings if kinks else point, space, before, h, bound)
    shift = jnp.asarray(moved, new.theta.dtype)
    theta = new.theta + shift
    push = jnp.asarray(packed(X) @ G / 2, theta.dtype)
    loss, velocity = start(objective, theta)
    last = int(np.flatnonzero(np.diag(X) > NOTHING * np.trace(X)).max(initial=-1)) + 1
    bend = float(np.abs(np.diag(over_swings - point)).max()) / bound
    X = X[:last, :last]
    return _center(objective, at.lr, time, theta, float(loss), -velocity, push, space, X, shift, kinks, bend)


def _center(
    objective: Objective, lr: float, time: float, theta: jax.Array, loss: float, gradient: jax.Array, push: jax.Array,
    space: Eigenspace, X: np.ndarray, shift: jax.Array, kinks: bool, bend: float = 0.0,
) -> Center:  # fmt: skip
    """The point at which the loss has this gradient and the oscillation pushes so."""
    force = push
    if not kinks:
        [bent], U = hessian_products(objective, theta, np.asarray(gradient, dtype=float)[None]), space.vectors
        force = push + jnp.asarray(lr / 2 * (bent - U.T @ (U @ bent)), theta.dtype)
    return Center(lr, time, theta, loss, -gradient - force, force, space, X, shift, bend)
