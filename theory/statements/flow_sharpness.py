"""Sharpness of the gradient-flow solution, along descent (section GFS)."""

import sympy as sp
from sympy.polys.specialpolys import symmetric_poly

from .registry import Proof, statement

U, V, Y = sp.symbols("u v y", real=True)
TAU, LR, G = sp.symbols("tau lr g", real=True)
DEPTHS = (2, 3, 4)


def invariants(depth: int) -> tuple[sp.Symbol, ...]:
    """The symbols c1, c2, ... of the squares of the weights of a chain."""
    return sp.symbols(f"c1:{depth + 1}", real=True)


def _chain_sharpness() -> Proof:
    """A chain keeps u_p^2 - c_p = tau; its Hessian where it fits y has the one eigenvalue sum_p (y / u_p)^2."""
    typed = _chain()
    for depth in DEPTHS:
        squares = [TAU + c for c in invariants(depth)]
        yield sp.expand(typed[f"phi_{depth}"]), sp.expand(sum(sp.prod(squares) / square for square in squares))
    pair = dict(zip(invariants(2), (U**2, V**2), strict=True))
    for root in sp.solve(typed["whole_2"].subs(pair) - Y**2, TAU):
        yield sp.expand(typed["phi_2"].subs({TAU: root, **pair}) ** 2), sp.expand(typed["phi_pair"] ** 2)


@statement(
    "GFS-1", "The sharpness where gradient flow ends from a chain u1 ... uL is e_(L-1)(tau + u_p^2), with "
    "tau such that prod(tau + u_p^2) = y^2.",
    kind="identity", source="2305.13064", tolerance=1e-10, families=("product(L)", "power(2)", "difference(2)"),
    proof=_chain_sharpness, depends=("ALG-4",),
    conditions="one sample x = 1, c_p = u_p^2, tau > -min c_p; several samples: the top eigenvalue of K at the end",
)  # fmt: skip
def _chain():
    formulas = {"phi_pair": sp.sqrt((U**2 - V**2) ** 2 + 4 * Y**2)}
    for depth in DEPTHS:
        squares = [TAU + c for c in invariants(depth)]
        formulas[f"whole_{depth}"] = sp.prod(squares)
        formulas[f"phi_{depth}"] = symmetric_poly(depth - 1, *squares)
    return formulas


def _where_the_gap_returns() -> Proof:
    """phi of a pair depends on the gap u^2 - v^2 alone, which a step multiplies by 1 - lr^2 g^2."""
    x = sp.Symbol("x", positive=True)  # lr |g|
    [size] = [root for root in sp.solve((1 - x**2) ** 2 - 1, x) if root.is_positive]
    yield _threshold()["threshold"], size


@statement(
    "GFS-2", "A step on u v lowers the sharpness of the flow's solution exactly while lr |g| <= sqrt(2).",
    kind="proved", source="derived, from INV-3", tolerance=1e-10, families=("product(2)",), depends=("GFS-1", "INV-3"),
    proof=_where_the_gap_returns, conditions="one sample x = 1; u^2 != v^2, else it stays",
)  # fmt: skip
def _threshold():
    return {"threshold": sp.sqrt(2)}


@statement(
    "GFS-3", "A step on u1 ... uL lowers it while lr |g| times the largest product of L - 2 other weights is at most "
    "sqrt(2), and while lr <= 2 sqrt(2) / phi where 0 < u1 ... uL <= y.",
    kind="empirical", source="2305.13064; conditions derived", tolerance=1e-10, families=("product(L)",),
    depends=("GFS-1",), conditions="one sample x = 1; the error of a case is the largest relative rise of 4,000 steps",
)  # fmt: skip
def _sufficient():
    others, phi = sp.symbols("others phi", positive=True)
    return {
        "size": LR * sp.Abs(G) * others,
        "threshold": sp.sqrt(2),
        "largest_rate": 2 * sp.sqrt(2) / phi,
    }


@statement(
    "GFS-4", "With several samples it is not monotone: along the edge of stability it falls in 98 steps of a hundred, "
    "to about 2 / lr.",
    kind="empirical", source="2305.13064; measured", tolerance=0.05, families=("power(2)", "difference(2)"),
    reason="measured: the share's error is absolute, that of 2 / lr relative",
    conditions="n > 1, lr 5 to 20 percent above lr_critical_final, the first 150 steps",
)  # fmt: skip
def _shares():
    return {"falls": sp.Rational(49, 50), "settles": 2 / LR}
