"""What predictions cost beside the runs that they replace: endpoints, lr_max, the frontier, and a whole plane.

    python tests/benchmarks/prediction_cost.py                # the tables of README.md: five minutes
    python tests/benchmarks/prediction_cost.py --quick        # small sizes, one round

Seconds of the clock, of CPU for lr_max and the frontier; medians and 90th percentiles over learning rates and problems.
A plane and the sweep of its cells are timed in turn, and the ratio is that of each round. Kernels are compiled before.
"""

import argparse
import time
from contextlib import suppress

import numpy as np

from gdbias import sims, theory

FAMILIES = ("power(2)", "difference(2)", "product(2)", "power(3)", "difference(3)")
SIZES = ((20, 40), (50, 200), (100, 1000))
PROBLEMS, RATES = 3, 7


def problems_of(name, n, d, count):
    """Random problems that the family can fit."""
    found, signs = [], "positive" if name.startswith("power") else "random"
    for seed in range(500, 600):
        problem = theory.sparse_regression(n=n, d=d, sparsity=5, n_test=200, signs=signs, seed=seed)
        try:
            pred = theory.predict(theory.parse(name), problem, 0.1)
            _ = pred.flow
        except theory.NoInterpolator:
            continue
        if np.isfinite(pred.lr_critical_final):
            found.append(problem)
        if len(found) == count:
            break
    return found


def seconds(call, clock=time.perf_counter):
    start = clock()
    call()
    return clock() - start


def endpoints(name, n, d, count):
    """Times of endpoints from below the edge to near lr_max, of lr_max, and its bracket."""
    model, ends, warm, runs, most, gaps = theory.parse(name), [], [], [], [], []
    for problem in problems_of(name, n, d, count):
        pred = theory.predict(model, problem, 0.1)
        _ = pred.flow
        most.append(seconds(lambda: pred.lr_max, time.process_time))  # noqa: B023
        low, high = pred.lr_max_bounds
        gaps.append(high / low - 1)
        fresh = theory.predict(model, problem, 0.1)  # which does not know lr_max
        _ = fresh.flow, fresh._reachable
        top = min(low, pred.lr_divergence)
        for lr in np.linspace(0.5 * min(top, pred.lr_critical_final), 0.98 * top, RATES).tolist():
            ends.append(seconds(lambda: fresh.endpoint(lr)))  # noqa: B023
            with suppress(theory.GdbiasError):  # descent diverges, or a weight of odd degree changed its sign
                warm.append(seconds(lambda: fresh.endpoint(lr, warmup=50)))  # noqa: B023
            run = lambda: sims.descend(model, problem, lr, 0.1, max_steps=20_000, track_every=0)  # noqa: B023, E731
            runs.append(seconds(run))
    told = [f"{np.median(t):.4f} ({np.quantile(t, 0.9):.4f})" for t in (ends, warm, runs)]
    print(f"| {name}, {n} x {d} | {' | '.join(told)} | {np.median(most):.3f} | {max(gaps):.0e} |", flush=True)


def frontier(name, n, d):
    [problem] = problems_of(name, n, d, 1)
    model = theory.parse(name)
    curve = theory.frontier(model, problem, 50)
    spent = seconds(lambda: theory.frontier(model, problem, 50), time.process_time)
    gap = float((1 - curve.l1_bound / curve.l1_norm).max())
    print(f"| {name}, {n} x {d} | {spent:.2f} | {gap:.0e} |", flush=True)


def plane(name, rounds):
    """40 learning rates x 25 starts of 20 x 40, predicted and run."""
    [problem], model = problems_of(name, 20, 40, 1), theory.parse(name)
    pred, scales = theory.predict(model, problem, 0.1), np.geomspace(0.01, 0.5, 25)
    lr = np.linspace(0.2 * pred.lr_critical_final, 1.2 * pred.lr_max, 40)
    told = lambda: sims.predicted(model, problem, lr, scales)  # noqa: E731
    ran = lambda: sims.sweep(model, problem, lr, scales, window=2000)  # noqa: E731
    sims.predicted(model, problem, lr[:1], scales[:1]), sims.sweep(model, problem, lr[:1], scales[:1], window=2000)
    times = np.array([(seconds(told), seconds(ran)) for _ in range(rounds)])
    ratio = times[:, 0] / times[:, 1]
    least, middle, most = np.quantile(ratio, [0, 0.5, 1])
    print(
        f"| {name} | {times[:, 0].min():.2f} | {times[:, 1].min():.2f} | {least:.1f} / {middle:.1f} / {most:.1f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the smallest size, one problem and one round")
    options = parser.parse_args()
    for name in FAMILIES:  # kernels
        [problem] = problems_of(name, 5, 8, 1)
        pred = theory.predict(theory.parse(name), problem, 0.1)
        pred.endpoint(0.5 * pred.lr_critical, warmup=20)
        sims.descend(theory.parse(name), problem, 0.5 * pred.lr_critical, 0.1, max_steps=100, track_every=0)
    columns = ("endpoint: seconds, median (90 %)", "no run", "warm-up 50", "the run", "lr_max, CPU", "bracket")
    print("| " + " | ".join(columns) + " |", "|---" * len(columns) + "|", sep="\n")
    for n, d in SIZES[: 1 if options.quick else None]:
        for name in FAMILIES if n < 100 else FAMILIES[1:2]:
            endpoints(name, n, d, 1 if options.quick or n >= 100 else PROBLEMS)
    print("\n| frontier of 50 points | seconds of CPU | bracket of the norm |\n|---|---|---|")
    for n, d in ((20, 60), (100, 1000))[: 1 if options.quick else None]:
        for name in ("difference(2)", "power(2)", "difference(3)"):
            frontier(name, n, d)
    print("\n| plane of 1,000 cells | predicted, s | sweep, s | predicted in sweeps, by round |\n|---|---|---|---|")
    for name in ("difference(2)", "power(2)"):
        plane(name, 1 if options.quick else 5)


if __name__ == "__main__":
    main()
