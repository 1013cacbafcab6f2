"""What compiled code is made of: kernels, functions that they call, and Numba's intrinsics as they are called."""

from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, ParamSpec, cast

import numba
from numba import extending, njit

P = ParamSpec("P")
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


def intrinsic(declare: Callable[Concatenate[Any, P], Any]) -> Callable[P, Any]:
    """A function of compiled code, whose result ``declare`` types and generates; Numba passes the typing context."""
    return cast(Any, extending.intrinsic(declare))


def intrinsic_of_literals(declare: Callable[Concatenate[Any, P], Any]) -> Callable[P, Any]:
    """The same where a whole number written in the code is a type of its own, which may shape the code."""
    return cast(Any, extending.intrinsic(prefer_literal=True)(declare))
