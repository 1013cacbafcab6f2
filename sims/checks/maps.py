"""Checks of section BIF."""

from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
from scipy.optimize import brentq, minimize_scalar

from ...theory import difference, power, product, single_point
from ...theory.prediction.divergence import divergence_ratio
from ...theory.statements.maps import kappa_of
from .. import Phase, Status, descend, sweep
from .cases import plain_run, sparse_problem, whole_degree
from .critical import between, predicted
from .period_doublings import doublings
from .registry import Case, Comparison, Formulas, NotApplicable, check

STEPS = 25
SCALAR = (power(2), product(3), difference(4), power(3), product(2), difference(2), power(4))


def _one_feature(case: Case) -> tuple[float, float]:
    x, y = case.rng.uniform(0.5, 2.0, 2)
    return float(x), float(y)


def _kappa_per_lr(f: Formulas, model, x: float, y: float) -> float:
    return float(getattr(f, kappa_of(model))(lr=1.0, L=model.degree, x=x, y=y))


def _start(model, weight: float) -> np.ndarray:
    """All weights alike where they make one term, else the first alone."""
    theta = np.full((len(model.weights), 1), weight)
    if model.separable:
        theta[1:] = 0.0
    return theta


@check("BIF-1", cases=14, quick_cases=7)
def scalar_map(f: Formulas, case: Case) -> list[Comparison]:
    """Every step of a recorded run against the map, its curvature at the minimum, and the flip's normal form."""
    model = case.choose(SCALAR)
    L, (x, y) = whole_degree(model), _one_feature(case)
    problem, unit, scale = single_point([x], y), (y / x) ** (1 / L), _kappa_per_lr(f, model, x, y)
    kappa = float(case.rng.uniform(0.3, 2.4)) / L
    start = _start(model, unit * float(case.rng.uniform(0.4, 0.9)))
    run = plain_run(model, problem, kappa / scale, start, STEPS, record_every=1)
    u = run.path_theta.values.reshape(STEPS + 1, len(start), -1)[:, 0, 0] / unit
    rest = plain_run(model, problem, 0.1, _start(model, unit), 0)
    twice = lambda u: _scalar_step(_scalar_step(u, 2 / mpmath.mpf(L), L), 2 / mpmath.mpf(L), L)  # noqa: E731
    with mpmath.workdps(60):
        normal_form = -mpmath.diff(twice, 1, 3) / 12  # at the flip f(f(1 + x)) = 1 + x - 2 c x^3
        slope = mpmath.diff(lambda u: _scalar_step(u, mpmath.mpf(float(f.flip(L=L))), L), 1)
    return [
        Comparison(u[1:], f.u_next(u=u[:-1], kappa=kappa, L=L), label=model.name),
        Comparison(float(rest.sharpness) * kappa / scale, f.lr_sharpness(kappa=kappa, L=L)),
        Comparison(float(normal_form), f.flip_coefficient(L=L)),
        Comparison(float(slope), -1.0),
    ]


def _scalar_step(u, kappa, L: int):
    """Descent on ``kappa (u^L - 1)^2 / (2 L)``, its slope by the chain rule of powers."""
    return u - kappa / L * (u**L - 1) * L * u ** (L - 1)


