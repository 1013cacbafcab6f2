"""What one step does to the weights: plain descent, heavy ball, gradients of mini-batches."""

from .backend import eqx, jax, jnp
from .options import DeepOptions
from .training_loss import Objective


class Update(eqx.Module):
    """``theta <- theta - lr grad L_B(theta) + momentum (theta - theta_before)`` with the batch B of each step.

    None is no momentum, and all samples. Every epoch has an order of the samples that follows from the seed and its
    number alone, and its batches are stretches of it: no sample twice, and those beyond the last whole one not at all.
    """

    momentum: jax.Array | None = None
    key: jax.Array | None = None  # of the orders
    batch: int | None = eqx.field(static=True, default=None)

    def gradient(self, objective: Objective, theta: jax.Array, step: jax.Array) -> jax.Array:
        """The gradient of a step by its number."""
        if self.batch is None:
            return objective.gradient(theta)
        n = len(objective.X)
        each = n // self.batch
        order = self.order(n, step // each)
        return objective.of(jax.lax.dynamic_slice(order, (step % each * self.batch,), (self.batch,))).gradient(theta)

    def order(self, n: int, epoch: jax.Array) -> jax.Array:
        """The order of n samples in an epoch by its number."""
        assert self.key is not None
        return jax.random.permutation(jax.random.fold_in(self.key, epoch), n)

    def moved(
        self, theta: jax.Array, velocity: jax.Array | None, lr: jax.Array, gradient: jax.Array
    ) -> tuple[jax.Array, jax.Array | None]:
        """Weights and velocity ``theta - theta_before`` after a step."""
        if self.momentum is None or velocity is None:
            return theta - lr * gradient, None
        velocity = self.momentum * velocity - lr * gradient
        return theta + velocity, velocity


PLAIN = Update()


def update_of(options: DeepOptions, objective: Objective, theta: jax.Array) -> Update:
    """The update that options ask for, in the precision of theta. A batch of all samples draws nothing."""
    momentum = jnp.asarray(options.momentum, theta.dtype) if options.momentum else None
    if options.batch is None or options.batch >= len(objective.X):
        return Update(momentum)
    return Update(momentum, key_of(options.noise_seed), options.batch)


def key_of(seed: int) -> jax.Array:
    """The key of a seed below 2^64, the same in every precision."""
    return jax.random.wrap_key_data(jnp.asarray([seed >> 32, seed & 0xFFFFFFFF], dtype="uint32"), impl="threefry2x32")
