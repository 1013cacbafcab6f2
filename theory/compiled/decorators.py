"""Marks of compiled functions: kernels, which Python calls, and what they call."""

from functools import partial
from typing import Any, cast

import numba
from numba import njit

TRIED = (0, 68)  # the last Numba whose insides are known to be as pipeline.py takes them


def _passes(known: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What compiles kernels and what the functions that they call; Numba's own passes take half as long again."""
    if not known:
        return {}, {}
    from .pipeline import KernelCompiler, PartCompiler  # whose imports a newer Numba may lack

    return dict(pipeline_class=KernelCompiler), dict(pipeline_class=PartCompiler)


# Without the entries for Python and C that nobody uses. No fast-math flags: with them the registers of one value may
# round differently, so that a run's numbers would depend on its lane.
_njit: Any = partial(cast(Any, njit), nogil=True, error_model="numpy", no_cfunc_wrapper=True)
_whole, _part = _passes(tuple(map(int, numba.__version__.split(".")[:2])) <= TRIED)
kernel = _njit(cache=True, **_whole)
inner = _njit(no_cpython_wrapper=True, **_part)
inlined = _njit(no_cpython_wrapper=True, forceinline=True, **_part)
# First optimised alone, so that loops which fill vector registers do so still. For short functions: each caller takes
# them through once more.
apart = _njit(no_cpython_wrapper=True, **_whole)
# A sum in vector registers, in another order than it is written in, but in the same one every time.
summed = _njit(no_cpython_wrapper=True, fastmath={"reassoc", "contract", "nsz"}, **_whole)
