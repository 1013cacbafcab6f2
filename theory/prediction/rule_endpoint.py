"""Where rules other than descent end that are gradient flow in another time, and rest: by their effective start."""

from dataclasses import replace

import numpy as np
import sympy as sp

from ..derivation.landscape import Landscape
from ..errors import NoClosedForm, NoInterpolator
from ..rules.lag import Lag, lag_of
from ..rules.steps import SAM_ADDS, STEPS
from ..rules.update_rule import UpdateRule
from ..validate import rounded_down
from .coordinates import Doubled
from .effective_starts import EffectiveStart, effective_start
from .endpoints import Endpoint, endpoint_of_flow
from .flow_endpoint import FlowEndpoint, end_of_moved
from .rule_terms import GONE, MOST, near_minimum, slowest_total, warm_up, warms
from .swings import swing_of

NOISY = 0.5  # of the edge, at which labels with noise move runs twice as much as along flow
TOLD, FARTHEST = 0.01, 0.1  # of beta, that the next order moves: what a note tells, and what is refused
LITTLE = 0.01  # of the gradients of a swing, what may be added to them
REMEMBERED = 0.5  # of the steps of a flow, what averages may remember


def rests(rule: UpdateRule, lr: float, sharpness: float) -> bool:
    """Whether a rule comes to rest at the end of gradient flow, of that sharpness.

    Raises:
        NoClosedForm: it hardly does, or no effective start is known.
    """
    lag = lag_at_end(rule, known_lag(rule).behind, lr, sharpness)
    return lag is not None or rule.step.reads_loss


def endpoint_of_start(
    landscape: Landscape, coordinates: Doubled, theta0: np.ndarray, flow: FlowEndpoint, rule: UpdateRule, lr: float
) -> Endpoint:
    """The end of gradient flow from the effective start of a rule at ``lr``; ``flow`` is that from theta0.

    Raises:
        NoClosedForm: no effective start is known, or the rule is too far from gradient flow at ``lr``.
    """
    name, lag, sharpness = rule.step.name, known_lag(rule), float(flow.sharpness)
    require_any_stable(rule, lr)
    require_motion(landscape, theta0, name)
    if rule.label_noise:
        _require_degree_2(coordinates, landscape.dynamics.model.name)
    behind, width = (lag_at_end(rule, e, lr, sharpness) for e in (lag.behind, lag.width))
    most, far = NOISY if rule.label_noise else 1.0, (lr / 2 if behind is None else abs(behind)) * sharpness
    far = max(far, sharpness / float(rule.sharpness_limit(lr)))
    if far > most:
        followed = f"the constrained flow after {warm_up(rule)}, " if warms(rule) and rule.momentum <= MOST else ""
        raise NoClosedForm(
            f"{name} at lr = {lr:g} is too far from gradient flow, whose end has sharpness {sharpness:.4g}: use an lr "
            f"well below {rounded_down(lr * most / far)}, {followed}or run it with sims"
        )
    noise = _noise(landscape, coordinates, flow, rule, lr) if rule.label_noise else None
    start = effective_start(landscape, coordinates, theta0, lag.at(lr, rule.parameters), noise)
    require_downhill(start, name)
    remembered = slowest_total(rule)
    if not remembered <= max(1.0, REMEMBERED * start.steps[-1]):
        raise NoClosedForm(
            f"{name} at lr = {lr:g} remembers {remembered:.4g} steps, and arrives after "
            f"{whole_steps(start.steps[-1])}: use a smaller lr or a shorter memory, or run it with sims"
        )
    end, moved = end_and_next(landscape, start, rule)
    if noise is None:
        width, wide = lr / 2 if width is None else width, end
        if behind is not None and width != abs(behind):
            law = replace(lag, behind=lag.width).at(lr, rule.parameters)
            wide = end_from(landscape, effective_start(landscape, coordinates, theta0, law).theta, rule)
        moved = max(moved, width * sharpness * shifted(wide, flow))
    found = replace(endpoint_of_flow(end, lr), method="effective_start")
    return replace(found, note=note_of_next(moved, name, lr))


def known_lag(rule: UpdateRule) -> Lag:
    """The lag of a rule's step; raises NoClosedForm where it has none."""
    lag = lag_of(rule.step)
    if lag is None:
        raise NoClosedForm(f"{rule.step.name} has no effective start: it is no change of time of gradient flow")
    return lag


