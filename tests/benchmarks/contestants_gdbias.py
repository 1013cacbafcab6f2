"""gdbias as a contestant: the public sweep, the same with the sharpness tracked, and its bare step loop."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from workloads import Outcome

from gdbias import sims, theory
from gdbias.sims.engine.cuda.gpu import gpu_module
from gdbias.sims.engine.job import Job
from gdbias.sims.engine.numba.backend import advance
from gdbias.sims.machine import cores
from gdbias.sims.measure.block import begin_runs
from gdbias.sims.options import Options
from gdbias.theory.derivation.landscape import Landscape


def _model_and_problems(work):
    return theory.parse(work.model), [theory.Problem(X, y) for X, y in zip(work.X, work.y, strict=True)]


def sweep_contestant(work, track_every=0, backend="numba"):
    """`sims.sweep` as a user calls it, final sharpness included; one step below tol counts as convergence (hold=1)."""
    model, problems = _model_and_problems(work)

    def start(cap):
        def call():
            ds = sims.sweep(
                model, problems, lr=work.lrs, init_scale=work.scales, max_steps=cap, tol=work.tol, hold=1,
                track_every=track_every, backend=backend,
            )  # fmt: skip
            names = ("status", "steps", "loss", "sharpness")
            return Outcome(*(ds[name].transpose("seed", "init_scale", "lr").values.ravel() for name in names))

        return call

    return start


def cupy_contestant(work):
    """The public sweep on a GPU."""
    gpu_module()
    return sweep_contestant(work, backend="cupy")


def tracked_contestant(work):
    """The public sweep with the largest sharpness along the path, as it is by default."""
    return sweep_contestant(work, track_every=11)


def loop_contestant(work, threads=None):
    """The compiled step loop alone: starts are made before, no sharpness and no other measure after."""
    model, problems = _model_and_problems(work)
    landscapes = [Landscape(theory.derive(model), problem) for problem in problems]
    lr, scale = work.grid
    which = np.searchsorted(work.scales, scale)
    starts = np.stack([model.theta0(s, work.X.shape[2]) for s in work.scales])
    beside = cores() if len(problems) > 1 else 1  # many small problems side by side, one large with all threads

    def start(cap):
        every = [begin_runs(landscape, starts, which, lr) for landscape in landscapes]
        options = Options(max_steps=cap, tol=work.tol, hold=1, track_every=0, threads=1 if beside > 1 else threads)
        jobs = [Job(landscape, options, np.zeros(1, dtype=np.int64)) for landscape in landscapes]

        def call():
            with ThreadPoolExecutor(beside) as pool:
                list(pool.map(advance, jobs, every))
            status, steps, loss = (np.concatenate([getattr(r, n) for r in every]) for n in ("outcome", "steps", "loss"))
            return Outcome(status, steps, loss, np.full(work.runs, np.nan))

        return call

    return start
