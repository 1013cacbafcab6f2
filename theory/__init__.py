"""What is predicted: symbolic derivations, and the numbers they imply. Runs nothing."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .datasets import (
        breast_cancer,
        diabetes,
        digit_pair,
        gse7390,
        khan,
        single_point,
        sparse_regression,
    )
    from .derivation.dynamics import Dynamics, derive
    from .errors import Diverges, GdbiasError, InputError, MissingExtra, NoClosedForm, NoInterpolator
    from .families import difference, parse, power, product
    from .linear.network import LinearNetwork, linear_network
    from .linear.prediction import LinearEndpoints, LinearPrediction, predict_linear
    from .loss import Loss, logistic, squared
    from .parameterization import Parameterization, custom
    from .prediction.endpoints import Endpoint
    from .prediction.frontiers import Frontier, frontier
    from .prediction.one_sample import Minimisers, minimisers
    from .prediction.paths import Path
    from .prediction.prediction import Prediction, predict
    from .problem import Problem
    from .rules.schedule import Schedule, constant, cosine, ramp
    from .rules.step import StateVariable, Step
    from .rules.update_rule import UpdateRule, gradient_descent
    from .statements import Statement, statement, statements

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "datasets": [
            "breast_cancer",
            "diabetes",
            "digit_pair",
            "gse7390",
            "khan",
            "single_point",
            "sparse_regression",
        ],
        "derivation.dynamics": ["Dynamics", "derive"],
        "prediction.endpoints": ["Endpoint"],
        "errors": ["Diverges", "GdbiasError", "InputError", "MissingExtra", "NoClosedForm", "NoInterpolator"],
        "families": ["difference", "parse", "power", "product"],
        "prediction.frontiers": ["Frontier", "frontier"],
        "prediction.one_sample": ["Minimisers", "minimisers"],
        "linear.network": ["LinearNetwork", "linear_network"],
        "linear.prediction": ["LinearEndpoints", "LinearPrediction", "predict_linear"],
        "loss": ["Loss", "logistic", "squared"],
        "parameterization": ["Parameterization", "custom"],
        "prediction.paths": ["Path"],
        "prediction.prediction": ["Prediction", "predict"],
        "problem": ["Problem"],
        "statements": ["Statement", "statement", "statements"],
        "rules.schedule": ["Schedule", "constant", "cosine", "ramp"],
        "rules.step": ["StateVariable", "Step"],
        "rules.update_rule": ["UpdateRule", "gradient_descent"],
    },
)
