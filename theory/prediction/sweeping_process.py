"""Where descent goes when the learning rate is raised slowly: a sweeping process on the interpolators.

In the limit of a slow ramp the loss stays 0 and the coefficients are pushed by the moving cap alone:
``dz in -N(beta) + range X^T``, ``X beta = y``, ``S <= 2 / lr(t)``, ``z = psi'(b)``, from gradient flow's endpoint.
"""

import numpy as np

from ..errors import GdbiasError
from ..validate import whole
from .constrained import Edge
from .endpoints import Endpoint, endpoint_at
from .prediction import Prediction


def adiabatic(pred: Prediction, lr: float, caps: int = 2000) -> Endpoint:
    """The endpoint of descent whose learning rate was raised infinitely slowly to ``lr``.

    The cap falls geometrically in ``caps`` values; the error is proportional to 1 / caps.

    Raises:
        InputError, NoInterpolator, NoClosedForm: as :meth:`Prediction.endpoint` does.
        GdbiasError: the cap could not be followed.
    """
    caps = whole("caps", caps, 1)
    reachable, start = pred.reachable(lr)
    coordinates, problem = reachable.coordinates, reachable.problem
    if coordinates.degree == 1:
        return pred.endpoint(lr, "flow")
    lost = GdbiasError(
        f"{pred.dynamics.model.name}: {caps} caps could not be followed to lr = {lr:g}: use a smaller lr, or more caps"
    )
    edge = Edge(coordinates, problem, start, lr)
    w: np.ndarray | None = np.abs(coordinates.start(pred.flow.theta))[edge.moving]
    high, low = reachable.sharpness_of(edge.full(w)), 2 / lr
    for cap in np.geomspace(high, low, caps + 1)[1:] if high > low else ():
        w = edge.project(w, 2 / cap)
        if w is None:
            raise lost
    return endpoint_at(reachable, edge.full(w), 0.0, lr, "adiabatic")
