"""Gradient flow in doubled coordinates, point by point, with compiled steps."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np

from ..derivation.landscape import Landscape
from ..errors import NoClosedForm
from ..loss import squared
from .coordinates import Doubled, doubled

ALIKE = 1e-14  # relative, of weights


@lru_cache(maxsize=1)
def _kernel() -> ModuleType:
    from ..compiled import cache  # Numba takes a third of a second to import

    text = Path(__file__).with_name("flow_step_kernel.py").read_text()
    beside = (Path(__file__).with_name(name) for name in ("implicit_step.py", "rosenbrock.py"))
    return cache.load_kernel(text, "gradient flow", (Path(cache.__file__).with_name("dense.py"), *beside))


@dataclass(frozen=True, eq=False)
class DoubledPoint:
    """The dual variables z (moving,) of the weights that move, these weights w, and ``velocity = d nu / dt`` there."""

    landscape: Landscape
    coordinates: Doubled
    moving: np.ndarray  # (block, feature)
    columns: np.ndarray
    z: np.ndarray
    w: np.ndarray
    velocity: np.ndarray

    @property
    def theta(self) -> np.ndarray:
        """The weights, shape (weight, feature)."""
        w = np.zeros(self.moving.shape)
        w[self.moving] = self.w
        return self.coordinates.model_weights(w)

    @property
    def pull(self) -> np.ndarray:
        """dL/dbeta, shape (feature,)."""
        return -self.landscape.samples[0].T @ self.velocity

    def after(self, step: float) -> tuple["DoubledPoint", float]:
        """The point after a step, and an estimate of its error relative to the largest weights."""
        coordinates, n = self.coordinates, self.landscape.problem.n
        features = np.nonzero(self.moving)[1]
        z, w, velocity, missed = _kernel().stepped(
            self.columns, self.landscape.samples[1], n, coordinates.degree, coordinates.rate, features,
            self.z, self.w, self.velocity, step,
        )  # fmt: skip
        point = DoubledPoint(self.landscape, coordinates, self.moving, self.columns, z, w, velocity)
        return point, missed


def doubled_point(landscape: Landscape, theta0: np.ndarray) -> DoubledPoint | None:
    """The point theta0 (weight, feature); None where the doubled coordinates are not those of it, or of the loss."""
    problem = landscape.problem
    if problem.loss != squared or not landscape.rotated:
        return None
    try:
        coordinates = doubled(landscape.dynamics.model)
        w = coordinates.start(theta0)
    except NoClosedForm:
        return None
    off = np.abs(coordinates.model_weights(w) - theta0)
    if coordinates.degree == 1 or not (off <= ALIKE * np.abs(theta0).max()).all():
        return None
    moving = w > 0
    columns = np.ascontiguousarray(coordinates.columns(problem, moving))
    X, y, _ = landscape.samples
    velocity = (y - columns @ w[moving] ** coordinates.degree) / problem.n
    return DoubledPoint(landscape, coordinates, moving, columns, coordinates.dual(w[moving]), w[moving], velocity)
