"""Gradient descent to a loss threshold, in compiled stretches."""

from functools import partial
from typing import NamedTuple

from ...theory.derivation.landscape import divergence_limit
from ..status import Status
from .backend import eqx, jax, jnp
from .options import DeepOptions
from .training_loss import Objective, loss_at
from .update import PLAIN, Update, update_of

RISE = 1e-5  # relative; less is rounding in float32


class State(NamedTuple):
    """A run between two steps."""

    theta: jax.Array
    step: jax.Array
    calm: jax.Array  # consecutive steps below the threshold
    rising: jax.Array  # steps on which the loss rose
    loss: jax.Array  # at the latest weights that were looked at
    outcome: jax.Array  # a Status, NOT_RUN while under way
    velocity: jax.Array | None = None  # theta - theta_before, of heavy ball


def begin(theta0: jax.Array, momentum: float = 0.0) -> State:
    """A run at its start, at rest."""
    zero, velocity = jnp.asarray(0), jnp.zeros_like(theta0) if momentum else None
    return State(theta0, zero, zero, zero, jnp.asarray(jnp.inf, theta0.dtype), jnp.asarray(Status.NOT_RUN), velocity)


def limit(objective: Objective, theta0: jax.Array) -> float:
    """The loss from which a run has diverged: ``1e6 max(1, L_0)``."""
    return float(divergence_limit(float(loss_at(objective, theta0))))


def advance(objective: Objective, state: State, lr: float, bound: float, options: DeepOptions, until: int) -> State:
    """``theta <- theta - lr grad L(theta)``, or as ``options`` ask, until a run ends or has taken ``until`` steps.

    The weights at the end are those whose loss, of all samples, was the last of ``hold`` below ``tol`` in a row, was
    not below ``bound``, or those after ``max_steps``. How a run is cut into stretches does not change its numbers.
    """
    dtype = state.theta.dtype
    numbers = [jnp.asarray(x, dtype) for x in (lr, bound, options.tol)]
    counts = [jnp.asarray(x) for x in (options.hold, options.max_steps, until)]
    return _advance(objective, update_of(options, objective, state.theta), state, *numbers, *counts)


@eqx.filter_jit
def _advance(objective: Objective, update: Update, state: State, lr, bound, tol, hold, max_steps, until) -> State:
    def under_way(s: State):
        return (s.outcome == Status.NOT_RUN) & (s.step < until)

    def step(s: State) -> State:
        if update.batch is None:
            loss, gradient = jax.value_and_grad(objective.loss)(s.theta)
        else:
            loss, gradient = objective.loss(s.theta), update.gradient(objective, s.theta, s.step)
        rising = s.rising + ~(loss <= s.loss * (1 + RISE))  # what is no number has risen
        calm = jnp.where(loss < tol, s.calm + 1, 0)
        ended = jnp.where(s.step >= max_steps, Status.STEP_LIMIT, Status.NOT_RUN)
        ended = jnp.where(loss < bound, ended, Status.DIVERGED)
        ended = jnp.where(calm >= hold, Status.CONVERGED, ended)
        stop = ended != Status.NOT_RUN
        moved = update.moved(s.theta, s.velocity, lr, gradient)
        theta, velocity = jax.tree.map(partial(jnp.where, stop), (s.theta, s.velocity), moved)
        return State(theta, s.step + jnp.where(stop, 0, 1), calm, rising, loss, ended, velocity)

    return jax.lax.while_loop(under_way, step, state)


@eqx.filter_jit
def mean_of_next(
    objective: Objective,
    theta: jax.Array,
    lr: jax.Array,
    steps: int,
    update: Update = PLAIN,
    velocity: jax.Array | None = None,
    taken: jax.Array | int = 0,
) -> jax.Array:
    """The mean of the next weights of descent: oscillation between the walls of a valley averages out.

    With an update of its own, the run goes on from its ``velocity`` and the number of steps ``taken``.
    """

    def step(i, carry):
        theta, velocity, total = carry
        theta, velocity = update.moved(theta, velocity, lr, update.gradient(objective, theta, taken + i))
        return theta, velocity, total + theta

    return jax.lax.fori_loop(0, steps, step, (theta, velocity, jnp.zeros_like(theta)))[2] / steps
