"""One chunk of a sweep: computed by itself, on any machine, and written to its own region of the result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...theory.derivation.dynamics import derive
from ...theory.parameterization import Parameterization
from ...theory.problem import Problem
from ...theory.update_rule import UpdateRule
from ..measure.block import advance_block, measure_block, smallest_losses
from ..measure.divergence import divergence_map
from ..options import SweepOptions
from .plan import Chunk, Plan


@dataclass(frozen=True)
class Work:
    """All that the numbers of a chunk depend on, small enough to be sent to another machine."""

    model: Parameterization
    problem: Problem
    scales: np.ndarray
    lrs: np.ndarray
    options: SweepOptions
    rule: UpdateRule

    @property
    def runs(self) -> int:
        return len(self.scales) * len(self.lrs)


def work_of(plan: Plan, chunk: Chunk, options: SweepOptions, rule: UpdateRule) -> Work:
    """The work of one chunk of the plan."""
    model, problem = plan.models[chunk.model], plan.problems[chunk.seed]
    return Work(model, problem, plan.scales[chunk.scales], plan.lrs[chunk.lrs], options, rule)


def compute(work: Work, halt: np.ndarray, add: Callable[[int], None] = lambda count: None) -> dict[str, np.ndarray]:
    """The outcomes of the runs of a chunk, shape (init_scale, lr) and those of the vectors behind.

    ``add`` is told, from this thread, how many more runs have begun. Setting ``halt[0]`` to 1 stops the work.
    """
    dynamics = derive(work.model, work.problem.loss, work.rule)
    starts = np.stack([work.model.theta0(scale, work.problem.d) for scale in work.scales.tolist()])
    told = 0

    def tell(begun: int) -> None:
        nonlocal told
        add(begun - told)
        told = begun

    floors = smallest_losses(dynamics, work.problem, starts)
    options = work.options
    runs = advance_block(
        dynamics, work.problem, starts, work.lrs, options, floors, halt, tell, number=options.precision
    )
    if options.precision == "float32":
        found = divergence_map(runs)
    else:
        found = measure_block(dynamics, work.problem, runs, options, floors, halt)
    add(work.runs - told)
    sides = len(work.scales), len(work.lrs)
    return {name: values.reshape(*sides, *values.shape[1:]) for name, values in found.items()}


def write(found: Mapping[str, np.ndarray], region: tuple, names: list[str], arrays: Mapping[str, Any]) -> None:
    """Put the outcomes of a chunk into their region of the arrays, in the order of the names: ``status`` last."""
    for name in names:
        if name in found:  # models of fewer weights leave the rest of theta as it is
            inner = (slice(0, found[name].shape[2]),) if name == "theta" else ()
            arrays[name][(*region, *inner)] = found[name]
