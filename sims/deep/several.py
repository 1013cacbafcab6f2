"""Derivatives along several vectors by one call: of a small network a call costs as much as what it computes."""

from collections.abc import Callable

import numpy as np

from .backend import eqx, jax, jnp
from .training_loss import Objective

BLOCK = 8  # rows, to a multiple of which arrays are filled up, since each size compiles anew


def hessian_products(objective: Objective, theta: jax.Array, rows: np.ndarray) -> np.ndarray:
    """The Hessian at theta times each row, shape (count, p)."""
    return _blocks(_products, objective, theta, rows)


def gradients(objective: Objective, theta: jax.Array, shifts: np.ndarray) -> np.ndarray:
    """The gradient at theta and each shift from there, shape (count, p)."""
    return _blocks(_gradients, objective, theta, shifts)


def _blocks(find: Callable, objective: Objective, theta: jax.Array, rows: np.ndarray) -> np.ndarray:
    count = len(rows)
    padded = np.zeros((-(-count // BLOCK) * BLOCK, theta.size), theta.dtype)
    padded[:count] = rows
    return np.asarray(find(objective, theta, padded, jnp.asarray(count)), dtype=float)[:count]


@eqx.filter_jit
def _products(objective: Objective, theta: jax.Array, rows: jax.Array, count: jax.Array) -> jax.Array:
    return _each(lambda v: objective.hessian_product(theta, v), rows, count)


@eqx.filter_jit
def _gradients(objective: Objective, theta: jax.Array, shifts: jax.Array, count: jax.Array) -> jax.Array:
    return _each(lambda shift: objective.gradient(theta + shift), shifts, count)


def _each(find: Callable, rows: jax.Array, count: jax.Array) -> jax.Array:
    """Of the first rows alone."""
    start = jnp.zeros(rows.shape, rows.dtype)
    return jax.lax.fori_loop(0, count, lambda i, found: found.at[i].set(find(rows[i])), start)
