"""Where runs end at the edge of stability, and how far the laws of the frontier go (section FRO, continued)."""

import sympy as sp

from .frontier import COVERED, LR, SHARPNESS
from .registry import statement


def _endpoints():
    return {"sharpness": 2 / LR}


statement(
    "FRO-6", "Descent at a constant lr ends at the constrained flow's endpoint, of sharpness 2 / lr, to a few percent.",
    kind="empirical", source="derived", tolerance=0.05, families=COVERED,
    conditions="lr between lr_critical_final and lr_max, a run that converges within 10,000 steps",
    reason="a law that is seen, not proved: the error is the relative distance of the coefficients",
)(_endpoints)  # fmt: skip


def _effective_rate():
    return {"lr_effective": 2 / SHARPNESS, "remaining": sp.Symbol("error", positive=True) / 2}


statement(
    "FRO-7", "Half the error of the flow capped at 2 / lr is undershoot: capped at the final sharpness, half is left.",
    kind="empirical", source="derived", tolerance=0.1, families=("power(2)", "power(3)"),
    conditions="runs as in FRO-6; the final sharpness is taken from the run, and is 0.2% or more below 2 / lr",
    reason="a law that is seen, not proved",
)(_effective_rate)  # fmt: skip


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
