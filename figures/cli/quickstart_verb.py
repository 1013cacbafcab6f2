"""The five-minute answer: the predicted plane, a sweep of the same cells, figures and a summary in words."""

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from ...sims import Status, deep, predicted, sweep
from ...sims.store.group import check_store, spec_at
from ...sims.store.place import check_place
from ...theory import (
    GdbiasError,
    InputError,
    MissingExtra,
    NoClosedForm,
    NoInterpolator,
    Parameterization,
    Prediction,
    Problem,
    predict,
)
from ..deep_contrast import contrast
from ..diagram import phase_diagram
from ..look import save
from ..summary import summarise
from ..trade_off import norm_sharpness
from .deep_verb import predicted_table, table

SCALES = np.geomspace(0.01, 0.5, 16)
RATES = 48
MAX_STEPS = 20_000
COARSE = 24
PREDICTED, STORE = "predicted.zarr", "sweep.zarr"
MULTIPLES = (0.6, 0.8, 0.95, 1.1, 1.25, 1.5, 1.75, 2.0)  # of lr_critical


def quickstart(
    model: Parameterization,
    problem: Problem,
    folder: Path,
    say: Callable[[str], None] = print,
    progress: bool | None = None,
) -> Path:
    """Predict the plane init_scale x lr, sweep it, draw and summarise into ``folder``; returns the summary's path.

    The learning rates reach from a quarter of the smallest critical one to just above ``lr_max``, or where there is
    none above the largest at which any run of a coarse sweep still converges.

    Raises:
        InputError: a folder that cannot be written, or that holds something else, or a stored sweep of other options.
    """
    folder = _own(folder, model, problem)
    folder.mkdir(parents=True, exist_ok=True)
    say(f"predicting the flow of {model} at {len(SCALES)} initialization scales")
    pred = predict(model, problem, SCALES)
    critical = np.asarray(pred.lr_critical)
    rates = _rates(model, problem, critical, pred, say)
    planned = _predicted(model, problem, rates, folder, say, progress)
    ds = sweep(model, problem, rates, SCALES, max_steps=MAX_STEPS, store=folder / STORE, progress=progress)
    say("drawing")
    row = len(SCALES) // 2
    save(phase_diagram(ds, pred, predicted=planned), folder / "phase_diagram.png")
    save(norm_sharpness(ds, pred, init_scale=float(SCALES[row])), folder / "norm_sharpness.png")
    text = summarise(ds, pred, row, MAX_STEPS, planned is not None)
    if problem.spec["kind"] == "sparse_regression":  # beside a user's own table, digits say nothing
        text += "\n" + "\n".join(_deep_quickstart(ds, pred, float(SCALES[row]), folder, say, progress)) + "\n"
    text += "\n" + "\n".join(_next(folder, problem, planned is not None, float(SCALES[row]))) + "\n"
    summary = folder / "summary.md"
    summary.write_text(text, encoding="utf-8")
    return summary


def _next(folder: Path, problem: Problem, planned: bool, init_scale: float) -> list[str]:
    """What to type next."""
    store, plane = (shlex.quote(str(folder / name)) for name in (STORE, PREDICTED))
    own = problem.spec["kind"] in ("csv", "npz")
    return [
        "## Next",
        "",
        "Every cell of the diagram in the browser, a click makes its run again; what happens along one row"
        + ("; and your own table:" if not own else ":"),
        "",
        f"    gdbias explore {store}" + f" --predicted {plane}" * planned,
        f"    gdbias plot regimes {store} --init-scale {init_scale:.4g}",
        *([] if own else ["    gdbias quickstart --csv data.csv --target COLUMN --out my-data"]),
    ]


