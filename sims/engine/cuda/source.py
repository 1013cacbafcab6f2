"""The text of the GPU's kernel: the file advance.cu with what it includes, of which the law of a model is generated.

NVRTC, which compiles it, is given no files. No such text has run on a GPU since it is a file: tests hold it, compiled
as C++, to the reference, and compile it as CUDA.
"""

import re
from functools import lru_cache
from pathlib import Path

from ....theory.derivation.cuda_law import device_functions
from ....theory.derivation.dynamics import Dynamics
from ...status import Status
from ..rule_settings import variants
from ..runs import NUDGE

DRIVER = Path(__file__).with_name("advance.cu")
ROWS = 2  # of the data in one tile


def law_header(dynamics: Dynamics) -> str:
    """What advance.cu includes: the law of a model, and what is constant of its update rule."""
    constants = variants(dynamics.rule) | dict(ROWS=ROWS)
    constants |= {status.name: int(status) for status in (Status.CONVERGED, Status.DIVERGED, Status.STEP_LIMIT)}
    lines = [f"constexpr int {name} = {int(value)};" for name, value in constants.items()]
    lines += [f"constexpr double NUDGE = {NUDGE!r};"]
    return "\n".join([*lines, "", device_functions(dynamics), ""])


@lru_cache(maxsize=64)
def kernel_source(dynamics: Dynamics) -> str:
    """The whole text of the kernel for a model, its loss and its update rule, in CUDA."""

    def included(line: re.Match) -> str:
        return law_header(dynamics) if line[1] == "law.cuh" else DRIVER.with_name(line[1]).read_text()

    return re.sub(r'#include "(.*)"\n', included, DRIVER.read_text())
