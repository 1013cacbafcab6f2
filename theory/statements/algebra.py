"""Algebra of one step: gradient, Hessian and the sizes that bound them (section ALG)."""

import sympy as sp

from ..derivation.dynamics import GRADIENT_BETA, derive
from ..families import difference, power, product
from ..loss import logistic
from .formula import put
from .registry import Proof, statement

COVERED = ("power(L)", "difference(L)", "product(L)")
LR, L = sp.Symbol("lr", real=True), sp.Symbol("L", positive=True)
MODELS = (power(2), power(3), difference(2), difference(3), product(2), product(3))


def _derived_steps() -> Proof:
    typed = _typed_steps()
    for degree in (2, 3, 4):
        for model, names in ((power(degree), ("w_next",)), (difference(degree), ("u_next", "v_next"))):
            for name, derived in zip(names, derive(model).gd_map.values(), strict=True):
                yield typed[name].subs(L, degree), derived
        model = product(degree)
        first, *rest = model.weights
        yield put(typed["factor_next"], u=first, others=sp.prod(rest)), derive(model).gd_map[first]


@statement(
    "ALG-1", "One step of gradient descent moves a weight by lr times d beta / d theta times g.",
    kind="identity", source="derived", tolerance=1e-10, families=COVERED, proof=_derived_steps,
    conditions="g = X^T (X beta - y) / n",
)  # fmt: skip
def _typed_steps():
    """The steps for any depth, as papers write them."""
    w, u, v, others = sp.symbols("w u v others", real=True)
    g = GRADIENT_BETA
    return {
        "w_next": w - LR * L * w ** (L - 1) * g,  # power
        "u_next": u - LR * L * u ** (L - 1) * g,  # difference
        "v_next": v + LR * L * v ** (L - 1) * g,
        "factor_next": u - LR * others * g,  # product; others is the product of the other factors
    }


def _derived_entries() -> Proof:
    typed = _entry()["entry"]
    i, j = sp.symbols("i j", integer=True)
    for model in MODELS:
        dynamics, weights = derive(model), model.weights
        for p, q in ((p, q) for p in range(len(weights)) for q in range(len(weights))):
            at_i, at_j = ({w: sp.Symbol(f"{w.name}_{k}", real=True) for w in weights} for k in "ij")
            yield (
                put(
                    typed,
                    slope_p=dynamics.jacobian[p].subs(at_i),
                    slope_q=dynamics.jacobian[q].subs(at_j),
                    A=sp.Symbol("A_ij", real=True),
                    g=sp.Symbol("g_i", real=True),
                    same=sp.KroneckerDelta(i, j),
                    curvature=sp.diff(model.effective, weights[p], weights[q]).subs(at_i),
                ),
                dynamics.hessian[p, q],
            )  # fmt: skip


@statement(
    "ALG-2", "The Hessian of weights p, q in features i, j is slope_p A_ij slope_q, and for i = j also g_i d2 beta.",
    kind="identity", source="derived", tolerance=1e-10, families=COVERED, proof=_derived_entries,
    conditions="A = X^T X / n; same = 1 for i = j, else 0",
)  # fmt: skip
def _entry():
    slope_p, slope_q, A, same, g, curvature = sp.symbols("slope_p slope_q A same g curvature", real=True)
    return {"entry": slope_p * A * slope_q + same * g * curvature}


def _sum_of_entries() -> Proof:
    """Two weights, two features: the rows of the Hessian of ALG-2 times v are the product's parts, summed."""
    entry, typed = _entry()["entry"], _hessian_product()
    A = sp.MatrixSymbol("A", 2, 2).as_explicit()
    slope, v, g, second = (sp.IndexedBase(name) for name in ("a", "v", "g", "C"))

    pairs = [(q, j) for q in range(2) for j in range(2)]
    for p, i in pairs:
        by_entries = sum(
            put(
                entry,
                slope_p=slope[p, i],
                slope_q=slope[q, j],
                A=A[i, j],
                same=int(i == j),
                g=g[i],
                curvature=second[p, q, i],
            )
            * v[q, j]
            for q, j in pairs
        )
        moved = [sum(put(typed["moved"], slope=slope[q, j], vector=v[q, j]) for q in range(2)) for j in range(2)]
        bent = sum(put(typed["bent"], curvature=second[p, q, i], vector=v[q, i]) for q in range(2))
        yield put(typed["product"], slope=slope[p, i], pulled=A.row(i).dot(moved), g=g[i], bent=bent), by_entries


@statement(
    "ALG-3", "A Hessian product needs one product with X and one with its transpose: moved, then pulled back.",
    kind="identity", source="derived", tolerance=1e-10, families=COVERED, proof=_sum_of_entries,
    conditions="moved and bent are summed over the weights; pulled = X^T X moved / n",
)  # fmt: skip
def _hessian_product():
    slope, vector, pulled, g, bent, curvature = sp.symbols("slope vector pulled g bent curvature", real=True)
    return {"moved": slope * vector, "bent": curvature * vector, "product": slope * pulled + g * bent}


