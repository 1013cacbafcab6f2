"""Checks of section DEEP, continued: what is predicted for deep linear networks, beside runs."""

from functools import reduce

import numpy as np

from ...theory import predict_linear
from ...theory.linear.chain import pack, unpack
from ...theory.linear.network import LinearNetwork, linear_network
from ..linear import descend, flow
from ..status import Status
from .points import by_complex_steps
from .registry import Case, Comparison, Formulas, NotApplicable, check

DEPTHS = (2, 3, 4)


def _eigenvalues(net: LinearNetwork, layers: list[np.ndarray]) -> np.ndarray:
    """Of the whole Hessian, falling, by complex steps of a gradient that is written out here."""

    def gradient(theta: np.ndarray) -> np.ndarray:
        given = unpack(theta, net.shapes)
        error = reduce(lambda whole, layer: layer @ whole, given) - net.target
        found = []
        for i in range(net.depth):
            below = reduce(lambda whole, layer: layer @ whole, given[:i], np.eye(net.target.shape[1]))
            above = reduce(lambda whole, layer: whole @ layer, given[:i:-1], np.eye(net.target.shape[0]))
            found.append(above.T @ error @ below.T)
        return pack(found)

    return np.linalg.eigvalsh(by_complex_steps(gradient, pack(layers)))[::-1]


@check("DEEP-6")
def curvatures(f: Formulas, case: Case) -> list[Comparison]:
    """The whole spectrum at aligned points of two equal modes and a smaller one, and the sharpness a run reports."""
    depth, s = case.choose(DEPTHS), case.rng.uniform(0.5, 3.0)
    net = linear_network(np.diag([s, s, s * case.rng.uniform(0.2, 0.8)]), depth)
    a = case.rng.uniform(0.2, 0.95) * s ** (1 / depth)
    layers = net.spectral(np.repeat([[a, a, 0.3 * a]], depth, axis=0))
    found = _eigenvalues(net, layers)
    expected = {name: getattr(f, name)(a=a, s=s, L=depth) for name in ("between", "own", "apart")}
    reported = descend(net, 0.1, theta0=layers, max_steps=0, track_every=0).sharpness
    return [
        *(
            Comparison(found[np.abs(found - e).argmin()], e, label=f"{net.name}, {name}")
            for name, e in expected.items()
        ),
        Comparison(found[0], expected["between"], label=f"{net.name}, the largest"),
        Comparison(float(reported), expected["between"], label=f"{net.name}, sharpness of a run"),
    ]


@check("DEEP-7")
def sharpest_at_the_end(f: Formulas, case: Case) -> list[Comparison]:
    """The sharpness along an integrated flow, and the lr_critical that is predicted."""
    depth = case.choose(DEPTHS)
    net = linear_network(np.diag(case.rng.uniform(0.3, 3.0, 3)), depth, 3 + int(case.rng.integers(2)))
    scale = case.rng.uniform(0.2, 0.9) * net.singular_values[-1] ** (1 / depth)
    path = flow(net, scale, rtol=1e-10).path_sharpness.values
    largest = f.largest(s=net.singular_values[0], L=depth)
    lr = f.lr_critical(s=net.singular_values[0], L=depth)
    return [
        Comparison(path, largest, "at_most", label=f"{net.name}, on the way"),
        Comparison(path.max(), largest, label=f"{net.name}, the largest"),
        Comparison(predict_linear(net, scale).lr_critical, lr, label=f"{net.name}, lr_critical"),
    ]


@check("DEEP-8")
def outer_cycle(f: Formulas, case: Case) -> list[Comparison]:
    """Two steps on the cycle, and how runs from 2 % inside and outside end."""
    net = linear_network(np.diag(case.rng.uniform(0.5, 2.0, 2)))
    s, lr = net.singular_values, case.rng.uniform(0.3, 0.9) / net.singular_values[0]
    limit = f.strength(s=s, lr=lr)

    def run(strength: np.ndarray, steps: int):
        layers = net.spectral(np.tile(np.sqrt(strength), (2, 1)))
        return descend(net, lr, theta0=layers, max_steps=steps, track_every=0, record_every=1)

    ends = [int(run(share * limit, steps).status) for share, steps in ((0.98, 20_000), (1.02, 1000))]
    return [
        Comparison(run(limit, 2).path_modes.values, np.tile(limit, (3, 1)), label="on the cycle"),
        Comparison(np.array(ends), np.array([Status.CONVERGED, Status.DIVERGED]), label="inside, and outside"),
    ]


@check("DEEP-9")
def held_flow(f: Formulas, case: Case) -> list[Comparison]:
    """Weights and sharpness of a run from a random start, between gradient flow's edge and lr_max."""
    net = linear_network(case.rng.standard_normal((3, 3)), case.choose((3, 4)))
    seed = int(case.rng.integers(1 << 30))
    pred = predict_linear(net, 1.0, "random", seed)
    if pred.lr_critical_final > 0.9 * net.lr_max:
        raise NotApplicable("gradient flow ends beside the flattest factorization")
    lr = case.rng.uniform(0.6, 0.95) * (net.lr_max - pred.lr_critical_final) + pred.lr_critical_final
    run = descend(net, lr, 1.0, "random", seed, max_steps=50_000, track_every=0)
    ends = pred.endpoints(np.array([lr]))
    if run.status != Status.CONVERGED or not ends.on_edge[0]:
        raise NotApplicable("the run does not converge, or the edge does not hold the flow")
    size = float(run.theta_l2)
    return [
        Comparison(ends.parameters[0], run.parameters.values, scale=size, label=f"{net.name}, weights"),
        Comparison(float(run.sharpness), f.sharpness(lr=lr), label=f"{net.name}, sharpness"),
    ]
