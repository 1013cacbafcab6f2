"""Families that are one another in other coordinates, step for step (section RED)."""

import sympy as sp

from ..derivation.dynamics import GRADIENT_BETA, derive
from ..families import difference, power, product
from .registry import Proof, statement

DEPTHS = (2, 3, 4)
G, LR, L, S, X = GRADIENT_BETA, sp.Symbol("lr", real=True), sp.Symbol("L", positive=True), *sp.symbols("S x", real=True)
U, V, W = sp.symbols("u v w", real=True)


def _steps_of_one_power() -> Proof:
    for depth in DEPTHS:
        step = derive(power(depth)).gd_map[W]
        u, v = derive(difference(depth)).gd_map.values()
        yield u, step.subs(W, U)
        yield v, step.subs({W: V, G: -G}, simultaneous=True)  # of a mirrored column g has the other sign


@statement(
    "RED-1", "u^L - v^L on X takes the steps of w^L on [X, -X] with the weights u, then v.",
    kind="identity", source="derived", tolerance=1e-12, families=("difference(L)", "power(L)"),
    proof=_steps_of_one_power, conditions="u and v may differ; learning rate and sharpness are the same",
)  # fmt: skip
def _one_power():
    return {"u": W, "v": W, "mirrored": -X, "learning_rate": LR, "sharpness": S}


def _rotated_steps() -> Proof:
    chain, square = product(2), derive(difference(2))
    turned = dict(zip(chain.weights, (U + V, U - V), strict=True))
    first, second = (step.subs(turned, simultaneous=True) for step in derive(chain).gd_map.values())
    typed = _rotated()
    for name, weight in (("u", U), ("v", V)):
        yield typed[name].subs({U: first, V: second}, simultaneous=True), square.gd_map[weight].subs(LR, LR / 2)
    yield derive(chain).tangent.subs(turned, simultaneous=True), square.tangent / 2


@statement(
    "RED-2", "u v takes the steps of p^2 - q^2 at half the learning rate, with p, q = (u + v) / 2, (u - v) / 2.",
    kind="identity", source="derived", tolerance=1e-12, families=("product(2)", "difference(2)"),
    proof=_rotated_steps, conditions="sharpness of the product is half that of p^2 - q^2",
)  # fmt: skip
def _rotated():
    return {"u": (U + V) / 2, "v": (U - V) / 2, "learning_rate": LR / 2, "sharpness": S / 2}


def _balanced_steps() -> Proof:
    for depth in DEPTHS:
        chain, one = derive(product(depth)), derive(power(depth))
        alike = dict.fromkeys(chain.model.weights, W)
        for step in chain.gd_map.values():
            yield step.subs(alike) - W, (one.gd_map[W] - W) / depth
        yield chain.tangent.subs(alike), one.tangent / depth


@statement(
    "RED-3", "A product of L equal weights takes the steps of w^L at the learning rate over L.",
    kind="identity", source="derived", tolerance=1e-10, families=("product(L)", "power(L)"), proof=_balanced_steps,
    conditions="layers equal in every coordinate; sharpness and flat directions at interpolators",
)  # fmt: skip
def _balanced():
    return {"factor": W, "learning_rate": LR / L, "sharpness": S / L, "flat_directions": (L - 1) * sp.Symbol("d")}