def _same_nonzero_spectrum() -> Proof:
    """``det(t - M^T M) = t^(m d - n) det(t - M M^T)`` for M = X J / sqrt(n), here 2 by 4."""
    M, t = sp.Matrix(2, 4, sp.symbols("m1:9", real=True)), sp.Symbol("t")
    yield (M.T * M).charpoly(t).as_expr(), t**2 * (M * M.T).charpoly(t).as_expr()


@statement(
    "ALG-4", "At an interpolator the Hessian has the nonzero eigenvalues of the n by n K = X diag(k) X^T / n.",
    kind="identity", source="derived", tolerance=1e-10, families=COVERED, proof=_same_nonzero_spectrum,
    conditions="summed over the features; k = |grad beta|^2; the other eigenvalues are 0",
)  # fmt: skip
def _kernel():
    x_a, x_b, tangent, n = sp.symbols("x_a x_b tangent n", real=True)
    return {"kernel": x_a * tangent * x_b / n}


@statement(
    "ALG-5", "For another loss l the gradient of beta is X^T l' / n, and A becomes X^T diag(l'') X / n.",
    kind="identity", source="derived", tolerance=1e-10, families=COVERED, depends=("ALG-2",),
    conditions="summed over the samples; l smooth in the prediction",
)  # fmt: skip
def _any_loss():
    x, x_i, x_j, slope, curvature, n = sp.symbols("x x_i x_j slope curvature n", real=True)
    return {
        "g": x * slope / n,
        "A": x_i * curvature * x_j / n,
        "logistic_slope": logistic.slope,
        "logistic_curvature": logistic.curvature,
    }


def _radius(model) -> sp.Expr:
    """Spectral radius of the second derivatives of beta, a constant for degree 2."""
    return sp.Max(*(abs(value) for value in sp.hessian(model.effective, model.weights).eigenvals()))


@statement(
    "ALG-6", "Sharpness differs from the largest eigenvalue of K by at most the largest |g_i| rho(d2 beta_i).",
    kind="proved", source="derived (Weyl)", tolerance=1e-10, families=COVERED,
    conditions="rho is the spectral radius: 2 for w^2 and u^2 - v^2, 1 for u v; attained at theta = 0",
)  # fmt: skip
def _weyl():
    g, radius = sp.symbols("g radius", nonnegative=True)
    return {"bound": g * radius} | {
        name: _radius(model)
        for name, model in (("power_2", power(2)), ("difference_2", difference(2)), ("product_2", product(2)))
    }


def dual_of_power(depth: int, w: sp.Symbol) -> sp.Expr:
    """The dual variable ``z(w)`` of ``beta = w^L``, with ``dz = d beta / k``."""
    model = derive(power(depth))
    [weight] = model.model.weights
    return sp.integrate((sp.diff(model.effective, weight) / model.tangent).subs(weight, w), w)


def _dual_step_of_power() -> Proof:
    typed, w = _dual_step(), sp.Symbol("w", positive=True)
    for depth in (2, 3, 4, 5):
        dynamics = derive(power(depth))
        [weight] = dynamics.model.weights
        moved = dual_of_power(depth, w).subs(w, dynamics.gd_map[weight].subs(weight, w)) - dual_of_power(depth, w)
        k_of_beta = dynamics.tangent.subs(weight, sp.Symbol("beta", positive=True) ** sp.Rational(1, depth))
        slope = typed["tangent_slope"].subs(L, depth)
        yield slope, sp.diff(k_of_beta, sp.Symbol("beta", positive=True))
        at_w = slope.subs(sp.Symbol("beta", positive=True), w**depth)
        second = typed["dual_step"].subs(sp.Symbol("slope", real=True), at_w)
        for order in (1, 2):
            yield second.expand().coeff(LR, order), sp.diff(moved, LR, order).subs(LR, 0) / sp.factorial(order)
    [weight] = power(2).weights
    step = derive(power(2)).gd_map[weight]
    yield typed["dual_step_2"], sp.log(abs(sp.cancel(step / weight))) / 2


@statement(
    "ALG-7", "A step moves the dual variable by -lr g and a drift -lr^2 k'(beta) g^2 / 4, and stability there is K's.",
    kind="identity", source="derived", tolerance=1e-10, families=("power(L)", "difference(L) on [X, -X]"),
    proof=_dual_step_of_power,
    conditions="dz = d beta / k; up to lr^3, for w^2 exactly; the other families in the coordinates of RED-1",
)  # fmt: skip
def _dual_step():
    g, beta = GRADIENT_BETA, sp.Symbol("beta", positive=True)
    slope, eigenvalue = sp.symbols("slope eigenvalue", real=True)
    return {
        "tangent_slope": 2 * L * (L - 1) * beta ** (1 - 2 / L),
        "dual_step": -LR * g - LR**2 * slope * g**2 / 4,
        "dual_step_2": sp.log(abs(1 - 2 * LR * g)) / 2,
        "factor": 1 - LR * eigenvalue,
    }
