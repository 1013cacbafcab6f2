"""Gradient flow conserves m - 1 quantities a coordinate, and one step of descent breaks each as stated."""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

import reference
from gdbias import theory
from gdbias.theory.derivation.invariants import find_invariants

CASES = [(family, L) for family in reference.FAMILIES for L in (1, 2, 3, 4, 5)]
lr, g = sp.symbols("lr g", real=True)


def dynamics(family, L):
    return theory.derive(theory.parse(f"{family}({L})"))


@pytest.mark.parametrize("family, L", CASES)
def test_count_and_proof(family, L):
    dyn = dynamics(family, L)
    weights = dyn.model.weights
    assert len(dyn.invariants) == reference.weight_count(family, L) - 1
    for invariant in dyn.invariants:
        assert invariant.residual == 0
        rate = sum(sp.diff(invariant.expression, w) * sp.diff(dyn.effective, w) for w in weights)
        assert sp.simplify(rate) == 0
        assert invariant.expression.free_symbols <= set(weights) and invariant.expression.free_symbols
    jacobian = sp.Matrix([i.expression for i in dyn.invariants] or [[0]]).jacobian(weights)
    point = dict(zip(weights, (sp.Rational(k, 3) for k in (2, 5, 7, 11, 13)), strict=False))
    assert jacobian.subs(point).rank() == len(dyn.invariants)  # none follows from the others


def test_difference_2_step():  # INV-1
    dyn = dynamics("difference", 2)
    [invariant] = dyn.invariants
    u, v = dyn.model.weights
    assert sp.simplify(invariant.expression / (u * v)).is_number
    assert sp.simplify(dyn.after_step(invariant) / invariant.expression - (1 - 4 * lr**2 * g**2)) == 0


@pytest.mark.parametrize("L", [3, 4, 5])
def test_difference_step(L):  # INV-2
    dyn = dynamics("difference", L)
    [invariant] = dyn.invariants
    u, v = dyn.model.weights
    stated = u ** (2 - L) + v ** (2 - L)
    scale = sp.simplify(invariant.expression / stated)
    assert scale.is_number
    exact = u ** (2 - L) * (1 - lr * L * u ** (L - 2) * g) ** (2 - L)
    exact += v ** (2 - L) * (1 + lr * L * v ** (L - 2) * g) ** (2 - L)
    after = dyn.after_step(invariant) / scale
    assert sp.simplify(after - exact) == 0
    second = sp.diff(after, lr, 2).subs(lr, 0) / 2
    factor = sp.Rational((L - 2) * (L - 1) * L**2, 2)
    assert sp.simplify(second - factor * g**2 * (u ** (L - 2) + v ** (L - 2))) == 0
    assert sp.simplify(sp.diff(after, lr).subs(lr, 0)) == 0


@pytest.mark.parametrize("L", [2, 3, 4, 5])
def test_product_step(L):  # INV-3 and INV-4, for every pair of layers
    dyn = dynamics("product", L)
    layers = dyn.model.weights
    for p, a in enumerate(layers):
        for b in layers[p + 1 :]:
            balance = a**2 - b**2
            others = sp.prod([c**2 for c in layers if c not in (a, b)])
            after = balance.subs(dyn.gd_map, simultaneous=True)
            assert sp.expand(after - balance * (1 - lr**2 * g**2 * others)) == 0
    for invariant in dyn.invariants:
        assert sp.Poly(invariant.expression, *layers).total_degree() == 2
        after = invariant.expression.subs(dyn.gd_map, simultaneous=True)
        assert sp.expand(dyn.after_step(invariant) - after) == 0
        assert sp.expand(sp.diff(after, lr)).subs(lr, 0) == 0


@pytest.mark.parametrize(
    "text, count",
    [
        ("u*v - w**2", 2),
        ("u**2 - 3*v**2", 1),
        ("u**3 + 2*v**4", 1),
        ("a*b - c*d", 3),
        ("a*b*c + a", 1),
        ("u - 2*v", 1),
        ("2*u**2 - v**2 + w**2", 2),
    ],
)
def test_custom(text, count):
    model = theory.custom(text)
    found = theory.derive(model).invariants
    assert len(found) == count
    assert all(invariant.residual == 0 for invariant in found)


def test_none_is_claimed_where_none_is_found():
    assert theory.derive(theory.custom("u*v + u")).invariants == ()
    assert find_invariants(*_effective("w**3")) == ()


def _effective(text):
    model = theory.custom(text)
    return model.effective, model.weights


@pytest.mark.parametrize("name", ["difference(2)", "difference(4)", "product(2)", "product(4)", "custom(u*v - w**2)"])
def test_conserved_along_integrated_flow(name):
    dyn = theory.derive(theory.parse(name))
    weights = dyn.model.weights
    slope = sp.lambdify(weights, [sp.diff(dyn.effective, w) for w in weights])
    beta = sp.lambdify(weights, dyn.effective)
    rng = np.random.default_rng(0)
    X, y, _ = reference.random_problem(rng, 3, 5, positive=False)
    theta0 = rng.uniform(0.3, 1, (len(weights), 5))

    def velocity(_, flat):
        theta = flat.reshape(theta0.shape)
        return -(np.stack(slope(*theta)) * (X.T @ (X @ beta(*theta) - y)) / 3).ravel()

    end = solve_ivp(velocity, (0, 3), theta0.ravel(), "DOP853", rtol=1e-12, atol=1e-13).y[:, -1].reshape(theta0.shape)
    assert np.abs(end / theta0 - 1).max() > 0.1  # it moved
    for invariant in dyn.invariants:
        value = sp.lambdify(weights, invariant.expression)
        np.testing.assert_allclose(value(*end), value(*theta0), rtol=1e-9, atol=1e-11)
