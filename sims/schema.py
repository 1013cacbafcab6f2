"""The one result schema: every variable of every result, with its unit and what it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .status import Status


@dataclass(frozen=True)
class Variable:
    """A result variable: NetCDF-style long name, unit ("1" for none), type and fill value where not computed."""

    long_name: str
    units: str = "1"
    dtype: str = "f8"
    fill: float | int | bool = np.nan


VARIABLES: Mapping[str, Variable] = {
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
    "theta_l1": Variable("l1 norm of the weights"),
    "theta_l2": Variable("l2 norm of the weights"),
    "beta_l1": Variable("l1 norm of the coefficients"),
    "beta_l2": Variable("l2 norm of the coefficients"),
    "monotone": Variable("the loss never rose", dtype="?", fill=False),
    "rising_steps": Variable("steps on which the loss rose", "steps", "i8", -1),
    "lr_critical": Variable("2 / largest sharpness along gradient flow"),
    "beta": Variable("coefficients of the predictor"),
    "theta": Variable("weights"),
    "path_loss": Variable("training loss along the path"),
    "path_sharpness": Variable("sharpness along the path"),
    "path_theta_l1": Variable("l1 norm of the weights along the path"),
    "path_theta_l2": Variable("l2 norm of the weights along the path"),
    "path_beta_l1": Variable("l1 norm of the coefficients along the path"),
    "path_beta_l2": Variable("l2 norm of the coefficients along the path"),
    "path_test_risk": Variable("held-out loss along the path"),
    "path_theta": Variable("weights along the path"),
}
COORDINATES: Mapping[str, Variable] = {
    "model": Variable("parameterization"),
    "seed": Variable("problem"),
    "init_scale": Variable("initialization scale alpha"),
    "lr": Variable("learning rate"),
    "step": Variable("step", "steps"),
    "time": Variable("time of gradient flow, learning rate times steps"),
    "weight": Variable("weight of the coordinate"),
    "feature": Variable("feature"),
}
VECTORS = {"beta": ("feature",), "theta": ("weight", "feature")}  # the variables that keep= can drop


def attributes(name: str) -> dict:
    """The attributes of a variable or coordinate; ``status`` has CF flag attributes."""
    variable = VARIABLES.get(name) or COORDINATES[name]
    described: dict = {"long_name": variable.long_name, "units": variable.units}
    if name == "status":
        described["flag_values"] = [int(s) for s in Status]
        described["flag_meanings"] = " ".join(s.name.lower() for s in Status)
    return described