def lag_at_end(rule: UpdateRule, lag: sp.Expr, lr: float, sharpness: float) -> float | None:
    """The value of a lag at the end of flow, None of a rule that does not rest there.

    What is added to a norm in a denominator brings a rule to rest where it is above the gradient of its swings.

    Raises:
        NoClosedForm: it is neither small nor large beside that.
    """
    name, swing, added = rule.step.name, swing_of(rule, lr), dict(rule.step_parameters).get("eps", 0.0)
    added = float(SAM_ADDS) if rule.step == STEPS["sam"] else added
    swinging = None if swing is None else swing.gradient(sharpness)
    if rule.step.ascent is not None:
        if swinging is not None and added > LITTLE * swinging > 0:
            raise NoClosedForm(
                f"{name} at lr = {lr:g}: the {added:g} that it adds to the norm of gradients is not small beside those "
                f"of its swings, {swinging:.3g}: scale the targets, or run it with sims"
            )
        return None
    if swinging is None or not added:
        return near_minimum(rule, lag, lr)
    if added <= LITTLE * swinging:
        return None
    if added < swinging:
        raise NoClosedForm(
            f"{name} at lr = {lr:g}: eps = {added:g} is neither small nor large beside the gradients of its swings, "
            f"{swinging:.3g}: use another eps, or run it with sims"
        )
    return near_minimum(rule, lag, lr, GONE)


def require_any_stable(rule: UpdateRule, lr: float) -> None:
    if not rule.sharpness_limit(lr) > 0:
        raise NoClosedForm(f"under {rule.step.name} no minimum is stable: run it with sims")


def require_motion(landscape: Landscape, theta0: np.ndarray, name: str) -> None:
    if not landscape.slope(landscape.predictions(*theta0)).any():
        raise NoClosedForm(f"the start fits the targets, and {name} does not move: use another init_scale")


def require_downhill(start: EffectiveStart, name: str) -> None:
    if not 0 < start.steps[-1] < np.inf:
        raise NoClosedForm(f"{name} goes against gradient flow, or not at all: run it with sims")


def whole_steps(steps: float) -> str:
    """Rounded up, so that what is told is enough when it is asked for."""
    return f"{np.ceil(steps):.0f}"


def end_and_next(landscape: Landscape, start: EffectiveStart, rule: UpdateRule) -> tuple[FlowEndpoint, float]:
    """The end of flow from an effective start, and how far the next order moves it, in units of beta."""
    end, other = (end_from(landscape, at, rule) for at in (start.theta, start.beyond))
    return end, shifted(end, other)


def shifted(end: FlowEndpoint, other: FlowEndpoint) -> float:
    """How far another end is from an end, in units of its beta."""
    return float(np.linalg.norm(end.beta - other.beta) / np.linalg.norm(end.beta))


def end_from(landscape: Landscape, theta: np.ndarray, rule: UpdateRule) -> FlowEndpoint:
    """The end of flow from a start that a rule has moved; raises NoClosedForm where it was moved too far."""
    name, ascends = rule.step.name, rule.step.ascent is not None
    smaller = "rho" if ascends else "lr"
    if not np.isfinite(theta).all():
        raise NoClosedForm(f"{name} is too far from gradient flow to have an effective start: use a smaller {smaller}")
    try:
        return end_of_moved(landscape, theta)
    except NoInterpolator:
        raise NoClosedForm(
            f"{name} moves this start to {np.abs(theta).min():.3g}, from where no interpolator is reached: use a "
            f"smaller {smaller}, a larger init_scale, or run it with sims"
        ) from None


def note_of_next(moved: float, name: str, lr: float) -> str:
    """What is told of the next order; raises NoClosedForm where it moves the end by more than a tenth."""
    if not moved <= FARTHEST:
        raise NoClosedForm(
            f"{name} at lr = {lr:g} is too far from gradient flow: the next order of its effective start moves the end "
            f"by {moved:.0%}: use a smaller lr, or run it with sims"
        )
    return f"the next order moves it by {moved:.1%}" if moved > TOLD else ""


def _noise(landscape: Landscape, coordinates: Doubled, flow: FlowEndpoint, rule: UpdateRule, lr: float) -> np.ndarray:
    """What z loses by label noise, (1, d): ``rate^2 lr^2`` times the variance of g, in all steps that have noise.

    The residual follows the noise: along an eigenvector of the tangent kernel K its variance is ``2 / (2 - lr lambda)``
    of the label's.
    """
    problem = landscape.problem
    slopes = landscape.law.jacobian(*flow.theta)
    tangent = sum((slope + np.zeros(problem.d)) ** 2 for slope in slopes)
    values, vectors = np.linalg.eigh((problem.X * tangent) @ problem.X.T / problem.n)
    spread = 2 / (2 - lr * values) * (rule.label_noise / problem.n) ** 2
    variance = (spread[:, None] * (vectors.T @ problem.X) ** 2).sum(axis=0)
    return (coordinates.rate * lr) ** 2 * (rule.noise_steps or 0) * variance[None]


def _require_degree_2(coordinates: Doubled, name: str) -> None:
    if coordinates.degree != 2:
        raise NoClosedForm(
            f"{name}: with label noise the end is predicted for degree 2, where all starts shrink alike: leave it out, "
            "or run it with sims"
        )
