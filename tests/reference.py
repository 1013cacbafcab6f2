"""A naive long-double twin of descent on diagonal networks: typed by hand, sharing no code with gdbias.

A family is a pair (name, L) and its weights are `theta` of shape (m, d), one row per weight:

    power(L)       m = 1   beta = w^L
    difference(L)  m = 2   beta = u^L - v^L
    product(L)     m = L   beta = u_1 * ... * u_L

The loss is ||X beta - y||^2 / (2n). Functions keep the precision of their inputs unless they say otherwise.
"""

import numpy as np

FAMILIES = ("power", "difference", "product")


def weight_count(name, L):
    """Number m of weights per feature."""
    return {"power": 1, "difference": 2, "product": L}[name]


def effective(name, L, theta):
    """Effective coefficients beta(theta), shape (d,), of weights of shape (m, d)."""
    theta = _checked(name, L, theta)
    if name == "power":
        return theta[0] ** L
    if name == "difference":
        return theta[0] ** L - theta[1] ** L
    beta = theta[0]
    for p in range(1, L):
        beta = beta * theta[p]
    return beta


def loss(name, L, theta, X, y):
    """Squared loss ||X beta - y||^2 / (2n), a scalar."""
    r = X @ effective(name, L, theta) - y
    return (r @ r) / (2 * len(y))


def gradient(name, L, theta, X, y):
    """Gradient dL/dtheta_p = (dbeta/dtheta_p) * X^T (X beta - y) / n of the loss in the weights, (m, d)."""
    theta = _checked(name, L, theta)
    g = X.T @ (X @ effective(name, L, theta) - y) / len(y)  # (d,), gradient in beta
    if name == "power":
        w = theta[0]
        return np.stack([L * w ** (L - 1) * g])
    if name == "difference":
        u, v = theta
        return np.stack([L * u ** (L - 1) * g, -L * v ** (L - 1) * g])
    rows = []
    for p in range(L):
        others = np.ones_like(g)
        for q in range(L):  # not beta / u_p: u_L starts at 0
            if q != p:
                others = others * theta[q]
        rows.append(others * g)
    return np.stack(rows)


def descend(name, L, theta0, X, y, lr, steps):
    """Steps theta <- theta - lr * gradient in long double: last theta (m, d) and losses (steps + 1,)."""
    theta, X, y, lr = (np.array(a, dtype=np.longdouble) for a in (theta0, X, y, lr))
    losses = [loss(name, L, theta, X, y)]
    for _ in range(steps):
        theta = theta - lr * gradient(name, L, theta, X, y)
        losses.append(loss(name, L, theta, X, y))
    return theta, np.array(losses)


def hessian_by_differences(name, L, theta, X, y, step=1e-4):
    """Hessian of the loss, (m d, m d) in C order of (weight, feature), by 4th-order central differences.

    H e_k = (-G(2h) + 8 G(h) - 8 G(-h) + G(-2h)) / (12 h), with G(s) = gradient(theta + s e_k) in long double,
    then symmetrised.
    """
    theta, X, y, h = (np.array(a, dtype=np.longdouble) for a in (theta, X, y, step))
    size = theta.size
    H = np.empty((size, size), dtype=np.longdouble)
    for k in range(size):
        e = np.zeros(size, dtype=np.longdouble)
        e[k] = h
        e = e.reshape(theta.shape)
        G = [gradient(name, L, theta + s * e, X, y).ravel() for s in (2, 1, -1, -2)]
        H[:, k] = (-G[0] + 8 * G[1] - 8 * G[2] + G[3]) / (12 * h)
    return (H + H.T) / 2


def sharpness_by_differences(name, L, theta, X, y, step=1e-4):
    """Largest algebraic eigenvalue of `hessian_by_differences`, a float."""
    H = hessian_by_differences(name, L, theta, X, y, step)
    return float(np.linalg.eigvalsh(H.astype(np.float64))[-1])


def standard_start(name, L, alpha, d):
    """Start of scale alpha, (m, d): every weight is alpha, except u_L = 0 in product(L) (so beta = 0)."""
    theta = np.full((weight_count(name, L), d), float(alpha))
    if name == "product":
        theta[-1] = 0.0
    return theta


def random_start(rng, name, L, d, scale=1.0):
    """Unequal positive weights, uniform on (0.3, 1) * scale, shape (m, d)."""
    return scale * rng.uniform(0.3, 1.0, size=(weight_count(name, L), d))


def random_problem(rng, n, d, positive, rho=0.5):
    """Correlated data and a dense teacher, y = X beta_star: (X (n, d), y (n,), beta_star (d,)).

    Rows of X are stationary AR(1) along the features, E x_i x_j = rho^|i - j|. With `positive` the teacher is
    uniform on (0.2, 1), so a strictly positive interpolator exists; without, its signs are random.
    """
    z = rng.standard_normal((n, d))
    X = z.copy()
    for j in range(1, d):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * z[:, j]
    beta_star = rng.uniform(0.2, 1.0, size=d)
    if not positive:
        beta_star *= rng.choice([-1.0, 1.0], size=d)
    return X, X @ beta_star, beta_star


def _checked(name, L, theta):
    theta = np.asarray(theta)
    expected = weight_count(name, L)
    if theta.ndim != 2 or theta.shape[0] != expected:
        raise ValueError(f"{name}({L}) has weights of shape ({expected}, d), got {theta.shape}")
    return theta
