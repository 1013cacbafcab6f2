"""From runs of deep linear networks to outcomes, and how a result was made."""

import json

import numpy as np

from ...theory.linear import chain
from ...theory.linear.network import LinearNetwork
from ..engine.runs import Runs
from ..measure.outcome import ended, with_end
from ..measure.phase import phases
from ..options import Deciding
from .descent import excess_loss


def measure(net: LinearNetwork, theta: np.ndarray, start: np.ndarray | None = None) -> dict:
    """Measures at points theta (point, parameter); ``start`` holds approximate top eigenvectors of that shape."""
    layers = chain.unpack(theta, net.shapes)
    top = chain.chain_sharpness(layers, net.target, None if start is None else start.T[None])
    product = chain.product(layers)
    gaps = [np.sqrt((gap**2).sum(axis=(-2, -1))) for gap in net.balancedness(layers)]
    finite = np.asarray(np.isfinite(product).all(axis=(1, 2)))
    singular = np.linalg.svd(np.where(finite[:, None, None], product, 0), compute_uv=False)
    return dict(
        sharpness=top.value,
        sharpness_residual=top.residual,
        theta_l1=np.abs(theta).sum(axis=1),
        theta_l2=np.sqrt((theta**2).sum(axis=1)),
        imbalance=np.max(gaps, axis=0) if gaps else np.zeros(len(theta)),
        product_nuclear=np.where(finite, singular.sum(axis=1), np.nan),
        modes=net.modes(product),
        parameters=theta,
    )


def outcomes(net: LinearNetwork, runs: Runs) -> dict:
    """Every outcome variable of finished runs, one entry a run; NaN measures where a run diverged."""
    with np.errstate(invalid="ignore", over="ignore"):
        found = with_end(measure(net, ended(runs)[:, 0], runs.vector[:, 0]), runs, 2 / runs.lr)
    unknown, none, no = (np.full(len(runs), fill) for fill in (np.nan, 0, False))
    phase = phases(found["status"], runs.rising, none, unknown, unknown, no, no, no)
    return found | dict(phase=phase)


def along(net: LinearNetwork, states: np.ndarray) -> dict:
    """Measures and the loss at the states (point, parameter) of a path."""
    layers = chain.unpack(states, net.shapes)
    with np.errstate(invalid="ignore", over="ignore"):
        return measure(net, states) | {"loss": excess_loss(net, chain.product(layers)) + net.loss_min}


def spec_of(kind: str, net: LinearNetwork, options: Deciding, **rest) -> dict:
    """The spec of a result: what decides its numbers. ``theory.linear_network(**spec["network"])`` is the network."""
    problem = {"kind": "whitened", "fingerprint": net.fingerprint}
    made = dict(kind=f"linear {kind}", model=[net.name], network=net.spec, problem=[problem])
    return json.loads(json.dumps(made | options.deciding() | rest))
