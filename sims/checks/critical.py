"""Checks of section CRIT."""

import numpy as np

from ...theory import NoInterpolator, Prediction, Problem, derive, difference, power, predict, product, single_point
from ...theory.derivation.landscape import Landscape
from ...theory.prediction.coordinates import doubled
from ...theory.prediction.interior_point import Program
from ...theory.prediction.interpolators import Interpolators
from .. import Status, descend, flow, sweep
from .cases import dense_problem, only_positive, sparse_problem, whole_degree
from .registry import Case, Comparison, Formulas, NotApplicable, check

SIZES = ((1, 4), (3, 8), (5, 12))
MODELS = (power(2), difference(2), product(2), power(3), difference(3), product(3))
SHORT = (power(2), difference(2))


def predicted(case: Case, model, problem: Problem, scale: float = 0.1) -> Prediction:
    """The prediction, if an interpolator lies inside the model's range."""
    pred = predict(model, problem, scale)
    try:
        assert np.isfinite(pred.flow.sharpness)
    except NoInterpolator:
        raise NotApplicable("no interpolator inside the range of the model") from None
    return pred


def between(pred: Prediction, share: float) -> float:
    """The learning rate at this share of the way from lr_critical_final to lr_max."""
    return float(pred.lr_critical_final + share * (pred.lr_max - pred.lr_critical_final))


@check("CRIT-1", cases=6, quick_cases=3)
def order(f: Formulas, case: Case) -> list[Comparison]:
    """The flow integrated in the weights, and the multiplier of the sharpest direction at its end."""
    model = case.choose(MODELS)
    problem = dense_problem(case, *case.choose(SIZES), only_positive(model))
    scale = float(case.rng.uniform(0.1, 0.4))
    pred, run = predicted(case, model, problem, scale), flow(model, problem, scale, tol=1e-13)
    at_end, least = float(run.sharpness), pred.sharpness_min
    lr = float(f.lr_edge(sharpness=at_end))
    rates = [float(f.lr_edge(sharpness=s)) for s in (float(run.sharpness_max), at_end, least)]
    return [
        Comparison(_multiplier(model, problem, pred.flow.theta, lr), -1.0, label=model.name),
        Comparison(pred.lr_critical_final, rates[1]),
        Comparison(pred.lr_max, rates[2]),
        Comparison(rates[0], rates[1], "at_most"),
        Comparison(rates[1], rates[2], "at_most"),
        Comparison(pred.lr_critical, rates[0], "at_most"),  # of the whole path, not of the integrator's points
    ]


def _multiplier(model, problem: Problem, theta: np.ndarray, lr: float, size: float = 1e-5) -> float:
    """Of the sharpest direction in one step of descent, by the steps from its two sides."""
    dynamics = derive(model)
    law, top = dynamics.law.arrays, Landscape(dynamics, problem).sharpness(theta[None]).vector[0]

    def after(t: np.ndarray) -> np.ndarray:
        g = problem.X.T @ (problem.X @ law.effective(*t) - problem.y) / problem.n
        return np.stack(law.step(lr, g, *t))

    return float((top * (after(theta + size * top) - after(theta - size * top))).sum() / (2 * size))


@check("CRIT-2", cases=6, quick_cases=3)
def least_sharpness(f: Formulas, case: Case) -> list[Comparison]:
    """The program with the formula's tangent, against the Hessian there, other interpolators, and its dual."""
    model = case.choose(MODELS)
    coordinates = doubled(model)
    problem = dense_problem(case, *case.choose(SIZES), only_positive(model))
    tangent = f.tangent_product if coordinates.chain else f.tangent_power
    one, two = (float(tangent(beta=b, L=whole_degree(model))) for b in (1.0, 2.0))
    least, beta = _program(problem, one, np.log2(two / one), only_positive(model))
    found = [Comparison(predict(model, problem).sharpness_min, least, label=model.name)]
    theta = coordinates.flattest(beta)
    landscape = Landscape(derive(model), problem)
    top = np.linalg.eigvalsh(landscape.dense_hessian(theta))[-1]
    found.append(Comparison(top, least, scale=1e2 * least))  # solvers are 1e-3 off in weights that are nearly 0
    null = np.linalg.svd(problem.X)[2][problem.n :]
    for _ in range(20):
        other = beta + null.T @ (0.3 * np.abs(beta).min() * case.rng.standard_normal(len(null)))
        if only_positive(model) and (other < 0).any():
            continue
        sharp = np.linalg.eigvalsh(landscape.dense_hessian(coordinates.flattest(other)))[-1]
        found.append(Comparison(sharp, least, "at_least"))
    if whole_degree(model) == 2:
        found.append(Comparison(_dual(problem, 4 * coordinates.rate, only_positive(model)), least))
    return found


