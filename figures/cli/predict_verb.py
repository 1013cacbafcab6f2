"""gdbias predict: what theory says of a problem, where descent ends, and the plane of a sweep without a run."""

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import tyro
from tyro.conf import Positional

from ... import sims, theory
from ...sims.grid import learning_rates, one_value, read_grid
from ...sims.machine import cores
from ...sims.status import Phase, Status
from ...theory.errors import GdbiasError, InputError, NoClosedForm, NoInterpolator
from ..parts.choice import fewer_rows, has_one_minimum
from .data_options import Data
from .rule_options import Rule
from .spec_file import GRID

ABREAST = 4  # endpoints of large data at a time: each holds some times their memory
LARGE = 100_000  # numbers of X above which predictions say what they are at


@dataclass(frozen=True)
class Predict:
    """Print the critical learning rates and where descent ends, without any run.

    With a folder the whole plane of a sweep is predicted into it, which gdbias plot draws as it draws runs:

        gdbias predict plane.zarr --model "difference(2)" --lr 0.01:1:40:log --init-scale 0.01:0.5:25:log
    """

    plane: Annotated[Positional[str | None], tyro.conf.arg(metavar="[PLANE]")] = None
    """Folder of a Zarr store for the predicted plane, to write or to complete."""
    lr: str | None = field(default=None, metadata=GRID)
    """Learning rates at which the endpoint is predicted: START:STOP:NUM:log (or :lin), or values such as 0.01,0.1."""
    init_scale: str = field(default="0.1", metadata=GRID)
    """Initialization scale alpha; many of them, written alike, for a plane."""
    warmup: int = 0
    """Steps of descent itself after the first rise of its loss, from which endpoints are predicted: 20 to 50 halve and
    halve again the error."""
    steps: int | None = None
    """Steps after which the end is told of a rule that never rests, as SAM; otherwise of its arrival."""
    max_steps: int | None = None
    """Steps after which runs of a plane are stopped: those that need more are converging."""
    data: Annotated[Data, tyro.conf.arg(name="")] = field(default_factory=Data)
    rule: Annotated[Rule, tyro.conf.arg(name="")] = field(default_factory=Rule)

    def __call__(self) -> None:
        scales, lrs = read_grid(self.init_scale), None if self.lr is None else learning_rates(read_grid(self.lr))
        for name, given in (("warmup", self.warmup), ("steps", self.steps)):
            if given and lrs is None:
                raise InputError(f"--{name} {given} has no effect: it needs --lr")
        if self.plane is not None and self.steps is not None:
            raise InputError(f"--steps {self.steps} is of single endpoints: leave it out, or {self.plane}")
        if self.plane is None:
            if self.max_steps is not None:
                raise InputError(f"--max-steps {self.max_steps} is of a plane: name its folder, or leave it out")
            self._tell(one_value(scales if len(scales) > 1 else float(scales[0]), "init_scale"), lrs)
            return
        if self.rule != Rule():
            raise InputError(f"{self.plane} would be a plane, which plain descent alone has: leave the update rule out")
        if lrs is None:
            raise InputError(f"{self.plane} needs learning rates: use for example --lr 0.01:1:40:log")
        model, problem = self.data.settings()
        ds = sims.predicted(model, problem, lrs, scales, store=self.plane, warmup=self.warmup, max_steps=self.max_steps)
        slow = ds.phase.values == Phase.CONVERGING
        for value, count in zip(*np.unique(ds.status.values[~slow], return_counts=True), strict=True):
            print(f"{count:8d} {TOLD[Status(int(value))]}")
        if slow.any():
            print(f"{slow.sum():8d} converge in more than {self.max_steps} steps")
        print(f"written to {self.plane}", file=sys.stderr)

    def _tell(self, init_scale: float, lrs: np.ndarray | None) -> None:
        from ...theory.prediction.rule_terms import cap, own_step  # SymPy takes a third of a second

        model, problem = self.data.setting()
        pred = theory.predict(model, problem, init_scale, rule=self.rule.rule())
        said = say if problem.n * problem.d > LARGE else lambda text: None
        said(f"following gradient flow on {problem.n} x {problem.d} numbers, which may take minutes")
        ruled = "" if pred.rule == theory.gradient_descent else f", {pred.rule.label}"
        print(f"{model} on {problem}, init_scale {init_scale:g}{ruled}")
        edge, capped = "(2 + 2 momentum)" if pred.rule.momentum else "2", not pred.rule.weight_decay
        settled = edge if pred.rule.schedule.final == 1 else f"{edge} / {pred.rule.schedule.final:g}"
        try:
            edge = f"{cap(pred.rule):.6g}" if own_step(pred.rule) else edge
            settled = edge if own_step(pred.rule) else settled
            print(f"lr_critical        {pred.lr_critical:.6g}   {edge} / largest sharpness along gradient flow")
        except NoClosedForm as reason:  # weight decay and rules without an edge at a minimum: their ends alone
            if pred.rule == theory.gradient_descent:
                raise
            capped = False
            print(reason)
        squared = problem.loss == theory.squared and capped
        if squared:
            print(f"lr_critical_final  {pred.lr_critical_final:.6g}   {settled} / sharpness at its endpoint")
        rates, reason = ([] if lrs is None else lrs.tolist()), ""
        with _endpoints(pred, rates, self.warmup, self.steps) as ends:
            if squared:
                said("finding the least sharpness of any interpolator")
                reason = self._tell_limits(pred, settled)
            if rates:
                bars = "where descent ends, +- what holds 68 % of runs, and after how many steps"
                print("\n" + (f"where {pred.rule.step.name} ends" if own_step(pred.rule) else bars))
            for lr, end in zip(rates, ends, strict=True):
                told = end.result()
                print(f"lr {lr:<12.6g}{'none, as lr_max' if told == reason else told}", flush=True)

    def _tell_limits(self, pred: "theory.Prediction", settled: str) -> str:
        """Print them; returns why there is no lr_max, if there is none."""
        reason = ""
        try:
            print(f"lr_max             {pred.lr_max:.6g}   {settled} / least sharpness of any interpolator")
        except (NoClosedForm, NoInterpolator) as error:  # noise with n > d, or a custom model
            reason = _reason(error, pred)
            choice = isinstance(error, NoClosedForm) or not has_one_minimum(pred.problem)
            option = "" if choice else fewer_rows(pred.problem)
            print(f"lr_max             none: {reason}{option and f' ({option})'}")
        try:
            print(f"lr_divergence      {pred.lr_divergence:.6g}   most runs above it diverge on their way, few below")
        except NoClosedForm:  # degree 4 and above, or an update rule
            pass
        print(f"sharpness          {pred.flow.sharpness:.6g}   at the endpoint")
        print(f"l1_norm            {pred.flow.l1_norm:.6g}   at the endpoint")
        if pred.flow.test_risk is not None:
            print(f"test_risk          {pred.flow.test_risk:.6g}   at the endpoint")
        return reason


