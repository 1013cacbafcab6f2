"""A user's data: tables and archives of arrays read from files."""

from os import PathLike
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from .errors import InputError
from .loss import parse_loss
from .validate import real, whole

SAVE_NPZ = "save it with numpy.savez(path, X=X, y=y)"


def read_csv(
    path: str | PathLike,
    target: str,
    loss: str = "squared",
    standardize: bool = True,
    test_fraction: float = 0.25,
    seed: int = 0,
) -> dict:
    """Read a table with a header, as arguments of a :class:`Problem`; ``target`` names the column to predict.

    All other columns are features.

    Rows are split at random into training and test rows (``test_fraction=0`` keeps all for training).
    With ``standardize`` features get mean 0 and standard deviation 1, and a real target mean 0, by the
    training rows' statistics.

    Raises:
        InputError: an unreadable file, a missing target, columns that are not numbers, missing values,
            a constant feature, or no rows left for training.
    """
    import pandas as pd  # here, since it takes 0.3 s to import and only tables need it

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
    held_out = dict(X_test=X[test], y_test=y[test]) if n_test else {}
    return dict(X=X[train], y=y[train], loss=parse_loss(loss), spec=spec, **held_out)


def read_npz(path: str | PathLike, loss: str = "squared") -> dict:
    """Read X and y, and beta_star, X_test, y_test where present, from an ``.npz`` file, as arguments of a Problem.

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
    known = {name: arrays[name] for name in ("X", "y", "beta_star", "X_test", "y_test") if name in arrays}
    return dict(**known, loss=parse_loss(loss), spec={"kind": "npz", "path": str(path), "loss": loss})
