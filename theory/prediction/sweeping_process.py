"""Where descent goes when the learning rate is raised slowly: a sweeping process on the interpolators.

In the limit of a slow ramp the loss stays 0 and the coefficients are pushed by the moving cap alone:
``dz in -N(beta) + range X^T``, ``X beta = y``, ``S <= 2 / lr(t)``, ``z = psi'(b)``, from gradient flow's endpoint.
"""

import numpy as np

from ..errors import GdbiasError
from ..validate import whole
from .endpoints import Endpoint, endpoint_at
from .prediction import Prediction

OVERSHOOT = 1e-10  # relative, of the sharpness over its cap
PUSHES = 1000  # for one value of the cap
HALVES = 0.5 ** np.arange(20)  # of a push from which X beta = y is not reached again


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
    L, weights, y = coordinates.degree, coordinates.weights, problem.projected[1]
    moving = start > 0
    columns = coordinates.columns(problem, moving)
    z = coordinates.dual(np.abs(coordinates.start(pred.flow.theta))[moving])
    unit = L**2 / problem.n

    def refit(z):
        """Back to X beta = y along range X^T; None where Newton's method does not get there."""
        residual = np.array([np.inf])
        for _ in range(50):
            w = weights(z)
            residual = columns @ w**L - y
            if not np.isfinite(residual).all():
                return None
            if np.abs(residual).max() <= 1e-13 * np.abs(y).max():
                break
            k = L**2 * w ** (2 * L - 2)
            try:
                z = z - columns.T @ np.linalg.solve((columns * k) @ columns.T, residual)
            except np.linalg.LinAlgError:
                return None
        return (z, weights(z)) if np.abs(residual).max() <= 1e-9 * np.abs(y).max() else None

    lost = GdbiasError(
        f"{pred.dynamics.model.name}: {caps} caps could not be followed to lr = {lr:g}: use a smaller lr, or more caps"
    )
    begun = refit(z)
    if begun is None:
        raise lost
    z, w = begun
    high = unit * np.linalg.eigvalsh((columns * w ** (2 * L - 2)) @ columns.T)[-1]
    low = 2 / (lr * coordinates.rate)
    for cap in np.geomspace(high, low, caps + 1)[1:] if high > low else ():
        for _ in range(PUSHES):
            values, vectors = np.linalg.eigh(unit * (columns * w ** (2 * L - 2)) @ columns.T)
            if values[-1] <= cap * (1 + OVERSHOOT):
                break
            k = L**2 * w ** (2 * L - 2)
            m = 2 * L * (L - 1) * w ** (L - 2) * (columns.T @ vectors[:, -1]) ** 2 / problem.n
            try:
                along = m - columns.T @ np.linalg.solve((columns * k) @ columns.T, columns @ (k * m))
            except np.linalg.LinAlgError:  # fewer weights are left than samples
                raise lost from None
            push = (values[-1] - cap) / ((k * m) @ along) * along
            for share in HALVES:
                with np.errstate(invalid="ignore"):  # dual variables beyond their domain
                    refitted = refit(z - share * push)
                if refitted is not None:
                    break
            else:
                raise lost
            z, w = refitted
        else:
            raise lost
    b = np.zeros(start.shape)
    b[moving] = w**L
    return endpoint_at(reachable, b, lr, "adiabatic", 0.0)
