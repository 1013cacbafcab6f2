"""What other rules, and starts of no size, pick (section RULE)."""

import sympy as sp

from ..derivation.dynamics import GRADIENT_BETA, derive
from ..errors import InputError
from ..families import difference
from ..rules.lag import lag_of
from ..rules.step import MOMENTUM
from ..rules.steps import STEPS
from .registry import Proof, statement

LR, G, RHO, AHEAD = sp.Symbol("lr", real=True), GRADIENT_BETA, sp.Symbol("rho", real=True), sp.Symbol("g_ahead")
B, SHARPNESS = sp.Symbol("b", real=True), sp.Symbol("sharpness", positive=True)
NORM, LOSS, LIMIT, BEHIND, ALPHA = sp.symbols("norm loss max_norm behind alpha", positive=True)


def _lengths_derived() -> Proof:
    dynamics = derive(difference(2))
    [invariant] = dynamics.invariants
    yield _lengths()["factor"] * invariant.expression, dynamics.after_step(invariant)


@statement(
    "RULE-11", "Steps of one length for all weights multiply u v of u^2 - v^2 by 1 - 4 step^2 g^2, so that normalized, "
    "clipped and Polyak descent end where EXA-3 says, with their own steps for lr.",
    kind="identity", source="derived", tolerance=1e-9, proof=_lengths_derived, families=("difference(2)",),
    conditions="norm is that of the gradient in the weights; Polyak's step is at most lr",
)  # fmt: skip
def _lengths():
    return {
        "factor": 1 - 4 * LR**2 * G**2,
        "normalized_descent": LR / NORM,
        "clipped_descent": LR * sp.Min(1, LIMIT / NORM),
        "polyak": sp.Min(LR, LOSS / NORM**2),
    }


def _ahead_derived() -> Proof:
    """The gradient at ``theta + rho grad / norm``, where the slope in beta is g_ahead."""
    u, v = difference(2).weights
    slopes = derive(difference(2)).gradient
    uphill = {w: w + RHO * slope / NORM for w, slope in zip((u, v), slopes, strict=True)}
    after = [
        w - LR * slope.subs(G, AHEAD).subs(uphill, simultaneous=True) for w, slope in zip((u, v), slopes, strict=True)
    ]
    yield _ahead()["factor"], sp.expand(after[0] * after[1]) / (u * v)
    yield sp.diff(_ahead()["factor"], LR).subs(LR, 0), -8 * RHO * G * AHEAD / NORM


@statement(
    "RULE-12", "Sharpness-aware minimization shrinks u v of u^2 - v^2 already at first order in lr, by 8 lr rho g^2 / "
    "|grad| a step, where descent shrinks it at second: it ends as from a smaller start.",
    kind="identity", source="derived; 2603.08290 for depth L", tolerance=1e-9, proof=_ahead_derived,
    families=("difference(2)",), conditions="g_ahead is the slope in beta at the perturbed weights",
)  # fmt: skip
def _ahead():
    move, uphill = 2 * LR * AHEAD, 2 * RHO * G / NORM
    return {"factor": (1 - move * (1 + uphill)) * (1 + move * (1 - uphill))}


def _plateau_derived() -> Proof:
    """A weight that a step multiplies by ``1 - 2 lr g``, from ``alpha^behind`` to 1; the other by ``1 + 2 lr g``."""
    (u, after_u), (v, after_v) = derive(difference(2)).gd_map.items()
    for weight, after, slope in ((u, after_u, G), (v, after_v, -G)):
        steps = _plateau()["steps"].subs(G, slope)
        yield sp.log(ALPHA) * BEHIND + steps * sp.log(sp.expand(after / weight)), 0


@statement(
    "RULE-13", "From a start of no size descent on u^2 - v^2 goes from saddle to saddle: each fits the coordinates "
    "that have appeared, the next is the one whose weight first grows to size 1, at log(1 -+ 2 lr g) a step. Its end "
    "need not be the interpolator of least l1 norm.",
    kind="empirical", source="2607.12332; 2304.00488", tolerance=0.05, proof=_plateau_derived,
    families=("difference(2)",), conditions="start 1e-100; lr |g| < 1/2, stable saddles, no two arrivals at a time",
    reason="the endpoint is met to 1e-6; steps are told to 1 / log(1 / alpha)",
)  # fmt: skip
def _plateau():
    """Steps in which u grows from ``alpha^behind`` to 1; v does with -g, and a negative number of them is a fall."""
    return {"steps": -BEHIND * sp.log(ALPHA) / sp.log(1 - 2 * LR * G)}


