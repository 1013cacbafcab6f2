"""lr_critical at any scale of the start and of the data, held to an integration and a Hessian of another kind.

All of `benchmarks/flow_truth_table.py` takes minutes; these are its corners.
"""

import numpy as np
import pytest

from flow_truth import flow_truth
from gdbias import theory

CASES = [
    ("power", 2, 1e-9, "squared"), ("power", 3, 1e-6, "logistic"), ("power", 4, 0.1, "logistic"),
    ("difference", 2, 1e-12, "squared"), ("difference", 2, 1e-6, "logistic"), ("difference", 3, 1e-3, "logistic"),
    ("difference", 4, 1e-3, "squared"), ("product", 2, 1e-9, "squared"), ("product", 3, 1e-3, "squared"),
]  # fmt: skip


def drawn(family, seed, loss="squared"):
    signs = "positive" if family == "power" else "random"
    made = theory.sparse_regression(n=4, d=7, sparsity=2, signs=signs, seed=seed, n_test=0)
    return theory.Problem(made.X, np.where(made.y > 0, 1.0, -1.0) if loss == "logistic" else made.y, loss=loss)


def require_true(family, L, problem, theta0, loss="squared"):
    pred = theory.predict(theory.parse(f"{family}({L})"), problem, theta0=theta0)
    true, _ = flow_truth(family, L, theta0, problem.X, problem.y, loss)
    if loss == "squared":  # the endpoint counts
        true = max(true, pred.flow.sharpness)
    assert pred.lr_critical == pytest.approx(2 / true, rel=1e-4)
    return pred.lr_critical


@pytest.mark.slow
@pytest.mark.parametrize("family, L, alpha, loss", CASES)
def test_small_starts(family, L, alpha, loss):
    problem = drawn(family, L, loss)
    require_true(family, L, problem, theory.parse(f"{family}({L})").theta0(alpha, problem.d), loss)


@pytest.mark.parametrize(
    "family, L", [pytest.param("power", 3, marks=pytest.mark.slow), ("difference", 2), ("product", 2)]
)
def test_unequal_starts(family, L):
    problem, m = drawn(family, 5), len(theory.parse(f"{family}({L})").weights)
    require_true(family, L, problem, 1e-4 * 10 ** np.random.default_rng(3).uniform(-3, 3, (m, problem.d)))


@pytest.mark.parametrize("c", [1e-8, 1e-3, 1e4, 1e8])
@pytest.mark.parametrize("model", ["power(2)", "difference(3)", "product(2)"])
def test_data_of_any_size_have_the_sharpness_that_scaling_gives(model, c):
    """``(c X, c y)`` has the path of (X, y) at c^2 times the speed, and c^2 times its sharpness."""
    problem, model = drawn(model.split("(")[0], 6), theory.parse(model)
    scaled = theory.Problem(c * problem.X, c * problem.y)
    plain, other = (theory.predict(model, p, 1e-3).lr_critical for p in (problem, scaled))
    assert c**2 * other == pytest.approx(plain, rel=1e-6)


def test_small_starts_of_degree_three_have_a_limit():
    """The path tends to a greedy one (2607.12332), to which the distance is of order alpha^(L - 2)."""
    problem = drawn("difference", 7)
    near, nearer = (theory.predict(theory.difference(3), problem, alpha).lr_critical for alpha in (1e-5, 1e-8))
    assert near == pytest.approx(nearer, rel=3e-5)
