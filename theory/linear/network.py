"""Deep linear networks, a product of full matrices fitted to a target, and what is known of them in closed form."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError, NoClosedForm, NoInterpolator
from ..validate import one_of, real, real_array, shown, whole
from . import chain

STARTS = ("spectral", "balanced", "random")
FIT = 1e-12  # singular values of the target below this share of the largest count as 0
LARGEST = 1 << 24  # weights


@dataclass(frozen=True, eq=False, repr=False)
class LinearNetwork:
    """``L(W) = |W_L ... W_1 - T|_F^2 / 2``, linear regression of T on whitened inputs; see :func:`linear_network`.

    Layer l has shape (d_l, d_(l-1)); ``U diag(s) V^T`` is the target's singular value decomposition.
    """

    target: np.ndarray
    depth: int
    width: int

    def __repr__(self) -> str:
        return f"{self.name} fitted to a target of shape {self.target.shape}"

    @property
    def name(self) -> str:
        return f"linear_network(depth={self.depth}, width={self.width})"

    @property
    def spec(self) -> dict:
        """The arguments of :func:`linear_network` that make this network again, in plain values."""
        return dict(target=self.target.tolist(), depth=self.depth, width=self.width)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the target, to the last bit."""
        return hashlib.sha256(repr(self.target.shape).encode() + self.target.tobytes()).hexdigest()

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(d_l, d_(l-1)) of every layer, the first layer first."""
        sizes = [self.target.shape[1], *[self.width] * (self.depth - 1), self.target.shape[0]]
        return list(zip(sizes[1:], sizes[:-1], strict=True))

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return sum(rows * columns for rows, columns in self.shapes)

    @property
    def rank(self) -> int:
        """The largest rank of a product of the layers."""
        return min(min(shape) for shape in self.shapes)

    @cached_property
    def _svd(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.linalg.svd(self.target, full_matrices=False)

    @property
    def singular_values(self) -> np.ndarray:
        """``s_1 >= s_2 >= ...`` of the target, shape (min(d_0, d_L),)."""
        return self._svd[1]

    @property
    def loss_min(self) -> float:
        """The least loss, ``sum_(i > rank) s_i^2 / 2`` (Eckart-Young)."""
        return float((self.singular_values[self.rank :] ** 2).sum() / 2)

    def modes(self, product: np.ndarray) -> np.ndarray:
        """Strengths ``u_i^T P v_i`` of the target's singular modes in products P (..., d_L, d_0), shape (..., i)."""
        U, _, Vt = self._svd
        return np.einsum("ai,...ab,ib->...i", U, product, Vt)

    def start(self, init_scale: float, kind: str = "spectral", seed: int = 0) -> list[np.ndarray]:
        """Layers to start from.

        spectral: aligned with the target's singular vectors, every singular value alpha (balanced); balanced: the
        same with random singular vectors; random: independent normal entries of variance ``alpha^2 / d_(l-1)``.

        Raises:
            InputError: another kind, or a scale that is not positive.
        """
        scale = real("init_scale", init_scale, above=0, hint="use for example 0.1")
        kind = one_of("start", kind, STARTS)
        rng = np.random.default_rng(whole("seed", seed, 0))
        if kind == "random":
            return [scale * rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in self.shapes]
        values = np.full((self.depth, self.rank), scale)
        if kind == "spectral":
            return self.spectral(values)
        sizes = [self.shapes[0][1], *(rows for rows, _ in self.shapes)]
        return _factors(values, [np.linalg.qr(rng.standard_normal((size, self.rank)))[0] for size in sizes])

    def spectral(self, values: np.ndarray) -> list[np.ndarray]:
        """Layers aligned with the target: ``W_l = Q_l diag(values_l) Q_(l-1)^T``, ``Q_0 = V``, ``Q_L = U``.

        Each column of ``values`` (L, r) then descends as a chain of L scalars fitted to s_i, at any learning rate.

        Raises:
            InputError: another shape, or more modes than the rank.
        """
        values = real_array("values", values, "give one number for every layer and mode")
        if values.ndim != 2 or len(values) != self.depth or not 1 <= values.shape[1] <= self.rank:
            raise InputError(
                f"values has shape {values.shape}, expected ({self.depth}, r) with 1 <= r <= {self.rank}: one number "
                "for every layer and mode"
            )
        U, _, Vt = self._svd
        r = values.shape[1]
        inner = [np.eye(self.width, r)] * (self.depth - 1)
        return _factors(values, [Vt[:r].T, *inner, U[:, :r]])

    def balanced_minimum(self) -> list[np.ndarray]:
        """The balanced factorization of the target, every layer with singular values ``s_i^(1/L)``.

        It has the least sharpness of all (arXiv 2002.04710).

        Raises:
            NoInterpolator: the width is below the target's rank.
        """
        self._require_fit()
        return self.spectral(np.tile(self.singular_values[: self.rank] ** (1 / self.depth), (self.depth, 1)))

    def check_layers(self, layers: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The layers as new float arrays; raises InputError for other shapes or entries that are not finite."""
        given = list(layers) if isinstance(layers, Sequence) or hasattr(layers, "__iter__") else []
        found = [real_array("a layer", layer, "give one matrix for every layer") for layer in given]
        shapes = [layer.shape for layer in found]
        if shapes != self.shapes:
            raise InputError(f"theta0 has layers of shapes {shown(shapes)}, expected {shown(self.shapes)}")
        if not all(np.isfinite(layer).all() for layer in found):
            raise InputError("theta0 has entries that are not finite: give finite numbers")
        return found

    def balancedness(self, layers: Sequence[np.ndarray]) -> list[np.ndarray]:
        """``B_l = W_(l+1)^T W_(l+1) - W_l W_l^T`` for l = 1 to L - 1, conserved by gradient flow."""
        return [_gram(layers[i + 1], layers[i]) for i in range(self.depth - 1)]

    def balancedness_change(self, layers: Sequence[np.ndarray], lr: float) -> list[np.ndarray]:
        """What one step adds: ``lr^2 (grad_(l+1)^T grad_(l+1) - grad_l grad_l^T)``, exactly."""
        slopes = chain.gradient(layers, self.target)
        return [lr**2 * _gram(slopes[i + 1], slopes[i]) for i in range(self.depth - 1)]

    @property
    def minimal_sharpness(self) -> float:
        """``L s_1^(2 - 2/L)``, the least sharpness of a factorization of the target (arXiv 2002.04710).

        Raises:
            NoInterpolator: the width is below the target's rank.
        """
        self._require_fit()
        return float(self.depth * self.singular_values[0] ** (2 - 2 / self.depth))

    @property
    def lr_max(self) -> float:
        """``2 / minimal_sharpness``: above it no factorization is linearly stable; infinite where that is 0."""
        least = self.minimal_sharpness
        return 2 / least if least else np.inf

    @property
    def mode_lr(self) -> np.ndarray:
        """``2 / (L s_i^(2 - 2/L))``, the learning rates above which balanced modes oscillate, shape (i,)."""
        with np.errstate(divide="ignore"):
            return 2 / (self.depth * self.singular_values ** (2 - 2 / self.depth))

    @property
    def balanced_spectrum(self) -> np.ndarray:
        """Hessian eigenvalues at a balanced minimum, falling, shape (d_L d_0,); all others are 0.

        ``sum_l s_i^(2 (L - l) / L) s_j^(2 (l - 1) / L)`` over pairs of left and right singular vectors.

        Raises:
            NoInterpolator: the width is below the target's rank.
        """
        self._require_fit()
        left, right = (np.zeros(size) for size in self.target.shape)
        for values in (left, right):
            values[: len(self.singular_values)] = self.singular_values
        powers = 2 * np.arange(self.depth)[:, None] / self.depth
        # 0^0 = 1: the outermost layers reach singular vectors that the target does not.
        pairs = np.einsum("li,lj->ij", left ** powers[::-1], right**powers)
        return np.sort(pairs, axis=None)[::-1]

    def mode_path(self, time: np.ndarray, strength0: float | np.ndarray) -> np.ndarray:
        """Strengths of the modes along gradient flow of two layers from a balanced spectral start (arXiv 1312.6120).

        ``a_i(t) = s_i / (1 + (s_i / a_i(0) - 1) e^(-2 s_i t))``, shape (*time.shape, i); ``strength0`` is
        ``a_i(0) >= 0``, alpha^2 for :meth:`start`, one for all or one for each of the first modes.

        Raises:
            NoClosedForm: another depth than 2.
            InputError: a negative time or strength.
        """
        if self.depth != 2:
            raise NoClosedForm(f"{self.name}: modes have a closed form at depth 2 only: use sims.linear.flow")
        t = real_array("time", time, "give times >= 0")[..., None]
        a0 = np.atleast_1d(real_array("strength0", strength0, "give numbers >= 0"))
        if not (t >= 0).all() or not (a0 >= 0).all():
            raise InputError("time and strength0 must be >= 0: a mode of negative strength has another course")
        s = self.singular_values[: self.rank if a0.size == 1 else a0.size]
        if a0.ndim != 1 or a0.size not in (1, len(s)):
            raise InputError(f"strength0 has shape {a0.shape}: give one number, or one for each of {len(s)} modes")
        grown = np.where(s > 0, -np.expm1(-2 * s * t) / np.where(s > 0, s, 1), 2 * t)
        return a0 / (np.exp(-2 * s * t) + a0 * grown)

    def _require_fit(self) -> None:
        s = self.singular_values
        if (s[self.rank :] > FIT * s[0]).any():
            raise NoInterpolator(
                f"{self.name}: no product of rank {self.rank} fits the target of rank {(s > FIT * s[0]).sum()}: use a "
                "larger width"
            )


def linear_network(target: np.ndarray, depth: int = 2, width: int | None = None) -> LinearNetwork:
    """A deep linear network ``W_L ... W_1`` for a target (outputs, inputs), loss ``|W_L ... W_1 - T|_F^2 / 2``.

    A one-dimensional target is one output; the hidden ``width`` is the larger side of the target unless given.

    Raises:
        InputError: a target that is no finite matrix other than 0, a depth or width below 1.
    """
    matrix = np.atleast_2d(real_array("target", target, "give a matrix (outputs, inputs)"))
    if matrix.ndim != 2 or not matrix.size:
        raise InputError(f"target has shape {matrix.shape}, expected (outputs, inputs)")
    if not np.isfinite(matrix).all() or not matrix.any():
        raise InputError("target must be finite and not 0 in every entry: give another matrix")
    depth = whole("depth", depth, 1, 64)
    matrix.setflags(write=False)
    net = LinearNetwork(matrix, depth, max(matrix.shape) if width is None else whole("width", width, 1))
    if net.parameters > LARGEST:
        raise InputError(f"{net.name} has {net.parameters} weights, more than {LARGEST}: use a smaller width")
    return net


def require_network(net: LinearNetwork) -> LinearNetwork:
    """The network itself; raises InputError for anything else."""
    if not isinstance(net, LinearNetwork):
        raise InputError(f"net = {shown(net)} is not a LinearNetwork: use theory.linear_network(target, depth)")
    return net


def _factors(values: np.ndarray, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [frames[i + 1] * row @ frames[i].T for i, row in enumerate(values)]


def _gram(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return np.swapaxes(upper, -1, -2) @ upper - lower @ np.swapaxes(lower, -1, -2)
