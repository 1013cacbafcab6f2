"""Which model and data a command works on: a user's file or a seeded synthetic problem."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ... import theory
from ...theory.errors import InputError
from .effect import require_effect, require_one
from .spec_file import WHOLE

SYNTHETIC_MODEL, FILE_MODEL = "power(2)", "difference(2)"
FILES = ("csv", "npz", "diabetes", "dataset")
SPLIT = ("breast_cancer", "digit_pair", "gse7390")  # data without a split of their own
USERS = {  # the kinds of data that each option decides
    "target": ("csv",),
    "drop": ("csv",),
    "loss": ("csv", "npz", "dataset"),
    "test_fraction": ("csv",),
    "train": ("dataset",),
    "seed": ("csv", "diabetes", "dataset", "synthetic"),
} | {name: ("synthetic",) for name in ("n", "d", "sparsity", "noise", "signs", "correlation", "n_test")}
COMMA = re.compile(r",(?![^()]*\))")  # outside parentheses


@dataclass(frozen=True)
class Data:
    """The model, and the data: a table (csv, target), arrays (npz), or a sparse regression with a seeded teacher."""

    model: str | None = None
    """power(L), difference(L), product(L) or "custom(EXPRESSION; weight=start, ...)". Unless given, difference(2)
    for a table, arrays or a teacher of random signs, power(2) for a positive one. A sweep takes several, such as
    "power(2),power(3)"."""
    csv: str | None = None
    """Table with a header; every column but the target is a feature."""
    target: str | None = None
    """Column of the table to predict."""
    drop: str | None = None
    """Columns of the table to leave out, such as group,name."""
    npz: str | None = None
    """NumPy file with arrays X and y, and X_test, y_test where held out."""
    diabetes: int | None = None
    """Training rows of the diabetes regression with 64 quadratic features; the other rows are held out."""
    dataset: Literal["breast_cancer", "digit_pair", "khan", "gse7390"] | None = None
    """Real data of two classes that an installed package ships: tumours by 30 measurements, the digits 3 and 8 by their
    pixels (both of scikit-learn), tumours by 2308 genes (of ISLP), by 76 genes (of scikit-survival)."""
    train: int | None = None
    """Training rows of a dataset, the others are held out; 100 of breast_cancer, 40 of digit_pair, 30 of gse7390 unless
    given. khan has a split of its own."""
    loss: Literal["squared", "logistic"] | None = None
    """Loss for tables, arrays and datasets: squared unless given, but logistic for breast_cancer."""
    test_fraction: float = 0.25
    """Share of the table's rows held out for the test risk."""
    n: str = field(default="10", metadata=WHOLE)
    """Samples of the synthetic problem; a sweep takes several, such as 5,10,20."""
    d: int = 40
    """Features of the synthetic problem."""
    sparsity: int = 5
    """Nonzero entries of the synthetic teacher."""
    noise: float = 0.0
    """Standard deviation of the synthetic label noise."""
    signs: Literal["positive", "random"] = "positive"
    """Signs of the synthetic teacher; power families need positive ones."""
    correlation: float = 0.0
    """Correlation of neighbouring synthetic features."""
    n_test: int = 1000
    """Held-out synthetic samples."""
    seed: int | None = None
    """Seed of the synthetic data, or of the split into training and test rows; 0 unless given."""

    def setting(self) -> "tuple[theory.Parameterization, theory.Problem]":
        """The model and the problem; raises InputError where options do not fit together."""
        models, problems = self.settings()
        if isinstance(models, list) or isinstance(problems, list):
            what = f"--model {self.model}" if isinstance(models, list) else f"--n {self.n}"
            raise InputError(f"{what} are several: only gdbias sweep takes them, give one")
        return models, problems

    def settings(
        self,
    ) -> "tuple[theory.Parameterization | list[theory.Parameterization], theory.Problem | list[theory.Problem]]":
        """As :meth:`setting`, with a list where several models or several n are given."""
        models = [theory.parse(name) for name in COMMA.split(self.model or self.default_model)]
        problems = [self._problem(n) for n in self._samples()]
        return models if len(models) > 1 else models[0], problems if len(problems) > 1 else problems[0]

    def _samples(self) -> list[int]:
        try:
            return [int(n) for n in self.n.split(",")]
        except ValueError:
            raise InputError(f"n = {self.n!r} must be a whole number, or several such as 5,10,20") from None

    def _problem(self, n: int) -> "theory.Problem":
        require_one(self, *FILES)
        require_effect(self, USERS, self._kind, lambda kind: f"{kind} data" if kind == "synthetic" else f"--{kind}")
        if self.csv is not None:
            if not self.target:
                raise InputError(f"--csv {self.csv} needs --target COLUMN, the column to predict")
            return theory.Problem.from_csv(
                self.csv, self.target, loss=self.loss or "squared", test_fraction=self.test_fraction, seed=self._seed,
                drop=[] if self.drop is None else [name.strip() for name in self.drop.split(",")],
            )  # fmt: skip
        if self.npz is not None:
            return theory.Problem.from_npz(self.npz, self.loss or "squared")
        if self.diabetes is not None:
            return theory.diabetes(self.diabetes, self._seed)
        if self.dataset is not None:
            return self._shipped()
        return theory.sparse_regression(
            n, self.d, self.sparsity, self.noise, self.signs, self.correlation, self.n_test, self._seed
        )

    def _shipped(self) -> "theory.Problem":
        given: dict[str, Any] = {} if self.loss is None else {"loss": self.loss}
        if self.dataset in SPLIT:
            given |= {"seed": self._seed} | ({} if self.train is None else {"train": self.train})
        elif self.train is not None or self.seed is not None:
            name = "train" if self.train is not None else "seed"
            raise InputError(f"--{name} has no effect on --dataset {self.dataset}, whose rows are split already")
        return getattr(theory, str(self.dataset))(**given)

    @property
    def _seed(self) -> int:
        return 0 if self.seed is None else self.seed

    @property
    def _kind(self) -> str:
        return next((name for name in FILES if getattr(self, name) is not None), "synthetic")

    @property
    def default_model(self) -> str:
        """power(2) for the positive synthetic teacher, difference(2) for anything that may be negative."""
        return FILE_MODEL if self._kind != "synthetic" or self.signs == "random" else SYNTHETIC_MODEL


@dataclass(frozen=True)
class Shown(Data):
    """The same, with a synthetic problem on which learning rates beyond the edge generalise better: a dense teacher."""

    sparsity: int = 40
    """Nonzero entries of the synthetic teacher: all of them, so that the solution of least norm is not the best."""
    seed: int | None = None
    """Seed of the synthetic data, 3 unless given, or of the split into training and test rows, 0 unless given."""

    @property
    def _seed(self) -> int:
        return 3 if self.seed is None and self._kind == "synthetic" else super()._seed
