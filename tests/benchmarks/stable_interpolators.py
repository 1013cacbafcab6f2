"""The least sharpness of an interpolator: our interior point beside a cone solver, in turn, and how far they are apart.

python tests/benchmarks/stable_interpolators.py        # 20 x 40 and 50 x 200, ours alone on 100 x 1000 and 200 x 5000
"""

import statistics
import time

import numpy as np

from gdbias import theory

ROUNDS = 5


def by_cones(problem: theory.Problem) -> float:
    """``min 4 lambda_max(X diag(|beta|) X^T) / n`` of difference(2), by Clarabel."""
    import cvxpy as cp  # takes a second, which is not its work

    beta, size = cp.Variable(problem.d), cp.Variable(problem.d)
    X, scale = problem.X, np.linalg.norm(problem.X, 2) ** 2
    program = cp.Problem(
        cp.Minimize(cp.lambda_max(X @ cp.diag(size) @ X.T / scale)), [X @ beta == problem.y, size >= cp.abs(beta)]
    )
    return float(program.solve(solver=cp.CLARABEL)) * 4 * scale / problem.n


def main() -> None:
    print(f"difference(2), one prediction of lr_max; seconds of CPU, median of {ROUNDS} rounds in turn")
    print("n x d         ours   cones  cones/ours  gap of our bounds  values apart")
    for n, d, cones in ((20, 40, True), (50, 200, True), (100, 1000, False), (200, 5000, False)):
        problem = theory.sparse_regression(n=n, d=d, sparsity=n // 4, seed=1, n_test=0)
        model, ours, others, found, value = theory.difference(2), [], [], None, np.nan
        for _ in range(ROUNDS if cones else 1):
            began = time.process_time()
            found = theory.predict(model, problem).lr_max_bounds
            ours.append(time.process_time() - began)
            if cones:
                began = time.process_time()
                value = by_cones(problem)
                others.append(time.process_time() - began)
        assert found is not None
        a, b = statistics.median(ours), statistics.median(others) if others else np.nan
        apart = abs(2 / found[0] / value - 1)
        print(f"{n:3d} x {d:4d}  {a:8.3f} {b:7.3f} {b / a:11.1f} {found[1] / found[0] - 1:18.1e} {apart:13.1e}")


if __name__ == "__main__":
    main()
