"""Checks of section ALG."""

from ...theory.derive import derive
from ...theory.families import difference, power, product
from ...theory.statements import Formulas
from .cases import dense_problem, only_positive, unequal_weights
from .check import Case, Comparison, check

MODELS = (power(2), difference(3), product(3), power(3), difference(2), product(2))


@check("ALG-1")
def one_step(f: Formulas, case: Case) -> list[Comparison]:
    """One step of a run against the formula, the loss gradient of beta taken from the data."""
    from ..descend import descend

    model, lr = case.choose(MODELS), case.rng.uniform(0.01, 0.2)
    problem, L = dense_problem(case, 3, 5, only_positive(model)), derive(model).model.degree
    theta = unequal_weights(case, model, problem.d)
    run = descend(model, problem, lr, theta0=theta, max_steps=1, track_every=0, backend="numpy")
    beta = descend(model, problem, lr, theta0=theta, max_steps=0, track_every=0, backend="numpy").beta.values
    g = problem.X.T @ (problem.X @ beta - problem.y) / problem.n
    found, found_at = run.theta.values, dict(lr=lr, g=g)
    if len(model.weights) == 1:
        predicted = [f.w_next(w=theta[0], L=L, **found_at)]
    elif model.name.startswith("difference"):
        predicted = [f.u_next(u=theta[0], L=L, **found_at), f.v_next(v=theta[1], L=L, **found_at)]
    else:
        whole = theta.prod(axis=0)
        predicted = [f.factor_next(u=w, others=whole / w, **found_at) for w in theta]
    return [Comparison(m, p, label=model.name) for m, p in zip(found, predicted, strict=True)]
