"""The programs that sweep_vs_peers.py times, all on the same work, and that work."""

import numpy as np

TOLERANCE = 1e-10
BLOW_UP = 1e6
CONVERGED, DIVERGED, STEP_LIMIT, UNSTABLE_MINIMUM = range(4)
WARM_CAP = 20  # steps of the untimed first call: same shapes and signature, so everything is compiled


def workload(side):
    """Data and grid: X (20, 40), y (20,), learning rates (side,), start scales (side,)."""
    X = np.random.default_rng(0).standard_normal((20, 40))
    return X, X[:, :5].sum(axis=1), np.geomspace(0.01, 1, side), np.geomspace(1e-3, 1, side)


# A contestant is a function of the step cap that returns (status, steps, loss, sharpness), each (runs,),
# runs in the order (init_scale, lr).


def gdbias_contestant(X, y, lrs, scales, track_every=0):
    """The public sweep, with one step below tolerance counting as convergence (hold=1).

    Without the sharpness along the path, which no peer computes.
    """
    from gdbias import sims, theory

    model, problem = theory.power(2), theory.Problem(X, y)

    def run(cap):
        ds = sims.sweep(
            model, problem, lr=lrs, init_scale=scales, max_steps=cap, tol=TOLERANCE, hold=1, track_every=track_every
        )
        names = ("status", "steps", "loss", "sharpness")
        return tuple(ds[name].transpose("init_scale", "lr").values.ravel() for name in names)

    return run


def jax_contestant(X, y, lrs, scales, lanczos_steps=20):
    """jit(vmap(while_loop)) in float64 over all runs, then a vmapped Lanczos for the final sharpness.

    Lanczos (full reorthogonalisation) was twice as fast as vmapped eigvalsh of the dense Hessian.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    n, d = X.shape
    m = lanczos_steps

    def sharpness(w, r, X):
        g = X.T @ r / n  # (d,)
        q = jnp.abs(w) + 1e-3 * jnp.max(jnp.abs(w))
        q = q / jnp.linalg.norm(q)

        def step(i, state):
            Q, diagonal, off = state
            v = Q[i]
            v = 4 / n * w * (X.T @ (X @ (w * v))) + 2 * g * v
            diagonal = diagonal.at[i].set(v @ Q[i])
            v = v - Q.T @ (Q @ v)
            v = v - Q.T @ (Q @ v)
            size = jnp.linalg.norm(v)
            return Q.at[i + 1].set(v / jnp.where(size > 0, size, 1)), diagonal, off.at[i].set(size)

        start = jnp.zeros((m + 1, d)).at[0].set(q), jnp.zeros(m), jnp.zeros(m)
        _, diagonal, off = jax.lax.fori_loop(0, m, step, start)
        top = {"eigvals_only": True, "select": "i", "select_range": (m - 1, m - 1)}
        return jax.scipy.linalg.eigh_tridiagonal(diagonal, off[:-1], **top)[0]

    def one_run(lr, scale, X, y, cap):
        def residual_and_loss(w):
            r = X @ (w * w) - y
            return r, r @ r / (2 * n)

        def unfinished(state):
            _, _, loss, t = state
            return (loss >= TOLERANCE) & (loss < limit) & (t < cap)  # NaN ends the run

        def step(state):
            w, r, _, t = state
            w = w - lr * 2 * w * (X.T @ r) / n
            return w, *residual_and_loss(w), t + 1

        w = jnp.full(d, scale)
        r, loss = residual_and_loss(w)
        limit = BLOW_UP * jnp.maximum(1, loss)
        w, r, loss, t = jax.lax.while_loop(unfinished, step, (w, r, loss, 0))
        diverged = ~(loss < limit)
        status = jnp.where(loss < TOLERANCE, CONVERGED, jnp.where(diverged, DIVERGED, STEP_LIMIT))
        top = sharpness(jnp.where(diverged, 1.0, w), jnp.where(diverged, 1.0, r), X)
        return status, t, loss, jnp.where(diverged, jnp.nan, top)

    program = jax.jit(jax.vmap(one_run, in_axes=(0, 0, None, None, None)))
    lr, scale = _flat_grid(lrs, scales)

    def run(cap):
        return tuple(np.asarray(a) for a in program(lr, scale, X, y, cap))

    return run


def numba_contestant(X, y, lrs, scales, fastmath=("contract", "reassoc")):
    """prange over runs, each a scalar loop, then eigvalsh of the Hessian 4 diag(w) A diag(w) + 2 diag(g).

    Hand loops with reductions that may be reordered were faster than np.dot (151 against 186 ns a step).
    """
    import numba
    from threadpoolctl import threadpool_limits

    prange = numba.prange

    def runs(X, y, lr, scale, cap):
        n, d = X.shape
        A = X.T @ X / n
        status = np.empty(lr.size, np.int8)
        steps = np.empty(lr.size, np.int64)
        losses = np.empty(lr.size)
        sharpness = np.empty(lr.size)
        for k in prange(lr.size):
            w = np.full(d, scale[k])
            b, g, r = np.empty(d), np.empty(d), np.empty(n)
            rate = 2 * lr[k] / n
            limit = np.inf
            t = 0
            while True:
                for j in range(d):
                    b[j] = w[j] * w[j]
                loss = 0.0
                for i in range(n):
                    s = -y[i]
                    for j in range(d):
                        s += X[i, j] * b[j]
                    r[i] = s
                    loss += s * s
                loss /= 2 * n
                if t == 0:
                    limit = BLOW_UP * max(1.0, loss)
                if loss < TOLERANCE:
                    status[k] = CONVERGED
                    break
                if not (loss < limit):
                    status[k] = DIVERGED
                    break
                if t == cap:
                    status[k] = STEP_LIMIT
                    break
                for j in range(d):
                    g[j] = 0.0
                for i in range(n):
                    for j in range(d):
                        g[j] += X[i, j] * r[i]
                for j in range(d):
                    w[j] -= rate * w[j] * g[j]
                t += 1
            steps[k] = t
            losses[k] = loss
            sharpness[k] = np.nan
            if status[k] != DIVERGED:
                H = np.empty((d, d))
                for i in range(d):
                    for j in range(d):
                        H[i, j] = 4 * w[i] * A[i, j] * w[j]
                for j in range(d):
                    s = 0.0
                    for i in range(n):
                        s += X[i, j] * r[i]
                    H[j, j] += 2 * s / n
                sharpness[k] = np.linalg.eigvalsh(H)[-1]
        return status, steps, losses, sharpness

    program = numba.njit(parallel=True, fastmath=set(fastmath))(runs)
    lr, scale = _flat_grid(lrs, scales)

    def run(cap):
        # One BLAS thread per worker, and small chunks, so that no core waits for the other's long runs.
        with threadpool_limits(1, "blas"), numba.parallel_chunksize(16):
            return program(X, y, lr, scale, cap)

    return run


def numba_strict_contestant(X, y, lrs, scales):
    """The same Numba program under strict floating point, as a first version would have it."""
    return numba_contestant(X, y, lrs, scales, fastmath=())


def tracked_contestant(X, y, lrs, scales):
    """The public sweep as it is by default, with the largest sharpness along the path."""
    return gdbias_contestant(X, y, lrs, scales, track_every=11)


PEERS = {
    "jax": jax_contestant,
    "numba": numba_contestant,
    "numba-strict": numba_strict_contestant,
    "gdbias-tracked": tracked_contestant,
}


def _flat_grid(lrs, scales):
    scale, lr = np.meshgrid(scales, lrs, indexing="ij")
    return lr.ravel(), scale.ravel()
