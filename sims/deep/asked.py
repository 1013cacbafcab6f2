"""What is measured of a run where its options ask for it, beside what every run has."""

from functools import partial

import numpy as np

from ..schema import VARIABLES, measured
from .backend import eqx, jax, jnp
from .gradient_flow import integrate
from .lanczos import largest
from .layers import layers_of
from .measure import FINAL, PATH, any_vector, hessian_image
from .options import DeepOptions
from .several import hessian_products
from .top_eigenspace import leading
from .training_loss import Objective
from .update import Update, key_of

DRAWN = 64  # batches over which their sharpness is a mean, or a few more: whole epochs
CLOSE = 1e-3  # relative residual of the eigenvalues of an endpoint below the largest
PRODUCTS = 400  # of one search for several eigenvalues
FLOW_RTOL = 1e-4  # of the flow that distances are measured from


class Asked:
    """What the options of one run ask for, at its weights after any number of steps, in their order.

    Without a learning rate it is gradient flow that is measured.
    """

    def __init__(self, objective: Objective, theta0: jax.Array, options: DeepOptions, lr: float | None = None):
        self.objective, self.theta0, self.options, self.lr = objective, theta0, options, lr
        self.names = [name for name in measured("deep", ("end",), options.changed) if VARIABLES[name].asked]
        self.layers = layers_of(objective, theta0) if options.layers else []
        self.vectors = np.empty((0, theta0.size))
        self.flow, self.time = theta0, 0.0

    def at(self, theta: jax.Array, step: int, sharpness: float, quick: bool = False) -> dict:
        """All of it; a quick look goes on from the one before, with larger residuals."""
        found: dict = {}
        if "sharpness_effective" in self.names and self.lr is not None:
            found["sharpness_effective"] = self.lr * sharpness / (2 + 2 * self.options.momentum)
        if self.options.batch is not None and self.lr is not None:
            batch, seed = self.options.batch, self.options.noise_seed
            found["batch_sharpness"] = batch_sharpness(self.objective, theta, batch, seed)
        if self.options.top:
            found["spectrum"], found["spectrum_residual"] = self._spectrum(theta, quick)
        if self.layers:
            found["layer_sharpness"] = layer_sharpness(self.objective, theta, self.layers, PATH if quick else FINAL)
        if self.options.distance and self.lr is not None:
            found["distance"] = self._distance(theta, step)
        return found

    def nothing(self) -> dict:
        """The values of a run that diverged."""
        lengths = {"eigenvalue": self.options.top, "layer": len(self.layers)}
        return {n: np.full([lengths[dim] for dim in VARIABLES[n].dims], VARIABLES[n].fill) for n in self.names}

    def _spectrum(self, theta: jax.Array, quick: bool) -> tuple[np.ndarray, np.ndarray]:
        count, rtol = self.options.top, PATH if quick else CLOSE
        start = self.vectors if quick else self.vectors[:0]
        products = partial(hessian_products, self.objective, theta)
        space = leading(products, start, np.full(count, rtol), 1, PRODUCTS)
        if np.isfinite(space.vectors).all():
            self.vectors = space.vectors
        rest = np.full(max(count - len(space.values), 0), np.nan)  # of a network with fewer weights
        return np.append(space.values[:count], rest), np.append(space.residuals[:count], rest)

    def _distance(self, theta: jax.Array, step: int) -> float:
        """From where gradient flow is when the steps are over, each of which takes ``lr / (1 - momentum)`` of time."""
        time = step * float(self.lr or 0.0) / (1 - self.options.momentum)
        ahead = integrate(self.objective, self.flow, max_time=time - self.time, rtol=FLOW_RTOL)
        self.flow, self.time = ahead.theta, time
        way = float(jnp.linalg.norm(self.flow - self.theta0))
        return float(jnp.linalg.norm(theta - self.flow)) / way if way > 0 and ahead.arrived else np.nan


def layer_sharpness(objective: Objective, theta: jax.Array, layers: list[slice], rtol: float = FINAL) -> np.ndarray:
    """The largest eigenvalue of the block of the Hessian that belongs to each layer alone, (layer,)."""
    image, found = hessian_image(objective, theta), []
    for part in layers:

        def block(v: np.ndarray, part: slice = part) -> np.ndarray:
            whole = np.zeros(theta.size)
            whole[part] = v
            return image(whole)[part]

        found.append(largest(block, any_vector(theta[part]), rtol).value)
    return np.array(found)


def batch_sharpness(objective: Objective, theta: jax.Array, batch: int, seed: int) -> float:
    """``E_B [g_B' H_B g_B / |g_B|^2]`` of the losses of batches B of so many samples (2412.20553).

    The mean is over ``DRAWN`` batches or a few more: all those of whole epochs, whose orders are others than a run's.
    """
    n = len(objective.X)
    each = max(1, n // batch)
    update = Update(None, jax.random.fold_in(key_of(seed), 0xFFFFFFFF), batch)
    epochs = 1 if batch >= n else -(-DRAWN // each)
    orders = [update.order(n, jnp.asarray(epoch))[: each * batch].reshape(each, -1) for epoch in range(epochs)]
    return float(_mean_quotient(objective, theta, jnp.concatenate(orders)))


@eqx.filter_jit
def _mean_quotient(objective: Objective, theta: jax.Array, batches: jax.Array) -> jax.Array:
    def quotient(chosen: jax.Array) -> jax.Array:
        part = objective.of(chosen)
        g = part.gradient(theta)
        return g @ part.hessian_product(theta, g) / (g @ g)

    return jnp.mean(jax.lax.map(quotient, batches))
