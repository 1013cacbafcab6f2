"""What compiled code is made of: kernels, functions that they call, and Numba's intrinsics as they are called."""

from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, ParamSpec, cast

from numba import extending, njit

from .pipeline import KernelCompiler, PartCompiler

P = ParamSpec("P")

# Without the entries for Python and C that nobody uses. No fast-math flags: with them the registers of one value may
# round differently, so that a run's numbers would depend on its lane.
_njit: Any = partial(cast(Any, njit), nogil=True, error_model="numpy", no_cfunc_wrapper=True)
kernel = _njit(cache=True, pipeline_class=KernelCompiler)
inner = _njit(no_cpython_wrapper=True, pipeline_class=PartCompiler)
inlined = _njit(no_cpython_wrapper=True, forceinline=True, pipeline_class=PartCompiler)


def intrinsic(declare: Callable[Concatenate[Any, P], Any]) -> Callable[P, Any]:
    """A function of compiled code, whose result ``declare`` types and generates; Numba passes the typing context."""
    return cast(Any, extending.intrinsic(declare))


def intrinsic_of_literals(declare: Callable[Concatenate[Any, P], Any]) -> Callable[P, Any]:
    """The same where a whole number written in the code is a type of its own, which may shape the code."""
    return cast(Any, extending.intrinsic(prefer_literal=True)(declare))
