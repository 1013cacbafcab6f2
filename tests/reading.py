"""What a reader of a figure meets: its texts, where they lie, and whether two of them lie over each other."""

from itertools import combinations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from gdbias.figures.look import style

MEET = 1.0  # pixels by which two boxes may meet


def texts(figure):
    """Every text that is seen, with its box in pixels."""
    with style():
        figure.draw_without_rendering()
    renderer, unseen = FigureCanvasAgg(figure).get_renderer(), set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            scale = axis.get_transform().transform
            low, high = sorted(scale(np.asarray(axis.get_view_interval(), dtype=float)))
            slack = 1e-9 * (high - low)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - slack <= scale(np.array([tick.get_loc()], dtype=float))[0] <= high + slack:
                    unseen |= {id(tick.label1), id(tick.label2)}

    def seen(artist: Artist):
        if artist.get_visible():
            if isinstance(artist, Text) and artist.get_text().strip() and id(artist) not in unseen:
                yield artist.get_text(), artist.get_window_extent(renderer)
            for child in artist.get_children():
                yield from seen(child)

    return list(seen(figure))


def faults(figure, found=None):
    """Texts that lie over each other or leave the figure, and axes with neither a label nor a neighbour that has it.

    ``found`` are its texts where they are known: to find them it is drawn.
    """
    found, whole = found or texts(figure), figure.bbox
    over = [
        (one, other)
        for (one, a), (other, b) in combinations(found, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > MEET and min(a.y1, b.y1) - max(a.y0, b.y0) > MEET
    ]
    outside = [text for text, box in found if not (box.x0 > -1 and box.y0 > -1 and box.x1 < whole.x1 + 1)]
    outside += [text for text, box in found if not box.y1 < whole.y1 + 1]
    bare = [axes for axes in figure.axes if axes.axison and not _labelled(axes)]
    return over + outside + bare


def _labelled(axes):
    """Whether both axes say what they are, or are those of another panel, or not seen."""
    across = axes.get_xlabel() or not axes.xaxis.get_tick_params().get("labelbottom", True)
    up = axes.get_ylabel() or not axes.yaxis.get_visible() or any(one.get_ylabel() for one in _left(axes))
    return bool(up and (across or axes.get_label() == "<colorbar>"))


def _left(axes):
    """The panels to the left of one in its row."""
    place, spots = axes.get_subplotspec(), [(one, one.get_subplotspec()) for one in axes.figure.axes]
    row = [(one, spot) for one, spot in spots if place and spot and spot.rowspan == place.rowspan]
    return [one for one, spot in row if spot.colspan.start < place.colspan.start]
