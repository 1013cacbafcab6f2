"""Check phases on the one-dimensional map, and time a phase sweep against the plain one (see README.md)."""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from gdbias import sims, theory
from gdbias.sims import Phase, Status

DOUBLINGS = (1.0, 1.236068, 1.288032, 1.299228)  # kappa at which periods 2, 4, 8, 16 of power(2) appear
ONSET, DIVERGENCE = 1.302283, 2.0  # of chaos, and of blow-up
WINDOW = 2000
BOUNDED = (Status.STEP_LIMIT, Status.UNSTABLE_MINIMUM)


def line(kappa, window, cap, threads=None):
    """power(2), n = d = 1, X = y = 1: ``u <- u - kappa (u^2 - 1) u`` with ``kappa = 2 lr``."""
    problem = theory.single_point((1.0,), 1.0)
    ds = sims.sweep(
        theory.power(2), problem, lr=kappa / 2, init_scale=0.5, max_steps=cap, window=window, threads=threads
    )
    return ds.squeeze("init_scale")


def classes(ds):
    """converged 1, period 2, 4, 8, other bounded 0, diverged -1."""
    phase, period = ds.phase.values, ds.period.values
    found = np.where(np.isin(period, (2, 4, 8)), period, 0)
    found[phase <= Phase.EDGE_OF_STABILITY] = 1
    found[phase == Phase.DIVERGED] = -1
    return found


def independent(kappa, steps=200_000):
    """By hand: the mean of ln|f'| along the orbit of u_0 = 0.5 after as many steps, and its period up to 64.

    NaN where the orbit leaves, 0 where it does not return.
    """
    with np.errstate(all="ignore"):
        u, total = np.full(kappa.shape, 0.5), np.zeros(kappa.shape)
        for t in range(2 * steps):
            if t >= steps:
                total += np.log(np.abs(1 - kappa * (3 * u * u - 1)))
            u = u - kappa * (u * u - 1) * u
        begin, period = u, np.zeros(kappa.shape, dtype=int)
        for p in range(1, 65):
            u = u - kappa * (u * u - 1) * u
            period[(period == 0) & (np.abs(u - begin) < 1e-9)] = p
        return np.where(np.isfinite(u), total / steps, np.nan), period


def check_line(count, window, cap):
    kappa = np.linspace(0.6, 2.2, count)
    ds = line(kappa, window, cap)
    edges = np.array([*DOUBLINGS, DIVERGENCE])
    theoretical = np.array([1, 2, 4, 8, 0, -1])[np.searchsorted(edges, kappa)]
    found = classes(ds)
    exact, cycle = independent(kappa)
    window_cells = (kappa > ONSET) & (kappa < DIVERGENCE) & np.isin(cycle, (2, 4, 8))  # cycles within the chaos
    report: dict = {"runs": count, "window": window, "cap": cap}
    for margin in (0.01, 0.001):
        clear = np.abs(kappa[:, None] / edges - 1).min(axis=1) > margin
        right = found == theoretical
        report[f"clear of boundaries by {margin:g}"] = {
            "cells": int(clear.sum()), "agreement": float(right[clear].mean()),
            "windows of period 2, 4, 8 in the chaos": int((clear & window_cells).sum()),
            "agreement, those windows known": float((right | window_cells & (found == cycle))[clear].mean()),
            "wrong": [[round(float(k), 5), int(t), int(f)] for k, t, f in
                      zip(kappa[clear & ~right], theoretical[clear & ~right], found[clear & ~right], strict=True)],
        }  # fmt: skip
    fine = {}
    for edge, before, after in zip(DOUBLINGS, (1, 2, 4, 8), (2, 4, 8, 16), strict=True):
        near = edge + np.linspace(-2e-3, 2e-3, 401)
        ds_near = line(near, window, 10 * cap)
        labels = np.where(ds_near.phase.values <= Phase.EDGE_OF_STABILITY, 1, ds_near.period.values)
        below, above = near[labels == before].max(), near[labels == after].min()
        fine[f"{before} -> {after}"] = {"between": [float(below), float(above)], "error": (below + above) / 2 - edge}
    report["doublings"] = fine
    phase, period = ds.phase.values, ds.period.values
    periodic, chaotic = phase == Phase.PERIODIC, phase == Phase.CHAOTIC
    error = np.abs(exact - ds.lyapunov.values)
    report["exponent"] = {
        "chaotic cells": int(chaotic.sum()),
        "periodic cells": int(periodic.sum()),
        "of other periods than 2, 4, 8, 16": int((periodic & ~np.isin(period, (2, 4, 8, 16))).sum()),
        "periods found": sorted(set(period[periodic].tolist())),
        "undecided cells": [round(float(k), 5) for k in kappa[phase == Phase.UNDECIDED]],
        "chaotic with exponent < 0, independently": int((chaotic & (exact < 0)).sum()),
        "periodic with exponent > 0.005, independently": int((periodic & (exact > 5e-3)).sum()),
        "median |error| where chaotic": float(np.nanmedian(error[chaotic])),
        "median |error| where periodic": float(np.nanmedian(error[periodic])),
    }
    one, two = line(kappa, window, cap, threads=1), line(kappa, window, cap, threads=2)
    names = ("phase", "period", "lyapunov")
    report["1 and 2 threads alike"] = all(np.array_equal(one[n], two[n], equal_nan=True) for n in names)
    return report


