"""The claims held against runs: made, kept as small files, and judged; what was interrupted goes on."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import xarray as xr

from ...theory.errors import GdbiasError, InputError, MissingExtra, Unreached
from ...theory.statements.registry import select
from ...theory.validate import local_path, truth, truth_or_none
from ..store.files import read_text, save_result
from ..store.place import check_place
from .claim import Claim
from .clock import stopwatch
from .judgement import Judgement, judge
from .protocols import DeepRuns, DiagonalRuns
from .registry import claims

Tell = Callable[[str], None]


class Foreign(InputError):
    """A file in the folder that these runs did not leave."""


@dataclass(frozen=True)
class Reproduction(Mapping[str, Judgement]):
    """Judgements by id, in the order of the claims, with where the results of their runs are."""

    judgements: dict[str, Judgement]
    quick: bool
    folder: Path

    def __getitem__(self, id: str) -> Judgement:
        return self.judgements[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.judgements)

    def __len__(self) -> int:
        return len(self.judgements)

    def results(self, id: str) -> dict[str, xr.Dataset]:
        """The results of a claim's runs by name, of those that were made."""
        files = {runs.name: _file(self.folder, runs) for runs in self[id].claim.runs(self.quick)}
        return {name: read_text(file) for name, file in files.items() if file.exists()}

    def to_json(self) -> str:
        """Everything as JSON; NaN is null."""
        told = [judgement.as_dict(self.quick) for judgement in self.values()]
        return json.dumps(dict(quick=self.quick, claims=told), indent=1)


def reproduce(
    only: str | Sequence[str] | None = None,
    quick: bool = False,
    folder: str | PathLike = "gdbias-reproduction",
    known: Mapping[str, Claim] | None = None,
    tell: Tell = lambda line: None,
    progress: bool | None = None,
) -> Reproduction:
    """Make the runs of every claim, and judge it by what is expected of them (arXiv 2505.21423).

    ``only`` names claims, or sections such as "REG". ``quick`` takes digits and small networks; otherwise larger
    images and networks, for hours. Runs are kept in ``folder``, a file ``NAME.json`` each, and are made once for all
    claims that share them. Killed at any moment, the same call makes what is missing, and ends with the same numbers: a
    deep sweep under way is a store ``NAME.zarr`` that goes on where it was. ``known`` replaces the claims.

    Returns a :class:`Reproduction`, a mapping from id to :class:`Judgement`, whose verdict follows from its findings.

    Raises:
        InputError: an unknown id, or a folder that holds runs of another protocol.
        MissingExtra: JAX, or the images, are not installed.
    """
    quick, progress = truth("quick", quick), truth_or_none("progress", progress)
    known = claims() if known is None else known
    chosen = [known[id] for id in select(known, only, "claim")]
    place = check_place(local_path(folder) / ("quick" if quick else "full"), "folder")
    judged: dict[str, Judgement] = {}
    for claim in chosen:
        judged[claim.id] = _judged(claim, quick, place, tell, progress)
        tell(f"{claim.id}: {judged[claim.id].verdict}")
    return Reproduction(judged, quick, place)


def _judged(claim: Claim, quick: bool, folder: Path, tell: Tell, progress: bool | None) -> Judgement:
    results = []
    for runs in claim.runs(quick):
        try:
            results.append(_made(runs, folder, tell, progress))
        except (Foreign, MissingExtra):
            raise
        except GdbiasError as error:  # such as a flow that does not reach the threshold
            return Judgement(claim, broke=f"{runs.name}: {error}")
    return judge(claim, results)


def _made(runs: DeepRuns | DiagonalRuns, folder: Path, tell: Tell, progress: bool | None) -> xr.Dataset:
    """The result of the runs: read where it is kept, else made and kept."""
    file, store, note = (folder / f"{runs.name}.{kind}" for kind in ("json", "zarr", "seconds"))
    protocol = json.dumps(runs.spec)
    if file.exists():
        try:
            ds = read_text(file)
            same = ds.attrs["protocol"] == protocol
        except (ValueError, TypeError, KeyError) as error:
            raise Foreign(f"{file} cannot be read ({error!r}): remove it, and it is made again") from None
        if not same:
            raise Foreign(f"{file} was made by another protocol: choose another folder, or remove it")
        _remove(store, note)  # of a call that was killed before it could
        return ds
    tell(f"{runs.name}: {runs.command}")
    folder.mkdir(parents=True, exist_ok=True)
    under_way = store.exists()
    if not under_way:
        note.unlink(missing_ok=True)
    try:
        with stopwatch(note) as spent:
            ds = runs.make(store, progress)
    except InputError as error:
        if under_way and not isinstance(error, Unreached):
            raise Foreign(f"{store} is not of these runs ({error})") from None
        raise
    save_result(ds.assign_attrs(protocol=protocol, command=runs.command, seconds=spent()), file)
    _remove(store, note)
    return read_text(file)


def _remove(store: Path, note: Path) -> None:
    shutil.rmtree(store, ignore_errors=True)
    note.unlink(missing_ok=True)


def _file(folder: Path, runs: DeepRuns | DiagonalRuns) -> Path:
    return folder / f"{runs.name}.json"
