"""What a sweep costs, told before: bytes as they become, time from its own runs. benchmarks/dry_run.py measures it."""

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.sims.cost import Estimate
from gdbias.theory import InputError
from small_stores import arguments

GRID = dict(lr=sims.Grid(0.01, 1.0, 48), init_scale=sims.Grid(0.01, 1.0, 48))


def size(store):
    return sum(p.stat().st_size for p in store.rglob("*") if p.is_file() and p.name != "zarr.json")


def estimated(**other):
    given = arguments(**GRID) | other
    return sims.estimate(given.pop("model"), given.pop("problem"), given.pop("lr"), given.pop("init_scale"), **given)


@pytest.mark.parametrize("keep", [("beta", "theta"), ()])
def test_the_size_of_the_store(tmp_path, keep):
    told = estimated(keep=keep)
    sims.sweep(**arguments(**GRID, keep=keep), store=tmp_path / "a.zarr")
    assert told.runs == 48 * 48 and told.chunks == 3
    assert 0.8 < told.size / size(tmp_path / "a.zarr") < 1.25


def test_the_size_in_memory():
    told = estimated(stored=False)
    assert told.size == pytest.approx(
        sum(v.nbytes for v in sims.sweep(**arguments(**GRID)).data_vars.values()), rel=0.1
    )
    assert told.memory > told.size


@pytest.mark.slow
def test_time_grows_with_the_runs_and_the_steps():
    few, many = estimated(), estimated(lr=sims.Grid(0.01, 1.0, 480))
    assert many.runs == 10 * few.runs and 3 < many.seconds / few.seconds < 30
    assert few.unfinished == 0  # tried to their end
    long = estimated(max_steps=10**12, tol=1e-300)
    assert 0 < long.unfinished < 1 and long.seconds > 1e5
    assert "at most" in str(long) and " h " in str(long)


def test_every_model_and_problem_is_tried(monkeypatch):
    from gdbias import theory

    problems = [theory.sparse_regression(n=n, d=8, sparsity=2, n_test=0) for n in (3, 5)]
    told = estimated(model=[theory.power(2), theory.difference(2)], problem=problems, max_steps=50)
    assert told.runs == 4 * 48 * 48 and told.tried == 4 * 1024


def test_bad_input_is_refused_as_by_the_sweep():
    with pytest.raises(InputError, match="max_steps"):
        estimated(max_steps=-1)
    with pytest.raises(InputError, match="repeated"):
        estimated(lr=np.array([0.1, 0.1]))


def test_it_reads_well():
    text = str(Estimate(4096, 4, 75.04, 354_000_000, 2_100_000_000, 1024, 0.25, 0.5))
    assert "4096 in 4 chunks" in text and "1 min 15 s" in text and "354.0 MB" in text and "2.10 GB" in text
    assert "25% of them unfinished" in text


def test_the_share_of_runs_that_end_is_that_of_the_sweep():
    wide = dict(lr=sims.Grid(0.003, 1.0, 12), init_scale=[1e-3, 0.03, 0.3], max_steps=3000)
    runs = sims.sweep(**arguments(**wide))
    assert estimated(**wide).ending == pytest.approx(float((runs.status != sims.Status.STEP_LIMIT).mean()), abs=0.12)
    assert estimated(**wide, rule=theory.UpdateRule(momentum=0.5)).ending is None


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    main(["sweep", str(tmp_path / "a.zarr"), "--n", "5", "--d", "8", "--max-steps", "300", "--dry-run"])
    assert "256 in 1 chunks" in capsys.readouterr().out
    assert not any(tmp_path.iterdir())
