"""How far below ``2 / lr`` the sharpness of a deep linear network ends: the oscillation must die out first.

The law of :mod:`gdbias.theory.prediction.oscillation`, with the derivatives of a chain of matrices.
"""

import numpy as np
import scipy  # its parts on first use: they take half a second to import

from . import chain
from .kernel import TangentKernel

NULL = 1e-9  # of the largest eigenvalue, below which one is 0


def undershoot(layers: chain.Layers, target: np.ndarray) -> float:
    """``1 - lr S / 2`` where an oscillation along the top eigenvector u dies out, about layers that fit the target.

    ``sum_i t_i^2 / (lr lambda_i - rate) - |t_0|^2 / rate = D^4 L(u, u, u, u) / (3 lr)``, at the lr at which the top
    eigenvalue is ``2 / lr``: ``rate / 4``. 0 where no rate balances them.
    """
    kernel = TangentKernel([w[None] for w in layers], target)
    values = kernel.values[0]
    positive = values > NULL * values[0]
    shares = 2 * values[positive] / values[0]
    u = [w / np.sqrt(values[0]) for w in kernel.pulled(np.eye(1, target.size))]
    first, second, third = _derivatives(kernel.hessian.layers, u)
    bend = kernel.hessian.bent(*kernel.hessian.tangents(u), first)
    force = [2 * v + w for v, w in zip(bend, kernel.hessian.pulled(second), strict=True)]  # D^3 L(u, u)
    t = kernel.coefficients(kernel.hessian.tangents(force)[0][-1])[0, positive] / np.sqrt(values[positive])
    rest = max(float((chain.pack(force) ** 2).sum() - t @ t), 0.0)
    fourth = float(3 * (second**2).sum() + 4 * (first * third).sum())

    def excess(rate: float) -> float:
        return float((t**2 / (shares - rate)).sum() - rest / rate - fourth * values[0] / 6)

    low, high = 1e-12 * shares[-1], (1 - 1e-12) * shares[-1]
    if not excess(low) < 0 < excess(high):
        return 0.0
    return float(scipy.optimize.brentq(excess, low, high)) / 4  # type: ignore[arg-type]


def _derivatives(layers: chain.Layers, u: chain.Layers) -> list[np.ndarray]:
    """The first three derivatives in x of the product of ``W_l + x u_l``."""
    size = layers[0].shape[-1]
    terms = [np.eye(size), *np.zeros((3, size, size))]
    for layer, moved in zip(layers, u, strict=True):
        terms = [layer @ terms[0], *(layer @ terms[k] + moved @ terms[k - 1] for k in (1, 2, 3))]
    return [terms[1], 2 * terms[2], 6 * terms[3]]
