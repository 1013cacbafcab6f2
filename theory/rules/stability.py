"""The edge of a step: how much curvature it bears, derived from its equations.

Along a direction in which the gradient is a multiple S of the weight a step is a linear map of the weight and of what
follows it linearly, such as a velocity. Other state, totals and the loss are held at the run's own values, as the
preconditioner is in 2207.14484 and 2410.24206. The map of descent leaves stability where it has the eigenvalue -1;
others may do so before, where a pair of eigenvalues is on the unit circle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import sympy as sp

from ..elementwise import simplest
from .step import GRADIENT, LEARNING_RATE, WEIGHT, StateVariable, Step, Total
from .steps import STEPS
from .unit_circle import largest_stable

_ROOT = sp.Symbol("root")  # an eigenvalue of the map
JUMPS = (sp.nan, sp.zoo, sp.oo, sp.sign, sp.DiracDelta, sp.Heaviside, sp.Derivative)


@dataclass(frozen=True)
class Edge:
    """Where a step leaves stability, as expressions of lr, step, parameters, held totals and held state.

    Attributes:
        factor: q of each weight: the edge is where ``diag(q) H`` has the eigenvalue :func:`reach`, for the steps with a
            name 1, where signs flip, so that it is ``lr/2`` for descent; None where the step has no such map.
        answer: by powers of a root z, highest first, numerator and denominator of what the weight answers to gradients
            ``z^t``, over the factor; of lr and parameters. None where it hangs on more, and only signs can flip.
        alone: whether the factor hangs on no more either.
        signed: where the step moves all weights by c sign(gradient), ``c / 2``: then the edge is where
            ``c/2 max_(|v|_inf <= 1) v' H v`` is the l1 norm of the gradient (2603.05002).
        held: state that is held; :func:`held_next` is its next value where the step reads that.
    """

    factor: sp.Expr | None = None
    answer: tuple[tuple[sp.Expr, ...], tuple[sp.Expr, ...]] | None = None
    alone: bool = False
    signed: sp.Expr | None = None
    held: tuple[StateVariable, ...] = ()

    @property
    def in_units_of_lr(self) -> bool:
        """Whether the sharpness at the edge is as ``1 / lr``."""
        read = sp.Tuple(sp.cancel(self.factor / LEARNING_RATE), *(sp.Tuple(*part) for part in self.answer or ()))
        return LEARNING_RATE not in read.free_symbols


def flips_at(step: Step) -> sp.Expr:
    """The sharpness at the edge of a step with a name, where it hangs on lr and parameters alone; else infinite."""
    edge = edge_of(step)
    if edge.factor is None or not edge.alone or not named(step):
        return sp.oo
    return simplest(sp.cancel(1 / edge.factor))


def named(step: Step) -> bool:
    """Whether the step is of the table, whose edges are where signs flip."""
    return STEPS.get(step.name) == step


@lru_cache(maxsize=64)
def edge_of(step: Step) -> Edge:
    """The edge of a step, as far as its equations tell one."""
    moving = following(step)
    held = tuple(s for s in step.state if s not in moving)
    update, *states = (held_at_next(e, held) for e in (step.update, *(s.update for s in moving)))
    direction = sp.Dummy("direction", real=True)
    signed = update.subs(sp.sign(GRADIENT), direction)
    if signed != update and not moving and step.ascent is None:
        length = -sp.diff(signed, direction)
        alone = not length.has(direction, GRADIENT, WEIGHT) and sp.expand(signed - WEIGHT + length * direction) == 0
        return Edge(signed=length / 2, held=held) if alone else Edge()
    old = [WEIGHT, *(s.symbol for s in moving)]
    slopes = sp.Matrix([update, *states]).jacobian([*old, GRADIENT])
    if slopes.has(*JUMPS) or slopes.free_symbols & {*old, GRADIENT}:
        return Edge()
    count = len(old)
    found = sp.cancel((_ROOT * sp.eye(count) - slopes[:, :count]).LUsolve(slopes[:, count])[0])
    if found == 0:
        return Edge()
    above, below = (sp.Poly(part, _ROOT) for part in sp.fraction(found))
    factor = simplest(found.subs(_ROOT, -1)) if named(step) else simplest(-above.LC() / below.LC())
    answer = sp.cancel(found / factor)
    read = {_ROOT, LEARNING_RATE, *step.parameters}
    if answer.free_symbols <= read:
        parts = tuple(tuple(sp.Poly(part, _ROOT).all_coeffs()) for part in sp.fraction(answer))
        alone = factor.free_symbols <= read and step.ascent is None
        return Edge(factor=factor, answer=(parts[0], parts[1]), alone=alone, held=held)
    if moving:
        return Edge()  # another map in each weight
    return Edge(factor=simplest(found.subs(_ROOT, -1)), held=held)


def reach(step: Step, lr: float | np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    """``q S`` at the edge of a step, for q above 0: 1 where signs flip first, as under every step with a name.

    Infinite where every sharpness is stable, and 0 where none is. Of the shape of lr.
    """
    answer = edge_of(step).answer
    if named(step) or answer is None:
        return np.ones(np.shape(lr))
    return _by_rate(step, answer, lr, parameters)


def sharpness_at_edge(step: Step, lr: float | np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    """The largest stable sharpness, as :func:`reach`; infinite too where it hangs on more than lr and parameters."""
    edge = edge_of(step)
    if named(step) or not edge.alone:
        return _flip(step)(lr, *parameters) + 0 * np.asarray(lr)
    above, below = edge.answer or ((), ())
    return _by_rate(step, (tuple(edge.factor * c for c in above), below), lr, parameters)


@lru_cache(maxsize=64)
def _flip(step: Step) -> Callable:
    return sp.lambdify([LEARNING_RATE, *step.parameters], flips_at(step), np)  # by its name: all parts


def _by_rate(step: Step, answer: tuple, lr: float | np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    rated = any(LEARNING_RATE in c.free_symbols for part in answer for c in part)
    rates, which = np.unique(lr, return_inverse=True) if rated else (np.ones(1), np.zeros(np.shape(lr), dtype=int))
    return np.array([_largest(step, answer, float(rate), parameters) for rate in rates])[which].reshape(np.shape(lr))


@lru_cache(maxsize=4096)
def _largest(step: Step, answer: tuple, lr: float, parameters: tuple[float, ...]) -> float:
    """The largest stable feedback at these values, without the roots that the parts have in common at them."""
    values = {symbol: _exact(value) for symbol, value in zip(step.parameters, parameters, strict=True)}
    values[LEARNING_RATE] = _exact(lr)
    above, below = (sp.Poly([_rational(c.subs(values)) for c in part], _ROOT) for part in answer)
    if above.is_zero:
        return np.inf
    above, below = above.cancel(below, include=True)
    coefficients = [tuple(Fraction(int(c.p), int(c.q)) for c in part.all_coeffs()) for part in (above, below)]
    return largest_stable(coefficients[0], coefficients[1])


def _exact(value: float) -> sp.Rational:
    return sp.Rational(*float(value).as_integer_ratio())


def _rational(value: sp.Expr) -> sp.Rational:
    return value if value.is_Rational else _exact(float(value))


def following(step: Step) -> list[StateVariable]:
    """State that follows weights and gradient linearly."""
    found = list(step.state)
    while True:
        moving = [WEIGHT, GRADIENT, *(s.symbol for s in found)]
        linear = [s for s in found if s.update.has(*set(moving) - {s.symbol}) and _linear(s.update, moving)]
        if len(linear) == len(found):
            return found
        found = linear


def _linear(update: sp.Expr, moving: list[sp.Symbol]) -> bool:
    if any(total.has(*moving) for total in update.atoms(Total)):
        return False
    slopes = [sp.diff(update, symbol) for symbol in moving]
    return not any(slope.has(*moving, *JUMPS) for slope in slopes) and update.subs(dict.fromkeys(moving, 0)) == 0


def held_at_next(equation: sp.Expr, held: tuple[StateVariable, ...]) -> sp.Expr:
    """An equation with the next value of held state, and totals, as symbols that no derivative reaches."""
    values = {s.update: held_next(s) for s in held}
    equation = equation.subs(values)
    return equation.xreplace({total: held_total(total) for total in equation.atoms(Total)})


def held_total(total: Total) -> sp.Symbol:
    """The symbol of a total that is held."""
    return sp.Symbol(str(total), positive=True)


def held_next(state: StateVariable) -> sp.Symbol:
    """The symbol of state that is held, at its next value."""
    return sp.Symbol(f"_next_{state.symbol}", real=True)


def own_symbols(step: Step) -> set[sp.Symbol]:
    """The symbols of a step's state, as it is and at its next value."""
    return {symbol for s in step.state for symbol in (s.symbol, held_next(s))}
