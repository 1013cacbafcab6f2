"""From a driver file and a law to a compiled kernel."""

import ast
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from ....theory.compiled.cache import load_kernel
from ....theory.derivation.dynamics import Dynamics
from ....theory.derivation.law import state_symbols, step_counts
from ..rule_settings import variants
from ..runs import NUDGE
from .lanes import LANES
from .microkernel import tile_rows

IMPORTED = tuple(  # by the files that kernels are made from
    Path(__file__).parent / name
    for name in ("../draws.py", "feature.py", "intrinsics.py", "lanes.py", "microkernel.py", "processor.py", "rows.py")
)
STUB = "gdbias.sims.engine.numba.law_stub"  # whose import in a driver makes room for the law


def advance_kernel(dynamics: Dynamics, n: int, d: int, number: str = "float64") -> ModuleType:
    """The kernel of a model, its loss and its update rule, in float64, or float32, which looks at no sharpness.

    It fits data (n, d): with one sample the kernel for it takes twice as many steps a second, and with many numbers a
    tile has more rows.
    """
    rule = dynamics.rule
    return _kernel(
        "advance.py",
        dynamics,
        number=number,
        LANES=LANES * (2 if number == "float32" else 1),
        **variants(rule),
        TRACKS=number == "float64",
        ROWS=tile_rows(n, d),
        ONE_SAMPLE=n == 1 and not rule.stochastic and not rule.step.shared,
        NUDGE=NUDGE,
    )


def follow_kernel(dynamics: Dynamics) -> ModuleType:
    """The kernel that follows runs of a model, its loss and its update rule."""
    return _kernel("follow.py", dynamics, number="float64", LANES=LANES)


@lru_cache(maxsize=64)
def _kernel(driver: str, dynamics: Dynamics, number: str, **constants: float) -> ModuleType:
    text = kernel_text(Path(__file__).with_name(driver).read_text(), dynamics, number, **constants)
    return load_kernel(text, dynamics.model.name, IMPORTED)


def kernel_text(driver: str, dynamics: Dynamics, number: str, **constants: float) -> str:
    """A driver's text with the law of a model, and what is constant of it, in place of the import of the stub."""
    model, step = dynamics.model, dynamics.rule.step
    constants |= dict(
        WEIGHTS=len(model.weights),
        STATES=len(model.weights) + len(state_symbols(model, step)),
        **step_counts(step),
    )
    stub = next(node for node in ast.parse(driver).body if isinstance(node, ast.ImportFrom) and node.module == STUB)
    law = ["from gdbias.sims.engine.numba import lanes as xp", "from gdbias.sims.engine.numba.lanes import law", ""]
    law += [f"number = np.{number}", *(f"{name} = {value!r}" for name, value in constants.items())]
    lines = driver.splitlines()
    lines[stub.lineno - 1 : stub.end_lineno] = [*law, "", dynamics.source("numba"), ""]
    return "\n".join(lines)
