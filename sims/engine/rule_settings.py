"""The numbers of an update rule as compiled kernels read them."""

import numpy as np

from ...theory.derivation.dynamics import Dynamics


def settings(dynamics: Dynamics, n: int) -> np.ndarray:
    """Parameters of the step; then the settled step, steps of the schedule, batch, label noise and steps with noise.

    A batch holds all n samples unless the rule says how many.
    """
    rule = dynamics.rule
    noise_steps = 1e18 if rule.noise_steps is None else rule.noise_steps
    own = (rule.settled, rule.schedule.steps, rule.batch or n, rule.label_noise, noise_steps if rule.label_noise else 0)
    return np.array([*rule.parameters, *own], dtype=float)
