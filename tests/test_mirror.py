"""Mirror maps and characteristic flows: closed forms against integration, and refusals that name the model."""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad, solve_ivp

import reference
from gdbias import theory
from gdbias.theory.derivation.characteristic import CLOCK, start_symbols
from gdbias.theory.prediction.transport import Transport


def integrate(model, theta0, s):
    """``d theta / ds = grad effective`` from theta0 of shape (m,) to the clock s, by a solver."""
    weights = model.weights
    slope = sp.lambdify(weights, [sp.diff(model.effective, w) for w in weights])
    path = solve_ivp(lambda _, theta: slope(*theta), (0, s), theta0, "DOP853", rtol=1e-12, atol=1e-14)
    assert path.status == 0
    return path.y[:, -1]


def tangent(dyn, theta):
    return float(sp.lambdify(dyn.model.weights, dyn.tangent)(*theta))


@pytest.mark.parametrize(
    "name, theta0",
    [
        ("power(1)", [0.3]),
        ("power(2)", [0.3]),
        ("power(3)", [0.3]),
        ("power(5)", [0.7]),
        ("difference(1)", [0.3, 0.9]),
        ("difference(2)", [0.3, 0.9]),
        ("difference(2)", [0.5, 0.5]),
        ("product(1)", [-0.4]),
        ("product(2)", [0.7, -0.2]),
        ("product(2)", [0.3, 0.0]),
        ("custom(2*u**2 - 2*v**2)", [0.4, 0.6]),
        ("custom(u*v + v*w)", [0.4, 0.6, 0.1]),
    ],
)
def test_curvature_is_the_inverse_of_k_along_the_flow(name, theta0):
    dyn = theory.derive(theory.parse(name))
    mirror = dyn.mirror()
    at_start = dict(zip(dyn.model.weights, theta0, strict=True))
    constants = {c: expression.subs(at_start) for c, expression in mirror.constants.items()}
    curvature = mirror.curvature.subs(constants)
    [beta] = curvature.free_symbols or {sp.Symbol("beta", positive=True)}
    for s in (-0.2, 0.0, 0.15):
        theta = integrate(dyn.model, theta0, s) if s else np.array(theta0)
        value = float(sp.lambdify(dyn.model.weights, dyn.effective)(*theta))
        assert float(curvature.subs(beta, value)) * tangent(dyn, theta) == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("L", [2, 3, 4, 5])
def test_balanced_product(L):
    dyn = theory.derive(theory.product(L))
    curvature = dyn.mirror(balanced=True).curvature
    [beta] = curvature.free_symbols
    for layer in (0.3, 1.7):
        k = tangent(dyn, [layer] * L)
        assert float(curvature.subs(beta, layer**L)) * k == pytest.approx(1, rel=1e-12)


def psi(name):
    dyn = theory.derive(theory.parse(name))
    expression = dyn.potential
    return dyn, expression, next(x for x in expression.free_symbols if x.name == "beta")


@pytest.mark.parametrize(
    "name, stated",
    [
        ("power(1)", lambda b, c: b**2 / 2),
        ("power(2)", lambda b, c: (b * sp.log(b) - b) / 4),
        ("power(3)", lambda b, c: -(b ** sp.Rational(2, 3)) / 2),
        ("power(4)", lambda b, c: -sp.sqrt(b) / 4),
        ("power(5)", lambda b, c: -(b ** sp.Rational(2, 5)) / 6),
        ("difference(2)", lambda b, c: (b * sp.asinh(b / (2 * c)) - sp.sqrt(b**2 + 4 * c**2)) / 4),
        ("product(2)", lambda b, c: (2 * b * sp.asinh(2 * b / c) - sp.sqrt(4 * b**2 + c**2)) / 4),
    ],
)
def test_potentials(name, stated):  # GF-1, up to an affine function
    dyn, expression, beta = psi(name)
    b, c = sp.symbols("b c", positive=True)
    constants = dict.fromkeys(dyn.mirror().constants, c)
    difference = expression.subs(beta, b).subs(constants) - stated(b, c)
    second = sp.diff(difference, b, 2)
    for at in ({b: 0.3, c: 0.7}, {b: 2.9, c: 0.01}):
        assert abs(float(second.subs(at))) < 1e-12 * abs(float(sp.diff(stated(b, c), b, 2).subs(at)))


@pytest.mark.parametrize("name", ["power(2)", "difference(2)", "product(2)"])
def test_slope_of_the_potential_is_the_clock(name):  # nabla psi(beta(s)) - nabla psi(beta(0)) = s
    dyn, expression, beta = psi(name)
    theta0 = {"power(2)": [0.3], "difference(2)": [0.8, 0.4], "product(2)": [0.8, 0.4]}[name]
    at_start = dict(zip(dyn.model.weights, theta0, strict=True))
    constants = {c: abs(e.subs(at_start)) for c, e in dyn.mirror().constants.items()}
    slope = sp.diff(expression, beta).subs(constants)
    effective = sp.lambdify(dyn.model.weights, dyn.effective)
    first, last = effective(*theta0), effective(*integrate(dyn.model, theta0, 0.2))
    assert float(slope.subs(beta, last) - slope.subs(beta, first)) == pytest.approx(0.2, rel=1e-9)


@pytest.mark.parametrize(
    "name, what",
    [
        ("difference(3)", "mirror_curvature"),
        ("difference(4)", "potential"),
        ("product(3)", "mirror_curvature"),
        ("product(4)", "potential"),
        ("product(3)", "flow"),
        ("product(5)", "flow_effective"),
        ("custom(u*v + u)", "mirror_curvature"),
        ("custom(u*v*w + u)", "flow"),
        ("custom(w + w**3)", "flow"),
        ("custom(u*v + v*w + 2*w*u + u**2)", "flow"),  # eigenvalues of an irreducible cubic
    ],
)
def test_refusals_name_the_model(name, what):
    dyn = theory.derive(theory.parse(name))
    with pytest.raises(theory.NoClosedForm) as refusal:
        getattr(dyn, what)
    assert str(refusal.value).startswith(f"{name}: ")


