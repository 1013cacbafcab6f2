"""Where the runs of one result end, as arrays over the learning rate."""

import numpy as np
import xarray as xr

from ..status import Status

CALM, EDGE = 0.97, 1.05  # x = lr / lr_critical up to which runs are calm, and from which on they are at the edge


class Ends:
    """The converged runs of a result by variable name, in the order of their learning rates.

    ``x = lr / lr_critical``. Runs are calm up to x = 0.97 and at the edge from x = 1.05 on; between them the boundary
    is passed, which is gradient flow's.
    """

    def __init__(self, ds: xr.Dataset):
        order = np.argsort(ds["lr"].values)
        converged = ds["status"].values[order] == Status.CONVERGED
        self.lr = ds["lr"].values[order]
        self._all = {str(name): v.values[order] for name, v in ds.data_vars.items() if v.dims == ("lr",)}
        self._once = {str(name): float(v) for name, v in ds.data_vars.items() if not v.dims and v.dtype.kind in "fi"}
        self.x = self.lr / self._once["lr_critical"]
        self.converged, self.calm, self.edge = converged, converged & (self.x <= CALM), converged & (self.x >= EDGE)

    def __getitem__(self, name: str) -> np.ndarray:
        """Of all runs that converged, (run,)."""
        return self._all[name][self.converged]

    def at(self, where: np.ndarray, name: str) -> np.ndarray:
        """Of the runs of a mask such as ``calm`` or ``edge``."""
        return self.lr[where] if name == "lr" else self._all[name][where]

    def every(self, name: str) -> np.ndarray:
        """Of all runs, NaN where they did not converge."""
        return np.where(self.converged, self._all[name], np.nan)

    def once(self, name: str) -> float:
        """What the result has once, such as gradient flow's."""
        return self._once[name]
