"""How close below lr_max runs still converge, and that none does above it, over random problems (see README.md)."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from gdbias import sims, theory  # noqa: E402

SIZES = ((3, 12), (5, 20), (3, 30), (8, 24), (10, 40), (20, 60), (20, 40), (40, 60))
SHARES = np.array([0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 1.002, 1.01, 1.05])  # lr / lr_max
MODELS = {"power(2)": "positive", "difference(2)": "random"}  # and the signs of the teacher
SCALES = (0.01, 0.1)
ATTEMPTS = 10  # seeds for one problem


def problems(model, n, d, signs, count):
    """The first ``count`` problems that a seed gives, of those the model can fit from its start; and those passed.

    A sparse positive teacher leaves too few positive interpolators where d < 3n: it is dense there.
    """
    found, passed = [], 0
    sparsity = d if signs == "positive" and d < 3 * n else min(5, max(1, n // 2))
    for seed in range(ATTEMPTS * count):
        problem = theory.sparse_regression(n=n, d=d, sparsity=sparsity, signs=signs, n_test=0, seed=seed)
        pred = theory.predict(model, problem, np.array(SCALES))
        try:
            _ = pred.flow  # raises where no interpolator is within the start's reach
            found.append((problem, pred.lr_max))
        except theory.NoInterpolator:
            passed += 1
        if len(found) == count:
            break
    return found, passed


def measure(name, n, d, count, cap):
    """Largest converging share and converged runs above lr_max, by init_scale."""
    model = theory.parse(name)
    chosen, passed = problems(model, n, d, MODELS[name], count)
    options: dict = dict(max_steps=cap, track_every=0, keep=(), threads=1)
    statuses = [sims.sweep(model, problem, SHARES * top, SCALES, **options)["status"].values for problem, top in chosen]
    codes = np.array(statuses).reshape(-1, len(SCALES), len(SHARES))
    good, slow = codes == sims.Status.CONVERGED, codes == sims.Status.STEP_LIMIT
    largest = np.where(good, SHARES, 0.0).max(axis=-1)  # (problem, init_scale), 0 where none converged
    return [
        {
            "model": name, "n": n, "d": d, "init_scale": scale, "problems": len(chosen), "passed over": passed,
            "median largest converging lr / lr_max": float(np.median(largest[:, i])) if chosen else None,
            "least": float(largest[:, i].min()) if chosen else None,
            "most": float(largest[:, i].max()) if chosen else None,
            "step limit, below lr_max": int(slow[:, i, SHARES < 1].sum()),
            "runs above lr_max": int(good[:, i, SHARES > 1].size),
            "converged above lr_max": int(good[:, i, SHARES > 1].sum()),
        }
        for i, scale in enumerate(SCALES)
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=20, help="for each model and size")
    parser.add_argument("--cap", type=int, default=200_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    print("| model | n, d | n/d | init_scale | problems (passed over) | median (least, most) | slow | above lr_max |")
    print("|---|---|---|---|---|---|---|---|")
    for name in MODELS:
        for n, d in sorted(SIZES, key=lambda size: (size[0] / size[1], size)):
            for row in measure(name, n, d, args.problems, args.cap):
                rows.append(row)
                if not row["problems"]:
                    print(f"| {name} | {n}, {d} | {n / d:.2f} | {row['init_scale']} | 0 ({row['passed over']}) | | | |")
                    continue
                print(
                    f"| {name} | {n}, {d} | {n / d:.2f} | {row['init_scale']} | {row['problems']} "
                    f"({row['passed over']}) | {row['median largest converging lr / lr_max']:.2f} "
                    f"({row['least']:.2f}, {row['most']:.2f}) | {row['step limit, below lr_max']} | "
                    f"{row['converged above lr_max']} of {row['runs above lr_max']} |",
                    flush=True,
                )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
