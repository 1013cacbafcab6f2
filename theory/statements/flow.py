"""Gradient flow as mirror flow: potentials and endpoints (section GF)."""

from functools import cache

import sympy as sp

from ..derivation.dynamics import derive as derived
from ..families import difference, power, product
from .formula import put
from .registry import Proof, statement

derive = cache(derived)  # formulas and their proofs need the same ones
L, S, LR = sp.symbols("L s lr", real=True)
BETA, P, Q, ENERGY = sp.symbols("beta p q energy", real=True)
ALPHA, W, U, V, U1, U2, U3, TAU = sp.symbols("alpha w_0 u_0 v_0 u1_0 u2_0 u3_0 tau", positive=True)
COVERED = ("power(L)", "difference(L)", "product(2)")
HALF = sp.Rational(1, 2)
MODELS = {"power_2": power(2), "difference_2": difference(2), "product_2": product(2)}


def _weight(w0, s):
    """``w(s)`` of one weight for L >= 3."""
    return (w0 ** (2 - L) - L * (L - 2) * s) ** (-1 / (L - 2))


def _potentials_derived() -> Proof:
    typed = _potentials()
    for name, model in MODELS.items():
        yield _any_sign(typed[f"beta_{name}"]), derive(model).flow_effective
    for degree in (3, 4):
        for name, model in (("power_L", power(degree)), ("difference_L", difference(degree))):
            yield _any_sign(typed[f"beta_{name}"].subs(L, degree)), derive(model).flow_effective
        for name, model in (("power_L", power(degree)), ("balanced_L", product(degree))):
            curvature = derive(model).mirror(balanced=True).curvature
            beta = next(iter(curvature.free_symbols))
            yield sp.diff(typed[f"potential_{name}"].subs(L, degree), BETA, 2).subs(BETA, beta), curvature


def _any_sign(expression):
    """With starts as derivations have them, real."""
    return expression.subs({s: sp.Symbol(s.name, real=True) for s in expression.free_symbols}, simultaneous=True)


@statement(
    "GF-1", "Gradient flow is mirror flow: psi'(beta) moves by s with ds/dt = -g, and beta is a function of s alone.",
    kind="identity", source="2002.09277, 1802.08246, 2102.09769", tolerance=1e-10, proof=_potentials_derived,
    families=(*COVERED, "product(L) balanced"),
    conditions="starts above 0; potentials for power and balanced product with L >= 3 and for L = 2",
)  # fmt: skip
def _potentials():
    """Coefficients in the clock and potentials; the potentials without a depth are the derived ones."""
    layers = (U1 + U2) / 2, (U1 - U2) / 2
    known = {name: derive(model).potential for name, model in MODELS.items()}
    return {
        "beta_power_2": W**2 * sp.exp(4 * S),
        "beta_power_L": _weight(W, S) ** L,
        "beta_difference_2": U**2 * sp.exp(4 * S) - V**2 * sp.exp(-4 * S),
        "beta_difference_L": _weight(U, S) ** L - _weight(V, -S) ** L,
        "beta_product_2": (layers[0] * sp.exp(S)) ** 2 - (layers[1] * sp.exp(-S)) ** 2,
        "potential_power_L": -(BETA ** (2 / L)) / (2 * (L - 2)),
        "potential_balanced_L": -L * BETA ** (2 / L) / (2 * (L - 2)),  # product
    } | {f"potential_{name}": psi for name, psi in known.items()}


def _conjugates_derived() -> Proof:
    """Half of |theta|^2 / L on the derived flow, and that its slope is beta."""
    typed = {name: _any_sign(value) for name, value in _conjugates().items()}
    cases = [(f"conjugate_{name}", model) for name, model in MODELS.items()]
    cases += [(f"conjugate_{name}_L", family(n)) for n in (3, 4) for name, family in
              (("power", power), ("difference", difference))]  # fmt: skip
    for name, model in cases:
        depth, known = sp.Integer(model.degree or 0), derive(model)
        found = typed[name].subs(L, depth)
        yield found, sum(w**2 for w in known.flow.values()) / (2 * depth)
        yield sp.diff(found, S), known.flow_effective