@check("BIF-2", cases=6, quick_cases=3)
def cycle_of_two(f: Formulas, case: Case) -> list[Comparison]:
    """Where runs settle, and how fast nearby ones join them; the ends of the range by root finding."""
    model = case.choose((power(2), product(2)))
    x, y = _one_feature(case)
    problem, unit = single_point([x], y), (y / x) ** 0.5
    scale, kappa = _kappa_per_lr(f.of("BIF-1"), model, x, y), np.sort(case.rng.uniform(1.05, 1.2, 4))
    options: dict[str, Any] = dict(tol=1e-30, track_every=0, backend="numpy")
    steps, alone = 400, len(model.weights) == 1
    a, b = (
        sweep(model, problem, kappa / scale, 0.3 * unit, max_steps=steps + k, window=512 * alone, **options)
        for k in (0, 1)
    )
    found = []
    if alone:
        u = np.abs(np.stack([run.theta.values.reshape(-1) for run in (a, b)])) / unit
        factors = np.prod([1 - kappa / scale * run.sharpness.values.ravel() for run in (a, b)], axis=0)
        found = [
            Comparison(u.max(axis=0), f.upper(kappa=kappa), label=model.name),
            Comparison(u.min(axis=0), f.lower(kappa=kappa)),
            Comparison(factors, f.multiplier(kappa=kappa)),
            Comparison(a.lyapunov.values.ravel(), f.lyapunov(kappa=kappa)),
        ]
    else:
        beta = np.stack([run.beta.values.ravel() for run in (a, b)]) / unit**2
        found = [Comparison(beta.max(axis=0), f.upper(kappa=kappa) ** 2, label=model.name),
                 Comparison(beta.min(axis=0), f.lower(kappa=kappa) ** 2)]  # fmt: skip
    with mpmath.workdps(50):
        shrinks = [_imbalance_factor(mpmath.mpf(k)) for k in kappa]
        edge, best = mpmath.mpf(float(f.stable_below())), mpmath.mpf(float(f.superstable()))
        slope = mpmath.diff(lambda u: _twice(u, edge), _on_cycle(edge))
        top = mpmath.sqrt((1 + best) / (3 * best))  # the step's slope is 0 there
        returned = _twice(top, best)
    return [
        *found,
        Comparison(np.array(shrinks, float), f.imbalance_factor(kappa=kappa)),
        Comparison(float(slope), -1.0),
        Comparison(float(returned), float(top)),
    ]


def _twice(u, kappa):
    return _scalar_step(_scalar_step(u, kappa, 2), kappa, 2)


def _on_cycle(kappa):
    """The larger point of the cycle of two, by root finding away from the fixed points."""
    return mpmath.findroot(lambda u: (_twice(u, kappa) - u) / (u**2 - 1) / u, (1.2, 1.25))


def _imbalance_factor(kappa):
    """Two steps of a barely unbalanced product near its cycle."""
    u = _on_cycle(kappa)
    first, second = u * mpmath.exp(mpmath.mpf("1e-18")), u * mpmath.exp(-mpmath.mpf("1e-18"))
    before = first**2 - second**2
    for _ in range(2):
        g = kappa * (first * second - 1)
        first, second = first - g * second, second - g * first
    return (first**2 - second**2) / before


@check("BIF-3", cases=4, quick_cases=3)
def chaos(f: Formulas, case: Case) -> list[Comparison]:
    """Runs from inside and from outside the bound, the Lyapunov exponent of long runs, constants by root finding."""
    model, (x, y) = power(2), _one_feature(case)
    problem, unit, scale = single_point([x], y), (y / x) ** 0.5, _kappa_per_lr(f.of("BIF-1"), power(2), x, y)
    options: dict[str, Any] = dict(tol=1e-30, track_every=0, backend="numba")
    kappa, divergence = float(case.rng.uniform(0.5, 1.9)), float(f.divergence())
    bound = float(f.bound(kappa=kappa))
    inside = unit * bound * np.r_[case.rng.uniform(0.01, 1.0, 20), 1 - 1e-9]
    kept = sweep(model, problem, kappa / scale, inside, max_steps=300, **options)
    lost = sweep(model, problem, kappa / scale, unit * bound * (1 + 1e-3), max_steps=3000, **options)
    outer = sweep(model, problem, kappa / scale, unit * bound, max_steps=1, **options)
    above = sweep(model, problem, 1.02 * divergence / scale, inside[:-1] / bound, max_steps=20_000, **options)
    starts = unit * np.sqrt(2) * np.abs(np.cos(case.rng.uniform(0, np.pi, 12)))
    chaotic = sweep(model, problem, 2 / scale, starts, max_steps=0, window=400_000, **options)
    angle = np.arccos(case.rng.uniform(0, 1, 20))
    step = sweep(model, problem, 2 / scale, np.sort(unit * np.sqrt(2) * np.cos(angle)), max_steps=1, **options)
    return [
        Comparison(np.abs(kept.theta.values) / unit, bound, "at_most"),
        Comparison(np.abs(outer.theta.values) / unit, bound, label=f"kappa {kappa:.3f}"),
        Comparison((lost.status == Status.DIVERGED).values, 1.0),
        Comparison((above.status == Status.DIVERGED).mean().item(), 1.0),
        Comparison(float(np.nanmedian(chaotic.lyapunov.values)), f.lyapunov()),
        Comparison(step.theta.values.ravel() / unit, f.conjugate(angle=np.sort(angle)[::-1])),
        Comparison(_first_sign_change(), f.sign_change()),
        Comparison(divergence_ratio(2), f.divergence()),  # kappa = lr S / 2 for degree 2
    ]


