"""Predicted critical learning rates on the diabetes regression, and where runs leave gradient flow and diverge.

python tests/benchmarks/real_data.py --model "difference(2)"
"""

import argparse
import time

import numpy as np

from gdbias import sims, theory


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="difference(2)")
    parser.add_argument("--init-scale", type=float, default=0.1)
    parser.add_argument("--train", type=int, default=20)
    parser.add_argument("--num", type=int, default=41)
    parser.add_argument("--max-steps", type=int, default=200_000)
    asked = parser.parse_args()
    model, problem = theory.parse(asked.model), theory.diabetes(asked.train)
    pred, began = theory.predict(model, problem, asked.init_scale), time.perf_counter()
    last = float(pred.lr_critical_final)
    print(f"{model}, {problem}, init_scale {asked.init_scale:g}")
    print(f"predicted: lr_critical {pred.lr_critical:.5g}, lr_critical_final {last:.5g}")
    top = pred.lr_max
    print(f"           lr_max {top:.5g} = {top / last:.3f} lr_critical_final")
    shares = np.linspace(0.6, 1.2, asked.num) * last, np.linspace(1.2 * last, 1.05 * top, asked.num)
    lr = np.unique(np.concatenate(shares))
    ds = sims.sweep(model, problem, lr, asked.init_scale, max_steps=asked.max_steps).squeeze()
    moved = np.linalg.norm(ds.beta.values - pred.flow.beta, axis=-1) / np.linalg.norm(pred.flow.beta)
    edge, converged = lr * ds.sharpness.values / 2, ds.status.values == sims.Status.CONVERGED
    for at in range(0, len(lr), max(1, len(lr) // 20)):
        print(f"lr / final {lr[at] / last:.3f}  {sims.Status(int(ds.status[at])).name:12} lr S / 2 {edge[at]:.4f}  "
              f"moved from flow {moved[at]:.4f}  test risk {float(ds.test_risk[at]):.4f}")  # fmt: skip
    first = lr[~ds.monotone.values].min()
    print(f"the loss rises first at {first / float(pred.lr_critical):.4f} lr_critical")
    flatter = np.flatnonzero(ds.sharpness.values < 0.99 * float(pred.flow.sharpness))
    print(f"1% flatter than flow's endpoint first at {lr[flatter[0]] / last:.4f} lr_critical_final")
    far = np.flatnonzero(moved > 0.05)
    if len(far):
        print(f"more than 5% from flow's beta first at {lr[far[0]] / last:.4f} lr_critical_final")
    held = lr[converged].max()  # within the cap on steps
    print(f"largest lr that converged {held / top:.4f} lr_max, the next {lr[lr > held].min() / top:.4f} lr_max")
    flow = pred.flow.test_risk
    best = np.nanargmin(np.where(converged, ds.test_risk.values, np.nan))
    print(f"test risk: flow {flow:.4f}, least of runs {float(ds.test_risk[best]):.4f} at "
          f"{lr[best] / last:.3f} lr_critical_final")  # fmt: skip
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