@statement(
    "GF-2", "Gradient flow ends at beta(X^T nu), the interpolator nearest to the start in D_psi; nu minimises "
    "sum_i psi*(s_i) - y.nu.",
    kind="proved", source="2002.09277", tolerance=1e-8, families=COVERED, proof=_conjugates_derived,
    conditions="an interpolator within reach (GF-4), starts above 0", depends=("GF-1",),
)  # fmt: skip
def _conjugates():
    """The conjugate of the potential in the clock, ``|theta(s)|^2 / (2 L)``."""
    plus, minus = ((U1 + U2) / 2) ** 2, ((U1 - U2) / 2) ** 2
    return {
        "conjugate_power_2": W**2 * sp.exp(4 * S) / 4,
        "conjugate_power_L": _weight(W, S) ** 2 / (2 * L),
        "conjugate_difference_2": (U**2 * sp.exp(4 * S) + V**2 * sp.exp(-4 * S)) / 4,
        "conjugate_difference_L": (_weight(U, S) ** 2 + _weight(V, -S) ** 2) / (2 * L),
        "conjugate_product_2": (plus * sp.exp(2 * S) + minus * sp.exp(-2 * S)) / 2,
    }


def _condition_derived() -> Proof:
    """``|d ln beta / d ln s|`` of the derived flow, squared."""
    typed = _condition()
    for degree, name in ((2, "condition_2"), (3, "condition_L"), (4, "condition_L")):
        known = derive(power(degree))
        [weight] = (_positive(w) for w in known.flow.values())
        beta = _positive(known.flow_effective)
        yield put(typed[name].subs(L, degree) ** 2, w=weight), (S * sp.diff(beta, S) / beta) ** 2


def _positive(expression):
    """With starts above 0, as formulas have them."""
    return put(expression, **{W.name: W})


@statement(
    "GF-3", "Damped Newton from nu = 0 finds the root to 1e-12, or to what rounding leaves: it amplifies a relative "
    "error of s by the condition number |s k / beta|, which grows as alpha^(2-L).",
    kind="empirical", source="derived", tolerance=1e-8, families=("power(L)",), proof=_condition_derived,
    conditions="alpha from 1e-1 to 1e-8 for L = 2, to 1e-4 for L = 3 and 4",
)  # fmt: skip
def _condition():
    w = sp.Symbol("w", positive=True)
    condition = sp.Symbol("condition", positive=True)
    return {
        "condition_2": sp.Abs(2 * sp.log(w / W)),
        "condition_L": L / (L - 2) * sp.Abs((w / W) ** (L - 2) - 1),
        "residual": sp.Float(1e-12) + 20 * sp.Rational(1, 2**53) * condition,
    }


@statement(
    "GF-4", "The flow of power(L) interpolates if and only if some b > 0 does; on the boundary only, the loss falls as "
    "t^(-L/(L-1)); with no b >= 0 it ends at non-negative least squares.",
    kind="proved", source="derived", tolerance=0.05, families=("power(L)",),
    reason="a slope of log loss on log t; the rate on the boundary is a scaling argument, not proved",
    conditions="rank X = n, starts above 0",
)  # fmt: skip
def _existence():
    return {"boundary_rate": L / (L - 1)}


@statement(
    "GF-5", "From small starts the flow ends at the interpolator of least l1 norm; off its support the coefficients "
    "vanish as alpha^(2 (1 - |p|)) for L = 2 and as alpha^L for L >= 3, p its dual certificate.",
    kind="proved", source="2002.09277; rates derived", tolerance=5e-3, families=("power(L)", "difference(L)"),
    conditions="unique, non-degenerate minimiser; |p| < 0.75 off the support",
    reason="leading order at alpha = 1e-9 (L = 2), 1e-4 (L = 3); the rates are expansions, only the limit is proved",
)  # fmt: skip
def _small_start():
    return {
        "off_support_2": ALPHA ** (2 - 2 * P) * sp.exp(Q),  # of power; of difference at +p less that at -p
        "off_support_L": ALPHA**L * (1 - P) ** (-L / (L - 2)),
    }


