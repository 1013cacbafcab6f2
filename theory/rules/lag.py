"""A step as gradient flow in the small: how fast it goes, and at which point it takes its gradient in effect.

A step that moves every weight by ``-sum_j c_j g_(t - j)``, with c_j that are the same for all weights, goes along
gradient flow by ``c = sum_j c_j`` a step. At the next order in lr its gradients are those of
``theta + lag grad L``, ``lag = sum_j j c_j + c / 2``: past ones, and half a step for that the step is finite
(backward error analysis, 2009.11162; 2302.00849 for momentum). An ascent point of the step's own adds to that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp

from ..elementwise import simplest
from .stability import JUMPS, following, held_at_next, held_next, held_total
from .step import GRADIENT, LEARNING_RATE, LOSS, STEP, WEIGHT, StateVariable, Step

_SHIFT = sp.Symbol("shift")  # of one step


@dataclass(frozen=True)
class Lag:
    """How a step goes along gradient flow.

    Attributes:
        step: the step itself.
        speed: flow time of a step, c, an expression of lr, parameters, the loss and held totals.
        behind: the lag, which multiplies the gradient; of the same.
    """

    step: Step
    speed: sp.Expr
    behind: sp.Expr

    @property
    def width(self) -> sp.Expr:
        """What the lag would be if no gradient counted against another, for the size of what it leaves out."""
        return sp.Abs(self.behind - self.speed / 2) + sp.Abs(self.speed) / 2

    def at(self, lr: float, parameters: tuple[float, ...]) -> Callable[..., tuple[float, np.ndarray]]:
        """``(theta, gradient, loss) -> (speed, uphill)``: the gradient is taken at ``theta + uphill``, of its shape."""
        step = self.step
        uphill = self.behind * GRADIENT + (0 if step.ascent is None else held_at_next(step.ascent, ()) - WEIGHT)
        own, totals = [WEIGHT, GRADIENT, LEARNING_RATE, *step.parameters], {*step.totals, *step.ascent_totals}
        read = [t for t in sorted(totals, key=str) if held_total(t) in self.speed.free_symbols | uphill.free_symbols]
        terms = [sp.lambdify(own, total.args[0], np) for total in read]
        values = sp.lambdify([*own, LOSS, *map(held_total, read)], [self.speed, uphill], np)

        def law(theta: np.ndarray, gradient: np.ndarray, loss: float) -> tuple[float, np.ndarray]:
            here = theta, gradient, lr, *parameters
            sums = [float((term(*here) + 0 * theta).sum()) for term in terms]
            pace, moved = values(*here, loss, *sums)
            return pace, moved + 0 * theta

        return law


@lru_cache(maxsize=64)
def lag_of(step: Step) -> Lag | None:
    """The speed and the lag of a step; None where it is no change of time of gradient flow."""
    moving = following(step)
    held = tuple(s for s in step.state if s not in moving)
    rest = {symbol: _at_rest(s) for s in held for symbol in (s.symbol, held_next(s))}
    if None in rest.values():
        return None
    equations = [held_at_next(e, held).subs(rest) for e in (step.update, *(s.update for s in moving))]
    old = [WEIGHT, *(s.symbol for s in moving)]
    slopes = sp.Matrix(equations).jacobian([*old, GRADIENT])
    kept, pushed = slopes[:, : len(old)], slopes[:, len(old)]
    own = {WEIGHT, GRADIENT, STEP, *(s.symbol for s in step.state)}
    if slopes.has(*JUMPS) or slopes.free_symbols & own or kept[:, 0] != sp.eye(len(old))[:, 0]:
        return None
    if any(sp.expand(equation.subs(dict.fromkeys([*old, GRADIENT], 0))) != 0 for equation in equations):
        return None
    answer = (_SHIFT * sp.eye(len(old)) - kept).LUsolve(pushed)[0]  # of the weight, to gradients that grow by shift
    moves = sp.cancel((1 - _SHIFT) * answer)  # sum_j c_j shift^-j
    speed = moves.subs(_SHIFT, 1)
    past = -sp.diff(moves, _SHIFT).subs(_SHIFT, 1)
    return Lag(step, simplest(speed), simplest(past + speed / 2)) if speed != 0 else None


def _at_rest(state: StateVariable) -> sp.Expr | None:
    """What an average settles at while what it is of stays, such as a total; None for more than one weight's own."""
    update = held_at_next(state.update, ())
    if update.free_symbols & {WEIGHT, GRADIENT, STEP}:
        return None
    found = sp.solve(update - state.symbol, state.symbol)
    return found[0] if len(found) == 1 else None
