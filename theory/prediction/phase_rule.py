"""Which phases theory allows at a learning rate, by the predicted boundaries alone.

Below ``lr_critical`` descent follows gradient flow. Up to ``lr_critical_final`` it may meet the edge of stability
on the way to the flow's endpoint: it converges, and nothing is said of its loss. From there to ``lr_max`` that
endpoint is unstable: the loss rises, and descent ends at a minimum that is stable. Above ``lr_max`` there is none,
and no run converges; above ``lr_divergence``, which is known for one feature, it diverges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Band:
    """The phases allowed below the boundary ``below``, and not below that of the band before."""

    below: str | None
    phases: tuple[str, ...]


BANDS = (
    Band("lr_critical", ("flow_aligned", "catapult")),
    Band("lr_critical_final", ("flow_aligned", "catapult", "edge_of_stability")),
    Band("lr_max", ("catapult", "edge_of_stability")),
    Band("lr_divergence", ("periodic", "chaotic")),
    Band(None, ("diverged",)),
)
NOT_CONVERGED = ("periodic", "chaotic", "diverged")  # above lr_max where lr_divergence is not known


def allowed(lr: np.ndarray, boundaries: Sequence[float]) -> list[tuple[str, ...]]:
    """The phases allowed at each learning rate (k,), for the boundaries of :data:`BANDS`; NaN where unknown.

    An unknown ``lr_divergence`` leaves every phase that is not converged; where another boundary is unknown, nothing
    is said from the last one known on: an empty tuple.
    """
    found: list[tuple[str, ...]] = []
    for rate in lr:
        phases = BANDS[-1].phases
        for band, bound in zip(BANDS, boundaries, strict=False):
            if not rate >= bound:  # below it, or unknown
                last = band.below == "lr_divergence" and np.isnan(bound)
                phases = NOT_CONVERGED if last else () if np.isnan(bound) else band.phases
                break
        found.append(phases)
    return found
