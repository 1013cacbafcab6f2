"""Options of runs: declared once, taken as keywords or together, and the same on the command line."""

import inspect
from dataclasses import fields, replace
from typing import get_type_hints

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.sims import options
from gdbias.sims.deep.options import CommonChanges, DeepChanges, DeepOptions, DeepSweepChanges
from gdbias.sims.options import Options, SweepOptions
from gdbias.sims.predictions import comparison
from gdbias.theory import InputError

MODEL, PROBLEM = theory.power(2), theory.single_point([1.0, 2.0], 1.0)
PAIRS = [
    (options.RunOptions, options.RunChanges), (Options, options.Changes), (SweepOptions, options.SweepChanges),
    (options.FlowOptions, options.FlowChanges), (comparison.CompareOptions, comparison.CompareChanges),
    (DeepOptions, DeepChanges),
]  # fmt: skip
VERBS = [  # and the options that each takes
    (sims.sweep, SweepOptions), (sims.descend, Options), (sims.flow, options.FlowOptions),
    (sims.compare, comparison.CompareOptions), (sims.linear.descend, options.RunOptions),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes"), PAIRS)
def test_keywords_are_the_fields(kind, changes):
    assert get_type_hints(kind) == get_type_hints(changes)


def test_a_deep_sweep_takes_the_same_names():
    assert DeepSweepChanges.__annotations__.keys() == DeepChanges.__annotations__.keys()
    rule = dict(momentum=0.5, batch=4, noise_seed=1)
    given = DeepOptions(chunk=5, top=2, layers=True, distance=True, **rule).common
    assert given["rule"] == rule and {*given} - {"rule"} | {*rule} == CommonChanges.__annotations__.keys()
    lacking = {"chunk", "rule", "top", "layers", "distance"}  # in stores from before
    assert given.keys() - DeepOptions().common.keys() == lacking


@pytest.mark.parametrize(("verb", "kind"), VERBS)
def test_a_verb_tells_its_options(verb, kind):
    assert [f.name for f in fields(kind) if f"``{f.name}" not in verb.__doc__] == []


@pytest.mark.parametrize("verb", [sims.sweep, sims.descend, sims.flow, sims.compare, sims.estimate, sims.linear.sweep])
def test_signatures_are_short(verb):
    assert len(inspect.signature(verb).parameters) <= 11


def test_options_come_as_keywords_or_together():
    apart = sims.sweep(MODEL, PROBLEM, [0.05, 0.1], 0.2, max_steps=40, tol=1e-6)
    together = sims.sweep(MODEL, PROBLEM, [0.05, 0.1], 0.2, options=SweepOptions(max_steps=40, tol=1e-6))
    changed = sims.sweep(MODEL, PROBLEM, [0.05, 0.1], 0.2, options=SweepOptions(max_steps=9, tol=1e-6), max_steps=40)
    for other in (together, changed):
        assert other.attrs["spec"] == apart.attrs["spec"]
        np.testing.assert_array_equal(other.theta, apart.theta)


@pytest.mark.parametrize(
    ("verb", "wrong", "told"),
    [
        (sims.sweep, dict(max_step=5), "sweep has no option 'max_step': do you mean max_steps"),
        (sims.descend, dict(precision="float32"), "descend has no option 'precision'"),
        (sims.compare, dict(window=600), "compare has no option 'window': use max_steps, tol, hold, backend, threads"),
        (sims.estimate, dict(treads=2), "do you mean threads"),
        (sims.sweep, dict(options=Options()), "is no SweepOptions"),
    ],
)
def test_an_unknown_option_names_the_nearest(verb, wrong, told):
    with pytest.raises(InputError, match=told):
        verb(MODEL, PROBLEM, 0.1, **wrong)


def test_a_flow_has_no_option_of_descent():
    with pytest.raises(InputError, match="flow has no option 'hold'"):
        sims.flow(MODEL, PROBLEM, hold=3)


def test_a_store_keeps_the_chunks_it_was_made_with(tmp_path):
    asked = dict(lr=[0.05, 0.1, 0.2], init_scale=0.2, max_steps=40, store=tmp_path / "a.zarr")
    made = sims.sweep(MODEL, PROBLEM, **asked, chunk_runs=2)
    with pytest.raises(InputError, match="chunk_runs"):
        sims.sweep(MODEL, PROBLEM, **asked, chunk_runs=1)
    assert made.identical(sims.sweep(MODEL, PROBLEM, **asked, chunk_runs=2))


def test_chunk_runs_are_no_part_of_a_spec():
    assert SweepOptions(chunk_runs=3).deciding() == replace(SweepOptions(), threads=2).deciding()
