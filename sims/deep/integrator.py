"""A stabilised Runge-Kutta method for gradient flow: stiff, yet made of gradients alone."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .backend import eqx, jax, jnp
from .training_loss import Objective

STAGES = 40  # most of one step; stability grows with the square


class Step(NamedTuple):
    """One step: the new weights, loss and velocity there, and the estimated local error."""

    theta: jax.Array
    loss: jax.Array
    velocity: jax.Array
    error: jax.Array  # l2 norm


@eqx.filter_jit
def start(objective: Objective, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Loss and velocity at theta."""
    loss, gradient = jax.value_and_grad(objective.loss)(theta)
    return loss, -gradient


def stages(z: float) -> int:
    """Stages for which a step of ``z = time * largest eigenvalue`` is stable."""
    return max(2, int(np.ceil(np.sqrt(1 + 1.54 * z))))


def longest(stages: int) -> float:
    """The largest z that so many stages are stable for."""
    return (stages**2 - 1) / 1.54


def step(
    objective: Objective,
    theta: jax.Array,
    velocity: jax.Array,
    time: float,
    stages: int,
    force: jax.Array | None = None,
) -> Step:
    """One step of ``d theta / dt = -grad L(theta) - force`` by the second-order Runge-Kutta-Chebyshev method.

    A force is constant within the step, and none is no force. The stages follow the three-term recurrence of the
    shifted Chebyshev polynomials, so that s stages are stable on the negative real axis up to ``0.65 s^2``: gradient
    flow's Jacobian, minus a Hessian, has real eigenvalues. (Sommeijer, Shampine and Verwer 1998, J. Comput. Appl.
    Math. 88, 315.)
    """
    count, rows = jnp.asarray(stages), _coefficients(stages)
    return _step(objective, theta, velocity, jnp.asarray(time, theta.dtype), count, rows, force)


@eqx.filter_jit
def _step(objective: Objective, theta, velocity, time, stages, rows, force) -> Step:
    rows = jnp.asarray(rows, theta.dtype)

    def pushed(slope):
        return slope if force is None else slope - force

    def stage(j, carry):
        before, last = carry
        mu, nu, mu_slope, gamma = rows[j, 0], rows[j, 1], rows[j, 2], rows[j, 3]
        slope = pushed(-objective.gradient(last))
        new = (1 - mu - nu) * theta + mu * last + nu * before
        return last, new + time * (mu_slope * slope + gamma * velocity)

    first = theta + rows[1, 2] * time * velocity
    _, new = jax.lax.fori_loop(2, stages + 1, stage, (theta, first))
    loss, gradient = jax.value_and_grad(objective.loss)(new)
    after = pushed(-gradient)
    error = 0.8 * (theta - new) + 0.4 * time * (velocity + after)
    return Step(new, loss, after, jnp.linalg.norm(error))


@lru_cache(maxsize=STAGES)
def _coefficients(s: int) -> np.ndarray:
    """Rows mu, nu, mu tilde, gamma tilde for stages 0 ... s; all have one shape, so that one program serves."""
    w0 = 1 + 2 / 13 / s**2
    T, dT, ddT = np.zeros(STAGES + 1), np.zeros(STAGES + 1), np.zeros(STAGES + 1)
    T[:2], dT[1] = (1, w0), 1
    for j in range(2, s + 1):
        T[j] = 2 * w0 * T[j - 1] - T[j - 2]
        dT[j] = 2 * T[j - 1] + 2 * w0 * dT[j - 1] - dT[j - 2]
        ddT[j] = 4 * dT[j - 1] + 2 * w0 * ddT[j - 1] - ddT[j - 2]
    w1 = dT[s] / ddT[s]
    b = np.zeros(STAGES + 1)
    b[2 : s + 1] = ddT[2 : s + 1] / dT[2 : s + 1] ** 2
    b[0], b[1] = b[2], 1 / w0
    rows = np.zeros((STAGES + 1, 4))
    rows[1, 2] = b[1] * w1
    for j in range(2, s + 1):
        mu, nu, mu_slope = 2 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2], 2 * b[j] * w1 / b[j - 1]
        rows[j] = mu, nu, mu_slope, -(1 - b[j - 1] * T[j - 1]) * mu_slope
    return rows
