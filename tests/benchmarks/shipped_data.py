"""What descent picks on the real data that packages ship, up to the largest learning rate that converges.

python tests/benchmarks/shipped_data.py                 # those that are installed
python tests/benchmarks/shipped_data.py --only khan
"""

import argparse
import time

import numpy as np

from gdbias import sims, theory

SETS = {
    "breast_cancer": lambda: theory.breast_cancer(100),
    "digit_pair": lambda: theory.digit_pair(3, 8, 40),
    "khan": theory.khan,
    "gse7390": lambda: theory.gse7390(30),
}


def rates(pred):
    """From half the critical learning rate to the last that has a stable solution, or four critical ones."""
    try:
        top = 0.99 * pred.lr_max
    except theory.GdbiasError:  # the logistic loss has no frontier
        top = 4 * pred.lr_critical
    return np.geomspace(0.5 * pred.lr_critical, top, 24)


def row(name, model, max_steps):
    problem, began = SETS[name](), time.perf_counter()
    pred = theory.predict(model, problem, 0.1)
    lr = rates(pred)
    tol = 1e-10 if problem.loss == theory.squared else 0.05
    ds = sims.sweep(model, problem, lr, 0.1, max_steps=max_steps, tol=tol, track_every=0).squeeze()
    good = np.flatnonzero(ds.status.values == sims.Status.CONVERGED)
    middle = (problem.y.max() + problem.y.min()) / 2  # of the two classes
    wrong = ((ds.beta.values @ problem.X_test.T > middle) != (problem.y_test > middle)).mean(axis=1)
    best = good[np.argmin(ds.test_risk.values[good])]
    print(f"| {name} | {problem.n} x {problem.d} | {problem.loss} | {pred.lr_critical:.4g}", end="")
    for k in (good[0], best, good[-1]):
        print(
            f" | {lr[k] / pred.lr_critical:.2f}: {ds.sharpness.values[k]:.3g}, {ds.beta_l1.values[k]:.3g}, "
            f"{ds.test_risk.values[k]:.3g}, {wrong[k]:.1%}",
            end="",
        )
    print(f" | {time.perf_counter() - began:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="difference(2)")
    parser.add_argument("--only", choices=SETS, action="append")
    parser.add_argument("--max-steps", type=int, default=100_000)
    asked = parser.parse_args()
    model = theory.parse(asked.model)
    print(f"{model}, init_scale 0.1; at lr / lr_critical: sharpness, l1 norm, test risk, held-out rows misclassified")
    print(
        "| data | rows x features | loss | lr_critical | smallest lr | least test risk | largest that converges | s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in asked.only or SETS:
        try:
            row(name, model, asked.max_steps)
        except theory.MissingExtra as reason:
            print(f"| {name} | {reason} | | | | | | |")


if __name__ == "__main__":
    main()
