"""The edge of a step: how much curvature it bears, derived from its equations.

Along a direction in which the gradient is a multiple S of the weight a step is a linear map of the weight and of what
follows it linearly, such as a velocity. Other state, totals and the loss are held at the run's own values, as the
preconditioner is in 2207.14484 and 2410.24206. The map of descent leaves stability where it has the eigenvalue -1;
others may do so before, where a pair of eigenvalues is on the unit circle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp

from ..elementwise import simplest
from .step import GRADIENT, LEARNING_RATE, LOSS, STEP, WEIGHT, StateVariable, Step, Total
from .unit_circle import largest_stable

_ROOT = sp.Symbol("root")  # an eigenvalue of the map
_FLIP, _OTHER = -1, 2  # roots in whose units a step's answer is, the latter where none flips
_SAME = 1e-12
_KNOWN = {LEARNING_RATE, STEP, LOSS}
JUMPS = (sp.nan, sp.zoo, sp.oo, sp.sign, sp.DiracDelta, sp.Heaviside, sp.Derivative)


@dataclass(frozen=True)
class Edge:
    """Where a step leaves stability, as expressions of lr, step, parameters, held totals and held state.

    Attributes:
        factor: q of each weight: signs flip where ``diag(q) H`` has the eigenvalue 1, which is ``lr/2`` for descent;
            None where the step has no such map. :func:`reach` tells at which other eigenvalue stability ends before.
        answer: by powers of a root z, highest first, numerator and denominator of what the weight answers to gradients
            ``z^t``, over the factor; of lr and parameters. None where it hangs on more, and only signs can flip.
        signed: where the step moves all weights by c sign(gradient), ``c / 2``: then the edge is where
            ``c/2 max_(|v|_inf <= 1) v' H v`` is the l1 norm of the gradient (2603.05002).
        held: state that is held; :func:`held_next` is its next value where the step reads that.
    """

    factor: sp.Expr | None = None
    answer: tuple[tuple[sp.Expr, ...], tuple[sp.Expr, ...]] | None = None
    signed: sp.Expr | None = None
    held: tuple[StateVariable, ...] = ()

    @property
    def in_units_of_lr(self) -> bool:
        """Whether the sharpness at the edge is as ``1 / lr``."""
        read = sp.Tuple(sp.cancel(self.factor / LEARNING_RATE), *(sp.Tuple(*part) for part in self.answer or ()))
        return LEARNING_RATE not in read.free_symbols

    def flips_at(self, step: Step) -> sp.Expr:
        """The sharpness at which signs flip, where it hangs on lr and parameters alone; else infinite."""
        if self.factor is None or step.ascent is not None:
            return sp.oo
        alone = self.factor.free_symbols <= {LEARNING_RATE, *step.parameters} and not self.factor.has(Total)
        return simplest(sp.cancel(1 / self.factor)) if alone else sp.oo


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
    kept, pushed = slopes[:, :count], slopes[:, count]
    at = [sp.cancel((root * sp.eye(count) - kept).LUsolve(pushed)[0]) for root in (_FLIP, _OTHER)]
    if at[0] == 0 and not moving or not any(at):
        return Edge()
    factor = simplest(at[0] if at[0] != 0 else at[1])
    answer = sp.cancel((_ROOT * sp.eye(count) - kept).LUsolve(pushed)[0] / factor)
    if answer.free_symbols <= {_ROOT, LEARNING_RATE, *step.parameters} and not answer.has(Total):
        above, below = (tuple(sp.Poly(part, _ROOT).all_coeffs()) for part in sp.fraction(answer))
        return Edge(factor=factor, answer=(above, below), held=held)
    return Edge() if moving else Edge(factor=factor, held=held)  # another map in each weight


def reach(step: Step, lr: float | np.ndarray, parameters: tuple[float, ...], sign: int = 1) -> np.ndarray:
    """``q S`` at the edge of a step, where q has that sign: 1 where signs flip first, as under every step with a name.

    Infinite, with that sign, where every sharpness is stable, and 0 where none is; NaN where that is not known. Of the
    shape of lr.
    """
    answer = edge_of(step).answer
    if answer is None:
        return np.full(np.shape(lr), 1.0 if sign > 0 else np.nan)
    value, rated = _answer(step), any(LEARNING_RATE in c.free_symbols for part in answer for c in part)
    rates, which = np.unique(lr, return_inverse=True) if rated else (np.zeros(1), np.zeros(np.shape(lr), dtype=int))
    ends = np.array([largest_stable(*value(float(rate), *parameters), sign) for rate in rates])
    return np.where(np.abs(ends - 1) < _SAME, 1.0, ends)[which].reshape(np.shape(lr))


@lru_cache(maxsize=64)
def _answer(step: Step) -> Callable[..., tuple[tuple[float, ...], tuple[float, ...]]]:
    return sp.lambdify([LEARNING_RATE, *step.parameters], edge_of(step).answer, np)


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