def peers_grid(side):
    """The data and grids of W1 in workloads.py: n = 20, d = 40."""
    X = np.random.default_rng(0).standard_normal((20, 40))
    return theory.Problem(X, X[:, :5].sum(axis=1)), np.geomspace(0.01, 1, side), np.geomspace(1e-3, 1, side)


def bounded_grid(side):
    """n = 5, d = 8, around the learning rates at which runs stay bounded without converging."""
    problem = theory.sparse_regression(n=5, d=8, sparsity=3, signs="positive", seed=0)
    return problem, np.geomspace(0.6, 1.2, side), np.geomspace(0.05, 1, side)


def unlike(one, other):
    """How many runs that are bounded in both have other phases, by pair of phases."""
    bounded = np.isin(one.status, BOUNDED) & np.isin(other.status, BOUNDED)
    both = np.stack([one.phase.values[bounded], other.phase.values[bounded]])
    pairs, counts = np.unique(both[:, both[0] != both[1]], axis=1, return_counts=True)
    named = zip(pairs.T, counts, strict=True)
    return {f"{Phase(int(a)).name} -> {Phase(int(b)).name}": int(c) for (a, b), c in named} | {"of": int(bounded.sum())}


def measure_cost(grid, side, window, cap, rounds):
    problem, lrs, scales = grid(side)
    model = theory.power(2)

    def sweep(window, cap=cap, **other):
        start, cpu = time.perf_counter(), time.process_time()
        ds = sims.sweep(model, problem, lrs, scales, max_steps=cap, window=window, **other)
        return time.perf_counter() - start, time.process_time() - cpu, ds

    sweep(0, 20), sweep(512, 20)  # compiled and cached
    times: dict = {0: [], window: []}
    cpus: dict = {0: [], window: []}
    found = {}
    for _ in range(rounds):
        for w in times:
            seconds, cpu, found[w] = sweep(w)
            times[w].append(seconds)
            cpus[w].append(cpu)
    plain, phase = times[0], times[window]
    ds = found[window]
    report = {
        "runs": side * side, "cap": cap, "window": window,
        "bounded runs": int(np.isin(ds.status, BOUNDED).sum()),
        "phases": {Phase(int(p)).name: int(c) for p, c in zip(*np.unique(ds.phase, return_counts=True), strict=True)},
        "seconds plain": plain, "seconds with phases": phase,
        "ratio of minima": min(phase) / min(plain),
        "ratio of medians": statistics.median(phase) / statistics.median(plain),
        "ratio of minima of processor time": min(cpus[window]) / min(cpus[0]),
    }  # fmt: skip
    # Two windows that end at the same step differ by noise alone; that began at the same one, by what happens later.
    settled = sweep(8 * window)[-1]
    for title, at in (("ends", lambda w: cap + 8 * window - w), ("begins", lambda _: cap)):
        report[f"labels unlike those of a window of {8 * window} that {title} at the same step"] = {
            w: unlike(sweep(w, at(w))[-1], settled) for w in (512, 1000, window, 2 * window)
        }
    one, two = sweep(window, threads=1)[-1], sweep(window, threads=2)[-1]
    names = ("phase", "period", "lyapunov")
    report["1 and 2 threads alike"] = all(np.array_equal(one[n], two[n], equal_nan=True) for n in names)
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--line", type=int, default=2000, help="learning rates on the one-dimensional map")
    parser.add_argument("--runs-side", type=int, default=64)
    parser.add_argument("--window", type=int, default=WINDOW)
    parser.add_argument("--cap", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    report: dict = {"line": check_line(args.line, args.window, args.cap)}
    print(json.dumps(report["line"], indent=1), flush=True)
    for grid in (peers_grid, bounded_grid):
        report[grid.__name__] = measure_cost(grid, args.runs_side, args.window, args.cap, args.rounds)
        print(grid.__name__, json.dumps(report[grid.__name__], indent=1), flush=True)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
