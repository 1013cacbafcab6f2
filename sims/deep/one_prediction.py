"""One prediction: where the central flow ends, what descent has there on average, and how far to trust it."""

from collections.abc import Mapping

import numpy as np

from ..schema import VARIABLES, measured
from ..status import Doubt, Status
from .backend import jax, jnp
from .central_flow import Center, within
from .course import Course, complete
from .descent import advance, begin, limit, mean_of_next
from .measure import state_at
from .one_run import Tell, run
from .options import DeepOptions, FollowingOptions
from .training_loss import Objective, evaluate

SOON = 20  # steps of descent: where oscillation begins within them, time scales are not separated
BEND = 0.01  # of the curvature: where that over a swing differs by more in the mean, there are kinks
WIDER = {"steps": 0.005, "norms": 0.1}  # of the steps, and of what a norm has grown, that a bracket reaches further
NORMS = ("theta_l1", "theta_l2")


def predict(
    objective: Objective,
    theta0: jax.Array,
    lr: float,
    options: DeepOptions,
    following: FollowingOptions,
    flow: Mapping[str, float],
    kinks: bool = False,
    tell: Tell = lambda note: None,
) -> dict:
    """The outcome of gradient descent, from its first ``warm`` steps, the central flow after them, and its last steps.

    Descent goes on from the flow ``land`` steps before the loss at the flow is below ``tol``: it ends where its
    oscillation happens to be small, which no mean tells. Of a run that ends within the first steps the outcome is its
    own. ``flow`` has gradient flow's norms, from which brackets are widened. ``kinks`` are a network's of which the
    Hessian says little of what lies around.
    """
    warm, tol = following.warm, options.tol
    state, bound, weights = begin(theta0), limit(objective, theta0), []
    for until in (warm - 1, warm, warm + 1) if warm else ():
        state = advance(objective, state, lr, bound, options, until)
        weights.append(state.theta)
    if int(state.outcome) != Status.NOT_RUN:
        return _ended(run(objective, theta0, lr, options, tell=tell)[0])
    start = (weights[0] + 2 * weights[1] + weights[2]) / 4 if warm else theta0

    def told(center: Center) -> None:
        at = f"step {center.time / lr:.0f}, mean loss {center.mean_loss:.3g}"
        tell(f"lr {lr:.4g}: {at}, lr S / 2 {lr * center.sharpness / 2:.3f}, {len(center.X)} held")

    hold, mean, limited = (options.hold - 1) * lr, (options.average + 1) / 2 * lr, options.max_steps * lr
    back, rtol = following.land * lr, following.rtol
    beyond = hold + mean
    course = complete(objective, start, lr, warm * lr, tol, limited + mean, beyond, back, rtol, kinks, told)
    end = min(course.arrival + hold, limited)
    last, after = course.between(end), course.between(end + mean)
    if last is None or after is None:  # not followed so far: nothing is said
        return _nothing() | dict(status=Status.NOT_RUN, doubts=Doubt.NO_ARRIVAL)
    at_end = within(objective, *last, end)
    mean_of = _norms(*at_end) | dict(steps=round(end / lr))
    if following.land:
        begun = max(round(min(course.center_arrival, end) / lr) - following.land, warm)
        found = _landed(objective, course, begun, lr, bound, options)
    else:
        averaged = state_at(objective, within(objective, *after, end + mean)[0])[0]
        found = swinging(objective, *at_end, lr) | {f"averaged_{name}": value for name, value in averaged.items()}
        late = course.arrival + hold > limited
        found |= dict(status=Status.STEP_LIMIT if late else Status.CONVERGED, steps=mean_of["steps"])
    doubts = _doubts(course, (warm + SOON) * lr, limited - hold)
    return found | dict(doubts=doubts) | _bracket([found, mean_of], course, end, hold, flow)


