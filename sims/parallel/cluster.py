"""The chunks of a sweep on a Dask cluster: a task each, whose worker writes its own region of the store."""

# pyright: reportMissingImports=false

import logging
import socket
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import zarr

from ...theory.errors import GdbiasError, InputError, MissingExtra
from ...theory.validate import shown
from ..store.damage import complete_chunks
from ..store.layout import Region
from ..store.provenance import versions
from .chunks import compute, write
from .plan import Plan, Work

RETRIES = 3  # of a chunk whose task raised, a lost connection to the store for example
UNDER_WAY = 8  # chunks sent ahead for each thread of the cluster
DECIDING = ("gdbias", "numpy", "scipy", "numba")  # packages that decide the numbers


def connect(address: str, seconds: float = 10) -> Any:
    """A client of the scheduler at an address such as ``tcp://host:8786``, which is waited for so many seconds.

    Raises:
        MissingExtra: Dask is not installed.
        InputError: no scheduler answers there.
    """
    try:
        from distributed import Client  # an optional extra
    except ImportError:
        raise MissingExtra("a cluster needs Dask: pip install 'gdbias[cluster]'") from None
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # a lost scheduler is told in one line
    try:
        return Client(address, timeout=seconds)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {address} ({error}): start one, or check the address") from None


def require_cluster(client: Any, backend: str) -> None:
    """Raise InputError where this is no client of a cluster whose workers have the versions that are here.

    Workers that compute with CuPy have one version of it, which a machine without a GPU may lack.
    """
    if not hasattr(client, "submit") or not hasattr(client, "nthreads"):
        raise InputError(f"client = {shown(client)} is no distributed.Client: use distributed.Client(ADDRESS)")
    if getattr(client, "status", "running") in ("closed", "closing"):
        raise InputError(f"client = {shown(client)} is closed: use one that is open, as inside its with block")
    try:
        here, there = versions(), client.run(lambda: dict(versions()))
    except ImportError as error:
        raise InputError(f"a worker of the cluster lacks gdbias ({error}): install it everywhere") from None
    if not there:
        raise InputError("the cluster has no worker: start some with dask worker ADDRESS")
    for address, found in there.items():
        for name in DECIDING:
            if found.get(name) != here.get(name):
                raise InputError(
                    f"worker {address} has {name} {found.get(name)}, here it is {here.get(name)}, which may give other "
                    "numbers: install the same versions everywhere"
                )
    if backend == "cupy" and len(gpus := {found.get("cupy") for found in there.values()}) > 1:
        raise InputError(
            f"the workers have cupy {', '.join(sorted(map(str, gpus)))}, which may give other numbers: install the "
            "same version on all of them"
        )


def run_there(
    client: Any, plan: Plan, missing: list[Region], arrays: Mapping[str, Any], store: str | None, spec: str,
    add: Callable[[int], None],
) -> None:  # fmt: skip
    """Compute the missing chunks on the workers of a cluster, which take over from a lost one.

    Each worker writes into ``store`` of that ``spec``, which all must reach under the same name; without one the
    outcomes come back to ``arrays``. A task computes one chunk on ``threads`` of its options, one unless given.

    Raises:
        GdbiasError: a chunk failed again and again, or the cluster was lost. What is written stays.
        InputError: a worker that does not reach the store, or finds another one there.
    """
    from distributed import KilledWorker, as_completed  # an optional extra
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    plan = replace(plan, options=replace(plan.options, threads=plan.options.threads or 1))
    queue, chunks, warned = iter(missing), {}, set()

    def submit(count: int) -> list:
        sent = []
        while len(sent) < count and (chunk := next(queue, None)):
            work, names = plan.work(chunk), plan.layout.variables
            future = client.submit(_task, work, chunk, names, store, spec, pure=False, retries=RETRIES)
            chunks[future.key] = chunk
            sent.append(future)
        return sent

    under_way = as_completed(submit(UNDER_WAY * max(1, sum(client.nthreads().values()))))
    try:
        for future in under_way:
            found, told = future.result()
            chunk = chunks.pop(future.key)
            if found is not None:
                write(found, chunk, plan.layout.variables, arrays)
            add(plan.work(chunk).runs)
            for message in told - warned:
                warnings.warn(message, stacklevel=4)
            warned |= told
            under_way.update(submit(1))
    except KilledWorker as error:
        raise GdbiasError(
            f"the cluster lost every worker that a chunk was given to ({error}): look into their logs, memory first; "
            "finished chunks are kept, the same sweep resumes"
        ) from None
    except (FutureCancelledError, CommClosedError) as error:
        raise GdbiasError(
            f"the cluster was lost ({' '.join(str(error).split())}): finished chunks of a store are kept, the same "
            "sweep resumes"
        ) from None
    except GdbiasError:
        raise
    except Exception as error:
        raise GdbiasError(
            f"a chunk failed on the cluster ({type(error).__name__}: {' '.join(str(error).split())}): finished "
            "chunks of a store are kept, the same sweep resumes"
        ) from error
    finally:
        with suppress(CommClosedError, RuntimeError):  # nobody is there to be told
            client.cancel(list(under_way.futures))


def _task(work: Work, region: tuple, names: list[str], store: str | None, spec: str) -> tuple[dict | None, set[str]]:
    with warnings.catch_warnings(record=True) as caught:  # a worker's own are read by nobody
        found = compute(work, np.zeros(1, dtype=np.int64))
    told = {str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)}
    if store is None:
        return found, told
    with complete_chunks():
        write(found, region, names, _reached(store, spec))
    return None, told


def _reached(store: str, spec: str) -> Any:
    try:
        group = zarr.open_group(store, mode="r+")
    except (OSError, ValueError) as error:
        raise InputError(
            f"a worker on {socket.gethostname()} does not reach store {store} ({type(error).__name__}): all "
            "workers must reach it under the same name"
        ) from None
    if group.attrs.get("spec") != spec:
        raise InputError(
            f"a worker on {socket.gethostname()} finds another sweep at {store}: all workers must reach the same store "
            "under that name"
        )
    return group
