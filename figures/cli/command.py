"""The command line: gdbias and its verbs. Nothing heavy is imported until a verb runs."""

import difflib
import gc
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import tyro

from ... import figures, sims, theory
from ...sims.deep.program_cache import keep_programs
from ...sims.grid import read_grid
from ...sims.options import Options, SweepOptions
from ...sims.status import Phase, Status
from ...sims.store.place import check_file
from ...theory.errors import GdbiasError, InputError
from .data_options import Data, Shown
from .deep_verb import Deep
from .effect import require_one
from .ends import tell_ends
from .explore_verb import Explore
from .plot_verb import Plot
from .predict_verb import Predict, say
from .reading import read_options, read_verb
from .report_verb import Report
from .reproduce_verb import Reproduce
from .rule_options import Rule
from .spec_file import GRID, read_spec
from .text_file import write_text
from .verify_verb import Verify


@dataclass(frozen=True)
class Quickstart:
    """Predict, sweep, draw and summarise in one go, on synthetic data or on your own table."""

    data: Annotated[Shown, tyro.conf.arg(name="")] = field(default_factory=Shown)
    out: Path = Path("gdbias-quickstart")
    """Folder for the figures, the stored runs and the summary."""

    def __call__(self) -> None:
        from .quickstart_verb import quickstart  # all there is

        model, problem = self.data.setting()
        keep_programs()
        summary = quickstart(model, problem, self.out, say)
        print(summary.read_text(encoding="utf-8"))
        print(f"written to {self.out}", file=sys.stderr)


@dataclass(frozen=True)
class Derive:
    """Derive a model by SymPy: gradient, Hessian, invariants, mirror map, flow."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """power(L), difference(L), product(L) or custom(EXPRESSION)."""
    latex: bool = False
    """Print LaTeX instead of text."""
    source: bool = False
    """Print the generated kernel source instead."""
    tex: Path | None = None
    """Write the derivation as a LaTeX document that compiles by itself."""

    def __call__(self) -> None:
        require_one(self, "latex", "source", "tex")
        if self.tex is not None:
            check_file(self.tex)  # before the work
        dynamics = theory.derive(theory.parse(self.model))
        if self.tex is not None:
            write_text(self.tex, dynamics.document())
        elif self.source:
            print(dynamics.source())
        elif self.latex:
            print(dynamics.latex())
        else:
            for title, formula in dynamics.chain():
                print(f"{title}\n    {formula}")


@dataclass(frozen=True)
class Run:
    """One run of gradient descent; prints its outcome, draws its trajectory with --plot, keeps it with --store."""

    lr: float
    """Learning rate."""
    data: Annotated[Data, tyro.conf.arg(name="")] = field(default_factory=Data)
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)
    rule: Annotated[Rule, tyro.conf.arg(name="")] = field(default_factory=Rule)
    init_scale: float = 0.1
    """Initialization scale alpha."""
    plot: Path | None = None
    """Picture of the trajectory (.png, .pdf or .svg)."""
    store: Path | None = None
    """New folder of a Zarr store for the run with its trajectory, which gdbias plot draws."""
    record_every: int = 1
    """Steps between recorded points of the trajectory."""

    def __call__(self) -> None:
        model, problem = self.data.setting()
        if self.record_every != 1 and not (self.plot or self.store):
            raise InputError(f"--record-every {self.record_every} has no effect: it needs --plot or --store")
        record_every = self.record_every if self.plot or self.store else 0
        if self.plot:  # before the work
            from ..look import check_picture  # matplotlib

            check_picture(self.plot)
        if self.store:
            from ...sims.store.files import check_new  # xarray

            check_new(self.store)
        rule = self.rule.rule()
        run = sims.descend(
            model,
            problem,
            self.lr,
            self.init_scale,
            record_every=record_every,
            rule=rule,
            options=self.options,
        )
        print(f"{model} on {problem}, init_scale {self.init_scale:g}")
        print(f"{'status':20} {Status(int(run.status)).name}")
        print(f"{'phase':20} {Phase(int(run.phase)).name}")
        for name, variable in run.data_vars.items():
            if variable.ndim == 0 and name not in ("status", "phase"):
                print(f"{name:20} {variable.item():.8g}   {variable.attrs['long_name']}")
        limit = rule.once_settled.sharpness_limit(self.lr)
        if limit < float("inf"):  # else sharpness_effective, above, has the edge of the run's own state
            share = run.sharpness.item() / limit
            print(f"{'edge':20} {share:.8g}   sharpness over {limit:.8g}, 1 at the edge of stability")
        if self.store:
            print(f"written to {sims.store.save_result(run, self.store)}", file=sys.stderr)
        if self.plot:
            print(f"written to {figures.save(figures.trajectory(run), self.plot)}", file=sys.stderr)


@dataclass(frozen=True)
class Sweep:
    """Runs over learning rates and initialization scales, stored; asked again, only what is missing runs.

    With --spec a TOML file gives options, under the names below; what is typed on the command line overrides it.
    For example sweep.toml:

        model = "difference(2)"
        lr = "0.01:1:64:log"
        init_scale = [0.01, 0.1]
        csv = "data.csv"
        target = "price"
        max_steps = 20000

    and then: gdbias sweep runs.zarr --spec sweep.toml --max-steps 50000
    """

    store: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="STORE")]
    """Folder of the Zarr store to write or to resume, or a URL such as s3://bucket/runs.zarr."""
    spec: Path | None = None
    """TOML file with options."""
    lr: str = field(default="0.01:1:16:log", metadata=GRID)
    """Learning rates: START:STOP:NUM:log (or :lin), or values such as 0.01,0.1."""
    init_scale: str = field(default="0.01:1:16:log", metadata=GRID)
    """Initialization scales, written alike."""
    data: Annotated[Data, tyro.conf.arg(name="")] = field(default_factory=Data)
    options: Annotated[SweepOptions, tyro.conf.arg(name="")] = field(default_factory=SweepOptions)
    rule: Annotated[Rule, tyro.conf.arg(name="")] = field(default_factory=Rule)
    keep_vectors: bool = True
    """Store beta and theta of every run."""
    dry_run: bool = False
    """Print what the sweep will cost in time, memory and bytes, after some seconds of trying; writes nothing."""
    scheduler: str | None = None
    """Address of a Dask scheduler, such as tcp://host:8786, whose workers compute and write the chunks. They must
    reach the store under the same name."""

    def __call__(self) -> None:
        model, problem = self.data.settings()
        asked: dict[str, Any] = dict(
            lr=read_grid(self.lr),
            init_scale=read_grid(self.init_scale),
            **({} if self.keep_vectors else {"keep": ()}),
            rule=self.rule.rules(),
            options=self.options,
        )
        if self.dry_run and self.scheduler:
            raise InputError("--dry-run tells what the sweep costs on this machine: leave out --scheduler")
        if self.dry_run:
            print(sims.estimate(model, problem, **asked))
            return
        with self._client() as client:
            ds = sims.sweep(model, problem, **asked, store=self.store, client=client)
        for setting in (model, problem):
            print(*(map(str, setting) if isinstance(setting, list) else [setting]), sep="\n")
        tell_ends(ds, self.options)
        print(f"written to {self.store}", file=sys.stderr)

    def _client(self) -> AbstractContextManager:
        if self.scheduler is None:
            return nullcontext()
        from ...sims.parallel.cluster import connect  # Zarr

        return connect(self.scheduler)


