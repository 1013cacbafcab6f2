"""The update rule as options of the command line and of a spec file."""

from dataclasses import asdict, dataclass, fields
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
    """Another step, by its name (nesterov, adam, adamw, rmsprop, rmsprop_scalar, sign_descent, normalized_descent,
    clipped_descent, polyak, sam, sam_max) or its equations: the new weight, then each state variable and its start, as
    in "weight - lr*velocity; velocity <- beta*velocity + gradient, from 0". Names are weight, gradient, lr, step (from
    0), loss, state and parameters; + - * / **, sqrt exp log sign abs min max, and total(...), a sum over weights."""
    step_parameters: str | None = None
    """Values of the other names in those equations, such as "beta=0.9, eps=1e-8"."""

    def __post_init__(self):
        if any(getattr(self, f.name) != f.default for f in fields(self)):  # --help reads the defaults, without SymPy
            self.rule()  # a spec file names itself where a value is outside its limits

    def rule(self) -> "theory.UpdateRule":
        """The rule; raises InputError."""
        from ...theory.steps import parse_parameters, parse_step  # SymPy

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
