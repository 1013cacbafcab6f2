"""Predicted ends and the runs beside them, of two small problems."""

import numpy as np
import pytest

from gdbias import sims, theory

SIGNED = theory.sparse_regression(n=6, d=16, sparsity=3, signs="random", seed=1, n_test=0)
DENSE = theory.sparse_regression(n=6, d=16, sparsity=16, signs="positive", seed=1, n_test=0)


def predicted(name, rule, scale=None):
    problem = DENSE if name.startswith("power") else SIGNED
    model = theory.parse(name)
    return theory.predict(model, problem, scale or (0.1 if model.degree == 2 else 0.3), rule=rule)


def distance(end, beta):
    return np.linalg.norm(end - beta) / np.linalg.norm(beta)


def run_of(pred, lr, **options):
    settings = dict(theta0=pred.starts[0], rule=pred.rule, max_steps=200_000, track_every=0, backend="numpy") | options
    return sims.descend(pred.dynamics.model, pred.problem, lr, **settings)


def own(step, **parameters):
    return theory.UpdateRule(step=step, step_parameters=parameters)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)
