"""The five-minute answer: predictions, a sweep around them, two figures and a summary in words."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from ..sims import Status, sweep
from ..theory import GdbiasError, InputError, Parameterization, Prediction, Problem, predict
from .deep_quickstart import deep_quickstart
from .norm_sharpness import norm_sharpness
from .phase_diagram import phase_diagram
from .style import save

SCALES = np.geomspace(0.01, 0.5, 16)
RATES = 48
MAX_STEPS = 20_000
COARSE = 24
SAME = 0.01  # relative difference of critical learning rates that agree
EDGE = 0.98  # lr * sharpness / 2 from which a run has ended at the edge of stability


def quickstart(
    model: Parameterization,
    problem: Problem,
    folder: Path,
    say: Callable[[str], None] = print,
    progress: bool = True,
) -> Path:
    """Predict, sweep (init_scale x lr), draw and summarise into ``folder``; returns the summary's path.

    The learning rates reach from a quarter of the smallest critical one to just above the largest at
    which any run of a coarse sweep still converges.

    Raises:
        InputError: a folder that cannot be written, or a stored sweep of other options in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder {folder} cannot be written ({error.strerror}): choose another with --out") from None
    say(f"predicting the flow of {model} at {len(SCALES)} initialization scales")
    pred = predict(model, problem, SCALES)
    critical = np.asarray(pred.lr_critical)
    say("finding the learning rates at which runs converge")
    rates = _rates(model, problem, critical)
    ds = sweep(model, problem, rates, SCALES, max_steps=MAX_STEPS, store=folder / "sweep.zarr", progress=progress)
    say("drawing")
    row = len(SCALES) // 2
    save(phase_diagram(ds, pred), folder / "phase_diagram.png")
    save(norm_sharpness(ds, pred, init_scale=float(SCALES[row])), folder / "norm_sharpness.png")
    text = summarise(ds, pred, row)
    if problem.spec["kind"] == "sparse_regression":  # beside a user's own table, digits say nothing
        text += "\n" + "\n".join(deep_quickstart(ds, pred, float(SCALES[row]), folder, say, progress)) + "\n"
    summary = folder / "summary.md"
    summary.write_text(text, encoding="utf-8")
    return summary


def _rates(model: Parameterization, problem: Problem, critical: np.ndarray) -> np.ndarray:
    """From a quarter of the smallest critical learning rate to just past the largest that converges."""
    coarse = np.geomspace(critical.min(), 32 * critical.max(), COARSE)
    looked = sweep(model, problem, coarse, SCALES[::5], max_steps=MAX_STEPS // 4, keep=(), track_every=0)
    converged = (looked.status == Status.CONVERGED).any("init_scale").values
    last = int(np.flatnonzero(converged).max()) if converged.any() else 0
    top = coarse[min(last + 1, COARSE - 1)]
    return np.geomspace(critical.min() / 4, 1.1 * top, RATES)


def observed(row: xr.Dataset) -> tuple[float | None, float | None]:
    """The smallest learning rate whose run ends at the edge of stability, and the largest that converges.

    The first is midway (in logarithm) from the grid point before; None where it was not seen.
    """
    good = row.isel(lr=np.flatnonzero(row.status.values == Status.CONVERGED))
    lr = good.lr.values
    if not len(lr):
        return None, None
    at_edge = np.flatnonzero(lr * good.sharpness.values / 2 >= EDGE)
    if not len(at_edge) or at_edge[0] == 0:
        return None, float(lr[-1])
    return float(np.sqrt(lr[at_edge[0] - 1] * lr[at_edge[0]])), float(lr[-1])


def summarise(ds: xr.Dataset, pred: Prediction, row: int) -> str:
    """The findings of a quickstart in words, with a table over init_scale, as Markdown."""
    names = {int(s): s.name.lower().replace("_", " ") for s in Status}
    values, counts = np.unique(ds.status.values, return_counts=True)
    tally = ", ".join(f"{count} {names[int(value)]}" for value, count in zip(values, counts, strict=True))
    critical, final = np.asarray(pred.lr_critical), _final(pred)
    lines = [
        f"# Which solution does gradient descent pick? {pred.dynamics.model}",
        "",
        f"{pred.problem.n} samples, {pred.problem.d} features, {ds.status.size} runs: {tally}.",
        "",
        "| init_scale | lr_critical predicted | lr_critical_final predicted | smallest lr that ended at the edge "
        "of stability | largest lr that converged |",
        "|---|---|---|---|---|",
    ]
    for i, scale in enumerate(ds.init_scale.values):
        left, largest = observed(ds.isel(init_scale=i))
        cells = [scale, critical[i], final[i], left, largest]
        lines.append("| " + " | ".join("not seen" if c is None or np.isnan(c) else f"{c:.4g}" for c in cells) + " |")
    lines += ["", *_no_edge(ds, critical, final), *_story(ds.isel(init_scale=row), float(critical[row]))]
    lines += ["", "Figures: `phase_diagram.png`, `norm_sharpness.png`. Runs: `sweep.zarr` "]
    lines += ["(`gdbias.sims.store.open_result`). Made by:", "", f"    {ds.attrs['command']}", ""]
    return "\n".join(lines)


def _final(pred: Prediction) -> np.ndarray:
    try:
        return np.asarray(pred.lr_critical_final)
    except GdbiasError:  # the logistic loss has no endpoint
        return np.full(np.shape(pred.lr_critical), np.nan)


def _no_edge(ds: xr.Dataset, critical: np.ndarray, final: np.ndarray) -> list[str]:
    """Why no edge of stability was seen, where the flow ends at its sharpest and no run above lr_critical converged."""
    largest = [observed(ds.isel(init_scale=i))[1] for i in range(ds.init_scale.size)]
    share = np.array([np.nan if lr is None else lr for lr in largest]) / critical
    found = np.isclose(critical, final, rtol=SAME) & (critical < ds.lr.values.max()) & (share <= 1)
    if not found.any():
        return []
    return [
        f"In {found.sum()} of {len(found)} rows gradient flow ends at its largest sharpness (within {SAME:.0%}) and no "
        "run above lr_critical converged: there is no edge of stability to see. The largest learning rate that "
        f"converged there is {share[found].min():.3f} to {share[found].max():.3f} of lr_critical.",
        "",
    ]


def _story(row: xr.Dataset, critical: float) -> list[str]:
    good = row.isel(lr=np.flatnonzero(row.status.values == Status.CONVERGED))
    if good.lr.size < 2:
        return [f"At init_scale {float(row.init_scale):.3g} fewer than two runs converged: nothing to compare."]
    first, last = good.isel(lr=0), good.isel(lr=-1)
    lines = [
        f"At init_scale {float(row.init_scale):.3g} the critical learning rate is predicted at {critical:.4g}. "
        f"From lr {float(first.lr):.4g} to {float(last.lr):.4g} the final sharpness goes from "
        f"{float(first.sharpness):.4g} to {float(last.sharpness):.4g} (lr times sharpness over 2: "
        f"{float(first.lr * first.sharpness / 2):.3f} to {float(last.lr * last.sharpness / 2):.3f}) and the l1 norm "
        f"of beta from {float(first.beta_l1):.4g} to {float(last.beta_l1):.4g}."
    ]
    if "test_risk" in good:
        best = good.isel(lr=int(good.test_risk.argmin("lr")))
        lines.append(f"The test risk is lowest, {float(best.test_risk):.4g}, at lr {float(best.lr):.4g}.")
    return lines
