"""Which terms of an update rule predictions know: momentum, a schedule of the learning rate, weight decay.

A minimum of sharpness S is stable for ``lr (S + weight_decay) < 2 + 2 momentum`` at the settled lr, which moves every
boundary alike. Heavy ball is held to its cap as descent at ``lr / (1 + momentum)`` is.
"""

from dataclasses import replace

import numpy as np

from ..errors import NoClosedForm
from ..rules.schedule import constant
from ..rules.update_rule import UpdateRule, gradient_descent, require_rule

TERMS = ("momentum", "weight_decay", "schedule")
MOST = 0.98  # momentum


def require_predicted(rule: UpdateRule) -> UpdateRule:
    """The rule itself.

    Raises:
        InputError: no rule.
        NoClosedForm: a rule with batches, label noise or a step of its own.
    """
    known = {term: getattr(require_rule(rule), term) for term in TERMS}
    if rule != UpdateRule(**known):
        others = replace(rule, **{term: getattr(gradient_descent, term) for term in TERMS if term == "schedule"})
        told = ", ".join(f"{name}={value}" for name, value in others.spec.items() if name not in TERMS)
        told = f"step={rule.step.name}" if "step" in others.spec else told
        raise NoClosedForm(f"nothing is predicted for {told}: use {', '.join(TERMS)} alone, or run it with sims")
    return rule


def refuse(rule: UpdateRule, what: str, *terms: str) -> None:
    """Raise NoClosedForm where the rule has one of these terms."""
    for term in terms:
        value = getattr(rule, term)
        if value != getattr(gradient_descent, term):
            raise NoClosedForm(f"{what} is not predicted with {term} = {value}: leave it out, or run it with sims")


def limit(rule: UpdateRule, sharpness: float | np.ndarray) -> float | np.ndarray:
    """The run's lr above which a minimum of this sharpness is not stable, once its schedule has settled; inf for 0."""
    with np.errstate(divide="ignore"):
        rate = np.divide(2 + 2 * rule.momentum, rule.schedule.final * (sharpness + rule.weight_decay))
    return rate if np.ndim(rate) else float(rate)


def spent(rule: UpdateRule) -> int:
    """Steps after which little inertia of heavy ball is left; 0 without momentum."""
    return max(20, round(10 / (1 - rule.momentum))) if rule.momentum else 0


def rate_of_edge(rule: UpdateRule, lr: float) -> float:
    """The learning rate at which plain descent has the same cap."""
    return rule.schedule.final * lr / (1 + rule.momentum)


def require_method(rule: UpdateRule, name: str, method: str, warmup: int) -> None:
    """Refuse what no predictor of endpoints has of the rule; raises NoClosedForm."""
    momentum, schedule = rule.momentum, rule.schedule
    if momentum and schedule != constant:
        raise NoClosedForm(f"{name}: momentum with {schedule} is not predicted: leave one out, or run it with sims")
    if momentum > MOST:
        raise NoClosedForm(
            f"{name}: momentum = {momentum:g} is above {MOST}, and its inertia outlasts every warm-up: run it with sims"
        )
    if momentum and not (method == "constrained_flow" and warmup):
        raise NoClosedForm(
            f"{name}: with momentum = {momentum:g} the end hangs on the inertia of the first steps: use the "
            f"constrained flow after a warm-up of {spent(rule)} steps, which takes them"
        )
    if schedule != constant and warmup:
        raise NoClosedForm(f"{name}: a warm-up with {schedule} is not predicted: use no warm-up, or run it with sims")
