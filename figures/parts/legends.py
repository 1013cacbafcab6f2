"""Legends outside their panels: in as many columns as fit, and without a width of their own in the layout."""

from collections.abc import Iterable
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox, ScaledTranslation, blended_transform_factory

MOST = 4  # columns
LEFT = 0.3  # inches, how far a legend begins left of its panel, above the labels of its y axis
MARGIN = 0.5  # inches of a column's width that are not for legends
RISE = 0.05  # inches above the panel, the upper half of a label at the top of its y axis
EDGE = 0.1  # inches of an edge of the figure that are not


class Above(Legend):
    """A legend above its panel: the layout makes room for its height, and moves nothing aside for its width."""

    def get_tightbbox(self, renderer=None) -> Bbox:
        box, panel = self.get_window_extent(renderer), self.axes.bbox
        return Bbox.from_extents(box.x0, box.y0, min(box.x1, max(panel.x1, box.x0 + 1)), box.y1)


def legend_above(
    axes: Axes, more: Iterable[Artist] = (), span: int = 1, title: str | None = None, flush: bool = False
) -> None:
    """The legend of a panel, with ``more`` entries, above it and the ``span`` - 1 panels to its right.

    That of a first column makes the figure higher by its own height. If ``flush`` it begins at the edge of the figure,
    for panels whose rows have names of any length.
    """
    named = {label: one for one, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    entries = [(one, label) for label, one in (named | {str(one.get_label()): one for one in more}).items()]
    figure, place = axes.get_figure(root=True), axes.get_subplotspec()
    if not entries or figure is None or place is None:
        return
    room = figure.get_figwidth() * span / place.get_gridspec().ncols - (2 * EDGE if flush else MARGIN)
    left = figure.transFigure if flush else axes.transAxes
    corner = blended_transform_factory(left, axes.transAxes)
    corner += ScaledTranslation(EDGE if flush else -LEFT, RISE, figure.dpi_scale_trans)
    above: dict[str, Any] = dict(loc="lower left", bbox_to_anchor=(0, 1), bbox_transform=corner, title=title)
    for count in range(min(MOST, len(entries)), 0, -1):
        axes.legend_ = Above(axes, *zip(*entries, strict=True), ncols=count, **above)
        box = axes.legend_.get_window_extent()
        if box.width <= room * figure.dpi or count == 1:
            grow(figure, box.height / figure.dpi + RISE if place.colspan.start == 0 else 0)
            return


def grow(figure: Figure, inches: float) -> None:
    """Make a figure higher, so that what stands between its panels takes nothing from them."""
    figure.set_figheight(figure.get_figheight() + inches)
