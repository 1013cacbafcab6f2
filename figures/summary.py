"""What a quickstart found, in words and one table, as Markdown."""

import numpy as np
import xarray as xr

from ..sims import Phase, Status
from ..sims.measure.phase import FEW
from ..sims.options import RunOptions
from ..theory import GdbiasError, Prediction, Problem, predict
from .parts.choice import fewer_rows, has_one_minimum
from .parts.risk import best_risk, lr_of_least_test_risk

SAME = 0.01  # relative difference of critical learning rates that agree


def observed(row: xr.Dataset) -> tuple[float, float]:
    """The smallest learning rate whose run has the phase edge_of_stability, and the largest that converges; or NaN."""
    good = row.isel(lr=np.flatnonzero(row.status.values == Status.CONVERGED))
    edge = good.lr.values[good.phase.values == Phase.EDGE_OF_STABILITY]
    return (float(edge[0]) if len(edge) else np.nan), (float(good.lr.values[-1]) if good.lr.size else np.nan)


def summarise(ds: xr.Dataset, pred: Prediction, row: int, max_steps: int, planned: bool) -> str:
    """The findings of a quickstart in words, with a table over init_scale, as Markdown."""
    values, counts = np.unique(ds.status.values, return_counts=True)
    tally = ", ".join(f"{count} {Status(int(value)).label}" for value, count in zip(values, counts, strict=True))
    critical, final = np.asarray(pred.lr_critical), _final(pred)
    risky = "test_risk" in ds
    lines = [
        f"# Which solution does gradient descent pick? {pred.dynamics.model}",
        "",
        f"{_data(pred.problem)}, {ds.status.size} runs: {tally}.",
        "",
        *_found(ds.isel(init_scale=row), pred, float(critical[row]), float(final[row])),
        "",
        "| init_scale | lr_critical predicted | lr_critical_final predicted | smallest lr that ended at the edge "
        "of stability | largest lr that converged |" + risky * " lr of least test risk |",
        "|---|---|---|---|---|" + risky * "---|",
    ]
    edge, largest = np.array([observed(ds.isel(init_scale=i)) for i in range(ds.init_scale.size)]).T
    columns = [ds.init_scale.values, critical, final, edge, largest]
    columns += [lr_of_least_test_risk(ds).values] if risky else []
    for cells in zip(*columns, strict=True):
        words = ["not seen" if np.isnan(c) else f"{c:.4g}" for c in cells]
        if risky and np.isnan(cells[-1]):
            words[-1] = "none: it does not depend on lr"
        lines.append(f"| {' | '.join(words)} |")
    lines += ["", *_stable(pred), *_verdict(ds, critical, final, edge), *_no_edge(ds, critical, final, largest)]
    lines += _unsettled(ds, pred, final, max_steps)
    lines += [
        "Figures: `phase_diagram.png`, `norm_sharpness.png`. Runs: `sweep.zarr`"
        + planned * "; where theory has their ends, `predicted.zarr`"
        + " (`gdbias.sims.store.open_result`). Made by:",
        "",
        f"    {_command(ds, pred.problem)}",
        "",
    ]
    return "\n".join(lines)


def _data(problem: Problem) -> str:
    held_out = "" if problem.X_test is None else f" and {len(problem.X_test)} held out"
    drawn = f" (seed {problem.spec['seed']})" if "seed" in problem.spec else ""
    return f"{problem.n} samples{held_out}{drawn}, {problem.d} features"


def _command(ds: xr.Dataset, problem: Problem) -> str:
    """What was typed, with the seed that it left to its default."""
    typed = ds.attrs["command"]
    seeded = "seed" not in problem.spec or "--seed" in typed
    return typed if seeded else f"{typed} --seed {problem.spec['seed']}"


def _final(pred: Prediction) -> np.ndarray:
    try:
        return np.asarray(pred.lr_critical_final)
    except GdbiasError:  # the logistic loss has no endpoint
        return np.full(np.shape(pred.lr_critical), np.nan)


def _stable(pred: Prediction) -> list[str]:
    """Up to where theory has a stable interpolator."""
    try:
        least, proved = pred.lr_max_bounds
    except GdbiasError:  # no frontier
        return []
    return [
        f"Predicted: above lr_max = {least:.6g} no interpolator is stable, whatever init_scale (proved from "
        f"{proved:.6g} on), and descent does not converge.",
        "",
    ]


def _no_edge(ds: xr.Dataset, critical: np.ndarray, final: np.ndarray, largest: np.ndarray) -> list[str]:
    """Why no edge of stability was seen, where the flow ends at its sharpest and no run above lr_critical converged."""
    share = largest / critical
    found = np.isclose(critical, final, rtol=SAME) & (critical < ds.lr.values.max()) & (share <= 1)
    if not found.any():
        return []
    return [
        f"In {found.sum()} of {len(found)} rows gradient flow ends at its largest sharpness (within {SAME:.0%}) and no "
        "run above lr_critical converged: there is no edge of stability to see. The largest learning rate that "
        f"converged there is {share[found].min():.3f} to {share[found].max():.3f} of lr_critical.",
        "",
    ]


def _found(row: xr.Dataset, pred: Prediction, critical: float, final: float) -> list[str]:
    """What a row shows in three sentences: where the edge is, what it does to the solution, and to its test risk."""
    scale, good = float(row.init_scale), row.isel(lr=np.flatnonzero(row.status.values == Status.CONVERGED))
    if good.lr.size < 2:
        return [f"At init_scale {scale:.3g} fewer than two runs converged: nothing to compare."]
    edge, _ = observed(row)
    seen = f"from {edge:.4g} on descent ends at the edge" if np.isfinite(edge) else "no run ended at the edge"
    lines = [
        f"1. At init_scale {scale:.3g} {_unstable(critical, final)}; {seen}{_up_to(pred)}.",
        f"2. {_picked(good, pred.problem)}",
    ]
    if "test_risk" in good:
        lines.append(f"3. {_risk(good, critical)}")
    return lines


