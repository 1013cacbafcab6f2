"""The law: a model's elementwise arithmetic, generated for every backend."""

import keyword
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import SimpleNamespace

import sympy as sp

from ..elementwise import Function, on_arrays
from ..loss import Loss, loss_functions
from ..parameterization import Parameterization
from ..rules.schedule import FIRST, LAST, PROGRESS, SHAPES
from ..rules.step import GRADIENT, LEARNING_RATE, LOSS, WEIGHT, Step
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
    ``schedule(first, last, progress)``, a learning rate. Numbers of the rule are no part of it.

    A step that reads anything of the whole run has no tangent. Where it reads totals over all weights,
    ``totals(lr, g, parameters..., w..., state...)`` is the coordinate's part of each; ``step`` takes their sums behind
    the parameters, and then the excess loss if it reads that. Where it takes the gradient at another point,
    ``ascent(lr, g, parameters..., totals..., w..., state...)`` is that point, with totals of its own by
    ``ascent_totals``; its weights stand last in the state, and ``step`` has the g of that point.
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
    step += numbers[len(step) :]  # the point at which the gradient was taken
    function = Function("step", (_LR, _G, *rule_symbols(model, rule), *numbers), tuple(step), many=True)
    if rule.shared:
        return [function, *_shared_functions(model, rule, numbers)]
    moving = (_G, *numbers)
    dots = [_written(model, rule)[s, "dot"] for s in moving]
    tangent = [sum(_slope(new, s) * dot for s, dot in zip(moving, dots, strict=True)) for new in step]
    arguments = (_LR, _G, dots[0], *rule_symbols(model, rule), *numbers, *dots[1:])
    return [function, Function("tangent", arguments, tuple(tangent), many=True)]


def _shared_functions(model: Parameterization, rule: Step, numbers: tuple[sp.Symbol, ...]) -> list[Function]:
    names, functions = _written(model, rule), []
    parameters = tuple(names[parameter] for parameter in rule.parameters)
    for name, totals, there in (("totals", rule.totals, True), ("ascent_totals", rule.ascent_totals, False)):
        if totals:
            parts = [sp.Add(*(_substitute(model, rule, w, t.args[0], there) for w in model.weights)) for t in totals]
            functions.append(Function(name, (_LR, _G, *parameters, *numbers), tuple(parts), many=True))
    if rule.ascent is not None:
        sums = tuple(names["ascent", total] for total in rule.ascent_totals)
        point = tuple(_substitute(model, rule, w, rule.ascent, there=False) for w in model.weights)
        functions.append(Function("ascent", (_LR, _G, *parameters, *sums, *numbers), point, many=True))
    return functions


def _slope(value: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """The derivative where there is one: that of a jump is 0, of a corner the mean of both sides."""
    slope = sp.diff(value, symbol)
    return slope.replace(sp.DiracDelta, lambda *_: sp.S.Zero).replace(sp.Heaviside, lambda x, *_: (1 + sp.sign(x)) / 2)


def rule_symbols(model: Parameterization, rule: Step) -> tuple[sp.Symbol, ...]:
    """What a step reads of the rule beside state: its parameters, its totals over all weights, and the loss."""
    names = _written(model, rule)
    return tuple(names[read] for read in (*rule.parameters, *rule.totals, *([LOSS] if rule.reads_loss else [])))


def step_counts(rule: Step) -> dict[str, int]:
    """What kernels are told of a step: how many numbers it reads, and where it takes its gradient."""
    return dict(
        PARAMETERS=len(rule.parameters),
        TOTALS=len(rule.totals),
        READS_LOSS=int(rule.reads_loss),
        ASCENDS=int(rule.ascent is not None),
        ASCENT_TOTALS=len(rule.ascent_totals),
    )


def state_symbols(model: Parameterization, rule: Step) -> tuple[sp.Symbol, ...]:
    """The rule's extra state, one symbol for each state variable of each weight, weight by weight.

    And last the weights at which the gradient is taken, where that is elsewhere.
    """
    names = _written(model, rule)
    elsewhere = () if rule.ascent is None else tuple(names[w, "at"] for w in model.weights)
    return *(names[w, s.symbol] for w in model.weights for s in rule.memory), *elsewhere


@lru_cache(maxsize=256)
def _written(model: Parameterization, rule: Step) -> dict:
    """The symbols of a rule's parameters, totals, state of a weight, and tangents, each with a name of its own."""
    wanted: dict = {parameter: parameter.name for parameter in rule.parameters}
    wanted |= {total: f"total{k}" for k, total in enumerate(rule.totals)}
    wanted |= {("ascent", total): f"ascent_total{k}" for k, total in enumerate(rule.ascent_totals)}
    wanted |= {LOSS: LOSS.name} if rule.reads_loss else {}
    wanted |= {(w, s.symbol): f"{s.symbol}_{w}" for w in model.weights for s in rule.memory}
    wanted |= {} if rule.ascent is None else {(w, "at"): f"{w}_at" for w in model.weights}
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


def _substitute(model: Parameterization, rule: Step, w: sp.Symbol, expression: sp.Expr, there: bool = True) -> sp.Expr:
    """An equation for one weight, with the gradient where the step takes it, or at the weights."""
    names, elsewhere = _written(model, rule), there and rule.ascent is not None
    slope = sp.diff(model.effective, w)
    if elsewhere:
        slope = slope.subs({v: names[v, "at"] for v in model.weights}, simultaneous=True)
    values = {WEIGHT: w, GRADIENT: slope * _G, LEARNING_RATE: _LR}
    values |= {parameter: names[parameter] for parameter in rule.parameters if names[parameter] != parameter}
    values |= {LOSS: names[LOSS]} if rule.reads_loss else {}
    values |= {s.symbol: names[w, s.symbol] for s in rule.memory}
    totals = {
        total: names[total if there else ("ascent", total)] for total in (rule.totals if there else rule.ascent_totals)
    }
    return expression.xreplace(totals).subs(values, simultaneous=True)
