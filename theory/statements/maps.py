"""One-dimensional maps: period doublings, chaos, divergence (section BIF)."""

import sympy as sp

from ..derivation.dynamics import GRADIENT_BETA, derive
from ..families import difference, power, product
from ..parameterization import Parameterization
from .registry import Proof, statement

LR = sp.Symbol("lr", real=True)
U, KAPPA, L = sp.symbols("u kappa L", positive=True)
X, Y = sp.symbols("x y", positive=True)
ONE_FEATURE = "n = d = 1, x > 0, y > 0"


def reduced(degree=L) -> sp.Expr:
    """Descent on w^L in units of its minimum."""
    return U - KAPPA * (U**degree - 1) * U ** (degree - 1)


def kappa_of(model: Parameterization) -> str:
    """The formula of kappa for a model: where all weights make one term, each makes only its share of the step."""
    return "kappa_power" if model.separable else "kappa_product"


def _reduced_from_steps() -> Proof:
    typed = _scalar_maps()
    for degree in (2, 3, 4):
        unit = (Y / X) ** sp.Rational(1, degree)  # the weight at the minimum
        for model in (power(degree), difference(degree), product(degree)):
            derived, name = derive(model).gd_map, kappa_of(model)
            first, *rest = model.weights
            alike = {w: 0 if model.separable else first for w in rest}
            slope = X * (X * unit**degree * U**degree - Y)
            step = derived[first].subs(alike | {GRADIENT_BETA: slope}).subs(first, unit * U) / unit
            yield typed["u_next"].subs({KAPPA: typed[name]}).subs(L, degree), step
    f = reduced().subs(KAPPA, 2 / L)
    yield sp.diff(f, U).subs(U, 1), -1
    yield typed["flip_coefficient"], (sp.diff(f, U, 2) ** 2 / 4 + sp.diff(f, U, 3) / 6).subs(U, 1)


@statement(
    "BIF-1", "On one feature descent is a map of one number, u - kappa (u^L - 1) u^(L-1), that flips at kappa = 2 / L.",
    kind="identity", source="derived", tolerance=1e-10, proof=_reduced_from_steps,
    conditions=ONE_FEATURE + "; layers of a product alike, one weight of a difference 0",
    families=("power(L)", "difference(L)", "product(L)"),
)  # fmt: skip
def _scalar_maps():
    kappa = LR * X ** (2 / L) * Y ** (2 - 2 / L)
    return {
        "u_next": reduced(),
        "kappa_power": L * kappa,
        "kappa_product": kappa,
        "flip": 2 / L,
        "lr_sharpness": KAPPA * L,  # at the minimum u = 1
        "flip_coefficient": sp.Rational(4, 3) * (L - 1) * (5 * L - 4),  # of x -> -x + c x^3
    }


def _cycle_closes() -> Proof:
    typed, f = _cycle(), reduced(2)
    upper, lower = typed["upper"], typed["lower"]
    yield f.subs(U, upper), lower
    yield f.subs(U, lower), upper
    yield typed["multiplier"], sp.diff(f, U).subs(U, upper) * sp.diff(f, U).subs(U, lower)
    yield typed["multiplier"].subs(KAPPA, typed["stable_below"]), -1
    yield typed["multiplier"].subs(KAPPA, typed["superstable"]), 0
    model = product(2)
    [invariant] = derive(model).invariants
    factor = sp.cancel(derive(model).after_step(invariant) / invariant.expression)  # 1 - lr^2 g^2
    factors = [factor.subs({GRADIENT_BETA: (u**2 - 1) * KAPPA / LR}) for u in (upper, lower)]
    yield typed["imbalance_factor"], factors[0] * factors[1]


@statement(
    "BIF-2", "For degree 2 the cycle of two is in closed form, and stable for kappa between 1 and sqrt(5) - 1.",
    kind="identity", source="derived", tolerance=1e-10, proof=_cycle_closes, depends=("BIF-1",),
    conditions=ONE_FEATURE + ", 1 < kappa < sqrt(5) - 1", families=("power(2)", "product(2)"),
)  # fmt: skip
def _cycle():
    wide, narrow = sp.sqrt(1 + 3 / KAPPA), sp.sqrt(1 - 1 / KAPPA)
    multiplier = 9 - 2 * (1 + KAPPA) ** 2
    return {
        "upper": (wide + narrow) / 2,
        "lower": (wide - narrow) / 2,
        "multiplier": multiplier,
        "stable_below": sp.sqrt(5) - 1,
        "superstable": 3 / sp.sqrt(2) - 1,
        "lyapunov": sp.log(sp.Abs(multiplier)) / 2,
        "imbalance_factor": 3 - 2 * KAPPA,  # of u^2 - v^2 of a product, over one period
    }


def _chebyshev() -> Proof:
    typed, f, cosine = _chaos(), reduced(2), sp.Symbol("cosine", real=True)
    yield f.subs(U, typed["bound"]), -typed["bound"]
    angle = next(iter(typed["conjugate"].free_symbols))
    after = sp.expand_trig(typed["conjugate"]).subs(sp.cos(angle), cosine)
    yield after, f.subs(KAPPA, 2).subs(U, sp.sqrt(2) * cosine)
    place, largest = sp.sqrt((1 + KAPPA) / (3 * KAPPA)), sp.sqrt(sp.Rational(4, 27) * (1 + KAPPA) ** 3 / KAPPA)
    yield f.subs(U, place), largest
    yield sp.expand((largest**2).subs(KAPPA, typed["sign_change"])), sp.radsimp(1 + 1 / typed["sign_change"])  # f = 0
    yield largest.subs(KAPPA, typed["divergence"]), typed["bound"].subs(KAPPA, typed["divergence"])