def _program(problem: Problem, one: float, exponent: float, positive: bool) -> tuple[float, np.ndarray]:
    """``min lambda_max(X diag(t) X^T) / n`` over ``X beta = y``, ``t >= one |beta|^exponent``."""
    import cvxpy as cp  # takes a second, and few checks need it

    beta, t = cp.Variable(problem.d), cp.Variable(problem.d)
    size = beta if positive else cp.abs(beta)
    power_of = size if abs(exponent - 1) < 1e-12 else cp.power(size, exponent)
    limits: list = [problem.X @ beta == problem.y, t >= one * power_of, *([beta >= 0] if positive else [])]
    if problem.n == 1:
        value = cp.sum(cp.multiply(problem.X[0] ** 2, t))
    else:
        value = cp.lambda_max(problem.X @ cp.diag(t) @ problem.X.T)
    program = cp.Problem(cp.Minimize(value / problem.n), limits)
    program.solve(solver=cp.CLARABEL)
    return float(np.asarray(program.value, dtype=float)), np.asarray(beta.value)


def _dual(problem: Problem, slope: float, positive: bool) -> float:
    """``max y.nu``, ``(X^T nu)_i <= slope x_i^T P x_i / n`` with P >= 0 of trace 1: for degree 2."""
    import cvxpy as cp  # takes a second, and few checks need it

    nu, P = cp.Variable(problem.n), cp.Variable((problem.n, problem.n), PSD=True)
    left = problem.X.T @ nu if positive else cp.abs(problem.X.T @ nu)
    right = cp.hstack([cp.sum(cp.multiply(np.outer(x, x), P)) for x in problem.X.T]) * slope / problem.n
    limits: list = [cp.trace(P) == 1, left <= right]
    program = cp.Problem(cp.Maximize(problem.y @ nu), limits)
    program.solve(solver=cp.CLARABEL)
    return float(np.asarray(program.value, dtype=float))


@check("CRIT-3", cases=9, quick_cases=4)
def stable_or_not(f: Formulas, case: Case) -> list[Comparison]:
    """Runs from beside the flattest interpolator, and from generic starts above lr_max."""
    model = case.choose(SHORT)
    problem = dense_problem(case, *case.choose(((3, 8), (5, 12), (8, 20))), only_positive(model))
    kit = Interpolators(doubled(model), problem)
    b = kit.flattest()[0]
    least = kit.sharpness_of(b)
    theta = b ** (1 / whole_degree(model)) * (1 + 1e-4 * case.rng.standard_normal(b.shape))
    lrs = np.array([0.98, 1.02]) * 2 / least
    ends = [int(descend(model, problem, lr, theta0=theta, max_steps=40_000, track_every=0).status) for lr in lrs]
    far = np.array([1.02, 1.1, 1.3]) * 2 / least
    runs = sweep(model, problem, far, [0.01, 0.1, 1.0], max_steps=10_000, track_every=0)
    converged = lambda status: (np.asarray(status) == Status.CONVERGED).astype(float)  # noqa: E731
    return [
        Comparison(converged(ends), f.stable(lr=lrs, sharpness=least), scale=1.0, label=model.name),
        Comparison(converged(runs.status.values), f.stable(lr=far, sharpness=least), scale=1.0),
    ]


@check("CRIT-4", cases=30, quick_cases=6)
def largest_converging(f: Formulas, case: Case) -> Comparison:
    """The largest converging learning rate of a grid, in steps of about 5% of lr_max."""
    model = case.choose(SHORT)
    problem = sparse_problem(case, *case.choose(((10, 40), (10, 30), (15, 45))), only_positive(model))
    pred = predicted(case, model, problem)
    shares = np.array([0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.01, 1.05])
    runs = sweep(model, problem, shares * pred.lr_max, 0.1, max_steps=40_000, track_every=0, threads=1)
    converged = (runs.status.values == Status.CONVERGED).ravel()
    reached = (shares * pred.lr_max)[converged].max(initial=0.0)
    return Comparison(float(reached), f.lr_reached(sharpness=pred.sharpness_min), label=model.name)


