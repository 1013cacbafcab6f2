"""Checks of section GF."""

import mpmath
import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp
from scipy.optimize import linprog, nnls

from ...theory import NoInterpolator, Parameterization, Problem, derive, difference, power, product
from ...theory.prediction.dual import dual_root
from ...theory.prediction.transport import Transport
from .. import descend, flow
from .cases import beginning, beta_of, dense_problem, only_positive, unequal_weights
from .mirror import endpoint_of, flow_beside_clock, slope, starts, value
from .registry import Case, Comparison, Formulas, NotApplicable, check

ROUTES = (
    (power(2), "power_2"), (difference(2), "difference_2"), (power(3), "power_L"), (product(2), "product_2"),
    (difference(3), "difference_L"), (power(4), "power_L"), (difference(4), "difference_L"),
)  # fmt: skip


@check("GF-1", cases=14, quick_cases=8)
def mirror_flow(f: Formulas, case: Case) -> list[Comparison]:
    """The weights and their clock by an integrator against beta(s), and psi' of its beta against the clock."""
    if case.index % 8 == 7:
        return [_balanced(f, case)]
    model, name = ROUTES[(case.index - case.index // 8) % len(ROUTES)]
    problem, theta0 = beginning(case, model, case.choose((1, 3)), 5)
    theta0 = np.sort(theta0, axis=0)[::-1]
    theta, clock, _ = flow_beside_clock(model, problem, theta0, 1.0)
    beta, beta0 = beta_of(model, theta), beta_of(model, theta0)
    known = starts(model, theta0)
    found = [Comparison(beta, value(f[f"beta_{name}"], s=clock, **known), label=model.name)]
    names = {formula.name for formula in f}
    if f"potential_{name}" in names:
        psi = slope(f[f"potential_{name}"], "beta")
        known["c1"] = _invariant(model, theta0)
        found.append(Comparison(clock, value(psi, beta=beta, **known) - value(psi, beta=beta0, **known)))
    return found


def _balanced(f: Formulas, case: Case) -> Comparison:
    """Equal layers: the potential of the balanced product."""
    model = product(3 + case.index // 8 % 2)
    problem = dense_problem(case, 2, 5, positive=True)
    theta0 = np.repeat(case.rng.uniform(0.4, 1.0, (1, problem.d)), len(model.weights), axis=0)
    theta, clock, _ = flow_beside_clock(model, problem, theta0, 1.0)
    psi = slope(f.potential_balanced_L, "beta")
    ends = [value(psi, beta=w.prod(axis=0), L=float(len(model.weights))) for w in (theta, theta0)]
    return Comparison(clock, ends[0] - ends[1], label=model.name)


def _invariant(model: Parameterization, theta0: np.ndarray):
    """The size of what the derived potential calls c1, a constant of the flow; 0 where there is none."""
    found = derive(model).invariants
    return np.abs(sp.lambdify(model.weights, found[0].expression)(*theta0)) if found else 0.0


@check("GF-2", cases=14, quick_cases=7)
def endpoint(f: Formulas, case: Case) -> list[Comparison]:
    """The minimum of the dual against an integrated flow, and its divergence against other interpolators."""
    model, name = case.choose(ROUTES)
    problem, theta0 = beginning(case, model, 1 + case.index % 3, 6)
    theta0 = np.sort(theta0, axis=0)[::-1]
    run = flow(model, problem, theta0=theta0, tol=1e-22, rtol=1e-12)
    known = starts(model, theta0)
    predicted = endpoint_of(f[f"conjugate_{name}"], problem, _reach(model, theta0), **known)
    found = [Comparison(run.beta.values, predicted, label=model.name)]
    potentials = f.of("GF-1")
    if f"potential_{name}" in {formula.name for formula in potentials}:
        psi, known["c1"] = potentials[f"potential_{name}"], _invariant(model, theta0)
        slope0 = value(slope(psi, "beta"), beta=beta_of(model, theta0), **known)
        divergence = lambda b: np.sum(value(psi, beta=b, **known) - slope0 * b)  # noqa: E731
        kernel = np.linalg.svd(problem.X)[2][problem.n :]
        for size in (0.02, 0.1):
            other = predicted + size * np.abs(predicted).min() * case.rng.standard_normal(len(kernel)) @ kernel
            if not only_positive(model) or other.min() > 0:
                found.append(Comparison(divergence(predicted), divergence(other), "at_most", scale=1.0))
    return found


def _reach(model: Parameterization, theta0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The clocks at which the first or the last weight is infinite; beyond, the closed forms are of no weights."""
    depth, never = model.degree or 2, np.full(theta0.shape[1], np.inf)
    if depth == 2:
        return -never, never
    end = theta0 ** (2 - depth) / (depth * (depth - 2))
    return (-never if only_positive(model) else -end[-1]), end[0]


@check("GF-3", cases=9, quick_cases=5)
def solver(f: Formulas, case: Case) -> list[Comparison]:
    """The residual that theory's solver reaches, and how much a change of the clock changes the coefficient."""
    # Every depth in every case: the median decides, and would not see one that is wrong in a third of them.
    return [comparison for depth in (2, 3, 4) for comparison in _solved(f, case, depth)]


def _solved(f: Formulas, case: Case, depth: int) -> list[Comparison]:
    scale = 10.0 ** -case.rng.uniform(1, 8 if depth == 2 else 4)
    model = power(depth)
    problem = dense_problem(case, 3, 6, positive=True)
    theta0 = unequal_weights(case, model, problem.d, scale)
    transport = Transport(derive(model), theta0)
    root = dual_root(derive(model), problem, transport)
    found = [_in_many_digits(depth, *pair) for pair in zip(theta0[0], root.clock, strict=True)]
    w, measured = np.array(found).T
    formula = f.condition_2 if depth == 2 else f.condition_L
    condition = value(formula, w=w, w_0=theta0[0], L=float(depth))
    beta = root.theta[0] ** depth
    residual = float(np.linalg.norm(problem.X @ beta - problem.y) / np.linalg.norm(problem.y))
    return [
        Comparison(measured, condition, label=f"{model.name}, alpha = {scale:.1e}"),
        Comparison(residual, value(f.residual, condition=condition.max()), "at_most"),
    ]


def _in_many_digits(depth: int, w0: float, s: float) -> tuple[float, float]:
    """The weight at the clock, and ``|d ln beta / d ln s|`` by differences, in 50 digits."""
    with mpmath.workdps(50):
        start, exponent = mpmath.mpf(w0), 2 - depth

        def log_weight(clock):
            if not exponent:
                return mpmath.log(start) + 2 * clock
            return mpmath.log(start**exponent + depth * exponent * clock) / exponent

        step = mpmath.mpf(10) ** -20
        rise = log_weight(s * (1 + step)) - log_weight(s * (1 - step))
        return float(mpmath.exp(log_weight(mpmath.mpf(s)))), float(abs(depth * rise / (2 * step)))


@check("GF-4", cases=12, quick_cases=6)
def existence(f: Formulas, case: Case) -> list[Comparison]:
    """A linear program says which of the three a problem is; a long flow says where it goes."""
    depth, kind = 2 + case.index // 3 % 2, case.choose(("inside", "boundary", "outside"))
    model, n, d = power(depth), 2, 5
    X, b = case.rng.standard_normal((n, d)), case.rng.uniform(0.5, 1.0, d)
    if kind == "boundary":
        X[0] = [1.0, 0.5, 0, 0, 0]  # with a target of 0: the first two coefficients must vanish
        b[:2] = 0
    mix = np.linalg.qr(case.rng.standard_normal((n, n)))[0]
    y = X @ b if kind != "outside" else np.linalg.norm(X) * np.array([-1.0, 0.3])
    if kind == "outside":
        X[0] = np.abs(X[0])
    problem = Problem(mix @ X, mix @ y)
    margin = linprog(
        np.append(np.zeros(d), -1.0), np.c_[-np.eye(d), np.ones(d)], np.zeros(d), np.c_[problem.X, np.zeros(n)],
        problem.y, bounds=[(0, None)] * d + [(None, 1.0)],
    )  # fmt: skip
    most = -np.inf if margin.status else -margin.fun
    theta0 = unequal_weights(case, model, d)
    if most > 1e-6:
        try:
            run = flow(model, problem, theta0=theta0, tol=1e-16, max_time=1e6)
        except NoInterpolator as none:
            raise NotApplicable(str(none)) from none
        return [Comparison(np.sqrt(2 * float(run.loss)), 0.0, scale=float(np.linalg.norm(y)), label=kind)]
    if most == -np.inf:
        nearest = nnls(problem.X, problem.y)[0]
        unit = float(np.linalg.norm(y) / np.linalg.norm(X))
        return [Comparison(_long_flow(depth, problem, theta0[0], [1e5])[0], nearest, scale=unit, label=kind)]
    times = np.array([1e6, 1e8])
    losses = problem.loss_at(_long_flow(depth, problem, theta0[0], times))
    rate = -np.diff(np.log(losses))[0] / np.diff(np.log(times))[0]
    return [Comparison(rate, f.boundary_rate(L=float(depth)), label=f"{kind}, {model.name}")]


def _long_flow(depth: int, problem: Problem, w0: np.ndarray, times) -> np.ndarray:
    """Coefficients (T, d) of w^L at the times, from the logarithms of the weights."""
    X, y, n = problem.X, problem.y, problem.n

    def velocity(_, z):
        w = np.exp(z)
        return -depth * w ** (depth - 2) * (X.T @ (X @ w**depth - y)) / n

    path = solve_ivp(velocity, (0, times[-1]), np.log(w0), "LSODA", t_eval=times, rtol=1e-10, atol=1e-12)
    return np.exp(depth * path.y.T)


@check("GF-5", cases=8, quick_cases=4)
def small_start(f: Formulas, case: Case) -> list[Comparison]:
    """A linear program and its dual certificate against an integrated flow from a small start."""
    family, depth = case.choose(((difference, 2), (power, 2), (difference, 3), (power, 3)))
    model = family(depth)
    problem, beta, on, p, q = _with_certificate(case, model, 2 + case.index // 4 % 2, 6)
    alpha = 1e-9 if depth == 2 else 1e-4
    run = flow(model, problem, init_scale=alpha, tol=1e-16, rtol=1e-10)
    one = f.off_support_2 if depth == 2 else f.off_support_L
    rest = value(one, alpha=alpha, p=p, q=q, L=float(depth))
    if not only_positive(model):
        rest = rest - value(one, alpha=alpha, p=-p, q=-q, L=float(depth))
    found = run.beta.values
    return [
        Comparison(np.abs(found).sum(), np.abs(beta).sum(), label=model.name),
        Comparison(found[on], beta[on]),
        Comparison(found[~on], rest),
    ]


def _with_certificate(case: Case, model: Parameterization, n: int, d: int):
    """A problem, its interpolator of least l1 norm and the support, and x_i . X_S^-T v off the support.

    For v the signs this is the dual certificate p; for v the signs times log|beta_S|, what L = 2 needs beside it.
    """
    signed = not only_positive(model)
    for _ in range(50):
        problem = dense_problem(case, n, d, positive=not signed)
        X = problem.X
        least = linprog(np.ones(2 * d if signed else d), A_eq=np.hstack([X, -X]) if signed else X, b_eq=problem.y)
        beta = least.x[:d] - (least.x[d:] if signed else 0)
        on = np.abs(beta) > 1e-9
        if on.sum() != n:
            continue
        signs = np.sign(beta[on])
        p, q = (X[:, ~on].T @ np.linalg.solve(X[:, on].T, v) for v in (signs, signs * np.log(np.abs(beta[on]))))
        if (np.abs(p) if signed else p).max() <= 0.75:
            return problem, beta, on, p, q
    raise NotApplicable("no problem with |p| below 0.75 off the support")


@check("GF-6", cases=6)
def three_layers(f: Formulas, case: Case) -> Comparison:
    """The clock that an integrated flow took against the difference of the clocks left before and after."""
    model = product(3)
    problem = dense_problem(case, case.choose((1, 2, 3)), 4, positive=True)
    theta0 = np.sort(unequal_weights(case, model, problem.d), axis=0)
    theta, clock, _ = flow_beside_clock(model, problem, theta0, 1.0)
    start = starts(model, theta0)
    left = [value(f.clock_left, tau=tau, **start) for tau in (np.zeros(problem.d), theta[0] ** 2 - theta0[0] ** 2)]
    return Comparison(clock, left[0] - left[1], label=f"n = {problem.n}")


@check("GF-6b", cases=8, quick_cases=4)
def chain_from_zero(f: Formulas, case: Case) -> list[Comparison]:
    """An integrated flow from the standard start: its beta and its clock from the layer that starts at 0."""
    depth = case.choose((2, 3, 4, 5))
    model = product(depth)
    problem = dense_problem(case, case.choose((1, 3, 2)), 5)
    alpha = case.rng.uniform(0.6, 1.0, problem.d)
    theta0 = np.vstack([np.tile(alpha, (depth - 1, 1)), np.zeros(problem.d)])
    theta, clock, _ = flow_beside_clock(model, problem, theta0, 1.0)
    known = dict(u=theta[-1], alpha=alpha, L=float(depth))
    return [
        Comparison(clock, value(f.clock, **known), label=model.name),
        Comparison(theta.prod(axis=0), value(f.beta, **known)),
    ]


@check("GF-7", cases=6, quick_cases=3)
def small_steps(f: Formulas, case: Case) -> list[Comparison]:
    """Descent at three small learning rates: the slope of its distance to the flow, and the shift that explains it."""
    model = case.choose((power(2), difference(2)))
    problem, theta0 = beginning(case, model, case.choose((1, 2, 3)), 5, correlation=0.2)
    settle = 1e-11
    end, _, energy = flow_beside_clock(model, problem, theta0, 1e4, settle)
    flow_beta = beta_of(model, end)
    top = np.linalg.eigvalsh(problem.X @ problem.X.T)[-1] / problem.n * 8
    gaps, predicted = [], []
    for lr in (0.08 / top, 0.04 / top):
        run = descend(model, problem, lr, theta0=theta0, tol=1e-22, max_steps=10**6, track_every=0)
        gaps.append(run.beta.values - flow_beta)
        shifted = theta0 * np.exp(value(f.square_shift, lr=lr, energy=energy) / 2)
        predicted.append(beta_of(model, flow_beside_clock(model, problem, shifted, 1e4, settle)[0]) - flow_beta)
    rate = np.log2(np.linalg.norm(gaps[0]) / np.linalg.norm(gaps[1]))
    return [
        Comparison(rate, value(f.order), label=model.name),
        Comparison(gaps[1], predicted[1]),
    ]
