"""Maps of divergence: which runs diverge, and when, by steps in single precision."""

from collections.abc import Callable, Sequence

import numpy as np

from ..theory.derive import Dynamics, derive
from ..theory.errors import InputError
from ..theory.parameterization import Parameterization
from ..theory.problem import Problem
from ..theory.update_rule import UpdateRule
from .block import advance_block
from .options import Options
from .runs import begin_runs
from .status import Status

MAPPED = ("steps", "status")  # the variables of a map
_SINGLE = np.finfo(np.float32)


def divergence_map(
    dynamics: Dynamics,
    problem: Problem,
    starts: np.ndarray,
    lr: np.ndarray,
    options: Options,
    floors: np.ndarray,
    halt: np.ndarray,
    progress: Callable[[int], None] | None = None,
) -> dict:
    """Status and steps of every start with every learning rate, start-major: DIVERGED, or BOUNDED.

    Steps are made in float32. Its rounding ends the approach to a minimum above the usual ``tol``, so that a map
    says nothing of convergence; runs that come within ``tol`` all the same end there.
    """
    runs = advance_block(dynamics, problem, starts, lr, options, floors, halt, progress, number="float32")
    names = np.array([Status.BOUNDED, Status.DIVERGED, Status.BOUNDED, Status.NOT_RUN], dtype=np.int8)
    return dict(steps=runs.steps, status=names[runs.outcome])


def check_range(
    models: Sequence[Parameterization], problems: Sequence[Problem], rule: UpdateRule, scales: np.ndarray
) -> None:
    """Raises InputError where float32 cannot hold a start, or the loss at which runs from there have diverged."""
    for model in models:
        for problem in problems:
            for scale in (scales.min(), scales.max()):
                theta = model.theta0(scale, problem.d)
                runs = begin_runs(derive(model, problem.loss, rule), problem, theta[None], np.zeros(1, int), np.ones(1))
                small = np.abs(theta[theta != 0]).min(initial=1.0)
                if small < _SINGLE.tiny or not problem.n * runs.limit[0] < _SINGLE.max:
                    raise InputError(
                        f"init_scale = {scale:g} is outside what precision = 'float32' holds for {model} on {problem}: "
                        f"numbers from {_SINGLE.tiny:.0e} to {_SINGLE.max:.0e}; use float64, or another init_scale"
                    )
