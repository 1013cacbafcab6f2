"""A job: all that a backend is given beside the runs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...theory.derivation.landscape import Landscape
from ..options import Options


@dataclass(frozen=True, eq=False)
class Job:
    """What runs walk on, when they end, and how to speak with whoever asked.

    Attributes:
        halt: ``halt[0] = 1`` stops the work within a step, or a launch; runs under way then keep outcome NOT_RUN.
        tell: told meanwhile how many runs have begun, or ended.
        record_every: steps between the states that the runs' history keeps, 0 for none.
        floor: what the smallest attainable loss leaves of the samples that steps are made on.
    """

    landscape: Landscape
    options: Options
    halt: np.ndarray
    tell: Callable[[int], None] | None = None
    record_every: int = 0
    floor: float = 0.0
