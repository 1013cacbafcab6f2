"""Where rules other than descent end: gradient flow from their effective start, or the flow of signs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..derivation.landscape import Landscape
from ..errors import InputError, NoClosedForm
from ..rules.lag import lag_of
from ..rules.steps import STEPS
from ..rules.update_rule import UpdateRule
from .coordinates import Doubled
from .drift import drifted
from .effective_starts import effective_start
from .endpoints import Endpoint, endpoint_of_flow
from .flow_endpoint import FlowEndpoint, end_of_moved, measured
from .rule_terms import near_minimum, slowest_average
from .signed_flow import sign_flow

NOISY = 0.5  # of the edge, at which labels with noise move runs twice as much as along flow
TOLD, MOST = 0.01, 0.1  # of beta, that the next order moves: what a note tells, and what is refused
SMALL = 1 / 400  # of the flow of signs, what a rule may remember: then it ends within some 3 % of it
WAITING = 0.01  # of beta, which weights that wait at 0 may move


def endpoint_of_start(
    landscape: Landscape, coordinates: Doubled, theta0: np.ndarray, flow: FlowEndpoint, rule: UpdateRule, lr: float,
    steps: int | None = None,
) -> Endpoint:  # fmt: skip
    """The end of gradient flow from the effective start of a rule at ``lr``; ``flow`` is that from theta0.

    A rule that does not rest is followed for ``steps``, or until it arrives.

    Raises:
        InputError: ``steps`` of a rule that rests, or of one that has not arrived by then.
        NoClosedForm: no effective start is known, or the rule is too far from gradient flow at ``lr``.
    """
    name, lag = rule.step.name, lag_of(rule.step)
    if lag is None:
        raise NoClosedForm(f"{name} has no effective start: it is no change of time of gradient flow")
    behind, sharpness = near_minimum(rule, lag.behind, lr), float(flow.sharpness)
    rests = rule.step.ascent is None and (behind is not None or rule.step.reads_loss)
    most = NOISY if rule.label_noise else 1.0
    if behind is not None and behind * sharpness > most:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} is too far from gradient flow, whose end has sharpness {sharpness:.4g}: use an lr "
            f"below {lr * most / (behind * sharpness):.4g}, or run it with sims"
        )
    noise = _noise(landscape, coordinates, flow, rule, lr) if rule.label_noise else None
    start = effective_start(landscape, coordinates, theta0, lag.at(lr, rule.parameters), noise)
    end, other = (end_of_moved(landscape, at) for at in (start.theta, start.beyond))
    moved = float(np.linalg.norm(other.beta - end.beta) / np.linalg.norm(end.beta))
    if moved > MOST:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} is too far from gradient flow: the next order of its effective start moves the end "
            f"by {moved:.0%}: use a smaller lr, or run it with sims"
        )
    notes = [f"the next order moves it by {moved:.1%}"] if moved > TOLD else []
    if rests:
        if steps is not None:
            raise InputError(f"steps = {steps} is of rules that do not rest, and {name} does: leave it out")
    else:
        arrival = float(start.steps[-1])
        if steps is not None and steps < arrival:
            raise InputError(f"steps = {steps} is below the {arrival:.4g} in which {name} arrives: use more")
        taken, swing = arrival if steps is None else float(steps), _swing(rule, lr)
        if swing is not None:
            begun = start.until(swing(sharpness)[1])
            end = drifted(landscape, coordinates, start.theta, taken - begun, lambda top: swing(top)[0])
        elif steps is not None:
            raise NoClosedForm(f"how {name} goes on once it has arrived is not known: leave steps out")
        notes.append(f"after {taken:.4g} steps: it does not rest, and drifts to less sharpness")
    return replace(endpoint_of_flow(end, lr), method="effective_start", note="; ".join(notes))


def _swing(rule: UpdateRule, lr: float) -> Callable[[float], tuple[float, float]] | None:
    """Of a sharpness S: ``c a^2`` of the steps across a minimum, and the gradient there; None where no law is known.

    Steps that grow as gradients shrink stay at the speed ``2 / S``; those of sharpness-aware minimization overshoot by
    ``lr S rho / (2 - lr S)``, and go ``rho`` beyond (RULE-6).
    """
    step, parameters = rule.step, dict(rule.step_parameters)
    if step == STEPS["sam"]:
        rho = parameters["rho"]
        return lambda top: (lr * (2 * rho / (2 - lr * top)) ** 2, lr * top**2 * rho / (2 - lr * top))
    if step in (STEPS["normalized_descent"], STEPS["rmsprop_scalar"]):
        return lambda top: (lr**2 / (2 * top), lr * top / 2)
    return None


def endpoint_of_signs(landscape: Landscape, theta0: np.ndarray, rule: UpdateRule, lr: float) -> Endpoint:
    """The end of sign descent in small steps, to which RMSProp and Adam tend as ``lr / (1 - beta2)`` falls.

    Raises:
        NoClosedForm: another model, an lr that is too large, or averages while a weight of odd power passes 0.
    """
    flow, name = sign_flow(landscape, theta0), rule.step.name
    remembered = slowest_average(rule)
    if lr * remembered > SMALL * flow.time:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} remembers {remembered:.4g} steps, and is sign descent, whose end is known, where "
            f"these are small: use an lr below {SMALL * flow.time / remembered:.3g}, or run it with sims"
        )
    end = measured(landscape, flow.theta, np.full(landscape.problem.n, np.nan))
    if remembered > 1 and (theta0 * flow.theta < 0).any():
        waiting = landscape.beta(sign_flow(landscape, theta0, through=False).theta[None])[0]
        if np.linalg.norm(waiting - end.beta) > WAITING * np.linalg.norm(end.beta):
            raise NoClosedForm(
                f"{landscape.dynamics.model.name}: a weight passes 0, where its gradient vanishes and {name} waits for "
                "as long as it remembers: run it with sims"
            )
    note = f"where it arrives after {flow.time / lr:.3g} steps, with swings of lr in every weight"
    return replace(endpoint_of_flow(end, lr), method="sign_flow", note=note)


def _noise(landscape: Landscape, coordinates: Doubled, flow: FlowEndpoint, rule: UpdateRule, lr: float) -> np.ndarray:
    """What z loses by label noise, (1, d): ``rate^2 lr^2`` times the variance of g, in all steps that have noise.

    The residual follows the noise: along an eigenvector of the tangent kernel K its variance is ``2 / (2 - lr lambda)``
    of the label's.
    """
    problem, name = landscape.problem, landscape.dynamics.model.name
    if coordinates.degree != 2:
        raise NoClosedForm(
            f"{name}: with label noise the end is predicted for degree 2, where all starts shrink alike: leave it out, "
            "or run it with sims"
        )
    slopes = landscape.law.jacobian(*flow.theta)
    tangent = sum((slope + np.zeros(problem.d)) ** 2 for slope in slopes)
    values, vectors = np.linalg.eigh((problem.X * tangent) @ problem.X.T / problem.n)
    spread = 2 / (2 - lr * values) * (rule.label_noise / problem.n) ** 2
    variance = (spread[:, None] * (vectors.T @ problem.X) ** 2).sum(axis=0)
    return (coordinates.rate * lr) ** 2 * (rule.noise_steps or 0) * variance[None]
