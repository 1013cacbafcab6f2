"""A sweep on a cluster of processes gives the numbers of a local one, also when a worker is killed meanwhile."""

import importlib
import os
import signal
import threading
import time

import pytest
import zarr

from gdbias import sims, theory
from gdbias.sims import Status
from gdbias.theory import GdbiasError, InputError
from small_stores import arguments, assert_same

distributed = pytest.importorskip("distributed")
from gdbias.figures.cli.command import main  # noqa: E402
from gdbias.sims.parallel.cluster import connect, require_cluster, run_there  # noqa: E402
from gdbias.sims.store.group import open_result  # noqa: E402

SWEEPS = importlib.import_module("gdbias.sims.sweeps")
SLOW = dict(max_steps=20_000, lr=sims.Grid(0.3, 60.0, 64), init_scale=sims.Grid(0.01, 0.5, 512))


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as made:
        yield made


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as made:
        made.wait_for_workers(2, timeout=60)
        yield made


@pytest.mark.parametrize("stored", [False, True])
def test_the_numbers_are_those_of_a_local_sweep(tmp_path, client, stored):
    store = tmp_path / "a.zarr" if stored else None
    assert_same(sims.sweep(**arguments(), client=client, store=store), sims.sweep(**arguments()))


@pytest.mark.slow
def test_a_worker_killed_under_way_is_replaced(tmp_path, client):
    """As bit-equal as two local sweeps in the same chunks: also the eigenvalues."""
    here = sims.sweep(**arguments(**SLOW), store=tmp_path / "here.zarr")
    store, killed = tmp_path / "there.zarr", []

    def kill():
        while not store.exists() or not done(store):
            time.sleep(0.01)
        [pid, *_] = client.run(os.getpid).values()
        os.kill(pid, signal.SIGKILL)
        killed.append(done(store))

    killer = threading.Thread(target=kill)
    killer.start()
    there = sims.sweep(**arguments(**SLOW), client=client, store=store)
    killer.join()
    assert 0 < killed[0] < 1  # in the middle
    for name in here.variables:
        assert here[name].values.tobytes() == there[name].values.tobytes(), name


def test_warnings_of_workers_are_heard(client):
    problem = theory.sparse_regression(n=5, d=8, sparsity=2, n_test=0, noise=0.5)
    problem = theory.Problem(problem.X, -abs(problem.y))
    with pytest.warns(UserWarning, match="Runs go on"):
        sims.sweep(**arguments(model=theory.power(2), problem=problem), client=client)


def done(store):
    try:
        return (zarr.open_group(store, mode="r")["status"][:] != Status.NOT_RUN).mean()
    except (KeyError, FileNotFoundError):  # its folder is there before what it holds
        return 0.0


def test_an_address_where_nobody_answers_is_one_line():
    with pytest.raises(InputError, match="no Dask scheduler answers at tcp://127.0.0.1:9"):
        connect("tcp://127.0.0.1:9", seconds=1)


def test_the_command_line_sweeps_on_a_cluster(tmp_path, cluster, capsys):
    store = tmp_path / "a.zarr"
    asked = ["--lr", "0.01:0.1:4:log", "--init-scale", "0.1", "--n", "5", "--d", "8", "--max-steps", "300"]
    main(["sweep", str(store), *asked, "--scheduler", cluster.scheduler_address])
    assert f"written to {store}" in capsys.readouterr().err
    main(["sweep", str(tmp_path / "b.zarr"), *asked])
    assert_same(open_result(store), open_result(tmp_path / "b.zarr"))


def test_workers_that_do_not_reach_the_store_are_told(tmp_path, client, monkeypatch):
    """As on machines that each have a folder of that name."""
    store, other = tmp_path / "a.zarr", tmp_path / "b.zarr"
    sims.sweep(**arguments(max_steps=7), store=other)
    before = open_result(other)

    def elsewhere(place):
        return lambda client, plan, missing, arrays, store, *rest: run_there(
            client, plan, missing, arrays, place, *rest
        )

    for place, told in ((str(other), "finds another sweep at"), (str(tmp_path / "none.zarr"), "does not reach store")):
        monkeypatch.setattr(SWEEPS, "run_there", elsewhere(place))
        with pytest.raises(InputError, match=told):
            sims.sweep(**arguments(), store=store, client=client)
    assert open_result(other).equals(before)
    monkeypatch.setattr(SWEEPS, "run_there", lambda *given: None)
    with pytest.raises(GdbiasError, match="chunks are not in store"):
        sims.sweep(**arguments(), store=store, client=client)


class Workers:
    """A client whose workers have the versions that are here, but for those that are told."""

    submit = nthreads = None

    def __init__(self, *changes):
        self.changes = changes

    def run(self, function):
        return {f"tcp://{k}": function() | change for k, change in enumerate(self.changes)}


@pytest.mark.parametrize("package", ["gdbias", "numba", "numpy", "scipy"])
def test_a_worker_of_another_version_is_refused(package):
    require_cluster(Workers({}, {}), "numba")
    with pytest.raises(InputError, match=f"worker tcp://1 has {package} 0.0.1, here"):
        require_cluster(Workers({}, {package: "0.0.1"}), "numba")


def test_workers_with_gpus_have_one_cupy_which_others_may_lack():
    require_cluster(Workers({"cupy": "14.2"}, {"cupy": "14.2"}), "cupy")
    require_cluster(Workers({"cupy": "14.2"}, {"cupy": "13.4"}), "numba")
    for other in ({"cupy": "13.4"}, {}):
        with pytest.raises(InputError, match="cupy .*14.2"):
            require_cluster(Workers({"cupy": "14.2"}, other), "cupy")


@pytest.mark.parametrize("client", ["tcp://127.0.0.1:8786", 3])
def test_another_client_is_refused_before_a_store_is_made(tmp_path, client):
    with pytest.raises(InputError, match="is no distributed.Client"):
        sims.sweep(**arguments(), store=tmp_path / "a.zarr", client=client)
    assert not any(tmp_path.iterdir())
