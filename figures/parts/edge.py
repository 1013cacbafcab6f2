"""The edge of stability of the runs of a result, under the update rule that they ran with."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp
import xarray as xr

from ... import sims, theory
from ...theory.errors import InputError
from ...theory.prediction.rule_terms import limit
from ...theory.rules.stability import flips_at
from ...theory.rules.step import LEARNING_RATE, MOMENTUM
from .results import spec_of

OWN = r"\mathrm{the\ step's\ edge}"


def sharpness_limit(ds: xr.Dataset, lr: Any) -> np.ndarray | None:
    """The largest sharpness of a stable minimum at each lr, ``2 / lr`` for plain gradient descent.

    None where no theory gives it: a step without a linear map at a minimum, several rules, or none to read back.
    """
    if "rule" not in spec_of(ds):
        return 2 / np.asarray(lr, dtype=float)
    try:
        limit = np.asarray(sims.rebuild_rule(ds).sharpness_limit(np.asarray(lr, dtype=float)))
        return limit if np.isfinite(limit).all() else None
    except InputError:
        return None


def limit_label(ds: xr.Dataset) -> str:
    """The limit as a formula, with momentum b and weight decay lambda; in words for a step of one's own."""
    try:
        rule = sims.rebuild_rule(ds).spec if "rule" in spec_of(ds) else {}
    except InputError:  # several, or none to read back
        return OWN
    if "step" in rule:
        return OWN
    edge = r"(2 + 2b)\,/\,\eta" if rule.get("momentum") else r"2\,/\,\eta"
    return edge + (r" - \lambda" if rule.get("weight_decay") else "")


def edge_times_lr(rules: "Sequence[theory.UpdateRule]") -> str | None:
    """The largest stable ``lr S`` as a formula of the momentum b, ``2 + 2 b`` for heavy ball.

    None where the rules have no formula in common, plain descent aside.
    """
    steps = {rule.step for rule in rules if rule != theory.gradient_descent}
    if len(steps) != 1:
        return None
    [step] = steps
    product = sp.cancel(flips_at(step) * LEARNING_RATE)
    if not product.free_symbols <= {MOMENTUM}:
        return None
    formula = sp.latex(product.subs(MOMENTUM, sp.Symbol("b")))
    return f"({formula})" if product.is_Add else formula


def rate_at_edge(rule: "theory.UpdateRule", sharpness: float) -> float:
    """The learning rate at which a minimum of this sharpness S is at the rule's edge, ``(2 + 2 b) / S`` for heavy ball.

    NaN where no sharpness is at its edge, or one that hangs on the run's own state.
    """
    try:
        return float(limit(rule, sharpness)) if sharpness > 0 else np.nan
    except theory.NoClosedForm:
        return np.nan
