"""What is known of a cell in words and a table, as HTML whose every text is escaped."""

from html import escape

import numpy as np

from ...sims.status import Phase, Status
from ..parts.statuses import end
from .colours import NAMES
from .runs import Seen

SHORT = {  # of a table
    "sharpness": "S", "beta_l1": "‖β‖₁", "beta_l2": "‖β‖₂", "theta_l1": "‖θ‖₁", "theta_l2": "‖θ‖₂",
    "product_nuclear": "‖W‖ nuclear",
}  # fmt: skip
HEADS = ("", "run", "predicted", "run - predicted", "flow")
AT = {"rule": "", "model": "", "seed": "problem ", "init_scale": "init_scale ", "lr": "lr "}
PHASES = {
    Phase.FLOW_ALIGNED: "its loss never rose: it followed gradient flow",
    Phase.CATAPULT: "its loss rose on a few steps and then fell for good: a catapult",
    Phase.EDGE_OF_STABILITY: "its loss rose again and again on the way: it went along the edge of stability",
    Phase.PERIODIC: "its weights return after some steps, and nearby runs stay near: a cycle",
    Phase.CHAOTIC: "its weights do not return, and nearby runs part: chaos",
    Phase.CONVERGING: "its loss no longer rises: it is on its way to a minimum",
}
PASSED = "its loss never rose, though its sharpness passed the edge on the way"
ENDS = {
    Status.NOT_RUN: "This run is not made yet",
    Status.CONVERGED: "Converged",
    Status.DIVERGED: "Diverged",
    Status.STEP_LIMIT: "Stopped at the limit of steps",
    Status.UNSTABLE_MINIMUM: "Came to rest by chance where no minimum is stable",
    Status.BOUNDED: "Did not diverge",
}


def name_of(seen: Seen) -> str:
    """The coordinates of a cell on one line."""
    return ", ".join(f"{AT[name]}{_number(value)}" for name, value in seen.at.items())


def outcome(seen: Seen) -> str:
    """How the run of a cell ended, in a sentence."""
    told = ENDS.get(seen.status, end(seen.status, False).capitalize())
    steps = seen.measured.get("steps")
    told += f" after {steps:,.0f} steps" if steps is not None else ""
    passed = seen.phase == Phase.FLOW_ALIGNED and np.max(seen.path.get("stability", 0.0)) > 1
    if seen.phase is not None and seen.phase in PHASES:
        told += f"; {PASSED if passed else PHASES[seen.phase]}"
    share = seen.measured.get("sharpness", float("nan")) / seen.edge if seen.edge else float("nan")
    where = "at" if share > 0.98 else "below"
    if seen.status == Status.CONVERGED and share > 0:
        told += f". It ended {where} the edge, lr S / 2 = {share:.3f}"
    return f"{told}."


def described(seen: Seen) -> str:
    """The outcome, and measured beside predicted values and gradient flow's, with notes."""
    rows, ended = [], seen.status == Status.CONVERGED
    for name, label in NAMES.items():
        value, told = seen.measured.get(name), seen.predicted.get(name)
        if value is None and told is None:
            continue
        bar = f" ± {told[1]:.2g}" if told is not None and told[1] == told[1] else ""
        cells = [
            SHORT.get(name, label),
            "" if value is None else _number(value),
            "" if told is None else _number(told[0]) + bar,
        ]
        cells.append(f"{value / told[0] - 1:+.1%}" if told is not None and told[0] and value and ended else "")
        cells.append(_number(seen.flow[name]) if name in seen.flow else "")
        rows.append(cells)
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in seen.notes)
    return f"<p><b>{escape(name_of(seen))}</b></p><p>{escape(outcome(seen))}</p>{_table(rows)}{notes}"


def _table(rows: list[list[str]]) -> str:
    """The rows under their heads, without the columns that are empty in all of them."""
    if not rows:
        return ""
    columns = [(head, *cells) for head, *cells in zip(HEADS, *rows, strict=True) if any(cells)]
    heads, *lines = zip(*columns, strict=True)
    table = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{table}</table>"


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    whole = float(value).is_integer() and abs(value) >= 10 or abs(value) >= 1000
    return f"{value:,.0f}" if whole else f"{value:.4g}"
