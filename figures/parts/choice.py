"""Whether data leave a choice among solutions, and what makes them leave one."""

import numpy as np

from ... import theory

SHARE = 0.75  # training rows to features: few enough to leave a choice, and most of those that do


def has_one_minimum(problem: "theory.Problem") -> bool:
    """Whether the samples fix every coefficient: X of rank d, under the squared loss."""
    return problem.loss == theory.squared and len(problem.projected[0]) == problem.d


def fewer_rows(problem: "theory.Problem") -> str:
    """The option of the command line that trains on fewer rows than features; empty where the data have none."""
    rows, kind = int(SHARE * problem.d), problem.spec["kind"]
    if rows < 2:
        return ""
    if kind == "csv":
        return f"--test-fraction {_fraction(problem, rows)}"
    options = {"diabetes": "diabetes", "sparse_regression": "n", "breast_cancer": "train", "digit_pair": "train"}
    return f"--{options[kind]} {rows}" if kind in options else ""


def _fraction(problem: "theory.Problem", rows: int) -> float:
    """The shortest share of a table's rows that leaves about ``rows`` to train on, and fewer than features."""
    total = problem.n + (0 if problem.X_test is None else len(problem.X_test))
    shares = (float(np.round(1 - rows / total, digits)) for digits in range(1, 16))
    return next(share for share in shares if 2 <= total - round(share * total) < problem.d)
