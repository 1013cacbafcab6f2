"""Update rules as their papers write them, of arrays: the twins of the declared steps.

Each takes the weights, a function that gives the loss above its minimum and the gradient anywhere, the learning rate,
the number t of the step and a memory, and returns the next weights.
"""

import numpy as np

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # Adam's own
DECAY_OF_SQUARE, RHO, MAX_NORM, PULL, MOMENTUM = 0.99, 0.05, 0.2, 1e-4, 0.9


def nesterov(theta, at, lr, t, memory):
    """Sutskever et al. 2013 in the weights at which the gradient is taken, as PyTorch and optax have it."""
    g = at(theta)[1]
    memory["v"] = MOMENTUM * memory.get("v", 0.0) + g
    return theta - lr * (g + MOMENTUM * memory["v"])


def sign_descent(theta, at, lr, t, memory):
    return theta - lr * np.sign(at(theta)[1])


def normalized_descent(theta, at, lr, t, memory):
    g = at(theta)[1]
    return theta - lr * g / (np.linalg.norm(g) + EPS)


def clipped_descent(theta, at, lr, t, memory):
    g = at(theta)[1]
    return theta - lr * g * min(1.0, MAX_NORM / np.linalg.norm(g))


def polyak(theta, at, lr, t, memory):
    loss, g = at(theta)
    return theta - min(lr, loss / (g**2).sum()) * g


def rmsprop(theta, at, lr, t, memory):
    g = at(theta)[1]
    memory["nu"] = DECAY_OF_SQUARE * memory.get("nu", 0.0) + (1 - DECAY_OF_SQUARE) * g**2
    return theta - lr * g / (np.sqrt(memory["nu"]) + EPS)


def rmsprop_scalar(theta, at, lr, t, memory):
    g = at(theta)[1]
    memory["nu"] = DECAY_OF_SQUARE * memory.get("nu", 0.0) + (1 - DECAY_OF_SQUARE) * (g**2).sum()
    return theta - lr * g / (np.sqrt(memory["nu"]) + EPS)


def adam(theta, at, lr, t, memory, pull=0.0):
    g = at(theta)[1]
    memory["m"] = BETA1 * memory.get("m", 0.0) + (1 - BETA1) * g
    memory["v"] = BETA2 * memory.get("v", 0.0) + (1 - BETA2) * g**2
    mean, square = memory["m"] / (1 - BETA1 ** (t + 1)), memory["v"] / (1 - BETA2 ** (t + 1))
    return theta - lr * (mean / (np.sqrt(square) + EPS) + pull * theta)


def adamw(theta, at, lr, t, memory):
    return adam(theta, at, lr, t, memory, PULL)


def sam(theta, at, lr, t, memory):
    g = at(theta)[1]
    return theta - lr * at(theta + RHO * g / np.linalg.norm(g))[1]


def sam_max(theta, at, lr, t, memory):
    return theta - lr * at(theta + RHO * np.sign(at(theta)[1]))[1]


PUBLISHED = {
    rule.__name__: rule
    for rule in (
        nesterov, sign_descent, normalized_descent, clipped_descent, polyak, rmsprop, rmsprop_scalar, adam, adamw, sam,
        sam_max,
    )
}  # fmt: skip
