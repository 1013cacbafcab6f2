"""Checks of section FRO."""

import mpmath
import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import bisect, linprog

from ...theory import Problem, derive, difference, power, product, single_point
from ...theory.derivation.landscape import Landscape
from ...theory.prediction.constrained import constrained_flow
from ...theory.prediction.coordinates import Doubled, doubled
from ...theory.prediction.interpolators import Interpolators
from .cases import dense_problem, only_positive, plain_run, sparse_problem, whole_degree
from .critical import between, predicted
from .mirror import clock, weight_at
from .points import slope_at_0
from .registry import Case, Comparison, Formulas, check

POWERS = (power(2), power(3), power(4))
FINE = 1e-6  # accuracy of a weight in a step of the constrained flow
SHORT = (power(2), difference(2), power(3))


def _sharpness(model, X: np.ndarray, w: np.ndarray) -> float:
    """The Hessian's largest eigenvalue at the weights, for the targets that they fit."""
    landscape = Landscape(derive(model), Problem(X, X @ w ** whole_degree(model)))
    return float(np.linalg.eigvalsh(landscape.dense_hessian(w[None]))[-1])


def _pull(model, X: np.ndarray, w: np.ndarray) -> np.ndarray:
    """``X^T u`` of the top eigenvector of the tangent kernel."""
    scaled = X * np.broadcast_to(derive(model).law.arrays.jacobian(w)[0], w.shape)
    return X.T @ np.linalg.eigh(scaled @ scaled.T)[1][:, -1]


@check("FRO-1", cases=6, quick_cases=3)
def drift(f: Formulas, case: Case) -> list[Comparison]:
    """Two steps with opposite residuals in 40 digits, and the sharpness by finite differences."""
    model = case.choose(POWERS)
    L, n, d = whole_degree(model), *case.choose(((1, 3), (3, 5), (4, 7)))
    X, w, lr = case.rng.standard_normal((n, d)), case.rng.uniform(0.4, 1.2, d), float(case.rng.uniform(0.05, 0.5))
    pull = _pull(model, X, w)
    at = dict(L=L, beta=w**L, pull=pull, n=n)
    moved = [
        _mean_change(mpmath.mpf(a), mpmath.mpf(q) / n, lr, L) for a, q in zip(w.tolist(), pull.tolist(), strict=True)
    ]
    slopes = []
    for i in range(d):
        unit = np.eye(d)[i] * w[i] ** L
        bumped = lambda t, unit=unit: _sharpness(model, X, (w**L + t * unit) ** (1 / L))  # noqa: E731
        slopes.append(slope_at_0(bumped, 1e-3) / w[i] ** L)
    return [
        Comparison(np.array(moved), f.drift(lr=lr, **at), label=model.name),
        Comparison(np.array(slopes), f.sharpness_slope(**at)),
    ]


def _mean_change(w, g, lr: float, L: int) -> float:
    """Of the clock, over two steps with the slopes g and -g, to second order."""

    def change(size):
        moved = (w - lr * L * w ** (L - 1) * s * size * g for s in (1, -1))
        return sum(clock(end, L, mpmath.log) - clock(w, L, mpmath.log) for end in moved) / 2

    with mpmath.workdps(40):
        return float(mpmath.diff(change, 0, 2) / 2)


def _constrained_case(case: Case, model, exact_drift: bool):
    """A dense problem between the critical learning rates, and its constrained flow."""
    problem = dense_problem(case, *case.choose(((2, 5), (3, 8), (4, 10))), only_positive(model))
    pred = predicted(case, model, problem, float(case.rng.uniform(0.1, 0.3)))
    lr = between(pred, float(case.rng.uniform(0.3, 0.8)))
    coordinates = doubled(model)
    w0 = coordinates.start(pred.starts[0])
    states = constrained_flow(coordinates, problem, w0, lr, exact_drift, record_every=1, accuracy=FINE)
    return problem, coordinates, w0, lr, states


@check("FRO-2", cases=6, quick_cases=3)
def constrained(f: Formulas, case: Case) -> list[Comparison]:
    """The endpoint's clock against its one matrix M, which is positive; the sharpness against its cap."""
    model = case.choose((power(2), difference(2), product(2)))
    problem, coordinates, w0, lr, states = _constrained_case(case, model, exact_drift=False)
    X, _, _ = problem.projected
    moving = w0 > 0
    columns = np.concatenate([s * X for s in coordinates.signs], axis=1)[:, moving.ravel()]
    push = np.einsum("ai,ab,bi->i", columns, states.multiplier, columns)
    change = 2 * np.log(np.sqrt(states.b[-1][moving]) / w0[moving])
    pushed, unit = f.clock_change(dual=0.0, push=push, n=problem.n), f.clock_change(dual=1.0, push=0.0, n=problem.n)
    nu = np.linalg.lstsq(columns.T * unit, change - pushed)[0]
    kit = Interpolators(coordinates, problem)
    sharpness = np.array([kit.sharpness_of(b) for b in states.b])
    spectrum = np.linalg.eigvalsh(states.multiplier)
    return [
        Comparison(change, pushed + unit * (columns.T @ nu), label=model.name),
        Comparison(sharpness.max(), f.cap(lr=lr)),
        Comparison(spectrum.min(), 0.0, "at_least", scale=spectrum.max()),
        Comparison(float(np.linalg.norm(X @ coordinates.beta(states.b[-1]) - problem.projected[1])), 0.0,
                   scale=10 * float(np.linalg.norm(problem.y))),
    ]  # fmt: skip


