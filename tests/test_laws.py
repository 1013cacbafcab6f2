"""Exact laws of the model, for predictions and for runs, on random settings far from friendly scales.

A law maps a setting onto another whose coefficients, sharpness and learning rates are known from the first.
``GDBIAS_EXAMPLES`` says how many examples of each law are tried; the gate takes 100.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gdbias import sims, theory

EXAMPLES = int(os.environ.get("GDBIAS_EXAMPLES", 10))
STEPS = 12  # of a run: not so many that rounding grows where descent is chaotic


@dataclass(frozen=True)
class Setting:
    """A model on data from a start theta0 (weight, d), and a learning rate."""

    family: str
    L: int
    X: np.ndarray
    y: np.ndarray
    theta0: np.ndarray
    lr: float

    @property
    def model(self):
        return theory.parse(f"{self.family}({self.L})")

    @property
    def prediction(self):
        return theory.predict(self.model, theory.Problem(self.X, self.y), theta0=self.theta0)

    def run(self) -> np.ndarray:
        """Coefficients after STEPS steps."""
        ds = sims.descend(self.model, theory.Problem(self.X, self.y), self.lr, theta0=self.theta0, max_steps=STEPS,
                          track_every=0, tol=1e-300, backend="numpy")  # fmt: skip
        return ds.beta.values


@st.composite
def drawn(draw, families=("power", "difference", "product"), degrees=(2, 3, 4), fits=False, standard=False):
    """A setting whose teacher is within reach; ``fits``: fewer samples than features."""
    family, L = draw(st.sampled_from(families)), draw(st.sampled_from(degrees))
    d = draw(st.integers(1 + fits, 6))
    n = draw(st.integers(1, d - 1 if fits else 7))
    alpha = 10.0 ** draw(st.floats(-6, 0))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X, beta = rng.standard_normal((n, d)), rng.uniform(0.2, 1.5, d)
    model = theory.parse(f"{family}({L})")
    theta0 = model.theta0(alpha, d)
    if not standard:
        theta0 = theta0 * np.exp(rng.uniform(-1, 1, theta0.shape[1]))
    if family != "power":
        beta = beta * rng.choice([-1.0, 1.0], d)
    largest = (
        np.linalg.norm(X, 2) ** 2 / n * L**2 * 2 * max(np.abs(beta).max(), np.abs(theta0).max() ** L) ** (2 - 2 / L)
    )
    return Setting(family, L, X, X @ beta, theta0, 0.3 / largest)


def require_law(
    plain: Setting, mapped: Setting, beta: Callable = lambda b: b, sharpness: float = 1.0, boundaries=True, run=True
):
    """Predictions and a run of the mapped setting against the plain one's; ``beta`` takes its coefficients back."""
    one, other = plain.prediction, mapped.prediction
    size = np.abs(one.flow.beta).max()
    np.testing.assert_allclose(beta(other.flow.beta), one.flow.beta, rtol=1e-6, atol=1e-9 * size)
    assert other.flow.sharpness == pytest.approx(sharpness * one.flow.sharpness, rel=1e-6)
    if boundaries and plain.X.shape[0] < plain.X.shape[1]:
        assert other.lr_max * sharpness == pytest.approx(one.lr_max, rel=1e-6)
    if run:
        before, after = plain.run(), beta(mapped.run())
        cancelled = np.abs(plain.theta0).max() ** plain.L  # of a difference whose weights have not parted yet
        np.testing.assert_allclose(after, before, rtol=1e-7, atol=1e-10 * np.abs(before).max() + 1e-12 * cancelled)


alike = dict(deadline=None, derandomize=True, phases=[Phase.generate])  # seeds do not shrink
law = settings(max_examples=EXAMPLES, **alike)
sizes = st.floats(-8, 8).map(lambda e: 10.0**e)


@law
@given(drawn(), sizes)
def test_data_in_other_units(a, c):
    """``(c X, c y)``: the same coefficients, ``c^2`` times the sharpness."""
    require_law(a, replace(a, X=c * a.X, y=c * a.y, lr=a.lr / c**2), sharpness=c**2)


@law
@given(drawn(), sizes)
def test_features_in_other_units(a, c):
    """``(c X, y)`` from ``c^(-1/L) theta0``: 1 / c times the coefficients, ``c^(2/L)`` times the sharpness."""
    f = c ** (2 / a.L)
    mapped = replace(a, X=c * a.X, theta0=c ** (-1 / a.L) * a.theta0, lr=a.lr / f)
    require_law(a, mapped, lambda beta: c * beta, f)


@law
@given(drawn(fits=True), st.integers(0, 2**32 - 1))
def test_weights_of_samples(a, seed):
    """What a sample is multiplied by changes no interpolator, and so not where flow ends."""
    weight = 10.0 ** np.random.default_rng(seed).uniform(-6, 6, len(a.y))
    plain = a.prediction.flow.beta
    found = replace(a, X=weight[:, None] * a.X, y=weight * a.y).prediction.flow.beta
    np.testing.assert_allclose(found, plain, rtol=1e-6, atol=1e-9 * np.abs(plain).max())


