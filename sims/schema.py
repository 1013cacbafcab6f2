"""The one result schema: every variable of every result, with its unit, what it is, and which results have it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from typing import Literal

import numpy as np

from .status import Doubt, Phase, Status

Kind = Literal["diagonal", "linear", "deep", "map", "compared", "predicted", "linear_predicted", "deep_predicted"]
Point = Literal["end", "averaged", "cooled", "flow", "predicted", "low", "high", "path"]
RUNS: tuple[Kind, ...] = ("diagonal", "linear", "deep")  # networks whose runs are measured in full
CHAINS: tuple[Kind, ...] = ("linear", "linear_predicted")
FORESEEN: tuple[Kind, ...] = ("predicted", "linear_predicted")  # planes without runs
POINTS: Mapping[Point, tuple[str, tuple[Kind, ...]]] = {  # what a long name says of each, and the kinds that have it
    "end": ("{}", (*RUNS, "map", "compared", *FORESEEN, "deep_predicted")),
    "averaged": ("{}, of the mean of the next weights", ("diagonal", "deep", "deep_predicted")),
    "cooled": ("{}, after cooling by gradient flow", ("diagonal", "deep")),
    "flow": ("{}, of gradient flow", ("deep", *FORESEEN)),
    "predicted": ("{}, predicted", ("compared",)),
    "low": ("{}, lower end of its bracket", ("deep_predicted",)),
    "high": ("{}, upper end of its bracket", ("deep_predicted",)),
    "path": ("{} along the path", RUNS),
}
STATE: tuple[Point, ...] = ("end", "averaged", "cooled", "flow", "path")  # of what any weights have
WEIGHED: tuple[Kind, ...] = (*RUNS, "deep_predicted")  # networks whose weights at the end are known


@dataclass(frozen=True)
class Variable:
    """A result variable: NetCDF-style long name, unit ("1" for none), type and fill value where not computed.

    Attributes:
        dims: beside those of the runs.
        kinds: of results that have it.
        at: where it is measured. At the first of these points it bears its own name, at others ``POINT_NAME``.
        along: its long name along the path, where it is not that of POINTS.
        held_out: whether it needs held-out samples.
        asked: options, of which one has to ask for it.
        flags: the meanings of its values.
    """

    long_name: str
    units: str = "1"
    dtype: str = "f8"
    fill: float | int | bool = np.nan
    dims: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = RUNS
    at: tuple[Point, ...] = ("end",)
    along: str = ""
    held_out: bool = False
    asked: tuple[str, ...] = ()
    flags: type[IntEnum] | type[IntFlag] | None = None


_ASIDE = "{}, along the path"  # after a long name that ends in a clause of its own
_DECLARED: Mapping[str, Variable] = {
    "status": Variable(
        "how the run ended", dtype="i1", fill=int(Status.NOT_RUN), flags=Status,
        kinds=(*WEIGHED, "map", "compared", *FORESEEN), at=("end", "flow"),
    ),
    "steps": Variable(
        "steps taken", "steps", "i8", -1, kinds=(*WEIGHED, "map", "compared", *FORESEEN),
        at=("end", "flow", "low", "high"),
    ),
    "loss": Variable("training loss", kinds=(*WEIGHED, "compared"), at=STATE),
    "loss_min": Variable(
        "infimum of the training loss over the coefficients that gradient flow can reach", kinds=("diagonal", "linear")
    ),
    "test_risk": Variable(
        "mean loss on held-out samples", kinds=("diagonal", "deep", "deep_predicted", "compared", "predicted"),
        at=(*STATE, "predicted"), along="held-out loss along the path", held_out=True,
    ),
    "sharpness": Variable(
        "largest algebraic Hessian eigenvalue in the weights at the end", kinds=(*WEIGHED, "compared", *FORESEEN),
        at=(*STATE, "predicted"), along="sharpness along the path",
    ),
    "sharpness_residual": Variable("residual norm |H v - S v| of that eigenvalue", kinds=WEIGHED),
    "sharpness_max": Variable(
        "largest Rayleigh quotient of the Hessian seen along the path: a lower bound of the largest sharpness",
        at=("end", "flow"),
    ),
    "sharpness_adaptive": Variable(
        "largest eigenvalue of diag|theta| H diag|theta| at the end", kinds=("diagonal", "deep"),
        at=("end", "flow", "path"),
    ),
    "sharpness_effective": Variable(
        "sharpness in units of the edge of the rule, such as lr S / (2 + 2 b) with momentum b, at the run's own state: "
        "1 at the edge of stability without noise", kinds=("diagonal", "deep"),
        at=("end", "path"), along=_ASIDE, asked=("momentum", "batch", "rule"),
    ),
    "averaged_sharpness_effective": Variable(
        "harmonic mean over the next steps of the sharpness in units of the edge of the rule: 1 at an edge that hangs "
        "on the run's own state", kinds=("diagonal",), asked=("averaged rule",),
    ),
    "batch_sharpness": Variable(
        "mean over batches of g' H g / |g|^2, of the loss of a batch with gradient g and Hessian H",
        kinds=("diagonal", "deep"),
        at=("end", "path"), along=_ASIDE, asked=("batch",),
    ),
    "spectrum": Variable(
        "largest algebraic Hessian eigenvalues at the end", dims=("eigenvalue",), kinds=("deep",),
        at=("end", "flow", "path"), asked=("top",),
    ),
    "spectrum_residual": Variable(
        "residual norms |H v - lambda v| of these eigenvalues at the end", dims=("eigenvalue",), kinds=("deep",),
        at=("end", "flow", "path"), asked=("top",),
    ),
    "layer_sharpness": Variable(
        "largest eigenvalue of the diagonal block of the Hessian of each layer at the end", dims=("layer",),
        kinds=("deep",), at=("end", "flow", "path"), asked=("layers",),
    ),
    "distance": Variable(
        "|theta - theta_flow(t)| / |theta_flow(t) - theta_0| from gradient flow at the time t of the run at the end",
        kinds=("deep",), at=("end", "path"), asked=("distance",),
    ),
    "trace": Variable("trace of the Hessian in the weights at the end", kinds=("diagonal",), at=("end", "path")),
    "theta_l1": Variable("l1 norm of the weights", kinds=(*WEIGHED, "linear_predicted"), at=(*STATE, "low", "high")),
    "theta_l2": Variable("l2 norm of the weights", kinds=(*WEIGHED, "linear_predicted"), at=(*STATE, "low", "high")),
    "beta_l1": Variable(
        "l1 norm of the coefficients", kinds=("diagonal", "compared", "predicted"), at=(*STATE, "predicted")
    ),
    "beta_l2": Variable("l2 norm of the coefficients", kinds=("diagonal", "predicted"), at=STATE),
    "monotone": Variable("whether the loss never rose", dtype="?", fill=False),
    "rising_steps": Variable("steps on which the loss rose", "steps", "i8", -1),
    "doubts": Variable(
        "what speaks against the prediction", dtype="i1", fill=0, flags=Doubt, kinds=("deep_predicted",)
    ),
    "phase": Variable(
        "dynamical phase of the run", dtype="i1", fill=int(Phase.NOT_RUN), flags=Phase,
        kinds=("diagonal", "linear", *FORESEEN),
    ),
    "period": Variable(
        "steps after which the weights return, 0 where they do not or it was not asked", "steps", "i8", -1,
        kinds=("diagonal",),
    ),
    "lyapunov": Variable(
        "largest Lyapunov exponent of the map of one step, after the last step", "1/step", kinds=("diagonal",)
    ),
    "beta": Variable(
        "coefficients of the predictor", dims=("feature",), kinds=("diagonal", "compared", "predicted"),
        at=("end", "predicted"),
    ),
    "theta": Variable(
        "weights", dims=("weight", "feature"), kinds=("diagonal", "compared"), at=("end", "path")
    ),
    "accuracy": Variable(
        "share of training samples classified correctly", kinds=("deep", "deep_predicted"), at=("end", "flow")
    ),
    "test_accuracy": Variable(
        "share of held-out samples classified correctly", kinds=("deep", "deep_predicted"), at=STATE, held_out=True
    ),
    "lr_critical": Variable("2 / largest sharpness along gradient flow", kinds=("deep", *FORESEEN), at=("flow",)),
    "lr_critical_final": Variable("2 / sharpness at gradient flow's end", kinds=FORESEEN, at=("flow",)),
    "lr_divergence": Variable(
        "learning rate above which most runs diverge on their way", kinds=("predicted",), at=("flow",)
    ),
    "imbalance": Variable(
        "largest Frobenius norm of W_(l+1)^T W_(l+1) - W_l W_l^T over the layers", kinds=CHAINS,
        at=("end", "path"), along=_ASIDE,
    ),
    "product_nuclear": Variable(
        "nuclear norm of the product of the layers", kinds=CHAINS, at=("end", "path"), along=_ASIDE
    ),
    "modes": Variable(
        "strength u_i^T W_L ... W_1 v_i of the target's singular modes in the product of the layers", dims=("mode",),
        kinds=CHAINS, at=("end", "path"), along=_ASIDE,
    ),
    "parameters": Variable(
        "weights of all layers, the first layer first, each row by row", dims=("parameter",), kinds=CHAINS,
        at=("end", "path"), along=_ASIDE,
    ),
    "path_gfs_sharpness": Variable(
        "sharpness of the endpoint of gradient flow from each point of the path", kinds=("diagonal",), at=("path",)
    ),
    "error_beta": Variable(
        "half-width of the bar of |predicted - found| of the coefficients", dims=("coverage",), kinds=("predicted",)
    ),
    "error_beta_l1": Variable(
        "half-width of the bar of the l1 norm of the coefficients", dims=("coverage",), kinds=("predicted",)
    ),
    "error_sharpness": Variable("half-width of the bar of the sharpness", dims=("coverage",), kinds=("predicted",)),
    "error_test_risk": Variable(
        "half-width of the bar of the mean loss on held-out samples", dims=("coverage",), kinds=("predicted",),
        held_out=True,
    ),
    "beta_error": Variable("|predicted - found| / |found| of the coefficients, Euclidean", kinds=("compared",)),
    "l1_error": Variable("|predicted - found| / found of the l1 norm of the coefficients", kinds=("compared",)),
    "sharpness_error": Variable("|predicted - found| / found of the sharpness", kinds=("compared",)),
    "test_risk_error": Variable(
        "|predicted - found| / found of the mean loss on held-out samples", kinds=("compared",), held_out=True
    ),
    "sensitivity": Variable(
        "|found at 1.003 lr - found| / |found| of the coefficients, Euclidean", kinds=("compared",)
    ),
}  # fmt: skip


def _long_name(variable: Variable, point: Point) -> str:
    if point == variable.at[0]:
        return variable.long_name
    if point == "path":
        return (variable.along or POINTS[point][0]).format(variable.long_name.removesuffix(" at the end"))
    return POINTS[point][0].format(variable.long_name)


def _everywhere() -> Iterator[tuple[str, Variable]]:
    """Every variable at every point where some result has it."""
    for point, (_, having) in POINTS.items():
        for name, variable in _DECLARED.items():
            kinds = tuple(kind for kind in variable.kinds if kind in having)
            if kinds and point in variable.at:
                here = replace(variable, long_name=_long_name(variable, point), kinds=kinds, at=(point,))
                yield name if point == variable.at[0] else f"{point}_{name}", here


VARIABLES: Mapping[str, Variable] = dict(_everywhere())
COORDINATES: Mapping[str, Variable] = {
    "rule": Variable("update rule"),
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
    "eigenvalue": Variable("place of the eigenvalue, 1 for the largest"),
    "layer": Variable("layer, 1 at the input"),
    "coverage": Variable("share of runs that a bar holds"),
}
ALONG = {"n": "seed"}  # coordinates that are no dimension, and the dimension they stand along


def measured(kind: Kind, points: Sequence[Point] = ("end",), asked: Sequence[str] = ()) -> tuple[str, ...]:
    """The variables of one kind of result at some points, those that options have to ask for where these do."""
    return tuple(
        name
        for name, v in VARIABLES.items()
        if kind in v.kinds and v.at[0] in points and (not v.asked or set(v.asked) & set(asked))
    )


def vectors(kind: Kind) -> tuple[str, ...]:
    """Those at the end that have dimensions beside those of the runs: what ``keep`` can drop."""
    return tuple(name for name in measured(kind) if VARIABLES[name].dims)


def attributes(name: str) -> dict:
    """The attributes of a variable or coordinate; ``status`` and ``phase`` have CF flag attributes."""
    variable = VARIABLES.get(name) or COORDINATES[name]
    described: dict = {"long_name": variable.long_name, "units": variable.units}
    if variable.flags is not None:
        several = issubclass(variable.flags, IntFlag)
        described["flag_masks" if several else "flag_values"] = [int(flag) for flag in variable.flags]
        described["flag_meanings"] = " ".join(str(flag.name).lower() for flag in variable.flags)
    return described