@check("FRO-3", cases=6, quick_cases=3)
def spent_divergence(f: Formulas, case: Case) -> list[Comparison]:
    """The flow without constraint by an ODE solver, and the constrained one to the flattest interpolator."""
    model = case.choose(SHORT)
    problem, coordinates, w0, _, states = _constrained_case(case, model, exact_drift=False)
    L = coordinates.degree
    name = f.divergence_two if L == 2 else f.divergence_more
    moving = w0 > 0

    def divergence(beta: np.ndarray, b: np.ndarray) -> float:
        at = dict(beta=np.maximum(beta, 1e-13)[moving], beta_0=b[moving]) | ({} if L == 2 else {"L": L})
        return float(np.sum(name(**at))) / coordinates.rate

    kit = Interpolators(coordinates, problem, moving)
    flattest = kit.flattest()[0]
    left = np.array([divergence(flattest, b) for b in states.b])
    losses = problem.loss_at(np.array([coordinates.beta(b) for b in states.b]))
    free, spent = _free_flow(coordinates, problem, w0)
    before, after = (divergence(flattest, b) for b in (w0**L, free))
    return [
        Comparison(spent, f.budget(divergence=before - after), label=model.name),
        Comparison(np.trapezoid(losses, states.time), f.budget(divergence=left[0] - left[-1]), "at_most"),
        Comparison(left[1:], left[:-1], "at_most", scale=left[0]),
    ]


def _free_flow(coordinates, problem: Problem, w0: np.ndarray) -> tuple[np.ndarray, float]:
    """Gradient flow of w (block, d) for a while: where it is, and the loss summed over time."""
    L, size = coordinates.degree, w0.size

    def velocity(_, state):
        w = state[:size].reshape(w0.shape)
        residual = problem.X @ coordinates.beta(w**L) - problem.y
        g = coordinates.signs[:, None] * (problem.X.T @ residual) / problem.n
        return np.append(-coordinates.rate * L * w ** (L - 1) * g, residual @ residual / (2 * problem.n))

    end = solve_ivp(velocity, (0, 30.0), np.append(w0, 0.0), "LSODA", rtol=1e-10, atol=1e-12).y[:, -1]
    return end[:size].reshape(w0.shape) ** L, float(end[-1])


@check("FRO-4", cases=6, quick_cases=3)
def implicit_steps(f: Formulas, case: Case) -> list[Comparison]:
    """One sample: both predictors, and the least l1 norm; more samples: one implicit step and twelve of the flow."""
    return _one_sample(f, case) + _twelve_steps(f, case)


def _one_sample(f: Formulas, case: Case) -> list[Comparison]:
    """Against the closed form, whose two multipliers are found by bisection."""
    model = case.choose((power(2), difference(2)))
    signs = 1.0 if only_positive(model) else case.rng.choice([-1.0, 1.0], 4)
    problem = single_point(case.rng.uniform(0.4, 2.0, 4) * signs, float(case.rng.uniform(0.5, 2.0)))
    pred = predicted(case, model, problem, float(case.rng.uniform(0.05, 0.3)))
    lr, coordinates = between(pred, float(case.rng.uniform(0.1, 0.8))), doubled(model)
    x, cap = coordinates.signs[:, None] * problem.X, 2 / lr
    most = 5000.0  # of mu: ln(1 / start) / (x_i x_j) at most
    reach = (700 + most * np.abs(x).max() ** 2) / np.abs(x).min()

    def end(start: np.ndarray) -> np.ndarray:
        def at(mu: float) -> np.ndarray:
            b = lambda nu: f.beta(beta_0=start, nu=nu, mu=mu, x=x)  # noqa: E731
            with np.errstate(over="ignore"):
                return b(bisect(lambda nu: (x * b(nu)).sum() - problem.y[0], -reach, reach, xtol=1e-13))

        sharpness = lambda mu: f.sharpness(beta=at(mu), x=x).sum() * coordinates.rate  # noqa: E731
        return at(bisect(lambda mu: sharpness(mu) - cap, 0.0, most, xtol=1e-12))

    w0 = coordinates.start(pred.starts[0])
    expected = coordinates.beta(end(w0**2))
    flow = constrained_flow(coordinates, problem, w0, lr, exact_drift=False)
    limit = linprog(
        np.ones(x.size), 4 * coordinates.rate * x.reshape(1, -1) ** 2, [cap], x.reshape(1, -1), problem.y
    )  # of coefficients >= 0
    return [
        Comparison(pred.endpoint(lr, "bregman").beta, expected, label=model.name),
        Comparison(coordinates.beta(flow.b[-1]), expected, label=model.name),
        Comparison(end(np.full(x.shape, 1e-280)).sum(), limit.fun, label=f"{model.name}, l1 norm, tiny start"),
    ]


