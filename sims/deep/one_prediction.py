"""One prediction: where the central flow ends, what descent has there on average, and how far to trust it."""

from collections.abc import Mapping

import numpy as np

from ..schema import VARIABLES, measured
from ..status import Doubt, Status
from .backend import jax, jnp
from .central_flow import Center, within
from .course import Course, complete
from .descent import advance, begin, limit
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
    """The outcome of gradient descent from ``warm`` of its steps and the central flow after them.

    Of a run that ends within these steps the outcome is its own. ``flow`` has gradient flow's norms, from which
    brackets are widened. ``kinks`` are a network's of which the Hessian says little of what lies around.
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

    hold, mean = (options.hold - 1) * lr, (options.average + 1) / 2 * lr
    limited = options.max_steps * lr
    course = complete(objective, start, lr, warm * lr, tol, limited + mean, hold + mean, following.rtol, kinks, told)
    end = min(course.arrival + hold, limited)
    last, after = course.between(end), course.between(end + mean)
    if last is None or after is None:  # not followed so far: nothing is said
        return _nothing() | dict(status=Status.NOT_RUN, doubts=Doubt.NO_ARRIVAL)
    found = swinging(objective, *within(objective, *last, end), lr) | dict(
        status=Status.CONVERGED if course.arrival + hold <= limited else Status.STEP_LIMIT,
        steps=round(end / lr),
        doubts=_doubts(course, (warm + SOON) * lr, limited - hold),
    )
    averaged = within(objective, *after, end + mean)[0]
    found |= {f"averaged_{name}": value for name, value in state_at(objective, averaged)[0].items()}
    return found | _bracket(found, course, end, hold, flow)


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


def _bracket(found: dict, course: Course, end: float, hold: float, flow: Mapping[str, float]) -> dict:
    """From where the loss of the center arrives to where the mean loss does, widened."""
    wider, first = WIDER["steps"], min(course.center_arrival, end)
    low = min(first + hold, end) / course.points[0].lr
    bracket: dict[str, float] = dict(low_steps=int(low * (1 - wider)), high_steps=int(found["steps"] * (1 + wider)) + 1)
    before, after = course.between(first) or course.points[-2:]
    x = (first - before.time) / (after.time - before.time)
    ends = [_norms(center.theta, center.swings) for center in (before, after)]
    for name in NORMS:
        earlier = (1 - x) * ends[0][name] + x * ends[1][name]
        grown = [value - flow[f"flow_{name}"] for value in (earlier, found[name])]
        wider = WIDER["norms"] * max(map(abs, grown))
        bracket[f"low_{name}"] = flow[f"flow_{name}"] + min(grown) - wider
        bracket[f"high_{name}"] = flow[f"flow_{name}"] + max(grown) + wider
    return bracket


def _nothing() -> dict:
    names = measured("deep_predicted", ("end", "averaged", "low", "high"))
    return {name: VARIABLES[name].fill for name in names}


def _ended(found: dict) -> dict:
    """The outcome of a run that has ended before the flow began, which is no prediction."""
    same = {f"{side}_{name}": found[name] for side in ("low", "high") for name in ("steps", *NORMS)}
    late = found["status"] != Status.CONVERGED
    doubts = Doubt.NOT_SEPARATED | Doubt.NO_ARRIVAL if late else Doubt.NOT_SEPARATED
    return _nothing() | {name: found[name] for name in found.keys() & _nothing().keys()} | same | dict(doubts=doubts)
