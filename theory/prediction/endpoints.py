"""Where gradient descent ends at a learning rate, predicted without a run.

Four predictors, from the coarsest to the closest: gradient flow's endpoint; the frontier point of least l1
norm with ``S <= 2 / lr``; the interpolator with ``S <= 2 / lr`` nearest to the start in the mirror divergence
(one implicit step of the constrained flow); and the endpoint of the constrained flow itself, followed to a small loss
and finished by such a step, to the sharpness below ``2 / lr`` at which descent's oscillation can die out.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import NoClosedForm
from ..problem import Problem
from ..rules.update_rule import UpdateRule, gradient_descent
from .bars import NONE, EndpointError, Moved, endpoint_error
from .coordinates import Doubled
from .decayed import lasso, sharpness
from .flow_endpoint import FlowEndpoint
from .interpolators import Interpolators
from .rule_terms import limit, max_norm, spent, warm_up
from .settled import Settled

UNCLIPPED = 0.5  # of the largest gradient that swings at the edge, from which on clipping moves the end as little as
# the first steps do: 0.2 % in the median

Method = Literal["flow", "frontier", "bregman", "constrained_flow", "effective_start"]


@dataclass(frozen=True, eq=False, repr=False)
class Endpoint:
    """The predicted end of gradient descent at one learning rate.

    Attributes:
        lr: the learning rate.
        method: the predictor; "lasso" with weight decay, "effective_start" or "sign_flow" with a step of its own.
        beta: coefficients, shape (d,).
        sharpness: largest Hessian eigenvalue there, at most 2 / lr where the constraint binds.
        l1_norm: ``||beta||_1``.
        test_risk: loss on held-out samples, None without them.
        multiplier: of the constraint ``S <= 2 / lr``; 0 where it never binds. What the objective, ``||beta||_1`` or
            ``D_psi``, gains for each unit of sharpness (frontier, bregman), or the matrix of the whole push along
            the flow (constrained_flow).
        note: why the predictor may not apply here, and that a rule never rests.
        error: bars that hold 68 % and 90 % of runs, None for predictors other than the constrained flow, and with
            momentum or a schedule.
        steps: after which a rule that never rests is there; None where descent ends, and of linear models.
    """

    lr: float
    method: str
    beta: np.ndarray
    sharpness: float
    l1_norm: float
    test_risk: float | None
    multiplier: float | np.ndarray
    note: str
    error: EndpointError | None = None
    steps: float | None = None

    def __repr__(self) -> str:
        risk = "" if self.test_risk is None else f", test_risk={self.test_risk:.4g}"
        found = f"lr={self.lr:g}, {self.method}, sharpness={self.sharpness:.4g}, l1_norm={self.l1_norm:.4g}{risk}"
        return f"Endpoint({found}{self.note and f'; {self.note}'})"


def endpoint_of_flow(flow: FlowEndpoint, lr: float, rule: UpdateRule = gradient_descent) -> Endpoint:
    """Gradient flow's endpoint as that of descent at ``lr``, with a note where descent cannot stay there."""
    top = float(flow.sharpness)
    try:
        final = float(limit(rule, top))
    except NoClosedForm:  # an edge that hangs on more than the minimum
        final = np.inf
    note = "" if lr <= final else f"unstable for descent: lr > lr_critical_final = {final:.4g}"
    return Endpoint(lr, "flow", flow.beta, top, float(flow.l1_norm), _number(flow.test_risk), 0.0, note)


def endpoint_like_flow(
    flow: FlowEndpoint, reachable: Interpolators, lr: float, method: Method, rule: UpdateRule = gradient_descent
) -> Endpoint:
    """The same where a predictor of descent has it; the bars of the constrained flow at no distance."""
    end = replace(endpoint_of_flow(flow, lr, rule), method=method)
    if method != "constrained_flow" or rule != gradient_descent:
        return end
    problem, degree = reachable.problem, reachable.coordinates.degree
    moved = Moved(0.0, 0.0, 0.0, False, False, problem.n, _dense(end.beta, problem.n), degree)
    return replace(end, error=_error(end, problem, moved, 0))


