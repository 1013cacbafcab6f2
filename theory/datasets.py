"""Where problems come from: seeded synthetic data, a single point, a user's file."""

from os import PathLike
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from .errors import InputError
from .loss import parse_loss
from .problem import Problem
from .real_data import diabetes
from .validate import real, real_array, whole

SAVE_NPZ = "save it with numpy.savez(path, X=X, y=y)"


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
    n, d, sparsity = whole("n", n, 1), whole("d", d, 1), whole("sparsity", sparsity, 0)
    n_test, seed = whole("n_test", n_test, 0), whole("seed", seed, 0)
    noise, correlation = real("noise", noise, low=0), real("correlation", correlation, above=-1, below=1)
    if max(n, n_test) * d >= 2**60:
        raise InputError(f"n = {n}, n_test = {n_test}, d = {d} are more numbers than any memory holds: ask for fewer")
    if sparsity > d:
        raise InputError(f"sparsity = {sparsity} exceeds d = {d}: use at most {d}")
    if signs not in ("random", "positive"):
        raise InputError(f"signs = {signs!r} must be 'random' or 'positive'")
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
    spec = dict(
        kind="sparse_regression", n=n, d=d, sparsity=sparsity, noise=noise, signs=signs,
        correlation=correlation, n_test=n_test, seed=seed,
    )  # fmt: skip
    return Problem(X, y, beta_star, X_test=X_test, y_test=y_test, spec=spec)


def single_point(x, y: float) -> Problem:
    """One sample x of shape (d,) with target y, the setting of arXiv 2505.21423."""
    x, y = np.atleast_1d(real_array("x", x, "give the d features of one sample")), real("y", y)
    if x.ndim != 1:
        raise InputError(f"x has shape {x.shape}, expected (d,): one sample")
    spec = {"kind": "single_point", "x": x.tolist(), "y": y}
    return Problem(x[None, :], np.array([y]), spec=spec)


MADE_BY_SPEC = {  # by the kind of their spec
    "sparse_regression": sparse_regression, "single_point": single_point, "diabetes": diabetes,
}  # fmt: skip


def read_csv(
    path: str | PathLike,
    target: str,
    loss: str = "squared",
    standardize: bool = True,
    test_fraction: float = 0.25,
    seed: int = 0,
) -> Problem:
    """Read a table with a header; ``target`` names the column to predict, all others are features.

    Rows are split at random into training and test rows (``test_fraction=0`` keeps all for training).
    With ``standardize`` features get mean 0 and standard deviation 1, and a real target mean 0, by the
    training rows' statistics.

    Raises:
        InputError: an unreadable file, a missing target, columns that are not numbers, missing values,
            a constant feature, or no rows left for training.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"cannot read {path} ({reason}): give a comma-separated table with a header") from None
    if target not in table.columns:
        raise InputError(
            f"target {target!r} is not a column of {path}: choose one of {', '.join(map(str, table.columns))}"
        )
    if not len(table):
        raise InputError(f"{path} has a header but no rows: add samples")
    text = [str(c) for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
    if text:
        raise InputError(f"column {text[0]!r} of {path} is not numeric: encode it as numbers or drop it")
    values = table.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise InputError(
            f"row {row + 1}, column {table.columns[column]!r} of {path} is missing or not finite: fill or drop it"
        )
    features = [c for c in table.columns if c != target]
    if not features:
        raise InputError(f"{path} has no column beside the target {target!r}: add features")
    X, y = table[features].to_numpy(dtype=float), table[target].to_numpy(dtype=float)
    test_fraction, seed = real("test_fraction", test_fraction, low=0, below=1), whole("seed", seed, 0)
    order = np.random.default_rng(seed).permutation(len(y))
    n_test = round(test_fraction * len(y))
    train, test = order[n_test:], order[:n_test]
    if not len(train):
        raise InputError(f"{path} leaves no training rows of {len(y)}: lower test_fraction = {test_fraction}")
    if standardize and len(train) == 1:
        raise InputError(f"{path} leaves one training row, and one row has no standard deviation: add samples")
    if standardize:
        scale = X[train].std(axis=0)
        constant = [str(f) for f, width in zip(features, np.ptp(X[train], axis=0), strict=True) if not width > 0]
        if constant:
            raise InputError(f"feature {constant[0]!r} is constant in the {len(train)} training rows: drop it")
        X = (X - X[train].mean(axis=0)) / scale
        if parse_loss(loss).targets == "real":
            y = y - y[train].mean()
    spec = dict(
        kind="csv", path=str(path), target=target, loss=loss, standardize=standardize,
        test_fraction=test_fraction, seed=seed,
    )  # fmt: skip
    X_test, y_test = (X[test], y[test]) if n_test else (None, None)
    return Problem(X[train], y[train], loss=parse_loss(loss), X_test=X_test, y_test=y_test, spec=spec)


def read_npz(path: str | PathLike, loss: str = "squared") -> Problem:
    """Read X and y, and beta_star, X_test, y_test where present, from an ``.npz`` file.

    Raises:
        InputError: an unreadable file, or one without X and y.
    """
    try:
        with np.load(Path(path), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, TypeError, EOFError, BadZipFile) as error:
        reason = getattr(error, "strerror", None) or "not an archive of plain arrays"
        raise InputError(f"cannot read {path} ({reason}): {SAVE_NPZ}") from None
    for name in ("X", "y"):
        if name not in arrays:
            raise InputError(f"{path} has no array {name!r}: {SAVE_NPZ}")
    optional = {name: arrays[name] for name in ("beta_star", "X_test", "y_test") if name in arrays}
    spec = {"kind": "npz", "path": str(path), "loss": loss}
    try:
        return Problem(arrays["X"], arrays["y"], loss=parse_loss(loss), spec=spec, **optional)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
