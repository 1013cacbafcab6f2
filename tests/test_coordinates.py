"""Custom models that are a named one in other coordinates: predicted as it is, beside runs, and refused else."""

import numpy as np
import pytest

from gdbias import sims, theory

PROBLEM = theory.sparse_regression(n=5, d=20, sparsity=3, signs="random", seed=1, n_test=0)
POSITIVE = theory.sparse_regression(n=5, d=20, sparsity=3, signs="positive", seed=1, n_test=0)
MINUS = theory.Problem(POSITIVE.X, -POSITIVE.y)
ROOT = 2**0.5
ALIKE = [  # a custom model and its start; the named one, its start, and the learning rate there of a unit here
    ("3*u*v", [0.2, 0.1], "product(2)", [0.2 * 3**0.5, 0.1 * 3**0.5], 3.0, PROBLEM),
    ("2*u**2 - 2*v**2", [0.1, 0.2], "difference(2)", [0.1 * ROOT, 0.2 * ROOT], 2.0, PROBLEM),
    ("u**2 - v**2 + 2*u*v", [0.3, 0.0], "difference(2)",  # turned by an eighth of a circle
     [0.3 * 2**0.25 * np.cos(np.pi / 8), 0.3 * 2**0.25 * np.sin(np.pi / 8)], ROOT, PROBLEM),
    ("u*v + v*w", [0.2, 0.1, 0.1], "product(2)", [0.3 * 2**-0.25, 0.1 * 2**0.25], ROOT, PROBLEM),
    ("(u + v)**2", [0.1, 0.05], "power(2)", [0.15], 2.0, POSITIVE),
    ("-u**2", [0.1], "power(2)", [0.1], 1.0, MINUS),
    ("2*u**3 - 2*v**3", [0.2, 0.3], "difference(3)", [0.2 * 2 ** (1 / 3), 0.3 * 2 ** (1 / 3)], 2 ** (2 / 3), PROBLEM),
    ("u**2*v", [0.2 * ROOT, 0.2], "power(3)", [0.2 * 2 ** (1 / 3)], 2 ** (2 / 3) / 3, POSITIVE),
    ("u**2*v**2", [0.3, 0.3], "power(4)", [0.3], 1 / 2, POSITIVE),
    ("-u*v*w", [0.3, -0.3, 0.3], "power(3)", [0.3], 1 / 3, POSITIVE),
]  # fmt: skip


def started(text, start, problem):
    model = theory.custom(text[7:-1]) if text.startswith("custom") else theory.parse(text)
    return theory.predict(model, problem, theta0=np.repeat(np.array(start)[:, None], problem.d, axis=1))


@pytest.mark.parametrize("text, start, name, named_start, rate, problem", ALIKE, ids=[row[0] for row in ALIKE])
def test_it_ends_where_the_named_one_does(text, start, name, named_start, rate, problem):
    custom, named = started(f"custom({text})", start, problem), started(name, named_start, problem)
    sign = -1 if problem is MINUS else 1
    if problem is MINUS:
        named = started(name, named_start, POSITIVE)
    for method in ("constrained_flow", "bregman"):
        lr = 0.7 * named.lr_critical_final + 0.3 * 2 / named.reachable(named.lr_critical_final)[0].flattest()[1]
        found, expected = custom.endpoint(lr / rate, method), named.endpoint(lr, method)
        np.testing.assert_allclose(found.beta, sign * expected.beta, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.sharpness, rate * expected.sharpness, rtol=1e-5)
    if name != "power(3)":  # others than these starts reach both signs on an odd chain
        np.testing.assert_allclose(custom.lr_max * rate, named.lr_max, rtol=1e-5)


@pytest.mark.parametrize(
    "text, start",
    [("u**2 - v**2 + 2*u*v", [0.1, 0.12]), pytest.param("u**2*v", [0.2 * ROOT, 0.2], marks=pytest.mark.slow)],
)
def test_runs_end_there(text, start):
    problem = POSITIVE if text == "u**2*v" else PROBLEM
    pred = started(f"custom({text})", start, problem)
    lr = 0.8 * pred.lr_critical_final + 0.2 * pred.lr_max
    run = sims.descend(pred.dynamics.model, problem, lr, theta0=pred.starts[0], max_steps=100_000, track_every=0)
    assert int(run.status) == sims.Status.CONVERGED
    found = pred.endpoint(lr, warmup=20).beta
    assert np.linalg.norm(run.beta.values - found) < 0.02 * np.linalg.norm(found)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("u*v - w**2", r"0\.5 w1\^2 and -0\.5 w2\^2 and -1 w3\^2 in other coordinates.* coefficients of one size"),
        ("2*u**3 - v**3", "coefficients of one size"), ("u**2 + v**2", "one of each sign"),
        ("u**3 - v**2", "several degrees"), ("u*v**2 + u**3", "other coordinates"), ("u*v + u", "several degrees"),
    ],
)  # fmt: skip
def test_others_are_refused_by_name(text, reason):
    with pytest.raises(theory.NoClosedForm, match=reason):
        _ = theory.predict(theory.custom(text), PROBLEM).lr_max


def test_a_chain_is_predicted_from_balanced_weights_alone():
    with pytest.raises(theory.NoClosedForm, match="in proportion to their powers"):
        theory.predict(theory.custom("u**2*v"), POSITIVE, 0.1).endpoint(0.1)
