"""Checks of section RULE: edges."""

from itertools import product as every
from typing import Any

import numpy as np

from ...theory import Problem, UpdateRule, difference, power, product
from ...theory.rules.steps import STEPS
from .. import descend, flow
from .cases import dense_problem, only_positive, sparse_problem, unequal_weights
from .extensions import settled
from .registry import Case, Comparison, Formulas, NotApplicable, check
from .stability import beside_the_edge, fitted, flip, gradients_at, heavy_ball_map, hessian_at

REST = 1e-9  # the longest step of a run that has come to rest


@check("RULE-1", cases=12, quick_cases=4)
def nesterov(f: Formulas, case: Case) -> list[Comparison]:
    """Where the linear map loses stability, and runs from beside a minimum below and above that."""
    (model, problem, theta), b = fitted(case), case.rng.uniform(0.1, 0.9)
    H = hessian_at(model, problem, theta)
    top, eye = np.linalg.eigvalsh(H)[-1], np.eye(len(H))

    def step(lr: float) -> np.ndarray:
        kept = eye - lr * H
        return np.block([[(1 + b) * kept, -b * kept], [eye, np.zeros_like(eye)]])

    lr_max = f.lr_max(b=b, sharpness=top)
    linear = Comparison(flip(step, 0.5 / top, 8 / top), lr_max, label=f"{model.name}, linear")
    return [linear, *beside_the_edge(model, problem, theta, lr_max, UpdateRule(momentum=b, step=STEPS["nesterov"]))]


@check("RULE-2", cases=12, quick_cases=4)
def preconditioned(f: Formulas, case: Case) -> list[Comparison]:
    """The linear map with random divisors, and runs with an eps that outweighs the gradients near a minimum."""
    model, problem, theta = fitted(case)
    b = 0.0 if case.index % 3 == 2 else case.rng.uniform(0.1, 0.9)
    H = hessian_at(model, problem, theta)
    root, eye = case.rng.uniform(0.3, 3, len(H)) ** -0.5, np.eye(len(H))
    scaled = root[:, None] * H * root
    top = np.linalg.eigvalsh(scaled)[-1]

    def step(size: float) -> np.ndarray:
        pull = (1 - b) * size * scaled
        return np.block([[eye - pull, -b * eye], [pull, b * eye]])

    limit = f.limit(b=b)
    linear = Comparison(flip(step, 0.5 / top, 1.3 * limit / top) * top, limit, label=f"{model.name}, linear")
    name, parameters = ("adam", dict(beta1=b)) if b else ("rmsprop", {})
    rule = UpdateRule(step=STEPS[name], step_parameters=parameters | dict(beta2=0.9, eps=1.0))
    return [linear, *beside_the_edge(model, problem, theta, limit / np.linalg.eigvalsh(H)[-1], rule)]


@check("RULE-3", cases=9, quick_cases=3)
def decayed(f: Formulas, case: Case) -> list[Comparison]:
    """At minima of the loss with its penalty: the linear map, and runs from beside them."""
    model, n = case.choose((difference(2), product(2))), 1 + 2 * (case.index % 2)
    problem, decay = dense_problem(case, n, n + 2), case.rng.uniform(0.05, 0.15)
    b = 0.0 if case.index % 3 == 2 else case.rng.uniform(0.1, 0.9)
    theta = settled(model, problem, unequal_weights(case, model, problem.d), decay)
    H = hessian_at(model, problem, theta)
    total, top = H + decay * np.eye(len(H)), np.linalg.eigvalsh(H)[-1]
    lr = flip(lambda lr: heavy_ball_map(total, lr, b), 1 / (top + decay), 8 / (top + decay))
    bound = f.sharpness_max(b=b, lr=lr, decay=decay)
    linear = Comparison(top, bound, label=f"{model.name}, linear")
    return [linear, *beside_the_edge(model, problem, theta, lr, UpdateRule(momentum=b, weight_decay=decay))]


