"""Reading a formula typed by a user without evaluating it as Python."""

import ast
import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import sympy as sp

from .errors import InputError
from .validate import shown

LONGEST = 1000  # characters; also keeps the syntax tree shallow enough to walk
HIGHEST_DEGREE = 64  # of the whole expression, numbers counted too, so that no power can explode
_OPERATORS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
CONSTANTS = {  # names that are read as numbers elsewhere, and what is meant
    "pi": "3.141592653589793", "E": "2.718281828459045", "nan": "a number", "inf": "a number", "NaN": "a number",
    "oo": "a number", "zoo": "a number", "I": "a number",
}  # fmt: skip
Functions = Mapping[str, Callable[..., sp.Expr]]
_POLYNOMIAL: Functions = {}
_SEVERAL = {"min", "max", "Min", "Max"}  # functions of more than one argument


def read_expression(text: str) -> tuple[sp.Expr, tuple[sp.Symbol, ...]]:
    """Read a polynomial such as ``u*v - w**2``: the expression and its symbols in order of appearance.

    Allowed are names, numbers, ``+``, ``-``, ``*`` and ``**`` with a whole exponent, up to degree 64.

    Raises:
        InputError: anything else in the text.
    """
    return _reading(text, _POLYNOMIAL)


def read_formula(text: str, functions: Functions) -> sp.Expr:
    """Read a formula such as ``weight - lr*sign(gradient)/(1 - beta**(step + 1))`` with these functions.

    Beside them all of :func:`read_expression` is allowed, ``/``, and ``**`` with any number up to 64 or a short
    polynomial of names as exponent.

    Raises:
        InputError: anything else in the text.
    """
    formula, _ = _reading(text, functions)
    if formula.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
        raise InputError(f"expression {text!r} is {formula}, not a real number: leave out what has no value")
    return formula


def _reading(text: str, functions: Functions) -> tuple[sp.Expr, tuple[sp.Symbol, ...]]:
    if not isinstance(text, str):
        raise InputError(f"expression {shown(text)} is no text: write for example 'u*v - w**2'")
    if len(text) > LONGEST:
        raise InputError(f"expression of {len(text)} characters is longer than {LONGEST}: shorten it")
    if "#" in text:
        raise InputError(f"expression {text!r} holds a comment: leave it out")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        symbols: dict[str, sp.Symbol] = {}
        degree = _degree(tree.body, text, functions)
        if degree > HIGHEST_DEGREE:
            raise InputError(f"expression {text!r} has degree {degree}, above {HIGHEST_DEGREE}: lower its powers")
        return sp.sympify(_read(tree.body, symbols, functions)), tuple(symbols.values())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read expression {text!r}: {error}") from None


def _degree(node: ast.AST, text: str, functions: Functions) -> int:
    """An upper bound of the degree, found before anything is multiplied out; refuses what is not allowed."""

    def degree(part: ast.AST) -> int:
        return _degree(part, text, functions)

    match node:
        case ast.Name(id=name) if name in CONSTANTS:
            raise InputError(
                f"{name!r} in expression {text!r} would be a weight and no constant: write {CONSTANTS[name]}, or "
                "another name"
            )
        case ast.Name():
            return 1
        case ast.Constant(value=int() | float() as value) if type(value) is not bool and abs(value) < float("inf"):
            return 1
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return degree(operand)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return max(degree(left), degree(right))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return degree(left) + degree(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=n)) if type(n) is int and n >= 0:
            return degree(left) * n
        case ast.BinOp(left=left, op=ast.Div(), right=right) if functions:
            return degree(left) + degree(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=right) if functions:
            number = _number(right)
            if number is not None and abs(number) <= HIGHEST_DEGREE:
                return degree(left) * max(1, math.ceil(abs(number)))
            if number is None and _is_short(right) and _degree(right, text, _POLYNOMIAL) <= 2:
                return degree(left)
        case ast.Call(func=ast.Name(id=name), args=[_, *more] as given, keywords=[]) if name in functions:
            if bool(more) == (name in _SEVERAL):
                return max(map(degree, given))
    match node:  # what is meant is plain
        case ast.BinOp(op=ast.BitXor()):  # which binds more weakly than +, so that its operands are not what was meant
            raise InputError(f"'^' is no power in expression {text!r}: write {text.replace('^', '**')}")
        case ast.BinOp(left=left, op=ast.Div(), right=ast.Constant(value=int() | float() as value)) if value:
            raise InputError(
                f"{ast.unparse(node)!r} is not allowed in expression {text!r}: write {1 / value!r}*{_operand(left)}"
            )
    usable = "names, numbers, +, -, * and ** with a whole exponent >= 0"
    if functions:
        known = sorted({name.lower() for name in functions})
        usable = f"names, numbers, +, -, *, /, ** with an exponent up to 64, and {', '.join(known)}"
    raise InputError(f"{ast.unparse(node)!r} is not allowed in expression {text!r}: use {usable}")


def _operand(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if isinstance(node, ast.Name | ast.Constant) else f"({text})"


def _number(node: ast.AST) -> Fraction | None:
    """The value of a number or a ratio of numbers, None for anything else."""
    match node:
        case ast.Constant(value=int() | float() as value) if type(value) is not bool and abs(value) < float("inf"):
            return Fraction(str(value))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _number(operand)
            return None if value is None else -value
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            top, bottom = _number(left), _number(right)
            return top / bottom if top is not None and bottom else None
    return None


def _is_short(node: ast.AST) -> bool:
    """Whether an exponent has names, and no number that makes a power explode once they have values."""
    numbers = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    named = any(isinstance(part, ast.Name) for part in ast.walk(node))
    return named and all(isinstance(n, int | float) and abs(n) <= HIGHEST_DEGREE for n in numbers)


def _read(node: ast.AST, symbols: dict[str, sp.Symbol], functions: Functions):
    match node:
        case ast.Name(id=name):
            return symbols.setdefault(name, sp.Symbol(name, real=True))
        case ast.Constant(value=value):
            return sp.Rational(Fraction(str(value)))
        case ast.UnaryOp(op=op, operand=operand):
            value = _read(operand, symbols, functions)
            return -value if isinstance(op, ast.USub) else value
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            number = _number(right)
            power = _read(right, symbols, functions) if number is None else sp.Rational(number)
            return _read(left, symbols, functions) ** power
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_read(left, symbols, functions), _read(right, symbols, functions))
        case ast.Call(func=ast.Name(id=name), args=given):
            return functions[name](*(_read(part, symbols, functions) for part in given))
    raise AssertionError("refused by _degree")
