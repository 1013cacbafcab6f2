"""Where the constrained flow has settled: near its end, from which one implicit step leads to the end itself."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import GdbiasError, NoInterpolator
from ..rules.steps import STEPS
from ..rules.update_rule import UpdateRule
from .constrained import LOSS, Edge, Warmed
from .interpolators import Interpolators
from .moving_cap import scheduled
from .oscillation import Modes, undershoot
from .rule_terms import max_norm, rate_of_edge

NEAR_END = 1e-7  # loss from which one implicit step goes where the flow goes: endpoints move by 0.03 % at most


@dataclass(frozen=True, eq=False)
class Settled:
    """The constrained flow near its end, at the loss ``NEAR_END`` of that of beta = 0.

    Attributes:
        reachable: the interpolators that the start reaches.
        edge: descent at its learning rate.
        start: weights from which the flow was followed, shape (moving,).
        begun: steps of descent until there.
        w: weights near the end, shape (moving,).
        steps: those of descent until there.
        push: the matrix of the whole push, shape (rank X, rank X).
        swing: loss of the oscillation that pushes there, for targets of size 1.
        ended: whether descent itself ended there, within its warm-up.
        losses: those of the warm-up, for targets of size 1; empty without one.
        gradient: norm of the swinging gradient, at its largest on the way.
    """

    reachable: Interpolators
    edge: Edge
    start: np.ndarray
    begun: int
    w: np.ndarray
    steps: float
    push: np.ndarray
    swing: float
    ended: bool = False
    losses: np.ndarray = field(default_factory=lambda: np.empty(0))
    gradient: float = 0.0

    def nearest(self, lr: float) -> np.ndarray:
        """The interpolator b (block, d) with ``S <= 2 / lr`` nearest to here: by its dual, or as the flow ends."""
        found = self.edge.project(self.w, lr)
        return self.edge.full(self.edge.at(lr).follow(self.w, LOSS).w if found is None else found)

    @cached_property
    def capped(self) -> np.ndarray:
        """The end b (block, d) of the flow."""
        return self.nearest(self.edge.lr)

    @cached_property
    def modes(self) -> Modes:
        """The tangent kernel at that end."""
        return Modes(self.edge, self.capped)

    @cached_property
    def undershoot(self) -> tuple[float, bool]:
        """``1 - lr S / 2`` where descent ends, and whether several eigenvalues were held at the cap."""
        return undershoot(self.modes, self.push)

    @cached_property
    def end(self) -> np.ndarray:
        """Where descent ends, b (block, d): as far below the cap as lets its oscillation die out."""
        below, lr = self.undershoot[0], self.edge.lr
        if below:
            try:
                return self.nearest(lr / (1 - below))
            except GdbiasError:  # above lr_max, perhaps
                pass
        return self.capped


def settle(reachable: Interpolators, edge: Edge, rule: UpdateRule, lr: float, warmup: int = 0) -> Settled:
    """Follow descent by ``rule`` from the start of ``edge`` at ``lr`` until it has settled, after its warm-up.

    With momentum it is descent at the learning rate of the same cap, in small steps.

    Raises:
        NoInterpolator: no interpolator that the weights reach is stable at ``lr``.
        Diverges: descent diverges within the warm-up.
        NoClosedForm: a weight changes its sign within the warm-up, for odd degrees; or a schedule that comes to the
            edge when the loss is gone.
        GdbiasError: the flow was not followed to its end.
    """
    edge = edge.at(rate_of_edge(rule, lr))
    start, begun, ended, losses = Warmed(edge.w0[edge.moving], 0, False, np.empty(0))
    if warmup:
        terms = rule.momentum, rule.step == STEPS["nesterov"], max_norm(rule)
        start, begun, ended, losses = edge.warmed(warmup, lr, *terms)
    if ended:
        rank = len(reachable.problem.projected[1])
        return Settled(reachable, edge, start, begun, start, begun, np.zeros((rank, rank)), 0.0, ended, losses)
    if rule.schedule.steps:
        start = scheduled(edge, lr, rule.schedule, NEAR_END)
    try:
        found = edge.follow(start, NEAR_END, exact_drift=not rule.momentum)
    except NoInterpolator:
        raise edge.unstable(lr) from None  # by the rule's own lr
    told = found.w, begun + found.steps, found.push, found.swing
    return Settled(reachable, edge, start, begun, *told, losses=losses, gradient=found.gradient)
