"""One chunk of a sweep: computed by itself, on any machine, and written to its own region of the result."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...theory.derivation.dynamics import derive
from ...theory.derivation.landscape import Landscape
from ..engine.job import Job
from ..measure.block import advance_block, measure_block
from ..measure.divergence import divergence_map
from ..schema import VARIABLES
from .plan import Work


def compute(work: Work, halt: np.ndarray, add: Callable[[int], None] = lambda count: None) -> dict[str, np.ndarray]:
    """The outcomes of the runs of a chunk, shape (init_scale, lr) and those of the vectors behind.

    ``add`` is told, from this thread, how many more runs have begun. Setting ``halt[0]`` to 1 stops the work.
    """
    landscape = Landscape(derive(work.model, work.problem.loss, work.rule), work.problem)
    starts = np.stack([work.model.theta0(scale, work.problem.d) for scale in work.scales.tolist()])
    told = 0

    def tell(begun: int) -> None:
        nonlocal told
        add(begun - told)
        told = begun

    job = Job(landscape, work.options, halt, tell)
    runs = advance_block(job, starts, work.lrs, work.options.precision)
    found = divergence_map(runs) if work.options.precision == "float32" else measure_block(job, runs)
    add(work.runs - told)
    sides = len(work.scales), len(work.lrs)
    return {name: values.reshape(*sides, *values.shape[1:]) for name, values in found.items()}


def write(found: Mapping[str, np.ndarray], region: tuple, names: list[str], arrays: Mapping[str, Any]) -> None:
    """Put the outcomes of a chunk into their region of the arrays, in the order of the names: ``status`` last.

    What other rules of the sweep have and these runs do not is written too: a chunk that is absent is one that was
    lost. Models of fewer weights leave the rest of theta as it is.
    """
    for name in names:
        variable = VARIABLES[name]
        inner = (slice(0, found[name].shape[2]),) if name in found and "weight" in variable.dims else ()
        arrays[name][(*region, *inner)] = found.get(name, variable.fill)
