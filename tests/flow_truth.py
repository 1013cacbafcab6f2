"""The largest sharpness along gradient flow by an integrator and a Hessian that share no code with the predictions.

In ``v = asinh(w / alpha)``, by BDF over the length of the path in v, with eigenvalues of the dense Hessian.
"""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import expit

LOOKS = 400  # along the path, and as many again around the largest


def coefficient(family, L, w):
    """beta (feature,), its slopes (weight, feature) and second derivatives (weight, weight, feature) at w."""
    m = len(w)
    second = np.zeros((m, *w.shape))
    if family == "product":
        slopes = np.stack([np.prod(np.delete(w, p, axis=0), axis=0) for p in range(m)])
        for p in range(m):
            for q in range(m):
                if p != q:
                    second[p, q] = np.prod(np.delete(w, (p, q), axis=0), axis=0)
        return np.prod(w, axis=0), slopes, second
    signs = np.array([1.0, -1.0])[:m, None]
    for p in range(m):
        second[p, p] = signs[p] * L * (L - 1) * w[p] ** (L - 2)
    return (signs * w**L).sum(axis=0), signs * L * w ** (L - 1), second


def loss_derivatives(loss, f, y):
    if loss == "squared":
        return f - y, np.ones(len(y))
    chance = expit(-y * f)
    return -y * chance, chance * (1 - chance)


def flow_truth(family, L, theta0, X, y, loss="squared", arrived=1e-6, rtol=1e-11):
    """The largest Hessian eigenvalue along gradient flow, and its end, where dL/dbeta is ``arrived`` of the first."""
    n, shape = len(y), theta0.shape
    alpha = np.abs(theta0).max(axis=0)

    def pull(w):
        return X.T @ loss_derivatives(loss, X @ coefficient(family, L, w)[0], y)[0] / n

    def sharpness(w):
        _, slopes, second = coefficient(family, L, w)
        slope, curvature = loss_derivatives(loss, X @ coefficient(family, L, w)[0], y)
        J = (slopes[None] * X[:, None]).reshape(n, -1)
        H = (J.T * curvature) @ J / n
        g, (m, d) = X.T @ slope / n, shape
        for p in range(m):
            for q in range(m):
                H[p * d + np.arange(d), q * d + np.arange(d)] += g * second[p, q]
        return np.linalg.eigvalsh(H)[-1]

    def weights(v):
        return alpha * np.sinh(v.reshape(shape))

    def velocity(_, v):
        w = weights(v)
        moved = -coefficient(family, L, w)[1] * pull(w) / np.hypot(w, alpha)
        return (moved / np.linalg.norm(moved)).ravel()

    first = np.linalg.norm(pull(theta0))

    def at_rest(_, v):
        return np.log(np.linalg.norm(pull(weights(v))) / (arrived * first))

    at_rest.terminal = True
    start = np.arcsinh(theta0 / alpha).ravel()
    path = solve_ivp(velocity, (0, 1e4), start, "BDF", rtol=rtol, atol=rtol, events=at_rest, dense_output=True)
    assert path.status == 1, path.message
    times = path.t if len(path.t) < LOOKS else path.t[np.linspace(0, len(path.t) - 1, LOOKS).astype(int)]
    found = [sharpness(weights(path.sol(t))) for t in times]
    best = int(np.argmax(found))
    fine = np.linspace(times[max(best - 1, 0)], times[min(best + 1, len(times) - 1)], 60)
    top = max(max(found), max(sharpness(weights(path.sol(t))) for t in fine))
    return top, weights(path.y[:, -1])