def _twelve_steps(f: Formulas, case: Case) -> list[Comparison]:
    """Distances from the end of the flow; eleven steps are equally long parts of its way to a small loss."""
    model = case.choose((power(2), difference(2)))
    problem = sparse_problem(case, *case.choose(((3, 12), (5, 20), (6, 18))), only_positive(model))
    pred = predicted(case, model, problem)
    lr, coordinates = between(pred, float(case.rng.uniform(0.3, 0.6))), doubled(model)
    w0 = coordinates.start(pred.starts[0])
    states = constrained_flow(coordinates, problem, w0, lr, exact_drift=False, record_every=1)
    betas = np.array([coordinates.beta(b) for b in states.b])
    losses = problem.loss_at(betas)
    last = int(np.argmax(losses < 1e-5 * losses[0]))
    moved = np.linalg.norm(np.diff(np.sqrt(states.b).reshape(len(betas), -1), axis=0), axis=1)
    way = np.append(0.0, np.cumsum(moved))[: last + 1]  # of the weights
    times = np.interp(np.linspace(0, way[-1], 12), way, states.time[: last + 1])
    one, twelve = (_implicit(coordinates, problem, w0**2, lr, at) for at in (times[:1], times))
    far, near = (float(np.linalg.norm(end - betas[-1]) / np.linalg.norm(betas[-1])) for end in (one, twelve))
    return [
        Comparison(pred.endpoint(lr, "bregman").beta, one, label=f"{model.name}, one step"),
        Comparison(near, f.remaining(error=far), "at_most", scale=1.0, label=f"{model.name}, twelve steps"),
    ]


def _implicit(coordinates: Doubled, problem: Problem, b: np.ndarray, lr: float, times: np.ndarray) -> np.ndarray:
    """``argmin D_psi(b, b_before) + h L(b)`` over S <= 2 / lr from time to time, and then onto the interpolators."""
    import cvxpy as cp  # takes a second, and few checks need it

    X, y, _ = problem.projected
    scale, block = np.linalg.norm(y) / np.linalg.norm(X, 2), cp.Variable(b.shape, nonneg=True)
    log_before, h = cp.Parameter(b.shape), cp.Parameter(nonneg=True)
    residual = (coordinates.signs @ block) @ X.T * scale - y
    divergence = -(cp.sum(cp.entr(block)) + cp.sum(cp.multiply(block, 1 + log_before))) / (4 * coordinates.rate)
    kernel = X @ cp.diag(4 * coordinates.rate * scale / problem.n * cp.sum(block, axis=0)) @ X.T
    held: list = [cp.lambda_max(kernel) <= 2 / lr]
    slow = cp.Problem(cp.Minimize(divergence + h / scale * cp.sum_squares(residual) / (2 * problem.n)), held)
    last = cp.Problem(cp.Minimize(divergence), [residual / np.linalg.norm(y) == 0, *held])
    for step in [*np.diff(times), None]:
        program = last if step is None else slow
        h.value, log_before.value = step or 0.0, np.log(np.maximum(b / scale, 1e-300))
        program.solve(solver=cp.CLARABEL)
        b = np.asarray(block.value) * scale
    return coordinates.beta(b)


@check("FRO-5", cases=6, quick_cases=3)
def exact_drift(f: Formulas, case: Case) -> list[Comparison]:
    """The clock before and after a run's one step, and the sharpness along the push by finite differences."""
    model = case.choose(POWERS)
    L, n, d = whole_degree(model), *case.choose(((1, 3), (3, 5), (4, 7)))
    problem, w = dense_problem(case, n, d, positive=True), case.rng.uniform(0.4, 1.2, d)
    lr = float(case.rng.uniform(0.05, 0.3)) / float(np.linalg.norm(problem.X, 2))
    run = plain_run(model, problem, lr, w[None], 1, tol=1e-300)
    g = problem.X.T @ (problem.X @ w**L - problem.y) / n
    change = clock(run.theta.values[0], L, lambda w: np.log(abs(w))) - clock(w, L)
    predicted_change = f.increment_two(lr=lr, g=g) if L == 2 else f.increment_more(lr=lr, g=g, w=w, L=L)
    pull = _pull(model, problem.X, w)
    push = 2 * L * (L - 1) * w ** (L - 2) * pull**2 / n
    steepness = f.steepness(L=L, beta=w**L, pull=pull, n=n).sum()
    along = lambda t: _sharpness(model, problem.X, weight_at(clock(w, L) + t * push, L))  # noqa: E731
    return [
        Comparison(change, predicted_change, label=model.name),
        Comparison(slope_at_0(along, 3e-4 / np.abs(push).max()), steepness),
    ]
