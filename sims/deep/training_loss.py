"""The training loss of a network as a function of one flat vector of weights."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from ...theory.errors import InputError
from ...theory.validate import one_of
from .architecture import Network
from .backend import eqx, jax, jnp
from .chunks import mean, roomy
from .data import Data
from .modules import build


def squared(f: jax.Array, target: jax.Array) -> jax.Array:
    """``|f - target|^2 / 2`` of one sample, a sum over outputs."""
    return 0.5 * jnp.sum((f - target) ** 2)


def cross_entropy(f: jax.Array, target: jax.Array) -> jax.Array:
    """``-log softmax(f)`` at the class of a one-hot target."""
    return -jnp.sum(target * jax.nn.log_softmax(f))


LARGEST = 1 << 27  # weights, of which eigenvalues take dozens of vectors
CHOICES = {"squared": squared, "cross_entropy": cross_entropy}


class Objective(eqx.Module):
    """``L(theta) = (1/n) sum_j l(f(x_j; theta), y_j)`` on training data, beside held-out data.

    Every method takes theta as a flat vector, shape (p,).
    """

    X: jax.Array  # (n, ...)
    y: jax.Array  # (n, classes)
    X_test: jax.Array
    y_test: jax.Array
    assemble: Callable = eqx.field(static=True)  # flat weights to a module
    sample_loss: Callable = eqx.field(static=True)
    chunk: int = eqx.field(static=True)  # samples that are computed at once

    def loss_of(self, theta: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        """The loss ``l(f(x; theta), y)`` of one sample."""
        return self.sample_loss(self.assemble(theta)(x), y)

    def loss(self, theta: jax.Array) -> jax.Array:
        """The training loss."""
        return mean(partial(self.loss_of, theta), (self.X, self.y), self.chunk)

    def of(self, chosen: jax.Array) -> "Objective":
        """The objective of some of the training samples, by their numbers."""
        return replace(self, X=self.X[chosen], y=self.y[chosen])

    def gradient(self, theta: jax.Array) -> jax.Array:
        """Its gradient, shape (p,)."""
        return jax.grad(self.loss)(theta)

    def hessian_product(self, theta: jax.Array, v: jax.Array) -> jax.Array:
        """Hessian times v, shape (p,), by differentiating the gradient along v."""
        return jax.jvp(self.gradient, (theta,), (v,))[1]


def objective(
    net: Network, data: Data, loss: str = "squared", dtype: str = "float32", chunk: int | None = None
) -> tuple[jax.Array, Objective]:
    """The initial weights, shape (p,), and the training loss of a network on data; float64 needs JAX's x64.

    ``chunk`` samples are computed at once, or as many as memory has room for.

    Raises:
        InputError: an unknown loss, or a network that does not fit the samples.
    """
    loss = one_of("loss", loss, CHOICES)
    theta0, assemble = _assembly(net, data.X.shape[1:], data.classes)
    y = jnp.eye(data.classes, dtype=dtype)
    X, X_test, theta = (jnp.asarray(array, dtype) for array in (data.X, data.X_test, theta0))
    whole = Objective(X, y[data.labels], X_test, y[data.labels_test], assemble, CHOICES[loss], data.n)
    return theta, replace(whole, chunk=chunk or roomy(whole.loss_of, theta, (X, whole.y)))


@lru_cache(maxsize=64)
def check_network(net: Network, shape: tuple[int, ...], classes: int) -> None:
    """Raise InputError for a network that does not fit samples of this shape, or has too many weights."""
    planned = eqx.filter_eval_shape(build, net, shape, classes)
    size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(planned) if hasattr(leaf, "shape"))
    if size > LARGEST:
        raise InputError(f"{net.name} has {size} weights, more than {LARGEST}: lower width or depth")


@lru_cache(maxsize=16)
def _assembly(net: Network, shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, Callable]:
    """Cached, because a new function would make everything compile anew."""
    with jax.enable_x64(False):  # the same start in every precision
        check_network(net, shape, classes)
        weights, static = eqx.partition(build(net, shape, classes), eqx.is_inexact_array)
    leaves, tree = jax.tree.flatten(weights)
    ends = np.cumsum([leaf.size for leaf in leaves])

    def assemble(theta: jax.Array) -> eqx.Module:  # of any precision, which ravel_pytree would refuse
        parts = [part.reshape(leaf.shape) for part, leaf in zip(jnp.split(theta, ends[:-1]), leaves, strict=True)]
        return eqx.combine(jax.tree.unflatten(tree, parts), static)

    theta0 = np.concatenate([np.ravel(leaf) for leaf in leaves])
    return theta0, assemble


@eqx.filter_jit
def loss_at(objective: Objective, theta: jax.Array) -> jax.Array:
    """The training loss, compiled."""
    return objective.loss(theta)


def hessian(objective: Objective, theta: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """``v -> H v`` at theta, compiled; linearised once, unless what that keeps would grow with the samples."""
    if objective.chunk < len(objective.X):
        return partial(_product, objective, theta)
    return partial(_apply, _linearised(objective, theta))


@eqx.filter_jit
def _product(objective: Objective, theta: jax.Array, v: jax.Array) -> jax.Array:
    return objective.hessian_product(theta, v)


@eqx.filter_jit
def _linearised(objective: Objective, theta: jax.Array) -> Callable:
    return jax.linearize(objective.gradient, theta)[1]


@eqx.filter_jit
def _apply(linear: Callable, v: jax.Array) -> jax.Array:
    return linear(v)


@eqx.filter_jit
def evaluate(objective: Objective, theta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Loss and accuracy on training data, then on held-out data (NaN where there are none)."""
    network = objective.assemble(theta)

    def scored(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        f = network(x)
        return objective.sample_loss(f, y), (jnp.argmax(f) == jnp.argmax(y)).astype(theta.dtype)

    nothing = jnp.asarray(jnp.nan, theta.dtype)
    held_out = (objective.X_test, objective.y_test)
    loss, accuracy = mean(scored, (objective.X, objective.y), objective.chunk)
    risk, hits = mean(scored, held_out, objective.chunk) if len(objective.X_test) else (nothing, nothing)
    return loss, accuracy, risk, hits
