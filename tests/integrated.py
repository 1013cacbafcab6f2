"""Problems, and gradient flow on them integrated in the weights: shares no code with the predictions."""

import numpy as np
from scipy.integrate import solve_ivp

import reference
from gdbias import theory


def integrate(gradient, theta0, arrived=1e-9):
    """``d theta / dt = -gradient(theta)`` until the gradient has shrunk by ``arrived``."""

    def velocity(_, flat):
        return -gradient(flat.reshape(theta0.shape)).ravel()

    def slow(_, flat):
        return np.linalg.norm(velocity(0, flat)) - arrived * scale

    slow.terminal = True
    early = solve_ivp(velocity, (0, 1), theta0.ravel(), "LSODA", rtol=1e-4)
    scale = np.linalg.norm(velocity(0, early.y[:, -1]))  # not at the start, which may be close to a saddle
    return solve_ivp(
        velocity, (0, 1e9), theta0.ravel(), "LSODA", rtol=1e-10, atol=1e-13, events=slow, dense_output=True
    )


def flow_of(family, L, theta0, problem, **options):
    return integrate(lambda theta: reference.gradient(family, L, theta, problem.X, problem.y), theta0, **options)


def random_problem(family, seed, n=2, d=4):
    rng = np.random.default_rng([seed, reference.FAMILIES.index(family)])
    X, y, _ = reference.random_problem(rng, n, d, positive=family == "power")
    return theory.Problem(X, y), rng


def close(beta, expected, tolerance=1e-7):
    return np.linalg.norm(beta - expected) <= tolerance * np.linalg.norm(expected)


def labels(separable):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    y = np.sign(X @ [1.0, -2.0, 0.5])
    return theory.Problem(X, y if separable else np.where(rng.uniform(size=40) < 0.2, -y, y), loss="logistic")
