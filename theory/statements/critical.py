"""Critical learning rates and convergence (section CRIT)."""

import sympy as sp

from ..derivation.dynamics import derive
from ..families import difference, power, product
from .registry import Proof, statement

LR = sp.Symbol("lr", real=True)
BETA, L = sp.symbols("beta L", positive=True)
SHARPNESS = sp.Symbol("sharpness", positive=True)
GAIN, COST, PULLED, M = sp.symbols("gain cost pulled m", positive=True)
CONVEX = ("power(L)", "difference(L)", "product(L)")


@statement(
    "CRIT-1", "2 over the largest sharpness of the flow, that of its end and the least of interpolators are ordered.",
    kind="proved", source="2505.21423", tolerance=1e-5, families=CONVEX, conditions="squared loss, an interpolator",
    reason="the sharpness is found by iteration and the least one by a convex program",
)  # fmt: skip
def _edge():
    return {"lr_edge": 2 / SHARPNESS}


def _derived_tangents() -> Proof:
    typed = _tangents()
    for degree in (2, 3, 4):
        yield typed["tangent_power"].subs(L, degree), 1 / _balanced(power(degree))
        yield typed["tangent_product"].subs(L, degree), 1 / _balanced(product(degree))
        w = sp.Symbol("w", positive=True)
        one_sided = derive(difference(degree)).tangent.subs(
            {sp.Symbol("u", real=True): w, sp.Symbol("v", real=True): 0}
        )
        yield typed["tangent_power"].subs({L: degree, BETA: w**degree}), one_sided


def _balanced(model) -> sp.Expr:
    """``psi'' = 1 / k`` with all layers alike, in the symbol of this module."""
    curvature = derive(model).mirror(balanced=True).curvature
    return curvature.subs({s: BETA for s in curvature.free_symbols})


@statement(
    "CRIT-2", "The least sharpness of an interpolator is a convex program in beta and a bound of the tangent.",
    kind="proved", source="derived", tolerance=1e-5, proof=_derived_tangents, families=CONVEX,
    conditions="squared loss, an interpolator",
    reason="interior-point solvers of programs with matrices end at relative gaps of about 1e-7",
)  # fmt: skip
def _tangents():
    k = L**2 * BETA ** (2 - 2 / L)  # also of difference(L) with one weight 0
    return {"tangent_power": k, "tangent_product": k / L}


@statement(
    "CRIT-3", "From beside the flattest interpolator descent converges below lr_max, and from nowhere above it.",
    kind="proved", source="1602.04915", tolerance=0.5, families=("power(L)", "difference(L)"),
    conditions="almost every start; lr at least 2% away from lr_max = 2 / least sharpness",
    reason="whether a run converges is 0 or 1: the error is 0, or 1",
)  # fmt: skip
def _stable():
    return {"stable": sp.Piecewise((1, LR * SHARPNESS < 2), (0, True))}


@statement(
    "CRIT-4", "From a generic start the largest lr at which descent converges is mostly within 10% of lr_max.",
    kind="empirical", source="derived", tolerance=0.1, families=("power(2)", "difference(2)"),
    conditions="init_scale 0.1, n >= 10, an interpolator inside the range of the model",
    reason="a law that is seen, not proved: descent may diverge below lr_max",
)  # fmt: skip
def _edge_of_runs():
    return {"lr_reached": 2 / SHARPNESS}


@statement(
    "CRIT-5", "A chaotic run holds a loss tolerance by chance, three times more rarely for each step asked for.",
    kind="empirical", source="derived", tolerance=0.1, families=("power(2)",),
    conditions="n = d = 1, kappa = 2, tol much below y^2; lr S <= 2 tells such a run from one that converged",
    reason="a rate from 1000 runs",
)  # fmt: skip
def _chance():
    tol, hold, y = sp.symbols("tol hold y", positive=True)
    density = 1 / sp.pi  # at u = 1, of the invariant measure 1 / (pi sqrt(2 - u^2))
    width = sp.sqrt(2 * tol) / y  # of {loss < tol} around each of u = 1 and u = -1
    first = 1 - sp.Rational(1, 3)  # the share of visits that do not follow another, where the map triples distances
    return {"false_rate": first * 2 * density * width * sp.Integer(3) ** (1 - hold)}


def _infimum() -> Proof:
    """Of ``m b^p - pulled b`` over b >= 0, and the largest ``t gain - t^q cost`` over t."""
    typed, (b, t) = _bracket(), sp.symbols("b t", positive=True)
    for degree in (3, 4):
        at = {L: degree}
        p = 2 - sp.Rational(2, degree)
        lowest = (PULLED / (p * M)) ** (1 / (p - 1))
        yield sp.powsimp(sp.powdenest((M * b**p - PULLED * b).subs(b, lowest), force=True)), -typed["cost"].subs(at)
        q = p / (p - 1)
        best = (GAIN / (q * COST)) ** (1 / (q - 1))
        yield sp.powsimp(sp.powdenest((t * GAIN - t**q * COST).subs(t, best), force=True)), typed["floor"].subs(at)


@statement(
    "CRIT-6", "lr_max has a bracket: above the proven rate no interpolator is stable, at the found one there "
    "is; any nu and M >= 0 of trace 1 prove a rate.",
    kind="proved", source="derived", tolerance=1e-5, proof=_infimum, families=CONVEX,
    conditions="squared loss, an interpolator; in the doubled coordinates, with m_i = k_i(1) (X^T M X)_ii / n",
    reason="interior-point solvers of programs with matrices end at relative gaps of about 1e-7",
)  # fmt: skip
def _bracket():
    """What S is never below: of ``gain = nu . y``, and ``pulled = max((X^T nu)_i, 0)`` of each coordinate."""
    p = 2 - 2 / L
    q = p / (p - 1)
    return {
        "rate": 2 / SHARPNESS,
        "cost": (p - 1) * p**-q * M ** (-1 / (p - 1)) * PULLED**q,
        "floor": (q - 1) * COST * (GAIN / (q * COST)) ** (q / (q - 1)),  # L >= 3, of the sum of the costs
        "floor_two": GAIN / sp.Symbol("steepest", positive=True),  # of the largest pulled / m
    }


@statement(
    "CRIT-7", "Most runs diverge above lr = 4 / max S along gradient flow, and few below, for degree 2.",
    kind="empirical", source="derived", tolerance=0.5, families=("power(2)", "difference(2)"),
    conditions="4 / max S below lr_max, or one feature, where it is exact; lr at least 7% away from it",
    reason="whether a run diverges is 0 or 1: the error is 0, or 1",
)  # fmt: skip
def _divergence():
    return {"lr_divergence": 4 / SHARPNESS}
