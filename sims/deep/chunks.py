"""Means over samples, a chunk at a time, so that memory does not grow with the samples."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from .backend import jax, jnp

ROOM = 1 << 30  # bytes of activations that are held at once, unless a chunk is given


def mean(each: Callable[..., Any], samples: tuple[jax.Array, ...], chunk: int) -> Any:
    """``(1/n) sum_j each(x_j, y_j)``, of every leaf of what ``each`` returns.

    A derivative holds the activations of one chunk, and computes them a second time.
    """
    n = len(samples[0])
    if chunk >= n:
        return jax.tree.map(jnp.mean, jax.vmap(each)(*samples))

    @jax.checkpoint
    def total(*part: jax.Array) -> Any:
        return jax.tree.map(lambda values: jnp.sum(values, axis=0), jax.vmap(each)(*part))

    cut = n - n % chunk
    chunks = tuple(array[:cut].reshape(-1, chunk, *array.shape[1:]) for array in samples)
    rest = total(*(array[cut:] for array in samples))
    sums, _ = jax.lax.scan(lambda sums, part: (jax.tree.map(jnp.add, sums, total(*part)), None), rest, chunks)
    return jax.tree.map(lambda value: value / n, sums)


def roomy(each: Callable[..., jax.Array], theta: jax.Array, samples: tuple[jax.Array, ...]) -> int:
    """As many samples as a derivative of ``mean of each(theta, x, y)`` holds in ``ROOM``, by what one more takes."""

    def held(count: int) -> int:
        def pulled(theta: jax.Array, *part: jax.Array) -> Callable:
            return jax.vjp(lambda theta: mean(partial(each, theta), part, count), theta)[1]

        kept = jax.eval_shape(pulled, theta, *(array[:count] for array in samples))
        return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(kept))

    return max(1, ROOM // max(1, held(2) - held(1)))
