"""lr_critical against an independent stiff integration with dense eigenvalues: the largest errors of each family.

python tests/benchmarks/flow_truth_table.py
"""

import sys
import time
from pathlib import Path

import numpy as np

from gdbias import theory

sys.path.insert(0, str(Path(__file__).parent.parent))
from flow_truth import flow_truth  # noqa: E402

SCALES = (1.0, 0.1, 1e-3, 1e-6, 1e-9, 1e-12)
FAMILIES = [(f, L) for f in ("power", "difference", "product") for L in (2, 3, 4)]


def drawn(family: str, seed: int, loss: str) -> theory.Problem:
    made = theory.sparse_regression(
        n=5, d=9, sparsity=3, signs="positive" if family == "power" else "random", seed=seed
    )
    return theory.Problem(made.X, np.where(made.y > 0, 1.0, -1.0) if loss == "logistic" else made.y, loss=loss)


def cases():
    """Names, families, problems, losses and starts."""
    for family, L in FAMILIES:
        for loss in ("squared", "logistic"):
            for k, alpha in enumerate(SCALES):
                problem = drawn(family, k, loss)
                yield f"{loss}, init_scale {alpha:g}", family, L, problem, loss, alpha, None
        for c in (1e-8, 1e8):
            problem = drawn(family, 7, "squared")
            scaled = theory.Problem(c * problem.X, c * problem.y)
            yield f"data times {c:g}", family, L, scaled, "squared", 0.1, None
        problem, rng = drawn(family, 8, "squared"), np.random.default_rng(8)
        m = len(theory.parse(f"{family}({L})").weights)
        theta0 = 1e-3 * 10 ** rng.uniform(-3, 3, (m, 9))
        yield "unequal starts", family, L, problem, "squared", None, theta0


def main() -> None:
    worst: dict[str, float] = {}
    for name, family, L, problem, loss, alpha, theta0 in cases():
        model, began = theory.parse(f"{family}({L})"), time.perf_counter()
        start = model.theta0(alpha, problem.d) if theta0 is None else theta0
        try:
            given = theory.predict(model, problem, theta0=start)
            found = given.sharpness_max
            middle = time.perf_counter()
            true, _ = flow_truth(family, L, start, problem.X, problem.y, loss)
            if loss == "squared":  # the endpoint of the flow counts
                true = max(true, given.flow.sharpness)
            error = abs(found / true - 1)
            took = f"{middle - began:.2f} s, truth {time.perf_counter() - middle:.1f} s"
        except (theory.GdbiasError, AssertionError) as reason:
            error, found, true, took = np.inf, np.nan, np.nan, str(reason)[:100]
        worst[f"{family}({L})"] = max(error, worst.get(f"{family}({L})", 0.0))
        print(f"{family}({L}), {name}: {found:.8g} {true:.8g} {error:.1e} {took}", flush=True)
    print(*(f"{family}: largest error {error:.1e}" for family, error in worst.items()), sep="\n")


if __name__ == "__main__":
    main()
