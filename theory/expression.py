"""Reading a formula typed by a user without evaluating it as Python."""

import ast
from fractions import Fraction

import sympy as sp

from .errors import InputError

LONGEST = 1000  # characters; also keeps the syntax tree shallow enough to walk
HIGHEST_DEGREE = 64  # of the whole expression, numbers counted too, so that no power can explode
_OPERATORS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
}


def read_expression(text: str) -> tuple[sp.Expr, tuple[sp.Symbol, ...]]:
    """Read a polynomial such as ``u*v - w**2``: the expression and its symbols in order of appearance.

    Allowed are names, numbers, ``+``, ``-``, ``*`` and ``**`` with a whole exponent, up to degree 64.

    Raises:
        InputError: anything else in the text.
    """
    if len(text) > LONGEST:
        raise InputError(f"expression of {len(text)} characters is longer than {LONGEST}: shorten it")
    if "#" in text:
        raise InputError(f"expression {text!r} holds a comment: leave it out")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        symbols: dict[str, sp.Symbol] = {}
        degree = _degree(tree.body, text)
        if degree > HIGHEST_DEGREE:
            raise InputError(f"expression {text!r} has degree {degree}, above {HIGHEST_DEGREE}: lower its powers")
        return sp.sympify(_read(tree.body, symbols)), tuple(symbols.values())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read expression {text!r}: {error}") from None


def _degree(node: ast.AST, text: str) -> int:
    """An upper bound of the degree, found before anything is multiplied out; refuses what is not allowed."""
    match node:
        case ast.Name():
            return 1
        case ast.Constant(value=int() | float() as value) if type(value) is not bool and abs(value) < float("inf"):
            return 1
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _degree(operand, text)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return max(_degree(left, text), _degree(right, text))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _degree(left, text) + _degree(right, text)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=n)) if type(n) is int and n >= 0:
            return _degree(left, text) * n
    raise InputError(
        f"{ast.unparse(node)!r} is not allowed in expression {text!r}: "
        "use names, numbers, +, -, * and ** with a whole exponent >= 0"
    )


def _read(node: ast.AST, symbols: dict[str, sp.Symbol]):
    match node:
        case ast.Name(id=name):
            return symbols.setdefault(name, sp.Symbol(name, real=True))
        case ast.Constant(value=value):
            return sp.Rational(Fraction(str(value)))
        case ast.UnaryOp(op=op, operand=operand):
            value = _read(operand, symbols)
            return -value if isinstance(op, ast.USub) else value
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=power)):
            return _read(left, symbols) ** power
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_read(left, symbols), _read(right, symbols))
    raise AssertionError("refused by _degree")
