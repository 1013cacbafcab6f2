"""Maps of divergence: which runs diverge, and when, by steps in single precision."""

import itertools
from collections.abc import Sequence

import numpy as np

from ...theory import InputError, Parameterization, Problem, UpdateRule, derive
from ...theory.derivation.landscape import Landscape
from ..engine.runs import Runs
from ..status import Status

_SINGLE = np.finfo(np.float32)


def divergence_map(runs: Runs) -> dict:
    """Status and steps of runs whose steps were made in float32: DIVERGED, or BOUNDED.

    Its rounding ends the approach to a minimum above the usual ``tol``, so that a map says nothing of convergence;
    runs that come within ``tol`` all the same end there.
    """
    told = np.isin(runs.outcome, (Status.NOT_RUN, Status.DIVERGED))
    return dict(steps=runs.steps, status=np.where(told, runs.outcome, np.int8(Status.BOUNDED)))


def check_range(
    models: Sequence[Parameterization],
    problems: Sequence[Problem],
    scales: np.ndarray,
    lrs: np.ndarray,
    rule: UpdateRule,
) -> None:
    """Raises InputError where float32 cannot hold a learning rate, a start, or the loss at which runs have diverged."""
    least, most = float(_SINGLE.tiny), float(_SINGLE.max)
    held = f"outside what precision = 'float32' holds, {least:.0e} to {most:.0e}"
    for rate in (lrs.min(), lrs.max()):
        if not least <= rate <= most:
            raise InputError(f"lr = {rate:g} is {held}: use float64, or another lr")
    ends = float(scales.min()), float(scales.max())
    for model, problem in itertools.product(models, problems):
        starts = np.stack([model.theta0(scale, problem.d) for scale in ends])
        limits = Landscape(derive(model, problem.loss, rule), problem).divergence_limits(starts)
        for scale, theta, limit in zip(ends, starts, limits, strict=True):
            if np.abs(theta[theta != 0]).min(initial=1.0) < least or not problem.n * limit < most:
                raise InputError(
                    f"init_scale = {scale:g} begins {model} at weights, or runs to losses, {held}: "
                    "use float64, or another init_scale"
                )
