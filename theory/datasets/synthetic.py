"""Seeded synthetic data and a single point."""

import numpy as np

from ..errors import InputError
from ..problem import Problem, Recipe
from ..validate import one_of, real, real_array, whole

MANY = 2**60  # samples or features, more than any memory holds


def sparse_regression(
    n: int = 20,
    d: int = 40,
    sparsity: int = 5,
    noise: float = 0.0,
    signs: str = "random",
    correlation: float = 0.0,
    n_test: int = 1000,
    seed: int = 0,
) -> Problem:
    """``y = X beta_star + noise * xi`` with a sparse teacher.

    Rows of X are standard normal, or AR(1) across features with the given correlation. The teacher has
    ``sparsity`` entries of size uniform in [0.5, 1.5]; ``signs="positive"`` suits families whose
    coefficients cannot be negative. One ``numpy.random.default_rng(seed)`` draws, in this order: X, the
    support, the sizes, the signs, the noise, the test X and the test noise.

    Raises:
        InputError: sizes below 1 or not whole, sparsity above d, a negative noise, |correlation| >= 1,
            unknown signs.
    """
    n, d, sparsity = whole("n", n, 1, MANY), whole("d", d, 1, MANY), whole("sparsity", sparsity, 0, MANY)
    n_test, seed = whole("n_test", n_test, 0, MANY), whole("seed", seed, 0)
    noise, correlation = real("noise", noise, low=0), real("correlation", correlation, above=-1, below=1)
    if max(n, n_test) * d >= MANY:
        raise InputError(f"n = {n}, n_test = {n_test}, d = {d} are more numbers than any memory holds: ask for fewer")
    if sparsity > d:
        raise InputError(f"sparsity = {sparsity} exceeds d = {d}: use at most {d}")
    signs = one_of("signs", signs, ("random", "positive"))
    rng = np.random.default_rng(seed)

    def samples(count: int) -> np.ndarray:
        X = rng.standard_normal((count, d))
        for i in range(1, d if correlation else 0):
            X[:, i] = correlation * X[:, i - 1] + np.sqrt(1 - correlation**2) * X[:, i]
        return X

    X = samples(n)
    beta_star = np.zeros(d)
    support = rng.permutation(d)[:sparsity]
    beta_star[support] = rng.uniform(0.5, 1.5, sparsity)
    flips = rng.choice([-1.0, 1.0], sparsity)
    if signs == "random":
        beta_star[support] *= flips
    y = X @ beta_star + noise * rng.standard_normal(n)
    X_test = samples(n_test) if n_test else None
    y_test = None if X_test is None else X_test @ beta_star + noise * rng.standard_normal(n_test)
    spec = Recipe(
        kind="sparse_regression", n=n, d=d, sparsity=sparsity, noise=noise, signs=signs,
        correlation=correlation, n_test=n_test, seed=seed,
    )  # fmt: skip
    return Problem(X, y, beta_star, X_test=X_test, y_test=y_test, spec=spec)


def single_point(x, y: float) -> Problem:
    """One sample x of shape (d,) with target y, the setting of arXiv 2505.21423."""
    x, y = np.atleast_1d(real_array("x", x, "give the d features of one sample")), real("y", y)
    if x.ndim != 1:
        raise InputError(f"x has shape {x.shape}, expected (d,): one sample")
    spec = Recipe(kind="single_point", x=x.tolist(), y=y)
    return Problem(x[None, :], np.array([y]), spec=spec)
