"""The verb ``gdbias plot``: a figure of a stored result."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from ...theory.errors import GdbiasError, InputError
from .effect import require_effect

if TYPE_CHECKING:
    import xarray as xr

    from ...theory.prediction.prediction import Prediction


FIGURES = ("phase_diagram", "norm_sharpness", "frontier", "regimes", "trajectory", "contrast", "bifurcation")
USERS = {  # the figures that each option has an effect on
    "init_scale": ("norm_sharpness", "frontier", "regimes", "contrast", "bifurcation"),
    "deep": ("contrast",),
    "by": ("phase_diagram",),
    "predict": ("phase_diagram", "norm_sharpness", "contrast"),
    "endpoints": ("norm_sharpness", "regimes"),
    "runs": ("regimes",),
}


@dataclass(frozen=True)
class Plot:
    """Draw a stored sweep with the critical learning rates predicted for it, or a stored run's trajectory."""

    figure: tyro.conf.Positional[str]
    """phase_diagram, norm_sharpness, frontier, regimes, trajectory, contrast or bifurcation."""
    store: tyro.conf.Positional[str]
    """Folder or URL that a sweep wrote, or a run with --store."""
    out: Path | None = None
    """Picture to write (.png, .pdf or .svg); FIGURE.png unless given."""
    init_scale: float | None = None
    """Row that norm_sharpness, frontier, regimes, contrast and bifurcation draw."""
    model: str | None = None
    """Model to draw, of a sweep over several."""
    n: int | None = None
    """Samples of the problem to draw, of a sweep over several n."""
    seed: int | None = None
    """Seed of the problem to draw, of a sweep over several."""
    deep: str | None = None
    """Folder that gdbias deep wrote, for contrast."""
    by: Literal["sharpness", "phase"] = "sharpness"
    """Colours of phase_diagram."""
    predict: bool = True
    """Draw the predictions."""
    endpoints: int = 0
    """Learning rates at which norm_sharpness and regimes predict what descent ends at; 12 make a curve."""
    runs: bool = False
    """Let regimes make three short runs and draw them, instead of the test risk."""

    def __call__(self) -> None:
        from ...sims.store.group import open_result
        from .. import bifurcation, contrast, frontier, norm_sharpness, phase_diagram, regimes, save, trajectory
        from ..look import check_picture
        from ..parts.results import grid, require_plain, require_prediction, stored_prediction

        if self.figure not in FIGURES:
            raise InputError(f"unknown figure {self.figure!r}: use {', '.join(FIGURES[:-1])} or {FIGURES[-1]}")
        require_effect(self, USERS, self.figure)
        if self.figure == "contrast" and self.deep is None:
            raise InputError("contrast draws a diagonal sweep beside a deep one: name the other with --deep STORE")
        out = check_picture(self.out or f"{self.figure}.png")
        ds = self._selected(open_result(self.store))
        if self.figure == "trajectory":
            drawn = trajectory(ds)
        elif self.figure == "phase_diagram":
            drawn = phase_diagram(ds, self._prediction(ds), self.by)
        elif self.figure == "bifurcation":
            drawn = bifurcation(ds, init_scale=self.init_scale)
        elif self.deep is not None and self.figure == "contrast":
            require_plain(ds)
            drawn = contrast(ds, open_result(self.deep), self._one(ds), self.init_scale)
        elif self.figure in ("frontier", "regimes"):
            grid(ds, "init_scale", "lr")  # says how to select one of several models or problems
            pred = require_prediction(stored_prediction(ds), self.figure)
            if self.figure == "frontier":
                drawn = frontier(pred, ds, self.init_scale)
            else:
                drawn = regimes(ds, pred, self.init_scale, self.endpoints, self._runs(ds, pred))
        else:
            rest = {"endpoints": self.endpoints} if self.endpoints else {}
            drawn = norm_sharpness(ds, self._one(ds), self.init_scale, **rest)
        if note := " ".join(drawn.get_supxlabel().split()):  # what theory does not give
            print(f"gdbias: {note}", file=sys.stderr)
        print(f"written to {save(drawn, out)}", file=sys.stderr)

    def _selected(self, ds: "xr.Dataset") -> "xr.Dataset":
        """The result of the asked model, n and seed alone."""
        import numpy as np

        from ..parts.results import spec_of

        spec = spec_of(ds)
        for option, dim, asked in (("model", "model", self.model), ("n", "seed", self.n), ("seed", "seed", self.seed)):
            if asked is None:
                continue
            alone = spec.get("model", []) if option == "model" else [p.get(option) for p in spec.get("problem", [])]
            known = np.ravel(ds[option].values).tolist() if option in ds.coords else alone
            if asked not in known:
                have = ", ".join(map(str, dict.fromkeys(known)))
                raise InputError(f"--{option} {asked} is not in the result: use {have}")
            if dim in ds.dims:
                ds = ds.isel({dim: [i for i, value in enumerate(known) if value == asked]})
        return ds

    def _runs(self, ds: "xr.Dataset", pred: "Prediction") -> "list[xr.Dataset]":
        from ..overview import regime_runs
        from ..parts.row import choose_row

        return regime_runs(pred, float(choose_row(ds, pred, self.init_scale)[0]["init_scale"])) if self.runs else []

    def _one(self, ds: "xr.Dataset") -> "Prediction | None":
        pred = self._prediction(ds)
        return None if isinstance(pred, list) else pred  # the figure refuses several models or problems by itself

    def _prediction(self, ds: "xr.Dataset") -> "Prediction | list[Prediction] | None":
        from ..parts.results import stored_prediction

        if not self.predict:
            return None
        try:
            return stored_prediction(ds)
        except GdbiasError as error:
            print(f"gdbias: no prediction: {error}", file=sys.stderr)
            return None
