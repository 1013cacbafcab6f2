"""Checks of section FRO about predicted endpoints: the program that finds them, warm-ups and bars."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ...theory import GdbiasError, NoClosedForm, Prediction, UpdateRule, cosine, difference, power, predict, product
from ...theory.prediction.constrained import Edge, constrained_flow
from ...theory.prediction.coordinates import doubled
from ...theory.prediction.endpoints import Endpoint
from ...theory.prediction.interpolators import Interpolators
from .. import Status, descend
from .cases import only_positive, sparse_problem, whole_degree
from .critical import between, predicted
from .mirror import clock
from .registry import Case, Comparison, Formulas, NotApplicable, check

SHORT = (power(2), difference(2))
SIZES = ((3, 12), (5, 20), (6, 18), (8, 24))
SHARES = (0.1, 0.3, 0.5, 0.7)


@check("FRO-10", cases=12, quick_cases=5)
def dual_program(f: Formulas, case: Case) -> list[Comparison]:
    """The least divergence by an interior point, and the dual's value at the multipliers found and at others."""
    model = case.choose((power(2), difference(2), power(3), product(2), difference(3)))
    problem = sparse_problem(case, *case.choose(SIZES), only_positive(model))
    pred = predicted(case, model, problem, 0.1 if whole_degree(model) == 2 else 0.3)
    lr, coordinates = between(pred, float(case.rng.uniform(0.2, 0.8))), doubled(model)
    L, w0 = coordinates.degree, coordinates.start(pred.starts[0])
    moving = w0 > 0
    # In units in which columns and targets are of size 1, and so are the weights.
    columns, y = coordinates.columns(problem, moving), problem.projected[1]
    length, size = float(np.linalg.norm(columns, 2)), float(np.linalg.norm(y))
    unit, C, y = (size / length) ** (1 / L), columns / length, y / size
    cap = 2 * problem.n / (lr * coordinates.rate * length**2 * unit ** (2 * L - 2))
    found = Edge(coordinates, problem, w0, lr).multipliers(w0[moving], lr)
    if found is None:
        raise NotApplicable("Newton's method did not find the multipliers")
    (w, nu, U), w0 = found, w0[moving] / unit

    def value(nu: np.ndarray, U: np.ndarray) -> float:
        push = ((U @ C) ** 2).sum(axis=0)
        with np.errstate(all="ignore"):
            w = _weights(f, L, clock(w0, L) + nu @ C, push)
            total = f.conjugate(L=L, push=push, w=w, w_0=w0).sum()
        return float(total + f.value(fit=nu @ y, cap=cap, trace=(U**2).sum()))

    closest = Interpolators(coordinates, problem, moving).nearest(coordinates.start(pred.starts[0]) ** L, 2 / lr)[0]
    b, b0 = closest[moving] / unit**L, w0**L
    of = f.of("FRO-3")
    least = float(
        (of.divergence_two(beta=b, beta_0=b0) if L == 2 else of.divergence_more(beta=b, beta_0=b0, L=L)).sum()
    )
    noise = case.rng.standard_normal
    others = np.array([value(nu * (1 + 0.1 * noise(nu.shape)), U * (1 + 0.1 * noise(U.shape))) for _ in range(10)])
    slack = cap * np.eye(len(C)) - (C * L**2 * w ** (2 * L - 2)) @ C.T
    return [
        Comparison(least, value(nu, U), label=model.name),
        Comparison(others[np.isfinite(others)], least, "at_most"),
        Comparison(np.trace(U @ slack @ U.T), 0.0, scale=cap * float((U**2).sum())),
        Comparison(w**L, b),
    ]


def _weights(f: Formulas, L: int, ends: np.ndarray, push: np.ndarray) -> np.ndarray:
    """The w at which the clock and what the push adds to it are ``ends``, by bisection in ln w; NaN where none is."""
    low, high = np.full(len(ends), -60.0), np.full(len(ends), 20.0)
    added = lambda w: clock(w, L) + f.slope(L=L, w=w) * push  # noqa: E731
    none = ~(added(np.exp(high)) > ends)
    for _ in range(200):
        middle = (low + high) / 2
        above = added(np.exp(middle)) > ends
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(none, np.nan, np.exp(high))


def _ends(
    case: Case, model, sizes: tuple[int, int], warmups: tuple[int, ...]
) -> Iterator[tuple[xr.Dataset, list[Endpoint]]]:
    """Runs of one problem that converge between the critical learning rates, and their predicted endpoints."""
    problem = sparse_problem(case, *sizes, only_positive(model))
    pred = predicted(case, model, problem, 0.1 if whole_degree(model) == 2 else 0.3)
    if not pred.lr_critical_final < pred.lr_max:
        raise NotApplicable("gradient flow ends at the least sharpness")
    for share in SHARES:
        lr = between(pred, share)
        run = descend(model, problem, lr, theta0=pred.starts[0], max_steps=10_000, track_every=0)
        if int(run.status) != Status.CONVERGED or (whole_degree(model) % 2 and (run.theta.values < 0).any()):
            continue
        try:
            ends = [pred.endpoint(lr, warmup=steps) for steps in warmups]
        except GdbiasError:
            continue
        if not any(end.note for end in ends):  # else descent itself has ended
            yield run, ends


