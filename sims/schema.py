"""The one result schema: every variable of every result, with its unit and what it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .status import Phase, Status


@dataclass(frozen=True)
class Variable:
    """A result variable: NetCDF-style long name, unit ("1" for none), type and fill value where not computed."""

    long_name: str
    units: str = "1"
    dtype: str = "f8"
    fill: float | int | bool = np.nan


_RUN: Mapping[str, Variable] = {  # of every run
    "status": Variable("how the run ended", dtype="i1", fill=int(Status.NOT_RUN)),
    "steps": Variable("steps taken", "steps", "i8", -1),
    "loss": Variable("training loss"),
    "loss_min": Variable("infimum of the training loss over the coefficients that gradient flow can reach"),
    "test_risk": Variable("mean loss on held-out samples"),
    "sharpness": Variable("largest algebraic Hessian eigenvalue in the weights at the end"),
    "sharpness_residual": Variable("residual norm |H v - S v| of that eigenvalue"),
    "sharpness_max": Variable(
        "largest Rayleigh quotient of the Hessian seen along the path: a lower bound of the largest sharpness"
    ),
    "sharpness_adaptive": Variable("largest eigenvalue of diag|theta| H diag|theta| at the end"),
    "trace": Variable("trace of the Hessian in the weights at the end"),
    "theta_l1": Variable("l1 norm of the weights"),
    "theta_l2": Variable("l2 norm of the weights"),
    "beta_l1": Variable("l1 norm of the coefficients"),
    "beta_l2": Variable("l2 norm of the coefficients"),
    "monotone": Variable("whether the loss never rose", dtype="?", fill=False),
    "rising_steps": Variable("steps on which the loss rose", "steps", "i8", -1),
    "phase": Variable("dynamical phase of the run", dtype="i1", fill=int(Phase.NOT_RUN)),
    "period": Variable(
        "steps after which the weights return, 0 where they do not or it was not asked", "steps", "i8", -1
    ),
    "lyapunov": Variable("largest Lyapunov exponent of the map of one step, after the last step", "1/step"),
    "beta": Variable("coefficients of the predictor"),
    "theta": Variable("weights"),
}
_DEEP: Mapping[str, Variable] = {  # of deep networks
    "accuracy": Variable("share of training samples classified correctly"),
    "test_accuracy": Variable("share of held-out samples classified correctly"),
}
_LINEAR: Mapping[str, Variable] = {  # of deep linear networks
    "imbalance": Variable("largest Frobenius norm of W_(l+1)^T W_(l+1) - W_l W_l^T over the layers"),
    "product_nuclear": Variable("nuclear norm of the product of the layers"),
    "modes": Variable("strength u_i^T W_L ... W_1 v_i of the target's singular modes in the product of the layers"),
    "parameters": Variable("weights of all layers, the first layer first, each row by row"),
}
_PATH: Mapping[str, Variable] = {
    "path_loss": Variable("training loss along the path"),
    "path_sharpness": Variable("sharpness along the path"),
    "path_theta_l1": Variable("l1 norm of the weights along the path"),
    "path_theta_l2": Variable("l2 norm of the weights along the path"),
    "path_beta_l1": Variable("l1 norm of the coefficients along the path"),
    "path_beta_l2": Variable("l2 norm of the coefficients along the path"),
    "path_test_risk": Variable("held-out loss along the path"),
    "path_test_accuracy": Variable("share of held-out samples classified correctly along the path"),
    "path_sharpness_adaptive": Variable("largest eigenvalue of diag|theta| H diag|theta| along the path"),
    "path_gfs_sharpness": Variable("sharpness of the endpoint of gradient flow from each point of the path"),
    "path_trace": Variable("trace of the Hessian in the weights along the path"),
    "path_theta": Variable("weights along the path"),
} | {f"path_{name}": replace(v, long_name=f"{v.long_name}, along the path") for name, v in _LINEAR.items()}
_STATE = ("loss", "test_risk", "test_accuracy", "sharpness", "theta_l1", "theta_l2")
_DIAGONAL_STATE = ("loss", "test_risk", "sharpness", "theta_l1", "theta_l2", "beta_l1", "beta_l2")


def _of(point: str, prefix: str, *names: str) -> dict[str, Variable]:
    known = {**_RUN, **_DEEP}
    return {f"{prefix}_{n}": replace(known[n], long_name=f"{known[n].long_name}, {point}") for n in names}


_AVERAGED, _COOLED = ("of the mean of the next weights", "averaged"), ("after cooling by gradient flow", "cooled")
AVERAGED, COOLED = _of(*_AVERAGED, *_STATE), _of(*_COOLED, *_STATE)
DIAGONAL_AVERAGED, DIAGONAL_COOLED = _of(*_AVERAGED, *_DIAGONAL_STATE), _of(*_COOLED, *_DIAGONAL_STATE)
FLOW: Mapping[str, Variable] = _of(
    "of gradient flow", "flow", "status", "steps", *_STATE, "accuracy", "sharpness_adaptive", "sharpness_max"
) | {"lr_critical": Variable("2 / largest sharpness along gradient flow")}
COMPARED: Mapping[str, Variable] = {  # predictors beside runs
    "beta_error": Variable("|predicted - found| / |found| of the coefficients, Euclidean"),
    "l1_error": Variable("|predicted - found| / found of the l1 norm of the coefficients"),
    "sharpness_error": Variable("|predicted - found| / found of the sharpness"),
    "test_risk_error": Variable("|predicted - found| / found of the mean loss on held-out samples"),
    "sensitivity": Variable("|found at 1.003 lr - found| / |found| of the coefficients, Euclidean"),
} | {
    f"predicted_{name}": replace(_RUN[name], long_name=f"{_RUN[name].long_name}, predicted")
    for name in ("beta", "beta_l1", "sharpness", "test_risk")
}
VECTORS = {"beta": ("feature",), "theta": ("weight", "feature")}  # the variables that keep= can drop
_ONLY_LINEAR = ("loss_min", "trace", "beta_l1", "beta_l2", "phase", "period", "lyapunov", "beta", "theta")
MEASURED = tuple(_RUN)
_ONLY_DIAGONAL = ("test_risk", "sharpness_adaptive", "trace", "beta_l1", "beta_l2", "period", "lyapunov", *VECTORS)
LINEAR_MEASURED = (*(n for n in _RUN if n not in _ONLY_DIAGONAL), *_LINEAR)  # of deep linear networks
DEEP_MEASURED = (*(n for n in _RUN if n not in _ONLY_LINEAR), *_DEEP, *AVERAGED, *COOLED)
VARIABLES: Mapping[str, Variable] = {
    **_RUN, **_DEEP, **_LINEAR, **AVERAGED, **COOLED, **DIAGONAL_AVERAGED, **DIAGONAL_COOLED, **FLOW, **COMPARED,
    **_PATH,
}  # fmt: skip
COORDINATES: Mapping[str, Variable] = {
    "model": Variable("parameterization"),
    "seed": Variable("problem"),
    "n": Variable("samples of the problem"),
    "init_scale": Variable("initialization scale alpha"),
    "objective": Variable("training loss function"),
    "tol": Variable("training loss below which a run ends"),
    "lr": Variable("learning rate"),
    "predictor": Variable("predictor of the endpoint"),
    "step": Variable("step", "steps"),
    "time": Variable("time of gradient flow, learning rate times steps"),
    "weight": Variable("weight of the coordinate"),
    "feature": Variable("feature"),
    "mode": Variable("singular mode of the target"),
    "parameter": Variable("weight of a layer"),
}
ALONG = {"n": "seed"}  # coordinates that are no dimension, and the dimension they stand along
LINEAR_VECTORS = {"modes": ("mode",), "parameters": ("parameter",)}  # the same of deep linear networks
INNER = VECTORS | LINEAR_VECTORS  # dimensions of a variable beside those of the runs; () for the others


def attributes(name: str) -> dict:
    """The attributes of a variable or coordinate; ``status`` and ``phase`` have CF flag attributes."""
    variable = VARIABLES.get(name) or COORDINATES[name]
    described: dict = {"long_name": variable.long_name, "units": variable.units}
    flags = {"status": Status, "flow_status": Status, "phase": Phase}.get(name)
    if flags is not None:
        described["flag_values"] = [int(flag) for flag in flags]
        described["flag_meanings"] = " ".join(flag.name.lower() for flag in flags)
    return described
