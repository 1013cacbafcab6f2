"""Maps of divergence in single precision against sweeps in double: what they take, and in which runs they differ."""

import argparse
import time
import warnings

import numpy as np
from rich.console import Console
from rich.table import Table
from suite import spread
from workloads import WORKLOADS, normal, one_dataset

from gdbias import sims, theory

NUDGES = 1e-15, 1e-7  # relative, of the starts of further sweeps in double precision: what each precision rounds by


def plane(quick=False):
    """What a map is for: many runs of two weights a feature, over both knobs."""
    X, side = normal(10, 40), 20 if quick else 200
    y = X[:, :5] @ np.array([1.0, 1, 1, -1, -1])
    grid = np.geomspace(0.05, 1, side), np.geomspace(0.01, 1, side)
    return one_dataset("plane", "10 x 40, a map", "difference(2)", X, y, *grid, 5_000)


EVERY = WORKLOADS | {"plane": plane}


def maps(work, rounds):
    """The row of a workload: seconds in double, ratios double / single, and counts of runs."""
    model = theory.parse(work.model)
    problems = [theory.Problem(X, y) for X, y in zip(work.X, work.y, strict=True)]

    def swept(cap=work.cap, nudge=0.0, **options):
        began = time.perf_counter()
        ds = sims.sweep(
            model, problems, lr=work.lrs, init_scale=work.scales * (1 + nudge), max_steps=cap, tol=work.tol, hold=1,
            track_every=0, keep=(), **options,
        )  # fmt: skip
        return time.perf_counter() - began, ds.status.values == sims.Status.DIVERGED

    swept(20), swept(20, precision="float32")  # compiles
    seconds, ratios, double, single = [], [], None, None
    for _ in range(rounds):
        took, double = swept()
        less, single = swept(precision="float32")
        seconds.append(took)
        ratios.append(took / less)
    nudged = [(swept(nudge=nudge)[1] != double).sum() for nudge in NUDGES]
    return min(seconds), spread(ratios), double.sum(), (single != double).sum(), *nudged


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", default=",".join(EVERY), help=f"from {', '.join(EVERY)}")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether all works")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of timed sweeps")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning, module="gdbias")  # some data of W4 are hard to fit
    columns = ["", "runs", "double, s", "double / single", "least", "most", "diverged", "differ"]
    columns += [f"nudged {nudge:g}" for nudge in NUDGES]
    table = Table(*columns, box=None, pad_edge=False)
    for name in options.workloads.split(","):
        work = EVERY[name](options.quick)
        seconds, ratio, *counts = maps(work, options.rounds)
        table.add_row(
            name, str(work.runs), f"{seconds:.3f}", *(f"{ratio[k]:.2f}" for k in ("median", "min", "max")),
            *map(str, counts),
        )  # fmt: skip
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
