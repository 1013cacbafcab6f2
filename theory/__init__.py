"""What is predicted: symbolic derivations, and the numbers they imply. Runs nothing."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .datasets import single_point, sparse_regression
    from .derive import Dynamics, derive
    from .diabetes import diabetes
    from .endpoint import Endpoint
    from .errors import GdbiasError, InputError, MissingExtra, NoClosedForm, NoInterpolator
    from .families import difference, parse, power, product
    from .frontier import Frontier, frontier
    from .linear_network import LinearNetwork, linear_network
    from .loss import Loss, logistic, squared
    from .parameterization import Parameterization, custom
    from .path import Path
    from .predict import Prediction, predict
    from .problem import Problem
    from .schedule import Schedule, constant, cosine, ramp
    from .statements import Statement, statement, statements
    from .update_rule import StateVariable, Step, UpdateRule, gradient_descent

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "datasets": ["single_point", "sparse_regression"],
        "derive": ["Dynamics", "derive"],
        "diabetes": ["diabetes"],
        "endpoint": ["Endpoint"],
        "errors": ["GdbiasError", "InputError", "MissingExtra", "NoClosedForm", "NoInterpolator"],
        "families": ["difference", "parse", "power", "product"],
        "frontier": ["Frontier", "frontier"],
        "linear_network": ["LinearNetwork", "linear_network"],
        "loss": ["Loss", "logistic", "squared"],
        "parameterization": ["Parameterization", "custom"],
        "path": ["Path"],
        "predict": ["Prediction", "predict"],
        "problem": ["Problem"],
        "statements": ["Statement", "statement", "statements"],
        "schedule": ["Schedule", "constant", "cosine", "ramp"],
        "update_rule": ["StateVariable", "Step", "UpdateRule", "gradient_descent"],
    },
)
