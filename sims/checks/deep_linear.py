"""Checks of section DEEP; derivatives by complex steps, which share nothing with the library's."""

import numpy as np
from scipy.optimize import brentq

from ...theory.linear.chain import unpack
from ...theory.linear.network import LinearNetwork, linear_network
from ..linear import descend, flow
from .points import by_complex_steps, slope_at_0
from .registry import Case, Comparison, Formulas, NotApplicable, check

SHAPES = ((1, 1), (3, 3), (3, 4), (4, 2))  # of the target: outputs, inputs
Layers = list[np.ndarray]


def _network(case: Case, depths=(2, 3, 4), shapes=SHAPES) -> LinearNetwork:
    """The depths in turn, and the target's shape with every round of them."""
    shape = shapes[(case.index // len(depths) + case.index) % len(shapes)]
    return linear_network(case.rng.standard_normal(shape), case.choose(depths), max(shape) + int(case.rng.integers(2)))


def _random_layers(net: LinearNetwork, case: Case) -> Layers:
    return [case.rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in net.shapes]


def _whole(layers: Layers) -> np.ndarray:
    found = layers[0]
    for layer in layers[1:]:
        found = layer @ found
    return found


def _jacobian(layers: Layers) -> list[np.ndarray]:
    """``d (W_L ... W_1)_ab / d (W_l)_cd`` for every layer, shape (c, d, a, b)."""
    given, found = [w.astype(complex) for w in layers], []
    for i, layer in enumerate(layers):
        rows = by_complex_steps(lambda w, i=i: _whole([*given[:i], w, *given[i + 1 :]]), layer)
        found.append(rows.reshape(*layer.shape, *rows.shape[1:]))
    return found


def _gradients(layers: Layers, target: np.ndarray) -> Layers:
    return [np.einsum("cdab,ab->cd", slope, _whole(layers) - target) for slope in _jacobian(layers)]


def _eigenvalues(layers: Layers) -> np.ndarray:
    """Of the Hessian at zero error, J^T J: those of J J^T, falling; all others are 0."""
    rows = np.concatenate([slope.reshape(-1, slope.shape[2] * slope.shape[3]) for slope in _jacobian(layers)])
    return np.linalg.eigvalsh(rows.T @ rows)[::-1]


def _descend(net: LinearNetwork, layers: Layers, lr: float, steps: int, record_every: int = 0):
    return descend(
        net, lr, theta0=layers, max_steps=steps, hold=steps + 2, track_every=0, record_every=record_every
    )  # fmt: skip


def _gaps(layers: Layers) -> Layers:
    return [up.T @ up - low @ low.T for low, up in zip(layers[:-1], layers[1:], strict=True)]


@check("DEEP-1", cases=9)
def balancedness(f: Formulas, case: Case) -> list[Comparison]:
    """One step, and a whole gradient flow, of random layers."""
    net, lr = _network(case, shapes=SHAPES[1:]), case.rng.uniform(0.05, 0.5)
    layers = _random_layers(net, case)
    slopes, before = _gradients(layers, net.target), _gaps(layers)
    runs = _descend(net, layers, lr, 1), flow(net, theta0=layers, rtol=1e-12, tol=1e-3)
    after, flown = (_gaps(unpack(run.parameters.values, net.shapes)) for run in runs)
    size = max(np.abs(gap).max() for gap in before)
    found = []
    for i, gap in enumerate(before):
        above, below = slopes[i + 1].T @ slopes[i + 1], slopes[i] @ slopes[i].T
        change = np.abs(after[i] - gap).max()
        step = f.B_next(B=gap, lr=lr, above=above, below=below)
        found.append(Comparison(after[i], step, scale=change, label=f"{net.name}, one step"))
        found.append(Comparison(flown[i], f.B_flow(B=gap), scale=size, label=f"{net.name}, flow"))
    return found


@check("DEEP-2")
def mode_path(f: Formulas, case: Case) -> Comparison:
    """The strengths of all modes along an integrated flow."""
    net, scale = _network(case, depths=(2,)), case.rng.uniform(0.05, 0.3)
    path = flow(net, init_scale=scale, rtol=1e-12, tol=1e-6)
    t = path.time.values[:, None]
    predicted = f.strength(t=t, s=net.singular_values, a0=scale**2)
    return Comparison(path.path_modes.values, predicted, label=f"{net.name}, target {net.target.shape}")


@check("DEEP-3", cases=9)
def aligned_modes(f: Formulas, case: Case) -> list[Comparison]:
    """100 steps of an unbalanced aligned start beside chains of scalars; balanced modes near their minimum."""
    net = _network(case)
    r = net.rank
    values = case.rng.uniform(0.5, 1.0, (net.depth, r)) * net.singular_values[:r] ** (1 / net.depth)
    lr = case.rng.uniform(0.9, 1.1) * net.lr_max
    run = _descend(net, net.spectral(values), lr, 100)
    for _ in range(100):
        values = np.array([
            f.w_next(w=w, others=np.prod(np.delete(values, i, axis=0), axis=0), lr=lr, s=net.singular_values)
            for i, w in enumerate(values)
        ])  # fmt: skip
    predicted = np.concatenate([layer.ravel() for layer in net.spectral(values)])
    found = [Comparison(run.parameters.values, predicted, label=f"{net.name}, 100 steps")]
    return found + [_near_minimum(f, net, case), _far_step(f, net, case), *_two_cycle(f, case)]


def _balanced(net: LinearNetwork, u: float) -> Layers:
    return net.spectral(np.tile(u * net.singular_values ** (1 / net.depth), (net.depth, 1)))


def _far_step(f: Formulas, net: LinearNetwork, case: Case) -> Comparison:
    """One step of all modes at once from u in units of the minimum, through the reduced map."""
    L, s, u, lr = net.depth, net.singular_values, case.rng.uniform(0.3, 1.2), case.rng.uniform(0.3, 1.2) * net.lr_max
    modes = _descend(net, _balanced(net, u), lr, 1).modes.values
    predicted = s * f.u_next(u=u, kappa=f.kappa(lr=lr, s=s, L=L), L=L) ** L
    return Comparison(modes, predicted, label=f"{net.name}, balanced")


def _near_minimum(f: Formulas, net: LinearNetwork, case: Case) -> Comparison:
    """What one step makes of a small error in every mode, by fourth-order differences."""
    L, s, h, lr = net.depth, net.singular_values, 3e-4, case.rng.uniform(0.3, 1.2) * net.lr_max

    def after(u: float) -> np.ndarray:  # the layers stay balanced
        modes = _descend(net, _balanced(net, u), lr, 1).modes.values
        return (modes / s) ** (1 / L)

    slope = slope_at_0(lambda size: after(1 + size), h)
    return Comparison(slope, f.multiplier(L=L, lr=lr, s=s), label=f"{net.name}, small error")


def _two_cycle(f: Formulas, case: Case) -> list[Comparison]:
    """The largest mode of two layers on its cycle below the predicted end, and the lr at which the cycle flips."""
    net = linear_network(np.diag([1.0, 0.6]) * case.rng.uniform(0.5, 2.0))
    s, end = net.singular_values[0], f.cycle_end(s=net.singular_values[0])
    lr = 1 / s + case.rng.uniform(0.3, 0.8) * (end - 1 / s)
    strengths = _settled(net, lr, 400)
    return [
        Comparison(strengths.max(), f.cycle_high(lr=lr, s=s), label="2-cycle, high"),
        Comparison(strengths.min(), f.cycle_low(lr=lr, s=s), label="2-cycle, low"),
        Comparison(_flip_of_the_cycle(net), end, label="end of the 2-cycle"),
    ]


def _flip_of_the_cycle(net: LinearNetwork) -> float:
    """The lr at which two steps multiply a small error of the first mode's cycle by -1, for a diagonal target."""
    first, second = _balanced(net, 1.0)

    def twice(u: complex, lr: float) -> complex:
        one, two = u * first, u * second
        for _ in range(2):
            error = two @ one - net.target
            one, two = one - lr * two.T @ error, two - lr * error @ one.T
        return ((two @ one)[0, 0] / net.target[0, 0]) ** 0.5

    def multiplier(lr: float) -> float:
        on_cycle = brentq(lambda u: np.real(twice(u, lr)) - u, 1.02, 1.3, xtol=1e-15)
        return np.imag(twice(on_cycle + 1e-30j, lr)) / 1e-30

    unit = 1 / net.singular_values[0]
    return brentq(lambda lr: multiplier(lr) + 1, 1.1 * unit, 1.4 * unit, xtol=1e-15)


def _settled(net: LinearNetwork, lr: float, steps: int) -> np.ndarray:
    """The largest mode's last four strengths."""
    late = unpack(_descend(net, net.start(0.5), lr, steps).parameters.values, net.shapes)
    return _descend(net, late, lr, 3, record_every=1).path_modes.values[:, 0]


def _any_minimum(net: LinearNetwork, case: Case, balanced: bool) -> Layers:
    """The balanced factorization, turned between the layers; rescaled too unless ``balanced``."""
    layers = net.balanced_minimum()
    for i in range(net.depth - 1):
        turn = np.linalg.qr(case.rng.standard_normal((net.width, net.width)))[0]
        if not balanced:
            turn = turn @ np.diag(np.exp(case.rng.uniform(-0.5, 0.5, net.width)))
        layers[i], layers[i + 1] = turn @ layers[i], layers[i + 1] @ np.linalg.inv(turn)
    if not np.abs(_whole(layers) - net.target).max() < 1e-12 * max(1.0, np.abs(net.target).max()):
        raise NotApplicable("the layers do not fit the target")
    return layers


@check("DEEP-4", cases=9)
def balanced_spectrum(f: Formulas, case: Case) -> list[Comparison]:
    """All eigenvalues at a balanced minimum, and the sharpness that a run reports there."""
    net = _network(case)
    layers = _any_minimum(net, case, balanced=True)
    left, right = (np.zeros(size) for size in net.target.shape)
    for values in (left, right):
        values[: net.rank] = net.singular_values
    pairs = sum(f.share(s_i=left[:, None], s_j=right, L=net.depth, l=layer) for layer in range(1, net.depth + 1))
    top = f.sharpness(s=net.singular_values[0], L=net.depth)
    return [
        Comparison(_eigenvalues(layers), np.sort(pairs, axis=None)[::-1], label=f"{net.name}, spectrum"),
        Comparison(float(_descend(net, layers, 0.1, 0).sharpness), top, label=f"{net.name}, sharpness"),
    ]


@check("DEEP-5", cases=12)
def flattest_factorization(f: Formulas, case: Case) -> list[Comparison]:
    """Sharpness of rescaled minima against the bound, which the balanced minimum attains."""
    net = _network(case)
    s, L = net.singular_values[0], net.depth
    least = f.least(s=s, L=L)
    rescaled = [_eigenvalues(_any_minimum(net, case, balanced=False))[0] for _ in range(4 if case.quick else 15)]
    balanced = _eigenvalues(_any_minimum(net, case, balanced=True))[0]
    return [
        Comparison(np.array(rescaled), least, "at_least", label=f"{net.name}, rescaled"),
        Comparison(balanced, least, label=f"{net.name}, balanced"),
        Comparison(f.of("DEEP-4").sharpness(s=s, L=L), least, label=f"{net.name}, the spectrum's largest"),
    ]
