"""The norm-sharpness frontier against closed forms, random interpolators, and runs."""

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.theory.derivation.landscape import Landscape
from gdbias.theory.prediction.coordinates import doubled
from gdbias.theory.prediction.interpolators import Interpolators

FAMILIES = [f"{name}({L})" for name in ("power", "difference", "product") for L in (1, 2, 3, 4)]
x, y = np.array([0.5, 1.0, 1.5, 2.0, 2.5]), 3.0


def one_sample_ends(name, L):
    """Least sharpness and least norm of ``x . beta = y``, and the sharpness there (x has one largest entry)."""
    if L == 1:
        least = at_norm = (x**2).sum() * (2 if name == "difference" else 1)
    elif L == 2:
        least, at_norm = 4 * y * x.min(), 4 * y * x.max()
    else:
        Q = (x ** (-2 / (L - 2))).sum()
        least, at_norm = L**2 * y ** (2 - 2 / L) * Q ** (2 / L - 1), L**2 * y ** (2 - 2 / L) * x.max() ** (2 / L)
    share = L if name == "product" else 1
    return least / share, y / x.max(), at_norm / share


@pytest.mark.parametrize("name", FAMILIES)
def test_one_sample_has_closed_forms(name):
    family, L = name[:-3], int(name[-2])
    curve = theory.frontier(theory.parse(name), theory.single_point(x, y), points=5)
    least, norm, at_norm = one_sample_ends(family, L)
    np.testing.assert_allclose(curve.sharpness_min, least, rtol=1e-6)
    np.testing.assert_allclose(curve.l1_norm[0], norm, rtol=1e-6)
    np.testing.assert_allclose(curve.sharpness[0], at_norm, rtol=1e-5)
    assert curve.lr_max == 2 / curve.sharpness_min


@pytest.mark.parametrize("name", ["power(2)", "power(3)", "difference(2)", "difference(4)", "product(2)", "product(3)"])
def test_no_interpolator_lies_below(name):
    model = theory.parse(name)
    problem = theory.sparse_regression(n=4, d=12, sparsity=3, signs="positive", seed=5)
    curve = theory.frontier(model, problem, points=12)
    assert (np.diff(curve.sharpness) < 0).all() and (np.diff(curve.l1_norm) > 0).all()
    slopes = np.diff(curve.l1_norm) / np.diff(curve.sharpness)  # convex: steeper towards low sharpness
    assert (np.diff(slopes) < 1e-6).all()
    np.testing.assert_allclose(curve.beta @ problem.X.T - problem.y, 0, atol=1e-6)
    rng = np.random.default_rng(0)
    null = np.linalg.svd(problem.X)[2][problem.n :]
    L, share = int(name[-2]), int(name[-2]) if name.startswith("product") else 1
    for base in curve.beta:
        for size in (0.01, 0.1, 1.0):
            beta = base + size * rng.standard_normal(len(null)) @ null
            if name.startswith("power") and (beta < 0).any():
                continue
            k = L**2 * np.abs(beta) ** (2 - 2 / L) / share
            S = np.linalg.eigvalsh((problem.X * k) @ problem.X.T)[-1] / problem.n
            norm = np.interp(S, curve.sharpness[::-1], curve.l1_norm[::-1])
            assert S > curve.sharpness_min * (1 - 1e-6)
            assert np.abs(beta).sum() > norm * (1 - 5e-3)  # between points the chord lies above the curve


def test_sharpness_is_that_of_the_hessian():
    model, problem = theory.power(3), theory.sparse_regression(n=4, d=12, sparsity=3, signs="positive", seed=5)
    curve = theory.frontier(model, problem, points=4)
    theta = np.cbrt(np.maximum(curve.beta, 0))[:, None]
    found = Landscape(theory.derive(model), problem).sharpness(theta).value
    np.testing.assert_allclose(found, curve.sharpness, rtol=1e-5)


@pytest.mark.parametrize("name", ["power(2)", "difference(2)", "power(3)"])
def test_lr_max_separates_what_can_converge(name):
    model, problem = theory.parse(name), theory.sparse_regression(n=4, d=12, sparsity=3, signs="positive", seed=6)
    curve = theory.frontier(model, problem, points=3)
    w = np.maximum(curve.beta[-1], 0) ** (1 / model.degree)
    theta = np.stack([w, np.maximum(-curve.beta[-1], 0) ** (1 / model.degree)])[: len(model.weights)]
    near = theta * (1 + 1e-4 * np.random.default_rng(1).standard_normal(theta.shape)) + 1e-6
    run = {f: sims.descend(model, problem, f * curve.lr_max, theta0=near, max_steps=40_000) for f in (0.97, 1.02)}
    assert int(run[0.97].status) == sims.Status.CONVERGED
    assert int(run[1.02].status) != sims.Status.CONVERGED


