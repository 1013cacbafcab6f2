"""The plane of a phase diagram: the learning rate across, and what else a sweep varied upwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ... import sims, theory
from ...theory.errors import InputError
from .panels import log_axis, one_tick
from .results import check_prediction, grid, momenta_of, scale_of

MOST = 12  # rows that have their label beside them
ROWS = ("init_scale", "model", "seed", "rule")  # dimensions that can be the upward axis


@dataclass(frozen=True)
class Plane:
    """A result over (row, lr), and where its rows stand.

    Attributes:
        ds: the result, rows in the order drawn.
        at: heights of the rows, (row,): the init_scale, or 0, 1, 2 ... for models and problems.
        edges: of the cells, learning rates and heights.
        labels: one a row; None where the axis is that of ``init_scale``.
        title: of the axis.
        order: the rows of the given result, (row,), in the order drawn.
        known: whether a row stands for something; else its height alone is made up.
        rules: the update rules of the rows, where they have one each: one prediction of gradient flow holds for all.
    """

    ds: xr.Dataset
    at: np.ndarray
    edges: tuple[np.ndarray, np.ndarray]
    labels: list[str] | None
    title: str
    order: np.ndarray
    known: bool = True
    rules: "Sequence[theory.UpdateRule]" = ()

    def prepare(self, axes: Axes) -> None:
        """Scales, limits, ticks and labels."""
        lr = self.ds["lr"].values
        axes.set(xscale="log", xlabel=r"learning rate $\eta$", ylabel=self.title, xlim=self.edges[0][[0, -1]])
        if self.labels is None:
            axes.set_yscale("log")
        axes.set_ylim(*self.edges[1][[0, -1]])
        if len(lr) > 1:
            log_axis(axes.xaxis, lr)
        else:
            one_tick(axes.xaxis, lr[0])
        if self.labels is not None:
            few = slice(None, None, -(-len(self.at) // MOST))
            axes.set_yticks(self.at[few], self.labels[few])
        elif len(self.at) > 1:
            log_axis(axes.yaxis, self.at)
        else:
            one_tick(axes.yaxis, self.at[0])
            axes.yaxis.set_visible(self.known)

    def predictions(
        self, pred: "theory.Prediction | Sequence[theory.Prediction] | None"
    ) -> "theory.Prediction | list[theory.Prediction] | None":
        """The given predictions in the order of the rows, checked against the result.

        Raises:
            InputError: predictions of another result, or a list that has not one for each row.
        """
        if not isinstance(pred, Sequence):
            if pred is not None and self.labels is not None and len(self.at) > 1 and not self.rules:
                raise InputError(
                    f"the result has {len(self.at)} rows of models or problems: give a list of predictions"
                )
            return pred
        if len(pred) != len(self.at) or any(len(one.starts) != 1 for one in pred):
            count = sum(len(one.starts) for one in pred)
            raise InputError(f"{count} starts are predicted for {len(self.at)} rows: give one prediction a row")
        return [pred[i] for i in self.order]


def plane(ds: xr.Dataset, pred: "theory.Prediction | Sequence[theory.Prediction] | None" = None) -> Plane:
    """The plane of a result over ``lr`` and one of ``init_scale``, ``model``, ``seed`` and ``rule``.

    Problems of different ``n`` are ordered by it, their height is n/d; rules that differ in momentum alone by that.

    Raises:
        InputError: not a result, one run, or several entries along two of the dimensions.
    """
    if not {"lr", *ROWS} & set(ds.dims):
        raise InputError("a phase diagram draws a sweep, this result is one run: use trajectory")
    row = next((dim for dim in ROWS if ds.sizes.get(dim, 1) > 1), "init_scale")
    check_prediction(ds, pred)
    ds = grid(ds, row, "lr", mapped=True)
    order, known = np.arange(ds.sizes.get(row, 1)), row in ds.dims or scale_of(ds) is not None
    rules = sims.rebuild_rules(ds) if row == "rule" else []
    if row == "init_scale":
        if row not in ds.dims:
            ds = ds.drop_vars(row, errors="ignore").expand_dims({row: [scale_of(ds) or 1.0]})
        at, labels, title = ds[row].values, None, r"init_scale $\alpha$"
        levels = log_edges(at)
    else:
        samples = np.ravel(ds["n"].values) if row == "seed" and "n" in ds else np.zeros(len(order))
        momenta = momenta_of(rules)
        order = np.argsort(momenta or samples, kind="stable")
        ds, at = ds.isel({row: order}), np.arange(len(order), dtype=float)
        labels = [str(value) for value in ds[row].values]
        title = {"model": "model", "seed": "problem (seed)", "rule": "update rule"}[row]
        if rules:
            labels = [label.replace("(", "\n(") for label in labels]
        if momenta:
            labels, title = [f"{b:g}" for b in np.sort(momenta)], "momentum $b$"
        if len(set(samples)) == len(samples):
            labels, title = _ratios(ds)
        levels = np.arange(len(order) + 1) - 0.5
    edges, ordered = (log_edges(ds["lr"].values), levels), [rules[k] for k in order] if rules else []
    return Plane(ds.transpose(row, "lr", ...), at, edges, labels, title, order, known, ordered)


def _ratios(ds: xr.Dataset) -> tuple[list[str], str]:
    samples = ds["n"].values
    if "feature" not in ds.sizes:
        return [f"{n}" for n in samples], "samples $n$"
    return [f"{n / ds.sizes['feature']:.3g}" for n in samples], f"$n/d$   ($d$ = {ds.sizes['feature']})"


def log_edges(centers: np.ndarray) -> np.ndarray:
    """Cell edges, one more than there are increasing positive centers, half-way between them in the logarithm."""
    x = np.log(centers)
    if len(x) == 1:
        return np.exp(x[0] + np.array([-0.2, 0.2]))
    middle = (x[1:] + x[:-1]) / 2
    return np.exp(np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]]))
