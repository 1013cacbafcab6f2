"""How many runs of random phase planes are in a phase that theory allows (see README.md).

python tests/benchmarks/phase_planes.py                  # 40 planes a family
python tests/benchmarks/phase_planes.py --problems 1     # a quick look
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from itertools import count  # noqa: E402

import numpy as np  # noqa: E402

from gdbias import sims, theory  # noqa: E402
from gdbias.figures.parts.phases import foreseen  # noqa: E402

FAMILIES = {"power(2)": 0.01, "difference(2)": 0.01, "product(2)": 0.01, "power(3)": 0.1, "difference(3)": 0.1}
SIZES = ((3, 12), (5, 20), (6, 30), (8, 24), (10, 40), (20, 60))
LARGEST, SCALES = 0.6, 9  # from the family's smallest init_scale to this; how many
SHARES = np.geomspace(0.15, 1.3, 18)  # lr / lr_max
FIRST = 300_000  # seed


def problem_of(name, index):
    """The first random problem of this index that the family can fit from its start."""
    n, d = SIZES[index % len(SIZES)]
    for attempt in count():
        problem = theory.sparse_regression(
            n=n, d=d, sparsity=min(5, max(1, n // 2)), n_test=0, seed=FIRST + index + 1000 * attempt,
            signs="positive" if name.startswith("power") else "random",
        )  # fmt: skip
        try:
            pred = theory.predict(theory.parse(name), problem, LARGEST)
            if pred.lr_critical_final < pred.lr_max:
                return problem
        except theory.NoInterpolator:
            continue


def measure(name, index, cap):
    """Of one plane how many runs are foreseen, all of them and those below lr_max."""
    model, problem = theory.parse(name), problem_of(name, index)
    scales = np.geomspace(FAMILIES[name], LARGEST, SCALES)
    pred = theory.predict(model, problem, scales)
    ds = sims.sweep(model, problem, SHARES * pred.lr_max, scales, max_steps=cap, window=2000, track_every=0, threads=1)
    return foreseen(ds, pred), foreseen(ds.isel(lr=SHARES < 1), pred)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=40, help="planes of each family")
    parser.add_argument("--families", default=",".join(FAMILIES), help="comma-separated")
    parser.add_argument("--cap", type=int, default=20_000, help="steps of a run at most")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # ends at the boundary of what is attained
    print("| | planes | right, of all | right, below lr_max | a plane, below: least, 10 %, median | not counted |")
    print("|---|---|---|---|---|---|")
    for name in options.families.split(","):
        start, rows = time.process_time(), []
        for index in range(options.problems):
            rows.append(measure(name, index, options.cap))
        every, below = np.array(rows).sum(axis=0)
        shares = np.array([found.right / found.cells for _, found in rows])
        told = [f"{found[0]} of {found[1]} ({found[0] / found[1]:.1%})" for found in (every, below)]
        least, low, middle = np.quantile(shares, [0, 0.1, 0.5])
        print(
            f"| {name} | {len(rows)} | {told[0]} | {told[1]} | {least:.0%} (of {SIZES[shares.argmin() % len(SIZES)]}), "
            f"{low:.0%}, {middle:.0%} | {every[2]} |  {time.process_time() - start:.0f} s of CPU",
            flush=True,
        )


if __name__ == "__main__":
    main()
