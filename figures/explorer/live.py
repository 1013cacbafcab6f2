"""A problem made in the page: its predicted plane at once, and a sweep that fills in over it."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import numpy as np

from ... import sims, theory
from ...sims.grid import learning_rates, read_grid
from ...theory.errors import GdbiasError, InputError
from ...theory.validate import real, whole
from .bokeh_door import bk, models
from .explored import Explored, sentence
from .frame import Frame
from .looks import WRAPPED
from .page import Page

RATES, FEW_RATES = 32, 16  # learning rates that are run, and predicted
FEW_ROWS = 6  # starts that are predicted: what is at hand in a second
MOST_ROWS, MOST_SAMPLES, MOST_FEATURES = 32, 100, 400  # of a plane that takes seconds
MOST_STEPS = 1_000_000
ABOVE = 1.1  # of lr_max, where the plane ends
BELOW = 0.25  # of the smallest lr_critical, where it begins
FIELDS = {  # of the form, as they stand at first
    "model": "difference(2)", "n": "20", "d": "40", "sparsity": "5", "noise": "0", "seed": "0",
    "init_scale": "0.01:0.5:12:log", "max_steps": "20000",
}  # fmt: skip
SAID = "predicting where descent ends, then running it from {} starts at {} learning rates each"


class Live:
    """A form above a page; what is typed is read as numbers, and the model by the whitelist of expressions."""

    def __init__(self, document: Any, fields: Mapping[str, str] = FIELDS):
        self.document, self.frame, self.page = document, Frame(document, "gdbias explore"), None
        self.folder, self.turn = TemporaryDirectory(prefix="gdbias-explore-"), 0
        document.on_session_destroyed(lambda context: self.folder.cleanup())
        width = {"model": 210, "init_scale": 150}
        self.fields = {
            name: models.TextInput(title=name, value=value, name=name, width=width.get(name, 70))
            for name, value in fields.items()
        }
        self.go = models.Button(label="predict and run", name="go", width=130)
        self.go.on_click(self.begin)
        self.frame.put("form", bk.layouts.row(*self.fields.values(), self.go, styles=WRAPPED))
        self.begin()
        self.frame.show()

    def begin(self) -> None:
        """Take up what the form asks for, or say what is wrong with it."""
        try:
            model, problem, scales, max_steps = self._asked()
        except GdbiasError as error:
            self.frame.say(str(error))
            return
        self.turn += 1
        self.go.disabled = True
        self.frame.say(SAID.format(len(scales), RATES))
        folder = Path(self.folder.name) / str(self.turn)
        Thread(target=self._work, args=(model, problem, scales, max_steps, folder), daemon=True).start()

    def _asked(self) -> "tuple[theory.Parameterization, theory.Problem, np.ndarray, int]":
        value = {name: field.value for name, field in self.fields.items()}
        n, d = _whole("n", value["n"], 1, MOST_SAMPLES), _whole("d", value["d"], 1, MOST_FEATURES)
        scales = learning_rates(read_grid(value["init_scale"]), "init_scale")
        if len(scales) > MOST_ROWS:
            raise InputError(f"init_scale has {len(scales)} values: use {MOST_ROWS} at most, or gdbias sweep")
        model = theory.parse(value["model"])
        problem = theory.sparse_regression(
            n, d, _whole("sparsity", value["sparsity"], 0, d), _number("noise", value["noise"]),
            seed=_whole("seed", value["seed"], 0),
        )  # fmt: skip
        return model, problem, np.sort(scales), _whole("max_steps", value["max_steps"], 1, MOST_STEPS)

    def _work(self, model: Any, problem: Any, scales: np.ndarray, max_steps: int, folder: Path) -> None:
        """In a thread: predict, then run; each is shown as soon as its store is there."""
        plane, runs = folder / "predicted.zarr", folder / "runs.zarr"
        try:
            some = scales[np.unique(np.linspace(0, len(scales) - 1, FEW_ROWS).astype(int))]
            low, high = _range(theory.predict(model, problem, some[[0, len(some) // 2, -1]]))
            lrs, few, told = np.geomspace(low, high, RATES), np.geomspace(low, high, FEW_RATES), None
            try:
                self._watched(partial(sims.predicted, model, problem, few, some, store=plane, keep=()), plane, None)
                told = str(plane)
            except GdbiasError as error:
                self._later(self.frame.say, f"no predicted plane: {error}")
            asked = dict(max_steps=max_steps, store=runs, chunk_runs=len(lrs))
            self._watched(partial(sims.sweep, model, problem, lrs, scales, **asked), runs, told)
            self._later(self.frame.say, "")
        except (GdbiasError, OSError) as error:
            self._later(self.frame.say, sentence(error))
        finally:
            self._later(self._ready)

    def _watched(self, work: Callable[[], Any], store: Path, told: str | None) -> None:
        """Do the work in a thread and show its store once it can be opened; raises what the work raises."""
        failed: list[BaseException] = []

        def done() -> None:
            try:
                work()
            except GdbiasError as error:
                failed.append(error)

        thread, shown = Thread(target=done, daemon=True), False
        thread.start()
        while thread.is_alive() or not (shown or failed):
            time.sleep(0.1)
            if not shown:
                try:
                    explored = Explored.open(str(store)).beside(told)
                except GdbiasError:  # not there yet
                    continue
                self._later(self._show, explored)
                shown = True
        if failed:
            raise failed[0]

    def _show(self, explored: Explored) -> None:
        if self.page is not None:
            self.page.leave()
        self.page = Page(self.document, self.frame, explored)

    def _ready(self) -> None:
        self.go.disabled = False

    def _later(self, use: Callable, *values: Any) -> None:
        self.document.add_next_tick_callback(partial(use, *values))


def _range(pred: "theory.Prediction") -> tuple[float, float]:
    """From below the smallest critical learning rate to just above ``lr_max``, or where there is none to far above."""
    critical = np.atleast_1d(pred.lr_critical)
    try:
        top = ABOVE * pred.lr_max
    except GdbiasError:  # a model or data without a frontier
        top = 4 * critical.max()
    return BELOW * float(critical.min()), float(top)


def _whole(name: str, text: str, low: int, high: int | None = None) -> int:
    return whole(name, _read(name, text, int), low, high)


def _number(name: str, text: str) -> float:
    return real(name, _read(name, text, float), low=0)


def _read(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"{name} = {text!r} is no number: type for example {FIELDS[name]}") from None