SCALED = ["power(2)", "power(3)", "difference(2)", "difference(4)", "product(2)", "product(3)"]


def drawn(name, n=4, d=9, seed=0):
    rng = np.random.default_rng(seed)
    X, beta = rng.standard_normal((n, d)), rng.standard_normal(d)
    return theory.Problem(X, X @ (beta if "difference" in name else np.abs(beta)))


@pytest.mark.parametrize("c", [1e-8, 1e-3, 1e4, 1e8])
@pytest.mark.parametrize("name", SCALED)
def test_scalings_are_exact(name, c):
    """``(c X, c y)`` has the interpolators of (X, y) at c^2 times the sharpness, ``(c X, y)`` has them at 1 / c."""
    model, problem = theory.parse(name), drawn(name)
    curve = theory.frontier(model, problem, points=5)
    together = theory.frontier(model, theory.Problem(c * problem.X, c * problem.y), points=5)
    alone = theory.frontier(model, theory.Problem(c * problem.X, problem.y), points=5)
    np.testing.assert_allclose(together.sharpness, c**2 * curve.sharpness, rtol=1e-7)
    np.testing.assert_allclose(alone.sharpness, c ** (2 / model.degree) * curve.sharpness, rtol=1e-7)
    np.testing.assert_allclose(together.l1_norm, curve.l1_norm, rtol=1e-6)
    np.testing.assert_allclose(c * alone.l1_norm, curve.l1_norm, rtol=1e-6)


@pytest.mark.parametrize("size", [1e-6, 1e6])
@pytest.mark.parametrize("name", ["power(3)", "difference(2)"])
def test_columns_and_rows_of_any_size_have_certified_bounds(name, size):
    model, rng = theory.parse(name), np.random.default_rng(3)
    plain = drawn(name, 6, 15)
    columns = np.exp(rng.uniform(-1, 1, 15) * abs(np.log(size)) * 2 / 3)
    rows = np.exp(rng.uniform(-1, 1, 6) * abs(np.log(size)) / 2)
    for problem in (
        theory.Problem(plain.X * columns, plain.y),
        theory.Problem(rows[:, None] * plain.X, rows * plain.y),
    ):
        low, high = theory.predict(model, problem).lr_max_bounds
        assert low <= high * (1 + 1e-12) and high == pytest.approx(low, rel=1e-8)


@pytest.mark.parametrize("name", ["difference(2)", "power(2)"])
def test_the_lower_bound_is_the_value_of_a_dual_point(name):
    problem = drawn(name, 5, 12)
    kit = Interpolators(doubled(theory.parse(name)), problem)
    program = kit.program
    found = program.flattest(kit.inside)
    end, M = found.end, found.end.M / np.trace(found.end.M)
    (block, feature), signs = kit.places, doubled(theory.parse(name)).signs
    pulled = np.zeros(problem.d)
    pulled[feature] = signs[block] * (program.C.T @ end.nu) / kit.scale[feature]
    slopes = np.linalg.lstsq(kit.X.T, pulled)[0] @ kit.X  # X^T nu
    room = 4 / problem.n * np.einsum("ai,ab,bi->i", kit.X, M, kit.X)
    pull = np.abs(slopes) if len(signs) == 2 else slopes
    nu = slopes * (room / pull).min(where=pull > 0, initial=np.inf)  # as long as it is feasible
    coefficients = np.linalg.lstsq(problem.X, problem.y)[0]
    assert np.linalg.eigvalsh(M)[0] > 0
    assert nu @ coefficients == pytest.approx(program.lower_bound(end) * kit.unit, rel=1e-9)
    assert nu @ coefficients == pytest.approx(program.sharpness(found.b) * kit.unit, rel=1e-8)


