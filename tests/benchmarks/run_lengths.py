"""How long runs take beside how long theory says, below lr_critical_final and from there to lr_max.

python tests/benchmarks/run_lengths.py
"""

import time

import numpy as np

from gdbias import sims, theory

FAMILIES = ("power(2)", "power(3)", "difference(2)", "difference(3)", "product(2)")
SHAPES = ((8, 20), (20, 40), (5, 12), (12, 24))
SCALES = (1e-6, 1e-3, 1e-2, 0.1, 0.3)
SHARES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # of lr_critical_final, and of what is between it and lr_max
CAP = 500_000


def ratios(name: str) -> tuple[list[np.ndarray], float]:
    """Steps predicted over steps taken (run,), below, above and where they are doubted, and seconds a prediction."""
    found, spent, count = ([], [], []), 0.0, 0
    for seed, (n, d) in enumerate(SHAPES):
        signs = "positive" if "power" in name else "random"
        problem = theory.sparse_regression(n=n, d=d, sparsity=3, seed=seed, n_test=0, signs=signs)
        for scale in SCALES:
            pred = theory.predict(theory.parse(name), problem, scale)
            low, high = float(pred.lr_critical_final), pred.lr_max
            for side, rates in enumerate((low * SHARES, low + (high - low) * SHARES)):
                if rates[-1] < 1.0001 * rates[0]:  # one fit alone: nothing lies between
                    continue
                cap = CAP if n < 20 else CAP // 5
                runs = sims.sweep(pred.dynamics.model, problem, rates, scale, max_steps=cap, track_every=0)
                for lr, status, steps in zip(rates, runs.status.values[0], runs.steps.values[0], strict=True):
                    if status != sims.Status.CONVERGED:
                        continue
                    began = time.process_time()
                    told, doubted = pred.steps(lr), bool(pred.steps_note(lr))
                    spent, count = spent + time.process_time() - began, count + 1
                    found[side + doubted].append(told / (steps - 19))  # the last ones hold tol
    return [np.array(side) for side in found], spent / count


def main() -> None:
    print("family         lr_critical_final        runs   median    90 %   ms   ratios of nine in ten")
    for name in FAMILIES:
        found, seconds = ratios(name)
        for side, values in zip(("below", "above", "doubted"), found, strict=True):
            if not len(values):
                continue
            median, most = np.quantile(np.abs(np.log(values)), [0.5, 0.9])
            low, high = np.quantile(values, [0.05, 0.95])
            told = f"{name:15}{side:20}{len(values):10d}{median:9.3f}{most:8.3f}{1e3 * seconds:5.0f}"
            print(f"{told}   {low:.2f} to {high:.2f}", flush=True)


if __name__ == "__main__":
    main()
