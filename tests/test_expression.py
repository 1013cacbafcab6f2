"""User text is read by a whitelist over its syntax tree and never evaluated."""

import pytest
import sympy as sp

from gdbias.theory import InputError
from gdbias.theory.expression import read_expression

u, v, w = sp.symbols("u v w", real=True)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("u*v - w**2", u * v - w**2),
        ("  u\t*  v ", u * v),
        ("(u\n + v)", u + v),
        ("-u + +v", v - u),
        ("--u", u),
        ("2*u - 0.1*v", 2 * u - v / 10),
        ("1e-3*u", u / 1000),
        ("(u - v)*(u + v)", u**2 - v**2),
        ("-u**2", -(u**2)),
        ("u**0", sp.Integer(1)),
        ("u**64", u**64),
        ("(u**8)**8", u**64),
    ],
)
def test_reads_polynomials(text, expected):
    expression, symbols = read_expression(text)
    assert sp.expand(expression - expected) == 0
    assert all(symbol.is_real for symbol in symbols)


def test_symbols_come_in_order_of_appearance():
    assert read_expression("v*w - u**2 + v")[1] == (v, w, u)


def test_decimals_are_exact():
    assert read_expression("0.1*u")[0].coeff(u) == sp.Rational(1, 10)


@pytest.mark.parametrize(
    "text",
    [
        "", "u +", "u v", "u = 1", "u := 2", "u; v", "u, v", "# u", "u*v # a comment",
        "sin(u)", "__import__('os').system('x')", "open('x')", "u.real", "().__class__", "u[0]", "[u]", "{u}", "{u: v}",
        "lambda u: u", "[u for u in v]", "u if v else w", "u and v", "not u", "'u'", "f'{u}'", "b'u'",
        "u < v", "u == v", "u / v", "u // v", "u % v", "u @ v", "u << 2", "u ^ 2", "u | v", "~u",
        "u**0.5", "u**2.0", "u**-1", "u**v", "u**True", "2**u", "u**(1 + 1)", "u**65", "u**10**10", "9**9**9**9",
        "True*u", "None", "...", "1j*u", "1e999*u", "-1e999", "u\0v", "await u", "yield", "*u",
    ],
)  # fmt: skip
def test_refuses(text):
    with pytest.raises(InputError):
        read_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "((u**64)**64)**64",  # as a polynomial, degree 262144
        "(((9**60)**60)**60)**60",  # as a number, ten million digits
        "*".join(["(u + v)**9"] * 8),
        "u+" * 5000 + "u",
        "(" * 500 + "u" + ")" * 500,
        "-" * 998 + "u",
        "-" * 5000 + "u",
        "(" * 400,
        "1" * 900 + "**64*u**64",
    ],
)
def test_refuses_what_would_explode(text):
    with pytest.raises(InputError):
        read_expression(text)


def test_a_thousand_characters_are_enough_for_a_long_sum():
    expression, symbols = read_expression("+".join(f"{k}*w{k}" for k in range(1, 90)))
    assert len(symbols) == 89
    assert expression.coeff(symbols[-1]) == 89


@pytest.mark.parametrize("text", ["u*v - w^2", "u^2 - v ^ 3", "(u + v)^2*w"])
def test_a_caret_is_answered_by_the_power_that_was_meant(text):
    with pytest.raises(InputError) as refused:
        read_expression(text)
    assert read_expression(str(refused.value).split("write ")[1])[0] == sp.sympify(
        text.replace("^", "**"), {name: sp.Symbol(name, real=True) for name in "uvw"}
    )
