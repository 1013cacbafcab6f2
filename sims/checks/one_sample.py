"""Checks of section ONE."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import linprog, minimize

from ...theory import Parameterization, derive, difference, power, product
from ...theory.prediction.coordinates import doubled
from .cases import only_positive
from .points import by_complex_steps
from .registry import Case, Comparison, Formulas, NotApplicable, check

MODELS = (power(3), difference(2), product(3), power(2), difference(3), product(2), power(4))
SAMPLES = 2000


def _sample(case: Case, d: int, signed: bool = False) -> tuple[np.ndarray, float]:
    """A sample with entries well apart from 0 and from one another, and its target."""
    x = case.rng.permutation(np.linspace(0.4, 1.6, d) + case.rng.uniform(0, 0.2, d))
    return x * (case.rng.choice([-1.0, 1.0], d) if signed else 1.0), float(case.rng.uniform(0.5, 2.0))


def _top_eigenvalue(model: Parameterization, x: np.ndarray, slope: Callable, theta: np.ndarray) -> float:
    """Of the Hessian of ``l(x . beta)``, its columns by complex steps of the gradient."""
    law, shape = derive(model).law.arrays, theta.shape

    def gradient(flat):
        weights = flat.reshape(shape)
        return (np.stack(law.jacobian(*weights)) * x * slope(x @ law.effective(*weights))).ravel()

    return float(np.linalg.eigvalsh(by_complex_steps(gradient, theta.ravel()))[-1])


def _interpolators(case: Case, x: np.ndarray, y: float, count: int = SAMPLES) -> np.ndarray:
    """Non-negative coefficients (count, d) with ``x . beta = y``, some near the faces."""
    shares = case.rng.dirichlet(np.full(len(x), case.rng.choice([0.2, 1.0])), count)
    return shares * y / x


@check("ONE-1", cases=14, quick_cases=7)
def sharpness(f: Formulas, case: Case) -> Comparison:
    """The largest eigenvalue of the Hessian, by complex steps, against the sum."""
    model = case.choose(MODELS)
    x, y = _sample(case, 1 + case.index % 5, not only_positive(model))
    beta = _interpolators(case, np.abs(x), y, 1)[0] * np.sign(x)
    term = f.balanced_term if model.effective.is_Mul else f.term
    measured = _top_eigenvalue(model, x, lambda f: f - y, doubled(model).flattest(beta))
    return Comparison(measured, term(L=float(model.degree or 1), beta=np.abs(beta), x=x).sum(), label=model.name)


@check("ONE-2", cases=9, quick_cases=4)
def norm_minimisers(f: Formulas, case: Case) -> list[Comparison]:
    """A linear program, random interpolators, and the Hessian at the vertex."""
    depth = case.choose((2, 3, 4))
    x, y = _sample(case, 2 + case.index % 4)
    known = dict(y=y, x_max=x.max())
    least = linprog(np.ones(len(x)), A_eq=x[None], b_eq=[y])
    others = _interpolators(case, x, y)
    found = [Comparison(least.fun, f.beta_l1(**known), label=f"L = {depth}")]
    for formula, power_of in ((f.theta_l1, 1 / depth), (f.theta_l2_squared, 2 / depth)):
        vertices = (y / x) ** power_of
        bound = formula(L=float(depth), **known)
        found.append(Comparison(vertices.min(), bound))
        found.append(Comparison((others**power_of).sum(axis=1).min(), bound, "at_least"))
    top = _top_eigenvalue(power(depth), x, lambda f: f - y, least.x[None] ** (1 / depth))
    return [*found, Comparison(top, f.sharpness(L=float(depth), **known))]


@check("ONE-3", cases=8, quick_cases=4)
def flattest(f: Formulas, case: Case) -> list[Comparison]:
    """A numerical minimum over the interpolators, random ones, and the Hessian at the point that is claimed."""
    depth = case.choose((3, 2, 4, 5))
    x, y = _sample(case, 2 + case.index % 4)
    L, term = float(depth), f.of("ONE-1").term
    others = term(L=L, beta=_interpolators(case, x, y), x=x).sum(axis=1).min()
    if depth == 2:
        bound = f.sharpness_2(y=y, x_min=x.min())
        flat = linprog(4 * x**2, A_eq=x[None], b_eq=[y])
        return [Comparison(flat.fun, bound, label="L = 2"), Comparison(others, bound, "at_least")]
    Q = f.q_term(L=L, x=x).sum()
    w, bound = f.weight(L=L, Q=Q, x=x, y=y), f.sharpness(L=L, Q=Q, y=y)
    start = _interpolators(case, x, y, 1)[0] + 0.1
    direct = minimize(
        lambda b: term(L=L, beta=b, x=x).sum(), start * y / (x @ start), method="SLSQP",
        bounds=[(1e-9, None)] * len(x), options=dict(ftol=1e-15, maxiter=500),
        constraints={"type": "eq", "fun": lambda b: x @ b - y, "jac": lambda b: x},
    )  # fmt: skip
    return [
        Comparison(direct.fun, bound, label=f"L = {depth}"),
        Comparison(others, bound, "at_least"),
        Comparison(x @ w**depth, y),
        Comparison(_top_eigenvalue(power(depth), x, lambda f: f - y, w[None]), bound),
    ]


@check("ONE-4", cases=8, quick_cases=4)
def expected_error(f: Formulas, case: Case) -> list[Comparison]:
    """The posterior along the plane of interpolators, in a basis of it, and the point of least error by its normal
    equations; a prior that makes it the flattest interpolator.
    """
    d, rng = 2 + case.index % 4, case.rng
    x, y = _sample(case, d, signed=True)
    prior, test = (a @ a.T + 0.2 * np.eye(d) for a in rng.standard_normal((2, d, d)))
    plane, point = null_space(x[None]), x * y / (x @ x)
    precision = plane.T @ np.linalg.solve(prior, plane)
    middle = -np.linalg.solve(precision, plane.T @ np.linalg.solve(prior, point))
    covariance = plane @ np.linalg.solve(precision, plane.T)  # of the teacher, given the sample
    mean = point + plane @ middle
    weighted = plane.T @ test
    least = point + plane @ np.linalg.solve(weighted @ plane, weighted @ (mean - point))
    prior_x, prior_xx = prior @ x, float(x @ prior @ x)
    best = f.bayes(prior_x=prior_x, prior_xx=prior_xx, y=y)
    b = point + plane @ rng.standard_normal(d - 1)
    measured = (b - mean) @ test @ (b - mean) + np.trace(test @ covariance)
    predicted = f.error(
        gap=(b - best) @ test @ (b - best),
        trace=np.trace(test @ prior),
        cross=prior_x @ test @ prior_x,
        prior_xx=prior_xx,
    )
    noise, teacher = rng.standard_normal(), rng.standard_normal(d)
    noisy = point * (x @ teacher + noise) / y
    shifted = noisy + plane @ np.linalg.solve(weighted @ plane, weighted @ (teacher - noisy))
    inverse = np.linalg.solve(test, x)
    shift = f.noise_shift(inverse_x=inverse, inverse_xx=float(x @ inverse), noise=noise)
    size, L = np.abs(x), float(case.choose((3, 4, 5)))
    q, Q = f.matching_prior(L=L, x=size), f.of("ONE-3").q_term(L=L, x=size).sum()
    return [
        Comparison(least, best, label=f"d = {d}"),
        Comparison(measured, predicted),
        Comparison(shifted - teacher, shift),
        Comparison(
            q * x * y / (x @ (q * x)), np.sign(x) * f.of("ONE-3").weight(L=L, Q=Q, x=size, y=y) ** int(L),
        ),
    ]  # fmt: skip


@check("ONE-5", cases=6, quick_cases=3)
def classification(f: Formulas, case: Case) -> list[Comparison]:
    """The Hessian's largest eigenvalue at the vertex and at random coefficients of the same margin."""
    x, m = _sample(case, 2 + case.index % 4)[0], case.rng.uniform(1.0, 4.0)
    if not f.condition(m=m) > 1.05:
        raise NotApplicable("2 (1 - p) m <= 1")
    slope = lambda margin: -1 / (1 + np.exp(margin))  # noqa: E731
    top = lambda beta: _top_eigenvalue(power(2), x, slope, np.sqrt(beta)[None])  # noqa: E731
    vertex = np.where(x == x.min(), m / x, 0.0)
    bound = f.sharpness(m=m, x_min=x.min())
    others = min(top(b) for b in _interpolators(case, x, m, 100))
    norm = linprog(np.ones(len(x)), A_eq=x[None], b_eq=[m]).x
    return [
        Comparison(top(vertex), bound, label=f"margin {m:.2f}"),
        Comparison(others, bound, "at_least"),
        Comparison(1 - top(vertex) / (2 * x.min() * slope(m)), f.condition(m=m)),  # S grows with x where this is > 1
        Comparison(norm, np.where(x == x.max(), m / x, 0.0)),
    ]
