"""One run to its end, with what is watched on the way and what is measured after it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from ..schema import VARIABLES, measured
from ..status import Status
from .asked import Asked
from .backend import jax, jnp
from .checkpoint import Checkpoint
from .descent import State, advance, begin, limit, mean_of_next
from .gradient_flow import RTOL, FlowPath, integrate
from .measure import adaptive_sharpness, any_vector, sharpness, state_at
from .options import DeepOptions
from .training_loss import Objective
from .update import update_of

Tell = Callable[[str], None]


@dataclass
class Watch:
    """What is carried beside the weights: the top eigenvector, the largest sharpness, and recorded states."""

    vector: np.ndarray
    sharpness_max: float = -np.inf
    steps: list[int] = field(default_factory=list)
    states: list[dict] = field(default_factory=list)

    def look(self, objective: Objective, state: State, asked: Asked | None) -> float:
        """Measure the sharpness here, and everything else, with what is asked for, if it is recorded."""
        if asked is not None:
            found, vector = state_at(objective, state.theta, self.vector)
            found["sharpness_adaptive"] = adaptive_sharpness(objective, state.theta, self.vector).value
            found |= asked.at(state.theta, int(state.step), found["sharpness"], quick=True)
            self.steps.append(int(state.step))
            self.states.append(found)
            value = found["sharpness"]
        else:
            top = sharpness(objective, state.theta, self.vector)
            value, vector = top.value, top.start
        if np.isfinite(value):
            self.vector, self.sharpness_max = vector, max(self.sharpness_max, value)
        return value


def run(
    objective: Objective,
    theta0: jax.Array,
    lr: float,
    options: DeepOptions,
    record_every: int = 0,
    tell: Tell = lambda note: None,
    checkpoint: Checkpoint | None = None,
) -> tuple[dict, Watch]:
    """Gradient descent to its end: its outcome, and the recorded states if ``record_every`` is not 0."""
    bound, edge = limit(objective, theta0), 2 + 2 * options.momentum
    state, watch = begin(theta0, options.momentum), Watch(any_vector(theta0))
    recorded = Asked(objective, theta0, options, lr) if record_every else None
    if checkpoint:
        state, watch.vector, watch.sharpness_max = checkpoint.load((state, watch.vector, watch.sharpness_max))
    stretch = record_every or options.track_every
    while int(state.outcome) == Status.NOT_RUN:
        value = watch.look(objective, state, recorded)
        at = f"step {int(state.step)}, loss {float(state.loss):.3g}"
        tell(f"lr {lr:.4g}: {at}, lr S / {edge:g} {lr * value / edge:.3f}")
        state = advance(objective, state, lr, bound, options, int(state.step) + stretch)
        if checkpoint:
            checkpoint.save((state, watch.vector, watch.sharpness_max))
    if record_every:
        watch.look(objective, state, recorded)
    return _outcome(objective, state, watch, lr, Asked(objective, theta0, options, lr)), watch


def _outcome(objective: Objective, state: State, watch: Watch, lr: float, asked: Asked) -> dict:
    options = asked.options
    status = Status(int(state.outcome))
    ended = dict(status=status, steps=int(state.step), rising_steps=int(state.rising), monotone=int(state.rising) == 0)
    nothing = {name: VARIABLES[name].fill for name in measured("deep", ("end", "averaged", "cooled"))}
    if status == Status.DIVERGED:  # its weights mean nothing, as for the diagonal networks
        largest = watch.sharpness_max if np.isfinite(watch.sharpness_max) else np.nan
        return nothing | asked.nothing() | ended | dict(loss=float(state.loss), sharpness_max=largest)
    found, vector = state_at(objective, state.theta)
    found["sharpness_adaptive"] = adaptive_sharpness(objective, state.theta).value
    found["sharpness_max"] = np.maximum(watch.sharpness_max, found["sharpness"])
    found |= asked.at(state.theta, int(state.step), found["sharpness"])
    rate, update = jnp.asarray(lr, state.theta.dtype), update_of(options, objective, state.theta)
    mean = mean_of_next(objective, state.theta, rate, options.average, update, state.velocity, state.step)
    time = options.average * lr / (1 - options.momentum)  # of as many steps
    cooled = integrate(objective, state.theta, max_time=time, vector=vector).theta
    for prefix, theta in (("averaged", mean), ("cooled", cooled)):
        found |= {f"{prefix}_{name}": value for name, value in state_at(objective, theta)[0].items()}
    return found | ended


def flow_to_its_end(
    objective: Objective,
    theta0: jax.Array,
    options: DeepOptions,
    rtol: float = RTOL,
    tell: Callable = lambda path: None,
    along: bool = False,
) -> tuple[dict, FlowPath]:
    """Gradient flow to ``tol`` and its outcome, in the terms of a run; what is asked for is measured ``along`` it too.

    A run holds ``tol`` for ``hold`` steps, in which its weights move on. Flow goes on for as long as these take at
    ``lr_critical``, before its end is measured.
    """
    asked = Asked(objective, theta0, options)

    def beside(theta: jax.Array, sharpness: float) -> dict:
        return asked.at(theta, 0, sharpness, quick=True) if along else {}

    path = integrate(objective, theta0, options.tol, rtol=rtol, tell=tell, beside=beside)
    top = np.max([state["sharpness"] for state in path.states])
    end = path
    if path.arrived and top > 0 and options.hold > 1:
        held = (options.hold - 1) * 2 / top
        end = integrate(objective, path.theta, max_time=held, rtol=rtol, vector=path.vector)
        top = np.max([top, *(state["sharpness"] for state in end.states)])
    found = state_at(objective, end.theta)[0]
    found |= asked.at(end.theta, 0, found["sharpness"])
    return found | dict(
        status=Status.CONVERGED if path.arrived else Status.STEP_LIMIT,
        steps=path.steps,
        sharpness_adaptive=adaptive_sharpness(objective, end.theta).value,
        sharpness_max=top,
        lr_critical=np.inf if top <= 0 else 2 / top,
    ), path


@contextmanager
def in_precision(name: str) -> Iterator[None]:
    """JAX in the precision of a run, for its duration."""
    with jax.enable_x64(name == "float64"):
        yield
