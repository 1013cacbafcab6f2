"""How figures look, and how they are saved: for a two-column paper, safe for colour-blind readers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from inspect import signature
from io import BytesIO
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import ParamSpec

import matplotlib
import matplotlib.figure
import matplotlib.style
import xarray as xr
from matplotlib.rcsetup import cycler

from ..sims.store.place import check_file
from ..theory.errors import InputError
from ..theory.validate import local_path, shown

COLUMN, PAGE = 3.4, 7.0  # inches, the widths of one column and of the page
FORMATS = (".png", ".pdf", ".svg")
BLACK, GREY = "#000000", "#7f7f7f"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"  # Okabe and Ito's palette
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"

PARAMETERS = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same figure on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, BLACK]),
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 3,
    "hatch.linewidth": 0.4,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "legend.borderaxespad": 0.2,
    "legend.borderpad": 0.2,
    "legend.labelspacing": 0.3,
    "figure.figsize": (COLUMN, 2.4),
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # text stays text, as journals ask
    "svg.fonttype": "none",
    "svg.hashsalt": "gdbias",  # the same bytes every time
}
RESULTS = ("ds", "run", "diagonal", "deep")  # what figures call the results that they draw
_LOCK = RLock()  # rcParams belong to the whole process


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of gdbias; the rcParams of before come back at the end.

    Matplotlib's defaults with the parameters of this module over them, so that a figure does not depend on
    what the caller has set. One thread at a time.
    """
    with _LOCK, matplotlib.style.context(["default", PARAMETERS]):
        yield


P = ParamSpec("P")


def styled(draw: Callable[P, matplotlib.figure.Figure]) -> Callable[P, matplotlib.figure.Figure]:
    """The function ``draw``, run inside :func:`style`; raises InputError for what is no result."""
    form = signature(draw)

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> matplotlib.figure.Figure:
        for name, value in form.bind(*args, **kwargs).arguments.items():
            if name in RESULTS and not isinstance(value, xr.Dataset):
                raise InputError(
                    f"{name} = {shown(value)} is not a result: use what sims.sweep gives, or "
                    "sims.store.open_result(path) for a store"
                )
        with style():
            return draw(*args, **kwargs)

    return inside


class Figure(matplotlib.figure.Figure):
    """A figure that pyplot does not know: nothing to close, no global state, and notebooks show it.

    ``remarks`` are the sentences below it, whole.
    """

    remarks: Sequence[str] = ()

    def _repr_png_(self) -> bytes:
        return _render(self, "png", dpi=200)


def check_picture(path: str | PathLike) -> Path:
    """The path of a figure to save; raises InputError for another suffix or a path that cannot be written."""
    path = local_path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(
            f"{str(path)!r} ends in {suffix or 'no suffix'!r}: a figure is saved as {', '.join(FORMATS)}; "
            f"for example {str(path.with_suffix('.pdf') if path.name else 'figure.pdf')!r}"
        )
    return check_file(path)


def save(figure: matplotlib.figure.Figure, path: str | PathLike) -> Path:
    """Write a figure as .png (300 dpi), .pdf or .svg by the suffix of ``path``, and return the path.

    The same figure gives the same bytes: no time stamp, no random identifiers, and a layout that is found
    once (``figure.set_layout_engine("constrained")`` finds it anew after later changes).

    Raises:
        InputError: another suffix, or a path that cannot be written.
    """
    path = check_picture(path)
    if not isinstance(figure, matplotlib.figure.Figure):
        raise InputError(f"figure = {shown(figure)} is no figure: draw one, such as figures.phase_diagram(ds)")
    if isinstance(figure, Figure) and figure.get_layout_engine() is not None:
        with style():
            figure.draw_without_rendering()
        figure.set_layout_engine("none")  # a second pass would start from the first one's result and move a little
    content = _render(figure, path.suffix.lower()[1:])  # a failure leaves an older file as it was
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): make room, or choose another folder") from None
    return path


def _render(figure: matplotlib.figure.Figure, kind: str, dpi: float | str = 300) -> bytes:
    metadata = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    buffer = BytesIO()
    with style():
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()
