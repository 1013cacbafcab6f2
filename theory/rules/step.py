"""A step: the equations of what an update rule does to one weight, and what they may read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp

from ..errors import InputError
from ..expression import read_formula

WEIGHT, GRADIENT, LEARNING_RATE = sp.symbols("weight gradient lr", real=True)
STEP = sp.Symbol("step", real=True)  # number of the step, 0 for the first
LOSS = sp.Symbol("loss", real=True)  # training loss above the smallest attainable one
MOMENTUM, WEIGHT_DECAY = sp.symbols("momentum weight_decay", real=True)
_GIVEN = (WEIGHT, GRADIENT, LEARNING_RATE, STEP, LOSS)  # what every step can read


class Total(sp.Function):
    """The sum of a term over all weights of a run, such as ``Total(GRADIENT**2)``; in text ``total(gradient**2)``."""

    nargs = 1
    is_real = True

    def _sympystr(self, printer) -> str:
        return f"total({printer.doprint(self.args[0])})"


GRADIENT_NORM = sp.sqrt(Total(GRADIENT**2))  # Euclidean, of the whole gradient in the weights
FUNCTIONS = {
    "sqrt": sp.sqrt, "exp": sp.exp, "log": sp.log, "sign": sp.sign, "total": Total,
    "abs": sp.Abs, "min": sp.Min, "max": sp.Max, "Abs": sp.Abs, "Min": sp.Min, "Max": sp.Max,
}  # fmt: skip


@dataclass(frozen=True)
class StateVariable:
    """Extra memory kept for every weight, such as a velocity."""

    symbol: sp.Symbol
    start: sp.Expr  # in terms of WEIGHT
    update: sp.Expr  # in terms of what the step's own update may read


@dataclass(frozen=True)
class Step:
    """One step ``weight <- update(weight, gradient, lr, step, parameters, state)``, all right-hand sides at old values.

    Attributes:
        name: of the step, in titles and stored results.
        update: the new weight, of WEIGHT, GRADIENT, LEARNING_RATE, STEP, LOSS, the state, :class:`Total` of terms of
            these, and parameters. Equations may have what text in :mod:`gdbias.theory.rules.steps` may.
        state: extra memory of every weight.
        ascent: the point at which the gradient is taken, of what ``update`` reads but LOSS, with the gradient at the
            weights; unless given it is taken at the weights.
        parameters: all other symbols of the equations, whose values come with the run, so that another value needs no
            other kernel; filled in, sorted by name.
        defaults: values of parameters that a run need not give.
        limits: of parameters by name, ``{"beta1": {"low": 0, "below": 1}}``, outside of which they make no sense.
        lowers_loss: whether small steps lower the objective.
        source: where the step comes from.

    Raises:
        InputError: an equation beyond what can be read, a state named as what steps read, a total inside a total, or
            ``parameters`` that are not those of the equations.
    """

    name: str
    update: sp.Expr
    state: tuple[StateVariable, ...] = ()
    ascent: sp.Expr | None = None
    parameters: tuple[sp.Symbol, ...] = ()
    defaults: Mapping[str, float] = field(default_factory=dict, compare=False)
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict, compare=False)
    lowers_loss: bool = field(default=False, compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self):
        name, given = " ".join(self.name.split()), {symbol.name for symbol in self.parameters}
        state = tuple(
            StateVariable(sp.Symbol(s.symbol.name, real=True), _canonical(name, s.start), _canonical(name, s.update))
            for s in self.state
        )
        values: dict = dict(name=name, update=_canonical(name, self.update), state=state)
        values["ascent"] = None if self.ascent is None else _canonical(name, self.ascent)
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)
        kept = [s.symbol for s in state]
        if taken := [s for k, s in enumerate(kept) if s in (*_GIVEN, *kept[:k]) or s.name.startswith("_")]:
            raise InputError(f"the step {name!r} cannot keep a state named {taken[0]}: choose another name")
        strange = set().union(*(s.start.free_symbols for s in state)) - {WEIGHT}
        if strange or any(s.start.has(Total) for s in state):
            read = min(map(str, strange), default="total")
            raise InputError(f"the state of the step {name!r} reads {read} at its start: use WEIGHT and numbers there")
        for term in (*self.totals, *self.ascent_totals):
            if term.args[0].has(Total):
                raise InputError(f"the step {name!r} has a total inside a total: keep the inner one in the state")
            if term.has(LOSS):
                raise InputError(f"the step {name!r} reads the loss in {term}: take it out of the total")
        if self.ascent is not None and self.ascent.has(LOSS):
            raise InputError(f"the step {name!r} takes its gradient at a point that reads the loss: leave it out there")
        parameters = set().union(*(e.free_symbols for e in self._equations)) - {*_GIVEN, *kept}
        if unread := sorted(given - {symbol.name for symbol in parameters}):
            raise InputError(f"the step {name!r} does not read its parameter {unread[0]}: leave it out")
        if hidden := [s for s in parameters if s.name.startswith("_")]:
            raise InputError(f"the step {name!r} cannot read a parameter named {hidden[0]}: choose another name")
        object.__setattr__(self, "parameters", tuple(sorted(parameters, key=str)))

    def __str__(self) -> str:
        """The name and all equations, as text is read in :mod:`gdbias.theory.rules.steps`."""
        kept = "".join(f"; {s.symbol} <- {s.update}, from {s.start}" for s in self.state)
        at = "" if self.ascent is None else f"; {GRADIENT} at {self.ascent}"
        return f"{self.name}: {WEIGHT} <- {self.update}{kept}{at}"

    @property
    def _equations(self) -> tuple[sp.Expr, ...]:
        return self.update, *(s.update for s in self.state), *([] if self.ascent is None else [self.ascent])

    @cached_property
    def totals(self) -> tuple[sp.Expr, ...]:
        """The totals that a step needs of all weights, in a fixed order."""
        return _totals(self.update, *(s.update for s in self.state))

    @cached_property
    def ascent_totals(self) -> tuple[sp.Expr, ...]:
        """Those that the point needs at which the gradient is taken."""
        return () if self.ascent is None else _totals(self.ascent)

    @property
    def reads_loss(self) -> bool:
        return any(e.has(LOSS) for e in self._equations)

    @property
    def shared(self) -> tuple[str, ...]:
        """What the step of a weight reads of the whole run: totals, the loss, a gradient elsewhere."""
        elsewhere = () if self.ascent is None else (f"the {GRADIENT} at {self.ascent}",)
        return (*map(str, self.totals), *([str(LOSS)] if self.reads_loss else []), *elsewhere)

    @cached_property
    def memory(self) -> tuple[StateVariable, ...]:
        """What is kept for every weight: the state, and the number of the step where that is read."""
        counts = any(e.has(STEP) for e in self._equations)
        return self.state + (StateVariable(STEP, sp.Integer(0), STEP + 1),) * counts


def _totals(*equations: sp.Expr) -> tuple[sp.Expr, ...]:
    return tuple(sorted(set().union(*(e.atoms(Total) for e in equations)), key=str))


def _canonical(name: str, equation: sp.Expr) -> sp.Expr:
    """The equation as it is read back from a stored result: real symbols, decimal numbers as ratios."""
    equation = sp.sympify(equation)
    exact = equation.xreplace({x: sp.Rational(repr(float(x))) for x in equation.atoms(sp.Float)})
    try:
        return read_formula(str(exact), FUNCTIONS)
    except InputError as error:
        raise InputError(f"the step {name!r}: {error}") from None