@law
@given(drawn(), st.integers(0, 2**32 - 1))
def test_turned_samples(a, seed):
    """``(U X, U y)`` for an orthogonal U is the same loss."""
    U = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(a.y),) * 2))[0]
    require_law(a, replace(a, X=U @ a.X, y=U @ a.y))


@law
@given(drawn(), st.integers(1, 4))
def test_repeated_samples(a, times):
    """The mean over every sample several times is the mean over the samples."""
    require_law(a, replace(a, X=np.tile(a.X, (times, 1)), y=np.tile(a.y, times)), boundaries=times == 1)


@law
@given(drawn(), st.randoms(use_true_random=False))
def test_permuted_features(a, random):
    order = np.array(random.sample(range(a.X.shape[1]), a.X.shape[1]))
    back = np.argsort(order)
    require_law(a, replace(a, X=a.X[:, order], theta0=a.theta0[:, order]), lambda beta: beta[back])


@law
@given(drawn(families=("difference", "product")), st.integers(0, 2**32 - 1))
def test_signs_of_features(a, seed):
    """A feature of the other sign: u and v of a difference change places, the first layer of a product its sign."""
    flip = np.random.default_rng(seed).choice([False, True], a.X.shape[1])
    signs = np.where(flip, -1.0, 1.0)
    turned = (
        a.theta0[::-1] if a.family == "difference" else a.theta0 * np.where(np.arange(a.L) == 0, -1.0, 1.0)[:, None]
    )
    require_law(a, replace(a, X=a.X * signs, theta0=np.where(flip, turned, a.theta0)), lambda beta: signs * beta)


@law
@given(drawn(families=("difference",)))
def test_a_difference_is_a_power_on_both_signs(a):
    """RED-1: ``u^L - v^L`` on X is ``w^L`` on ``[X, -X]``."""
    d = a.X.shape[1]
    power = replace(a, family="power", X=np.hstack([a.X, -a.X]), theta0=a.theta0.reshape(1, -1))
    fits = np.linalg.matrix_rank(a.X) < d
    require_law(a, power, lambda beta: beta[:d] - beta[d:], boundaries=fits)


@law
@given(drawn(families=("product",), degrees=(2,)), st.integers(0, 2**32 - 1))
def test_two_layers_are_a_difference_of_squares(a, seed):
    """RED-2: ``u v = p^2 - q^2`` with ``p, q = (u +- v) / 2``, at half the learning rate and twice the sharpness."""
    theta0 = a.theta0 + np.abs(a.theta0).max() * np.random.default_rng(seed).uniform(-0.5, 0.5, a.theta0.shape)
    a = replace(a, theta0=theta0)
    u, v = theta0
    require_law(a, replace(a, family="difference", theta0=np.stack([u + v, u - v]) / 2, lr=a.lr / 2), sharpness=2.0)


@law
@given(drawn(families=("power",)))
def test_equal_layers_are_a_power(a):
    """RED-3: a product of L equal layers is ``w^L`` at 1 / L of the learning rate."""
    layers = replace(a, family="product", theta0=np.repeat(a.theta0, a.L, axis=0), lr=a.lr * a.L)
    require_law(a, layers, sharpness=1 / a.L, boundaries=False)


@law
@given(drawn(standard=True), st.floats(-6, 0))
def test_a_start_by_its_scale_or_its_weights(a, exponent):
    scale = 10.0**exponent
    problem, theta0 = theory.Problem(a.X, a.y), a.model.theta0(scale, a.X.shape[1])
    by_scale, by_weights = theory.predict(a.model, problem, scale), theory.predict(a.model, problem, theta0=theta0)
    np.testing.assert_array_equal(by_scale.flow.beta, by_weights.flow.beta)
    runs = [sims.descend(a.model, problem, a.lr, max_steps=STEPS, track_every=0, backend="numpy", **start)
            for start in (dict(init_scale=scale), dict(theta0=theta0))]  # fmt: skip
    np.testing.assert_array_equal(*(run.beta.values for run in runs))


@settings(max_examples=max(EXAMPLES // 20, 5), **alike)
@given(drawn(fits=True), sizes)
def test_lr_critical_in_other_units(a, c):
    """Both scalings, for the largest sharpness along gradient flow."""
    plain, f = a.prediction.lr_critical, c ** (2 / a.L)
    together = replace(a, X=c * a.X, y=c * a.y).prediction.lr_critical
    alone = replace(a, X=c * a.X, theta0=c ** (-1 / a.L) * a.theta0).prediction.lr_critical
    assert together * c**2 == pytest.approx(plain, rel=1e-4) and alone * f == pytest.approx(plain, rel=1e-4)
