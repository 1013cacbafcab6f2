"""Where rules end whose small steps are those of signs: sign descent, RMSProp and Adam of a short memory."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..derivation.landscape import Landscape
from ..derivation.separable import separate
from ..errors import NoClosedForm, NotFollowed
from ..rules.update_rule import UpdateRule
from ..validate import rounded_down
from .effective_starts import gradient
from .endpoints import Endpoint, endpoint_of_flow
from .flow_endpoint import FlowEndpoint, measured
from .rule_endpoint import FARTHEST, LITTLE, require_motion, whole_steps
from .rule_terms import slowest_average
from .signed_flow import SignFlow, sign_flow

SMALL = 1 / 400  # of the flow of signs, what a rule may remember: then it ends within some 3 % of it, at worst 7
LONGER, SLOWLY = 1.3, 0.25  # than to arrival; the power of lr by which its error falls at least
WAITING = 0.01  # of beta, which weights that wait at 0 may move


@dataclass(frozen=True, eq=False)
class Signs:
    """The flow of signs from one start theta0 (weight, d), which serves every learning rate and rule."""

    landscape: Landscape
    theta0: np.ndarray

    @cached_property
    def flow(self) -> SignFlow:
        return sign_flow(self.landscape, self.theta0)

    @cached_property
    def staying(self) -> SignFlow:
        """The same where weights of odd power that come to 0 stay there; raises NotFollowed where nothing is fitted."""
        return sign_flow(self.landscape, self.theta0, through=False)

    @cached_property
    def end(self) -> FlowEndpoint:
        return measured(self.landscape, self.flow.theta, np.full(self.landscape.problem.n, np.nan))

    @cached_property
    def missed(self) -> float:
        """How far sign descent in the largest of small steps ends from there, in units of beta."""
        theta, lr = self.theta0, SMALL * self.flow.time
        for _ in range(round(LONGER / SMALL)):
            pull = self.landscape.slope(self.landscape.predictions(*theta))
            theta = theta - lr * np.sign(gradient(self.landscape, theta, pull))
        return self.away(theta)

    def away(self, theta: np.ndarray) -> float:
        """How far other weights are from the end, in units of beta."""
        beta = self.end.beta
        return float(np.linalg.norm(self.landscape.beta(theta[None])[0] - beta) / np.linalg.norm(beta))


def endpoint_of_signs(signs: Signs, rule: UpdateRule, lr: float) -> Endpoint:
    """The end of sign descent in small steps, to which RMSProp and Adam tend as ``lr / (1 - beta2)`` falls.

    Raises:
        NoClosedForm: another model, an lr that is too large, or averages while a weight of odd power passes 0.
    """
    name, remembered, model = rule.step.name, slowest_average(rule), signs.landscape.dynamics.model
    require_motion(signs.landscape, signs.theta0, name)
    flow, end = signs.flow, signs.end
    largest = SMALL * flow.time / remembered
    if lr > largest:
        what = "" if remembered == 1 else f" remembers {remembered:.4g} steps, and"
        close = largest * min(1.0, 0.99 * (FARTHEST / signs.missed) ** (1 / SLOWLY)) if signs.missed else largest
        raise NoClosedForm(
            f"{name} at lr = {lr:g}{what} is known to end where small steps of signs do: use an lr below "
            f"{rounded_down(close)}, or run it with sims"
        )
    share = lr * remembered / (SMALL * flow.time)
    off = signs.missed * share**SLOWLY
    if off > FARTHEST:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} may end {off:.0%} from where small steps of signs do: use an lr below "
            f"{rounded_down(0.99 * lr * (FARTHEST / off) ** (1 / SLOWLY))}, or run it with sims"
        )
    added, swing = dict(rule.step_parameters).get("eps", 0.0), lr * float(end.sharpness) / 2
    if added > LITTLE * swing:
        raise NoClosedForm(
            f"{name} at lr = {lr:g}: eps = {added:g} is not small beside the gradients of its swings, {swing:.3g}, and "
            f"it is sign descent where eps is below {LITTLE * swing:.3g}: use a smaller eps, or run it with sims"
        )
    if remembered > 1 or added:
        flow = _waiting(signs, name)
    elif separate(model.effective, model.weights) and _stuck(signs.theta0, flow, lr):
        raise NoClosedForm(
            f"{name} at lr = {lr:g} comes to weights of exactly 0, where it stays: use an lr of which the start is no "
            f"multiple, such as {0.97 * lr:.3g}"
        )
    taken = float(flow.time / lr)
    note = f"where it arrives after {whole_steps(taken)} steps, mostly within {off:.1%}, with swings of lr"
    return replace(endpoint_of_flow(end, lr), method="sign_flow", note=note, steps=taken)


def _waiting(signs: Signs, name: str) -> SignFlow:
    """The longer of the flow and of one whose weights of odd power stay at 0, where their gradients vanish.

    What is remembered, and eps, make them wait there, and it is not known how long; raises NoClosedForm where it
    counts.
    """
    flow, model = signs.flow, signs.landscape.dynamics.model
    if not flow.passed.any() or model.degree == 1 or (model.degree or 1) % 2 == 0:
        return flow
    try:
        staying, moved = signs.staying, signs.away(signs.staying.theta)
    except NotFollowed:  # nothing that is left fits
        staying, moved = flow, np.inf
    if moved > WAITING:
        raise NoClosedForm(
            f"{model.name}: a weight passes 0, where its gradient vanishes and {name} waits, for as long as it "
            "remembers or eps counts: run it with sims"
        )
    return staying if staying.time > flow.time else flow


def _stuck(theta0: np.ndarray, flow: SignFlow, lr: float) -> bool:
    """Whether a weight whose gradient vanishes at 0 comes there exactly in steps of lr, by its own rounding."""
    for size in np.unique(np.abs(theta0[flow.passed & (theta0 != 0)])):
        ladder = np.full(int(size / lr) + 3, lr)
        ladder[0] = size
        if (np.subtract.accumulate(ladder) == 0).any():
            return True
    return False
