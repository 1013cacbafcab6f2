"""The work that every contestant of suite.py does: data, grids and limits."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BLOW_UP = 1e6  # times max(1, first loss)
CONVERGED, DIVERGED, STEP_LIMIT, UNSTABLE_MINIMUM = range(4)
SIGNS = {"power(2)": (1.0,), "difference(2)": (1.0, -1.0)}  # beta = sum_p sign_p theta_p^2


class Outcome(NamedTuple):
    """What a contestant returns, an entry a run in the order (dataset, init_scale, lr)."""

    status: np.ndarray
    steps: np.ndarray
    loss: np.ndarray
    sharpness: np.ndarray  # NaN where a run diverged, and of a contestant that leaves it out


@dataclass(frozen=True)
class Workload:
    """Every dataset from every start scale at every learning rate, until loss < tol, blow-up or `cap` steps."""

    name: str
    about: str
    model: str
    X: np.ndarray  # (dataset, n, d)
    y: np.ndarray  # (dataset, n)
    lrs: np.ndarray
    scales: np.ndarray
    cap: int
    tol: float = 1e-10

    @property
    def signs(self) -> np.ndarray:
        return np.array(SIGNS[self.model])

    @property
    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Learning rate and start scale of each run of a dataset."""
        scale, lr = np.meshgrid(self.scales, self.lrs, indexing="ij")
        return lr.ravel(), scale.ravel()

    @property
    def runs(self) -> int:
        return len(self.X) * len(self.lrs) * len(self.scales)

    @property
    def limits(self) -> np.ndarray:
        """Loss at which a run has diverged, (dataset, run): BLOW_UP max(1, first loss)."""
        beta = self.signs.sum() * self.grid[1] ** 2
        first = ((self.X.sum(2)[:, :, None] * beta - self.y[:, :, None]) ** 2).sum(1) / (2 * self.y.shape[1])
        return BLOW_UP * np.maximum(1, first)


def one_dataset(name, about, model, X, y, lrs, scales, cap, tol=1e-10):
    return Workload(name, about, model, X[None], y[None], lrs, scales, cap, tol)


def normal(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def w1(quick=False):
    side, cap = (12, 3_000) if quick else (64, 20_000)
    X = normal(20, 40)
    grid = np.geomspace(0.01, 1, side), np.geomspace(1e-3, 1, side)
    return one_dataset("W1", "20 x 40, one phase diagram", "power(2)", X, X[:, :5].sum(1), *grid, cap)


def w2(quick=False):
    side, cap = (12, 500) if quick else (128, 20_000)
    grid = np.geomspace(1e-4, 1, side), np.geomspace(1e-3, 1, side)
    return one_dataset("W2", "one sample, d = 100", "power(2)", normal(1, 100), np.ones(1), *grid, cap)


def w3(quick=False):
    side, cap = (8, 100) if quick else (32, 2_000)
    X = normal(100, 500)
    y = X[:, :5] @ np.array([1.0, 1, 1, -1, -1])
    grid = np.geomspace(0.01, 1, side), np.geomspace(1e-3, 1, side)
    return one_dataset("W3", "100 x 500, two weights", "difference(2)", X, y, *grid, cap)


def w4(quick=False):
    datasets, cap = (16, 3_000) if quick else (256, 20_000)
    X = np.stack([normal(10, 20, seed) for seed in range(datasets)])
    grid = np.geomspace(0.01, 0.5, 16), np.array([0.1])
    return Workload("W4", f"{datasets} datasets, 10 x 20", "power(2)", X, X[:, :, :3].sum(2), *grid, cap)


def w5(quick=False):
    """Learning rates well inside convergence and a moderate tolerance: most runs end early, at very different steps."""
    side = 8 if quick else 64
    X = normal(20, 40)
    grid = np.geomspace(0.02, 0.15, side), np.geomspace(0.01, 1, side)
    return one_dataset("W5", "20 x 40, mostly ends early", "power(2)", X, X[:, :5].sum(1), *grid, 20_000, 1e-4)


WORKLOADS = {"W1": w1, "W2": w2, "W3": w3, "W4": w4, "W5": w5}
