"""Gradient, GD map, Hessian and sharpness are those of an independent twin, at u != v with correlated X."""

import numpy as np
import pytest
import sympy as sp

import reference
from gdbias import theory
from gdbias.theory.derivation.landscape import Landscape

CASES = [(family, L) for family in reference.FAMILIES for L in (1, 2, 3, 4)]
IDS = [f"{family}({L})" for family, L in CASES]


def setting(family, L, n=4, d=6, seed=0):
    rng = np.random.default_rng(seed)
    X, y, _ = reference.random_problem(rng, n, d, positive=False)
    theta = reference.random_start(rng, family, L, d)
    return theory.derive(theory.parse(f"{family}({L})")), theory.Problem(X, y), theta


def relative(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("family, L", CASES, ids=IDS)
def test_gradient(family, L):
    dyn, problem, theta = setting(family, L)
    X, y = problem.X, problem.y
    law = dyn.law.arrays
    g = X.T @ (X @ law.effective(*theta) - y) / problem.n
    got = np.stack([slope * g for slope in law.jacobian(*theta)])
    assert relative(got, reference.gradient(family, L, theta, X, y)) < 1e-14
    symbolic = sp.lambdify([*dyn.model.weights, sp.Symbol("g", real=True)], list(dyn.gradient))
    for i in range(problem.d):
        np.testing.assert_allclose(symbolic(*theta[:, i], g[i]), got[:, i], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("family, L", CASES, ids=IDS)
def test_gd_map(family, L):
    dyn, problem, theta = setting(family, L)
    X, y, lr = problem.X, problem.y, 0.05
    g = X.T @ (X @ reference.effective(family, L, theta) - y) / problem.n
    expected, _ = reference.descend(family, L, theta, X, y, lr, 1)
    assert relative(np.stack(dyn.law.arrays.step(lr, g, *theta)), expected) < 1e-14
    step = sp.lambdify([*sp.symbols("lr g", real=True), *dyn.model.weights], list(dyn.gd_map.values()))
    assert relative(np.stack(step(lr, g, *theta)), expected) < 1e-14


@pytest.mark.parametrize("family, L", CASES, ids=IDS)
def test_hessian(family, L):
    dyn, problem, theta = setting(family, L)
    expected = reference.hessian_by_differences(family, L, theta, problem.X, problem.y)
    assert relative(Landscape(dyn, problem).dense_hessian(theta), expected) < 1e-9


@pytest.mark.parametrize("family, L", CASES, ids=IDS)
def test_symbolic_hessian(family, L):
    dyn, problem, theta = setting(family, L)
    A = problem.X.T @ problem.X / problem.n
    g = problem.X.T @ (problem.X @ reference.effective(family, L, theta) - problem.y) / problem.n
    weights = [w.name for w in dyn.model.weights]
    names = [f"{w}_{at}" for at in "ij" for w in weights] + ["A_ij", "g_i"]
    block = sp.lambdify(
        [*(sp.Symbol(name, real=True) for name in names), *sp.symbols("i j", integer=True)], dyn.hessian
    )
    m, d = theta.shape
    got = np.empty((m, d, m, d))
    for i in range(d):
        for j in range(d):
            got[:, i, :, j] = block(*theta[:, i], *theta[:, j], A[i, j], g[i], i, j)
    assert relative(got.reshape(m * d, m * d), Landscape(dyn, problem).dense_hessian(theta)) < 1e-13


@pytest.mark.parametrize("samples", [3, 6, 11])
def test_hessian_of_dependent_samples(samples):  # projected: other rows of X, the same Hessian
    dyn, problem, theta = setting("difference", 3, n=samples, d=5)
    noisy = theory.Problem(problem.X, problem.y + np.random.default_rng(1).standard_normal(samples))
    expected = reference.hessian_by_differences("difference", 3, theta, noisy.X, noisy.y)
    assert relative(Landscape(dyn, noisy).dense_hessian(theta), expected) < 1e-9


def test_logistic_hessian_by_differences():
    rng = np.random.default_rng(0)
    X, _, _ = reference.random_problem(rng, 5, 4, positive=False)
    problem = theory.Problem(X, rng.choice([-1.0, 1.0], 5), loss="logistic")
    dyn = theory.derive(theory.product(3), "logistic")
    theta = reference.random_start(rng, "product", 3, 4)

    def gradient(flat):
        at = flat.reshape(theta.shape)
        margins = problem.y * (X @ reference.effective("product", 3, at))
        g = X.T @ (-problem.y / (1 + np.exp(margins))) / problem.n
        return np.concatenate([at[[1, 0, 0][p]] * at[[2, 2, 1][p]] * g for p in range(3)])

    step = 1e-6 * np.eye(theta.size)
    columns = [(gradient(theta.ravel() + e) - gradient(theta.ravel() - e)) / 2e-6 for e in step]
    assert relative(Landscape(dyn, problem).dense_hessian(theta), np.array(columns)) < 1e-8


def test_one_sample_sharpness_formula():
    dyn = theory.derive(theory.difference(3))
    x, theta = np.array([0.5, 1.0, 2.0]), np.array([[0.4, 0.7, 0.9], [0.3, 0.2, 0.8]])
    w, names = sp.symbols("u v"), sp.IndexedBase("x")
    values = {sp.IndexedBase(a.name)[i + 1]: theta[p, i] for p, a in enumerate(w) for i in range(3)}
    values |= {names[i + 1]: x[i] for i in range(3)}
    formula = dyn.sharpness.subs(sp.Symbol("d", integer=True, positive=True), 3).doit().subs(values)
    beta = reference.effective("difference", 3, theta)
    problem = theory.single_point(x, float(x @ beta))
    top = np.linalg.eigvalsh(Landscape(dyn, problem).dense_hessian(theta))[-1]
    assert float(formula) == pytest.approx(top, rel=1e-12)


@pytest.mark.parametrize("name", ["power(1)", "power(3)", "difference(2)", "product(4)", "custom(u*v - w**2)"])
def test_chain_gives_every_formula_or_the_reason(name):
    dyn = theory.derive(theory.parse(name))
    steps = dict(dyn.chain())
    assert len(steps) == len(dyn.chain())  # titles differ
    assert sum(title.startswith("invariant") for title in steps) == len(dyn.invariants)
    for step in steps.values():
        assert isinstance(step, (sp.Basic, sp.MatrixBase, dict)) or (isinstance(step, str) and step)
    assert dyn.latex().count(r"\paragraph") == len(steps)


def test_unknown_loss():
    with pytest.raises(theory.InputError):
        theory.derive(theory.power(2), "hinge")