@pytest.mark.parametrize("method", ["bregman", "frontier"])
@pytest.mark.parametrize("name", ["power(2)", "power(3)", "difference(2)", "difference(4)", "product(2)", "product(3)"])
def test_programs_agree_with_a_cone_solver(name, method):
    cp = pytest.importorskip("cvxpy")
    model, problem = theory.parse(name), drawn(name, 5, 12, seed=2)
    pred = theory.predict(model, problem, theta0=np.full((len(model.weights), 12), 0.1))
    lr = 1.05 * pred.lr_critical_final
    kit, L = doubled(model), model.degree
    b0 = kit.start(pred.starts[0]) ** L
    b, free = cp.Variable(b0.shape, nonneg=True), b0 > 0
    k = cp.sum(b if L == 2 else cp.power(b, 2 - 2 / L), axis=0)
    bound = cp.Variable(12)
    S = kit.rate * L**2 / problem.n * cp.lambda_max(problem.X @ cp.diag(bound) @ problem.X.T)
    start = np.where(free, b0, 1.0)
    if method == "frontier":
        cost = cp.sum(b)
    elif L == 2:
        cost = cp.sum(cp.multiply(free, cp.kl_div(b, start)))
    else:
        cost = cp.sum(cp.multiply(free * 2 / L * start ** (2 / L - 1), b)) - cp.sum(
            cp.multiply(free, cp.power(b, 2 / L))
        )
    held = [problem.X @ (kit.signs @ b) == problem.y, bound >= k, S <= 2 / lr]
    held += [] if free.all() else [b[~free] == 0]
    cp.Problem(cp.Minimize(cost), held).solve(solver=cp.CLARABEL)
    found = pred.endpoint(lr, method).beta
    np.testing.assert_allclose(found, kit.signs @ b.value, atol=2e-4 * np.abs(found).max())


def test_an_interpolator_that_stands_alone():
    """Nothing but the teacher fits with coefficients >= 0: the frontier is a point."""
    problem = theory.sparse_regression(n=8, d=12, sparsity=2, signs="positive", seed=1, n_test=0)
    curve = theory.frontier(theory.power(2), problem, points=4)
    np.testing.assert_allclose(curve.beta, np.tile(problem.beta_star, (4, 1)), atol=1e-7)


def test_what_is_no_model_or_problem_is_refused():
    with pytest.raises(theory.InputError, match=r"theory.parse\('power\(2\)'\)"):
        theory.frontier("power(2)", theory.single_point([1.0, 2.0], 1.0))
    with pytest.raises(theory.InputError, match="is not a Problem"):
        theory.frontier(theory.power(2), np.ones((2, 3)))


def test_what_has_no_frontier_is_refused_by_name():
    positive = theory.single_point([1.0, 2.0], -1.0)
    with pytest.raises(theory.NoInterpolator, match=r"power\(2\)"):
        theory.frontier(theory.power(2), positive)
    rng = np.random.default_rng(0)
    noisy = theory.Problem(rng.standard_normal((9, 3)), rng.standard_normal(9))
    with pytest.raises(theory.NoInterpolator, match="exactly"):
        theory.frontier(theory.difference(2), noisy)
    with pytest.raises(theory.NoClosedForm, match="custom"):
        theory.frontier(theory.custom("u*v - w**2"), theory.single_point([1.0], 1.0))
    with pytest.raises(theory.NoClosedForm, match="logistic"):
        theory.frontier(theory.power(2), theory.Problem([[1.0], [2.0]], [1.0, 1.0], loss="logistic"))
    with pytest.raises(theory.InputError, match="points"):
        theory.frontier(theory.power(2), theory.single_point([1.0], 1.0), points=1)


AWKWARD = {
    "a repeated sample": lambda X: np.vstack([X, X[:1]]),
    "a feature that is 0": lambda X: np.where(np.arange(X.shape[1]) == 2, 0.0, X),
    "features alike": lambda X: np.column_stack([X, X[:, 0], -X[:, 0]]),
    "features of any size": lambda X: X * np.geomspace(1e-4, 1e4, X.shape[1]),
    "ties": np.round,
    "one sample": lambda X: X[:1],
}


@pytest.mark.parametrize("c", [1e-8, 1e8])
@pytest.mark.parametrize("name", ["power(2)", "difference(2)", "difference(3)"])
@pytest.mark.parametrize("kind", AWKWARD)
def test_every_point_is_certified(kind, name, c):
    rng = np.random.default_rng(8)
    X = c * AWKWARD[kind](1.5 * rng.standard_normal((4, 11)))
    problem = theory.Problem(X, X @ np.abs(rng.standard_normal(X.shape[1])))
    curve = theory.frontier(theory.parse(name), problem, points=6)
    low, high = theory.predict(theory.parse(name), problem).lr_max_bounds
    np.testing.assert_allclose(
        curve.beta @ X.T, np.tile(problem.y, (6, 1)), rtol=0, atol=1e-8 * np.abs(problem.y).max()
    )
    np.testing.assert_allclose(curve.l1_norm, curve.l1_bound, rtol=1e-6)
    assert (curve.l1_norm > curve.l1_bound * (1 - 1e-8)).all()
    assert low <= high * (1 + 1e-12) and high == pytest.approx(low, rel=1e-8)
    assert curve.lr_max == pytest.approx(low, rel=1e-6)
