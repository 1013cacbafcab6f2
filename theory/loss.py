"""Losses of one sample, declared as one expression; slope and curvature are derived."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import SimpleNamespace

import numpy as np
import sympy as sp

from .elementwise import Function, on_arrays, simplest
from .errors import InputError
from .validate import one_of

PREDICTION, TARGET = sp.symbols("f y", real=True)


@dataclass(frozen=True)
class Loss:
    """The loss ``L = (1/n) sum_j value(f_j, y_j)`` of predictions ``f = X beta``.

    Attributes:
        name: text that :func:`parse_loss` reads back.
        value: expression in the prediction ``f`` and the target ``y``.
        targets: "real", or "sign" when targets must be -1 or +1.
    """

    name: str
    value: sp.Expr
    targets: str = "real"

    def __str__(self) -> str:
        return self.name

    @cached_property
    def slope(self) -> sp.Expr:
        """The derivative of the value in the prediction."""
        return simplest(sp.diff(self.value, PREDICTION))

    @cached_property
    def curvature(self) -> sp.Expr:
        """The second derivative; its inverse is expanded so that a large margin gives 0 and not inf/inf."""
        inverse = sp.powsimp(sp.expand(1 / sp.diff(self.slope, PREDICTION)))
        return 1 / (inverse.subs(TARGET**-2, 1) if self.targets == "sign" else inverse)

    def check_targets(self, y: np.ndarray) -> None:
        """Raise InputError when a target is not one the loss is defined for."""
        if self.targets == "sign" and not np.isin(y, (-1.0, 1.0)).all():
            bad = y[~np.isin(y, (-1.0, 1.0))][0]
            raise InputError(f"the {self.name} loss needs targets -1 or +1, found {bad:g}: recode the target")


squared = Loss("squared", (PREDICTION - TARGET) ** 2 / 2)
logistic = Loss("logistic", sp.log(1 + sp.exp(-TARGET * PREDICTION)), targets="sign")
LOSSES = {loss.name: loss for loss in (squared, logistic)}


def parse_loss(loss: Loss | str) -> Loss:
    """The loss, or that of a name; raises InputError for an unknown one."""
    return loss if isinstance(loss, Loss) else LOSSES[one_of("loss", loss, LOSSES)]


def loss_functions(loss: Loss) -> list[Function]:
    """``loss_value``, ``loss_slope`` and ``loss_curvature`` of ``(f, y)``, as expressions."""
    parts = {"loss_value": loss.value, "loss_slope": loss.slope, "loss_curvature": loss.curvature}
    return [Function(name, (PREDICTION, TARGET), (value,)) for name, value in parts.items()]


@lru_cache(maxsize=64)
def array_loss(loss: Loss) -> SimpleNamespace:
    """The functions of :func:`loss_functions` on NumPy arrays."""
    return on_arrays("\n\n".join(function.text("numpy") for function in loss_functions(loss)))