def _landed(objective: Objective, course: Course, begun: int, lr: float, bound: float, options: DeepOptions) -> dict:
    """The outcome of descent from one side of the flow's swings after so many steps."""
    before, after = course.between(begun * lr) or course.points[:2]
    theta, swings = within(objective, before, after, begun * lr)
    theta = theta + jnp.asarray(swings.sum(axis=0), theta.dtype)
    state = begin(theta)._replace(step=jnp.asarray(begun))
    state = advance(objective, state, lr, bound, options, options.max_steps + 1)
    ended = dict(status=Status(int(state.outcome)), steps=int(state.step))
    if ended["status"] == Status.DIVERGED:
        return _nothing() | ended | dict(loss=float(state.loss))
    mean = mean_of_next(objective, state.theta, jnp.asarray(lr, theta.dtype), options.average)
    averaged = {f"averaged_{name}": value for name, value in state_at(objective, mean)[0].items()}
    return state_at(objective, state.theta)[0] | averaged | ended


def swinging(objective: Objective, theta: jax.Array, swings: np.ndarray, lr: float) -> dict:
    """What the weights of descent have on average, that swing to both sides of theta along vectors s of shape (k, p).

    The loss is ``L + sum |s|^2 / lr``, the held-out loss the mean over both ends of each swing; of norms likewise,
    ``sum_i max(|theta_i|, (sum_s s_i^2)^(1/2))`` and ``(|theta|^2 + sum |s|^2)^(1/2)``. All else is that of theta.
    """
    found = state_at(objective, theta)[0]
    risk = found["test_risk"]
    for s in swings:
        ends = [theta + sign * jnp.asarray(s, theta.dtype) for sign in (1, -1)]
        found["test_risk"] += sum(float(evaluate(objective, end)[2]) for end in ends) / 2 - risk
    found["loss"] += float(np.sum(swings**2)) / lr
    return found | _norms(theta, swings)


def _norms(theta: jax.Array, swings: np.ndarray) -> dict[str, float]:
    flat, variances = np.abs(np.asarray(theta, dtype=float)), np.sum(swings**2, axis=0)
    l1, l2 = np.maximum(flat, np.sqrt(variances)).sum(), np.sqrt(flat @ flat + variances.sum())
    return dict(zip(NORMS, (float(l1), float(l2)), strict=True))


def _doubts(course: Course, soon: float, latest: float) -> Doubt:
    doubts = Doubt.NOT_SEPARATED if course.onset < soon else Doubt(0)
    if course.bent > BEND * course.held:
        doubts |= Doubt.KINKS
    return doubts if course.arrival <= latest else doubts | Doubt.NO_ARRIVAL


def _bracket(
    ends: list[Mapping[str, float]], course: Course, end: float, hold: float, flow: Mapping[str, float]
) -> dict:
    """From where the loss of the center arrives to these ends, widened."""
    first = min(course.center_arrival, end)
    before, after = course.between(first) or course.points[-2:]
    x = (first - before.time) / (after.time - before.time)
    sides = [_norms(center.theta, center.swings) for center in (before, after)]
    earlier = {name: (1 - x) * sides[0][name] + x * sides[1][name] for name in NORMS}
    earlier["steps"] = min(first + hold, end) / course.points[0].lr
    bracket: dict[str, float] = {}
    for name in ("steps", *NORMS):
        since = 0.0 if name == "steps" else flow[f"flow_{name}"]
        grown = [values[name] - since for values in (earlier, *ends) if np.isfinite(values[name])]
        wider = WIDER["steps" if name == "steps" else "norms"] * max(map(abs, grown))
        bracket |= {f"low_{name}": since + min(grown) - wider, f"high_{name}": since + max(grown) + wider}
    return bracket | dict(low_steps=int(bracket["low_steps"]), high_steps=int(np.ceil(bracket["high_steps"])))


def _nothing() -> dict:
    names = measured("deep_predicted", ("end", "averaged", "low", "high"))
    return {name: VARIABLES[name].fill for name in names}


def _ended(found: dict) -> dict:
    """The outcome of a run that has ended before the flow began, which is no prediction."""
    same = {f"{side}_{name}": found[name] for side in ("low", "high") for name in ("steps", *NORMS)}
    late = found["status"] != Status.CONVERGED
    doubts = Doubt.NOT_SEPARATED | Doubt.NO_ARRIVAL if late else Doubt.NOT_SEPARATED
    return _nothing() | {name: found[name] for name in found.keys() & _nothing().keys()} | same | dict(doubts=doubts)
