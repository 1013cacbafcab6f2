"""The named families. Each is one expression; everything else about it is derived."""

import re

import sympy as sp

from .errors import InputError
from .parameterization import ALPHA, Parameterization, custom


def power(depth: int) -> Parameterization:
    """``beta = w^L`` with shared weights; every w starts at alpha (2002.09277)."""
    w = sp.Symbol("w", real=True)
    return Parameterization(f"power({_depth('power', depth)})", (w,), w**depth, (ALPHA,))


def difference(depth: int) -> Parameterization:
    """``beta = u^L - v^L``; u = v = alpha at the start, so beta starts at 0 (2002.09277)."""
    u, v = sp.symbols("u v", real=True)
    return Parameterization(f"difference({_depth('difference', depth)})", (u, v), u**depth - v**depth, (ALPHA, ALPHA))


def product(depth: int) -> Parameterization:
    """``beta = u_1 ... u_L``; u_1 = ... = u_{L-1} = alpha and u_L = 0, so beta starts at 0."""
    layers = sp.symbols(f"u1:{_depth('product', depth) + 1}", real=True)
    start = (ALPHA,) * (depth - 1) + (sp.Integer(0),)
    return Parameterization(f"product({depth})", layers, sp.prod(layers), start)


FAMILIES = {"power": power, "difference": difference, "product": product}


def parse(text: str) -> Parameterization:
    """The parameterization named by ``"power(2)"``, ``"difference(3)"``, ``"custom(u*v - w**2)"`` ...

    A custom start follows a semicolon: ``"custom(u*v; u=alpha, v=0)"``.

    Raises:
        InputError: an unknown family, a bad depth, or an expression outside the whitelist.
    """
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text, re.DOTALL)
    known = ", ".join(f"{name}(L)" for name in FAMILIES)
    if not match or match[1] not in (*FAMILIES, "custom"):
        raise InputError(f"unknown model {text!r}: use {known} with L >= 1, or custom(EXPRESSION)")
    name, inside = match.groups()
    if name == "custom":
        effective, _, start = inside.partition(";")
        pairs = [pair.partition("=") for pair in start.split(",") if pair.strip()]
        return custom(effective, {key.strip(): value.strip() for key, _, value in pairs} or None)
    if not re.fullmatch(r"\s*[+-]?\d+\s*", inside):
        raise InputError(f"model {text!r}: the depth must be a whole number >= 1, as in {name}(2)")
    return FAMILIES[name](int(inside))


def _depth(name: str, depth: int) -> int:
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise InputError(f"{name}({depth!r}): the depth must be a whole number >= 1, as in {name}(2)")
    return depth
