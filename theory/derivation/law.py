"""The law: a model's elementwise arithmetic, generated for every backend."""

import keyword
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import SimpleNamespace

import sympy as sp

from ..elementwise import Function, on_arrays
from ..loss import Loss, loss_functions
from ..parameterization import Parameterization
from ..schedule import FIRST, LAST, PROGRESS, SHAPES
from ..steps import GRADIENT, LEARNING_RATE, WEIGHT, Step
from ..validate import one_of

TARGETS = ("numba", "numpy")
_LR, _G = sp.symbols("lr g", real=True)


@dataclass(frozen=True)
class Law:
    """What kernels call: the elementwise functions of a model, a loss, a step and the shape of a schedule.

    ``effective(w...)``, ``jacobian(w...)`` (d beta / d w_p), ``curvature(w...)`` (upper triangle of the
    second derivatives, row by row), ``step(lr, g, parameters..., w..., state...)`` with g = dL/dbeta of the coordinate,
    ``tangent(lr, g, g_dot, parameters..., w..., state..., w_dot..., state_dot...)``, the derivative of that step along
    the dots, ``loss_value(f, y)``, ``loss_slope(f, y)``, ``loss_curvature(f, y)`` and
    ``schedule(first, last, progress)``, a learning rate. A step that reads totals over all weights has no tangent, but
    ``totals(lr, g, parameters..., w..., state...)``, the coordinate's part of each; ``step`` takes their sums behind
    the parameters. Numbers of the rule are no part of it.
    """

    model: Parameterization
    loss: Loss
    step: Step
    shape: str

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """As expressions."""
        return tuple(_functions(self.model, self.loss, self.step, self.shape))

    def python(self, target: str = "numba") -> str:
        """As text, of one coordinate for Numba or of whole arrays for NumPy; raises InputError for another target."""
        target = one_of("target", target, TARGETS)
        texts = [function.text(target) for function in self.functions]
        return "\n\n".join([f"# {self.model.name}, {self.loss.name} loss, {self.step.name}", *texts])

    @cached_property
    def arrays(self) -> SimpleNamespace:
        """On NumPy arrays: the text run; weights are separate arguments."""
        return on_arrays(self.python("numpy"))


@lru_cache(maxsize=256)
def law_of(model: Parameterization, loss: Loss, step: Step, shape: str) -> Law:
    """The one law of equal declarations, whose functions are derived once."""
    return Law(model, loss, step, shape)


def _functions(model: Parameterization, loss: Loss, rule: Step, shape: str) -> list[Function]:
    weights, effective = model.weights, model.effective
    second = [sp.diff(effective, a, b) for p, a in enumerate(weights) for b in weights[p:]]
    return [
        Function("effective", weights, (effective,)),
        Function("jacobian", weights, tuple(sp.diff(effective, w) for w in weights), many=True),
        Function("curvature", weights, tuple(second), many=True),
        *_step_functions(model, rule),
        *loss_functions(loss),
        Function("schedule", (FIRST, LAST, PROGRESS), (SHAPES[shape],)),
    ]


def _step_functions(model: Parameterization, rule: Step) -> list[Function]:
    numbers = (*model.weights, *state_symbols(model, rule))
    step = [_substitute(model, rule, w, rule.update) for w in model.weights]
    step += [_substitute(model, rule, w, s.update) for w in model.weights for s in rule.memory]
    function = Function("step", (_LR, _G, *rule_symbols(model, rule), *numbers), tuple(step), many=True)
    if rule.totals:
        terms = [sp.Add(*(_substitute(model, rule, w, total.args[0]) for w in model.weights)) for total in rule.totals]
        parameters = rule_symbols(model, rule)[: len(rule.parameters)]
        return [function, Function("totals", (_LR, _G, *parameters, *numbers), tuple(terms), many=True)]
    moving = (_G, *numbers)
    dots = [_written(model, rule)[s, "dot"] for s in moving]
    tangent = [sum(_slope(new, s) * dot for s, dot in zip(moving, dots, strict=True)) for new in step]
    arguments = (_LR, _G, dots[0], *rule_symbols(model, rule), *numbers, *dots[1:])
    return [function, Function("tangent", arguments, tuple(tangent), many=True)]


def _slope(value: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """The derivative where there is one: that of a jump is 0, of a corner the mean of both sides."""
    slope = sp.diff(value, symbol)
    return slope.replace(sp.DiracDelta, lambda *_: sp.S.Zero).replace(sp.Heaviside, lambda x, *_: (1 + sp.sign(x)) / 2)


def rule_symbols(model: Parameterization, rule: Step) -> tuple[sp.Symbol, ...]:
    """What a step reads of the rule beside state: its parameters, and then its totals over all weights."""
    names = _written(model, rule)
    return tuple(names[read] for read in (*rule.parameters, *rule.totals))


def state_symbols(model: Parameterization, rule: Step) -> tuple[sp.Symbol, ...]:
    """The rule's extra state, one symbol for each state variable of each weight, weight by weight."""
    names = _written(model, rule)
    return tuple(names[w, s.symbol] for w in model.weights for s in rule.memory)


@lru_cache(maxsize=256)
def _written(model: Parameterization, rule: Step) -> dict:
    """The symbols of a rule's parameters, totals, state of a weight, and tangents, each with a name of its own."""
    wanted: dict = {parameter: parameter.name for parameter in rule.parameters}
    wanted |= {total: f"total{k}" for k, total in enumerate(rule.totals)}
    wanted |= {(w, s.symbol): f"{s.symbol}_{w}" for w in model.weights for s in rule.memory}
    taken, names = {"lr", "g", "xp", *keyword.kwlist, *(w.name for w in model.weights)}, {}

    def give(key, name: str) -> None:
        while name in taken:
            name = "_" + name
        taken.add(name)
        names[key] = sp.Symbol(name, real=True)

    for key, name in wanted.items():
        give(key, name)
    for symbol in (_G, *model.weights, *(names[w, s.symbol] for w in model.weights for s in rule.memory)):
        give((symbol, "dot"), f"{symbol}_dot")
    return names


def gd_map(model: Parameterization, rule: Step) -> dict[sp.Symbol, sp.Expr]:
    """Each weight's next value, in the weights, the state, ``lr`` and ``g`` (arXiv 2002.09277)."""
    told = {_written(model, rule)[total]: sp.Symbol(str(total), real=True) for total in rule.totals}
    return {w: _substitute(model, rule, w, rule.update).xreplace(told) for w in model.weights}


def _substitute(model: Parameterization, rule: Step, w: sp.Symbol, expression: sp.Expr) -> sp.Expr:
    names = _written(model, rule)
    values = {WEIGHT: w, GRADIENT: sp.diff(model.effective, w) * _G, LEARNING_RATE: _LR}
    values |= {parameter: names[parameter] for parameter in rule.parameters if names[parameter] != parameter}
    values |= {s.symbol: names[w, s.symbol] for s in rule.memory}
    totals = {total: names[total] for total in rule.totals}
    return expression.xreplace(totals).subs(values, simultaneous=True)
