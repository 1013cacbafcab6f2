"""The stored result that is explored, and one plane of its cells at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xarray as xr

from ... import sims, theory
from ...sims.status import Status
from ...theory.errors import GdbiasError, InputError
from ..parts.axes import ROWS, Plane, plane
from ..parts.beside import predicted_plane
from ..parts.results import is_predicted, spec_of
from ..parts.statuses import codes
from ..parts.titles import subject

UNREADABLE = (OSError, RuntimeError, ValueError, KeyError)  # of a chunk that was lost since the store was opened


@dataclass(frozen=True, eq=False)
class Explored:
    """A stored result, perhaps still being written, and where there is one a predicted plane of its cells.

    Attributes:
        store: where it is, as it was named.
        ds: the result; a variable is read when it is first used.
        foretold: what :func:`gdbias.sims.predicted` has for all of its cells or some of them.
    """

    store: str
    ds: xr.Dataset
    foretold: xr.Dataset | None = None

    @classmethod
    def open(cls, store: str, predicted: str | None = None) -> "Explored":
        """Open a store, and that of a predicted plane of the same cells.

        Raises:
            InputError: no store of a result over learning rates, a damaged one, or a predicted plane of others.
        """
        found = cls(store, sims.store.open_result(store, load=False))
        if "status" not in found.ds:
            raise InputError(f"store {store} has no runs, or not yet: give a sweep's, or wait until it has begun")
        first = found.plane({})
        if predicted is None:
            return found
        other = sims.store.open_result(predicted)
        if found.kind != "deep sweep":
            predicted_plane(first, plane(other.isel(found.picked({}))).ds)
        return replace(found, foretold=other)

    def beside(self, predicted: str | None) -> "Explored":
        """The same with a predicted plane of other cells, of which the nearest count."""
        return self if predicted is None else replace(self, foretold=sims.store.open_result(predicted))

    def again(self) -> "Explored":
        """The same, read anew: what has been written since is there."""
        return replace(self, ds=sims.store.open_result(self.store, load=False))

    @property
    def title(self) -> str:
        """What ran, and where it is stored."""
        return ": ".join(filter(None, (subject(self.ds), self.store)))

    @cached_property
    def spec(self) -> dict:
        return spec_of(self.ds)

    @property
    def kind(self) -> str:
        """``sweep``, ``linear sweep``, ``deep sweep``, ``predicted`` ..."""
        return str(self.spec.get("kind", ""))

    @property
    def ends(self) -> str:
        """What its runs end at, in words."""
        return "modes" if "network" in self.spec else "coefficients"

    @property
    def is_of_runs(self) -> bool:
        """Whether its numbers are measured, not predicted."""
        return not is_predicted(self.ds)

    @cached_property
    def row(self) -> str:
        """The dimension of the rows of a plane."""
        return next((dim for dim in ROWS if dim != "rule" and self.ds.sizes.get(dim, 1) > 1), "init_scale")

    @property
    def has_rows(self) -> bool:
        """Whether a row stands for something: a deep network has one row, without an init_scale."""
        return self.row in self.ds.coords

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """What is chosen before there is a plane: the entries of each further dimension, as texts."""
        dims = [str(dim) for dim in self.ds["status"].dims if dim not in (self.row, "lr")]
        return {dim: [str(value) for value in self.ds[dim].values] for dim in dims if self.ds.sizes[dim] > 1}

    def picked(self, chosen: Mapping[str, int]) -> dict[str, int]:
        """An index for each dimension that has to be chosen, the first entry unless ``chosen``."""
        return {dim: chosen.get(dim, 0) for dim in self.choices}

    def plane(self, chosen: Mapping[str, int]) -> Plane:
        """The cells over ``lr`` and the rows; raises InputError where the result has no such plane.

        The same each time, so that a variable is read once.
        """
        key = tuple(self.picked(chosen).items())
        if key not in self._planes:
            self._planes[key] = plane(self.ds.isel(dict(key)))
        return self._planes[key]

    @cached_property
    def _planes(self) -> dict[tuple, Plane]:
        return {}

    def other(self, chosen: Mapping[str, int]) -> Plane | None:
        """The same of the predicted plane."""
        return None if self.foretold is None else plane(self.foretold.isel(self.picked(chosen)))

    @cached_property
    def setting(self) -> tuple[list, list]:
        """Models and problems, as :func:`gdbias.sims.rebuild` makes them; a deep linear network stands for both.

        Raises:
            InputError: they cannot be made again from what is stored.
        """
        if "network" in self.spec:
            return [theory.linear_network(**self.spec["network"])], [None]
        if self.kind.startswith("deep"):
            raise InputError("a run of a deep network takes minutes: what is stored of it is shown, and not made again")
        return sims.rebuild(self.ds)

    @cached_property
    def has_truth(self) -> bool:
        """Whether it is known what made the targets: a teacher's coefficients, or its singular values."""
        try:
            return any(problem is None or problem.beta_star is not None for problem in self.setting[1])
        except GdbiasError:  # data that are not stored, or a deep network
            return False

    @cached_property
    def features(self) -> list[str]:
        """The names that all of its problems have for their coefficients; none where they have numbers alone."""
        problems = self.spec.get("problem", [])
        named = [one.get("features", []) for one in (problems if isinstance(problems, list) else [problems])]
        return named[0] if named and all(names == named[0] for names in named) else []

    def setting_at(self, cell: xr.Dataset) -> tuple:
        """The model and the problem of a cell."""
        models, problems = self.setting
        labels = [model.name for model in models]
        model = models[labels.index(str(cell["model"].item()))] if "model" in cell.coords else models[0]
        seeds = np.ravel(self.ds["seed"].values).tolist() if "seed" in cell.coords else [None]
        return model, problems[seeds.index(cell["seed"].item()) if "seed" in cell.coords else 0]

    def unfinished(self, found: Plane) -> bool:
        """Whether cells of the plane are not computed yet."""
        return bool((codes(found.ds) == Status.NOT_RUN).any())


def sentence(error: Exception) -> str:
    """What went wrong with a store, in a sentence."""
    if isinstance(error, GdbiasError):
        return str(error)
    told = " ".join(str(error).split()) or type(error).__name__
    return f"the store cannot be read any more ({told}): ask for the same result again, which mends it"