@statement(
    "BIF-3", "For degree 2 orbits inside the outer cycle of two stay bounded up to kappa = 2, of exponent ln 3.",
    kind="proved", source="derived", tolerance=1e-5, proof=_chebyshev, depends=("BIF-1",), conditions=ONE_FEATURE,
    families=("power(2)",),
)  # fmt: skip
def _chaos():
    angle = sp.Symbol("angle", real=True)
    return {
        "bound": sp.sqrt((2 + KAPPA) / KAPPA),  # of |u|, the outer cycle of two
        "sign_change": 3 * sp.sqrt(3) / 2 - 1,
        "divergence": sp.Integer(2),
        "conjugate": -sp.sqrt(2) * sp.cos(3 * angle),  # u after a step from sqrt(2) cos(angle), at kappa = 2
        "lyapunov": sp.log(3),  # at kappa = 2
    }


_DOUBLINGS = {  # kappa_1, ..., kappa_4 and the limit
    2: ("1", "1.236068", "1.288032", "1.299228", "1.302283"),
    3: ("0.666667", "0.829738", "0.866944", "0.874988", "0.877185"),
    4: ("0.5", "0.623585", "0.652075", "0.658239", "0.659924"),
}
_DIVERGENCE = {2: "2", 3: "1.433449", 4: "1.204537"}


def _exact_doublings() -> Proof:
    """The first two, to the digits given."""
    yield sp.nsimplify(round(float(2 / sp.Integer(3)), 6)), sp.nsimplify(float(_DOUBLINGS[3][0]))
    yield sp.nsimplify(round(float(sp.sqrt(5) - 1), 6)), sp.nsimplify(float(_DOUBLINGS[2][1]))


@statement(
    "BIF-4", "The periods double at the given kappa, ever faster by Feigenbaum's ratio, up to chaos and divergence.",
    kind="empirical", source="derived", tolerance=1e-5, proof=_exact_doublings, depends=("BIF-1",),
    conditions=ONE_FEATURE + ", starts below the minimum", families=("power(L)",),
)  # fmt: skip
def _doublings():
    constants = {
        f"kappa_{name}_of_{degree}": sp.Float(value)
        for degree, values in _DOUBLINGS.items()
        for name, value in zip((1, 2, 3, 4, "limit"), values, strict=True)
    }
    divergence = {f"divergence_of_{degree}": sp.Float(value) for degree, value in _DIVERGENCE.items()}
    return constants | divergence | {"feigenbaum": sp.Float("4.669201609")}


def _two_numbers_derived() -> Proof:
    model = product(2)
    u, v = model.weights
    steps = derive(model).gd_map
    typed = [e.subs({sp.Symbol("beta", real=True): u * v, sp.Symbol("size", real=True): u**2 + v**2})
             for e in _two_numbers().values()]  # fmt: skip
    yield typed[0], steps[u] * steps[v]
    yield typed[1], steps[u] ** 2 + steps[v] ** 2


@statement(
    "BIF-5", "A product of two weights follows a closed map of beta and of the sum of their squares.",
    kind="identity", source="derived", tolerance=1e-10, proof=_two_numbers_derived, families=("product(2)",),
)  # fmt: skip
def _two_numbers():
    beta, size, g = sp.symbols("beta size g", real=True)  # size = u^2 + v^2
    return {
        "beta_next": beta * (1 + LR**2 * g**2) - LR * g * size,
        "size_next": size * (1 + LR**2 * g**2) - 4 * LR * g * beta,
    }


@statement(
    "BIF-6", "The phase of a run on one feature is what the bifurcations say: converged, periodic, bounded, diverged; "
    "on many, a loss that converges rises on at most 10 steps below lr_critical_final, on more above.",
    kind="empirical", source="derived", tolerance=0.5, depends=("BIF-1", "BIF-4"),
    conditions=ONE_FEATURE + ", kappa at least 0.005 away from a bifurcation; rising steps for power(2) at 0.98 of "
    "lr_critical_final and 0.6 of the way from there to lr_max", families=("power(L), L even",),
    reason="labels are whole numbers: the error is 0, or at least 1",
)  # fmt: skip
def _phases():
    kappa_2, kappa_3, kappa_4, chaos, divergence, flip = sp.symbols(
        "kappa_2 kappa_3 kappa_4 chaos divergence flip", positive=True
    )
    period = sp.Piecewise(
        (1, flip > KAPPA), (2, kappa_2 > KAPPA), (4, kappa_3 > KAPPA), (8, kappa_4 > KAPPA), (0, True)
    )
    kind = sp.Piecewise((0, flip > KAPPA), (1, chaos > KAPPA), (2, divergence > KAPPA), (3, True))
    rising = sp.Symbol("rising", real=True)  # steps on which the loss rose
    way = sp.Piecewise((0, rising < 1), (1, rising <= 10), (2, True))
    # outcome: 0 converged, 1 periodic, 2 bounded, 3 diverged; way to converge: 0 monotone, 1 catapult, 2 at the edge
    return {"period": period, "outcome": kind, "way": way}