@check("RULE-4", cases=9, quick_cases=3)
def steepest(f: Formulas, case: Case) -> list[Comparison]:
    """Steps on random quadratics in three norms, and from where the bound is met: along the sharpest direction."""
    d = int(case.rng.integers(2, 7))
    root = case.rng.standard_normal((d, d))
    H, eye = root @ root.T / d, np.eye(d)
    vertices = np.array(list(every((-1.0, 1.0), repeat=d)))
    norms = {  # the v of norm 1 with the most curvature; the dual norm of g; the v along which g falls fastest
        "l1": (eye[np.argmax(np.diag(H))], lambda g: np.abs(g).max(), lambda g: np.sign(g) * eye[np.argmax(np.abs(g))]),
        "l2": (np.linalg.eigh(H)[1][:, -1], np.linalg.norm, lambda g: g / np.linalg.norm(g)),
        "l-infinity": (max(vertices, key=lambda v: v @ H @ v), lambda g: np.abs(g).sum(), np.sign),
    }
    found = []
    for name, (sharpest, dual, along) in norms.items():
        sharpness = sharpest @ H @ sharpest
        lr = case.rng.uniform(0.2, 3) / sharpness

        def lowered(x: np.ndarray, lr=lr, dual=dual, along=along) -> tuple[float, float]:
            g = H @ x
            after = x - lr * dual(g) * along(g)
            return (x @ H @ x - after @ H @ after) / 2, dual(g)

        fell, norm = lowered(case.rng.standard_normal(d))
        found.append(Comparison(fell, f.decrease(lr=lr, norm=norm, sharpness=sharpness), "at_least", label=name))
        fell, norm = lowered(sharpest)
        found.append(Comparison(fell, f.decrease(lr=lr, norm=norm, sharpness=sharpness), label=f"{name}, sharpest"))
    return found


def _on_a_bowl(case: Case, lr: float, **rule: Any) -> np.ndarray:
    """Where a rule is from a random start on a quadratic of sharpness 1 with its minimum at 0, (step, d)."""
    d = 3
    axes = np.linalg.qr(case.rng.standard_normal((d, d)))[0]
    X = np.sqrt(d * np.array([1.0, case.rng.uniform(0.5, 0.8), case.rng.uniform(0.2, 0.4)]))[:, None] * axes
    settings: dict[str, Any] = dict(theta0=case.rng.standard_normal((1, d)), tol=0, record_every=1, track_every=0)
    run = descend(power(1), Problem(X, np.zeros(d)), lr, max_steps=1500, rule=UpdateRule(**rule), **settings)
    return run.path_theta.transpose("step", "weight", "feature").values[:, 0] @ axes.T


@check("RULE-5", cases=9, quick_cases=3)
def swing(f: Formulas, case: Case) -> list[Comparison]:
    """Gradients at the last two points of a run, the last in its direction."""
    lr = case.rng.uniform(0.02, 0.2)
    x = _on_a_bowl(case, lr, step="normalized_descent", step_parameters=dict(eps=0.0))
    return [
        Comparison(np.abs(x[-2:, 0]).sum(), f.gradients(lr=lr, sharpness=1.0)),
        Comparison(np.abs(x[-1, 1:]), 0.0, scale=lr, label="off the top eigenvector"),
    ]


@check("RULE-6", cases=9, quick_cases=3)
def bounce(f: Formulas, case: Case) -> list[Comparison]:
    """The last two points of a run."""
    lr, rho = case.rng.uniform(0.3, 1.5), case.rng.uniform(0.05, 0.5)
    x = _on_a_bowl(case, lr, step="sam", step_parameters=dict(rho=rho))
    distance = f.distance(lr=lr, sharpness=1.0, rho=rho)
    return [
        Comparison(np.abs(x[-2:, 0]), distance),
        Comparison(x[-2, 0] + x[-1, 0], 0.0, scale=distance, label="to both sides"),
        Comparison(np.abs(x[-1, 1:]), 0.0, scale=distance, label="off the top eigenvector"),
    ]


def _tail(case: Case, lr: float, late: int = 200, **rule: Any):
    """A run on difference(2): gradients of its last steps (late, p), Hessians, and the averages of squares there.

    The averages are made anew from the weights of all steps: what the rule itself keeps is not looked at.
    """
    model, problem = difference(2), sparse_problem(case, 4, 8)
    settings: dict[str, Any] = dict(max_steps=2500, tol=0, record_every=1, track_every=0)
    run = descend(model, problem, lr, 0.3, rule=UpdateRule(**rule), **settings)
    theta = run.path_theta.transpose("step", "weight", "feature").values[:-1]
    if not np.isfinite(theta).all():
        raise NotApplicable("the run diverged")
    gradients = gradients_at(model, problem, theta).reshape(len(theta), -1)
    hessians = np.stack([hessian_at(model, problem, t) for t in theta[-late:]])
    return gradients, hessians


def _averages(squares: np.ndarray, beta: float) -> np.ndarray:
    """Exponential averages from 0, along axis 0."""
    average, found = np.zeros_like(squares[0]), []
    for square in squares:
        average = beta * average + (1 - beta) * square
        found.append(average)
    return np.array(found)


