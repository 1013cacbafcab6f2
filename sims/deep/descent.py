"""Full-batch gradient descent to a loss threshold, in compiled stretches."""

from typing import NamedTuple

from ...theory.derivation.landscape import divergence_limit
from ..status import Status
from .backend import eqx, jax, jnp
from .options import DeepOptions
from .training_loss import Objective, loss_at

RISE = 1e-5  # relative; less is rounding in float32


class State(NamedTuple):
    """A run between two steps."""

    theta: jax.Array
    step: jax.Array
    calm: jax.Array  # consecutive steps below the threshold
    rising: jax.Array  # steps on which the loss rose
    loss: jax.Array  # at the latest weights that were looked at
    outcome: jax.Array  # a Status, NOT_RUN while under way


def begin(theta0: jax.Array) -> State:
    """A run at its start."""
    zero = jnp.asarray(0)
    return State(theta0, zero, zero, zero, jnp.asarray(jnp.inf, theta0.dtype), jnp.asarray(Status.NOT_RUN))


def limit(objective: Objective, theta0: jax.Array) -> float:
    """The loss from which a run has diverged: ``1e6 max(1, L_0)``."""
    return float(divergence_limit(float(loss_at(objective, theta0))))


def advance(objective: Objective, state: State, lr: float, bound: float, options: DeepOptions, until: int) -> State:
    """``theta <- theta - lr grad L(theta)`` until the run ends or has taken ``until`` steps.

    The weights at the end are those whose loss was the last of ``hold`` below ``tol`` in a row, was not below
    ``bound``, or those after ``max_steps``. How a run is cut into stretches does not change its numbers.
    """
    dtype = state.theta.dtype
    numbers = [jnp.asarray(x, dtype) for x in (lr, bound, options.tol)]
    counts = [jnp.asarray(x) for x in (options.hold, options.max_steps, until)]
    return _advance(objective, state, *numbers, *counts)


@eqx.filter_jit
def _advance(objective: Objective, state: State, lr, bound, tol, hold, max_steps, until) -> State:
    def under_way(s: State):
        return (s.outcome == Status.NOT_RUN) & (s.step < until)

    def step(s: State) -> State:
        loss, gradient = jax.value_and_grad(objective.loss)(s.theta)
        rising = s.rising + ~(loss <= s.loss * (1 + RISE))  # what is no number has risen
        calm = jnp.where(loss < tol, s.calm + 1, 0)
        ended = jnp.where(s.step >= max_steps, Status.STEP_LIMIT, Status.NOT_RUN)
        ended = jnp.where(loss < bound, ended, Status.DIVERGED)
        ended = jnp.where(calm >= hold, Status.CONVERGED, ended)
        stop = ended != Status.NOT_RUN
        theta = jnp.where(stop, s.theta, s.theta - lr * gradient)
        return State(theta, s.step + jnp.where(stop, 0, 1), calm, rising, loss, ended)

    return jax.lax.while_loop(under_way, step, state)


@eqx.filter_jit
def mean_of_next(objective: Objective, theta: jax.Array, lr: jax.Array, steps: int) -> jax.Array:
    """The mean of the next weights of descent: oscillation between the walls of a valley averages out."""

    def step(_, carry):
        theta, total = carry
        theta = theta - lr * objective.gradient(theta)
        return theta, total + theta

    return jax.lax.fori_loop(0, steps, step, (theta, jnp.zeros_like(theta)))[1] / steps