def _require_verb(word: str) -> None:
    """Raise InputError for a first word that is neither a verb nor an option."""
    if word not in VERBS and not word.startswith("-"):
        near = difflib.get_close_matches(word, VERBS, 1)
        told = f"do you mean gdbias {near[0]}?" if near else f"use one of {', '.join(VERBS)}"
        raise InputError(f"unknown command {word!r}: {told}")


MEANT = {"learning-rate": "lr", "eta": "lr", "alpha": "init-scale"}  # as others call them


def _require_options(words: list[str]) -> None:
    """Raise InputError for an option under another name than it has here."""
    for word in words:
        name = word.split("=")[0].removeprefix("--").replace("_", "-")
        if word.startswith("--") and name in MEANT:
            raise InputError(f"unknown option --{name}: do you mean --{MEANT[name]}?")


VERBS = {
    "quickstart": Quickstart, "derive": Derive, "predict": Predict, "run": Run, "sweep": Sweep, "plot": Plot,
    "verify": Verify, "report": Report, "deep": Deep, "explore": Explore, "reproduce": Reproduce,
}  # fmt: skip


ABOUT = (
    "Which solution does gradient descent pick, and why? Begin with gdbias quickstart; gdbias help VERB says what a "
    "verb takes, with examples; --version tells which gdbias this is."
)


def main(arguments: list[str] | None = None) -> None:
    """Run one verb; a user's error is one line on the error stream and exit code 2, a warning one line."""
    gc.set_threshold(100_000)  # what a verb imports stays: looking for garbage in it takes a tenth of the start
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal of few letters shows their numbers
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"gdbias: warning: {message}", file=sys.stderr)
            read_arguments(sys.argv[1:] if arguments is None else arguments)()
        if sys.stdout is not None:  # it is closed
            sys.stdout.flush()
    except GdbiasError as error:
        print(f"gdbias: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _leave_output()
        sys.exit(141)
    except OSError as error:
        if error.filename is not None:
            print(f"gdbias: {error.filename}: {error.strerror}: check the path", file=sys.stderr)
        else:
            print(f"gdbias: writing failed ({error.strerror or error}): make room, or write elsewhere", file=sys.stderr)
            _leave_output()
        sys.exit(2)
    except MemoryError as error:
        print(f"gdbias: out of memory ({error}): ask for fewer values, samples or features", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("gdbias: interrupted; finished chunks of a store are kept, the same command resumes", file=sys.stderr)
        sys.exit(130)


def _leave_output() -> None:
    """What is left to print goes nowhere, so that the end of the process does not fail on it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_version() -> None:
    from gdbias import __version__  # here, since reading it takes longer than starting

    print(f"gdbias {__version__}")


def read_arguments(arguments: list[str]) -> Callable[[], None]:
    """The verb with its options; those of a spec file are the defaults of a second reading."""
    if arguments == ["--version"]:
        return _tell_version
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    if arguments:
        _require_verb(arguments[0])
        _require_options(arguments[1:])
    verb = read_verb(VERBS, arguments, ABOUT)
    if isinstance(verb, Sweep) and verb.spec:
        defaults = read_spec(verb.spec, Sweep(verb.store), outside=("store", "spec"))
        verb = read_options(Sweep, "sweep", arguments[1:], defaults)
    return verb
