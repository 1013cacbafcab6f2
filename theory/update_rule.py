"""Update rules: what one step does to a weight, declared beside the law so that every backend has it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from .errors import InputError
from .loss import Loss
from .schedule import Schedule, constant, parse_schedule
from .validate import real, shown, whole

WEIGHT, GRADIENT, LEARNING_RATE = sp.symbols("weight gradient lr", real=True)
MOMENTUM, WEIGHT_DECAY = sp.symbols("momentum weight_decay", real=True)
_VELOCITY = sp.Symbol("velocity", real=True)


@dataclass(frozen=True)
class StateVariable:
    """Extra memory kept for every weight, such as a velocity."""

    symbol: sp.Symbol
    start: sp.Expr  # in terms of WEIGHT
    update: sp.Expr  # in terms of WEIGHT, GRADIENT, LEARNING_RATE and the old state


@dataclass(frozen=True)
class Step:
    """One step ``weight <- update(weight, gradient, lr, state)``, all right-hand sides at the old values.

    ``parameters`` are symbols whose values come with the run, so that another value needs no other kernel.
    """

    name: str
    update: sp.Expr
    state: tuple[StateVariable, ...] = ()
    parameters: tuple[sp.Symbol, ...] = ()

    def __str__(self) -> str:
        """The name and all equations, so that two steps of one name are told apart."""
        kept = "".join(f"; {s.symbol} <- {s.update}, from {s.start}" for s in self.state)
        return f"{self.name}: {WEIGHT} <- {self.update}{kept}"


def descent_step(momentum: bool = False, decay: bool = False) -> Step:
    """``theta <- theta - lr (grad L + weight_decay theta) + momentum (theta - theta_before)``, as far as asked."""
    move = -LEARNING_RATE * (GRADIENT + (WEIGHT_DECAY * WEIGHT if decay else 0))
    parameters = (MOMENTUM,) * momentum + (WEIGHT_DECAY,) * decay
    name = ("heavy_ball" if momentum else "gradient_descent") + ("_with_weight_decay" if decay else "")
    if not momentum:
        return Step(name, WEIGHT + move, (), parameters)
    move = MOMENTUM * _VELOCITY + move
    return Step(name, WEIGHT + move, (StateVariable(_VELOCITY, sp.Integer(0), move),), parameters)


@lru_cache(maxsize=64)
def _flip(step: Step) -> Callable:
    """The sharpness at which the step's linear map at a minimum, where the gradient is S weight, flips signs."""
    S = sp.Symbol("sharpness")
    old = [WEIGHT, *(s.symbol for s in step.state)]
    new = [value.subs(GRADIENT, S * WEIGHT) for value in (step.update, *(s.update for s in step.state))]
    linear = sp.Matrix(new).jacobian(old).subs(dict.fromkeys(old, 0))
    roots = sp.solve((linear + sp.eye(len(old))).det(), S)
    limit = sp.lambdify([LEARNING_RATE, *step.parameters], sp.simplify(roots[0]) if len(roots) == 1 else sp.oo)
    return lambda lr, *values: limit(lr, *values) + 0 * lr


def _require_known(step: Step) -> None:
    """Raise InputError where a step reads a symbol that no run gives it."""
    given = (MOMENTUM, WEIGHT_DECAY)
    known = {WEIGHT, GRADIENT, LEARNING_RATE, *step.parameters, *(s.symbol for s in step.state)}
    strange = [s for s in step.parameters if s not in given]
    strange += sorted(step.update.free_symbols.union(*(s.update.free_symbols for s in step.state)) - known, key=str)
    strange += sorted(set().union(*(sp.sympify(s.start).free_symbols for s in step.state)) - {WEIGHT}, key=str)
    if strange:
        raise InputError(
            f"the step {step.name!r} reads {strange[0]}, which no run gives it: use WEIGHT, GRADIENT, LEARNING_RATE, "
            "its own state (whose start reads WEIGHT alone), and as parameters MOMENTUM and WEIGHT_DECAY of "
            "gdbias.theory.update_rule"
        )


