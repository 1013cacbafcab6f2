"""Elementwise functions: expressions printed as the text that every backend runs.

Each function works on one coordinate (Numba) or on whole arrays (NumPy): it is the same arithmetic. Whole powers
are written as products, since ``u**3`` and ``u*u*u`` differ in the last bit between backends; then common
subexpressions are shared.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import sympy as sp
from sympy.printing.pycode import PythonCodePrinter

_LR = sp.Symbol("lr", real=True)


def simplest(expression: sp.Expr) -> sp.Expr:
    """SymPy's simplest form; what has one operation is its own, and spares a sweep the import of SymPy's units."""
    return expression if expression.count_ops() < 2 else sp.simplify(expression)


class LawPrinter(PythonCodePrinter):
    """Products for whole powers, floats for rationals, functions of the array module ``xp``."""

    module = "xp."

    def _print_Pow(self, expr, rational=False):
        base, exponent = expr.as_base_exp()
        if exponent.is_Integer:
            factor = self.parenthesize(base, sp.printing.precedence.PRECEDENCE["Pow"])
            product = f"({'*'.join([factor] * abs(int(exponent)))})"
            return product if exponent > 0 else f"(1.0/{product})"
        if abs(exponent) == sp.S.Half:
            root = f"{self.module}sqrt({self._print(base)})"
            return root if exponent > 0 else f"(1.0/{root})"
        return super()._print_Pow(expr, rational)

    def _print_Rational(self, expr):
        return repr(float(expr))

    def _print_Integer(self, expr):
        return repr(float(expr))

    def _print_cos(self, expr):
        return f"{self.module}cos({self._print(expr.args[0])})"

    def _print_Pi(self, expr):
        return repr(float(expr))

    def _print_exp(self, expr):
        return f"{self.module}exp({self._print(expr.args[0])})"

    def _print_Abs(self, expr):
        return f"abs({self._print(expr.args[0])})"

    def _print_sign(self, expr):
        return f"{self.module}sign({self._print(expr.args[0])})"

    def _print_Min(self, expr):
        return self._folded(f"{self.module}minimum", expr)

    def _print_Max(self, expr):
        return self._folded(f"{self.module}maximum", expr)

    def _folded(self, function: str, expr) -> str:
        first, *rest = map(self._print, sorted(expr.args, key=sp.default_sort_key))
        for part in rest:
            first = f"{function}({first}, {part})"
        return first

    def _print_log(self, expr):
        inside = expr.args[0]
        if not (inside.is_Add and sp.S.One in inside.args):
            return f"{self.module}log({self._print(inside)})"
        rest = inside - 1
        if isinstance(rest, sp.exp):
            return self.softplus(self._print(rest.args[0]))
        return f"{self.module}log1p({self._print(rest)})"  # exact for small arguments

    def softplus(self, argument: str) -> str:
        """``log(1 + e^x)``, which is x where the exponential overflows."""
        return f"{self.module}logaddexp(0.0, {argument})"


@dataclass(frozen=True)
class Function:
    """A function of the law: its arguments and values; ``many`` where it returns a tuple, if of one value."""

    name: str
    arguments: tuple[sp.Symbol, ...]
    values: tuple[sp.Expr, ...]
    many: bool = False

    def shared(self, prefix: str = "_") -> tuple[list, list]:
        """Common subexpressions with their symbols, and the values in terms of them."""
        return sp.cse(self.values, symbols=sp.numbered_symbols(prefix), order="none")

    def renamed(self, prefix: str, only: sp.Symbol | None = None) -> "Function":
        """The same with a prefix before the name of each argument, or of one."""
        names = {a: sp.Symbol(prefix + a.name if only in (None, a) else a.name, real=True) for a in self.arguments}
        values = (sp.sympify(value).subs(names, simultaneous=True) for value in self.values)
        return replace(self, arguments=tuple(names.values()), values=tuple(values))

    def text(self, target: str) -> str:
        """The function in Python."""
        printer = LawPrinter({"fully_qualified_modules": False})
        function = self.renamed("_", only=_LR)  # first in every product, where compilers take it out of loops
        shared, final = function.shared()
        lines = ["@law"] if target == "numba" else []
        lines.append(f"def {self.name}({', '.join(a.name for a in function.arguments)}):")
        lines += [f"    {symbol} = {printer.doprint(value)}" for symbol, value in shared]
        values = [printer.doprint(value) for value in final]
        lines.append(f"    return ({', '.join(values)},)" if self.many else f"    return {values[0]}")
        return "\n".join(lines)


def on_arrays(text: str) -> SimpleNamespace:
    """The functions of a text printed for NumPy."""
    functions: dict = {"xp": np}
    exec(text, functions)  # text printed from a SymPy tree, never typed by a user
    return SimpleNamespace(**functions)


@lru_cache(maxsize=256)
def function_of(expression: sp.Expr) -> tuple[tuple[sp.Symbol, ...], Callable]:
    """The symbols of an expression, by name, and its value on arrays of them in that order."""
    symbols = tuple(sorted(expression.free_symbols, key=str))
    return symbols, sp.lambdify(symbols, expression, np)
