"""One run to its end, with what is watched on the way and what is measured after it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from ..schema import VARIABLES, measured
from ..status import Status
from .backend import jax, jnp
from .checkpoint import Checkpoint
from .descent import State, advance, begin, limit, mean_of_next
from .gradient_flow import RTOL, FlowPath, integrate
from .measure import adaptive_sharpness, any_vector, sharpness, state_at
from .options import DeepOptions
from .training_loss import Objective

Tell = Callable[[str], None]


@dataclass
class Watch:
    """What is carried beside the weights: the top eigenvector, the largest sharpness, and recorded states."""

    vector: np.ndarray
    sharpness_max: float = -np.inf
    steps: list[int] = field(default_factory=list)
    states: list[dict] = field(default_factory=list)

    def look(self, objective: Objective, state: State, record: bool) -> float:
        """Measure the sharpness here, and everything else if it is recorded."""
        if record:
            found, vector = state_at(objective, state.theta, self.vector)
            found["sharpness_adaptive"] = adaptive_sharpness(objective, state.theta, self.vector).value
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
    bound = limit(objective, theta0)
    state, watch = begin(theta0), Watch(any_vector(theta0))
    if checkpoint:
        state, watch.vector, watch.sharpness_max = checkpoint.load((state, watch.vector, watch.sharpness_max))
    stretch = record_every or options.track_every
    while int(state.outcome) == Status.NOT_RUN:
        value = watch.look(objective, state, bool(record_every))
        tell(f"lr {lr:.4g}: step {int(state.step)}, loss {float(state.loss):.3g}, lr S / 2 {lr * value / 2:.3f}")
        state = advance(objective, state, lr, bound, options, int(state.step) + stretch)
        if checkpoint:
            checkpoint.save((state, watch.vector, watch.sharpness_max))
    if record_every:
        watch.look(objective, state, True)
    return _outcome(objective, state, watch, lr, options), watch


def _outcome(objective: Objective, state: State, watch: Watch, lr: float, options: DeepOptions) -> dict:
    status = Status(int(state.outcome))
    ended = dict(status=status, steps=int(state.step), rising_steps=int(state.rising), monotone=int(state.rising) == 0)
    nothing = {name: VARIABLES[name].fill for name in measured("deep", ("end", "averaged", "cooled"))}
    if status == Status.DIVERGED:  # its weights mean nothing, as for the diagonal networks
        largest = watch.sharpness_max if np.isfinite(watch.sharpness_max) else np.nan
        return nothing | ended | dict(loss=float(state.loss), sharpness_max=largest)
    found, vector = state_at(objective, state.theta)
    found["sharpness_adaptive"] = adaptive_sharpness(objective, state.theta).value
    found["sharpness_max"] = np.maximum(watch.sharpness_max, found["sharpness"])
    mean = mean_of_next(objective, state.theta, jnp.asarray(lr, state.theta.dtype), options.average)
    cooled = integrate(objective, state.theta, max_time=options.average * lr, vector=vector).theta
    for prefix, theta in (("averaged", mean), ("cooled", cooled)):
        found |= {f"{prefix}_{name}": value for name, value in state_at(objective, theta)[0].items()}
    return found | ended


def flow_to_its_end(
    objective: Objective,
    theta0: jax.Array,
    options: DeepOptions,
    rtol: float = RTOL,
    tell: Callable = lambda path: None,
) -> tuple[dict, FlowPath]:
    """Gradient flow to ``tol`` and its outcome, in the terms of a run.

    A run holds ``tol`` for ``hold`` steps, in which its weights move on. Flow goes on for as long as these take at
    ``lr_critical``, before its end is measured.
    """
    path = integrate(objective, theta0, options.tol, rtol=rtol, tell=tell)
    top = np.max([state["sharpness"] for state in path.states])
    end = path
    if path.arrived and top > 0 and options.hold > 1:
        held = (options.hold - 1) * 2 / top
        end = integrate(objective, path.theta, max_time=held, rtol=rtol, vector=path.vector)
        top = np.max([top, *(state["sharpness"] for state in end.states)])
    found = state_at(objective, end.theta)[0] | dict(
        status=Status.CONVERGED if path.arrived else Status.STEP_LIMIT,
        steps=path.steps,
        sharpness_adaptive=adaptive_sharpness(objective, end.theta).value,
        sharpness_max=top,
        lr_critical=np.inf if top <= 0 else 2 / top,
    )
    return found, path


@contextmanager
def in_precision(name: str) -> Iterator[None]:
    """JAX in the precision of a run, for its duration."""
    with jax.enable_x64(name == "float64"):
        yield
