"""What the cells of a diagram can be coloured by."""

from typing import NamedTuple

import numpy as np

from ...sims.schema import VARIABLES
from ...sims.status import Phase, Status
from ..look import BLUE
from ..parts.axes import Plane
from ..parts.beside import CONVERGE, ENDS, LEAST, compare_ends
from ..parts.edge import sharpness_limit
from ..parts.phases import PHASE_COLORS, phase_codes
from ..parts.results import is_map, is_predicted
from ..parts.statuses import LOOKS, codes, end

STABILITY, PHASE, STATUS = "stability", "phase", "status"
PREDICTED, DIFFERENCE = "predicted", "difference"
NAMES = {
    STABILITY: "lr S / 2", PHASE: "phase", STATUS: "how runs end", PREDICTED: "lr S / 2, predicted",
    DIFFERENCE: "lr (S - S predicted) / 2", "sharpness": "sharpness S", "steps": "steps", "loss": "loss",
    "test_risk": "test risk", "beta_l1": "l1 norm of beta", "beta_l2": "l2 norm of beta",
    "theta_l1": "l1 norm of the weights", "theta_l2": "l2 norm of the weights", "trace": "trace of the Hessian",
    "product_nuclear": "nuclear norm of the product", "test_accuracy": "test accuracy", "rising_steps": "rising steps",
}  # fmt: skip
WIDE = 30.0  # ratio of positive values from which their colours are logarithmic
FARTHEST = (0.01, 0.99)  # quantiles at the ends of the scale of colours


class Layer(NamedTuple):
    """The cells of a plane as they are coloured.

    Attributes:
        edges: of the cells, learning rates and rows.
        values: (row, lr), their log10 if ``logarithmic``; NaN where a cell has a flat colour.
        flat: (row, lr), what happened there, an index of ``names`` and ``colors``.
        diverging: whether 0 is the middle of the scale, from ``low`` to ``high``.
    """

    label: str
    edges: tuple[np.ndarray, np.ndarray]
    values: np.ndarray
    flat: np.ndarray
    names: list[str]
    colors: list[str]
    low: float = 0.0
    high: float = 1.0
    logarithmic: bool = False
    diverging: bool = False


def colourings(found: Plane, foretold: bool) -> dict[str, str]:
    """What a plane can be coloured by, each with its name; the predicted ones where something is foretold."""
    ds, names = found.ds, [STATUS]
    if not is_map(ds):
        names = [STABILITY, *([PHASE] if "phase" in ds else []), STATUS]
        names += [PREDICTED, DIFFERENCE] if foretold and not is_predicted(ds) else []
    plain = [str(name) for name, value in ds.data_vars.items() if value.dims == ds["status"].dims]
    names += [name for name in NAMES if name in plain and name not in names]
    return {name: NAMES[name] for name in names}


def layer(found: Plane, other: Plane | None, name: str) -> Layer:
    """The plane coloured by ``name``; ``other`` is the predicted plane, which stands where no run is yet."""
    if name == DIFFERENCE and other is not None:
        return _difference(nearest(found, other), other)
    if name == PREDICTED and other is not None:
        return layer(other, None, STABILITY)._replace(label=NAMES[PREDICTED])
    if name == PHASE:
        return _phases(found, other)
    ds, status = found.ds, codes(found.ds)
    values = np.full(status.shape, np.nan)
    if name == STABILITY:
        limit = sharpness_limit(ds, ds["lr"].values)
        values = ds["sharpness"].values / (1.0 if limit is None else limit)
        values = np.where(status == Status.CONVERGED, values, np.nan)
    elif name != STATUS:
        values = np.where(status == Status.NOT_RUN, np.nan, ds[name].values.astype(float))
        if VARIABLES[name].fill == -1:
            values = np.where(values < 0, np.nan, values)
    waiting = status == Status.NOT_RUN
    if other is not None and name in (STABILITY, STATUS) and waiting.any():
        near = nearest(other, found)
        values = np.where(waiting, layer(near, None, name).values, values)
        status = np.where(waiting, codes(near.ds), status)
    told = is_predicted(ds)
    labels = [end(one, told) for one in Status]
    colors = [BLUE if one == Status.CONVERGED else LOOKS[one].color for one in Status]
    plain = Layer(NAMES[name], found.edges, values, _index(status, Status), labels, colors)
    return plain if name == STABILITY else _scaled(plain)


def nearest(found: Plane, other: Plane) -> Plane:
    """The cells of a plane that lie nearest to those of another one, in its order and with its edges."""
    columns, rows = _under(found.edges[0], other.ds["lr"].values), _under(found.edges[1], other.at)
    ds = found.ds.isel({str(found.ds["status"].dims[0]): rows, "lr": columns})
    return Plane(ds, found.at[rows], other.edges, other.labels, found.title, rows)


def _under(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(edges) - 2)


def _difference(found: Plane, other: Plane) -> Layer:
    how = compare_ends(codes(found.ds), codes(other.ds))
    off = found.ds["lr"].values * (found.ds["sharpness"].values - other.ds["sharpness"].values) / 2
    values = np.where(how == CONVERGE, off, np.nan)
    sizes = np.abs(values[np.isfinite(values)])
    top = max(LEAST, float(np.quantile(sizes, FARTHEST[1]))) if sizes.size else LEAST
    colors, names = zip((BLUE, "both converge"), *ENDS.values(), strict=True)
    label, flat = NAMES[DIFFERENCE], how.astype(np.uint8)
    return Layer(label, found.edges, values, flat, list(names), list(colors), -top, top, diverging=True)


def _phases(found: Plane, other: Plane | None) -> Layer:
    phase = phase_codes(found.ds)
    waiting = phase == Phase.NOT_RUN
    if other is not None and waiting.any():
        phase = np.where(waiting, phase_codes(nearest(other, found).ds), phase)
    nothing = np.full(phase.shape, np.nan)
    names, colors = [one.label for one in Phase], [PHASE_COLORS[one] for one in Phase]
    return Layer(NAMES[PHASE], found.edges, nothing, _index(phase, Phase), names, colors)


def _index(coded: np.ndarray, kind: type[Status] | type[Phase]) -> np.ndarray:
    """The place of each code among the members of its enumeration."""
    places = {int(one): k for k, one in enumerate(kind)}
    table = np.array([places[code] for code in range(min(places), max(places) + 1)], dtype=np.uint8)
    return table[coded - min(places)]


def _scaled(plain: Layer) -> Layer:
    """With the ends of its scale where most values are; logarithmic where they span much."""
    known = plain.values[np.isfinite(plain.values)]
    if not known.size:
        return plain
    low, high = np.quantile(known, FARTHEST)
    if low > 0 and high / low > WIDE:
        positive = np.where(plain.values > 0, plain.values, np.nan)
        return plain._replace(values=np.log10(positive), low=np.log10(low), high=np.log10(high), logarithmic=True)
    spread = 0.0 if high > low else max(abs(high), 1.0) * 0.01
    return plain._replace(low=low - spread, high=high + spread)
