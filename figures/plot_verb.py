"""The verb ``gdbias plot``: a figure of a stored result."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from ..theory.errors import GdbiasError, InputError

if TYPE_CHECKING:
    import xarray as xr

    from ..theory.predict import Prediction


@dataclass(frozen=True)
class Plot:
    """Draw a stored sweep with the critical learning rates predicted for it, or a stored run's trajectory."""

    figure: tyro.conf.Positional[str]
    """phase_diagram, norm_sharpness, frontier, trajectory, contrast or bifurcation."""
    store: tyro.conf.Positional[Path]
    """Folder that a sweep wrote, or a run with --store."""
    out: Path | None = None
    """Picture to write (.png, .pdf or .svg); FIGURE.png unless given."""
    init_scale: float | None = None
    """Row that norm_sharpness, frontier and contrast draw."""
    deep: Path | None = None
    """Folder that gdbias deep wrote, for contrast."""
    by: Literal["sharpness", "phase"] = "sharpness"
    """Colours of phase_diagram."""
    predict: bool = True
    """Draw the predictions."""
    endpoints: int = 0
    """Learning rates at which norm_sharpness predicts what descent ends at; 12 make a curve."""

    def __call__(self) -> None:
        from ..sims.store import open_result
        from . import bifurcation, contrast, frontier, norm_sharpness, phase_diagram, save, trajectory
        from .results import stored_prediction
        from .style import check_picture

        *known, last = "phase_diagram", "norm_sharpness", "frontier", "trajectory", "contrast", "bifurcation"
        if self.figure not in (*known, last):
            raise InputError(f"unknown figure {self.figure!r}: use {', '.join(known)} or {last}")
        if self.figure == "contrast" and self.deep is None:
            raise InputError("contrast draws a diagonal sweep beside a deep one: name the other with --deep STORE")
        out = check_picture(self.out or f"{self.figure}.png")
        ds = open_result(self.store)
        if self.figure == "trajectory":
            drawn = trajectory(ds)
        elif self.figure == "phase_diagram":
            drawn = phase_diagram(ds, self._prediction(ds), self.by)
        elif self.figure == "bifurcation":
            drawn = bifurcation(ds)
        elif self.deep is not None and self.figure == "contrast":
            drawn = contrast(ds, open_result(self.deep), self._prediction(ds), self.init_scale)
        elif self.figure == "frontier":
            pred = stored_prediction(ds)
            if pred is None:
                raise InputError("frontier needs a result of one diagonal network on one problem: select it in Python")
            drawn = frontier(pred, ds, self.init_scale)
        else:
            rest = {"endpoints": self.endpoints} if self.endpoints else {}
            drawn = norm_sharpness(ds, self._prediction(ds), self.init_scale, **rest)
        if note := " ".join(drawn.get_supxlabel().split()):  # what theory does not give
            print(f"gdbias: {note}", file=sys.stderr)
        print(f"written to {save(drawn, out)}", file=sys.stderr)

    def _prediction(self, ds: "xr.Dataset") -> "Prediction | None":
        from .results import stored_prediction

        if not self.predict:
            return None
        try:
            return stored_prediction(ds)
        except GdbiasError as error:
            print(f"gdbias: no prediction: {error}", file=sys.stderr)
            return None