def _first_sign_change() -> float:
    """The least kappa with a second step of 0 from somewhere between 0 and 1."""

    def second(kappa: float) -> float:
        below = lambda u: -_scalar_step(u, kappa, 2)  # noqa: E731
        top = minimize_scalar(below, bounds=(0, 1), method="bounded", options=dict(xatol=1e-12))
        return _scalar_step(-top.fun, kappa, 2)

    return brentq(second, 1.2, 1.9, xtol=1e-12)


@check("BIF-4", cases=4, quick_cases=3)
def period_doublings(f: Formulas, case: Case) -> list[Comparison]:
    """Newton's method on orbit and multiplier; the divergence by root finding; the periods of runs in between."""
    found = []
    for L in (2, 3, 4):
        measured = _constants(L)
        predicted = [float(f[f"kappa_{k}_of_{L}"]()) for k in (1, 2, 3, 4, "limit")]
        found.append(Comparison(np.array(measured[:4]), np.array(predicted[:4]), label=f"L = {L}"))
        found.append(Comparison(measured[-1], predicted[-1]))
        ratio = (measured[5] - measured[4]) / (measured[6] - measured[5])
        found.append(Comparison(ratio, f.feigenbaum(), scale=1e3))  # within 0.01: it is a limit
        found.append(Comparison(divergence_ratio(L) * 2 / L, f[f"divergence_of_{L}"]()))
    model = power(case.choose((2, 3, 4)))
    L, (x, y) = whole_degree(model), _one_feature(case)
    scale = _kappa_per_lr(f.of("BIF-1"), model, x, y)
    at = np.array([float(f[f"kappa_{k}_of_{L}"]()) for k in (1, 2, 3, 4)])
    lr = (at[:-1] + case.rng.uniform(0.3, 0.7) * np.diff(at)) / scale
    unit = (y / x) ** (1 / L)
    run = sweep(
        model, single_point([x], y), lr, 0.8 * unit, max_steps=3000, window=512, tol=1e-30, track_every=0,
        backend="numpy",
    )  # fmt: skip
    return [*found, Comparison(run.period.values.ravel(), np.array([2, 4, 8]))]


@lru_cache(maxsize=8)
def _constants(L: int) -> tuple[float, ...]:
    """The first seven doublings and their limit, by Aitken's extrapolation."""
    found = doublings(L, 7)
    a, b, c = found[-3:]
    return (*found, c - (c - b) ** 2 / (c - 2 * b + a))


@check("BIF-5", cases=6, quick_cases=3)
def unbalanced_product(f: Formulas, case: Case) -> list[Comparison]:
    """Every step of a recorded run of two unequal layers."""
    x, y = _one_feature(case)
    theta = case.rng.uniform(0.3, 1.2, (2, 1)) * [[1.0], [case.rng.choice([-1.0, 1.0])]]
    lr = float(case.rng.uniform(0.05, 0.4)) / (x * y)
    run = plain_run(product(2), single_point([x], y), lr, theta, STEPS, record_every=1, tol=1e-30)
    u, v = run.path_theta.values.reshape(STEPS + 1, 2).T
    beta, size = u * v, u**2 + v**2
    at = dict(lr=lr, g=x * (x * beta[:-1] - y), beta=beta[:-1], size=size[:-1])
    return [Comparison(beta[1:], f.beta_next(**at)), Comparison(size[1:], f.size_next(**at))]


