"""A prediction in words: its representation, and the table of its numbers for notebooks."""

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..errors import GdbiasError

if TYPE_CHECKING:
    from .boundaries import Boundaries

MOST = 12  # starts in a table
COLUMNS = {  # titles, and where the numbers are kept
    "lr_critical": ("lr_critical", lambda p: p.lr_critical),
    "lr_critical_final": ("lr_critical_final", lambda p: p.lr_critical_final),
    "lr_max": ("lr_max", lambda p: p.lr_max),
    "sharpness of flow": ("flow", lambda p: p.flow.sharpness),
    "l1 norm of flow": ("flow", lambda p: p.flow.l1_norm),
}


def numbers(prediction: "Boundaries") -> str:
    """The boundaries that were computed already, in one line."""
    found = ""
    for name in ("lr_critical", "lr_critical_final", "lr_max"):
        kept, read = COLUMNS[name]
        if kept in vars(prediction):
            values = np.asarray(read(prediction))
            low, high = values.min(), values.max()
            found += f", {name}={low:.4g}" + (f" to {high:.4g}" if high > low else "")
    return found


def table(prediction: "Boundaries") -> str:
    """The boundaries and the end of gradient flow at each start in HTML, with the reason where there is none.

    Where starts are many it has the first of them, and no number that takes long and was not asked for yet.
    """
    scales = [None] if prediction.init_scale is None else np.ravel(prediction.init_scale).tolist()
    head, columns, notes = ["init_scale"], [["given" if s is None else f"{s:.4g}" for s in scales[:MOST]]], []
    for title, (kept, read) in COLUMNS.items():
        if len(scales) > MOST and kept not in vars(prediction):
            notes.append(f"{title}: not computed yet")
            continue
        try:
            values = np.ravel(read(prediction))
        except GdbiasError as error:
            notes.append(f"{title}: {error}")
            continue
        head.append(title)
        columns.append([f"{value:.4g}" for value in np.broadcast_to(values, len(scales))[:MOST]])
    if len(scales) > MOST:
        notes.append(f"and {len(scales) - MOST} starts more")
    rows = ["".join(f"<th>{escape(name)}</th>" for name in head)]
    rows += ["".join(f"<td>{escape(value)}</td>" for value in row) for row in zip(*columns, strict=True)]
    title = escape(f"{prediction.dynamics.model}, {prediction.problem}")
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<p><b>Prediction</b>: {title}</p><table>{body}</table>" + "".join(f"<p>{escape(n)}</p>" for n in notes)
