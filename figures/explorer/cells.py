"""Cells to pixels: which cell lies under each pixel of a picture, on linear and logarithmic axes."""

from typing import NamedTuple

import numpy as np

EVEN = 1e-6  # relative difference of widths that are alike


class Pixels(NamedTuple):
    """The cell under each pixel along one axis, (pixel,), from ``low`` to ``high``; ``whole`` if none is left out."""

    cells: np.ndarray
    low: float
    high: float
    whole: bool


def pixels(edges: np.ndarray, low: float, high: float, logarithmic: bool, most: int) -> Pixels:
    """At most ``most`` pixels, evenly spaced on the axis, of the cells between rising ``edges`` that are seen.

    Where cells are even on the axis and no more than that, each is one pixel. Elsewhere a pixel shows the cell under
    its middle: a million cells cost what a picture costs.
    """
    count = len(edges) - 1
    first = int(np.clip(np.searchsorted(edges, low, "right") - 1, 0, count - 1))
    last = int(np.clip(np.searchsorted(edges, high, "left"), first + 1, count))
    seen = np.log(edges[first : last + 1]) if logarithmic else edges[first : last + 1]
    widths = np.diff(seen)
    whole = last - first <= most
    if whole and np.ptp(widths) <= EVEN * widths.max():
        return Pixels(np.arange(first, last), edges[first], edges[last], True)
    middles = seen[0] + (seen[-1] - seen[0]) * (np.arange(most) + 0.5) / most
    under = np.clip(np.searchsorted(seen, middles, "right") - 1, 0, last - first - 1)
    return Pixels(first + under, edges[first], edges[last], whole and len(np.unique(under)) == last - first)


def cell_at(edges: np.ndarray, value: float) -> int | None:
    """The cell that holds a value, None outside."""
    if not edges[0] <= value <= edges[-1]:
        return None
    return int(np.clip(np.searchsorted(edges, value, "right") - 1, 0, len(edges) - 2))
