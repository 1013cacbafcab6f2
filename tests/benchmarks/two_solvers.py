"""The nearest interpolator under a cap by two solvers that share nothing: the dual in (nu, U), and the interior point.

python tests/benchmarks/two_solvers.py     # 100 problems of seven families: some seconds
"""

import numpy as np

from gdbias import theory
from gdbias.theory.prediction.constrained import Edge

FAMILIES = ("power(2)", "difference(2)", "product(2)", "power(3)", "difference(3)", "power(4)", "difference(4)")
SIZES = ((3, 12), (6, 30), (10, 40), (20, 60), (1, 5))
SCALES = (0.1, 0.3, 0.01)  # in turn for L = 2; 0.3 else
WAYS = (0.5, 0.95)  # from lr_critical_final to lr_max
ROUNDING = 1e-12


def prediction(index):
    """The first problem of this index that its family fits."""
    name, (n, d) = FAMILIES[index % len(FAMILIES)], SIZES[index % len(SIZES)]
    model, signs = theory.parse(name), "positive" if name.startswith("power") else "random"
    scale = SCALES[index % len(SCALES)] if model.degree == 2 else 0.3
    for seed in range(index, 3000, 100):
        problem = theory.sparse_regression(n=n, d=d, sparsity=min(3, n), seed=seed, signs=signs)
        try:
            pred = theory.predict(model, problem, scale)
            _ = pred.flow, pred.lr_max
        except theory.NoInterpolator:
            continue
        return pred
    raise ValueError(f"no problem of index {index} is fitted by {name}")


def main():
    apart, neither, ordered = [], {"dual": 0, "interior point": 0}, 0
    for index in range(100):
        pred = prediction(index)
        low, (found, proved) = pred.lr_critical_final, pred.lr_max_bounds
        ordered += found <= proved * (1 + ROUNDING)
        if not low < found * (1 - 1e-9):
            continue
        reachable, w0 = pred._reachable
        for way in WAYS:
            lr = low + way * (found - low)
            edge = Edge(reachable.coordinates, reachable.problem, w0, lr)
            w = edge.project(w0[edge.moving], lr)
            if w is None:
                neither["dual"] += 1
                continue
            try:
                b, _ = reachable.nearest(w0**reachable.coordinates.degree, 2 / lr)
            except theory.GdbiasError:
                neither["interior point"] += 1
                continue
            one, other = (reachable.coordinates.beta(each) for each in (edge.full(w), b))
            apart.append(np.linalg.norm(one - other) / np.linalg.norm(other))
    told = "median {:.1e}, 90th percentile {:.1e}, largest {:.1e}".format(*np.quantile(apart, [0.5, 0.9, 1]))
    print(f"{len(apart)} interpolators, |difference of beta| / |beta|: {told}; not found: {neither}")
    print(f"lr_max is at most the rate from which none is proved stable: {ordered} of 100")


if __name__ == "__main__":
    main()
