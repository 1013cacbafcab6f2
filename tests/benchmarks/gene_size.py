"""What `gdbias predict` costs at the size of gene-expression data, end to end (see README.md).

python tests/benchmarks/gene_size.py             # 200 x 5000: a few minutes
python tests/benchmarks/gene_size.py --quick     # 40 x 400
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gdbias import theory

FACTORS, TEACHER, NOISE, HELD_OUT = 20, 10, 0.3, 50
LOWEST, HIGHEST, RATES = 0.3, 2.2, 20  # learning rates, in lr_critical_final
SCALE = 0.1


def expressions(n, d):
    """Columns of size 1 that a few factors correlate, and targets of a sparse teacher with noise; held out as well."""
    rng = np.random.default_rng(0)
    rows = n + HELD_OUT
    X = rng.standard_normal((rows, FACTORS)) @ rng.standard_normal((FACTORS, d)) / np.sqrt(FACTORS)
    X += rng.standard_normal((rows, d))
    X = (X - X[:n].mean(axis=0)) / X[:n].std(axis=0)
    beta = np.zeros(d)
    beta[rng.choice(d, TEACHER, replace=False)] = rng.choice([-1, 1], TEACHER)
    y = X @ beta + NOISE * rng.standard_normal(rows)
    y -= y[:n].mean()
    return dict(X=X[:n], y=y[:n], X_test=X[n:], y_test=y[n:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 x 400")
    parser.add_argument("--highest", type=float, default=HIGHEST, help="largest learning rate, in lr_critical_final")
    options = parser.parse_args()
    data = expressions(*((40, 400) if options.quick else (200, 5000)))
    final = float(theory.predict(theory.difference(2), theory.Problem(**data), SCALE).lr_critical_final)
    rates = np.linspace(LOWEST, options.highest, RATES) * final
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "expressions.npz"
        np.savez(file, **data)
        command = [sys.executable, "-m", "gdbias", "predict", "--npz", str(file), "--init-scale", str(SCALE)]
        command += ["--model", "difference(2)", "--lr", ",".join(f"{rate:.6g}" for rate in rates)]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as told:
            assert told.stdout is not None
            for line in told.stdout:
                print(f"{time.perf_counter() - start:7.1f} s  {line}", end="", flush=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{time.perf_counter() - start:.0f} s, {spent.ru_utime + spent.ru_stime:.0f} s of CPU")


if __name__ == "__main__":
    main()
