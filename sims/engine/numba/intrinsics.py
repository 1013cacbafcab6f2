"""Numba's intrinsics with the types of their callers, who do not pass the typing context: Numba does."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, cast

from numba import extending

P = ParamSpec("P")


def intrinsic(declare: Callable[Concatenate[Any, P], Any]) -> Callable[P, Any]:
    """A function of compiled code, whose result ``declare`` types and generates."""
    return cast(Any, extending.intrinsic(declare))


def intrinsic_of_literals(declare: Callable[Concatenate[Any, P], Any]) -> Callable[P, Any]:
    """The same where a whole number written in the code is a type of its own, which may shape the code."""
    return cast(Any, extending.intrinsic(prefer_literal=True)(declare))
