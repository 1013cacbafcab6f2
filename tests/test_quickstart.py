"""What a quickstart says: which data it took, what was seen at the edge, and whether there was anything to pick."""

import numpy as np
import pytest
import xarray as xr

from gdbias import sims, theory
from gdbias.figures.cli.command import read_arguments
from gdbias.figures.cli.quickstart_verb import quickstart
from gdbias.figures.parts.choice import fewer_rows, has_one_minimum
from gdbias.figures.summary import observed


def table(tmp_path, rows, features):
    rng = np.random.default_rng(0)
    header = ",".join([*(f"x{i}" for i in range(features)), "y"])
    np.savetxt(tmp_path / "t.csv", rng.standard_normal((rows, features + 1)), delimiter=",", header=header, comments="")
    return ["--csv", str(tmp_path / "t.csv"), "--target", "y"]


def fingerprint(*arguments):
    return read_arguments([*arguments]).data.setting()[1].fingerprint


def test_every_verb_splits_a_table_alike(tmp_path):
    typed = table(tmp_path, 30, 12)
    assert fingerprint("quickstart", *typed) == fingerprint("predict", *typed)
    assert fingerprint("quickstart", *typed, "--seed", "3") == fingerprint("predict", *typed, "--seed", "3")
    made = fingerprint("predict", "--sparsity", "40", "--seed", "3")
    assert fingerprint("quickstart") == made != fingerprint("quickstart", "--seed", "0")


def test_a_table_without_a_column_is_one_that_never_had_it(tmp_path):
    typed, columns = table(tmp_path, 30, 12), [0, *range(2, 11), 12]
    text = np.loadtxt(tmp_path / "t.csv", delimiter=",", dtype=str)
    np.savetxt(tmp_path / "less.csv", text[:, columns], delimiter=",", fmt="%s")
    less = ["--csv", str(tmp_path / "less.csv"), *typed[2:]]
    assert fingerprint("predict", *typed, "--drop", "x1,x11") == fingerprint("predict", *less)


@pytest.mark.parametrize("rows, features", [(30, 12), (13, 12), (5, 3), (20_640, 8), (1001, 1000)])
def test_the_fraction_that_is_named_leaves_a_choice(rows, features, tmp_path):
    rng = np.random.default_rng(0)
    spec = dict(kind="csv", path="t.csv", target="y")
    whole = theory.Problem(rng.standard_normal((rows, features)), rng.standard_normal(rows), spec=spec)
    assert has_one_minimum(whole)
    option, share = fewer_rows(whole).split()
    left = rows - round(float(share) * rows)
    assert option == "--test-fraction" and features / 2 < left < features


def test_the_edge_is_seen_at_a_run_of_the_sweep():
    lr, phase = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), [0, 1, 2, 2, 5]
    row = xr.Dataset({"status": ("lr", [0, 0, 0, 0, 1]), "phase": ("lr", phase)}, {"lr": lr})
    assert observed(row) == (0.3, 0.4)
    assert np.isnan(observed(row.isel(lr=[4]))).all()


def test_a_folder_of_other_data_is_refused_before_anything_is_predicted(tmp_path):
    first, other = (theory.sparse_regression(n=2, d=3, sparsity=1, n_test=0, seed=seed) for seed in (0, 1))
    sims.sweep(theory.difference(2), first, 0.1, max_steps=1, store=tmp_path / "own" / "sweep.zarr")
    said = []
    with pytest.raises(theory.InputError, match=r"difference\(2\) on sparse_regression \(seed=0\)"):
        quickstart(theory.difference(2), other, tmp_path / "own", said.append)
    assert not said
