"""Checks of section INV: along gradient flow, step by step along descent, and in 60 digits."""

from itertools import combinations

import numpy as np
from mpmath import matrix, mp, mpf

from ...theory import Parameterization, Problem, difference, power, product
from .. import flow
from .cases import beginning, dense_problem, plain_run, unequal_weights
from .mirror import value
from .points import Point
from .registry import Case, Comparison, Formulas, check

STEPS = 40
DUALS = {  # the dual variable of each model, and what a step adds to it where that has a closed form
    power(2): ("dual_2", None),
    difference(2): ("dual_difference", "change_difference"),
    power(3): ("dual", None),
    product(2): ("dual_product", "change_product"),
}
LARGEST = 0.45  # of the first step's relative change of a weight


@check("INV-1")
def hyperbola(f: Formulas, case: Case) -> list[Comparison]:
    """u v along the flow, and its factor at each of 40 steps."""
    _, theta, along, (before, after, g, lr) = _courses(case, difference(2))
    return [
        Comparison(_uv(f.invariant, along), f.invariant(u=theta[0], v=theta[1]) + 0 * along[:, 0]),
        Comparison(_uv(f.invariant, after), _uv(f.invariant, before) * f.factor(lr=lr, g=g)),
    ]


@check("INV-2")
def powers(f: Formulas, case: Case) -> list[Comparison]:
    """The sum along the flow, at each of 40 steps, and its second order from a step in 60 digits."""
    depth = case.choose((3, 4, 5))
    _, theta, along, (before, after, g, lr) = _courses(case, difference(depth))
    start = f.invariant(u=theta[0], v=theta[1], L=depth)
    predicted = f.after_step(u=before[:, 0], v=before[:, 1], g=g, lr=lr, L=depth)
    with mp.workdps(60):
        tiny, raised = mpf("1e-18"), []
        for u, v, pull in zip(*(list(map(mpf, map(float, row))) for row in (*theta, g[0])), strict=True):
            u_next, v_next = u - tiny * depth * u ** (depth - 1) * pull, v + tiny * depth * v ** (depth - 1) * pull
            raised.append(float((f.invariant(u=u_next, v=v_next, L=depth) - f.invariant(u=u, v=v, L=depth)) / tiny**2))
    return [
        Comparison(_uv(f.invariant, along, L=depth), start + 0 * along[:, 0], label=f"L = {depth}"),
        Comparison(_uv(f.invariant, after, L=depth), predicted),
        Comparison(np.array(raised), f.second_order(u=theta[0], v=theta[1], g=g[0], L=depth), label="second order"),
    ]


@check("INV-3")
def layer_gap(f: Formulas, case: Case) -> list[Comparison]:
    """u1^2 - u2^2 along the flow, and its factor at each of 40 steps."""
    _, theta, along, (before, after, g, lr) = _courses(case, product(2))

    def gap(states):
        return f.invariant(u1=states[:, 0], u2=states[:, 1])

    return [
        Comparison(gap(along), gap(theta[None]) + 0 * along[:, 0]),
        Comparison(gap(after), gap(before) * f.factor(lr=lr, g=g)),
    ]


@check("INV-4")
def any_two_layers(f: Formulas, case: Case) -> list[Comparison]:
    """Every pair of layers along the flow, and its factor at each of 40 steps."""
    depth = case.choose((3, 2, 4))
    _, theta, along, (before, after, g, lr) = _courses(case, product(depth))
    comparisons = []
    for p, q in combinations(range(depth), 2):
        others = np.delete(before, (p, q), axis=1).prod(axis=1)

        def gap(states, p=p, q=q):
            return f.invariant(u_p=states[:, p], u_q=states[:, q])

        comparisons.append(Comparison(gap(along), gap(theta[None]) + 0 * along[:, 0], label=f"L = {depth}"))
        comparisons.append(Comparison(gap(after), gap(before) * f.factor(lr=lr, g=g, others=others)))
    return comparisons


@check("INV-5", cases=8, quick_cases=4)
def kernel_sums(f: Formulas, case: Case) -> list[Comparison]:
    """V psi'(beta) for a basis V of the kernel of X: along the flow, and after steps."""
    model = case.choose(tuple(DUALS))
    # Layers far apart: a dual variable that is a logarithm of their difference needs its digits.
    lift = 1.0 if len(model.weights) == 2 else 0.0
    problem, theta, along, (before, after, g, lr) = _courses(case, model, case.choose((2, 1, 3)), lift)
    V, L = np.linalg.svd(problem.X)[2][problem.n :], model.degree

    def dual(states):
        return _dual(f, model, np.moveaxis(states, 1, 0))

    start = dual(theta[None])
    size = np.abs(dual(along)).max()
    found = [Comparison((dual(along) - start) @ V.T, 0.0, scale=size, label=model.name)]
    if (change := DUALS[model][1]) is not None:
        found.append(Comparison((dual(after) - dual(before))[0] @ V.T, f[change](lr=lr, g=g)[0] @ V.T, label="a step"))
        return found
    measured = _second_order(f, model, problem, theta[0], V[0])
    predicted = V[0] @ f.change(w=theta[0], g=g[0], lr=1.0, L=L)
    return [*found, Comparison(measured, predicted, label="second order")]


