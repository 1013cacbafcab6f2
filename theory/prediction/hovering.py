"""Where rules are that do not rest: where gradient flow ends from their effective start, and on from there."""

from dataclasses import replace

import numpy as np

from ..derivation.landscape import Landscape
from ..errors import InputError, NoClosedForm
from ..rules.steps import STEPS
from ..rules.update_rule import UpdateRule
from ..validate import rounded_down
from .coordinates import Doubled
from .drift import AcrossSigns, AcrossTop, drifted
from .effective_starts import EffectiveStart, effective_start, gradient
from .endpoints import Endpoint, endpoint_of_flow
from .flow_endpoint import FlowEndpoint
from .rule_endpoint import (
    FARTHEST,
    end_and_next,
    known_lag,
    note_of_next,
    require_any_stable,
    require_downhill,
    require_motion,
    rests,
    shifted,
    whole_steps,
)
from .rule_terms import slowest_total
from .swings import NORMALIZED, SHARPNESS_AWARE, overshoot, swing_of

UPHILL = 0.5  # of a start's weight
ACROSS = 1.8  # lr S at the end of an ascent, which swings the farther the nearer that is to 2
NEXT = 0.75  # of what the first order moves the end by, that the next does at most for nine in ten
DRIFTED = 0.2  # of beta, before arrival
OTHERS, APART = 3, 0.02  # swings that may be as well, and how far from their ends an end may be, in units of beta
BEGUN = 0.1  # of a start's norm, its first step: ends are off by 0.5 % then for nine in ten, by 3 % three times later


def endpoint_of_hovering(
    landscape: Landscape, coordinates: Doubled, theta0: np.ndarray, flow: FlowEndpoint, rule: UpdateRule, lr: float,
    steps: int | None = None,
) -> Endpoint:  # fmt: skip
    """Where a rule that does not rest is after ``steps``, or when it arrives; ``flow`` is gradient flow's end.

    Raises:
        InputError: fewer ``steps`` than to arrival.
        NoClosedForm: no effective start is known, or the rule is too far from gradient flow at ``lr``.
    """
    name, lag, swing, sharpness = rule.step.name, known_lag(rule), swing_of(rule, lr), float(flow.sharpness)
    if swing is None and rule.step != STEPS["sam_max"]:
        raise NoClosedForm(
            f"{name}: how far it is from gradient flow hangs on the weights of its end: run it with sims"
        )
    require_any_stable(rule, lr)
    require_motion(landscape, theta0, name)
    if rule.step.ascent is not None:
        _require_small_ascent(landscape, theta0, sharpness, rule, lr)
    memory = slowest_total(rule) if rule.step in NORMALIZED else None
    start = effective_start(landscape, coordinates, theta0, lag.at(lr, rule.parameters), memory=memory)
    require_downhill(start, name)
    if memory is not None:
        _require_small_first_step(start, theta0, memory, name, lr)
    end, moved = end_and_next(landscape, start, rule)
    told, arrival = note_of_next(max(moved, NEXT * shifted(end, flow)), name, lr), start.arrival
    if steps is not None and steps < arrival:
        raise InputError(f"steps = {steps} is below the {whole_steps(arrival)} in which {name} arrives: use more")
    taken = arrival if steps is None else float(steps)
    begun = arrival if swing is None else start.until(swing.gradient(sharpness))
    ways: list[AcrossTop | AcrossSigns] = [AcrossTop(swing)] if swing is not None else _ways(rule, lr, start)

    def after(count: float, way: AcrossTop | AcrossSigns) -> FlowEndpoint:
        return drifted(landscape, coordinates, start.theta, max(count - begun, 0.0), way)

    early = after(arrival, ways[0])
    if shifted(early, end) > DRIFTED:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} drifts by {shifted(early, end):.0%} before it arrives, and is not followed through "
            "both at once: use a smaller lr, or run it with sims"
        )
    found, *others = [early] if taken == arrival else [after(taken, way) for way in ways]
    if any(shifted(found, other) > APART for other in others):
        raise NoClosedForm(
            f"where {name} goes on hangs on which of several vectors it swings along, by its own past: ask for fewer "
            "steps, or none, or run it with sims"
        )
    swung = _swung(landscape, found, ways[0])
    if not swung <= FARTHEST:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} swings about where it is by {swung:.0%} of it: use a smaller lr, or run it with "
            "sims"
        )
    less = "sharpness" if swing is not None else "curvature across which it swings"
    note = f"after {whole_steps(taken)} steps: it does not rest, swings by {swung:.1%}, and drifts to less {less}"
    told = "; ".join(filter(None, [told, note]))
    return replace(endpoint_of_flow(found, lr), method="effective_start", steps=taken, note=told)


