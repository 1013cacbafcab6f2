"""Steps: equations of what a rule does to one weight, from text or by name, and the table of those that have a name.

A rule of one's own is a :class:`Step`, and a new built-in one is an entry of :data:`STEPS`: Python, the command line,
stored results, every backend and the stable sharpness follow from its equations.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp

from .errors import InputError
from .expression import read_formula
from .validate import named_values, real, shown

WEIGHT, GRADIENT, LEARNING_RATE = sp.symbols("weight gradient lr", real=True)
STEP = sp.Symbol("step", real=True)  # number of the step, 0 for the first
MOMENTUM, WEIGHT_DECAY = sp.symbols("momentum weight_decay", real=True)
_VELOCITY = sp.Symbol("velocity", real=True)
_GIVEN = (WEIGHT, GRADIENT, LEARNING_RATE, STEP)  # what every step can read
FORM = "use for example 'weight - lr*velocity; velocity <- beta*velocity + gradient, from 0'"


class Total(sp.Function):
    """The sum of a term over all weights of a run, such as ``Total(GRADIENT**2)``; in text ``total(gradient**2)``."""

    nargs = 1
    is_real = True

    def _sympystr(self, printer) -> str:
        return f"total({printer.doprint(self.args[0])})"


GRADIENT_NORM = sp.sqrt(Total(GRADIENT**2))  # Euclidean, of the whole gradient in the weights
_FUNCTIONS = {
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
        update: the new weight, of WEIGHT, GRADIENT, LEARNING_RATE, STEP, the state, :class:`Total` of terms of these,
            and parameters. Equations may have what :func:`parse_step` reads.
        state: extra memory of every weight.
        parameters: all other symbols of the equations, whose values come with the run, so that another value needs no
            other kernel; filled in, sorted by name.
        defaults: values of parameters that a run need not give.
        lowers_loss: whether small steps lower the objective.
        source: where the step comes from.

    Raises:
        InputError: an equation beyond what can be read, a state named as what steps read, a total inside a total, or
            ``parameters`` that are not those of the equations.
    """

    name: str
    update: sp.Expr
    state: tuple[StateVariable, ...] = ()
    parameters: tuple[sp.Symbol, ...] = ()
    defaults: Mapping[str, float] = field(default_factory=dict, compare=False)
    lowers_loss: bool = field(default=False, compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self):
        name, given = " ".join(self.name.split()), {symbol.name for symbol in self.parameters}
        state = tuple(
            StateVariable(sp.Symbol(s.symbol.name, real=True), _canonical(name, s.start), _canonical(name, s.update))
            for s in self.state
        )
        values = dict(name=name, update=_canonical(name, self.update), state=state)
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)
        kept = [s.symbol for s in state]
        if taken := [s for k, s in enumerate(kept) if s in (*_GIVEN, *kept[:k]) or s.name.startswith("_")]:
            raise InputError(f"the step {name!r} cannot keep a state named {taken[0]}: choose another name")
        strange = set().union(*(s.start.free_symbols for s in state)) - {WEIGHT}
        if strange or any(s.start.has(Total) for s in state):
            read = min(map(str, strange), default="total")
            raise InputError(f"the state of the step {name!r} reads {read} at its start: use WEIGHT and numbers there")
        if any(inner.has(Total) for term in self.totals for inner in term.args):
            raise InputError(f"the step {name!r} has a total inside a total: keep the inner one in the state")
        parameters = set().union(*(e.free_symbols for e in self._equations)) - {*_GIVEN, *kept}
        if unread := sorted(given - {symbol.name for symbol in parameters}):
            raise InputError(f"the step {name!r} does not read its parameter {unread[0]}: leave it out")
        if hidden := [s for s in parameters if s.name.startswith("_")]:
            raise InputError(f"the step {name!r} cannot read a parameter named {hidden[0]}: choose another name")
        object.__setattr__(self, "parameters", tuple(sorted(parameters, key=str)))

    def __str__(self) -> str:
        """The name and all equations, as :func:`parse_step` reads them."""
        kept = "".join(f"; {s.symbol} <- {s.update}, from {s.start}" for s in self.state)
        return f"{self.name}: {WEIGHT} <- {self.update}{kept}"

    @property
    def _equations(self) -> tuple[sp.Expr, ...]:
        return self.update, *(s.update for s in self.state)

    @cached_property
    def totals(self) -> tuple[sp.Expr, ...]:
        """The totals that a step needs of all weights, in a fixed order."""
        return tuple(sorted(set().union(*(e.atoms(Total) for e in self._equations)), key=str))

    @cached_property
    def memory(self) -> tuple[StateVariable, ...]:
        """What is kept for every weight: the state, and the number of the step where that is read."""
        counts = any(e.has(STEP) for e in self._equations)
        return self.state + (StateVariable(STEP, sp.Integer(0), STEP + 1),) * counts


