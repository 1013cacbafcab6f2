"""JAX as a contestant, in float64 on the CPU: a vmapped while_loop, and chunks of a scan with compaction."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from lanczos import final_sharpness, sharpness
from workloads import BLOW_UP, CONVERGED, DIVERGED, STEP_LIMIT, Outcome

CHUNK = 100  # steps between looks at which runs are under way
SMALLEST = 8  # entries that a batch is not packed below

jax.config.update("jax_enable_x64", True)


def _outcome(work, status, steps, loss, theta, measure):
    """Outcome of arrays (dataset, run) and theta (dataset, weight, d, run)."""
    flat = np.asarray(status).ravel()
    top = final_sharpness(jnp, work, np.asarray(theta), flat, measure)
    return Outcome(flat, np.asarray(steps).ravel(), np.asarray(loss).ravel(), top)


def while_contestant(work):
    """jit(vmap(vmap(while_loop))) over datasets and runs: a batch steps until its last run ends."""
    n, d = work.X.shape[1:]
    signs = work.signs[:, None]

    def one_run(lr, scale, X, y, cap):
        def residual_and_loss(w):
            r = X @ (signs * w * w).sum(0) - y
            return r, r @ r / (2 * n)

        def unfinished(state):
            _, _, loss, t = state
            return (loss >= work.tol) & (loss < limit) & (t < cap)  # NaN ends the run

        def step(state):
            w, r, _, t = state
            w = w - lr * 2 * signs * w * (X.T @ r) / n
            return w, *residual_and_loss(w), t + 1

        w = jnp.full((len(signs), d), scale)
        r, loss = residual_and_loss(w)
        limit = BLOW_UP * jnp.maximum(1, loss)
        w, r, loss, t = jax.lax.while_loop(unfinished, step, (w, r, loss, 0))
        status = jnp.where(loss < work.tol, CONVERGED, jnp.where(loss < limit, STEP_LIMIT, DIVERGED))
        return status, t, loss, w

    by_run = jax.vmap(one_run, in_axes=(0, 0, None, None, None))
    program = jax.jit(jax.vmap(by_run, in_axes=(None, None, 0, 0, None)))
    measure = jax.jit(partial(sharpness, jnp))
    lr, scale = work.grid

    def start(cap):
        def call():
            status, steps, loss, theta = program(lr, scale, work.X, work.y, cap)
            return _outcome(work, status, steps, loss, jnp.moveaxis(theta, 1, 3), measure)

        return call

    return start


def scan_contestant(work):
    """Chunks of 100 scanned steps; when at most half is under way the batch is packed into half the entries.

    Entries are datasets where there are many, else runs; a program for every size is compiled beforehand.
    """
    datasets, n, d = work.X.shape
    signs = work.signs[:, None, None]
    lr, scale = work.grid
    axis = 0 if datasets > 1 else 1

    def chunk(theta, X, y, lr, limit, live, t, loss, cap):
        def step(state, _):
            theta, live, t, loss = state
            r = X @ (signs * theta * theta).sum(1) - y[:, :, None]
            loss = jnp.where(live, (r * r).sum(1) / (2 * n), loss)
            live = live & (loss >= work.tol) & (loss < limit) & (t < cap)
            moved = theta - lr[:, None, None] * 2 * signs * theta * (jnp.swapaxes(X, 1, 2) @ r)[:, None] / n
            return (jnp.where(live[:, None, None], moved, theta), live, t + live, loss), None

        return jax.lax.scan(step, (theta, live, t, loss), None, length=CHUNK)[0]

    def batch():
        grid = datasets, len(lr)
        theta = np.broadcast_to(scale, (datasets, len(signs), d, len(lr)))
        rates = np.broadcast_to(lr, grid)
        return (
            theta,
            work.X,
            work.y,
            rates,
            work.limits,
            np.ones(grid, bool),
            np.zeros(grid, int),
            np.full(grid, np.nan),
        )

    def take(arrays, chosen):
        """The chosen entries of a batch; data belong to datasets only."""
        return tuple(
            a[chosen] if axis == 0 else a if k in (1, 2) else a[..., chosen]
            for k, a in enumerate(map(np.asarray, arrays))
        )

    entries = (datasets, len(lr))[axis]
    sizes = [entries]
    while sizes[-1] > SMALLEST:
        sizes.append(-(-sizes[-1] // 2))
    programs = {size: jax.jit(chunk).lower(*take(batch(), np.arange(size)), 0).compile() for size in sizes}
    measure = jax.jit(partial(sharpness, jnp))

    def start(cap):
        def call():
            arrays = batch()
            results = [np.empty_like(arrays[k]) for k in (0, 6, 7)]
            kept = np.arange(entries)
            while True:
                theta, live, t, loss = programs[len(kept)](*arrays, cap)
                arrays = theta, *arrays[1:5], live, t, loss
                under_way = np.asarray(live).any(1 - axis)
                fitting = [size for size in sizes if size >= under_way.sum()][-1]
                if fitting == len(kept) and under_way.any():
                    continue
                for result, values in zip(results, (theta, t, loss), strict=True):
                    result[kept if axis == 0 else (..., kept)] = values
                if not under_way.any():
                    break
                chosen = np.argsort(~under_way, kind="stable")[:fitting]
                kept, arrays = kept[chosen], take(arrays, chosen)
            theta, steps, loss = results
            below = np.where(loss < work.limits, STEP_LIMIT, DIVERGED)
            return _outcome(work, np.where(loss < work.tol, CONVERGED, below), steps, loss, theta, measure)

        return call

    return start
