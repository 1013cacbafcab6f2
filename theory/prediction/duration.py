"""How many steps descent takes until its loss is below a tolerance.

The constrained flow's time is that of descent. Below the edge the loss is that of its residual. Where it ends at the
edge the oscillation dies out last, with the sharpness below ``2 / lr``: its part of the loss falls as
``exp(-4 (1 - lr S / 2) t)``, from the size at which it pushes the flow along ``{S = 2 / lr}``.
"""

import numpy as np

from .constrained import Edge
from .endpoints import nearest
from .frontiers import Interpolators
from .oscillation import undershoot

SETTLED = 1e-6  # loss, for targets of size 1, from which the oscillation decays at its last rate


def steps_to_loss(reachable: Interpolators, w0: np.ndarray, lr: float, loss: float, stays: bool) -> float:
    """Steps of descent from weights w0 (block, d) at ``lr`` until the loss is ``loss`` of that of beta = 0.

    ``stays`` says that the flow's own endpoint is stable, and no oscillation is left at the end.
    """
    edge = Edge(reachable.coordinates, reachable.problem, w0, lr)
    start = w0[edge.moving]
    if stays:
        return edge.timed(start, loss)[2]
    w, begun, _, push, swing = edge.timed(start, max(loss, SETTLED))
    drift = edge.timed(w, loss)[2]
    if swing <= loss:
        return begun + drift
    capped = nearest(reachable, edge, w, lr)
    below, _ = undershoot(edge.coordinates, edge.problem, capped, edge.moving, lr, push)
    return begun + max(drift, float(np.log(swing / loss)) / (4 * below) if below else 0.0)
