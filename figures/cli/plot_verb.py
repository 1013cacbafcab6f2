"""The verb ``gdbias plot``: a figure of a stored result."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro

from ... import figures, sims, theory
from ...theory.errors import GdbiasError, InputError
from ...theory.validate import meant
from .effect import require_effect

if TYPE_CHECKING:
    import xarray as xr


OPTIONS = {name: options for name, (_, options) in figures.FIGURES.items()}
USERS = {  # the figures that each option has an effect on
    option: tuple(name for name, options in OPTIONS.items() if option in options)
    for option in sorted({option for options in OPTIONS.values() for option in options})
}
RESULT = ("ds", "run", "diagonal")  # what figures call the result that they draw


def _listed(names: tuple[str, ...], last: str) -> str:
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _drawn_by(option: str, told: str) -> Any:
    """The help of an option, with the figures that it changes in the place of ``{}``."""
    return tyro.conf.arg(help=told.format(_listed(USERS[option], "and")))


@dataclass(frozen=True)
class Plot:
    """Draw a stored result, with what theory predicts for it.

    KIND says what is shown:

        phase_diagram    how every run of a sweep ended, over learning rates and starts (or models, n, or rules)
        norm_sharpness   final sharpness, norms and test risk over the learning rate, of one start; also of gdbias deep
        frontier         the least norm at each sharpness, and where the runs of one start end in that plane
        regimes          the three above on one page; with --runs the loss along three runs as well
        trajectory       loss, sharpness and norms along one run, which gdbias run --store keeps
        contrast         a sweep beside one of a deep network: --deep STORE, which gdbias deep wrote
        spectrum         the largest eigenvalues of a deep network, measured by gdbias deep --top 5
        rules            several update rules: sharpness, norm and test risk, each in units of the rule's own edge
        bifurcation      the points that runs end on, and whether nearby runs part: of a sweep with --window 2000
        minimisers       one sample: which fits have the least norm, sharpness and error, and where runs end

    Of several starts --init-scale chooses one. A remark below the figure says what theory does not give, and why.
    """

    figure: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(metavar="KIND", help="The figure to draw, one of those above.")
    ]
    store: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STORE")]
    """Folder or URL that a sweep wrote, or a run with --store."""
    title: bool = True
    """Say above the figure what it is of; --no-title for one with a caption."""
    out: Path | None = None
    """Picture to write (.png, .pdf or .svg); FIGURE.png unless given."""
    init_scale: Annotated[float | None, _drawn_by("init_scale", "Row that is drawn by {}.")] = None
    model: str | None = None
    """Model to draw, of a sweep over several."""
    n: int | None = None
    """Samples of the problem to draw, of a sweep over several n."""
    seed: int | None = None
    """Seed of the problem to draw, of a sweep over several."""
    rule: str | None = None
    """Update rule to draw, of a sweep over several."""
    deep: Annotated[str | None, _drawn_by("deep", "Folder that gdbias deep wrote, for {}.")] = None
    predicted: Annotated[
        str | None,
        _drawn_by(
            "predicted", "Folder that gdbias predict, or gdbias deep --predict, wrote for the same runs, drawn by {}."
        ),
    ] = None
    panels: Annotated[
        str | None,
        _drawn_by(
            "panels",
            "Panels of {}: some of sharpness,norms,test_risk, and of a run loss,sharpness_effective; all unless given.",
        ),
    ] = None
    by: Annotated[Literal["sharpness", "phase"], _drawn_by("by", "Colours of {}.")] = "sharpness"
    predict: Annotated[bool, _drawn_by("predict", "Draw the predictions, in {}.")] = True
    endpoints: Annotated[
        int, _drawn_by("endpoints", "Learning rates at which to predict what descent ends at, in {}; 0 for none.")
    ] = 48
    iterates: Annotated[int, _drawn_by("iterates", "Points of each orbit, in {}; 1 for the last weights alone.")] = 64
    runs: Annotated[bool, _drawn_by("runs", "Make three short runs and draw them instead of the test risk, in {}.")] = (
        False
    )

    def __call__(self) -> None:
        if self.figure not in OPTIONS:
            guess = meant(self.figure, OPTIONS)
            raise InputError(f"unknown figure {self.figure!r}: {guess}use {_listed(tuple(OPTIONS), 'or')}")
        require_effect(self, USERS, self.figure)
        # What draws is slow to import: not for --help, and not for what was typed wrongly.
        from ..look import check_picture

        out = check_picture(self.out or f"{self.figure}.png")
        draw, notes = getattr(figures, self.figure), []
        given = self._arguments(draw, self._selected(sims.store.open_result(self.store)), notes)
        drawn = draw(**given)
        if not self.title:
            drawn.suptitle("")
        for note in (*notes, *drawn.remarks):  # what theory does not give
            print(f"gdbias: {note}", file=sys.stderr)
        replaced = " (replaced)" * out.exists()
        print(f"written to {figures.save(drawn, out)}{replaced}{self._chosen(given)}", file=sys.stderr)

    def _arguments(self, draw: Callable, ds: "xr.Dataset", notes: list[str]) -> dict[str, Any]:
        """What the figure is called with: the result, its prediction, and the options that it has, by its own names."""
        names = list(signature(draw).parameters)
        given: dict[str, Any] = {name: getattr(self, name) for name in OPTIONS[self.figure] if name in names}
        given |= {name: ds for name in names if name in RESULT}
        if self.panels is not None:
            given["panels"] = [name.strip() for name in self.panels.split(",")]
        if "deep" in given:
            given["deep"] = self._beside()
        if self.predicted is not None:
            given["predicted"] = self._selected(sims.store.open_result(self.predicted))
        if "pred" in names:
            given["pred"] = self._prediction(ds, notes)
        if "runs" in given:
            given["runs"] = self._runs(ds, given["pred"])
        return given

    def _chosen(self, given: dict[str, Any]) -> str:
        """The row that the figure took by itself, of several."""
        from ..parts.row import choose_row, scales_told  # xarray

        [ds] = [given[name] for name in RESULT if name in given]
        if "init_scale" not in given or self.init_scale is not None or ds.sizes.get("init_scale", 1) == 1:
            return ""
        row, _ = choose_row(ds, None, None)
        return f", init_scale {row['init_scale'].item():.4g} of {scales_told(ds)}: choose with --init-scale"

    def _selected(self, ds: "xr.Dataset") -> "xr.Dataset":
        """The result of the asked model, n, seed and rule alone."""
        from ..parts.results import spec_of  # xarray

        spec = spec_of(ds)
        for option, dim in (("model", "model"), ("n", "seed"), ("seed", "seed"), ("rule", "rule")):
            asked = getattr(self, option)
            if asked is None:
                continue
            if option in ds.coords:
                known = np.ravel(ds[option].values).tolist()
            elif option == "rule":
                known = [rule.label for rule in sims.rebuild_rules(ds)]
            else:
                known = spec.get("model", []) if option == "model" else [p.get(option) for p in spec.get("problem", [])]
            if asked not in known:
                have = ", ".join(map(str, dict.fromkeys(known)))
                raise InputError(f"--{option} {asked} is not in the result: use {have}")
            if dim in ds.dims:
                ds = ds.isel({dim: [i for i, value in enumerate(known) if value == asked]})
        return ds

    def _beside(self) -> "xr.Dataset":
        if self.deep is None:
            raise InputError(f"{self.figure} draws a second result beside the first: name it with --deep STORE")
        return sims.store.open_result(self.deep)

    def _runs(self, ds: "xr.Dataset", pred: Any) -> "list[xr.Dataset]":
        from ..overview import regime_runs  # matplotlib
        from ..parts.results import grid, require_prediction
        from ..parts.row import choose_row

        if not self.runs:
            return []
        row, _ = choose_row(grid(ds, "init_scale", "lr"), pred, self.init_scale)
        return regime_runs(require_prediction(pred, self.figure), float(row["init_scale"]))

    def _prediction(self, ds: "xr.Dataset", notes: list[str]) -> "theory.Prediction | list[theory.Prediction] | None":
        from ..parts.results import stored_prediction  # xarray

        if not self.predict:
            return None
        try:
            return stored_prediction(ds, ruled=self.figure == "norm_sharpness")
        except GdbiasError as error:
            if "predict" not in OPTIONS[self.figure]:  # there is no figure without it
                raise
            notes.append(f"no prediction: {error}")
            return None
