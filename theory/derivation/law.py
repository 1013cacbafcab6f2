"""Law source: the text of a model's elementwise arithmetic, generated for every backend.

Each function of the text works on one coordinate (Numba) or on whole arrays (NumPy): it is the
same arithmetic. Whole powers are written as products, since ``u**3`` and ``u*u*u`` differ in the last
bit between backends; then common subexpressions are shared.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import sympy as sp
from sympy.printing.pycode import PythonCodePrinter

from ..errors import InputError
from ..loss import PREDICTION, TARGET, Loss
from ..parameterization import Parameterization
from ..schedule import FIRST, LAST, PROGRESS, SHAPES
from ..update_rule import GRADIENT, LEARNING_RATE, WEIGHT, Step, UpdateRule

TARGETS = ("numba", "numpy")
_LR, _G = sp.symbols("lr g", real=True)


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


def law_source(model: Parameterization, loss: Loss, rule: UpdateRule, target: str = "numba") -> str:
    """The Python text of a law, the functions a kernel calls.

    ``effective(w...)``, ``jacobian(w...)`` (d beta / d w_p), ``curvature(w...)`` (upper triangle of the
    second derivatives, row by row), ``step(lr, g, parameters..., w..., state...)`` with g = dL/dbeta of the coordinate,
    ``tangent(lr, g, g_dot, parameters..., w..., state..., w_dot..., state_dot...)``, the derivative of that step along
    the dots, ``loss_value(f, y)``, ``loss_slope(f, y)``, ``loss_curvature(f, y)``, and for a rule with a schedule
    ``schedule(first, last, progress)``, a learning rate. Numbers of the rule are no part of the text.

    Raises:
        InputError: an unknown target.
    """
    if target not in TARGETS:
        raise InputError(f"unknown target {target!r}: use one of {', '.join(TARGETS)}")
    return _law_source(model, loss, rule.step, rule.schedule.shape, target)


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


@lru_cache(maxsize=256)
def _law_source(model: Parameterization, loss: Loss, rule: Step, shape: str, target: str) -> str:
    texts = [function.text(target) for function in _functions(model, loss, rule, shape)]
    return "\n\n".join([f"# {model.name}, {loss.name} loss, {rule.name}", *texts])


def law_functions(model: Parameterization, loss: Loss, rule: UpdateRule) -> list[Function]:
    """The functions of :func:`law_source` as expressions."""
    return _functions(model, loss, rule.step, rule.schedule.shape)


def _functions(model: Parameterization, loss: Loss, rule: Step, shape: str) -> list[Function]:
    weights, effective = model.weights, model.effective
    second = [sp.diff(effective, a, b) for p, a in enumerate(weights) for b in weights[p:]]
    moving = (_G, *weights, *state_symbols(model, rule))
    arguments = (_LR, _G, *rule.parameters, *moving[1:])
    dots = [sp.Symbol(f"{s.name}_dot", real=True) for s in moving]
    tangent = [sum(sp.diff(new, s) * dot for s, dot in zip(moving, dots, strict=True)) for new in _step(model, rule)]
    functions = [
        Function("effective", weights, (effective,)),
        Function("jacobian", weights, tuple(sp.diff(effective, w) for w in weights), many=True),
        Function("curvature", weights, tuple(second), many=True),
        Function("step", arguments, tuple(_step(model, rule)), many=True),
        Function("tangent", (_LR, _G, dots[0], *arguments[2:], *dots[1:]), tuple(tangent), many=True),
        *_loss_functions(loss),
    ]
    if shape != "constant":
        functions.append(Function("schedule", (FIRST, LAST, PROGRESS), (SHAPES[shape],)))
    return functions


def loss_source(loss: Loss, target: str) -> str:
    """The three functions of the loss alone."""
    return "\n\n".join(function.text(target) for function in _loss_functions(loss))


def _loss_functions(loss: Loss) -> list[Function]:
    parts = {"loss_value": loss.value, "loss_slope": loss.slope, "loss_curvature": loss.curvature}
    return [Function(name, (PREDICTION, TARGET), (value,)) for name, value in parts.items()]


def state_symbols(model: Parameterization, rule: Step) -> tuple[sp.Symbol, ...]:
    """The rule's extra state, one symbol for each state variable of each weight, weight by weight."""
    return tuple(sp.Symbol(f"{s.symbol.name}_{w.name}", real=True) for w in model.weights for s in rule.state)


def gd_map(model: Parameterization, rule: Step) -> dict[sp.Symbol, sp.Expr]:
    """Each weight's next value, in the weights, the state, ``lr`` and ``g`` (arXiv 2002.09277)."""
    return {w: _substitute(model, rule, w, rule.update) for w in model.weights}


def _step(model: Parameterization, rule: Step) -> list[sp.Expr]:
    states = [_substitute(model, rule, w, s.update) for w in model.weights for s in rule.state]
    return [*gd_map(model, rule).values(), *states]


def _substitute(model: Parameterization, rule: Step, w: sp.Symbol, expression: sp.Expr) -> sp.Expr:
    values = {WEIGHT: w, GRADIENT: sp.diff(model.effective, w) * _G, LEARNING_RATE: _LR}
    values |= {s.symbol: sp.Symbol(f"{s.symbol.name}_{w.name}", real=True) for s in rule.state}
    return expression.subs(values, simultaneous=True)