@dataclass(frozen=True, repr=False)
class UpdateRule:
    """How descent moves: ``theta <- theta - lr_t (grad L_t + weight_decay theta) + momentum (theta - theta_before)``.

    Attributes:
        momentum: heavy-ball momentum b, 0 <= b < 1. A minimum is stable for ``lr S < 2 + 2 b``.
        weight_decay: of the objective ``L + weight_decay |theta|^2 / 2``.
        batch: samples of one step, drawn without replacement; all unless given.
        label_noise: standard deviation of the Gaussian noise that every step adds to the targets.
        noise_steps: steps with label noise, all unless given.
        schedule: of the learning rate, or its text; see :class:`Schedule`.
        noise_seed: with a run's own lr and start, and the step, it determines every draw.
        step: the elementwise step; unless given, that of ``momentum`` and ``weight_decay``.

    Raises:
        InputError: a value outside its limits, momentum or weight decay beside a step of one's own, or a step that
            reads another symbol.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    batch: int | None = None
    label_noise: float = 0.0
    noise_steps: int | None = None
    schedule: Schedule = constant
    noise_seed: int = 0
    step: Step = None  # type: ignore[assignment]  # filled in below

    def __post_init__(self):
        values: dict[str, Any] = dict(
            momentum=real("momentum", self.momentum, low=0, below=1, hint="use for example 0.9"),
            weight_decay=real("weight_decay", self.weight_decay, low=0, hint="use for example 1e-3"),
            label_noise=real("label_noise", self.label_noise, low=0, hint="use for example 1e-3"),
            noise_seed=whole("noise_seed", self.noise_seed, 0, 2**63 - 1),
        )
        for name, low in (("batch", 1), ("noise_steps", 0)):
            if getattr(self, name) is not None:
                values[name] = whole(name, getattr(self, name), low, 10**18)
        if isinstance(self.schedule, str):
            values["schedule"] = parse_schedule(self.schedule)
        elif not isinstance(self.schedule, Schedule):
            raise InputError(f"schedule = {shown(self.schedule)} is no Schedule: use for example theory.ramp(1000)")
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if self.step is None:
            object.__setattr__(self, "step", descent_step(self.momentum > 0, self.weight_decay > 0))
            return
        if not isinstance(self.step, Step):
            raise InputError(f"step = {shown(self.step)} is no Step: a rule with a step of its own needs that step")
        _require_known(self.step)
        if any(getattr(self, s.name) and s not in self.step.parameters for s in (MOMENTUM, WEIGHT_DECAY)):
            raise InputError(
                f"the step {self.step.name!r} has no momentum or weight decay of its own: give one or other"
            )

    def __repr__(self) -> str:
        return f"UpdateRule({', '.join(f'{name}={value}' for name, value in self.spec.items())})"

    @property
    def spec(self) -> dict:
        """What differs from plain gradient descent, in names and plain values."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        changed.pop("step")
        own = self.step != descent_step(self.momentum > 0, self.weight_decay > 0)
        plain = {name: str(value) if isinstance(value, Schedule) else value for name, value in changed.items()}
        return plain | ({"step": str(self.step)} if own else {})

    @property
    def stochastic(self) -> bool:
        """Whether a step draws random numbers."""
        return self.batch is not None or self.label_noise > 0

    @property
    def lowers_loss(self) -> bool:
        """Whether small steps lower the objective, as without momentum, draws or a step of one's own."""
        return self.step == descent_step(decay=self.weight_decay > 0) and not self.stochastic

    @property
    def settled(self) -> int:
        """Steps after which the learning rate is constant and passing noise is over: from there on runs converge."""
        passing = self.noise_steps if self.label_noise and self.noise_steps is not None else 0
        return max(self.schedule.steps, passing)

    @property
    def parameters(self) -> tuple[float, ...]:
        """Values of the step's parameters."""
        return tuple(float(getattr(self, symbol.name)) for symbol in self.step.parameters)

    @property
    def once_settled(self) -> "UpdateRule":
        """The rule that holds from step ``settled`` on, for runs at their settled learning rate."""
        noise = self.label_noise if self.noise_steps is None else 0.0
        return replace(self, schedule=constant, label_noise=noise, noise_steps=None)

    def sharpness_limit(self, lr: float | np.ndarray) -> float | np.ndarray:
        """Largest sharpness of a linearly stable minimum, ``(2 + 2 momentum) / lr - weight_decay`` at the settled lr.

        There the linear map of a step has the eigenvalue -1; for a step of one's own as well, infinite where it has no
        such sharpness. Batches and label noise are not counted.
        """
        limit = _flip(self.step)(self.schedule.final * np.asarray(lr, dtype=float), *self.parameters)
        return limit if np.ndim(lr) else float(limit)

    def check(self, samples: int, loss: Loss) -> None:
        """Raise InputError where the rule does not fit data of so many samples, fitted by that loss."""
        if self.batch is not None and self.batch > samples:
            raise InputError(f"batch = {self.batch} is above the {samples} samples: use at most {samples}")
        if self.label_noise and loss.targets == "sign":
            raise InputError(f"label_noise needs real targets, the {loss} loss has labels: use 0, or batch")


def require_rule(rule: UpdateRule) -> UpdateRule:
    """The rule itself; raises InputError for anything else."""
    if not isinstance(rule, UpdateRule):
        raise InputError(f"rule = {shown(rule)} is no UpdateRule: use for example theory.UpdateRule(momentum=0.9)")
    return rule


gradient_descent = UpdateRule()
