"""Momentum, weight decay, noise, and the logistic loss (section EXT)."""

import sympy as sp

from ..derivation.dynamics import GRADIENT_BETA, derive
from ..families import difference, power, product
from .registry import Proof, statement

LR, B, MARGIN = sp.symbols("lr b margin", real=True)
SHARPNESS, DECAY, L, COUNT, BETA, CURVATURE, LOSSES, NORM, BEST = sp.symbols(
    "sharpness decay L m beta a loss_sum l1 best", positive=True
)


def _heavy_ball_derived() -> Proof:
    """(theta, theta_before) along an eigenvector: a root reaches -1, and the product of both roots stays b < 1."""
    root, step = sp.Symbol("root"), sp.Matrix([[1 + B - LR * SHARPNESS, -B], [1, 0]])
    yield step.charpoly(root).as_expr().subs(root, -1).subs(LR, _heavy_ball()["lr_max"]), 0
    yield step.det(), B


@statement(
    "EXT-1", "Heavy-ball momentum b moves the edge of stability to lr S = 2 + 2 b.",
    kind="identity", source="Polyak 1964", tolerance=1e-10, proof=_heavy_ball_derived,
    families=("power(L)", "difference(L)", "product(L)"), conditions="0 <= b < 1, at a minimum; linear stability",
)  # fmt: skip
def _heavy_ball():
    return {"lr_max": (2 + 2 * B) / SHARPNESS}


def _weight_decay_derived() -> Proof:
    """Where weights of equal size stand still, the loss gradient in beta balances the penalty's."""
    typed, w = _weight_decay(), sp.Symbol("w", positive=True)
    yield typed["slope"], sp.diff(typed["penalty"], BETA)
    for degree in (2, 3, 4):
        for model, count in ((power(degree), 1), (difference(degree), 1), (product(degree), degree)):
            weights = model.weights if count > 1 else model.weights[:1]
            at: dict = dict.fromkeys(model.weights, 0) | dict.fromkeys(weights, w)
            values = {BETA: w**degree, COUNT: count, L: degree}
            yield typed["penalty"].subs(values), DECAY * sum(at[weight] ** 2 for weight in model.weights) / 2
            still = {GRADIENT_BETA: -typed["slope"].subs(values)}
            for weight, slope in zip(model.weights, derive(model).gradient, strict=True):
                yield (slope + DECAY * weight).subs(at).subs(still), 0


@statement(
    "EXT-2", "Weight decay penalises the coefficients: the LASSO at depth 2, the power 2/L of each at depth L.",
    kind="proved", source="2002.09277", tolerance=1e-8, proof=_weight_decay_derived,
    families=("power(L)", "difference(L)", "product(L)"),
    conditions="the minimum for L = 2, any stationary point with its weights balanced and beta not 0 for L >= 3",
)  # fmt: skip
def _weight_decay():
    """Of one coefficient of size beta; m is 1 for power and difference, L for product."""
    return {
        "penalty": COUNT * DECAY * BETA ** (2 / L) / 2,
        "slope": COUNT * DECAY * BETA ** (2 / L - 1) / L,
    }


@statement(
    "EXT-3", "SGD shrinks the effective initialization by about 8 lr^2 (X^T X / n)_ii times the sum of the losses.",
    kind="empirical", source="2106.09524", tolerance=0.3, families=("difference(2)",),
    conditions="one sample a step, u = v = alpha at the start, the run converges; an approximation: the sum of "
    "ln|1 - 4 lr^2 g_t^2| is exact",
    reason="second order in lr, and one run is not averaged over its random samples",
)  # fmt: skip
def _sgd_shrinkage():
    """``ln(u v / alpha^2)`` at the end; a = (X^T X / n)_ii."""
    return {"shrinkage": -8 * LR**2 * CURVATURE * LOSSES}


@statement(
    "EXT-4", "On separable data the logistic loss drives the coefficients towards the largest l1 margin.",
    kind="empirical", source="1806.00468, 1906.05890", tolerance=0.05, families=("difference(2)",),
    conditions="start 0.1, margin above 100; the limit 1 is proved, how far a run gets is measured",
    reason="the margin approaches its limit very slowly",
)  # fmt: skip
def _margin():
    """Smallest margin per unit of |beta|_1, in shares of the best one possible."""
    return {"share": MARGIN / (NORM * BEST)}
