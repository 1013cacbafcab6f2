"""What a caller gave, as the plain number or array that is meant, or one line that says what is wrong with it."""

import math
import operator
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .errors import InputError

T = TypeVar("T")
LARGEST, SMALLEST = 1e100, 1e-150  # sizes of data whose squares, and those of what is made of them, floats hold


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """A whole number of any integer type, NumPy's too, as an int.

    Raises:
        InputError: another type, or a value below ``low`` or above ``high``.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < low or (high is not None and number > high):
        limits = f"from {low} to {high}" if high is not None else f">= {low}"
        raise InputError(f"{name} = {shown(value)} must be a whole number {limits}")
    return number


def real(
    name: str, value: Any, low: float = -math.inf, above: float = -math.inf, below: float = math.inf, hint: str = ""
) -> float:
    """One finite number that is >= ``low``, > ``above`` and < ``below``, as a float.

    Raises:
        InputError: something else; the message ends in the hint.
    """
    array = _numbers(value)
    number = float(array) if array is not None and not array.ndim and array.dtype.kind != "b" else math.nan
    if not (math.isfinite(number) and number >= low and above < number < below):
        limits = [
            f"{sign} {limit:g}" for sign, limit in ((">=", low), (">", above), ("<", below)) if abs(limit) < 1e300
        ]
        wanted = "one finite number" + (f" {' and '.join(limits)}" if limits else "")
        raise InputError(f"{name} = {shown(value)} must be {wanted}" + (f": {hint}" if hint else ""))
    return number


def real_array(name: str, value: Any, remedy: str, truths: bool = True) -> np.ndarray:
    """Real numbers as a new float array; NaN and infinity pass, and where ``truths`` do, True and False as 1 and 0.

    Raises:
        InputError: text, None, complex numbers, masked entries, or rows of different lengths; the message ends in
            the remedy.
    """
    if np.ma.is_masked(value):
        raise InputError(
            f"{name} has {np.ma.count_masked(value)} masked entries, which no number stands for: fill them"
        )
    array = _numbers(value)
    if array is None or (array.dtype.kind == "b" and not truths):
        raise InputError(f"{name} is not an array of real numbers: {remedy}")
    return np.array(array, dtype=float, order="C")


def truth(name: str, value: Any) -> bool:
    """True or False; raises InputError for anything else."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} = {shown(value)} must be True or False")
    return bool(value)


def truth_or_none(name: str, value: Any) -> bool | None:
    """True, False or None; raises InputError for anything else."""
    if value is None:
        return None
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} = {shown(value)} must be True, False or None")
    return bool(value)


def one_of(name: str, value: Any, known: Collection[str]) -> str:
    """One of the known names, a text; raises InputError for anything else."""
    if not isinstance(value, str) or value not in known:
        raise InputError(f"unknown {name} {shown(value)}: use one of {', '.join(known)}")
    return str(value)


def texts(name: str, value: Any) -> tuple[str, ...]:
    """A list or tuple of texts; raises InputError for anything else, one text alone too."""
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise InputError(f"{name} = {shown(value)} must be a list of texts")
    return tuple(value)


def local_path(value: Any) -> Path:
    """The path with ``~`` as the user's home; raises InputError for what is no path, and for the home of nobody."""
    if not isinstance(value, str | PathLike):
        raise InputError(f"{shown(value)} is no path: give a text, such as 'runs.zarr'")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise InputError(f"{value}: there is no such home folder: write the path itself") from None


def one_or_more(value: Any, kind: type[T], maker: str) -> list[T]:
    """One thing, or a list or tuple of them, as a list.

    Raises:
        InputError: something of another kind; the message names what makes one.
    """
    things = list(value) if isinstance(value, list | tuple) else [value]
    for thing in things:
        if not isinstance(thing, kind):
            raise InputError(f"{shown(thing)} is no {kind.__name__}: make one with {maker}({shown(thing)})")
    return things


def one(value: Any, kind: type[T], maker: str) -> T:
    """As :func:`one_or_more` of one thing, alone or in a list; raises InputError for several too."""
    things = one_or_more(value, kind, maker)
    if len(things) != 1:
        raise InputError(f"{len(things)} of {kind.__name__} are given where one is meant: give one")
    return things[0]


def named_values(text: str, called: str) -> dict[str, str]:
    """Values by name from text such as ``"u=alpha, v=0"``; raises InputError where one is given twice, or none."""
    found: dict[str, str] = {}
    for pair in filter(str.strip, text.split(",")):
        name, equals, value = map(str.strip, pair.partition("="))
        if not equals or not name or not value:
            raise InputError(f"{called} {shown(pair.strip())} is no NAME=VALUE: write for example u=0.5")
        if name in found:
            raise InputError(f"{called} gives {name} twice, {found[name]} and {value}: give it once")
        found[name] = value
    return found


def shown(value: Any) -> str:
    """A value as it stands in a message: one short line."""
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) and value.size < 100 else value
    text = " ".join(repr(plain).split())
    return text if len(text) <= 60 else text[:57] + "..."


_NONE = (type(None), str, bytes)  # what NumPy would read as NaN, or as the number that it spells


def _numbers(value: Any) -> np.ndarray | None:
    """The value as an array of booleans, integers or floats, None where it is none."""
    try:
        array = np.asarray(value)
        if np.ma.is_masked(value) or (array.dtype.kind == "O" and any(isinstance(v, _NONE) for v in array.flat)):
            return None
        if array.dtype.kind == "O":  # whole numbers beyond 64 bits, fractions, mixed table columns
            array = array.astype(float)
    except (TypeError, ValueError, OverflowError):
        return None
    return array if array.dtype.kind in "biuf" else None


def meant(word: str, known: Iterable[str]) -> str:
    """A question for the known name nearest to a word, to stand in an error; empty where none is near."""
    near = get_close_matches(word, list(known), 1)
    return f"do you mean {near[0]}? Else " if near else ""


def rounded_down(limit: float) -> str:
    """A positive limit in three digits, for a remedy: what is just below these is within the limit."""
    digits = 2 - int(np.floor(np.log10(limit)))
    return f"{np.floor(limit * 10.0**digits * (1 + 1e-12)) / 10.0**digits:.3g}"