def _own(folder: Path, model: Parameterization, problem: Problem) -> Path:
    """A folder that is new, or of an earlier quickstart of the same, made anew; raises InputError for others."""
    folder = check_place(folder / "summary.md", "folder", "choose another with --out").parent
    others = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    made = [name for name in (PREDICTED, STORE) if (folder / name).is_dir()]  # the first of its files
    if others and not made:
        raise InputError(
            f"folder {folder} holds {others[0]} and no quickstart, which would be written over: choose a new folder "
            "with --out"
        )
    for name in made:
        spec = spec_at(check_store(folder / name)) or {}
        [held], [data] = spec["model"], spec["problem"]
        if held != model.name or data["fingerprint"] != problem.fingerprint:
            raise InputError(
                f"folder {folder} holds the quickstart of {held} on {_differing(data, problem)}: "
                f"choose another, such as --out {folder}-2"
            )
    return folder


def _differing(held: dict, problem: Problem) -> str:
    """Stored data by their kind, and by what is not so of the problem."""
    others = [
        f"{name}={value}"
        for name, value in held.items()
        if name not in ("kind", "fingerprint") and problem.spec.get(name) != value
    ]
    return held["kind"] + (f" ({', '.join(others)})" if others else "")


def _rates(
    model: Parameterization, problem: Problem, critical: np.ndarray, pred: Prediction, say: Callable[[str], None]
) -> np.ndarray:
    """From a quarter of the smallest critical learning rate to just past the largest that converges."""
    try:
        top = pred.lr_max
    except GdbiasError:  # a model, a loss or data without a frontier
        say("finding the learning rates at which runs converge")
        coarse = np.geomspace(critical.min(), 32 * critical.max(), COARSE)
        looked = sweep(model, problem, coarse, SCALES[::5], max_steps=MAX_STEPS // 4, keep=(), track_every=0)
        converged = (looked.status == Status.CONVERGED).any("init_scale").values
        last = int(np.flatnonzero(converged).max()) if converged.any() else 0
        top = coarse[min(last + 1, COARSE - 1)]
    return np.geomspace(critical.min() / 4, 1.1 * top, RATES)


def _predicted(
    model: Parameterization,
    problem: Problem,
    rates: np.ndarray,
    folder: Path,
    say: Callable[[str], None],
    progress: bool | None,
) -> xr.Dataset | None:
    """Where descent ends in every cell, from theory alone; None where that is not predicted."""
    say(f"predicting where descent ends at {RATES} learning rates")
    try:
        return predicted(model, problem, rates, SCALES, store=folder / PREDICTED, progress=progress)
    except (NoClosedForm, NoInterpolator) as error:
        say(f"no predicted plane: {error}")
        return None


def _deep_quickstart(
    diagonal: xr.Dataset,
    pred: Prediction,
    init_scale: float,
    folder: Path,
    say: Callable[[str], None],
    progress: bool | None,
) -> list[str]:
    """Train a tanh network 64-48-48-10 on 500 digits, draw ``contrast.png``, and say in Markdown what was found."""
    try:
        net = deep.network("fcn", width=48, depth=2, activation="tanh")
        data = deep.load("digits", train=500)
        say("training a small deep network on digits at eight learning rates")
        ds = deep.sweep(
            net, data, MULTIPLES, tol=0.02, relative=True, store=folder / "deep.zarr", progress=progress
        )  # fmt: skip
        say("predicting where these runs end by the central flow")
        told = deep.predicted(
            net, data, ds["lr"].values, tol=0.02, store=folder / "deep_predicted.zarr", progress=progress
        )  # fmt: skip
    except MissingExtra:
        return ["A deep network beside this one: `pip install 'gdbias[deep]'` and run the quickstart again."]
    save(contrast(diagonal, ds, pred, init_scale, told), folder / "contrast.png")
    return [
        "## A deep network, by the same measures",
        "",
        "A fully connected tanh network 64-48-48-10 on 500 digits, squared loss until it is below 0.02 "
        "(`contrast.png`, `deep.zarr`):",
        "",
        *(f"    {line}" for line in table(ds).splitlines()),
        "",
        "The same learning rates, predicted by the central flow: the course of descent without its oscillation "
        "(`deep_predicted.zarr`):",
        "",
        *(f"    {line}" for line in predicted_table(told).splitlines()),
    ]
