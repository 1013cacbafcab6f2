"""Where rules other than descent end that are gradient flow in another time: by their effective start."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import sympy as sp

from ..derivation.landscape import Landscape
from ..errors import InputError, NoClosedForm, NoInterpolator
from ..rules.lag import lag_of
from ..rules.steps import STEPS
from ..rules.update_rule import UpdateRule
from .coordinates import Doubled
from .drift import drifted
from .effective_starts import effective_start, gradient
from .endpoints import Endpoint, endpoint_of_flow
from .flow_endpoint import FlowEndpoint, end_of_moved
from .rule_terms import GONE, MOST, near_minimum, slowest_total, warm_up, warms

NOISY = 0.5  # of the edge, at which labels with noise move runs twice as much as along flow
TOLD, FARTHEST = 0.01, 0.1  # of beta, that the next order moves: what a note tells, and what is refused
UPHILL = 0.5  # of a start's weight
ACROSS = 1.8  # lr S at the end of an ascent, which swings the farther the nearer that is to 2
LITTLE = 0.01  # of the gradients of a swing, what may be added to them
REMEMBERED = 0.5  # of the steps to arrival, what averages may remember


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
    require_motion(landscape, theta0, name)
    sharpness = float(flow.sharpness)
    swing = _swing(rule, lr)
    behind, width = (
        _at_end(rule, e, lr, None if swing is None else swing(sharpness)[1]) for e in (lag.behind, lag.width)
    )
    rests = behind is not None or rule.step.reads_loss
    if not rests and swing is None and rule.step.ascent is None:
        raise NoClosedForm(
            f"{name}: how far it is from gradient flow hangs on the weights of its end: run it with sims"
        )
    most, far = NOISY if rule.label_noise else 1.0, (lr / 2 if behind is None else abs(behind)) * sharpness
    _require_any_stable(rule, lr)
    far = max(far, sharpness / float(rule.sharpness_limit(lr)))
    if rests and far > most:
        followed = f"the constrained flow after {warm_up(rule)}, " if warms(rule) and rule.momentum <= MOST else ""
        raise NoClosedForm(
            f"{name} at lr = {lr:g} is too far from gradient flow, whose end has sharpness {sharpness:.4g}: use an lr "
            f"below {lr * most / far:.4g}, {followed}or run it with sims"
        )
    if not rests and rule.step.ascent is not None:
        _require_small_ascent(landscape, theta0, sharpness, rule, lr)
    noise = _noise(landscape, coordinates, flow, rule, lr) if rule.label_noise else None
    start = effective_start(landscape, coordinates, theta0, lag.at(lr, rule.parameters), noise)
    if not start.steps[-1] > 0:
        raise NoClosedForm(f"{name} goes against gradient flow: run it with sims")
    remembered = slowest_total(rule)
    if not remembered <= max(1.0, REMEMBERED * start.steps[-1]):
        raise NoClosedForm(
            f"{name} at lr = {lr:g} remembers {remembered:.4g} steps, and arrives after "
            f"{whole_steps(start.steps[-1])}: use a smaller lr or a shorter memory, or run it with sims"
        )
    end, other = (_end(landscape, at, name) for at in (start.theta, start.beyond))
    moved = float(np.linalg.norm(other.beta - end.beta) / np.linalg.norm(end.beta))
    if behind is not None and width is not None and noise is None:
        wide = end
        if width != abs(behind):
            law = replace(lag, behind=lag.width).at(lr, rule.parameters)
            wide = _end(landscape, effective_start(landscape, coordinates, theta0, law).theta, name)
        shifted = float(np.linalg.norm(wide.beta - flow.beta) / np.linalg.norm(end.beta))
        moved = max(moved, width * sharpness * shifted)
    if not moved <= FARTHEST:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} is too far from gradient flow: the next order of its effective start moves the end "
            f"by {moved:.0%}: use a smaller lr, or run it with sims"
        )
    notes, taken = [f"the next order moves it by {moved:.1%}"] if moved > TOLD else [], None
    if rests:
        if steps is not None:
            raise InputError(f"steps = {steps} is of rules that do not rest, and {name} does: leave it out")
    else:
        arrival = float(start.steps[-1])
        if steps is not None and steps < arrival:
            raise InputError(f"steps = {steps} is below the {whole_steps(arrival)} in which {name} arrives: use more")
        taken = arrival if steps is None else float(steps)
        if swing is not None:
            begun = start.until(swing(sharpness)[1])
            end = drifted(landscape, coordinates, start.theta, taken - begun, lambda top: swing(top)[0])
        elif steps is not None:
            raise NoClosedForm(f"how {name} goes on once it has arrived is not known: leave steps out")
        notes.append(f"after {whole_steps(taken)} steps: it does not rest, and drifts to less sharpness")
    return replace(endpoint_of_flow(end, lr), method="effective_start", note="; ".join(notes), steps=taken)


def endpoint_of_linear(flow: FlowEndpoint, rule: UpdateRule, lr: float, weights: int) -> Endpoint:
    """The end of a linear model of so many ``weights`` in all, gradient flow's under every rule that follows it.

    Raises NoClosedForm where the rule swings about it by more than a tenth, or by what is not known.
    """
    name, lag, top = rule.step.name, lag_of(rule.step), float(flow.sharpness)
    _require_any_stable(rule, lr)
    end = replace(endpoint_of_flow(flow, lr, rule), method="effective_start")
    if rule.step.reads_loss or lag is None or _at_end(rule, lag.behind, lr, None) is not None:
        return end
    rho, away = dict(rule.step_parameters).get("rho", 0.0), np.inf
    if rule.step in (STEPS["sam"], STEPS["sam_max"]) and lr * top < 2:
        away = lr * top * rho / (2 - lr * top) * (np.sqrt(weights) if rule.step == STEPS["sam_max"] else 1)
    if rule.step in (STEPS["normalized_descent"], STEPS["rmsprop_scalar"]):
        away = lr
    swings = float(away * np.sqrt(weights / len(flow.beta)) / np.linalg.norm(flow.beta))
    if swings > FARTHEST:
        told = f"by {swings:.0%} of it" if np.isfinite(swings) else "by what is not known"
        raise NoClosedForm(
            f"{name} at lr = {lr:g} need not rest at gradient flow's end, and swings about it {told}: use a smaller "
            "lr, or run it with sims"
        )
    return replace(end, note=f"it need not rest, and swings about it by {swings:.2%} at most")


def _require_any_stable(rule: UpdateRule, lr: float) -> None:
    if not rule.sharpness_limit(lr) > 0:
        raise NoClosedForm(f"under {rule.step.name} no minimum is stable: run it with sims")


def _require_small_ascent(
    landscape: Landscape, theta0: np.ndarray, sharpness: float, rule: UpdateRule, lr: float
) -> None:
    """Refuse an ascent whose swings are not small at the end, or which is not small beside the weights of the start."""
    name = rule.step.name
    if lr * sharpness > ACROSS:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} is too far from gradient flow, whose end has sharpness {sharpness:.4g}: use an lr "
            f"below {0.99 * ACROSS / sharpness:.3g}, or run it with sims"
        )
    if rule.step == STEPS["sam"]:
        uphill = gradient(landscape, theta0, landscape.slope(landscape.predictions(*theta0)))
        uphill *= dict(rule.step_parameters)["rho"] / np.linalg.norm(uphill)
        if (np.abs(uphill).max(axis=0) > UPHILL * np.abs(theta0).max(axis=0)).any():
            raise NoClosedForm(
                f"{name} goes uphill from the start by {np.abs(uphill).max():.3g}, which is not small beside the "
                "weights, and may be held at the saddle: use a smaller rho, a larger init_scale, or run it with sims"
            )


def whole_steps(steps: float) -> str:
    """Rounded up, so that what is told is enough when it is asked for."""
    return f"{np.ceil(steps):.0f}"


def require_motion(landscape: Landscape, theta0: np.ndarray, name: str) -> None:
    if not landscape.slope(landscape.predictions(*theta0)).any():
        raise NoClosedForm(f"the start fits the targets, and {name} does not move: use another init_scale")


def _at_end(rule: UpdateRule, lag: sp.Expr, lr: float, swinging: float | None) -> float | None:
    """The lag at the end, None of a rule that does not rest there; raises NoClosedForm where it hardly does.

    What is added to a norm in a denominator brings a rule to rest where it is above ``swinging``, the gradient of its
    swings, which is None of a rule that has none.
    """
    parameters = dict(rule.step_parameters)
    added = parameters.get("eps", 0.0)
    if rule.step.ascent is not None and parameters.get("rho") != 0:
        if swinging is not None and added > LITTLE * swinging > 0:
            raise NoClosedForm(
                f"{rule.step.name} at lr = {lr:g}: eps = {added:g} is not small beside the gradients of its swings, "
                f"{swinging:.3g}: use a smaller eps, or run it with sims"
            )
        return None
    if swinging is None or not added:
        return near_minimum(rule, lag, lr)
    if added <= LITTLE * swinging:
        return None
    if added < swinging:
        raise NoClosedForm(
            f"{rule.step.name} at lr = {lr:g}: eps = {added:g} is neither small nor large beside the gradients of its "
            f"swings, {swinging:.3g}: use another eps, or run it with sims"
        )
    return near_minimum(rule, lag, lr, GONE)


def _end(landscape: Landscape, theta: np.ndarray, name: str) -> FlowEndpoint:
    if not np.isfinite(theta).all():
        raise NoClosedForm(f"{name} is too far from gradient flow to have an effective start: use a smaller lr")
    try:
        return end_of_moved(landscape, theta)
    except NoInterpolator:
        raise NoClosedForm(
            f"{name} moves this start to {np.abs(theta).min():.3g}, from where no interpolator is reached: use a "
            "smaller lr or radius, a larger init_scale, or run it with sims"
        ) from None


def _swing(rule: UpdateRule, lr: float) -> Callable[[float], tuple[float, float]] | None:
    """Of a sharpness S: ``c a^2`` of the steps across a minimum, and the gradient there; None where no law is known.

    Steps that grow as gradients shrink stay at the speed ``2 / S``; those of sharpness-aware minimization overshoot by
    ``lr S rho / (2 - lr S)``, and go ``rho`` beyond (RULE-6).
    """
    step, parameters = rule.step, dict(rule.step_parameters)
    if step == STEPS["sam"] and parameters["rho"]:
        rho = parameters["rho"]
        return lambda top: (lr * (2 * rho / (2 - lr * top)) ** 2, lr * top**2 * rho / (2 - lr * top))
    if step in (STEPS["normalized_descent"], STEPS["rmsprop_scalar"]):
        return lambda top: (lr**2 / (2 * top), lr * top / 2)
    return None


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
