"""Algebra of one step: gradient, Hessian and the sizes that bound them (section ALG)."""

import sympy as sp

from ..derive import GRADIENT_BETA, derive
from ..families import difference, power, product
from .registry import statement

COVERED = ("power(L)", "difference(L)", "product(L)")
LR, L = sp.Symbol("lr", real=True), sp.Symbol("L", positive=True)
MODELS = (power(2), power(3), difference(2), difference(3), product(2), product(3))


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


def _derived_steps():
    typed = _typed_steps()
    for degree in (2, 3, 4):
        for model, names in ((power(degree), ("w_next",)), (difference(degree), ("u_next", "v_next"))):
            for name, derived in zip(names, derive(model).gd_map.values(), strict=True):
                yield typed[name].subs(L, degree), derived
        model = product(degree)
        first, *rest = model.weights
        values = {"u": first, "others": sp.prod(rest)}
        yield (
            typed["factor_next"].subs({s: values.get(s.name, s) for s in typed["factor_next"].free_symbols}),
            derive(model).gd_map[first],
        )


statement(
    "ALG-1", "One step of gradient descent moves a weight by lr times d beta / d theta times g.",
    kind="identity", source="derived", tolerance=1e-10, families=COVERED, proof=_derived_steps,
    conditions="g = X^T (X beta - y) / n",
)(_typed_steps)  # fmt: skip