def _unstable(critical: float, final: float) -> str:
    """From which learning rates on theory has gradient flow too sharp for descent, on its way and at its end."""
    if f"{critical:.4g}" == f"{final:.4g}":
        return f"gradient flow's endpoint, its sharpest point, is unstable from lr {final:.4g} (lr_critical_final) on"
    met = f"gradient flow meets the edge of stability from lr {critical:.4g} (lr_critical) on"
    ended = f", and its endpoint is unstable from {final:.4g} (lr_critical_final) on"
    return met + (ended if np.isfinite(final) else "")


def _picked(good: xr.Dataset, problem: Problem) -> str:
    """What larger learning rates do to the solution, or that there is one alone."""
    if has_one_minimum(problem):
        option = fewer_rows(problem)
        return (
            f"{problem.n} samples fix {problem.d} coefficients: the minimum is unique, so nothing is picked. Use fewer "
            f"training rows than features{option and f': {option}'}."
        )
    first, last = good.isel(lr=0), good.isel(lr=-1)
    ends = [float(v) for at in (first, last) for v in (at.lr, at.sharpness, at.beta_l1)]
    told = (
        "From lr {0:.4g} to {3:.4g} the solution that descent picks goes from sharpness {1:.4g} to {4:.4g} and from "
        "l1 norm {2:.4g} to {5:.4g}".format(*ends)
    )
    traded = ends[4] < ends[1] and ends[5] > ends[2]
    return told + (": large learning rates give up low norm for low sharpness." if traded else ".")


def _up_to(pred: Prediction) -> str:
    try:
        return f", and above {pred.lr_max:.4g} (lr_max) no solution is stable"
    except GdbiasError:  # no frontier
        return ""


def _risk(good: xr.Dataset, critical: float) -> str:
    risk, best = good.test_risk.values, best_risk(good.lr.values, good.test_risk.values)
    if best is None:
        return (
            f"The test risk, {risk.mean():.4g}, does not depend on the learning rate (it varies by {np.ptp(risk):.1g})."
        )
    least = f"The test risk is least, {best.test_risk:.4g}, at lr {best.lr:.4g}"
    if best.place or best.lr <= critical:
        return f"{least}{best.place and f', {best.place}'}: here the edge does not help."
    gain, beyond = (1 - best.test_risk / end for end in (risk[0], risk[-1]))
    return (
        f"{least}, beyond lr_critical: {gain:.0%} below that of the smallest learning rate, where descent ends as "
        f"gradient flow does, and {beyond:.0%} below that of the largest that converges."
    )


def _verdict(ds: xr.Dataset, critical: np.ndarray, final: np.ndarray, edge: np.ndarray) -> list[str]:
    """How near the predicted critical learning rates are to where runs were first seen at the edge."""
    step = float(ds.lr.values[1] / ds.lr.values[0] - 1)
    rows = np.isfinite(edge) & np.isfinite(final)
    if not rows.any():
        return []
    first, second = edge[rows] / critical[rows], edge[rows] / final[rows]
    return [
        f"A run ended at the edge of stability, its phase, if it converged and its loss rose on more than {FEW} steps. "
        f"In {rows.sum()} of {len(rows)} rows such runs were seen; the smallest such lr (grid step {step:.1%}) is "
        f"{np.median(first):.3f} times lr_critical in the median ({first.min():.3f} to {first.max():.3f}) and "
        f"{np.median(second):.3f} times lr_critical_final ({second.min():.3f} to {second.max():.3f}). Below "
        "lr_critical descent follows gradient flow all the way; up to lr_critical_final it can meet the edge on the "
        "way and still end where the flow does.",
        "",
    ]


def _unsettled(ds: xr.Dataset, pred: Prediction, final: np.ndarray, max_steps: int) -> list[str]:
    """Which runs had not ended at the step limit: slow ones, or ones that do not settle."""
    stopped = ds.status.values == Status.STEP_LIMIT
    if not stopped.any():
        return []
    if not np.isfinite(final).all():
        return [f"{stopped.sum()} runs had not ended after {max_steps} steps.", ""]
    slow = stopped & (ds.lr.values[None, :] <= final[:, None])
    beyond, longest = (stopped & ~slow).sum(), steps_of_slowest(ds, pred, slow)
    return [
        f"{stopped.sum()} runs had not ended after {max_steps} steps: {beyond} above lr_critical_final, which "
        f"oscillate or settle slowly, and {slow.sum()} below it, which are slow"
        + (f": the slowest converges after {np.ceil(longest):.0f} steps, predicted." if longest else "."),
        "",
    ]


def steps_of_slowest(ds: xr.Dataset, pred: Prediction, slow: np.ndarray) -> float | None:
    """The steps that theory predicts for the slowest of the slow runs (init_scale, lr): in its row that of least lr."""
    model, problem, lr = pred.dynamics.model, pred.problem, ds.lr.values
    rows = [(float(ds.init_scale.values[i]), float(lr[slow[i]].min())) for i in np.flatnonzero(slow.any(axis=1))]
    try:
        return max((predict(model, problem, scale).steps(rate, RunOptions.tol) for scale, rate in rows), default=None)
    except GdbiasError:  # a model without steps
        return None
