"""The named update rules beside optax's: the largest difference of a weight over 300 steps, in the largest weight.

Polyak's over 12, since steps of its own length amplify rounding twofold each.

    pip install '.[deep]' optax && python tests/benchmarks/optax_rules.py
"""

import jax

jax.config.update("jax_enable_x64", True)  # before any array

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
import optax.contrib  # noqa: E402

from gdbias import sims, theory  # noqa: E402

LR = 1e-3
POLYAK = 100.0  # a bound that its own length stays below
MODEL = theory.difference(2)
PROBLEM = theory.sparse_regression(n=6, d=10, sparsity=3, correlation=0.4, seed=0)
X, Y = jnp.asarray(PROBLEM.X), jnp.asarray(PROBLEM.y)
NORMALIZED = optax.chain(optax.normalize_by_update_norm(eps=1e-8), optax.scale(-LR))


def sam(direction: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    return optax.contrib.sam(optax.sgd(LR), optax.chain(direction, optax.sgd(0.05)), opaque_mode=True)


THEIRS = {
    "nesterov": optax.sgd(LR, 0.9, nesterov=True),
    "sign_descent": optax.sign_sgd(LR),
    "normalized_descent": NORMALIZED,
    "clipped_descent": optax.chain(optax.clip_by_global_norm(0.2), optax.sgd(LR)),
    "polyak": optax.polyak_sgd(POLYAK),
    "rmsprop": optax.rmsprop(LR, 0.99, eps_in_sqrt=False),
    "adam": optax.adam(LR),
    "adamw": optax.adamw(LR),
    "sam": sam(optax.contrib.normalize()),
    "sam_max": sam(optax.scale_by_sign()),
}  # rmsprop_scalar has no counterpart


def loss(theta):
    u, v = theta
    return ((X @ (u * u - v * v) - Y) ** 2).mean() / 2


def their_path(name: str, optimizer, steps: int) -> np.ndarray:
    theta = jnp.asarray(MODEL.theta0(0.1, PROBLEM.d))
    state, path = optimizer.init(theta), []

    def step(theta, state):
        value, gradient = jax.value_and_grad(loss)(theta)
        known = {"polyak": dict(value=value), "sam": dict(grad_fn=lambda p, _: jax.grad(loss)(p))}
        update, state = optimizer.update(gradient, state, theta, **known.get(name.removesuffix("_max"), {}))
        return optax.apply_updates(theta, update), state

    step = jax.jit(step)
    for _ in range(steps):
        theta, state = step(theta, state)
        path.append(np.asarray(theta))
    return np.array(path)


if __name__ == "__main__":
    for name, optimizer in THEIRS.items():
        parameters = {"max_norm": 0.2} if name == "clipped_descent" else {}
        rule = theory.UpdateRule(step=name, momentum=0.9 if name == "nesterov" else 0.0, step_parameters=parameters)
        lr, steps = (POLYAK, 12) if name == "polyak" else (LR, 300)
        run = sims.descend(MODEL, PROBLEM, lr, rule=rule, max_steps=steps, tol=0, record_every=1)
        theirs = their_path(name, optimizer, steps)
        found = np.abs(run.path_theta.values[1:] - theirs).max() / np.abs(theirs).max()
        print(f"{name:20} {found:.1e}   loss {float(run.loss):.3g}", flush=True)
