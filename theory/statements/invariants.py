"""What gradient flow conserves, and how one finite step breaks it (section INV)."""

import sympy as sp

from ..derivation.dynamics import GRADIENT_BETA, derive
from ..families import difference, power, product
from .algebra import dual_of_power
from .formula import put
from .registry import Proof, statement

G, LR, L = GRADIENT_BETA, sp.Symbol("lr", real=True), sp.Symbol("L", positive=True)
U, V, W = sp.symbols("u v w", real=True)
DEPTHS = (3, 4, 5)


def _hyperbola_after_step() -> Proof:
    dynamics, typed = derive(difference(2)), _hyperbola()
    yield typed["invariant"] * typed["factor"], dynamics.after_step(dynamics.invariants[0])


@statement(
    "INV-1", "For u^2 - v^2 gradient flow conserves u v; each step multiplies it by 1 - 4 lr^2 g^2, so it shrinks.",
    kind="identity", source="2002.09277; finite step derived", tolerance=1e-10, families=("difference(2)",),
    proof=_hyperbola_after_step, conditions="shrinks while lr |g| < 1 / sqrt(2)",
)  # fmt: skip
def _hyperbola():
    [invariant] = derive(difference(2)).invariants
    return {"invariant": invariant.expression, "factor": 1 - 4 * LR**2 * G**2}


def _powers_after_step() -> Proof:
    typed = _powers()
    for depth in DEPTHS:
        dynamics = derive(difference(depth))
        [invariant] = dynamics.invariants
        exact = invariant.expression.subs(dynamics.gd_map, simultaneous=True)
        yield typed["invariant"].subs(L, depth), invariant.expression
        yield typed["after_step"].subs(L, depth), exact
        yield typed["second_order"].subs(L, depth), sp.diff(exact, LR, 2).subs(LR, 0) / 2
        yield sp.diff(exact, LR).subs(LR, 0), sp.Integer(0)


@statement(
    "INV-2", "For u^L - v^L with L >= 3 gradient flow conserves u^(2-L) + v^(2-L); steps raise it at second order.",
    kind="identity", source="2002.09277; finite step derived", tolerance=1e-10, families=("difference(L >= 3)",),
    proof=_powers_after_step, conditions="u, v > 0 before and after the step",
)  # fmt: skip
def _powers():
    step_u, step_v = (w ** (2 - L) * (1 - sign * LR * L * w ** (L - 2) * G) ** (2 - L) for w, sign in ((U, 1), (V, -1)))
    return {
        "invariant": U ** (2 - L) + V ** (2 - L),
        "after_step": step_u + step_v,
        "second_order": (L - 2) * (L - 1) * L**2 * G**2 * (U ** (L - 2) + V ** (L - 2)) / 2,
    }


def _layer_gap_after_step() -> Proof:
    dynamics, typed = derive(product(2)), _layer_gap()
    [invariant] = dynamics.invariants
    sign = sp.cancel(typed["invariant"] / invariant.expression)
    yield abs(sign), sp.Integer(1)
    yield typed["invariant"] * typed["factor"], sign * dynamics.after_step(invariant)


@statement(
    "INV-3", "For u1 u2 gradient flow conserves u1^2 - u2^2; each step multiplies it by 1 - lr^2 g^2.",
    kind="identity", source="1802.06509; finite step derived", tolerance=1e-10, families=("product(2)",),
    proof=_layer_gap_after_step, conditions="the layers balance while lr |g| < sqrt(2)",
)  # fmt: skip
def _layer_gap():
    first, second = product(2).weights
    return {"invariant": first**2 - second**2, "factor": 1 - LR**2 * G**2}


def _any_two_layers_after_step() -> Proof:
    typed = _any_two_layers()
    for depth in (2, 3, 4, 5):
        dynamics = derive(product(depth))
        first, *_, last = dynamics.model.weights
        values = dict(u_p=first, u_q=last, others=dynamics.effective / (first * last))
        step = dynamics.gd_map
        yield put(typed["invariant"] * typed["factor"], **values), step[first] ** 2 - step[last] ** 2
        gap = put(typed["invariant"], **values)
        yield sum(sp.diff(gap, w) * sp.diff(dynamics.effective, w) for w in dynamics.model.weights), sp.Integer(0)


