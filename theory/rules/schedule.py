"""Learning-rate schedules: how the learning rate goes from its first value to the one it settles at."""

import ast
from dataclasses import dataclass

import numpy as np
import sympy as sp

from ..errors import InputError
from ..validate import real, shown, whole

FIRST, LAST, PROGRESS = sp.symbols("first last progress", real=True)  # learning rates, and the share of the steps
SHAPES = {
    "constant": LAST,
    "ramp": FIRST * sp.exp(PROGRESS * sp.log(LAST / FIRST)),
    "cosine": LAST + (FIRST - LAST) * (1 + sp.cos(sp.pi * PROGRESS)) / 2,
}
HELP = "use constant, ramp(STEPS, start=SHARE), ramp(STEPS, start_lr=LR) or cosine(STEPS, final=SHARE)"


@dataclass(frozen=True, repr=False)
class Schedule:
    """The learning rate of step t: ``shape(first, last, t / steps)`` for ``t < steps``, then ``last`` for good.

    Attributes:
        shape: constant, ramp (geometric) or cosine.
        steps: steps until it has settled.
        start, final: first and last learning rate, as shares of the run's lr.
        start_lr: the first learning rate itself, in place of ``start``.

    Raises:
        InputError: an unknown shape, or a value outside its limits.
    """

    shape: str = "constant"
    steps: int = 0
    start: float = 1.0
    final: float = 1.0
    start_lr: float | None = None

    def __post_init__(self):
        if not isinstance(self.shape, str) or self.shape not in SHAPES:
            raise InputError(f"unknown schedule {shown(self.shape)}: {HELP}")
        low = 0 if self.shape == "constant" else 1
        object.__setattr__(self, "steps", whole(f"steps of {self.shape}", self.steps, low, 10**18))
        for name in ("start", "final", "start_lr"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, real(f"{name} of {self.shape}", value, above=0, hint=HELP))
        for name in ("start", "final"):
            value = real(f"{name} of {self.shape}", getattr(self, name), hint=HELP)
            if value > 1:
                raise InputError(f"{name} = {value:g} of {self.shape} is a share of the run's lr: use at most 1")
        fixed = {"ramp": ("final",), "cosine": ("start", "start_lr")}
        for name in fixed.get(self.shape, ("steps", "start", "final", "start_lr")):
            if getattr(self, name) != getattr(Schedule, name):
                raise InputError(f"{self.shape} has no {name}, got {getattr(self, name)}: {HELP}")
        if self.start != 1 and self.start_lr is not None:
            raise InputError(
                f"start = {self.start:g} and start_lr = {self.start_lr:g} of {self.shape}: give one of them"
            )

    def __repr__(self) -> str:
        if self.shape == "constant":
            return "constant"
        given = [str(self.steps)]
        given += [f"start={self.start!r}"] if self.start != 1 else []
        given += [f"final={self.final!r}"] if self.shape == "cosine" else []
        given += [f"start_lr={self.start_lr!r}"] if self.start_lr is not None else []
        return f"{self.shape}({', '.join(given)})"

    def ends(self, lr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and settled learning rates of runs at ``lr``."""
        first = np.full_like(lr, self.start_lr) if self.start_lr is not None else self.start * lr
        return first, self.final * lr

    def at(self, lr: float, step: np.ndarray) -> np.ndarray:
        """Learning rates of a run at ``lr`` at the given steps."""
        first, last = (float(end) for end in self.ends(np.array(lr)))
        if self.shape == "constant":
            return np.full(np.shape(step), last)
        rates = sp.lambdify((FIRST, LAST, PROGRESS), SHAPES[self.shape], np)(first, last, step / self.steps)
        return np.where(np.asarray(step) < self.steps, rates, last)

    def elapsed(self, lr: float, step: np.ndarray) -> np.ndarray:
        """The sum of the learning rates before each of the given steps: the time of gradient flow."""
        if self.shape == "constant":
            return step * lr
        moving = np.minimum(step, self.steps)
        sums = np.concatenate([[0.0], np.cumsum(self.at(lr, np.arange(int(moving.max(initial=0)))))])
        return sums[moving] + (step - moving) * self.final * lr


constant = Schedule()


def ramp(steps: int, start: float = 1.0, start_lr: float | None = None) -> Schedule:
    """Geometric in the step, from ``start`` times lr (or from ``start_lr``) to lr, then held; raises InputError."""
    return Schedule("ramp", steps, start=start, start_lr=start_lr)


def cosine(steps: int, final: float = 0.1) -> Schedule:
    """Half a cosine from lr down to ``final`` times lr, then held; raises InputError."""
    return Schedule("cosine", steps, final=final)


def parse_schedule(text: str) -> Schedule:
    """A schedule from its own text, such as ``"ramp(1000, start=0.5)"``; raises InputError."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Name) and node.id == "constant":
            return constant
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("ramp", "cosine"):
            make = {"ramp": ramp, "cosine": cosine}[node.func.id]
            named = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
            return make(*map(ast.literal_eval, node.args), **named)  # type: ignore[arg-type]  # ** has the name None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
    raise InputError(f"cannot read schedule {shown(text)}: {HELP}")
