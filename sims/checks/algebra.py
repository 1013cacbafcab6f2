"""Checks of section ALG."""

import numpy as np
from mpmath import mp, mpf

from ...theory import derive, difference, logistic, power, product
from ...theory.derivation.landscape import Landscape
from .cases import beginning, dense_problem, plain_run, unequal_weights
from .mirror import clock, value, weight_at
from .points import Point, by_complex_steps, interpolating, targets
from .registry import Case, Comparison, Formulas, check

MODELS = (power(2), difference(3), product(3), power(3), difference(2), product(2))
ONE_STEP = {  # the formula of each weight
    power(2): ("w_next",),
    difference(3): ("u_next", "v_next"),
    product(3): ("factor_next",) * 3,
    power(3): ("w_next",),
    difference(2): ("u_next", "v_next"),
    product(2): ("factor_next",) * 2,
}


@check("ALG-1")
def one_step(f: Formulas, case: Case) -> list[Comparison]:
    """One step of a run against the formula, the loss gradient of beta taken from the data."""
    model, lr = case.choose(MODELS), case.rng.uniform(0.01, 0.2)
    problem, theta = beginning(case, model, 3, 5)
    run = plain_run(model, problem, lr, theta, 1)
    g, whole = Point(model, problem, theta).g, theta.prod(axis=0)
    known = dict(lr=lr, g=g, L=model.degree)
    comparisons = []
    for found, name, w in zip(run.theta.values, ONE_STEP[model], theta, strict=True):
        predicted = value(f[name], **known, w=w, u=w, v=w, others=whole / w)
        comparisons.append(Comparison(found, predicted, label=model.name))
    return comparisons


@check("ALG-2")
def hessian_entries(f: Formulas, case: Case) -> list[Comparison]:
    """The whole loss differentiated, and the Hessian that sims measures with, against the blocks."""
    point = _point(case)
    blocks = _blocks(f, point, point.g, point.A)
    landscape = Landscape(derive(point.model), point.problem)
    return [
        Comparison(point.differentiated()[1], blocks, label=point.model.name),
        Comparison(landscape.dense_hessian(point.theta), blocks),
    ]


@check("ALG-3")
def hessian_product(f: Formulas, case: Case) -> list[Comparison]:
    """The differentiated loss times a random direction, and the product that sims measures with."""
    point = _point(case)
    v = case.rng.standard_normal(point.theta.shape)
    moved = f.moved(slope=point.slopes, vector=v).sum(axis=0)
    bent = f.bent(curvature=point.curvatures, vector=v).sum(axis=1)
    X = point.problem.X
    product = f.product(slope=point.slopes, pulled=X.T @ (X @ moved) / point.problem.n, g=point.g, bent=bent)
    by_library = Landscape(derive(point.model), point.problem).hessian_product(point.theta[None], v[None])[0]
    return [
        Comparison(point.differentiated()[1] @ v.ravel(), product.ravel(), label=point.model.name),
        Comparison(by_library, product),
    ]


@check("ALG-4")
def kernel_spectrum(f: Formulas, case: Case) -> list[Comparison]:
    """All eigenvalues of the differentiated loss at an interpolator: K's, and zeros."""
    model, n = case.choose(MODELS), case.choose((3, 1, 4))
    problem = dense_problem(case, n, 5)
    point = interpolating(model, problem.X, unequal_weights(case, model, 5))
    rows = point.problem.X
    K = f.kernel(x_a=rows[:, None], x_b=rows[None], tangent=point.tangents, n=n).sum(axis=-1)
    found = np.linalg.eigvalsh(point.differentiated()[1])
    return [
        Comparison(found[-n:], np.linalg.eigvalsh(K), label=model.name),
        Comparison(found[:-n], 0.0, scale=found[-1], label="the other eigenvalues"),
    ]


@check("ALG-5")
def any_loss(f: Formulas, case: Case) -> list[Comparison]:
    """Gradient and Hessian of the logistic loss, differentiated as a whole."""
    model, n = case.choose(MODELS), case.choose((4, 1, 3))
    X = dense_problem(case, n, 4).X
    point = targets(model, X, unequal_weights(case, model, 4), case.rng.choice([-1.0, 1.0], n), logistic)
    known = dict(f=X @ point.beta, y=point.problem.y)
    slope, curvature = value(f.logistic_slope, **known), value(f.logistic_curvature, **known)
    g = f.g(x=X, slope=slope[:, None], n=n).sum(axis=0)
    A = f.A(x_i=X[:, :, None], x_j=X[:, None], curvature=curvature[:, None, None], n=n).sum(axis=0)
    gradient, hessian = point.differentiated()
    return [
        Comparison(gradient, (point.slopes * g).ravel(), label=model.name),
        Comparison(hessian, _blocks(f.of("ALG-2"), point, g, A)),
    ]


