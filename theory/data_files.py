"""A user's data: tables and archives of arrays read from files."""

import re
import warnings
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from .errors import InputError
from .loss import parse_loss
from .validate import LARGEST, SMALLEST, local_path, real, whole

if TYPE_CHECKING:
    import pandas as pd

MANGLED = re.compile(r"Unnamed: \d+|.*\.\d+")
SAVE_NPZ = "save it with numpy.savez(path, X=X, y=y)"


def read_csv(
    path: str | PathLike,
    target: str,
    loss: str = "squared",
    standardize: bool = True,
    test_fraction: float = 0.25,
    seed: int = 0,
    drop: Sequence[str] = (),
) -> dict:
    """Read a table with a header, as arguments of a :class:`Problem`; ``target`` names the column to predict.

    All other columns are features, but for those to ``drop``.

    Rows are split at random into training and test rows (``test_fraction=0`` keeps all for training).
    With ``standardize`` features get mean 0 and standard deviation 1, and a real target mean 0, by the
    training rows' statistics.

    Raises:
        InputError: an unreadable file, a missing target, columns that are not numbers, missing values, a
            column that is named twice or not at all, a constant feature or target, or no rows left for training.
    """
    table, column = _table(path), str(target).strip()
    if column not in table.columns and all(map(_is_number, table.columns)):
        raise InputError(f"target {target!r} is not a column of {path}, whose first row has numbers: give it a header")
    for name in drop:
        if name not in table.columns or name == column:
            others = ", ".join(other for other in table.columns if other != column)
            raise InputError(f"drop = {name!r} is no feature of {path}: choose among {others}")
    table = table.drop(columns=list(drop))
    if column not in table.columns:
        raise InputError(f"target {target!r} is not a column of {path}: choose one of {', '.join(table.columns)}")
    if not len(table):
        raise InputError(f"{path} has a header but no rows: add samples")
    text = [name for name in table.columns if table[name].dtype.kind not in "biuf"]
    if text:
        raise InputError(
            f"column {text[0]!r} of {path} is not numeric: encode it as numbers, or leave it out (--drop {text[0]!r})"
        )
    values = table.to_numpy(dtype=float)
    for bad, wrong in (
        (~np.isfinite(values), "is missing or not finite: fill or drop it"),
        (np.abs(values) > LARGEST, f"is beyond {LARGEST:g}: give the column in other units"),
    ):
        if bad.any():
            row, at = np.argwhere(bad)[0]
            raise InputError(f"row {row + 1}, column {table.columns[at]!r} of {path} {wrong}")
    features = [name for name in table.columns if name != column]
    if not features:
        raise InputError(f"{path} has no column beside the target {target!r}: add features")
    X, y = table[features].to_numpy(dtype=float), table[column].to_numpy(dtype=float)
    test_fraction, seed = real("test_fraction", test_fraction, low=0, below=1), whole("seed", seed, 0)
    order = np.random.default_rng(seed).permutation(len(y))
    n_test = round(test_fraction * len(y))
    train, test = order[n_test:], order[:n_test]
    if not len(train):
        raise InputError(f"{path} leaves no training rows of {len(y)}: lower test_fraction = {test_fraction}")
    if standardize and len(train) == 1:
        raise InputError(f"{path} leaves one training row, and one row has no standard deviation: add samples")
    if standardize:
        for name, width in zip((*features, column), np.ptp(np.c_[X, y][train], axis=0), strict=True):
            what = "target" if name == column else "feature"
            if not width > 0:
                remedy = "predict another column" if name == column else "drop it"
                raise InputError(f"{what} {name!r} is constant in the {len(train)} training rows: {remedy}")
            if width < SMALLEST:
                raise InputError(f"{what} {name!r} spreads by {width:g} alone: give it in other units")
        X = standardised(X, train)
        if parse_loss(loss).targets == "real":
            y = y - y[train].mean()
    spec = dict(
        kind="csv", path=str(path), target=target, loss=loss, standardize=standardize,
        test_fraction=test_fraction, seed=seed, **({"drop": list(drop)} if drop else {}), features=features,
    )  # fmt: skip
    held_out = dict(X_test=X[test], y_test=y[test]) if n_test else {}
    return dict(X=X[train], y=y[train], loss=parse_loss(loss), spec=spec, **held_out)


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def standardised(X: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and standard deviation 1 in the fitted rows.

    The mean is taken out twice. Where features are more than samples, these then depend on each other to rounding, as
    they do exactly; the rounding of a large mean would hide it.
    """
    X = (X - X[fitted].mean(axis=0)) / X[fitted].std(axis=0)
    return X - X[fitted].mean(axis=0)


def _table(path: str | PathLike) -> "pd.DataFrame":
    """The table of a file, its columns by names without spaces around them; raises InputError."""
    import pandas as pd  # here, since it takes 0.3 s to import and only tables need it

    if "://" not in str(path):  # pandas reads what is at a URL too
        local_path(path)

    def read(**options: Any) -> pd.DataFrame:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                return pd.read_csv(path, index_col=False, **options)
        except pd.errors.ParserWarning:
            raise InputError(
                f"rows of {path} have more values than its header has names: name every column, and separate columns "
                "by commas, decimals by points"
            ) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise InputError(f"cannot read {path} ({reason}): give a comma-separated table with a header") from None

    table = read()
    names = [str(name).strip() for name in table.columns]
    for mark, called in ((";", "';'"), ("\t", "tabs")):
        if len(names) == 1 and mark in names[0]:
            raise InputError(f"the columns of {path} are separated by {called}: separate them by commas")
    if any(MANGLED.fullmatch(name) for name in names):  # what pandas makes of a name that is repeated or missing
        names = [name.strip() for name in read(header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]]
    if "" in names:
        raise InputError(
            f"column {names.index('') + 1} of {path} has no name, as the index that df.to_csv writes: name it, or "
            "leave it out by index=False"
        )
    repeated = [name for at, name in enumerate(names) if name in names[:at]]
    if repeated:
        raise InputError(f"column {repeated[0]!r} stands twice in {path}: drop one, or name it otherwise")
    return table.set_axis(names, axis=1)


def read_npz(path: str | PathLike, loss: str = "squared") -> dict:
    """Read X and y, and beta_star, X_test, y_test where present, from an ``.npz`` file, as arguments of a Problem.

    Raises:
        InputError: an unreadable file, or one without X and y.
    """
    place = local_path(path)
    try:
        with np.load(place, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, TypeError, EOFError, BadZipFile) as error:
        reason = getattr(error, "strerror", None) or "not an archive of plain arrays"
        raise InputError(f"cannot read {path} ({reason}): {SAVE_NPZ}") from None
    for name in ("X", "y"):
        if name not in arrays:
            raise InputError(f"{path} has no array {name!r}: {SAVE_NPZ}")
    known = {name: arrays[name] for name in ("X", "y", "beta_star", "X_test", "y_test") if name in arrays}
    return dict(**known, loss=parse_loss(loss), spec={"kind": "npz", "path": str(path), "loss": loss})
