"""Update rules: what one step does to a weight, declared beside the law so that every backend has it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InputError
from ..loss import Loss
from ..validate import meant, real, shown, whole
from .schedule import Schedule, constant, parse_schedule
from .stability import sharpness_at_edge
from .step import GRADIENT as GRADIENT
from .step import LEARNING_RATE as LEARNING_RATE
from .step import LOSS, MOMENTUM, STEP, WEIGHT_DECAY, Step
from .step import WEIGHT as WEIGHT
from .steps import STEPS, descent_step, parse_step

READ = tuple(symbol.name for symbol in (WEIGHT, GRADIENT, LEARNING_RATE, STEP, LOSS))  # what equations read of a run


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
        step: the elementwise step, its name or its text (:func:`gdbias.theory.rules.steps.parse_step`); unless given,
            that of ``momentum`` and ``weight_decay``.
        step_parameters: values of the other parameters that the step reads, by name; kept as pairs, sorted.

    Raises:
        InputError: a value outside its limits, one that the step does not read, or none for a parameter that it reads.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    batch: int | None = None
    label_noise: float = 0.0
    noise_steps: int | None = None
    schedule: Schedule = constant
    noise_seed: int = 0
    step: Step = None  # type: ignore[assignment]  # filled in below
    step_parameters: Mapping[str, float] | tuple[tuple[str, float], ...] = ()

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
        usual = descent_step(self.momentum > 0, self.weight_decay > 0)
        step = usual if self.step is None else self.step if isinstance(self.step, Step) else parse_step(self.step)
        object.__setattr__(self, "step", step)
        try:
            given = dict(self.step_parameters)
        except (TypeError, ValueError):
            raise InputError(
                f"step_parameters = {shown(self.step_parameters)} must map names to numbers: use for example "
                "{'eps': 1e-8}"
            ) from None
        object.__setattr__(self, "step_parameters", self._values(given))
        if self.stochastic and step.reads_loss:  # SPS (2002.10542) takes that of what it draws, and its least one
            drawn = f"batch = {self.batch}" if self.batch is not None else f"label_noise = {self.label_noise:g}"
            raise InputError(
                f"the step {step.name!r} reads the loss of all samples as they are, not that of what its gradient is "
                f"of with {drawn}: leave that out, or use a step that does not read the loss"
            )

    def _values(self, given: dict[str, float]) -> tuple[tuple[str, float], ...]:
        """The values of the step's parameters but for momentum and weight decay, which have fields of their own."""
        step = self.step
        for symbol in (MOMENTUM, WEIGHT_DECAY):
            if getattr(self, symbol.name) and symbol not in step.parameters:
                raise InputError(f"the step {step.name!r} reads no {symbol}: leave it out")
        names = [s.name for s in step.parameters if s not in (MOMENTUM, WEIGHT_DECAY)]
        if strange := sorted(given.keys() - set(names)):
            told = f"it takes {', '.join(names)}" if names else "it takes none"
            raise InputError(f"step_parameters has {strange[0]}, which the step {step.name!r} does not read: {told}")
        values = {**step.defaults, **given}
        if missing := [name for name in names if name not in values]:
            raise InputError(
                f"the step {step.name!r} reads {missing[0]}, which has no value: {meant(missing[0], READ)}give for "
                f"example step_parameters={{{missing[0]!r}: 0.9}} (--step-parameters {missing[0]}=0.9)"
            )
        hints = {name: f"use for example {value:g}" for name, value in step.defaults.items()}
        return tuple((n, real(n, values[n], **step.limits.get(n, {}), hint=hints.get(n, ""))) for n in names)

    def __repr__(self) -> str:
        return f"UpdateRule({', '.join(f'{name}={value}' for name, value in self.spec.items())})"

    @property
    def spec(self) -> dict:
        """What differs from plain gradient descent, in plain values that ``UpdateRule(**spec)`` takes."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        if self.step == descent_step(self.momentum > 0, self.weight_decay > 0):
            changed.pop("step")
        if self.step_parameters:
            changed["step_parameters"] = dict(self.step_parameters)
        return {name: str(v) if isinstance(v, Schedule | Step) else v for name, v in changed.items()}

    @property
    def label(self) -> str:
        """The step's name, with what differs from its defaults behind it: ``adam(beta1=0.5)``.

        A step of one's own stands by its equations and all its values: a stored rule does not know its defaults.
        """
        named = STEPS.get(self.step.name) == self.step
        name, usual = (self.step.name, STEPS[self.step.name].defaults) if named else (str(self.step), {})
        given = {name: value for name, value in self.spec.items() if name not in ("step", "step_parameters")}
        given |= {name: value for name, value in self.step_parameters if usual.get(name) != value}
        return name + (f"({', '.join(f'{n}={value}' for n, value in given.items())})" if given else "")

    @property
    def stochastic(self) -> bool:
        """Whether a step draws random numbers."""
        return self.batch is not None or self.label_noise > 0

    @property
    def lowers_loss(self) -> bool:
        """Whether small steps lower the objective: where the step says so, and nothing is drawn."""
        return self.step.lowers_loss and not self.stochastic

    @property
    def settled(self) -> int:
        """Steps after which the learning rate is constant and passing noise is over: from there on runs converge."""
        passing = self.noise_steps if self.label_noise and self.noise_steps is not None else 0
        return max(self.schedule.steps, passing)

    @property
    def parameters(self) -> tuple[float, ...]:
        """Values of the step's parameters, in its order."""
        values = {MOMENTUM.name: self.momentum, WEIGHT_DECAY.name: self.weight_decay, **dict(self.step_parameters)}
        return tuple(float(values[symbol.name]) for symbol in self.step.parameters)

    @cached_property
    def once_settled(self) -> "UpdateRule":
        """The rule that holds from step ``settled`` on, for runs at their settled learning rate."""
        noise = self.label_noise if self.noise_steps is None else 0.0
        return replace(self, schedule=constant, label_noise=noise, noise_steps=None)

    def sharpness_limit(self, lr: float | np.ndarray) -> float | np.ndarray:
        """Largest sharpness of a linearly stable minimum, ``(2 + 2 momentum) / lr - weight_decay`` at the settled lr.

        There the linear map of a step has the eigenvalue -1, or a pair on the unit circle; for any step as well,
        infinite where it has no such sharpness, or one that hangs on the run's own state, and 0 where nothing is
        stable; below 0 where only saddles are, under a large decay. Batches and label noise are not counted.
        """
        rate = self.schedule.final * np.asarray(lr, dtype=float)
        limit = sharpness_at_edge(self.step, rate, self.parameters)
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