@check("CRIT-5", cases=4, quick_cases=3)
def false_convergence(f: Formulas, case: Case) -> list[Comparison]:
    """How often runs at kappa = 2 hold a tolerance for up to 3 steps, and that none counts as converged."""
    x, y = case.rng.uniform(0.5, 2.0, 2)
    tol, unit = 1e-5 * y**2, (y / x) ** 0.5
    starts = np.sort(unit * np.sqrt(2) * np.abs(np.cos(case.rng.uniform(0, np.pi, 500 if case.quick else 1000))))
    found = []
    for hold in (1, 2) if case.quick else (1, 2, 3):
        runs = sweep(
            power(2), single_point([x], y), 1 / (x * y), starts, max_steps=4000, tol=tol, hold=hold, track_every=0,
            threads=1,
        )  # fmt: skip
        stopped = (runs.status == Status.UNSTABLE_MINIMUM).values
        steps = np.maximum(runs.steps.values - (hold - 1), 0) + 1
        rate = stopped.sum() / steps[runs.status.values != Status.DIVERGED].sum()
        found.append(Comparison(float(rate), f.false_rate(tol=tol, hold=hold, y=y), label=f"hold {hold}"))
        found.append(Comparison(int((runs.status == Status.CONVERGED).sum()), 0, scale=1.0))
    return found


@check("CRIT-6", cases=12, quick_cases=6)
def bracket(f: Formulas, case: Case) -> list[Comparison]:
    """The Hessian at the flattest interpolator, the floor by its multipliers and others, and other interpolators."""
    model = case.choose(MODELS)
    problem = dense_problem(case, *case.choose(SIZES), only_positive(model))
    coordinates, (found, proven) = doubled(model), predict(model, problem).lr_max_bounds
    kit = Interpolators(coordinates, problem)
    theta = coordinates.flattest(coordinates.beta(kit.flattest()[0]))
    top = np.linalg.eigvalsh(Landscape(derive(model), problem).dense_hessian(theta))[-1]
    program, at = kit.program, kit.program.flattest(kit.inside).end
    turns = (np.eye(len(at.M)) + 0.1 * case.rng.standard_normal(at.M.shape) for _ in range(20))
    nus = (at.nu * (1 + 0.1 * case.rng.standard_normal(at.nu.shape)) for _ in range(20))
    others = [_floor(f, program, nu, turn @ at.M @ turn.T) * kit.unit for nu, turn in zip(nus, turns, strict=True)]
    floor, low = _floor(f, program, at.nu, at.M) * kit.unit, float(f.rate(sharpness=proven))
    return [
        Comparison(found, f.rate(sharpness=top), label=model.name),
        Comparison(found, proven),
        Comparison(low, floor),
        Comparison(np.array(others), low, "at_most"),
        Comparison(np.array([kit.sharpness_of(b) for b in _others(case, kit)]), low, "at_least"),
    ]


def _floor(f: Formulas, program: Program, nu: np.ndarray, M: np.ndarray) -> float:
    """What S is never below, by the formulas, in the units of the program."""
    m, pulled = program.squares(M / np.trace(M)), np.maximum(nu @ program.C, 0)
    gain, on, L = float(program.t @ nu), pulled > 0, 2 / (2 - program.power)
    if gain <= 0:
        return 0.0
    if program.power == 1:
        return float(f.floor_two(gain=gain, steepest=(pulled[on] / m[on]).max()))
    return float(f.floor(gain=gain, cost=f.cost(m=m[on], pulled=pulled[on], L=L).sum(), L=L))


def _others(case: Case, kit: Interpolators) -> list[np.ndarray]:
    """Interpolators at random, (block, d) each: the one inside, moved along the null space as far as all stay >= 0."""
    signs, moved = kit.coordinates.signs, []
    null = np.linalg.svd(kit.problem.X)[2][np.linalg.matrix_rank(kit.problem.X) :]
    for _ in range(10):
        b = kit.whole(kit.inside)
        step = null.T @ case.rng.standard_normal(len(null))
        share = np.stack([sign * step for sign in signs]) / len(signs)
        shrink = float((-share / b)[kit.there].max())
        moved.append(b + share * case.rng.uniform(0, 0.9) / max(shrink, 1e-300))
    return moved


@check("CRIT-7", cases=30, quick_cases=9)
def divergence(f: Formulas, case: Case) -> Comparison:
    """Runs on both sides of the learning rate."""
    model = case.choose(SHORT)
    n, d = case.choose(((1, 1), (4, 20), (6, 30)))
    problem = dense_problem(case, 1, 1, True) if d == 1 else sparse_problem(case, n, d, only_positive(model))
    pred = predicted(case, model, problem)
    lr = float(f.lr_divergence(sharpness=pred.sharpness_max))
    if d > 1 and 1.07 * float(pred.lr_critical) * 2 > pred.lr_max:
        raise NotApplicable("above lr_max")
    runs = sweep(model, problem, np.array([0.93, 1.07]) * lr, 0.1, max_steps=5_000, track_every=0, threads=1)
    return Comparison((runs.status.values == Status.DIVERGED).ravel().astype(float), np.array([0.0, 1.0]), scale=1.0)
