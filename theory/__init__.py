"""What is predicted: symbolic derivations, and the numbers they imply. Runs nothing."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "datasets": ["single_point", "sparse_regression"],
        "derive": ["Dynamics", "derive"],
        "errors": ["GdbiasError", "InputError", "MissingExtra", "NoClosedForm", "NoInterpolator"],
        "families": ["difference", "parse", "power", "product"],
        "loss": ["Loss", "logistic", "squared"],
        "parameterization": ["Parameterization", "custom"],
        "predict": ["Prediction", "predict"],
        "problem": ["Problem"],
        "update_rule": ["StateVariable", "UpdateRule", "gradient_descent"],
    },
)
