"""The data of a linear regression or classification, and what they determine without any model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from .data_files import read_csv, read_npz
from .errors import GdbiasError, InputError
from .loss import Loss, array_loss, parse_loss, squared
from .validate import LARGEST, SMALLEST, real_array, shown

NEARLY_DEPENDENT = 1e-10  # size of what is new in a sample, in units of the sample, that floats resolve to 1e-6


class Recipe(dict):
    """A spec that makes its data again, by :data:`gdbias.theory.datasets.MADE_BY_SPEC`."""


@dataclass(frozen=True, eq=False, repr=False)  # by its data, below
class Problem:
    """Fit ``X beta`` to y: ``L(beta) = (1/n) sum_j l((X beta)_j, y_j)``, ``l = (f - y)^2 / 2`` by default.

    Attributes:
        X: samples, shape (n, d).
        y: targets, shape (n,).
        beta_star: the teacher, shape (d,), when there is one.
        loss: a :class:`Loss`, or its name.
        X_test, y_test: held-out samples for the test risk.
        spec: how the data were made, in names and plain values, kept with every stored result.

    Raises:
        InputError: shapes that do not match, no samples or features, entries that are not finite, or
            targets that the loss is not defined for; an X of zeros; a spec that is not plain.
    """

    X: np.ndarray
    y: np.ndarray
    beta_star: np.ndarray | None = None
    loss: Loss = squared
    X_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    spec: Mapping[str, Any] = field(default_factory=lambda: {"kind": "data"})

    def __repr__(self) -> str:
        made = ", ".join(
            f"{name}={value}" for name, value in self.spec.items() if name not in ("kind", "n", "d", "loss", "features")
        )
        kind = self.spec["kind"]
        return f"Problem({kind}: n={self.n}, d={self.d}, loss={self.loss}{', ' + made if made else ''})"

    def __eq__(self, other: object) -> bool:
        """Whether loss, samples, held-out samples and teacher are the same."""
        if not isinstance(other, Problem):
            return NotImplemented
        teachers = [np.nan if p.beta_star is None else p.beta_star for p in (self, other)]
        return self is other or (self.fingerprint == other.fingerprint and np.array_equal(*teachers, equal_nan=True))

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __post_init__(self):
        loss = parse_loss(self.loss)
        object.__setattr__(self, "loss", loss)
        for name in ("X", "y", "beta_star", "X_test", "y_test"):
            value = getattr(self, name)
            if value is not None or name in ("X", "y"):
                object.__setattr__(self, name, _finite(name, value))
        object.__setattr__(self, "spec", _plain_spec(self.spec))
        _check_samples("X", self.X, "y", self.y)
        if not self.X.any():
            raise InputError("X is 0 in every entry, so the loss is the same for all weights: give other features")
        if self.beta_star is not None and self.beta_star.shape != (self.d,):
            raise InputError(f"beta_star has shape {self.beta_star.shape}, expected ({self.d},): one value a feature")
        if (self.X_test is None) != (self.y_test is None):
            raise InputError("X_test and y_test belong together: give both or neither")
        if self.X_test is not None and self.y_test is not None:
            _check_samples("X_test", self.X_test, "y_test", self.y_test)
            if self.X_test.shape[1] != self.d:
                raise InputError(f"X_test has {self.X_test.shape[1]} features, X has {self.d}: use the same columns")
            loss.check_targets(self.y_test)
        loss.check_targets(self.y)

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.X.shape[0]

    @property
    def d(self) -> int:
        """Number of features."""
        return self.X.shape[1]

    @property
    def made_by_spec(self) -> bool:
        """Whether the spec alone makes the data again."""
        return isinstance(self.spec, Recipe)

    @classmethod
    def from_csv(cls, path: str | PathLike, target: str, **options) -> "Problem":
        """Read a table with a header; see :func:`gdbias.theory.data_files.read_csv` for the options."""
        return cls(**read_csv(path, target, **options))

    @classmethod
    def from_npz(cls, path: str | PathLike, loss: str = "squared") -> "Problem":
        """Read the arrays X and y (and beta_star, X_test, y_test where present) of an ``.npz`` file."""
        arguments = read_npz(path, loss)
        try:
            return cls(**arguments)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def loss_at(self, beta: np.ndarray) -> np.ndarray:
        """Training loss of coefficients of shape (..., d)."""
        return self._mean_loss(beta, self.X, self.y)

    def test_risk(self, beta: np.ndarray) -> np.ndarray | None:
        """Mean loss on the held-out samples for coefficients of shape (..., d), None without such samples."""
        if self.X_test is None or self.y_test is None:
            return None
        return self._mean_loss(beta, self.X_test, self.y_test)

    def _mean_loss(self, beta: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        return array_loss(self.loss).loss_value(beta @ X.T, y).mean(axis=-1)

    @cached_property
    def projected(self) -> tuple[np.ndarray, np.ndarray, float]:
        """``(X_r, y_r, floor)`` with ``L(beta) = ||X_r beta - y_r||^2 / (2n) + floor``, for squared loss.

        An orthogonal rotation of the samples, which leaves the gradient as it is. X_r has full row rank and
        zeros below its diagonal (QR), which the engine skips; the part of the targets that no beta can
        reach goes to the floor, so that the excess loss is computed without cancellation. Other losses
        know no such rotation: (X, y, 0).
        """
        if self.loss != squared:
            return self.X, self.y, 0.0
        Q, R = np.linalg.qr(self.X)
        rank = int(np.linalg.matrix_rank(self.X))
        if rank < len(R):
            U, S, Vt = np.linalg.svd(self.X, full_matrices=False)
            turn, R = np.linalg.qr(S[:rank, None] * Vt[:rank])
            Q = U[:, :rank] @ turn
        inside = Q.T @ self.y
        outside = self.y - Q @ inside if rank < self.n else np.zeros(1)
        return np.triu(R), inside, float(outside @ outside) / (2 * self.n)

    @cached_property
    def interpolation(self) -> tuple[np.ndarray, np.ndarray]:
        """``(Q, t)``, orthonormal rows (rank, d) and targets: the squared loss is least where ``Q beta = t``.

        What samples are multiplied by changes neither, if coefficients fit them all.

        Raises:
            GdbiasError: samples that depend on each other all but exactly, so that t is decided by rounding.
        """
        size = np.abs(self.X).max(axis=1)
        used = size > 0
        X, y, size = self.X[used], self.y[used], size[used]
        unit = X / size[:, None]
        Q, R, order = scipy.linalg.qr(unit.T, pivoting=True, mode="economic")
        pivots = np.abs(np.diag(R)) / np.abs(R[0, 0])
        rank = int((pivots > max(X.shape) * np.finfo(float).eps).sum())
        if pivots[rank - 1] < NEARLY_DEPENDENT:
            raise GdbiasError(
                f"sample {order[rank - 1]} is a combination of others to {pivots[rank - 1]:.1g} of its size: rounding "
                f"decides what fits below {NEARLY_DEPENDENT:g}: drop it, or merge features that are nearly alike"
            )
        Q = Q[:, :rank].T
        if rank == len(X):
            return Q, scipy.linalg.solve_triangular(R[:, :rank].T, (y / size)[order], lower=True)
        # Rows of any size: their order and the pivots keep the error of each as small as it is (Cox and Higham 1998).
        largest = np.argsort(-size)
        turned, R, order = scipy.linalg.qr((X @ Q.T)[largest], pivoting=True, mode="economic")
        t = np.empty(rank)
        t[order] = scipy.linalg.solve_triangular(R, turned.T @ y[largest])
        return Q, t

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the loss and of all data, to tell two problems apart.

        Data that their spec makes count by the spec and to 24 bits, so that a machine whose arithmetic rounds
        the last ones otherwise makes the same problem; a user's own count to the last bit.
        """
        digest = hashlib.sha256(str(self.loss).encode())
        if self.made_by_spec:
            digest.update(json.dumps(self.spec, sort_keys=True).encode())
        for value in (self.X, self.y, self.X_test, self.y_test):
            counted = None if value is None else _to_24_bits(value) if self.made_by_spec else value
            digest.update(b"none" if counted is None else repr(counted.shape).encode() + counted.tobytes())
        return digest.hexdigest()


