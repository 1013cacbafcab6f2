"""An update rule as compiled kernels have it: what is constant, and the numbers that come with a call."""

import numpy as np

from ...theory.derivation.dynamics import Dynamics
from ...theory.rules.update_rule import WEIGHT_DECAY, UpdateRule


def settings(dynamics: Dynamics, n: int) -> np.ndarray:
    """Parameters of the step; then the settled step, steps of the schedule, batch, label noise and steps with noise.

    A batch holds all n samples unless the rule says how many.
    """
    rule = dynamics.rule
    noise_steps = 1e18 if rule.noise_steps is None else rule.noise_steps
    own = (rule.settled, rule.schedule.steps, rule.batch or n, rule.label_noise, noise_steps if rule.label_noise else 0)
    return np.array([*rule.parameters, *own], dtype=float)


def variants(rule: UpdateRule) -> dict[str, int]:
    """The place of weight decay among the step's parameters, and which branches of a kernel the rule takes."""
    return dict(
        WEIGHT_DECAY=rule.step.parameters.index(WEIGHT_DECAY) if rule.weight_decay else 0,
        DECAYS=rule.weight_decay > 0,
        DRAWS=rule.stochastic,
        SCHEDULED=rule.schedule.steps > 0,
        SETTLES=rule.settled > 0,
    )
