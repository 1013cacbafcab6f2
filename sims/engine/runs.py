"""The state of many runs on one problem, which a backend advances in place."""

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from ..status import Status

NUDGE = 1e-4  # of noise in every power step, so that the vector finds an eigenvector that overtakes its own


@dataclass
class Runs:
    """One entry for each of N runs; weights have shape (run, weight, feature), state rows behind them.

    ``outcome`` holds a :class:`gdbias.sims.Status`: NOT_RUN while a run is under way, then CONVERGED (held tol),
    DIVERGED or STEP_LIMIT. ``loss`` is the excess loss. ``history`` has shape (run, record, weight, feature), with
    state rows behind too, of no runs where nothing is recorded. Steps are made in the numbers of ``theta``, float64 or
    float32.
    """

    lr: np.ndarray  # once the schedule has settled
    first_lr: np.ndarray  # learning rate of the first step
    draw_key: np.ndarray  # seed of its random draws
    divergence_limit: np.ndarray  # excess loss at which it has diverged
    loss_min: np.ndarray  # smallest attainable loss
    theta: np.ndarray
    vector: np.ndarray  # (run, weight, feature), of the power iteration for the sharpness
    sharpness_max: np.ndarray
    history: np.ndarray
    steps: np.ndarray
    rising: np.ndarray
    loss: np.ndarray
    outcome: np.ndarray

    def __len__(self) -> int:
        return len(self.lr)

    @property
    def weights(self) -> np.ndarray:
        """The weights without the state rows."""
        return self.theta[:, : self.vector.shape[1]]

    @property
    def recorded(self) -> np.ndarray:
        """The weights of the histories."""
        return self.history[:, :, : self.vector.shape[1]]

    def part(self, chosen: np.ndarray) -> "Runs":
        """Copies of the chosen runs."""
        return Runs(**{name: a[chosen] if len(a) == len(self) else a for name, a in self._arrays().items()})

    def put(self, chosen: np.ndarray, part: "Runs") -> None:
        """Take the chosen runs over from a part."""
        for name, array in self._arrays().items():
            if len(array) == len(self):
                array[chosen] = getattr(part, name)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def not_begun(count: int, records: tuple[int, ...] = (0, 0, 0)) -> dict[str, np.ndarray]:
    """The arrays that a backend fills, for so many runs with histories of the shape (record, weight, feature)."""
    return dict(
        history=np.full((count if records[0] else 0, *records), np.nan),
        steps=np.zeros(count, dtype=np.int64),
        rising=np.zeros(count, dtype=np.int64),
        loss=np.full(count, np.nan),
        outcome=np.full(count, Status.NOT_RUN, dtype=np.int8),
    )


@lru_cache(maxsize=8)
def power_noise(m: int, d: int) -> np.ndarray:
    """The fixed noise (weight, feature) that every step of the power iteration is nudged with."""
    noise = np.random.default_rng(0).standard_normal((m, d)) / np.sqrt(m * d)
    noise.setflags(write=False)
    return noise
