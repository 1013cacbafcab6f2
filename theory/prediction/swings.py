"""How rules that do not rest swing across a minimum, of any sharpness S."""

from collections.abc import Callable
from dataclasses import dataclass

from ..rules.steps import STEPS
from ..rules.update_rule import UpdateRule, gradient_descent

NORMALIZED = STEPS["normalized_descent"], STEPS["rmsprop_scalar"]  # whose speed is as one over the gradient's norm
SHARPNESS_AWARE = STEPS["sam"], STEPS["sam_max"]


@dataclass(frozen=True)
class Swing:
    """Both of the sharpness S.

    Attributes:
        push: ``c a^2`` of steps of speed c that take their gradients at a distance a, on both sides in turn.
        gradient: its norm there.
        size: how far the weights are from the minimum.
    """

    push: Callable[[float], float]
    gradient: Callable[[float], float]
    size: Callable[[float], float]


def swing_of(rule: UpdateRule, lr: float) -> Swing | None:
    """None where no law is known.

    Steps that grow as gradients shrink stay at the speed ``2 / S``; those of sharpness-aware minimization overshoot by
    ``lr S rho / (2 - lr S)``, and go ``rho`` beyond (RULE-6).
    """
    step, rho = rule.step, dict(rule.step_parameters).get("rho", 0.0)
    if step == STEPS["sam"] and rho:
        return Swing(
            lambda top: lr * (2 * rho / (2 - lr * top)) ** 2,
            lambda top: top * overshoot(lr, top, rho),
            lambda top: overshoot(lr, top, rho),
        )
    if step in NORMALIZED:
        return Swing(lambda top: lr**2 / (2 * top), lambda top: lr * top / 2, lambda top: lr / 2)
    return None


def overshoot(lr: float, sharpness: float, rho: float) -> float:
    """How far sharpness-aware steps of that radius come beyond a minimum."""
    return lr * sharpness * rho / (2 - lr * sharpness)


def without_idle_ascent(rule: UpdateRule) -> UpdateRule:
    """The rule itself, or descent where it is that: sharpness-aware steps of no radius."""
    idle = rule.step in SHARPNESS_AWARE and not dict(rule.step_parameters)["rho"]
    return gradient_descent if idle else rule


def followed_in_steps(rule: UpdateRule) -> bool:
    """Whether a rule does not rest, and theory tells where it is after so many steps."""
    return without_idle_ascent(rule).step in (*NORMALIZED, *SHARPNESS_AWARE)
