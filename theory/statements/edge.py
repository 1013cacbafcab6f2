"""Where runs end at the edge of stability, and how far the laws of the frontier go (section FRO, continued)."""

import sympy as sp

from .frontier import COVERED, LR, SHARPNESS
from .registry import Proof, statement


@statement(
    "FRO-6", "Descent at a constant lr ends at the constrained flow's endpoint, of sharpness 2 / lr, to a few percent.",
    kind="empirical", source="derived", tolerance=0.05, families=COVERED,
    conditions="lr between lr_critical_final and lr_max, a run that converges within 10,000 steps",
    reason="a law that is seen, not proved: the error is the relative distance of the coefficients",
)  # fmt: skip
def _endpoints():
    return {"sharpness": 2 / LR}


@statement(
    "FRO-7", "Half the error of the flow capped at 2 / lr is undershoot: capped at the final sharpness, half is left. "
    "Heavy ball does not follow it: with the same cap its runs diverge, or end farther away.",
    kind="empirical", source="derived", tolerance=0.1, families=("power(2)", "power(3)"), depends=("EXT-1",),
    conditions="runs as in FRO-6; the final sharpness is taken from the run, and is 0.2% or more below 2 / lr; "
    "momentum 0.5 at 1.5 lr, which is stable up to the same sharpness",
    reason="a law that is seen, not proved",
)  # fmt: skip
def _effective_rate():
    return {"lr_effective": 2 / SHARPNESS, "remaining": sp.Symbol("error", positive=True) / 2}


@statement(
    "FRO-8", "Raised slowly over T steps, the learning rate carries descent along the sweeping process of the moving "
    "cap: the distance to its end falls as T^(-1/2).",
    kind="empirical", source="derived", tolerance=0.26, families=("power(2)",),
    conditions="from gradient flow's endpoint, a geometric ramp with label noise 1e-6, then a constant lr",
    reason="a slope within 0.1 of -1/2 over one decade of T",
)  # fmt: skip
def _slow_ramps():
    first, length, longer = sp.symbols("first T T_longer", positive=True)
    return {"error": first * (length / longer) ** sp.Rational(1, 2)}


def _undershoot_derived() -> Proof:
    """Weights w + (-1)^t x u with x^2 ~ exp(-rate t), and their mean c x^2 away from the end along an eigenvector."""
    typed = _undershoot()
    rate, lam, third, fourth, c, below = sp.symbols("rate lam third fourth c below", real=True)
    pushed = -LR * third / 2 - LR * lam * c  # what a step adds to the mean, of x^2: -lr D^3 L(u, u) / 2, pulled back
    [mean] = sp.solve(sp.Eq(-rate * c, pushed), c)
    share = third * mean + fourth / 6  # of x^2: what changes the share that x loses; at every x alike if it is 0
    yield typed["balance"] - typed["quartic"], -2 / LR * share
    multiplier = (1 - 2 * below) ** 2  # of x^2 in a step, for lr S / 2 = 1 - below
    yield typed["undershoot"].subs(rate, -sp.diff(multiplier, below).subs(below, 0) * below), below


@statement(
    "FRO-9", "Where one direction oscillates the sharpness ends below 2 / lr by what lets the oscillation die out: the "
    "rate at which third and fourth derivatives of the loss are in balance fixes 1 - lr S / 2.",
    kind="empirical", source="derived", tolerance=0.1, families=("power(L)", "difference(L)"),
    proof=_undershoot_derived,
    conditions="runs as in FRO-6; one eigenvalue at 2 / lr at the constrained flow's end; third and fourth are the "
    "derivatives along its eigenvector u, of third the part along each eigenvector",
    reason="a law that is seen, not proved, at an end that is predicted to a percent: the error is that of "
    "1 - lr S / 2, predicted over measured",
)  # fmt: skip
def _undershoot():
    rate, lam, third, fourth = sp.symbols("rate lam third fourth", real=True)
    return {
        "balance": third**2 / (LR * lam - rate),  # of an eigenvector with the eigenvalue lam, summed over all of them
        "quartic": fourth / (3 * LR),
        "undershoot": rate / 4,
    }
