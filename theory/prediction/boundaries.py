"""Where gradient flow ends, and the four learning rates that divide the axis, computed when first read."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..blas import one_thread
from ..derivation.dynamics import Dynamics
from ..derivation.landscape import Landscape
from ..errors import NoClosedForm
from ..loss import squared
from ..problem import Problem
from ..rules.update_rule import UpdateRule, gradient_descent
from ..validate import shown
from .coordinates import doubled
from .divergence import HIGHEST, SEVERAL, divergence_ratio
from .flow_endpoint import FlowEndpoint, end_of_flow, stacked
from .frontiers import sharpness_bounds
from .integration import flow_path, followed_start
from .rule_terms import TERMS, cap, limit, refuse
from .told import numbers, table
from .transport import Transport


@dataclass(frozen=True, eq=False, repr=False)
class Boundaries:
    """Gradient flow's endpoint and the learning rates that divide the axis, for descent started at ``init_scale``."""

    dynamics: Dynamics
    problem: Problem
    init_scale: float | np.ndarray | None
    starts: tuple[np.ndarray, ...]  # (weight, feature) each
    rule: UpdateRule = gradient_descent

    def __repr__(self) -> str:
        start = "theta0 given" if self.init_scale is None else f"init_scale={shown(self.init_scale)}"
        rule = "" if self.rule == gradient_descent else f", {self.rule}"
        return f"{type(self).__name__}({self.dynamics.model}, {self.problem}, {start}{rule}{numbers(self)})"

    def _repr_html_(self) -> str:
        return table(self)

    def __getstate__(self) -> dict:
        return {
            name: value for name, value in vars(self).items() if name not in ("_transports", "_settled", "_signs")
        }  # no pickle has functions

    @cached_property
    @one_thread
    def flow(self) -> FlowEndpoint:
        """The endpoint of gradient flow: the interpolator nearest to the start in the mirror divergence.

        ``beta = argmin {D_psi(b, beta_0): X b = y}``, computed as the dual root ``X beta(X^T nu) = y``
        (2002.09277). With more samples than features, the least-squares solution.

        Raises:
            NoInterpolator: no interpolator is attainable from this start.
            NoClosedForm: a loss other than squared, whose flow has no finite endpoint or no dual root.
        """
        refuse(self.rule, "gradient flow's endpoint", "weight_decay")
        if self.problem.loss != squared:
            raise NoClosedForm(
                f"the {self.problem.loss} loss has no closed-form flow endpoint: lr_critical is available, "
                "and sims.flow integrates"
            )
        starts = zip(self.starts, self._transports, strict=True)
        found = [end_of_flow(self.dynamics, self.problem, *start) for start in starts]
        return stacked(found) if self._many else found[0]

    @cached_property
    def lr_critical_final(self) -> float | np.ndarray:
        """``2 / S(flow endpoint)``: above it the flow's endpoint is unstable for gradient descent."""
        return limit(self.rule, self.flow.sharpness)

    @cached_property
    @one_thread
    def sharpness_max(self) -> float | np.ndarray:
        """The largest sharpness along the gradient-flow path, its endpoint included."""
        ends = self.flow.sharpness if self.problem.loss == squared else -np.inf  # refuses before any path
        landscape = Landscape(self.dynamics, self.problem)
        paths = [flow_path(landscape, followed_start(landscape, theta0)) for theta0 in self.starts]
        values = np.maximum([path.sharpness_max() for path in paths], ends)
        return np.array(values) if self._many else float(np.ravel(values)[0])

    @cached_property
    def lr_critical(self) -> float | np.ndarray:
        """``2 / max_t S(flow(t))``: below it descent follows gradient flow (arXiv 2505.21423).

        ``(2 + 2 momentum) / max_t S(flow(t))`` with momentum; of the lr that a schedule reaches at most. Other steps
        have caps of their own for 2; NoClosedForm where none tells one.
        """
        refuse(self.rule, "lr_critical", "weight_decay")
        return cap(self.rule) / self.sharpness_max

    @cached_property
    def _transports(self) -> tuple[Transport, ...]:
        return tuple(Transport(self.dynamics, theta0) for theta0 in self.starts)

    @cached_property
    def sharpness_min(self) -> float:
        """The least sharpness of any interpolator, by a convex program; see :func:`gdbias.theory.frontier`."""
        return self._sharpness_bounds[1]

    @cached_property
    def lr_max(self) -> float:
        """``2 / sharpness_min``: above it no interpolator is linearly stable for gradient descent."""
        return self.lr_max_bounds[0]

    @property
    def lr_max_bounds(self) -> tuple[float, float]:
        """``lr_max``, at which an interpolator is stable, and a rate at which none is, by the dual program."""
        refuse(self.rule, "lr_max", "weight_decay")
        least, found = self._sharpness_bounds
        return float(limit(self.rule, found)), float(limit(self.rule, least))

    @cached_property
    @one_thread
    def _sharpness_bounds(self) -> tuple[float, float]:
        return sharpness_bounds(self.dynamics.model, self.problem)

    @cached_property
    def lr_divergence(self) -> float | np.ndarray:
        """Above it most runs diverge where gradient flow is at its sharpest: ``c lr_critical``.

        c is 2 for degree 2, ``lr = 4 / max_t S(flow(t))``, and 2.4 for degree 3, a fit. Of the runs between it and
        lr_max 89 % of degree 2 and 74 % of degree 3 diverge; of those at 0.75, 0.9 and 0.97 of it 0, 13 and 45 %
        (n = 12, d = 30, starts of 0.05 to 1.2: ``tests/benchmarks/divergence_rate.py``). On one feature it is exact for
        ``w^L`` from below the minimum: ``lr S / 2`` is 2, 2.150, 2.409 for L = 2, 3, 4, with S the sharpness there.

        Raises:
            NoClosedForm: a linear model, one of another degree on several features, or outside the doubled coordinates.
        """
        refuse(self.rule, "lr_divergence", *TERMS)
        model, degree = self.dynamics.model, self.dynamics.model.degree
        if self.problem.d == 1 and len(model.weights) == 1 and degree is not None and 2 <= degree <= HIGHEST:
            return divergence_ratio(degree) * self.lr_critical_final
        degree = doubled(model).degree
        if degree not in SEVERAL:
            raise NoClosedForm(
                f"{model.name}: where descent diverges is known for degrees {' and '.join(map(str, SEVERAL))}, and for "
                "w^L on one feature: use lr_max"
            )
        return SEVERAL[degree] * self.lr_critical

    @property
    def _many(self) -> bool:
        return np.ndim(self.init_scale) == 1 if self.init_scale is not None else False
