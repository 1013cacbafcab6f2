"""Law source: the text of a model's elementwise arithmetic, generated for every backend."""

from functools import lru_cache

import sympy as sp

from ..elementwise import Function
from ..errors import InputError
from ..loss import Loss, loss_functions
from ..parameterization import Parameterization
from ..schedule import FIRST, LAST, PROGRESS, SHAPES
from ..update_rule import GRADIENT, LEARNING_RATE, WEIGHT, Step, UpdateRule

TARGETS = ("numba", "numpy")
_LR, _G = sp.symbols("lr g", real=True)


def law_source(model: Parameterization, loss: Loss, rule: UpdateRule, target: str = "numba") -> str:
    """The Python text of a law, the functions a kernel calls.

    ``effective(w...)``, ``jacobian(w...)`` (d beta / d w_p), ``curvature(w...)`` (upper triangle of the
    second derivatives, row by row), ``step(lr, g, parameters..., w..., state...)`` with g = dL/dbeta of the coordinate,
    ``tangent(lr, g, g_dot, parameters..., w..., state..., w_dot..., state_dot...)``, the derivative of that step along
    the dots, ``loss_value(f, y)``, ``loss_slope(f, y)``, ``loss_curvature(f, y)`` and
    ``schedule(first, last, progress)``, a learning rate. Numbers of the rule are no part of the text.

    Raises:
        InputError: an unknown target.
    """
    if target not in TARGETS:
        raise InputError(f"unknown target {target!r}: use one of {', '.join(TARGETS)}")
    return _law_source(model, loss, rule.step, rule.schedule.shape, target)


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
    return [
        Function("effective", weights, (effective,)),
        Function("jacobian", weights, tuple(sp.diff(effective, w) for w in weights), many=True),
        Function("curvature", weights, tuple(second), many=True),
        Function("step", arguments, tuple(_step(model, rule)), many=True),
        Function("tangent", (_LR, _G, dots[0], *arguments[2:], *dots[1:]), tuple(tangent), many=True),
        *loss_functions(loss),
        Function("schedule", (FIRST, LAST, PROGRESS), (SHAPES[shape],)),
    ]


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
