"""The contestants of suite.py by name.

A contestant is made for a workload and is a function of the step cap that returns the call to time, which returns
an Outcome.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import NamedTuple

WARM_CAP = 20  # steps of the untimed first call: the same shapes, so everything is compiled and cached


class Contestant(NamedTuple):
    about: str
    base: str  # the contestant that its time is divided by
    make: Callable


def _from(module, name, **options):
    """Import late: one that is not installed is left out, and costs the others nothing."""
    return lambda work: partial(getattr(import_module(module), name), **options)(work)


CONTESTANTS = {
    "gdbias": Contestant("public sweep", "gdbias", _from("contestants_gdbias", "sweep_contestant")),
    "gdbias-tracked": Contestant(
        "with sharpness every 11 steps", "gdbias", _from("contestants_gdbias", "tracked_contestant")
    ),
    "gdbias-cupy": Contestant("public sweep on a GPU", "gdbias", _from("contestants_gdbias", "cupy_contestant")),
    "numpy": Contestant("batched, masked, packed", "gdbias", _from("contestants_batched", "numpy_contestant")),
    "torch": Contestant("eager, batched, masked, packed", "gdbias", _from("contestants_batched", "torch_contestant")),
    "jax-while": Contestant("jit(vmap(while_loop))", "gdbias", _from("contestants_jax", "while_contestant")),
    "jax-scan": Contestant("scan chunks, packed", "gdbias", _from("contestants_jax", "scan_contestant")),
    "numba": Contestant("prange over runs", "gdbias", _from("contestants_numba", "numba_contestant")),
    "numba-simd": Contestant(
        "the same, sums reordered", "gdbias", _from("contestants_numba", "numba_contestant", reorder=True)
    ),
    "gdbias-loop": Contestant("step loop alone", "gdbias", _from("contestants_gdbias", "loop_contestant")),
    "c": Contestant("step loop in C, rotated data", "gdbias-loop", _from("ceiling", "ceiling_contestant")),
    "c-dense": Contestant(
        "step loop in C, data as given", "gdbias-loop", _from("ceiling", "ceiling_contestant", dense=True)
    ),
}