def check_closed_flow(name, theta0, s):
    dyn = theory.derive(theory.parse(name))
    values = dict(zip(start_symbols(dyn.model), theta0, strict=True)) | {CLOCK: s}
    got = [float(dyn.flow[w].subs(values)) for w in dyn.model.weights]
    expected = integrate(dyn.model, theta0, s)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    effective = sp.lambdify(dyn.model.weights, dyn.effective)(*expected)
    assert float(dyn.flow_effective.subs(values)) == pytest.approx(effective, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("s", [-0.15, 0.15])
@pytest.mark.parametrize(
    "name, theta0",
    [
        ("power(1)", [0.3]),
        ("power(2)", [0.6]),
        ("power(2)", [-0.6]),
        ("power(3)", [0.6]),
        ("power(3)", [-0.6]),
        ("power(4)", [-0.7]),
        ("power(5)", [-0.7]),
        ("difference(1)", [0.3, -0.2]),
        ("difference(2)", [0.7, -0.2]),
        ("difference(3)", [0.7, -0.2]),
        ("difference(4)", [0.0, 0.5]),
        ("difference(5)", [-0.5, 0.6]),
        ("product(2)", [0.7, -0.2]),  # unbalanced
        ("product(2)", [0.4, 0.0]),
        ("product(2)", [0.4, -0.4]),
        ("custom(u*v - w**2)", [0.4, -0.1, 0.7]),
        ("custom(u*v + v*w)", [0.4, -0.1, 0.7]),
        ("custom(u*v + u)", [0.4, -0.1]),
        ("custom(2*u**3 - v**2 + 3*w)", [0.4, -0.1, 0.7]),
    ],
)
def test_closed_flow(name, theta0, s):
    check_closed_flow(name, theta0, s)


def transports():
    rng = np.random.default_rng(0)
    for family in reference.FAMILIES:
        for L in (1, 2, 3, 4, 5):
            m = reference.weight_count(family, L)
            yield f"{family}({L})", rng.uniform(0.3, 0.9, (m, 3)) * rng.choice([-1, 1], (m, 3))
    for L in (3, 4, 5):  # the standard start, GF-6b, and its images under sign changes and permutations
        yield f"product({L})", reference.standard_start("product", L, 0.6, 3)
        chain = rng.choice([-0.6, 0.6], (L, 3))
        chain[rng.integers(0, L, 3), np.arange(3)] = 0
        yield f"product({L})", chain
    yield "custom(-2*u*v*w)", reference.standard_start("product", 3, 0.6, 3)
    yield "custom(u*v + v*w + 2*w*u + u**2)", rng.uniform(-0.9, 0.9, (3, 3))
    yield "custom(u*v + u)", rng.uniform(-0.9, 0.9, (2, 3))
    yield "custom(u*v*w + u)", rng.uniform(-0.9, 0.9, (3, 3))
    yield "custom(w + w**3)", rng.uniform(-0.9, 0.9, (1, 3))


@pytest.mark.parametrize("name, theta0", list(transports()))
def test_transport(name, theta0):
    dyn = theory.derive(theory.parse(name))
    s = np.array([[0.2, -0.3, 0.1], [0.0, -0.1, -0.2]])
    got = Transport(dyn, theta0)(s)
    assert got.shape == (len(theta0), 2, 3)
    for b in range(2):
        for i in range(3):
            expected = integrate(dyn.model, theta0[:, i], s[b, i]) if s[b, i] else theta0[:, i]
            np.testing.assert_allclose(got[:, b, i], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("L", [3, 4, 5, 8])
def test_chain_close_to_its_blow_up(L):  # GF-6b: s from the weights, over ten orders of magnitude
    model = theory.product(L)
    alpha, ratio = 0.5, np.array([1e-6, 1e-2, 0.9, 1.1, 30.0])
    clock = [quad(lambda x: (1 + x * x) ** (-(L - 1) / 2), 0, x, epsabs=0, epsrel=1e-13)[0] for x in ratio]
    theta0 = reference.standard_start("product", L, alpha, len(ratio))
    for sign in (1, -1):
        got = Transport(theory.derive(model), theta0)(sign * np.array(clock) * alpha ** (2 - L))
        # Next to the blow-up a rounding of the clock is worth x^(L - 2) of it.
        assert (np.abs(got[-1] / (sign * alpha * ratio) - 1) < 1e-12 * (1 + ratio ** (L - 2))).all()
        np.testing.assert_allclose(got[0] ** 2 - got[-1] ** 2, alpha**2, rtol=1e-9)


@pytest.mark.parametrize(
    "name, theta0, limit",
    [
        ("power(3)", [0.5], 0.5**-1 / 3),
        ("power(4)", [0.5], 0.5**-2 / 8),
        ("difference(3)", [0.5, 0.5], 0.5**-1 / 3),
        ("product(3)", [0.5, 0.5, 0.0], 0.5**-1 * np.pi / 2),
        ("product(4)", [0.5, 0.5, 0.5, 0.0], 0.5**-2),
        ("product(3)", [0.5, 0.5, 0.5], 0.5**-1),
    ],
)
def test_outside_the_domain_is_nan(name, theta0, limit):
    transport = Transport(theory.derive(theory.parse(name)), np.array(theta0)[:, None])
    assert np.isfinite(transport(np.array([0.99 * limit]))).all()
    assert np.isnan(transport(np.array([1.01 * limit]))).any()
