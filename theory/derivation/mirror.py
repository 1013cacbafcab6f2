"""The mirror map of gradient flow: curvature and potential as functions of the coefficient.

Since ``d beta / ds = k`` with ``k = |grad effective|^2``, the clock s is a function ``psi'(beta)`` with
``psi'' = 1 / k``: gradient flow on the weights is mirror flow on beta with the potential psi
(2002.09277, 1802.08246).
"""

from dataclasses import dataclass

import sympy as sp

from ..errors import NoClosedForm
from ..parameterization import Parameterization
from .invariants import Invariant

BETA = sp.Symbol("beta", real=True)
MOST_CONSTANTS = 2  # elimination with more free invariants does not end in reasonable time

HIGHEST_ELIMINATED = 12


@dataclass(frozen=True)
class MirrorMap:
    """The mirror map at fixed invariants.

    Attributes:
        curvature: psi''(beta) = 1 / k(beta), for beta > 0 where the family is one-sided.
        constants: the symbol of each invariant in it, with the invariant it stands for.
    """

    curvature: sp.Expr
    constants: dict[sp.Symbol, sp.Expr]


def mirror_map(model: Parameterization, invariants: tuple[Invariant, ...], balanced: bool = False) -> MirrorMap:
    """Eliminate the weights from ``beta = effective``, ``k = |grad effective|^2`` and the invariants.

    With ``balanced`` every invariant is 0 (all layers alike), where more models have a closed form.

    Raises:
        NoClosedForm: invariants missing or too many to eliminate, or a k that is no single root.
    """
    name, weights = model.name, model.weights
    if len(invariants) < len(weights) - 1:
        raise NoClosedForm(
            f"{name}: only {len(invariants)} of {len(weights) - 1} invariants are known, so psi'' has no "
            "closed form; the gradient, Hessian and GD map are available, and predict() needs no potential"
        )
    constants = {sp.Symbol(f"c{j}", real=True): inv.expression for j, inv in enumerate(invariants, 1)}
    if len(constants) > MOST_CONSTANTS and not balanced:
        raise NoClosedForm(
            f"{name}: psi'' at {len(constants)} free invariants has no closed form; "
            "the balanced one has (balanced=True), and predict() needs no potential"
        )
    if not all(e.is_polynomial(*weights) and sp.Poly(e, *weights).total_degree() <= 2 for e in constants.values()):
        raise NoClosedForm(
            f"{name}: its invariants are not quadratic, so psi'' has no closed form in beta; the flow in the "
            "clock s = psi'(beta) is available where it has one, and predict() needs no potential"
        )
    degree = sp.Poly(model.effective, *weights).total_degree()
    if constants and degree > HIGHEST_ELIMINATED:
        raise NoClosedForm(
            f"{name}: eliminating its weights at degree {degree}, above {HIGHEST_ELIMINATED}, takes too long, so psi'' "
            "is not derived; predict() needs no potential"
        )
    tangent = sp.Symbol("k", positive=True)
    relations = [
        model.effective - BETA,
        sp.Add(*(sp.diff(model.effective, w) ** 2 for w in weights)) - tangent,
        *(expression - (0 if balanced else symbol) for symbol, expression in constants.items()),
    ]
    constants = {} if balanced else constants
    field = sp.QQ.frac_field(BETA, *constants)
    basis = sp.groebner(relations, *weights, tangent, domain=field, order="lex")
    [eliminated] = [g for g in basis.exprs if not g.free_symbols & set(weights)]
    terms = sp.Poly(eliminated, tangent).terms()
    if len(terms) > 2 or (len(terms) == 2 and terms[-1][0] != (0,)):
        raise NoClosedForm(
            f"{name}: k solves an equation of degree {terms[0][0][0]}, so psi'' has no closed form at free "
            "invariants; the balanced one may have (balanced=True), and predict() needs no potential"
        )
    [(order,)], leading = [terms[0][0]], terms[0][1]
    constant = terms[-1][1] if len(terms) == 2 else sp.Integer(0)
    beta = BETA if constants else sp.Symbol("beta", positive=True)  # one weight: stated for beta > 0
    k = sp.root(sp.factor(-constant / leading).subs(BETA, beta), order)
    return MirrorMap(1 / sp.simplify(k), constants)


def potential(mirror: MirrorMap, name: str) -> sp.Expr:
    """A potential psi with the mirror's curvature, up to an affine function, proved by differentiation.

    Raises:
        NoClosedForm: SymPy finds no elementary integral.
    """
    beta = next((x for x in mirror.curvature.free_symbols if x.name == "beta"), BETA)
    positive = {c: sp.Symbol(c.name, positive=True) for c in mirror.constants}
    curvature = mirror.curvature.subs(positive)
    slope = sp.integrate(curvature, beta)
    psi = sp.integrate(slope, beta) if not slope.has(sp.Integral) else slope
    if psi.has(sp.Integral) or sp.simplify(sp.diff(psi, beta, 2) - curvature) != 0:
        raise NoClosedForm(f"{name}: psi'' = {mirror.curvature} has no elementary potential; psi'' is available")
    return sp.simplify(psi).subs({p: c for c, p in positive.items()})