def _lag_derived() -> Proof:
    for name, lag in _lag().items():
        derived = lag_of(STEPS[name])
        if derived is None:
            raise InputError(f"{name} has no lag: its equations are those of no gradient flow")
        yield lag, derived.behind.subs(MOMENTUM, B)


@statement(
    "RULE-14", "At the next order in lr a rule is gradient flow whose gradients are taken at theta + lag grad L: "
    "momentum remembers, and ends as from a start that finite steps shrink more.",
    kind="proved", source="2009.11162; 2302.00849; derived for any step", tolerance=1e-2, proof=_lag_derived,
    families=("power(1)",), conditions="0 <= b < 1; on a quadratic of curvature s the rate is c s (1 + lag s), small s",
)  # fmt: skip
def _lag():
    return {
        "gradient_descent": LR / 2,
        "heavy_ball": LR * (1 + B) / (2 * (1 - B) ** 2),
        "nesterov": LR * (1 - B + 2 * B**2) / (2 * (1 - B) ** 2),
    }


def _drift_derived() -> Proof:
    """``c a^2 / 2 grad S`` with the speed c and the distance a at which gradients are taken, along ``grad log S``."""
    half = LR / 2  # a of steps of length lr, which swing about the minimum
    yield _drift()["normalized_descent"], 2 / SHARPNESS * half**2 / 2 * SHARPNESS
    beyond = LR * SHARPNESS * RHO / (2 - LR * SHARPNESS) + RHO  # RULE-6
    yield _drift()["sam"], LR * beyond**2 / 2 * SHARPNESS


@statement(
    "RULE-15", "Normalized descent and sharpness-aware minimization never rest: on the interpolators they go down the "
    "logarithm of the sharpness, by this many of its gradients a step.",
    kind="empirical", source="2205.09745; 2211.05729", tolerance=0.05, proof=_drift_derived,
    families=("difference(2)",), conditions="one largest eigenvalue; lr S < 2; late steps",
    reason="steps and radius are finite, and the fall is that between two states",
)  # fmt: skip
def _drift():
    return {
        "normalized_descent": LR**2 / 4,
        "sam": 2 * LR * RHO**2 * SHARPNESS / (2 - LR * SHARPNESS) ** 2,
    }


def _sum_derived() -> Proof:
    weights, slopes = difference(2).weights, derive(difference(2)).gradient
    positive = {w: sp.Symbol(w.name, positive=True) for w in weights}
    after = [w - LR * sp.sign(slope) for w, slope in zip(weights, slopes, strict=True)]
    yield sp.Add(*after).subs(positive), _sum()["sum"].subs(positive)


@statement(
    "RULE-16", "Sign descent conserves u + v of u^2 - v^2 where gradient flow conserves u v, as long as both are "
    "positive.",
    kind="identity", source="derived", tolerance=1e-9, proof=_sum_derived, families=("difference(2)",),
    conditions="no weight below lr; slopes other than 0",
)  # fmt: skip
def _sum():
    u, v = difference(2).weights
    return {"sum": u + v}


def _turning_derived() -> Proof:
    """The residual that a step turns over: ``r -> r - lr S (r + rho |J|_1 sign(r)) = -r``."""
    residual = sp.Symbol("residual", positive=True)
    after = residual - LR * SHARPNESS * (residual + RHO * NORM)
    [turned] = sp.solve(after + residual, residual)
    yield _turning()["residual"], turned
    yield _turning()["curvature"], (turned + RHO * NORM) ** 2


@statement(
    "RULE-17", "Descent whose ascent is rho sign(gradient) never rests: of one sample the residual turns over at this "
    "size, and its gradients are taken where the loss is half the curvature.",
    kind="proved", source="derived", tolerance=2e-2, proof=_turning_derived, families=("difference(2)",),
    conditions="norm is the l1 norm of the residual's gradient in the weights; lr S < 2; rho below the weights",
)  # fmt: skip
def _turning():
    return {
        "residual": LR * SHARPNESS * RHO * NORM / (2 - LR * SHARPNESS),
        "curvature": (2 * RHO * NORM / (2 - LR * SHARPNESS)) ** 2,
    }
