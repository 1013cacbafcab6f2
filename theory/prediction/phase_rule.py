"""Which phases theory allows at a learning rate, by the predicted boundaries alone.

Below ``lr_critical`` descent follows gradient flow. Up to ``lr_critical_final`` it may meet the edge of stability
on the way to the flow's endpoint: it converges, and nothing is said of its loss. From there to ``lr_max`` that
endpoint is unstable: the loss rises, and descent ends at a minimum that is stable. Above ``lr_max`` there is none,
and no run converges. Wherever runs converge one that was stopped before may be converging. Above ``lr_divergence``
most runs diverge where gradient flow is at its sharpest, wherever that lies below ``lr_max``; above ``lr_max``, where
they never settle, the same multiple of ``lr_critical_final`` is taken.
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
    Band("lr_critical", ("flow_aligned", "catapult", "converging")),
    Band("lr_critical_final", ("flow_aligned", "catapult", "edge_of_stability", "converging")),
    Band("lr_max", ("catapult", "edge_of_stability", "converging")),
    Band("lr_divergence", ("periodic", "chaotic")),
    Band(None, ("diverged",)),
)
NEAR = 1.03  # of lr_critical_final: descent ends a little below the sharpness of gradient flow
NOT_CONVERGED = ("periodic", "chaotic", "diverged")  # above lr_max where it is not known which


def allowed(lr: np.ndarray, boundaries: Sequence[float], exact: bool = False) -> list[tuple[str, ...]]:
    """The phases allowed at each learning rate (k,), for the boundaries of :data:`BANDS`; NaN where unknown.

    ``exact`` says that nothing diverges between ``lr_max`` and ``lr_divergence``, as on one feature; elsewhere every
    phase that is not converged is allowed there. Where another boundary is unknown, nothing is said from the last one
    known on: an empty tuple.
    """
    critical, final, most, divergence = boundaries
    late = divergence * final / critical
    found: list[tuple[str, ...]] = []
    for rate in lr:
        if rate >= divergence and rate < most:
            found.append(BANDS[-1].phases)
        elif rate >= most:
            found.append(BANDS[-1].phases if rate >= late else BANDS[-2].phases if exact else NOT_CONVERGED)
        else:
            bands = zip(BANDS, (critical, final * NEAR, most), strict=False)
            found.append(next((() if np.isnan(bound) else band.phases for band, bound in bands if not rate >= bound)))
    return found