@statement(
    "INV-4", "For u1 ... uL every u_p^2 - u_q^2 is conserved by gradient flow, and multiplied in a step by "
    "1 - lr^2 g^2 prod_(m != p, q) u_m^2.",
    kind="identity", source="1802.06509; finite step derived", tolerance=1e-10, families=("product(L)",),
    proof=_any_two_layers_after_step, conditions="others is the product of the other layers",
)  # fmt: skip
def _any_two_layers():
    u_p, u_q, others = sp.symbols("u_p u_q others", real=True)
    return {"invariant": u_p**2 - u_q**2, "factor": 1 - LR**2 * G**2 * others**2}


def _clocks() -> Proof:
    """Every dual variable grows like the clock of gradient flow: its rate along grad beta is 1."""
    typed, w = _kernel_sums(), sp.Symbol("w", positive=True)
    for depth in (2, *DEPTHS):
        name = "dual_2" if depth == 2 else "dual"
        dual = typed[name].subs({L: depth, W: w})
        yield sp.diff(dual, w), sp.diff(dual_of_power(depth, w), w)
        move = derive(power(depth)).gd_map[W].subs(W, w)
        second = sp.diff(dual.subs(w, move), LR, 2).subs(LR, 0) / 2
        yield typed["change"].subs({L: depth, W: w}).coeff(LR, 2), second
    for model, name in ((difference(2), "difference"), (product(2), "product")):
        dual, dynamics = typed[f"dual_{name}"], derive(model)
        bare = dual.replace(sp.Abs, lambda inside: inside)
        yield sum(sp.diff(bare, x) * sp.diff(model.effective, x) for x in model.weights), sp.Integer(1)
        ratio = sp.exp(bare / bare.as_coeff_Mul()[0])  # of which the dual is a logarithm
        after = sp.cancel(ratio.subs(dynamics.gd_map, simultaneous=True) / ratio)
        yield typed[f"change_{name}"], bare.as_coeff_Mul()[0] * sp.log(sp.Abs(after))


@statement(
    "INV-5", "For every v with X v = 0 gradient flow conserves v . psi'(beta); a step changes it at second order for "
    "w^L, at third for u^2 - v^2 and u1 u2.",
    kind="identity", source="derived", tolerance=1e-10, proof=_clocks,
    families=("power(L)", "difference(L)", "product(2)"),
    conditions="weights above 0; psi'(beta) is the flow's clock; the change of w^L is up to lr^3, the others exact",
)  # fmt: skip
def _kernel_sums():
    first, second = sp.symbols("u1 u2", real=True)
    return {
        "dual_2": sp.log(W) / 2,
        "dual": W ** (2 - L) / (L * (2 - L)),
        "dual_difference": sp.log(U / V) / 4,
        "dual_product": sp.log(abs((first + second) / (first - second))) / 2,
        "change": -(LR**2) * L * (L - 1) * W ** (L - 2) * G**2 / 2,
        "change_difference": sp.log(abs((1 - 2 * LR * G) / (1 + 2 * LR * G))) / 4,
        "change_product": sp.log(abs((1 - LR * G) / (1 + LR * G))) / 2,
    }


def _counts_derived() -> Proof:
    m = sp.Symbol("m", integer=True, positive=True)
    for model in (power(2), power(3), difference(2), difference(3), product(2), product(3), product(4)):
        dynamics = derive(model)
        yield _counts()["in_a_coordinate"].subs(m, len(model.weights)), sp.Integer(len(dynamics.invariants))
        yield from ((invariant.residual, sp.Integer(0)) for invariant in dynamics.invariants)


@statement(
    "INV-6", "Nothing is conserved within a coordinate of w^L; across coordinates the d - n sums of INV-5 are.",
    kind="identity", source="derived", tolerance=1e-10, proof=_counts_derived, depends=("INV-5",),
    families=("power(L)", "difference(L)", "product(L)"),
    conditions="m weights in a coordinate leave m - 1 invariants; n independent samples",
)  # fmt: skip
def _counts():
    m, n, d = sp.symbols("m n d", integer=True, positive=True)
    return {"in_a_coordinate": m - 1, "across_coordinates": d - n}
