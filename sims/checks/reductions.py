"""Checks of section RED: two runs from corresponding weights, side by side."""

import numpy as np

from ...theory import Parameterization, Problem, difference, power, product
from .cases import beginning, dense_problem, plain_run
from .points import Point, interpolating
from .registry import Case, Comparison, Formulas, check

STEPS = 200
RATE = 0.8  # over the sharpness at the start, so that no run blows up


@check("RED-1")
def one_power(f: Formulas, case: Case) -> list[Comparison]:
    """200 steps of both runs: weights, and the largest Hessian eigenvalue before and after."""
    depth, n = case.choose((2, 3, 4)), case.choose((3, 1, 4))
    first = difference(depth)
    problem, theta = beginning(case, first, n, 4)
    lr = _rate(first, problem, theta)
    doubled = Problem(np.hstack([problem.X, f.mirrored(x=problem.X)]), problem.y)
    whole = np.hstack([f.u(w=theta[0]), f.v(w=theta[1])])[None]
    comparisons = []
    for steps in (0, STEPS):
        a = plain_run(first, problem, lr, theta, steps)
        b = plain_run(power(depth), doubled, float(f.learning_rate(lr=lr)), whole, steps)
        comparisons.append(Comparison(a.theta.values.reshape(1, -1), b.theta.values, label=f"L = {depth}"))
        comparisons.append(Comparison(a.sharpness.item(), f.sharpness(S=b.sharpness.item())))
    return comparisons


@check("RED-2")
def rotated(f: Formulas, case: Case) -> list[Comparison]:
    """200 steps of both runs: weights, and the largest Hessian eigenvalue before and after."""
    first, second = product(2), difference(2)
    problem, theta = beginning(case, first, case.choose((3, 1, 4)), 4)
    lr = _rate(first, problem, theta)
    comparisons = []
    for steps in (0, STEPS):
        a = plain_run(first, problem, lr, theta, steps)
        b = plain_run(second, problem, float(f.learning_rate(lr=lr)), _both(f, theta), steps)
        comparisons.append(Comparison(_both(f, a.theta.values), b.theta.values))
        comparisons.append(Comparison(a.sharpness.item(), f.sharpness(S=b.sharpness.item())))
    return comparisons


@check("RED-3")
def balanced(f: Formulas, case: Case) -> list[Comparison]:
    """200 steps of both runs, and both Hessian spectra at an interpolator with some negative coefficients."""
    depth, n, d = case.choose((2, 3, 4)), case.choose((3, 1, 2)), 4
    chain, one = product(depth), power(depth)
    w, sign = case.rng.uniform(0.5, 1.0, d), case.rng.choice([-1.0, 1.0], d)
    layers = np.repeat(f.factor(w=w)[None], depth, axis=0)
    layers[0] *= sign
    problem = dense_problem(case, n, d, positive=True)  # as w^L sees it; the chain sees columns with the signs
    turned = Problem(problem.X * sign, problem.y)
    lr = _rate(chain, turned, layers)
    a = plain_run(chain, turned, lr, layers, STEPS)
    b = plain_run(one, problem, float(f.learning_rate(lr=lr, L=depth)), w[None], STEPS)
    after = np.repeat(f.factor(w=b.theta.values[0])[None], depth, axis=0)
    after[0] *= sign
    mine, theirs = (
        np.linalg.eigvalsh(interpolating(model, p.X, theta).differentiated()[1])
        for model, p, theta in ((chain, turned, layers), (one, problem, w[None]))
    )
    flat = np.abs(mine) < 1e-10 * mine[-1]
    return [
        Comparison(a.theta.values, after, label=f"L = {depth}"),
        Comparison(mine[-1], f.sharpness(S=theirs[-1], L=depth)),
        Comparison(flat.sum(), f.flat_directions(L=depth, d=d) + d - n, label="Hessian eigenvalues 0"),
    ]


def _rate(model: Parameterization, problem: Problem, theta: np.ndarray) -> float:
    point = Point(model, problem, theta)
    sizes = np.linalg.eigvalsh(problem.X * point.tangents @ problem.X.T / problem.n)
    return RATE / sizes[-1]


def _both(f: Formulas, theta: np.ndarray) -> np.ndarray:
    return np.stack([f.u(u=theta[0], v=theta[1]), f.v(u=theta[0], v=theta[1])])
