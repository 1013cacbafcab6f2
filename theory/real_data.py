"""Real data: the diabetes regression with its quadratic features."""

from itertools import combinations

import numpy as np

from .errors import InputError, MissingExtra
from .problem import Problem, Recipe
from .validate import whole

SEX = 1  # the column with two values, whose square is itself again


def diabetes(train: int = 20, seed: int = 0) -> Problem:
    """Disease progression of 442 patients on 64 features: 10 measurements, their 45 products, 9 squares (math/0406456).

    ``train`` rows drawn by ``numpy.random.default_rng(seed)`` are fitted, all others held out. By the training
    rows' statistics the measurements get mean 0 and standard deviation 1, then the features and the target again.

    Raises:
        InputError: train outside [2, 441], or so few rows that a feature is constant in them.
        MissingExtra: scikit-learn, which ships the data, is not installed.
    """
    train, seed = whole("train", train, 2, 441), whole("seed", seed, 0)
    try:
        from sklearn.datasets import load_diabetes  # pyright: ignore[reportMissingImports]  # an optional extra
    except ImportError as error:
        raise MissingExtra(f"the diabetes data come with scikit-learn ({error}): pip install 'gdbias[data]'") from None
    measured, progression = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(seed).permutation(len(progression))
    fitted, held_out = order[:train], order[train:]

    def standard(columns: np.ndarray) -> np.ndarray:
        spread = columns[fitted].std(axis=0)
        if not (np.ptp(columns[fitted], axis=0) > 0).all():
            raise InputError(f"a feature is constant in the {train} training rows: raise train or take another seed")
        return (columns - columns[fitted].mean(axis=0)) / spread

    x = standard(measured)
    products = [x[:, i] * x[:, j] for i, j in combinations(range(x.shape[1]), 2)]
    squares = [x[:, i] ** 2 for i in range(x.shape[1]) if i != SEX]
    X, y = standard(np.column_stack([x, *products, *squares])), standard(progression)
    spec = Recipe(kind="diabetes", train=train, seed=seed)
    return Problem(X[fitted], y[fitted], X_test=X[held_out], y_test=y[held_out], spec=spec)