def require_problem(problem: Problem) -> Problem:
    """The problem itself; raises InputError for anything else."""
    if not isinstance(problem, Problem):
        raise InputError(f"problem = {shown(problem)} is not a Problem: use theory.Problem(X, y)")
    return problem


def _to_24_bits(values: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(mantissa, 24)), exponent - 24) + 0.0  # -0 counts as 0


def _plain_spec(spec: Mapping) -> dict:
    try:
        plain = json.loads(json.dumps({"kind": "data"} | dict(spec)))
    except (TypeError, ValueError):
        plain = {"kind": None}
    if not isinstance(plain["kind"], str):
        raise InputError(
            f"spec = {shown(spec)} must map names to text, numbers and lists, kind to text: use for example "
            "array.tolist()"
        )
    return Recipe(plain) if isinstance(spec, Recipe) else plain


def _finite(name: str, value) -> np.ndarray:
    array = np.atleast_1d(real_array(name, value, "convert text first, and give complex numbers as two features"))
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InputError(f"{name}{list(place)} = {array[place]} is not finite: drop or fill such entries")
    largest = np.abs(array).max(initial=0.0)
    if largest > LARGEST or (0 < largest < SMALLEST and name in ("X", "y")):
        place = tuple(int(i) for i in np.unravel_index(np.abs(array).argmax(), array.shape))
        raise InputError(
            f"{name}{list(place)} = {array[place]:g} is its largest entry, and the squares of sizes outside "
            f"{SMALLEST:g} to {LARGEST:g} are no floats: give it in other units"
        )
    array.setflags(write=False)
    return array


def _check_samples(name_X: str, X: np.ndarray, name_y: str, y: np.ndarray) -> None:
    if X.ndim != 2 or X.shape[0] < 1 or X.shape[1] < 1:
        raise InputError(f"{name_X} has shape {X.shape}, expected (n, d) with n >= 1 samples and d >= 1 features")
    if y.shape != X.shape[:1]:
        flat = y.size == len(X) and y.ndim > 1
        remedy = f"use {name_y}.ravel()" if flat else f"give one target for each row of {name_X}"
        raise InputError(f"{name_y} has shape {y.shape}, expected ({X.shape[0]},): {remedy}")
