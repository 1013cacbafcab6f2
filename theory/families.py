"""The named families. Each is one expression; everything else about it is derived."""

import re
from numbers import Integral

import sympy as sp

from .errors import InputError
from .expression import HIGHEST_DEGREE
from .parameterization import ALPHA, Parameterization, custom
from .validate import meant, named_values, shown


def power(depth: int) -> Parameterization:
    """``beta = w^L`` with shared weights; every w starts at alpha (2002.09277)."""
    w, depth = sp.Symbol("w", real=True), _depth("power", depth)
    return Parameterization(f"power({depth})", (w,), w**depth, (ALPHA,))


def difference(depth: int) -> Parameterization:
    """``beta = u^L - v^L``; u = v = alpha at the start, so beta starts at 0 (2002.09277)."""
    (u, v), depth = sp.symbols("u v", real=True), _depth("difference", depth)
    return Parameterization(f"difference({depth})", (u, v), u**depth - v**depth, (ALPHA, ALPHA))


def product(depth: int) -> Parameterization:
    """``beta = u_1 ... u_L``; u_1 = ... = u_{L-1} = alpha and u_L = 0, so beta starts at 0."""
    depth = _depth("product", depth)
    layers = sp.symbols(f"u1:{depth + 1}", real=True)
    start = (ALPHA,) * (depth - 1) + (sp.Integer(0),)
    return Parameterization(f"product({depth})", layers, sp.prod(layers), start)


FAMILIES = {"power": power, "difference": difference, "product": product}


def parse(text: str) -> Parameterization:
    """The parameterization named by ``"power(2)"``, ``"difference(3)"``, ``"custom(u*v - w**2)"`` ...

    A custom start follows a semicolon: ``"custom(u*v; u=alpha, v=0)"``. The expression may stand in quotes.

    Raises:
        InputError: an unknown family, a bad depth, or an expression outside the whitelist.
    """
    if not isinstance(text, str):
        raise InputError(f"model = {shown(text)} is no text: name one, such as 'power(2)'")
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text, re.DOTALL)
    known = ", ".join(f"{name}(L)" for name in FAMILIES)
    if not match or match[1] not in (*FAMILIES, "custom"):
        told = meant(match[1], (*FAMILIES, "custom")) if match else _custom_meant(text)
        raise InputError(f"unknown model {shown(text)}: {told}use {known} with L >= 1, or custom(EXPRESSION)")
    name, inside = match.groups()
    if name == "custom":
        effective, _, start = _unquoted(inside).partition(";")
        return custom(_unquoted(effective), named_values(start, "start") or None)
    if not re.fullmatch(r"\s*[+-]?\d{1,9}\s*", inside):
        raise InputError(
            f"model {shown(text)}: the depth must be a whole number from 1 to {HIGHEST_DEGREE}, as in {name}(2)"
        )
    return FAMILIES[name](int(inside))


def _custom_meant(text: str) -> str:
    """The advice to call an expression custom; empty for other texts."""
    if not re.search(r"[-+*/]", text):  # a word
        return ""
    named = f"custom({text.strip()})"
    try:
        parse(named)
    except InputError:
        return ""
    return f"do you mean {named}? Else "


def _unquoted(text: str) -> str:
    """The text without the quotes around it that Python would need."""
    return re.sub(r"""^\s*(['"])(.*)\1\s*$""", r"\2", text)


def _depth(name: str, depth: int) -> int:
    if isinstance(depth, bool) or not isinstance(depth, Integral) or not 1 <= depth <= HIGHEST_DEGREE:
        raise InputError(
            f"{name}({shown(depth)}): the depth must be a whole number from 1 to {HIGHEST_DEGREE}, as in {name}(2)"
        )
    return int(depth)
