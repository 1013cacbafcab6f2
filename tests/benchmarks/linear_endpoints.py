"""Predicted planes of deep linear networks beside their sweeps: weights, sharpness, steps and phases at the end.

python tests/benchmarks/linear_endpoints.py --problems 30
"""

import argparse
import time

import numpy as np

from gdbias import sims, theory
from gdbias.sims import Phase, Status

SHARES = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98])  # of lr_max
SCALES = (0.1, 0.3, 0.6, 0.8, 1.0, 1.2)
CASES = (("random", 30), ("random", 0), ("random", 100), ("balanced", 30), ("spectral", 30))  # starts and warm-ups
CAP = 20_000
NAMES = ("weights", "sharpness", "steps")


def cells(start: str, warmup: int, problems: int) -> tuple[dict[str, np.ndarray], float, float]:
    """By name, one entry a cell of random networks; and the seconds of a predicted cell and of a run."""
    rng, found, spent = np.random.default_rng(warmup), [], np.zeros(2)
    for seed in range(problems):
        shape = tuple(rng.integers(1, 6, 2).tolist())
        net = theory.linear_network(
            rng.standard_normal(shape), int(rng.integers(2, 5)), max(shape) + int(rng.integers(2))
        )
        asked = dict(lr=SHARES * net.lr_max, init_scale=float(rng.choice(SCALES)), start=start, seed=seed)
        began = time.process_time()
        told = sims.linear.predicted(net, **asked, warmup=warmup).isel(init_scale=0)
        between = time.process_time()
        runs = sims.linear.sweep(net, **asked, max_steps=CAP, track_every=0).isel(init_scale=0)
        spent += between - began, time.process_time() - between
        apart = np.linalg.norm(told.parameters.values - runs.parameters.values, axis=1) / runs.theta_l2.values
        steps = np.where(told.steps.values > 0, told.steps.values / runs.steps.values - 1, np.nan)
        found.append(
            dict(
                status=runs.status.values, told=told.status.values, weights=apart, steps=np.abs(steps),
                sharpness=np.abs(told.sharpness.values / runs.sharpness.values - 1), same=told.phase == runs.phase,
                edge=told.phase.values == Phase.EDGE_OF_STABILITY,
            )
        )  # fmt: skip
    return {n: np.concatenate([f[n] for f in found]) for n in found[0]}, *spent / (problems * len(SHARES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=30, help="networks of each kind of start")
    problems = parser.parse_args().problems
    for start, warmup in CASES:
        cell, prediction, run = cells(start, warmup, problems)
        ended = cell["status"] == Status.CONVERGED
        both = ended & (cell["told"] == Status.CONVERGED)
        missed = int((ended & ~both).sum()), int(((cell["status"] == Status.DIVERGED) & (cell["told"] == 0)).sum())
        print(
            f"{start} start, warmup {warmup}: {len(ended)} cells, {ended.sum()} converge, {missed[0]} of them untold;"
        )
        print(f"  {missed[1]} diverge where an end was told; {1e3 * prediction:.0f} ms predicted, {1e3 * run:.0f} run")
        print(f"  {cell['same'][both].sum()} of {both.sum()} in the predicted phase")
        for where, those in (("edge", both & cell["edge"]), ("elsewhere", both & ~cell["edge"])):
            for name in NAMES:
                values = cell[name][those]
                values = values[np.isfinite(values)]
                if len(values):
                    median, most = 100 * np.quantile(values, (0.5, 0.9))
                    print(f"  {where:10}{name:10} {len(values):5d}   median {median:7.3f} %   90 % {most:7.2f} %")


if __name__ == "__main__":
    main()