def _clock_of_three_derived() -> Proof:
    """``d(u_p^2)/ds = 2 beta`` for every layer, so ``d tau / d s = 2 sqrt(prod(tau + u_p0^2))``; ds = d tau over it."""
    model = product(3)
    for w, slope in zip(model.weights, derive(model).jacobian, strict=True):
        yield 2 * w * slope, 2 * model.effective
    slope = sp.diff(_clock_of_three()["clock_left"], TAU)
    places = {U1: 1, U2: 2, U3: 3}
    cubic = sp.prod([TAU + w**2 for w in places]).subs(places)
    yield sp.simplify(slope.subs(places) ** 2 * 4 * cubic), sp.Integer(1)


@statement(
    "GF-6", "Three unbalanced layers move on an elliptic curve: where u_p^2 = u_p0^2 + tau, the clock left to the "
    "blow-up is Legendre's F, whose inverse is Weierstrass's p.",
    kind="identity", source="derived", tolerance=1e-10, families=("product(3)",), proof=_clock_of_three_derived,
    conditions="0 < u1 < u2 < u3 at the start",
)  # fmt: skip
def _clock_of_three():
    """The clock left to a blow-up, by Legendre's integral; the roots -u_p^2 shifted by tau."""
    high, middle, low = U3**2, U2**2, U1**2  # u1 < u2 < u3 at the start
    modulus = (high - middle) / (high - low)
    angle = sp.asin(sp.sqrt((high - low) / (TAU + high)))
    return {"clock_left": sp.elliptic_f(angle, modulus) / sp.sqrt(high - low)}


def _chain_from_zero_derived() -> Proof:
    """``ds = du / (d beta / d u_L)`` where the other layers are sqrt(u^2 + alpha^2), as conserved."""
    found = _chain_from_zero()
    for depth in (2, 3, 4, 5):
        model = product(depth)
        *others, last = model.weights
        u = sp.Symbol("u", real=True)
        values = dict.fromkeys(others, sp.sqrt(u**2 + ALPHA**2)) | {last: u}
        yield found["beta"].subs(L, depth), model.effective.subs(values)
        slope = derive(model).jacobian[-1].subs(values)
        yield sp.diff(sp.hyperexpand(found["clock"].subs(L, depth)), u), 1 / slope


@statement(
    "GF-6b", "From the standard start of product(L) the clock is Gauss's 2F1 of the layer that starts at 0.",
    kind="identity", source="derived", tolerance=1e-10, families=("product(L)",), proof=_chain_from_zero_derived,
    conditions="u_1 = ... = u_{L-1} = alpha, u_L = 0 at the start",
)  # fmt: skip
def _chain_from_zero():
    u = sp.Symbol("u", real=True)
    return {
        "beta": u * (u**2 + ALPHA**2) ** ((L - 1) / 2),
        "clock": u * ALPHA ** (1 - L) * sp.hyper((HALF, (L - 1) / 2), (sp.Rational(3, 2),), -(u**2) / ALPHA**2),
    }


def _small_steps_derived() -> Proof:
    """What a step adds to ln w^2 beyond -4 lr g, to second order: lr times -4 lr g^2, whose sum is an integral."""
    model, g = power(2), sp.Symbol("g", real=True)
    [w] = model.weights
    factor = sp.log((derive(model).gd_map[w] / w).expand() ** 2)
    second = sp.diff(factor, LR, 2).subs(LR, 0) / 2
    yield _small_steps()["square_shift"].subs(ENERGY, LR * g**2), second * LR**2


@statement(
    "GF-7", "The endpoint of descent tends to the flow's at first order in lr: to that order w0^2 is multiplied by "
    "exp(-4 lr integral of g^2 dt).",
    kind="proved", source="derived; 2302.08982", tolerance=0.05, families=("power(2)", "difference(2)"),
    conditions="lr S well below 2", proof=_small_steps_derived, reason="slopes and first-order changes",
)  # fmt: skip
def _small_steps():
    return {"order": sp.Integer(1), "square_shift": -4 * LR * ENERGY}
