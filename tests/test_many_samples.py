"""Where samples are many the implicit step is solved by conjugate gradients: held to the conditions of its optimum."""

import numpy as np
import pytest

from gdbias import theory
from gdbias.theory.prediction.constrained import Edge
from gdbias.theory.prediction.newton import WHOLE


@pytest.mark.parametrize("scale", [1e-6, 1.0, pytest.param(1e6, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name, n, d",
    [("difference(2)", 80, 150), pytest.param("difference(3)", 70, 400, marks=pytest.mark.slow), ("power(2)", 70, 300)],
)
def test_the_nearest_interpolator_under_a_cap_meets_the_conditions_of_its_optimum(name, n, d, scale):
    """``z(w) = z(w_0) + C^T nu - 2 L (L - 1) w^(L - 2) |U c|^2``, C b = y, K <= cap and (K - cap) U^T = 0."""
    given = theory.sparse_regression(n=n, d=d, sparsity=6, seed=3, signs="positive" if "power" in name else "random")
    X = scale * given.X
    problem = theory.Problem(X, X @ given.beta_star)
    pred = theory.predict(theory.parse(name), problem, 0.1)
    lr = float(pred.lr_critical_final + 0.8 * (pred.lr_max - pred.lr_critical_final))
    reachable, w0 = pred.reachable(lr)
    edge = Edge(reachable.coordinates, problem, w0, lr)
    start = w0[edge.moving]
    found = edge.multipliers(start, lr)
    assert n > WHOLE and found is not None
    w, nu, U = found
    C, y, *_ = edge._columns
    L, eta = reachable.coordinates.degree, edge.eta
    dual = (lambda v: 0.5 * np.log(v)) if L == 2 else (lambda v: -(v ** (2.0 - L)) / (L * (L - 2)))
    cap, K = 2 / (eta * L * L), (C * w ** (2 * L - 2)) @ C.T
    assert len(U) >= 1
    np.testing.assert_allclose(C @ w**L, y, atol=1e-8)
    assert np.linalg.eigvalsh(K)[-1] <= cap * (1 + 2e-6)
    assert np.abs(U @ (K - cap * np.eye(n))).max() <= 1e-5 * cap * np.abs(U).max()
    moved = C.T @ nu - 2 * L * (L - 1) * w ** (L - 2) * ((U @ C) ** 2).sum(axis=0)
    slope = np.abs(w * 0.5 / w if L == 2 else w ** (2.0 - L) / L)  # dz / dlog w
    np.testing.assert_allclose((dual(w) - dual(start / edge.unit) - moved) / slope, 0, atol=1e-6)
