"""Numba's intrinsics as compiled code calls them."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, cast

from numba import extending

P = ParamSpec("P")


def intrinsic(declare: Callable[Concatenate[Any, P], Any]) -> Callable[P, Any]:
    """A function of compiled code, whose result ``declare`` types and generates; Numba passes the typing context."""
    return cast(Any, extending.intrinsic(declare))


def intrinsic_of_literals(declare: Callable[Concatenate[Any, P], Any]) -> Callable[P, Any]:
    """The same where a whole number written in the code is a type of its own, which may shape the code."""
    return cast(Any, extending.intrinsic(prefer_literal=True)(declare))
