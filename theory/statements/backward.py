"""Backward error analysis: the flow that a finite step follows (section BEA)."""

import sympy as sp

from ..derivation.dynamics import GRADIENT_BETA, derive
from ..families import difference, power, product
from .formula import put
from .registry import Proof, statement

LR = sp.Symbol("lr", real=True)


def _one_step_of_the_flow() -> Proof:
    """On any loss of one weight, by its Taylor series: after a time lr the flow is where the step is, up to lr^4."""
    typed, (x, *series) = _corrections(), sp.symbols("x l1:5", real=True)
    loss = sp.Add(*(slope * x**order / sp.factorial(order) for order, slope in enumerate(series, 1)))
    g, H, T = (sp.diff(loss, x, order) for order in (1, 2, 3))
    values = {"grad": g, "H_grad": H * g, "HH_grad": H**2 * g, "T_grad_grad": T * g**2}
    velocity = sp.Add(*(typed[name] for name in ("first", "second", "third")))
    velocity = put(velocity, **values)
    moved, rate = sp.Integer(0), velocity
    for order in (1, 2, 3):
        moved, rate = moved + LR**order * rate / sp.factorial(order), velocity * sp.diff(rate, x)
    moved = sp.expand(moved.subs(x, 0))
    for order in (1, 2, 3):
        yield moved.coeff(LR, order), (-series[0] if order == 1 else sp.Integer(0))
    yield from _gradient_of_the_modified_loss()


def _gradient_of_the_modified_loss():
    """``grad (lr |grad L|^2 / 4) = lr H grad / 2``, for one sample x = 1 of each family; and ``|grad L|^2 = k g^2``."""
    typed = _corrections()
    for model in (power(3), difference(2), product(2)):
        dynamics = derive(model)
        g = model.effective - sp.Symbol("y", real=True)
        loss, weights = g**2 / 2, model.weights
        gradient = [sp.diff(loss, w) for w in weights]
        extra = typed["modified_loss"] - sp.Symbol("loss", real=True)
        extra = extra.subs({sp.Symbol("k", real=True): dynamics.tangent, GRADIENT_BETA: g}, simultaneous=True)
        second = -typed["second"] / sp.Symbol("H_grad", real=True)
        for w in weights:
            H_grad = sum(sp.diff(loss, w, other) * slope for other, slope in zip(weights, gradient, strict=True))
            yield sp.diff(extra, w), second * H_grad


@statement(
    "BEA-1", "Descent follows a flow with corrections in lr: with one, two, three terms it is lr, lr^2, lr^3 away.",
    kind="proved", source="2009.11162; third term derived", tolerance=0.05, proof=_one_step_of_the_flow,
    families=("power(L)", "difference(L)", "product(L)"), reason="the error is of a slope in log lr",
    conditions="bounded time, lr S < 2 on the path; k g^2 summed over the features; H, T: derivatives of the gradient",
)  # fmt: skip
def _corrections():
    grad, H_grad, HH_grad, T_grad_grad = sp.symbols("grad H_grad HH_grad T_grad_grad", real=True)
    loss, k = sp.symbols("loss k", real=True)
    return {
        "first": -grad,
        "second": -LR * H_grad / 2,
        "third": -(LR**2) * (HH_grad / 3 + T_grad_grad / 12),
        "modified_loss": loss + LR * k * GRADIENT_BETA**2 / 4,
    }