def _swung(landscape: Landscape, end: FlowEndpoint, across: AcrossTop | AcrossSigns) -> float:
    """How far beta is from an end on one side of it, in units of beta."""
    slopes = np.array([slope + np.zeros(landscape.problem.d) for slope in landscape.law.jacobian(*end.theta)])
    moved = (slopes * across.displaced(landscape, end.theta)).sum(axis=0)
    return float(np.linalg.norm(moved) / np.linalg.norm(end.beta))


def _ways(rule: UpdateRule, lr: float, start: EffectiveStart) -> list[AcrossTop | AcrossSigns]:
    """The swing of ``sam_max`` from its residual at arrival, and from others of its size."""
    rng, size = np.random.default_rng(0), np.linalg.norm(start.residual)
    others = rng.normal(size=(OTHERS, len(start.residual)))
    begun = [start.residual, *(size * other / np.linalg.norm(other) for other in others)]
    return [AcrossSigns(lr, dict(rule.step_parameters)["rho"], residual) for residual in begun]


def _require_small_first_step(start: EffectiveStart, theta0: np.ndarray, memory: float, name: str, lr: float) -> None:
    """Refuse a first step that is not small beside the start.

    An average from 0 makes it longer by the root of what it remembers.
    """
    share = start.first * np.sqrt(memory) / np.linalg.norm(theta0)
    if share > BEGUN:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} begins with a step of {share:.0%} of the start, too far from gradient flow: use an "
            f"lr below {rounded_down(lr * BEGUN / share)}, a larger init_scale, or run it with sims"
        )


def _require_small_ascent(
    landscape: Landscape, theta0: np.ndarray, sharpness: float, rule: UpdateRule, lr: float
) -> None:
    """Refuse an ascent whose swings are not small at the end, or which is not small beside the weights of the start."""
    name = rule.step.name
    if lr * sharpness > ACROSS:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} is too far from gradient flow, whose end has sharpness {sharpness:.4g}: use an lr "
            f"below {rounded_down(ACROSS / sharpness)}, or run it with sims"
        )
    if rule.step == STEPS["sam"]:
        uphill = gradient(landscape, theta0, landscape.slope(landscape.predictions(*theta0)))
        uphill *= dict(rule.step_parameters)["rho"] / np.linalg.norm(uphill)
        if (np.abs(uphill).max(axis=0) > UPHILL * np.abs(theta0).max(axis=0)).any():
            raise NoClosedForm(
                f"{name} goes uphill from the start by {np.abs(uphill).max():.3g}, which is not small beside the "
                "weights, and may be held at the saddle: use a smaller rho, a larger init_scale, or run it with sims"
            )


def endpoint_of_linear(flow: FlowEndpoint, rule: UpdateRule, lr: float, weights: int) -> Endpoint:
    """The end of a linear model of so many ``weights`` in all, gradient flow's under every rule that follows it.

    Raises NoClosedForm where the rule swings about it by more than a tenth, or by what is not known.
    """
    name, top = rule.step.name, float(flow.sharpness)
    require_any_stable(rule, lr)
    end = replace(endpoint_of_flow(flow, lr, rule), method="effective_start")
    if rests(rule, lr, top):
        return end
    rho, away = dict(rule.step_parameters).get("rho", 0.0), np.inf
    if rule.step in SHARPNESS_AWARE and lr * top < 2:
        away = overshoot(lr, top, rho) * (np.sqrt(weights) if rule.step == STEPS["sam_max"] else 1)
    if rule.step in NORMALIZED:
        away = lr
    swings = float(away * np.sqrt(weights / len(flow.beta)) / np.linalg.norm(flow.beta))
    if swings > FARTHEST:
        told = f"by {swings:.0%} of it" if np.isfinite(swings) else "by what is not known"
        raise NoClosedForm(
            f"{name} at lr = {lr:g} need not rest at gradient flow's end, and swings about it {told}: use a smaller "
            "lr, or run it with sims"
        )
    return replace(end, note=f"it need not rest, and swings about it by {swings:.2%} at most")