@check("INV-6")
def counts(f: Formulas, case: Case) -> list[Comparison]:
    """Ranks of what runs towards several targets span: steps within a coordinate, flows in the duals of w^L."""
    one, several = case.choose((power(2), power(3))), case.choose((product(3), power(2), difference(3)))
    problem = dense_problem(case, case.choose((2, 1, 3)), 5, positive=True)
    theta, many = (unequal_weights(case, model, problem.d) for model in (one, several))
    duals, steps = [], []
    for _ in range(problem.n + 2):
        towards = Problem(problem.X, problem.X @ case.rng.uniform(0.3, 1.0, problem.d))
        duals.append(_dual(f.of("INV-5"), one, _flow(one, towards, theta)[-1]) - _dual(f.of("INV-5"), one, theta))
        steps.append(plain_run(several, towards, 0.01, many, 1).theta.values - many)
    inside = [len(many) - _rank(np.array(steps)[:, :, i]) for i in range(problem.d)]
    return [
        Comparison(problem.d - _rank(np.array(duals)), f.across_coordinates(n=problem.n, d=problem.d), label=one.name),
        Comparison(np.array(inside), f.in_a_coordinate(m=len(many)), label=several.name),
    ]


def _rank(rows: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(rows, tol=1e-8 * np.abs(rows).max()))


def _courses(case: Case, model: Parameterization, n: int | None = None, lift: float = 0.0):
    """A problem, a start, the states of a flow from it (T, weight, feature), and 40 steps: before, after, g, lr.

    ``lift`` raises the first weight of each coordinate.
    """
    problem, theta = beginning(case, model, case.choose((3, 1, 2)) if n is None else n, 5)
    theta[0] += lift
    slopes, g = Point(model, problem, theta).slopes, Point(model, problem, theta).g
    lr = case.rng.uniform(0.3, 1.0) * LARGEST / np.abs(slopes * g / theta).max()
    states = plain_run(model, problem, lr, theta, STEPS, record_every=1, tol=1e-300).path_theta.values
    g = np.stack([Point(model, problem, state).g for state in states[:-1]])
    return problem, theta, _flow(model, problem, theta), (states[:-1], states[1:], g, lr)


def _flow(model: Parameterization, problem: Problem, theta: np.ndarray) -> np.ndarray:
    return flow(model, problem, theta0=theta, rtol=1e-13, tol=1e-12).path_theta.values


def _uv(formula, states: np.ndarray, **values) -> np.ndarray:
    return formula(u=states[:, 0], v=states[:, 1], **values)


def _dual(f: Formulas, model: Parameterization, theta: np.ndarray) -> np.ndarray:
    weights = {w.name: row for w, row in zip(model.weights, theta, strict=True)}
    return value(f[DUALS[model][0]], **weights, L=model.degree)


def _second_order(f: Formulas, model: Parameterization, problem: Problem, w: np.ndarray, v: np.ndarray) -> float:
    """``v . (change of the dual) / lr^2`` for a step of w^L in 60 digits, v projected onto the kernel as precisely."""
    with mp.workdps(60):
        X, tiny, L = matrix(problem.X.tolist()), mpf("1e-18"), int(model.degree or 0)
        along = matrix(v.tolist())
        along -= X.T * mp.lu_solve(X * X.T, X * along)
        start = [mpf(float(x)) for x in w]
        g = X.T * (X * matrix([x**L for x in start]) - matrix(problem.y.tolist())) / problem.n
        moved = [x - tiny * L * x ** (L - 1) * pull for x, pull in zip(start, g, strict=True)]
        # A formula with a logarithm is NumPy's, in double precision: only its factor is taken from it.
        dual = mp.log if L == 2 else lambda x: f.dual(w=x, L=L)
        scale = float(f.dual_2(w=np.e)) if L == 2 else 1.0
        return scale * float(
            sum(a * (dual(b) - dual(c)) for a, b, c in zip(along, moved, start, strict=True)) / tiny**2
        )
