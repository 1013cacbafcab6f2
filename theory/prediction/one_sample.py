"""One sample: the interpolators of least norm, of least sharpness and of least expected error (arXiv 2505.21423)."""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, NoClosedForm, NoInterpolator
from ..parameterization import Parameterization, require_model
from ..validate import LARGEST, SMALLEST, real, real_array
from .coordinates import doubled


@dataclass(frozen=True, repr=False)
class Minimiser:
    """An interpolator of one sample, and the flattest weights that make it.

    Attributes:
        beta: coefficients, shape (d,).
        theta: weights, shape (weight, d).
        share: what each feature has of the fit, ``beta_i x_i / y``, shape (d,); they sum to 1.
        sharpness: largest Hessian eigenvalue of ``(x . beta - y)^2 / 2`` in theta.
        l1_norm: ``||beta||_1``.
        theta_l1: ``||theta||_1``.
        expected_error: see :func:`minimisers`.
    """

    beta: np.ndarray
    theta: np.ndarray
    share: np.ndarray
    sharpness: float
    l1_norm: float
    theta_l1: float
    expected_error: float

    def __repr__(self) -> str:
        names = ("sharpness", "l1_norm", "theta_l1", "expected_error")
        return f"Minimiser({', '.join(f'{name} {getattr(self, name):.4g}' for name in names)})"


@dataclass(frozen=True, repr=False)
class Minimisers:
    """The three of one sample, and the teacher that is expected behind it.

    Attributes:
        norm, sharpness, generalisation: the interpolators of least norm, sharpness and expected error.
        teacher: the teacher's mean given the sample, shape (d,).
        spread: its variance around the mean, a sum over features.
    """

    norm: Minimiser
    sharpness: Minimiser
    generalisation: Minimiser
    teacher: np.ndarray
    spread: float

    def __repr__(self) -> str:
        names = ("norm", "sharpness", "generalisation")
        return "Minimisers(\n" + "".join(f"  {name}={getattr(self, name)},\n" for name in names) + ")"

    def expected_error(self, beta: np.ndarray) -> np.ndarray:
        """Of any coefficients, shape (..., d): ``|beta - teacher|^2 + spread``."""
        beta, d = real_array("beta", beta, "give coefficients"), len(self.teacher)
        if not beta.ndim or beta.shape[-1] != d:
            raise InputError(f"beta has shape {beta.shape}: give coefficients of {d} features, (..., {d})")
        return ((beta - self.teacher) ** 2).sum(axis=-1) + self.spread


def minimisers(model: Parameterization, x: np.ndarray, y: float, prior: np.ndarray | float | None = None) -> Minimisers:
    """Which interpolators of one sample have the least norm, the least sharpness, and the least expected error.

    On ``x . beta = y`` each is told by the share ``s_i = beta_i x_i / y`` that a feature has of the fit, for a model of
    degree L whose coefficient is ``w^L``, ``u^L - v^L``, a product of layers, or one of these in other coordinates:

    - norm: the feature of the largest ``|x_i|`` alone, where ``||beta||_1`` is least, and of the named families
      ``||theta||_1`` and ``||theta||_2`` too.
    - sharpness ``S = c L^2 sum_i |beta_i|^(2 - 2/L) x_i^2``, c = 1 (1/L for a product of L layers):
      ``s_i ~ |x_i|^(-2/(L - 2))``; for L = 2 the feature of the least ``|x_i|`` alone.
    - generalisation: ``s_i ~ q_i x_i^2``. The expected error is ``E (x' . beta - x' . beta*)^2`` over features x' of
      unit covariance and a teacher beta* with independent coefficients from ``N(0, q_i)``, given that
      ``x . beta* = y``. ``prior`` is q, one variance or d; unless given ``y^2 / |x|^2``, under which such a y is
      likeliest.

    The weights of each are the flattest with its coefficients. Weights to separate odd powers are those >= 0, which
    gradient flow does not leave. Where coefficients of one sign alone are made (power), features that would need the
    other have share 0 in all three, and ``s_i`` of least error are raised on the rest by a multiple of ``x_i^2``.
    Of several features with the same extreme ``|x_i|`` the first is taken. Derived, in the setting of the one-sample
    theory of arXiv 2505.21423, whose distribution of teachers is not taken over.

    Raises:
        InputError: not one sample, numbers that floats do not square, or a variance that is not positive.
        NoInterpolator: no coefficients of the model fit the sample, or all three are beta = 0.
        NoClosedForm: a model outside these families, or of degree 1, whose sharpness is the same everywhere.
    """
    coordinates = doubled(require_model(model))
    L = coordinates.degree
    if L == 1:
        raise NoClosedForm(f"{model.name}: it is linear in its weights, and every interpolator has the same sharpness")
    x, y = real_array("x", x, "give the d features of one sample"), real("y", y)
    if x.ndim != 1 or not x.size:
        remedy = "for several samples use theory.frontier, whose ends are the norm and the sharpness minimiser"
        raise InputError(f"x has shape {x.shape}, expected (d,): {remedy}")
    sizes = np.abs(np.append(x[x != 0], y))
    if not (sizes <= LARGEST).all() or (sizes[sizes > 0] < SMALLEST).any():
        raise InputError(f"x and y must be 0 or of size {SMALLEST:g} to {LARGEST:g}: rescale them")
    if not y:
        raise NoInterpolator("y = 0: beta = 0 fits it, and is all three")
    usable = np.isin(np.sign(x) * np.sign(y), coordinates.signs)
    if not usable.any():
        raise NoInterpolator(f"{model.name}: no feature has a sign with which its coefficients fit y = {y:g}")
    teacher, spread = _teacher(x, y, prior)

    size = np.where(usable, np.abs(x), np.nan)
    norm = np.eye(len(x))[np.nanargmax(size)]
    flat = np.eye(len(x))[np.nanargmin(size)]
    if L > 2:
        flat = np.where(usable, (size / np.nanmin(size)) ** (-2 / (L - 2)), 0.0)
    relative = np.where(usable, np.abs(x) / np.abs(x).max(), 0.0)
    best = np.where(usable, x * teacher / y, 0.0)
    best += (1 - best.sum()) * relative**2 / (relative**2).sum()

    def made(share: np.ndarray) -> Minimiser:
        share = share / share.sum()
        beta = np.where(share > 0, share * y / np.where(x == 0, 1.0, x), 0.0)
        S = coordinates.rate * L**2 * float((np.abs(beta) ** (2 - 2 / L) * x**2).sum())
        theta = coordinates.flattest(beta)
        error = float(((beta - teacher) ** 2).sum() + spread)
        return Minimiser(beta, theta, share, S, float(np.abs(beta).sum()), float(np.abs(theta).sum()), error)

    return Minimisers(made(norm), made(flat), made(best), teacher, spread)


def _teacher(x: np.ndarray, y: float, prior: np.ndarray | float | None) -> tuple[np.ndarray, float]:
    """The mean of the teacher's coefficients given the sample, and the sum of their variances then."""
    unit = np.abs(x).max()
    along = x / unit
    if prior is None:
        q = np.full(x.shape, (y / unit) ** 2 / (along @ along))
    else:
        q = real_array("prior", prior, "give one variance, or one for each feature")
        if q.shape not in ((), x.shape) or not ((q > 0) & (q <= LARGEST)).all():
            raise InputError(f"prior must be one variance above 0, or {x.size}: use for example 1.0")
        q = np.broadcast_to(q, x.shape)
    spread = along @ (q * along)
    return q * along * (y / unit) / spread, float(q.sum() - ((q * along) ** 2).sum() / spread)
