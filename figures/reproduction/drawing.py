"""The picture of a claim: its runs over lr / lr_critical, in the units of gradient flow."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from ...sims.status import Status
from ..look import GREY, Figure, styled
from ..parts.legends import legend_above
from ..parts.panels import choose_scale, log_axis, stack, widen

SHOWN = {"theta_l1": r"$\|\theta\|_1$ / flow's", "test_risk": "test loss / flow's"}  # below the sharpness
MANY = 6  # lines that a legend names


@styled
def picture(results: Mapping[str, xr.Dataset]) -> Figure:
    """Final sharpness, l1 norm and test loss of the converged runs of each result, by name.

    Sharpness is in units of ``2 / lr_critical``: runs that follow gradient flow lie level, runs at the edge of
    stability on the hyperbola ``1 / x``. The others are relative to gradient flow's endpoint, level at 1.
    """
    figure, panels = stack(1 + len(SHOWN))
    x = {name: (ds.lr / ds.lr_critical).values for name, ds in results.items()}
    across = np.sort(np.concatenate(list(x.values())))
    panels[0].plot(across, 1 / across, color=GREY, label=r"$2\,/\,\eta$", gid="hyperbola")
    for name, ds in results.items():
        good = (ds.status == Status.CONVERGED).values
        unit = 2 / float(ds.lr_critical)
        _draw(panels[0], name, x[name], np.where(good, ds.sharpness.values / unit, np.nan))
        for axes, variable in zip(panels[1:], SHOWN, strict=True):
            if variable in ds and f"flow_{variable}" in ds:
                values = ds[variable].values / float(ds[f"flow_{variable}"])
                _draw(axes, name, x[name], np.where(good, values, np.nan))
    panels[0].set_ylabel(r"$S\,/\,(2 / \eta_c)$")
    for axes, label in zip(panels[1:], SHOWN.values(), strict=True):
        axes.axhline(1, color=GREY, lw=0.6)
        choose_scale(axes, *(line.get_ydata() for line in axes.lines[:-1]))  # type: ignore[arg-type]
        widen(axes)
        axes.set_ylabel(label)
    panels[-1].set(xscale="log", xlabel=r"$\eta\,/\,\eta_c$")
    log_axis(panels[-1].xaxis, across)
    if len(results) <= MANY:
        legend_above(panels[0])
    return figure


def _draw(axes: Axes, name: str, x: np.ndarray, values: np.ndarray) -> None:
    axes.plot(x, values, "o-", lw=0.7, ms=2.4, label=name, gid=name)
