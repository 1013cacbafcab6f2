"""Effective coefficients in which every weight stands in one term of its own, ``sum_p c_p w_p^{L_p}``."""

import sympy as sp


def separate(effective: sp.Expr, weights: tuple[sp.Symbol, ...]) -> dict[sp.Symbol, tuple[sp.Expr, int]] | None:
    """Each weight's coefficient and power, or None when a term mixes weights or a weight has two terms."""
    terms: dict[sp.Symbol, tuple[sp.Expr, int]] = {}
    for powers, coefficient in sp.Poly(effective, *weights).terms():
        present = [(w, p) for w, p in zip(weights, powers, strict=True) if p]
        if not present:
            continue  # a constant moves nothing
        if len(present) > 1 or present[0][0] in terms:
            return None
        terms[present[0][0]] = (coefficient, present[0][1])
    return terms if len(terms) == len(weights) else None


def slope(expression: sp.Expr, weight: sp.Symbol) -> sp.Expr:
    """The derivative as SymPy gives it, which would walk through all factors of a monomial, with the weight or not."""
    if not expression.is_Mul or expression.has(sp.Add):
        return sp.diff(expression, weight)
    factor, part = expression.as_independent(weight, as_Add=False)
    return factor * sp.diff(part, weight)
