"""How fast slowly ramped descent approaches the sweeping process, over random problems of power(2) (see README.md)."""

import argparse
import json

import numpy as np

from gdbias import sims, theory
from gdbias.theory.prediction.sweeping_process import adiabatic

SIZES = ((3, 12), (5, 20), (6, 30), (8, 24))
FRACTION = 0.5  # of the way from lr_critical_final to lr_max


def settings(count):
    """The first problems with a strictly positive interpolator, and the learning rate that each is ramped to."""
    model, seed, found = theory.power(2), 0, 0
    while found < count:
        n, d = SIZES[found % len(SIZES)]
        problem = theory.sparse_regression(n=n, d=d, sparsity=max(1, n // 2), signs="positive", n_test=0, seed=seed)
        seed += 1
        try:
            pred = theory.predict(model, problem, 0.1)
            low, high = pred.lr_critical_final, pred.lr_max
        except theory.NoInterpolator:
            continue
        if low < high:
            found += 1
            yield seed - 1, model, problem, pred, low + FRACTION * (high - low)


def ramped(model, problem, pred, lr, steps, noise=1e-6):
    """Descent from gradient flow's endpoint, ramped from 0.98 lr_critical_final to lr over the steps, then held."""
    schedule = theory.ramp(steps, start_lr=0.98 * pred.lr_critical_final)
    rule = theory.UpdateRule(schedule=schedule, label_noise=noise, noise_steps=steps)
    return sims.descend(model, problem, lr, theta0=pred.flow.theta, rule=rule, max_steps=steps + 400_000, track_every=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=15)
    parser.add_argument("--steps", default="10000,100000,1000000", help="steps of the ramp, comma-separated")
    parser.add_argument("--json", help="file for all rows")
    options = parser.parse_args()
    lengths, rows = [int(float(T)) for T in options.steps.split(",")], []
    for seed, model, problem, pred, lr in settings(options.problems):
        limit = adiabatic(pred, lr).beta
        size = np.linalg.norm(limit)
        finer = float(np.linalg.norm(adiabatic(pred, lr, 4000).beta - limit) / size)
        for T in lengths:
            ds = ramped(model, problem, pred, lr, T)
            error = float(np.linalg.norm(ds.beta.values - limit) / size)
            rows.append(
                dict(
                    seed=seed, n=problem.n, T=T, error=error, status=int(ds.status), limit_moves=finer,
                    undershoot=1 - float(lr * ds.sharpness) / 2,
                )
            )  # fmt: skip
            print(rows[-1], flush=True)
    medians = []
    for T in lengths:
        errors = 100 * np.array([r["error"] for r in rows if r["T"] == T and r["status"] == 0])
        medians.append(np.median(errors))
        print(f"T = {T}: {len(errors)} converged; error {medians[-1]:.3f} % ({np.percentile(errors, 90):.3f} %)")
    if len(lengths) > 1:
        print(f"slope of log median error on log T: {np.polyfit(np.log(lengths), np.log(medians), 1)[0]:.3f}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file)


if __name__ == "__main__":
    main()