@check("FRO-11", cases=30, quick_cases=5)
def warm_up(f: Formulas, case: Case) -> list[Comparison]:
    """The relative errors of the coefficients after 0, 20 and 50 steps."""
    model = case.choose(SHORT)
    errors = np.zeros(3)
    for run, ends in _ends(case, model, SIZES[case.index // 2 % 4], (0, 20, 50)):
        errors += [np.linalg.norm(end.beta - run.beta.values) / np.linalg.norm(run.beta.values) for end in ends]
    if not errors[0]:
        raise NotApplicable("no run converged later than its warm-up")
    return [
        Comparison(errors[1], f.after_20(error=errors[0]), "at_most", scale=errors[0], label=f"{model.name}, 20 steps"),
        Comparison(errors[2], f.after_50(error=errors[0]), "at_most", scale=errors[0], label="50 steps"),
    ]


@check("FRO-12", cases=9, quick_cases=3)
def coverage(f: Formulas, case: Case) -> list[Comparison]:
    """The shares of errors within the narrow and the wide bars, from starts and at rates of all sizes."""
    model, held = case.choose((power(2), difference(2), power(3))), []
    for at in range(16):
        problem, scale = sparse_problem(case, *SIZES[at % 4], only_positive(model)), float(case.rng.uniform(0.1, 0.6))
        try:
            pred = predicted(case, model, problem, scale)
            top = min(pred.lr_max, pred.lr_divergence)
            for lr in case.rng.uniform(0.15 * min(pred.lr_critical_final, top), top, 4).tolist():
                held += _in_bars(pred, lr)
        except (NotApplicable, GdbiasError):
            continue
    if len(held) < 20:
        raise NotApplicable("few runs converged")
    narrow, wide = np.mean(held, axis=0)
    return [
        Comparison(narrow, f.narrow(), scale=1.0, label=f"{model.name}, {len(held) // 3} runs, 68 %"),
        Comparison(wide, f.wide(), scale=1.0, label="90 %"),
    ]


def _in_bars(pred: Prediction, lr: float) -> list[np.ndarray]:
    """Whether coefficients, l1 norm and sharpness are in their bars; nothing where the run does not converge."""
    model = pred.dynamics.model
    run = descend(model, pred.problem, lr, theta0=pred.starts[0], max_steps=10_000, track_every=0)
    if int(run.status) != Status.CONVERGED or (whole_degree(model) % 2 and (run.theta.values < 0).any()):
        return []
    end = pred.endpoint(lr)
    assert end.error is not None
    return [
        np.linalg.norm(end.beta - run.beta.values) <= end.error.beta,
        abs(end.l1_norm - float(run.beta_l1)) <= end.error.l1_norm,
        abs(end.sharpness - float(run.sharpness)) <= end.error.sharpness,
    ]


@check("FRO-13", cases=30, quick_cases=6)
def heavy_ball(f: Formulas, case: Case) -> list[Comparison]:
    """Runs with momentum, beside the flow that begins after 20 of their steps, and beside the one from the start."""
    pred, scale = _sparse(case)
    model, momentum, share = pred.dynamics.model, (0.3, 0.5)[case.index % 2], (-1.0, 0.1, 0.4)[case.index // 2 % 3]
    same = between(pred, share) if share > 0 else 0.8 * float(pred.lr_critical_final)
    lr, rule = (1 + momentum) * same, UpdateRule(momentum=momentum)
    beta = _converged(descend(model, pred.problem, lr, scale, rule=rule, max_steps=20_000, track_every=0))
    coordinates = doubled(model)
    edge = Edge(coordinates, pred.problem, coordinates.start(pred.starts[0]), same)
    try:
        w, _, ended, _ = edge.warmed(20, lr, momentum)
    except NoClosedForm:
        raise NotApplicable("a weight changed its sign") from None
    if ended:
        raise NotApplicable("the run ended within its warm-up")
    begun, rate = edge.full(w) ** (1 / coordinates.degree), float(f.lr_same_cap(lr=lr, b=momentum))
    ends = [constrained_flow(coordinates, pred.problem, w0, rate, exact_drift=False) for w0 in (begun, edge.w0)]
    found, missed = (float(np.linalg.norm(coordinates.beta(end.b[-1]) - beta) / np.linalg.norm(beta)) for end in ends)
    return [
        Comparison(found, 0.0, scale=1.0, label=f"{model.name}, b = {momentum}"),
        Comparison(missed, f.missed(), "at_least", scale=1.0, label="from the start"),
    ]


@check("FRO-14", cases=30, quick_cases=6)
def moving_cap(f: Formulas, case: Case) -> Comparison:
    """Runs whose learning rate falls, beside the prediction of the schedule and that of the settled rate."""
    pred, scale = _sparse(case)
    model, problem, lr = pred.dynamics.model, pred.problem, between(pred, (0.1, 0.5)[case.index % 2])
    rule = UpdateRule(schedule=cosine((100, 1000)[case.index // 2 % 2], final=0.5))
    beta = _converged(descend(model, problem, lr, scale, rule=rule, max_steps=20_000, track_every=0))
    try:
        ends = predict(model, problem, scale, rule=rule).endpoint(lr), pred.endpoint(lr / 2)
    except GdbiasError:
        raise NotApplicable("the constrained flow did not end") from None
    moving, settled = (float(np.linalg.norm(end.beta - beta)) for end in ends)
    return Comparison(moving, f.remaining(error=settled), "at_most", scale=settled, label=model.name)


def _sparse(case: Case) -> tuple[Prediction, float]:
    """The prediction of a sparse problem whose critical learning rates differ, and the scale of its start."""
    model = case.choose((power(2), difference(2), power(3)))
    scale = 0.1 if whole_degree(model) == 2 else 0.3
    pred = predicted(case, model, sparse_problem(case, *SIZES[case.index // 3 % 4], only_positive(model)), scale)
    if not pred.lr_critical_final < pred.lr_max:
        raise NotApplicable("gradient flow ends at the least sharpness")
    return pred, scale


def _converged(run: xr.Dataset) -> np.ndarray:
    """Its coefficients."""
    if int(run.status) != Status.CONVERGED:
        raise NotApplicable("the run did not converge")
    return run.beta.values
