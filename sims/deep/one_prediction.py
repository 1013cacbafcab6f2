"""One prediction: where the central flow ends, what descent has there on average, and how far to trust it."""

from collections.abc import Mapping

import numpy as np

from ..schema import VARIABLES, measured
from ..status import Doubt, Status
from .backend import jax, jnp
from .central_flow import Center, within
from .course import Course, complete
from .descent import State, advance, begin, limit, mean_of_next
from .measure import state_at
from .one_run import Tell, run
from .options import DeepOptions, FollowingOptions
from .training_loss import Objective, evaluate

SOON = 50  # steps of descent: where oscillation begins within them, time scales are not separated
MEMORY = 300  # steps after which the energy of the oscillation is another, a fit
APART = 0.005  # by how much each further direction that is held raises the largest eigenvalue of descent, a fit
BEND = 0.01  # of the curvature: where that over a swing differs by more in the mean, there are kinks
WIDER = {"steps": 0.01, "norms": 0.1}  # of the steps, and of what a norm has grown, that a bracket reaches further
LEAST = 7.5e-4  # of a norm, that its bracket reaches further
LOOSER = 3  # times as far where time scales are not separated
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
    """The outcome of gradient descent, from its first ``warm`` steps and the central flow after them.

    A run ends where its oscillation happens to be small, and there are the more occasions the longer the loss is below
    ``tol`` at the center and above it in the mean (``Course.ending``). With ``land`` descent itself goes on from the
    flow, so many steps before. Of a run that ends within the first steps the outcome is its own. ``flow`` has gradient
    flow's norms, from which brackets are widened. ``kinks`` are a network's of which the Hessian says little of what
    lies around.
    """
    warm, tol, bound = following.warm, options.tol, limit(objective, theta0)
    state, start, early = _warmed(objective, theta0, lr, bound, options, warm)
    if int(state.outcome) != Status.NOT_RUN:
        return _ended(run(objective, theta0, lr, options, tell=tell)[0])

    def told(center: Center) -> None:
        at = f"step {center.time / lr:.0f}, mean loss {center.mean_loss:.3g}"
        tell(f"lr {lr:.4g}: {at}, lr S / 2 {lr * center.sharpness / 2:.3f}, {len(center.X)} held")

    hold, mean, limited = (options.hold - 1) * lr, (options.average + 1) / 2 * lr, options.max_steps * lr
    beyond, back = hold + mean + lr, following.land * lr
    course = complete(objective, start, lr, warm * lr, tol, limited + mean, beyond, back, following.rtol, kinks, told)
    share, arrival = course.ending(MEMORY * lr)
    seen = [np.ceil(time / lr) * lr for time in (arrival, course.center_arrival, course.arrival)]  # once a step
    times = [min(time + hold, limited) for time in seen]
    times.append(times[0] + mean)
    pairs = [course.between(time) for time in times]
    if None in pairs:  # not followed so far: nothing is said
        return _nothing() | dict(status=Status.NOT_RUN, doubts=Doubt.NO_ARRIVAL)
    *ends, (after, _) = (within(objective, *pair, time) for pair, time in zip(pairs, times, strict=True) if pair)
    if following.land:
        begun = max(round((times[1] - hold) / lr) - following.land, warm)
        found = _landed(objective, course, begun, lr, bound, options)
    else:
        late = course.arrival + hold > limited
        theta, swings = ends[0]
        found = _averaged(objective, theta, np.sqrt(share) * swings, after, lr, course.points[-1])
        found |= dict(status=Status.STEP_LIMIT if late else Status.CONVERGED, steps=round(times[0] / lr))
    spread = [_norms(*end) | dict(steps=time / lr) for end, time in zip(ends, times, strict=False)]
    doubts = _doubts(course, early or course.onset < SOON * lr, limited - hold)
    bracket = _bracket([found, *spread], flow, LOOSER if doubts & Doubt.NOT_SEPARATED else 1)
    faint = [bracket[f"high_{n}"] - bracket[f"low_{n}"] > abs(spread[0][n] - flow[f"flow_{n}"]) for n in NORMS]
    if any(faint) and np.isfinite(course.onset):
        doubts |= Doubt.FAINT
    return found | dict(doubts=doubts) | bracket


def _warmed(
    objective: Objective, theta0: jax.Array, lr: float, bound: float, options: DeepOptions, warm: int
) -> tuple[State, jax.Array, bool]:
    """Descent after its first steps, what it oscillates about there, and whether its loss rose soon."""
    state = begin(theta0)
    if not warm:
        return state, theta0, False
    state = advance(objective, state, lr, bound, options, min(SOON, warm - 1))
    early, weights = int(state.rising) > 0, []
    for until in (warm - 1, warm, warm + 1):
        state = advance(objective, state, lr, bound, options, until)
        weights.append(state.theta)
    return state, (weights[0] + 2 * weights[1] + weights[2]) / 4, early


def _averaged(
    objective: Objective, theta: jax.Array, swings: np.ndarray, after: jax.Array, lr: float, near: Center
) -> dict:
    """The outcome of descent that swings about theta, and of its mean weights after."""
    start = near.space.vectors[0]
    found = swinging(objective, theta, swings, lr, start)
    found |= {f"averaged_{name}": value for name, value in state_at(objective, after, start)[0].items()}
    apart = 1 + APART * max(len(near.X) - 1, 0)
    return found | {name: apart * found[name] for name in ("sharpness", "averaged_sharpness")}


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


def swinging(
    objective: Objective, theta: jax.Array, swings: np.ndarray, lr: float, start: np.ndarray | None = None
) -> dict:
    """What the weights of descent have on average, that swing to both sides of theta along vectors s of shape (k, p).

    The loss is ``L + sum |s|^2 / lr``, the held-out loss the mean over both ends of each swing; of norms likewise,
    ``sum_i max(|theta_i|, (sum_s s_i^2)^(1/2))`` and ``(|theta|^2 + sum |s|^2)^(1/2)``. All else is that of theta.
    ``start`` is the leading vector of the Hessian nearby, where it is known.
    """
    found = state_at(objective, theta, start)[0]
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


def _doubts(course: Course, soon: bool, latest: float) -> Doubt:
    doubts = Doubt.NOT_SEPARATED if soon else Doubt(0)
    if course.bent > BEND * course.held:
        doubts |= Doubt.KINKS
    return doubts if course.arrival <= latest else doubts | Doubt.NO_ARRIVAL


def _bracket(ends: list[dict[str, float]], flow: Mapping[str, float], looser: float) -> dict:
    """From the least of what ends have to the largest, widened."""
    bracket: dict[str, float] = {}
    for name in ("steps", *NORMS):
        since = 0.0 if name == "steps" else flow[f"flow_{name}"]
        grown = [end[name] - since for end in ends if np.isfinite(end[name])]
        share = WIDER["steps" if name == "steps" else "norms"]
        wider = looser * (share * max(map(abs, grown)) + LEAST * since)
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