def endpoint_of_decay(
    coordinates: Doubled, problem: Problem, moving: np.ndarray, lr: float, rule: UpdateRule
) -> Endpoint:
    """The LASSO of the rule's weight decay, for degree 2; raises NoClosedForm where ``lr`` leaves it unstable."""
    b = lasso(coordinates, problem, moving, rule.weight_decay)
    top, name = sharpness(coordinates, problem, b), coordinates.model.name
    if top > rule.sharpness_limit(lr):
        raise NoClosedForm(
            f"{name}: at lr = {lr:g} the end of weight decay, of sharpness {top:.4g}, is not stable, and no other is "
            f"predicted: use an lr below {limit(rule, top):.4g}, or run it with sims"
        )
    beta = coordinates.beta(b)
    return Endpoint(
        lr, "lasso", beta, top, float(np.abs(beta).sum()), _number(problem.test_risk(beta)), 0.0,
        "" if b.any() else "the penalty leaves no coefficient",
    )  # fmt: skip


def endpoint_by_program(
    reachable: Interpolators, w0: np.ndarray, lr: float, method: Literal["frontier", "bregman"]
) -> Endpoint:
    """The endpoint of descent from weights w0 (block, d) as the solution of one convex program."""
    if method == "frontier":
        return endpoint_at(reachable, *reachable.least_norm(2 / lr), lr, method)
    return endpoint_at(reachable, *reachable.nearest(w0**reachable.coordinates.degree, 2 / lr), lr, method)


def endpoint_of_settled(
    state: Settled, lr: float, flow: FlowEndpoint, warmup: int, rule: UpdateRule = gradient_descent
) -> Endpoint:
    """The endpoint of the constrained flow by ``rule`` at ``lr``; ``flow`` is the end of gradient flow."""
    edge, reachable = state.edge, state.reachable
    if state.ended:
        found = endpoint_at(reachable, edge.full(state.w), 0.0, lr, "constrained_flow")
        return replace(found, note="not predicted: descent itself ended within the warm-up", error=NONE)
    found = endpoint_at(reachable, state.end, state.push, lr, "constrained_flow")
    if rule != gradient_descent:
        _require_unclipped(state, rule, lr)
        left = rule.momentum and warmup < spent(rule)
        return replace(found, note=f"inertia is left: use {warm_up(rule)}" if left else "")
    return replace(found, error=_error(found, edge.problem, _moved(state, found, flow), warmup))


def _require_unclipped(state: Settled, rule: UpdateRule, lr: float) -> None:
    """Raise NoClosedForm where clipping would weaken the oscillation that holds a rule at the edge."""
    most, first = max_norm(rule), state.edge.gradient_at(state.start)
    if state.gradient * UNCLIPPED > most:
        raise NoClosedForm(
            f"{rule.step.name} at lr = {lr:g} clips the gradients that swing at the edge of stability, up to "
            f"{state.gradient:.3g}: use a max_norm of {1.1 * UNCLIPPED * state.gradient:.2g} at least, an lr below "
            "lr_critical, or run it with sims"
        )
    if state.gradient and first > most:
        raise NoClosedForm(
            f"{rule.step.name} at lr = {lr:g} clips the gradient still, {first:.3g} after {state.begun} steps: use a "
            "longer warm-up, or run it with sims"
        )


def _moved(state: Settled, found: Endpoint, flow: FlowEndpoint) -> Moved:
    edge, lr = state.edge, found.lr
    return Moved(
        far=float(np.linalg.norm(found.beta - flow.beta) / np.linalg.norm(found.beta)),
        start=lr * state.reachable.sharpness_of(edge.w0**edge.coordinates.degree) / 2,
        edge=lr * float(flow.sharpness) / 2,
        bound=bool(state.push.any()) or edge.thrown(),
        held=state.modes.pinned > 0,
        samples=edge.problem.n,
        dense=_dense(found.beta, edge.problem.n),
        degree=edge.coordinates.degree,
    )


def _dense(beta: np.ndarray, n: int) -> float:
    """How many coefficients there are in effect, over the samples: k of one size alone count k."""
    return float(np.abs(beta).sum() ** 2 / (beta @ beta)) / n


def _error(end: Endpoint, problem: Problem, moved: Moved, warmup: int) -> EndpointError:
    X = problem.X_test
    spread = 0.0 if X is None else float(np.sqrt((X**2).mean()))
    return endpoint_error(moved, warmup, end.beta, end.sharpness, end.test_risk, spread)


def endpoint_at(
    reachable: Interpolators, b: np.ndarray, multiplier: float | np.ndarray, lr: float, method: str
) -> Endpoint:
    """The endpoint of coefficients b (block, d)."""
    beta = reachable.coordinates.beta(b)
    risk = _number(reachable.problem.test_risk(beta))
    return Endpoint(lr, method, beta, reachable.sharpness_of(b), float(np.abs(beta).sum()), risk, multiplier, "")


def _number(value) -> float | None:
    return None if value is None else float(value)
