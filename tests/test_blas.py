"""Predictions and sweeps let BLAS use one thread, and give it back its threads."""

from threading import Barrier, Thread

import pytest
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController

from gdbias import sims, theory
from gdbias.theory.blas import one_thread

POOLS = ThreadpoolController().select(user_api="blas")  # as many as the wheels of NumPy and SciPy bring
BEFORE = 3  # threads, which a test process has not by itself


def threads():
    return {pool["num_threads"] for pool in POOLS.info()}


@pytest.fixture(autouse=True)
def several():
    with POOLS.limit(limits=BEFORE):
        assert threads() == {BEFORE}
        yield
        assert threads() == {BEFORE}


@one_thread
def within(then=lambda: None):
    found = threads()
    then()
    return found | threads()


def test_calls_within_calls_have_one_thread():
    assert within() == {1}
    assert within(within) == {1}


def test_an_error_gives_the_threads_back():
    with pytest.raises(ZeroDivisionError):
        within(lambda: 1 / 0)


def test_the_last_of_several_calls_side_by_side_gives_the_threads_back():
    first_in, second_in, first_out = Barrier(2), Barrier(2), Barrier(2)
    found = {}

    def first():
        found["first"] = within(lambda: (first_in.wait(9), second_in.wait(9)))
        first_out.wait(9)

    def second():
        first_in.wait(9)
        found["second"] = within(lambda: (second_in.wait(9), first_out.wait(9)))

    calls = [Thread(target=call) for call in (first, second)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert found == {"first": {1}, "second": {1}}


@pytest.mark.parametrize(
    "name",
    ["flow", "lr_critical", "lr_max", "endpoint", "frontier", "predicted", "linear", "sweep", "descend", "sims.flow"],
)
def test_predictions_and_sweeps_are_made_by_one_thread(name, monkeypatch):
    from gdbias.sims import descent, gradient_flow
    from gdbias.sims.parallel import local
    from gdbias.theory.linear import prediction as linear
    from gdbias.theory.prediction import boundaries, frontiers, prediction

    model, problem = theory.difference(2), theory.sparse_regression(n=4, d=8, sparsity=2)
    pred, net = theory.predict(model, problem, 0.1), theory.linear_network([[2.0, 0.0], [0.0, 1.0]])
    place, inner, call = {
        "flow": (boundaries, "end_of_flow", lambda: pred.flow),
        "lr_critical": (boundaries, "flow_path", lambda: pred.lr_critical),
        "lr_max": (boundaries, "sharpness_bounds", lambda: pred.lr_max),
        "endpoint": (prediction, "settle", lambda: pred.endpoint(0.9 * pred.lr_max)),
        "frontier": (frontiers, "Interpolators", lambda: theory.frontier(model, problem, points=3)),
        "predicted": (prediction, "settle", lambda: sims.predicted(model, problem, lr=[0.9 * pred.lr_max])),
        "linear": (linear, "ConstrainedFlow", lambda: theory.predict_linear(net).lr_critical),
        "sweep": (local, "compute", lambda: sims.sweep(model, problem, lr=[0.1], max_steps=10)),
        "descend": (descent, "measure_block", lambda: sims.descend(model, problem, 0.1, max_steps=10)),
        "sims.flow": (gradient_flow, "integrate", lambda: sims.flow(model, problem)),
    }[name]
    plain, seen = getattr(place, inner), []

    def watched(*args, **kwargs):
        seen.append(threads())
        return plain(*args, **kwargs)

    monkeypatch.setattr(place, inner, watched)
    call()
    assert seen and all(found == {1} for found in seen)
