"""Deep linear networks: what is sharp, where descent diverges and where it ends (section DEEP, continued)."""

import sympy as sp

from ..derivation.dynamics import GRADIENT_BETA, derive
from ..families import product
from .deep_linear import COVERED, LR, L, S
from .registry import Proof, statement

A = sp.Symbol("a", positive=True)


def _curvatures_derived() -> Proof:
    """Second derivatives of the loss of two aligned modes along unit directions of the layers."""
    typed, x = _curvatures(), sp.Symbol("x", real=True)
    for depth in (2, 3, 4):
        between, alone = sp.Matrix([[0, 1], [-1, 0]]) / sp.sqrt(2 * depth), sp.diag(1, 0) / sp.sqrt(depth)
        apart = [sp.diag(sign, 0) / sp.sqrt(2) for sign in (1, -1)]
        directions = {
            "between": [between] * depth, "own": [alone] * depth, "apart": [*apart, *[sp.zeros(2)] * (depth - 2)],
        }  # fmt: skip
        for name, moved in directions.items():
            whole = sp.eye(2)
            for layer in moved:
                whole = (A * sp.eye(2) + x * layer) * whole
            error = whole - S * sp.eye(2)
            loss = sum(entry**2 for entry in error) / 2
            yield typed[name].subs(L, depth), sp.diff(sp.expand(loss), x, 2).subs(x, 0)


@statement(
    "DEEP-6", "Two modes of equal target and weight are turned into one another by all layers at once: below the "
    "target that is the sharpest direction of the loss, and no mode has it alone.",
    kind="identity", source="derived", tolerance=1e-10, families=COVERED, proof=_curvatures_derived,
    conditions="aligned balanced weights a in every layer, two equal targets s, no larger one; 0 < a < s^(1/L) for the "
    "sharpest",
)  # fmt: skip
def _curvatures():
    """``own`` along all weights of a mode, ``apart`` along two of them, one up and one down."""
    return {
        "between": A ** (2 * L - 2) + (L - 1) * S * A ** (L - 2),
        "own": (2 * L - 1) * A ** (2 * L - 2) - (L - 1) * S * A ** (L - 2),
        "apart": (S - A**L) * A ** (L - 2),
    }


@statement(
    "DEEP-7", "From an aligned balanced start below the target gradient flow is sharpest at its end: there is no edge "
    "to meet before lr_max.",
    kind="empirical", source="derived; the end by 2002.04710", tolerance=1e-3, families=COVERED, depends=("DEEP-5",),
    conditions="every weight of the start below s^(1/L) of every mode", reason="the way is integrated",
)  # fmt: skip
def _sharpest_at_the_end():
    return {"largest": L * S ** (2 - 2 / L), "lr_critical": 2 / (L * S ** (2 - 2 / L))}


def _outer_cycle_derived() -> Proof:
    """One step turns the sign of both weights, so that the next one turns them back."""
    steps = derive(product(2))
    first, second = steps.model.weights
    size = sp.sqrt(_outer_cycle()["strength"])
    after = steps.gd_map[first].subs(GRADIENT_BETA, first * second - S).subs({first: size, second: size})
    yield sp.expand(after.subs(sp.Symbol("lr", positive=True), LR)), -size


@statement(
    "DEEP-8", "A balanced mode of two layers diverges from strengths above s + 2 / lr, an unstable cycle of two, and "
    "converges below it where lr s < 1.",
    kind="identity", source="derived", tolerance=1e-8, families=COVERED, proof=_outer_cycle_derived,
    conditions="depth 2, aligned balanced start",
)  # fmt: skip
def _outer_cycle():
    return {"strength": S + 2 / LR}


@statement(
    "DEEP-9", "From where descent is 30 steps on, gradient flow held inside S <= 2 / lr ends at descent's own weights, "
    "within 3 %, and where the edge held it, just below that sharpness.",
    kind="empirical", source="derived; compare 2410.24206", tolerance=0.03, families=COVERED,
    conditions="random starts of scale 1, lr between lr_critical_final and lr_max, runs that converge",
    reason="a law that is seen, not proved: the error is the relative distance of the weights, or of the sharpness",
)  # fmt: skip
def _held_flow():
    return {"sharpness": 2 / LR}
