"""The plane of the two biases: norm over sharpness of the runs that converged, linked to the cells of the diagram."""

import numpy as np

from ...sims.status import Status
from ..parts.axes import Plane
from ..parts.statuses import codes
from .bokeh_door import bk, models
from .looks import dressed
from .runs import NORMS

MOST = 1500  # points
HIGH = 300  # pixels


class NormPlane:
    """A point for each converged run, or each of a row; the same points, chosen with a box, light up in the diagram.

    The curve is the least norm of an interpolator at each sharpness, where theory has it.
    """

    def __init__(self, diagram):
        self.points = models.ColumnDataSource(
            dict(lr=[], row=[], sharpness=[], norm=[], i=[], j=[], shade=[]), name="points"
        )
        self.figure = dressed(bk.plotting.figure(
            name="norm plane", height=HIGH, sizing_mode="stretch_width", tools="tap,box_select,pan,wheel_zoom,reset",
            x_axis_label="sharpness S", title="dark: small lr",
        ))  # fmt: skip
        self.frontier = models.ColumnDataSource(dict(sharpness=[], norm=[]), name="frontier")
        self.figure.line("sharpness", "norm", source=self.frontier, line_color="black", line_width=1.5)
        self.shade = models.LinearColorMapper(palette="Viridis256", low=0, high=1)
        self.figure.scatter(
            "sharpness", "norm", source=self.points, size=6, line_color=None, fill_alpha=0.8,
            nonselection_fill_alpha=0.15, fill_color=dict(field="shade", transform=self.shade),
        )  # fmt: skip
        ring = dict(size=7, fill_color=None, line_color="white", line_width=1.5)
        lit = diagram.scatter("lr", "row", source=self.points, **ring)
        lit.glyph.line_alpha, lit.nonselection_glyph.line_alpha = 0.0, 0.0
        lit.selection_glyph = models.Scatter(**ring)

    def draw_frontier(self, curve: tuple[np.ndarray, np.ndarray] | None) -> None:
        """The curve, sharpness and least norm, where there is one."""
        if curve is not None:
            self.figure.title.text = "dark: small lr; curve: the least norm"
            self.frontier.data = dict(zip(("sharpness", "norm"), curve, strict=True))

    def show(self, found: Plane, row: int | None) -> None:
        """The points of a plane, of one row or of all."""
        ds, status = found.ds, codes(found.ds)
        name = next((name for name in NORMS if name in ds), None)
        if name is None or "sharpness" not in ds:
            return
        rows, columns = np.nonzero(status == Status.CONVERGED)
        chosen = np.arange(len(rows)) if row is None else np.flatnonzero(rows == row)
        if len(chosen) > MOST:
            chosen = chosen[np.linspace(0, len(chosen) - 1, MOST).astype(int)]
        i, j = rows[chosen], columns[chosen]
        lr = ds["lr"].values[j]
        self.figure.yaxis.axis_label = NORMS[name]
        self.shade.update(low=float(np.log(lr.min())), high=float(np.log(lr.max()) + 1e-9)) if len(lr) else None
        self.points.selected.indices = []
        self.points.data = dict(
            lr=lr, row=found.at[i], sharpness=ds["sharpness"].values[i, j], norm=ds[name].values[i, j], i=i, j=j,
            shade=np.log(lr),
        )  # fmt: skip