@check("RULE-7", cases=9, quick_cases=3)
def scalar_plateau(f: Formulas, case: Case) -> Comparison:
    """The median of step and sharpness over the last steps, from their product."""
    lr, beta = 10 ** case.rng.uniform(-2.3, -1.5), 0.99
    gradients, hessians = _tail(case, lr, step="rmsprop_scalar", step_parameters=dict(beta2=beta))
    step = lr / np.sqrt(_averages((gradients**2).sum(axis=1), beta))[-len(hessians) :]
    predicted = f.step(sharpness=np.linalg.eigvalsh(hessians)[:, -1])
    return Comparison(np.median(step / predicted), 1.0, label=f"lr {lr:.2g}")


@check("RULE-8", cases=12, quick_cases=4)
def plateaus(f: Formulas, case: Case) -> Comparison:
    """The median of the preconditioned sharpness over the last steps, in turn of the two rules."""
    lr, beta, b = 10 ** case.rng.uniform(-2.3, -1.7), 0.99, case.rng.uniform(0.5, 0.9)
    name = case.choose(("rmsprop", "adam"))
    parameters = dict(beta2=beta) | (dict(beta1=b) if name == "adam" else {})
    gradients, hessians = _tail(case, lr, step=name, step_parameters=parameters)
    squares = _averages(gradients**2, beta)[-len(hessians) :]  # corrections of the start are over by then
    root = np.sqrt(lr / (np.sqrt(squares) + 1e-8))
    sharpness = np.linalg.eigvalsh(root[:, :, None] * hessians * root[:, None, :])[:, -1]
    limit = f.adam(b=b) if name == "adam" else f.rmsprop()
    return Comparison(np.median(sharpness), limit, label=f"{name}, lr {lr:.2g}")


@check("RULE-9", cases=8, quick_cases=4)
def limits(f: Formulas, case: Case) -> list[Comparison]:
    """Eigenvalues where runs of a range of learning rates have come to rest, up to the largest that does."""
    model = case.choose((difference(2), power(2), product(2), difference(3)))
    problem = sparse_problem(case, 3, 6, only_positive(model))
    theta0, largest, least = unequal_weights(case, model, problem.d, 0.5), [], []
    edge = 2 / float(flow(model, problem, theta0=theta0).sharpness)
    for lr in edge * np.linspace(0.8, 2.3, 16):
        run = descend(model, problem, lr, theta0=theta0, tol=0, max_steps=8_000, track_every=0)
        theta = run.theta.transpose("weight", "feature").values
        if not np.isfinite(theta).all():
            continue
        if lr * np.abs(gradients_at(model, problem, theta[None])).max() < REST:
            values = np.linalg.eigvalsh(hessian_at(model, problem, theta))
            largest.append(values[-1] / f.largest(lr=lr))
            least.append(values[0] / values[-1])
    if not largest:
        raise NotApplicable("no run came to rest")
    return [
        Comparison(np.array(largest), 1.0, "at_most", label=f"{model.name}, {len(largest)} runs"),
        Comparison(max(largest), 1.0, "at_least", label="the largest of them"),
        Comparison(np.array(least), 0.0, "at_least", scale=1.0, label="least eigenvalue"),
    ]


@check("RULE-10", cases=6, quick_cases=3)
def plane(f: Formulas, case: Case) -> list[Comparison]:
    """The map of u and v itself, from all starts at once."""
    axis = np.linspace(-3, 3, 141)
    u, v = (start.ravel() for start in np.meshgrid(axis, axis))
    inside = u**2 + v**2 <= 9
    u, v = u[inside], v[inside]
    high = case.index % 3 > 0
    lr, seen = case.rng.uniform(0.95, 0.99) if high else case.rng.uniform(0.8, 0.88), []
    for step in range(1000):
        with np.errstate(over="ignore", invalid="ignore"):
            residual = u * v - 1
            u, v = u - lr * residual * v, v - lr * residual * u
        if step >= 900:
            trace, mixed = u * u + v * v, 2 * u * v - 1
            seen.append(trace / 2 + np.sqrt(((u * u - v * v) / 2) ** 2 + mixed**2))
        bounded = np.abs(u) + np.abs(v) < 1e6
        u, v, seen = u[bounded], v[bounded], [s[bounded] for s in seen]
    share = float(np.mean(np.median(np.abs(lr * np.array(seen) - 2), axis=0) < 0.1))
    return [
        Comparison(float(np.median(seen[-1])), f.sharpness(), label=f"lr {lr:.3f}"),
        Comparison(share, f.share() if high else 1 - f.share(), scale=1.0, label="share at the edge"),
    ]
