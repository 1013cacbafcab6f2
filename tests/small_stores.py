"""A small sweep for the tests of stores, and when two results are the same."""

import numpy as np

from gdbias import theory

SCALES = [0.1, 0.2, 0.4]


def arguments(**other):
    problem = theory.sparse_regression(n=5, d=8, sparsity=2, correlation=0.3, n_test=20)
    return dict(
        model=theory.difference(2), problem=problem, lr=[0.02, 0.05, 0.1, 60.0], init_scale=SCALES,
        max_steps=400, threads=1,
    ) | other  # fmt: skip


def chunked(**other):
    """The same with one init_scale a chunk."""
    return arguments(**other) | dict(chunk_runs=4)


def assert_same(one, other):
    """Bitwise, but for the eigenvalues."""
    assert set(one.variables) == set(other.variables)
    for name in one.variables:
        assert one[name].dims == other[name].dims
        if name in (
            "sharpness",
            "sharpness_max",
            "sharpness_adaptive",
            "trace",
        ):  # batched: the last bits depend on the chunk
            np.testing.assert_allclose(one[name], other[name], rtol=1e-12, err_msg=name)
        elif name != "sharpness_residual":
            np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)