TOLD = {
    Status.CONVERGED: "converge",
    Status.DIVERGED: "diverge",
    Status.NOT_RUN: "are not predicted: their flow is too long to follow",
    Status.STEP_LIMIT: "never settle: no interpolator is stable",
}


def say(text: str) -> None:
    """What a verb is at, beside what it prints."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _endpoints(
    pred: "theory.Prediction", lrs: list[float], warmup: int, steps: int | None
) -> Iterator[list[Future[str]]]:
    """Where descent ends at each learning rate, found side by side, and beside whatever else is asked."""
    with ThreadPoolExecutor(min(cores(), ABREAST)) as pool:
        try:
            yield [pool.submit(_ended, pred, lr, warmup, steps) for lr in lrs]
        finally:
            pool.shutdown(cancel_futures=True)


def _ended(pred: "theory.Prediction", lr: float, warmup: int, steps: int | None) -> str:
    try:
        if lr >= pred.lr_divergence:
            return f"diverges, as most runs above lr_divergence do, {pred.lr_divergence:.6g}"
    except NoClosedForm:
        pass
    try:
        end = pred.endpoint(lr, warmup=warmup, steps=steps)
    except InputError:
        raise
    except GdbiasError as error:
        return _reason(error, pred).removeprefix(f"lr = {lr:g} ")
    bar = end.error

    def value(name: str) -> str:
        width = None if bar is None else getattr(bar, name)
        return f"{name} {getattr(end, name):.6g}" + ("" if width is None else f" +- {width[0]:.2g}")

    names = ("sharpness", "l1_norm", *(["test_risk"] if end.test_risk is not None else []))
    return "   ".join([*map(value, names), *_steps(pred, lr, warmup), *([end.note] if end.note else [])])


def _reason(error: GdbiasError, pred: "theory.Prediction") -> str:
    return str(error).removeprefix(f"{pred.dynamics.model.name}: ")


def _steps(pred: "theory.Prediction", lr: float, warmup: int) -> list[str]:
    try:
        note = pred.steps_note(lr, warmup=warmup)
        return [f"steps {pred.steps(lr, warmup=warmup):.0f}{note and f' ({note})'}"]
    except GdbiasError:  # a linear model
        return []
