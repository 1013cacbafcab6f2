"""The update rule as options of the command line and of a spec file."""

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any

import tyro

from ... import theory
from ...theory.errors import InputError
from .effect import flag


@dataclass(frozen=True)
class Rule:
    """How descent moves; plain gradient descent unless given."""

    momentum: float = 0.0
    """Heavy-ball momentum, from 0 to below 1."""
    weight_decay: float = 0.0
    """Coefficient of |theta|^2 / 2 in the objective."""
    batch: int | None = None
    """Samples of one step, all unless given."""
    label_noise: float = 0.0
    """Standard deviation of the noise that every step adds to the targets."""
    noise_steps: int | None = None
    """Steps with label noise, all unless given."""
    schedule: str = "constant"
    """Learning rate over the steps: constant, ramp(STEPS, start=SHARE), ramp(STEPS, start_lr=LR) or
    cosine(STEPS, final=SHARE)."""
    noise_seed: int = 0
    """Seed of batches and label noise."""
    step: Annotated[str | None, tyro.conf.arg(aliases=["--rule"])] = None
    """Another step, by its name: nesterov, heavy_ball (--momentum), adam (beta1=0.9, beta2=0.999, eps=1e-08), adamw
    (beta1=0.9, beta2=0.999, eps=1e-08, decay=0.0001), rmsprop or rmsprop_scalar (beta2=0.99, eps=1e-08), sign_descent,
    normalized_descent (eps=1e-08), clipped_descent (max_norm=1.0), polyak (eps=1e-30), sam or sam_max (rho=0.05); or by
    its equations: the new weight, then each state variable and its start, as in "weight - lr*velocity; velocity <-
    beta*velocity + gradient, from 0". Names are weight, gradient, lr, step (from 0), loss, state and parameters; + - *
    / **, sqrt exp log sign abs min max, and total(...), a sum over weights. A sweep takes several names, such as
    "adam,rmsprop"."""
    step_parameters: str | None = None
    """Values of the other names in those equations, such as "beta=0.9, eps=1e-8", or other values of those in
    parentheses."""

    def __post_init__(self):
        if any(getattr(self, f.name) != f.default for f in fields(self)):  # --help reads the defaults, without SymPy
            self.rules()  # a spec file names itself where a value is outside its limits

    def rule(self) -> "theory.UpdateRule":
        """The rule; raises InputError, for several too."""
        rules = self.rules()
        if isinstance(rules, list):
            raise InputError(f"--rule {self.step} are several: only gdbias sweep takes them, give one")
        return rules

    def rules(self) -> "theory.UpdateRule | list[theory.UpdateRule]":
        """The rule, or a list where several names are given, each with those of the options that its step reads."""
        from ...theory.rules.steps import STEPS, parse_parameters  # SymPy
        from ...theory.validate import meant  # NumPy

        names = [] if self.step is None else [name.strip() for name in self.step.split(",")]
        if len(names) < 2 or not re.fullmatch(r"[\w\s,-]*", self.step or ""):  # equations have more than words
            return self._one()
        for name in names:
            if name not in STEPS:
                raise InputError(f"unknown rule {name!r}: {meant(name, STEPS)}use some of {', '.join(STEPS)}")
        reads = {name: {parameter.name for parameter in STEPS[name].parameters} for name in names}
        given = parse_parameters(self.step_parameters or "")
        asked = {*given, *(name for name in ("momentum", "weight_decay") if getattr(self, name))}
        if unread := sorted(asked - set().union(*reads.values())):
            raise InputError(f"none of the rules {self.step} reads {unread[0]}: leave it out")
        return [
            replace(
                self,
                step=name,
                step_parameters=",".join(f"{one}={value}" for one, value in given.items() if one in reads[name])
                or None,
                momentum=self.momentum if "momentum" in reads[name] else 0.0,
                weight_decay=self.weight_decay if "weight_decay" in reads[name] else 0.0,
            )._one()
            for name in names
        ]

    def _one(self) -> "theory.UpdateRule":
        from ...theory.rules.steps import parse_parameters, parse_step  # SymPy

        values = asdict(self)
        if self.step_parameters is not None and self.step is None:
            raise InputError(f"{flag('step_parameters', self.step_parameters)} has no effect: it needs --step")
        own: dict[str, Any] = dict(
            step=None if self.step is None else parse_step(self.step),
            step_parameters=parse_parameters(self.step_parameters or ""),
        )
        rule = theory.UpdateRule(**values | own)
        for name, needed in (("noise_steps", ("label_noise",)), ("noise_seed", ("label_noise", "batch"))):
            if values[name] and not any(values[user] for user in needed):
                users = " or ".join(f"--{user.replace('_', '-')}" for user in needed)
                raise InputError(f"{flag(name, values[name])} has no effect on descent without noise: it needs {users}")
        return rule