@check("ALG-6", cases=18)
def gauss_newton_bound(f: Formulas, case: Case) -> list[Comparison]:
    """At random weights the bound; at the origin, where K is 0, the bound with equality."""
    point = _point(case)
    theta = point.theta * case.rng.choice([-1.0, 1.0], point.theta.shape)
    point = targets(point.model, point.problem.X, theta, point.problem.y * case.rng.uniform(-3, 3))
    X, n = point.problem.X, point.problem.n
    sharpness = np.linalg.eigvalsh(Landscape(derive(point.model), point.problem).dense_hessian(theta))[-1]
    gauss_newton = np.linalg.eigvalsh(X * point.tangents @ X.T / n)[-1]
    radius = np.abs(np.linalg.eigvalsh(np.moveaxis(point.curvatures, -1, 0))).max(axis=-1)
    bound = f.bound(g=np.abs(point.g), radius=radius).max()
    comparisons = [Comparison(abs(sharpness - gauss_newton), bound, "at_most", label=point.model.name)]
    for name, model in (("power_2", power(2)), ("difference_2", difference(2)), ("product_2", product(2))):
        origin = targets(model, X, np.zeros((len(model.weights), X.shape[1])), point.problem.y)
        g = origin.g if np.abs(origin.g).max() == origin.g.max() else -origin.g
        origin = targets(model, X, origin.theta, point.problem.y * np.sign(g @ origin.g))
        top = np.linalg.eigvalsh(origin.differentiated()[1])[-1]
        comparisons.append(Comparison(top, f.bound(g=np.abs(g).max(), radius=f[name]()), label=f"{model.name} at 0"))
    return comparisons


@check("ALG-7", cases=8)
def dual_step(f: Formulas, case: Case) -> list[Comparison]:
    """A step in 60 digits, a step of a run for w^2, and the Jacobian of the dual map by complex steps."""
    depth, model = case.choose((2, 3, 4, 5)), power(case.choose((2, 3, 4, 5)))
    problem = dense_problem(case, case.choose((3, 1)), 4, positive=True)
    X = np.hstack([problem.X, -problem.X]) if case.index % 2 else problem.X  # doubled, as of u^L - v^L
    theta = case.rng.uniform(0.5, 1.0, (1, X.shape[1]))
    point = targets(model, X, theta, problem.y)
    slope = f.tangent_slope(beta=point.beta, L=depth)
    comparisons = [Comparison(*_second_order(f, theta[0], point.g, slope, depth), label=f"L = {depth}")]
    if depth == 2:
        lr = case.rng.uniform(0.5, 0.9) / (2 * np.abs(point.g).max())
        run = plain_run(model, point.problem, lr, theta, 1)
        moved = np.log(np.abs(run.theta.values[0] / theta[0])) / 2
        comparisons.append(Comparison(moved, f.dual_step_2(lr=lr, g=point.g)))
    point = interpolating(model, X, theta)
    spectrum = np.zeros(X.shape[1])
    spectrum[: len(X)] = np.linalg.eigvalsh(X * point.tangents @ X.T / len(X))
    lr = 1.5 / spectrum.max()
    found = np.sort(np.linalg.eigvals(_dual_jacobian(point, lr, depth)).real)
    return [*comparisons, Comparison(found, np.sort(f.factor(lr=lr, eigenvalue=spectrum)))]


def _second_order(f: Formulas, w, g, slope, depth: int, lr: str = "1e-18") -> tuple[np.ndarray, np.ndarray]:
    """What a step moves the dual variable by beyond -lr g, over lr^2: found in 60 digits, and predicted."""
    with mp.workdps(60):
        rate, found, predicted = mpf(lr), [], []
        for start, pull, bend in zip(w, g, slope, strict=True):
            start, pull = mpf(float(start)), mpf(float(pull))
            end = start - rate * depth * start ** (depth - 1) * pull
            moved = clock(end, depth, mp.log) - clock(start, depth, mp.log)
            found.append(float((moved + rate * pull) / rate**2))
            predicted.append(float((f.dual_step(lr=rate, g=pull, slope=mpf(float(bend))) + rate * pull) / rate**2))
    return np.array(found), np.array(predicted)


def _dual_jacobian(point: Point, lr: float, depth: int) -> np.ndarray:
    X, y, n = point.problem.X, point.problem.y, point.problem.n

    def moved(z: np.ndarray) -> np.ndarray:
        w = weight_at(z, depth)
        g = X.T @ (X @ w**depth - y) / n
        return clock(w - lr * depth * w ** (depth - 1) * g, depth)

    return by_complex_steps(moved, clock(point.theta[0], depth)).T


def _point(case: Case) -> Point:
    """Correlated features, n = 1 and n > 1, weights that all differ, targets that nothing fits."""
    model, n = case.choose(MODELS), case.choose((3, 1, 4))
    problem = dense_problem(case, n, 4)
    return Point(model, problem, unequal_weights(case, model, 4))


def _blocks(f: Formulas, point: Point, g: np.ndarray, A: np.ndarray) -> np.ndarray:
    m, d = point.theta.shape
    entry = f.entry(
        slope_p=point.slopes[:, :, None, None], slope_q=point.slopes[None, None], A=A[None, :, None],
        same=np.eye(d)[None, :, None], g=g[None, :, None, None],
        curvature=np.moveaxis(point.curvatures, -1, 1)[..., None],
    )  # fmt: skip
    return entry.reshape(m * d, m * d)
