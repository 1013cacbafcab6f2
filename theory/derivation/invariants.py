"""Quantities that gradient flow conserves in every coordinate, found and proved by SymPy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.polys.matrices import DomainMatrix
from sympy.polys.monomials import itermonomials

from .separable import separate, slope

HIGHEST_DEGREE = 3  # of the polynomial ansatz


@dataclass(frozen=True)
class Invariant:
    """A conserved quantity ``I(theta)`` of gradient flow.

    Attributes:
        expression: I, in the weights of one coordinate.
        residual: the simplified ``grad I . grad effective``; 0 is the proof that I is conserved.
    """

    expression: sp.Expr
    residual: sp.Expr


def find_invariants(effective: sp.Expr, weights: tuple[sp.Symbol, ...]) -> tuple[Invariant, ...]:
    """Up to m - 1 independent invariants of ``d theta / ds = grad effective``.

    Two searches. Where every weight stands in a term of its own, the times of flight differ by a
    constant; otherwise polynomials up to degree 3 with ``grad I . grad effective = 0``, a linear
    system in their coefficients.
    """
    candidates = iter(_times_of_flight(effective, weights) or _polynomials(effective, weights))
    point = {w: sp.Rational(prime, 7) for w, prime in zip(weights, sp.primerange(11, 1000), strict=False)}
    gradient = {w: slope(effective, w) for w in weights}
    found: list[Invariant] = []
    normals: list[list[sp.Expr]] = []  # of what is found, at one point
    while len(found) < len(weights) - 1 and (candidate := next(candidates, None)) is not None:
        slopes = {w: sp.diff(candidate, w) for w in weights if candidate.has(w)}
        residual = sp.simplify(sp.Add(*(rate * gradient[w] for w, rate in slopes.items())))
        normal = [slopes.get(w, sp.S.Zero).xreplace(point) for w in weights]
        if residual == 0 and _rank([*normals, normal]) > len(normals):
            found.append(Invariant(candidate, residual))
            normals.append(normal)
    return tuple(found)


def _times_of_flight(effective: sp.Expr, weights) -> list[sp.Expr]:
    terms = separate(effective, weights)
    if terms is None or len(weights) < 2:
        return []
    first, *others = [(w, *terms[w]) for w in weights]
    candidates = []
    for other in others:
        (u, a, p), (v, b, q) = first, other
        if p == q == 2:  # both times are logarithms: u^b / v^a, cleared of fractions and signs
            ratio = sp.Rational(b / a) if sp.sympify(b / a).is_Rational else None
            if ratio is None or abs(ratio.p) > HIGHEST_DEGREE or ratio.q > HIGHEST_DEGREE:
                return []
            candidates.append(u**ratio.p * v ** (-ratio.q) if ratio > 0 else u ** (-ratio.p) * v**ratio.q)
        elif 2 not in (p, q):  # times of flight w^(2-p) / (c p (2-p))
            time_u = u ** (2 - p) / (a * p * (2 - p))
            time_v = v ** (2 - q) / (b * q * (2 - q))
            scale = sp.sympify(a * p * (2 - p))
            candidates.append(sp.expand(scale * (time_u - time_v)))
        else:
            return []
    return candidates


def _polynomials(effective: sp.Expr, weights) -> Iterator[sp.Expr]:
    ring, beta = sp.sring(effective, *weights)  # sparse: thousands of products of many weights
    gradient = [beta.diff(w) for w in range(ring.ngens)]
    for degree in range(1, HIGHEST_DEGREE + 1):
        chosen = sorted(itermonomials(weights, degree, degree), key=sp.default_sort_key)
        rates: list[Any] = [
            sum((m.diff(w) * rate for w, rate in enumerate(gradient)), ring.zero) for m in map(ring.from_expr, chosen)
        ]
        rows = {monom: row for row, monom in enumerate(sorted(set().union(*rates)))}
        entries = {(rows[m], k): ring.domain.to_sympy(c) for k, rate in enumerate(rates) for m, c in rate.items()}
        for vector in sp.SparseMatrix(len(rows), len(chosen), entries).nullspace():
            yield sp.Add(*(c * m for c, m in zip(vector, chosen, strict=True) if c))


def _rank(rows: list[list[sp.Expr]]) -> int:
    return DomainMatrix.from_list_sympy(len(rows), len(rows[0]), rows).to_field().rank()
