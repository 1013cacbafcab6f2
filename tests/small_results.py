"""A small sweep and its runs computed here, for figures to draw, and a look at what they drew."""

import matplotlib
import numpy as np
import xarray as xr

from gdbias import theory
from gdbias.sims.status import Status

MODEL = theory.power(2)

LR = np.array([0.02, 0.05, 0.07, 0.09, 0.11, 0.4])

SCALES = np.array([0.05, 0.1, 0.3])

X, Y = np.array([0.5, 1.0, 1.5, 2.0, 2.5]), 3.0


def small_problem():
    problem = theory.single_point(X, Y)
    return theory.Problem(problem.X, problem.y, X_test=np.eye(5), y_test=np.full(5, 0.5))


def descend(lr, scale, steps=3000, tol=1e-10):
    """A run of w <- w - lr * grad on beta = w * w and one sample: all its points (step, feature), and its status."""
    w, points, held = np.full(5, scale), [], 0
    for _ in range(steps):
        points.append(w)
        r = X @ (w * w) - Y
        held = held + 1 if r * r / 2 < tol else 0
        if not r * r / 2 < 1e6 or held == 20:
            break
        w = w - lr * 2 * w * X * r
    status = Status.CONVERGED if held == 20 else Status.STEP_LIMIT if r * r / 2 < 1e6 else Status.DIVERGED
    return np.array(points), status


def measures(w):
    """Loss, sharpness, norms and risk at points w (..., feature)."""
    beta = w * w
    r = beta @ X - Y
    J = 2 * w * X
    H = J[..., :, None] * J[..., None, :] + 2 * r[..., None, None] * np.diag(X)
    return dict(
        loss=r**2 / 2, sharpness=np.linalg.eigvalsh(H)[..., -1], theta_l1=np.abs(w).sum(-1),
        theta_l2=np.linalg.norm(w, axis=-1), beta_l1=beta.sum(-1), beta_l2=np.linalg.norm(beta, axis=-1),
        test_risk=((beta - 0.5) ** 2).mean(-1) / 2,
    )  # fmt: skip


def measured_sweep():
    ds = xr.Dataset(coords={"init_scale": SCALES, "lr": LR})
    runs = [[descend(lr, scale) for lr in LR] for scale in SCALES]
    status = np.array([[s for _, s in row] for row in runs], dtype=np.int8)
    found = measures(np.array([[points[-1] if s != Status.DIVERGED else 0 * X for points, s in row] for row in runs]))
    for name, values in found.items():
        ds[name] = (("init_scale", "lr"), np.where(status == Status.DIVERGED, np.nan, values))
    ds["status"] = (("init_scale", "lr"), status)
    return ds


def drawn(figure, gid):
    """Data (x, y) of every line with this gid."""
    return [np.array(line.get_data()) for axes in figure.axes for line in axes.lines if line.get_gid() == gid]


def mesh(figure, gid):
    return next(c for c in figure.axes[0].collections if c.get_gid() == gid)


def path_of(lr, scale, dim, every=1):
    points, status = descend(lr, scale)
    points = points[::every]
    run = xr.Dataset({f"path_{k}": (dim, v) for k, v in measures(points).items()}, {"lr": lr, "init_scale": scale})
    return run.assign(status=((), np.int8(status))).assign_coords({dim: np.arange(len(points)) * every})


def deep_like(ds):
    """One dimension, no coefficients, the critical learning rate as an attribute."""
    row = ds.isel(init_scale=1, drop=True).drop_vars(["beta_l1", "beta_l2"])
    return row.assign_attrs(lr_critical=0.0731)


def text_of(figure):
    return " ".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))
