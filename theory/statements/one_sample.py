"""One sample: which interpolator has the least norm, the least sharpness, the least expected error (section ONE)."""

import sympy as sp

from ..derivation.dynamics import derive
from ..families import difference, power, product
from ..loss import logistic
from .registry import Proof, statement

L, X, Y, BETA, X_MAX, X_MIN, Q = sp.symbols("L x y beta x_max x_min Q", positive=True)
FAMILIES = ("power(L)", "difference(L)", "product(L)")


def _sharpness_derived() -> Proof:
    """The derived tangent k where ``w = beta^(1/L)``, for difference where v is 0, for product with equal layers."""
    for depth in (2, 3, 4):
        root = sp.root(BETA, depth)
        for model, values, name in (
            (power(depth), (root,), "term"), (difference(depth), (root, 0), "term"),
            (product(depth), (root,) * depth, "balanced_term"),
        ):  # fmt: skip
            places = dict(zip(model.weights, values, strict=True))
            yield _sharpness()[name].subs(L, depth), derive(model).tangent.subs(places) * X**2


@statement(
    "ONE-1", "At an interpolator of one sample the sharpness is the sum of L^2 |beta_i|^(2-2/L) x_i^2, for balanced "
    "products 1/L of it.",
    kind="identity", source="2505.21423", tolerance=1e-10, families=FAMILIES, proof=_sharpness_derived,
    conditions="n = 1, loss 0; one of u_i, v_i is 0 for difference",
)  # fmt: skip
def _sharpness():
    term = L**2 * BETA ** (2 - 2 / L) * X**2
    return {"term": term, "balanced_term": term / L}  # of power and difference; of product


def _norms_derived() -> Proof:
    yield _norms()["sharpness"], sp.powdenest(_sharpness()["term"].subs({BETA: Y / X_MAX, X: X_MAX}), force=True)


@statement(
    "ONE-2", "|beta|_1, |theta|_1 and |theta|_2 have one minimiser among the interpolators, the vertex of the largest "
    "|x_i|: concave functions on a simplex.",
    kind="proved", source="2505.21423", tolerance=1e-10, families=FAMILIES, proof=_norms_derived,
    conditions="n = 1, y > 0, a single largest |x_i|",
)  # fmt: skip
def _norms():
    return {
        "beta_l1": Y / X_MAX,
        "theta_l1": (Y / X_MAX) ** (1 / L),
        "theta_l2_squared": (Y / X_MAX) ** (2 / L),
        "sharpness": L**2 * Y ** (2 - 2 / L) * X_MAX ** (2 / L),
    }


def _flattest_derived() -> Proof:
    """Stationary: ``d S / d beta_i`` is proportional to x_i, and for L = 2 the vertex has the value stated."""
    found = _flattest()
    yield found["sharpness_2"], _sharpness()["term"].subs({L: 2, X: X_MIN, BETA: Y / X_MIN})
    for depth in (3, 4, 5):
        slope = sp.diff(_sharpness()["term"], BETA).subs({L: depth, BETA: found["weight"].subs(L, depth) ** depth})
        multiplier = sp.powsimp(sp.expand_power_base(slope / X, force=True))
        yield sp.powdenest(multiplier.subs(X, 2 * X) / multiplier, force=True), sp.Integer(1)


@statement(
    "ONE-3", "The flattest interpolator has w_i proportional to x_i^(-1/(L-2)) for L >= 3, and is the vertex of the "
    "least |x_i| for L = 2.",
    kind="proved", source="2505.21423", tolerance=1e-8, families=FAMILIES, proof=_flattest_derived,
    depends=("ONE-1",), conditions="n = 1, y > 0, no x_i = 0; balanced layers for product, where S is 1/L of it",
    reason="the minimum of a numerical solver",
)  # fmt: skip
def _flattest():
    c = (Y / Q) ** ((L - 2) / L)
    return {
        "sharpness_2": 4 * Y * X_MIN,
        "q_term": X ** (-2 / (L - 2)),  # Q is its sum
        "weight": (c / X) ** (1 / (L - 2)),
        "sharpness": L**2 * Y ** (2 - 2 / L) * Q ** (2 / L - 1),
    }


def _errors_derived() -> Proof:
    """Two features, symbolically: the posterior by completing the square along the line of interpolators."""
    a, b, x1, x2, t = sp.symbols("a b x_1 x_2 t", positive=True)
    at = (Y / x1 - t * x2, t * x1)  # every interpolator
    best = sp.solve(sp.diff(at[0] ** 2 / a + at[1] ** 2 / b, t), t)[0]
    spread = a * x1**2 + b * x2**2
    values = {"y": Y, "prior_xx": spread}
    for i, prior in enumerate((a * x1, b * x2)):
        formula = _errors()["bayes"]
        known = {s: (values | {"prior_x": prior})[s.name] for s in formula.free_symbols}
        yield formula.subs(known), at[i].subs(t, best)


@statement(
    "ONE-4", "For a teacher drawn from N(0, Q) the expected error is least at Q x y / (x^T Q x), for any covariance "
    "of the test features: neither the flattest nor the sparsest interpolator.",
    kind="proved", source="derived", tolerance=1e-10, families=FAMILIES, proof=_errors_derived, depends=("ONE-3",),
    conditions="n = 1; with label noise and a known teacher it is the teacher shifted along Sigma^-1 x",
)  # fmt: skip
def _errors():
    prior, spread, noise, gap, trace, cross = sp.symbols("prior_x prior_xx noise gap trace cross", positive=True)
    noise_x, noise_xx = sp.symbols("inverse_x inverse_xx", positive=True)
    return {
        "bayes": prior * Y / spread,  # prior_x = (Q x)_i, prior_xx = x^T Q x
        "error": gap + trace - cross / spread,  # gap of b to it, tr(Sigma Q), x^T Q Sigma Q x
        "noise_shift": noise_x * noise / noise_xx,  # inverse_x = (Sigma^-1 x)_i, inverse_xx = x^T Sigma^-1 x
        "matching_prior": X ** (-(2 * L - 2) / (L - 2)),
    }


def _logistic_derived() -> Proof:
    """At a vertex the Hessian of its weight: ``k l'' x^2 + g d2 beta`` with ``w^2 = m / x``."""
    m = next(s for s in _logistic()["sharpness"].free_symbols if s.name == "m")
    f = next(s for s in logistic.value.free_symbols if s.name == "f")
    label = {s: 1 for s in logistic.value.free_symbols if s.name == "y"}
    first, second = (sp.diff(logistic.value, f, n).subs(label).subs(f, m) for n in (1, 2))
    [w] = power(2).weights
    tangent = derive(power(2)).tangent.subs(w, sp.sqrt(m / X_MIN))
    curvature = sp.diff(power(2).effective, w, 2)
    yield _logistic()["sharpness"], tangent * second * X_MIN**2 + first * X_MIN * curvature


@statement(
    "ONE-5", "In classification at margin m the sharpness is least at the vertex of the least x_i, the norm at that of "
    "the largest.",
    kind="proved", source="derived", tolerance=1e-10, families=("power(2)",), proof=_logistic_derived,
    conditions="logistic loss, one sample x > 0 of label 1, 2 (1 - p) m > 1 with p = 1 / (1 + e^m)",
)  # fmt: skip
def _logistic():
    m = sp.Symbol("m", positive=True)
    p = 1 / (1 + sp.exp(m))
    return {"sharpness": X_MIN * (4 * p * (1 - p) * m - 2 * p), "condition": 2 * (1 - p) * m}