def _canonical(name: str, equation: sp.Expr) -> sp.Expr:
    """The equation as it is read back from a stored result: real symbols, decimal numbers as ratios."""
    equation = sp.sympify(equation)
    exact = equation.xreplace({x: sp.Rational(repr(float(x))) for x in equation.atoms(sp.Float)})
    try:
        return read_formula(str(exact), _FUNCTIONS)
    except InputError as error:
        raise InputError(f"the step {name!r}: {error}") from None


def parse_step(text: str) -> Step:
    """A step by its name in :data:`STEPS`, or from its equations, as ``str(step)`` gives them.

    ``"weight - lr*velocity; velocity <- beta*velocity + gradient, from 0"``: the new weight, then each state variable
    with its new value and its start, 0 unless given; ``"NAME: "`` may stand before. Equations have numbers, the names
    ``weight gradient lr step``, state and parameters (all other names), ``+ - * / **``, ``sqrt exp log sign abs min
    max``, and ``total(...)``, a sum over all weights of the run. All right-hand sides are taken at the old values.

    Raises:
        InputError: another name, or text that is no such equations.
    """
    if not isinstance(text, str):
        raise InputError(f"step = {shown(text)} is no Step and no text: {FORM}")
    if text.strip() in STEPS:
        return STEPS[text.strip()]
    name, _, equations = text.rpartition(":")
    update, *rest = equations.split(";")
    if re.fullmatch(r"\s*\w+\s*", update):
        raise InputError(f"unknown step {text!r}: use one of {', '.join(STEPS)}, or equations: {FORM}")
    state = []
    for part in rest:
        found = re.fullmatch(r"\s*(\w+)\s*<-(.*?)(?:,\s*from\s(.*))?", part, re.DOTALL)
        if not found:
            raise InputError(f"cannot read {part.strip()!r} of step {shown(text)}: {FORM}")
        symbol, value, start = found.groups()
        state.append(StateVariable(sp.Symbol(symbol, real=True), _read(start or "0"), _read(value)))
    update = re.sub(rf"^\s*{WEIGHT}\s*<-", "", update)
    step = Step(name.strip() or "custom", _read(update), tuple(state))
    known = STEPS.get(step.name, step)
    return known if known == step else step


def parse_parameters(text: str) -> dict[str, float]:
    """Values of parameters from text such as ``"beta=0.9, eps=1e-8"``; raises InputError."""
    values = {}
    for name, value in named_values(text, "step parameter").items():
        try:
            values[name] = float(value)
        except ValueError:
            raise InputError(
                f"step parameter {name} = {shown(value)} is no number: use for example 'beta=0.9'"
            ) from None
    return {name: real(name, value) for name, value in values.items()}


def _read(text: str) -> sp.Expr:
    return read_formula(text, _FUNCTIONS)


def _heavy_ball(name: str, gradient: sp.Expr) -> Step:
    pushed = MOMENTUM * _VELOCITY - LEARNING_RATE * gradient
    velocity = StateVariable(_VELOCITY, sp.Integer(0), pushed)
    return Step(name, WEIGHT + pushed, (velocity,), source="Polyak 1964")


_DECAYED = GRADIENT + WEIGHT_DECAY * WEIGHT  # gradient of L + weight_decay |theta|^2 / 2
STEPS = {
    step.name: step
    for step in (
        Step("gradient_descent", WEIGHT - LEARNING_RATE * GRADIENT, lowers_loss=True, source="Cauchy 1847"),
        Step("gradient_descent_with_weight_decay", WEIGHT - LEARNING_RATE * _DECAYED, lowers_loss=True),
        _heavy_ball("heavy_ball", GRADIENT),
        _heavy_ball("heavy_ball_with_weight_decay", _DECAYED),
    )
}


def descent_step(momentum: bool = False, decay: bool = False) -> Step:
    """``theta <- theta - lr (grad L + weight_decay theta) + momentum (theta - theta_before)``, as far as asked."""
    return STEPS[("heavy_ball" if momentum else "gradient_descent") + ("_with_weight_decay" if decay else "")]