@check("BIF-6", cases=4, quick_cases=3)
def phases(f: Formulas, case: Case) -> list[Comparison]:
    """Phases and periods of a sweep over kappa against the bifurcations; the ways in which others converge."""
    model = case.choose((power(2), power(4)))
    L, (x, y), doubled = whole_degree(model), _one_feature(case), f.of("BIF-4")
    names = dict(kappa_2="kappa_2", kappa_3="kappa_3", kappa_4="kappa_4", chaos="kappa_limit", divergence="divergence")
    bounds = {name: float(doubled[f"{constant}_of_{L}"]()) for name, constant in names.items()}
    bounds["flip"] = float(f.of("BIF-1").flip(L=L))
    kappa = np.sort(case.rng.uniform(0.5, 2.2, 24 if case.quick else 80)) * 2 / L
    kappa = kappa[np.abs(kappa[:, None] - list(bounds.values())).min(axis=1) > 5e-3]
    lr = kappa / _kappa_per_lr(f.of("BIF-1"), model, x, y)
    start, backend = 0.5 * (y / x) ** (1 / L), "numba" if L == 2 else "numpy"
    run = sweep(model, single_point([x], y), lr, start, max_steps=4000, window=2000, track_every=0, backend=backend)
    phase, period = run.phase.values.ravel(), run.period.values.ravel()
    converged = np.isin(phase, [Phase.FLOW_ALIGNED, Phase.CATAPULT, Phase.EDGE_OF_STABILITY])
    outcome = np.select([converged, phase == Phase.DIVERGED, phase == Phase.PERIODIC], [0, 3, 1], 2)
    predicted = f.outcome(kappa=kappa, **{k: bounds[k] for k in f.outcome.symbols if k != "kappa"})
    outcome = np.where((predicted == 2) & (outcome == 1), 2, outcome)  # there are windows of long periods in chaos
    regular = (kappa > bounds["flip"]) & (kappa < bounds["kappa_4"])
    if not regular.any():
        raise NotApplicable("no kappa between the flip and the fourth doubling")
    at = {k: bounds[k] for k in f.period.symbols if k != "kappa"}
    return [
        Comparison(outcome, predicted, scale=1.0, label=model.name),
        Comparison(period[regular], f.period(kappa=kappa[regular], **at), scale=1.0),
        *_ways_to_converge(f, case),
    ]


def _ways_to_converge(f: Formulas, case: Case) -> list[Comparison]:
    """Runs on several samples, below and above lr_critical_final and from far away, by their rising steps."""
    problem = sparse_problem(case, *case.choose(((3, 12), (5, 20), (6, 30))), positive=True)
    pred, found = predicted(case, power(2), problem), []
    for lr, least, most in ((0.98 * pred.lr_critical_final, 0, 1), (between(pred, 0.6), 2, 2)):
        run = descend(power(2), problem, float(lr), 0.1, max_steps=20_000, track_every=0, record_every=1)
        loss = run.path_loss.values
        way = f.way(rising=float((np.diff(loss) > 1e-12 * loss[:-1] + 1e-14).sum()))
        if int(run.status) == Status.CONVERGED:
            found += [Comparison(float(run.phase), way, scale=1.0), Comparison(way, least, "at_least", scale=1.0),
                      Comparison(way, most, "at_most", scale=1.0)]  # fmt: skip
    lrs = np.linspace(0.6, 2.0, 24) * problem.n / (2 * np.linalg.norm(problem.X, 2) ** 2)  # of 2 / S at the start
    far = sweep(power(2), problem, lrs, 1.0, max_steps=20_000, track_every=0, threads=1)
    converged = far.status.values == Status.CONVERGED
    if converged.any():
        ways = f.way(rising=far.rising_steps.values[converged].astype(float))
        found.append(Comparison(far.phase.values[converged], ways, scale=1.0, label="from far away"))
    return found
