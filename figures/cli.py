"""The command line: gdbias and its verbs. Nothing heavy is imported until a verb runs."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ..sims.options import Options
from .data_options import Data
from .deep_verb import Deep

Positional = tyro.conf.Positional


@dataclass(frozen=True)
class Quickstart:
    """Predict, sweep, draw and summarise in one go, on synthetic data or on your own table."""

    data: Annotated[Data, tyro.conf.arg(name="")] = field(default_factory=Data)
    model: str | None = None
    """power(L), difference(L), product(L) or custom(EXPRESSION)."""
    out: Path = Path("gdbias-quickstart")
    """Folder for the figures, the stored runs and the summary."""

    def __call__(self) -> None:
        from ..theory import parse
        from .quickstart import quickstart

        problem = self.data.problem()
        model = parse(self.model or self.data.default_model)
        summary = quickstart(model, problem, self.out, say=lambda text: print(text, file=sys.stderr))
        print(summary.read_text(encoding="utf-8"))
        print(f"written to {self.out}", file=sys.stderr)


@dataclass(frozen=True)
class Derive:
    """Derive a model by SymPy: gradient, Hessian, invariants, mirror map, flow."""

    model: Positional[str]
    """power(L), difference(L), product(L) or custom(EXPRESSION)."""
    latex: bool = False
    """Print LaTeX instead of text."""
    source: bool = False
    """Print the generated kernel source instead."""

    def __call__(self) -> None:
        from ..theory import derive, parse

        dynamics = derive(parse(self.model))
        if self.source:
            print(dynamics.source())
        elif self.latex:
            print(dynamics.latex())
        else:
            for title, formula in dynamics.chain():
                print(f"{title}\n    {formula}")


@dataclass(frozen=True)
class Predict:
    """Print the critical learning rates and gradient flow's endpoint, without any run."""

    data: Annotated[Data, tyro.conf.arg(name="")] = field(default_factory=Data)
    model: str | None = None
    """power(L), difference(L), product(L) or custom(EXPRESSION)."""
    init_scale: float = 0.1
    """Initialization scale alpha."""

    def __call__(self) -> None:
        from ..theory import parse, predict

        pred = predict(parse(self.model or self.data.default_model), self.data.problem(), self.init_scale)
        print(f"lr_critical        {pred.lr_critical:.6g}   2 / largest sharpness along gradient flow")
        print(f"lr_critical_final  {pred.lr_critical_final:.6g}   2 / sharpness at its endpoint")
        print(f"sharpness          {pred.flow.sharpness:.6g}   at the endpoint")
        print(f"beta_l1            {pred.flow.l1_norm:.6g}   at the endpoint")
        if pred.flow.test_risk is not None:
            print(f"test_risk          {pred.flow.test_risk:.6g}   at the endpoint")


@dataclass(frozen=True)
class Run:
    """One run of gradient descent; prints its outcome, and draws its trajectory with --plot."""

    lr: float
    """Learning rate."""
    data: Annotated[Data, tyro.conf.arg(name="")] = field(default_factory=Data)
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)
    model: str | None = None
    """power(L), difference(L), product(L) or custom(EXPRESSION)."""
    init_scale: float = 0.1
    """Initialization scale alpha."""
    plot: Path | None = None
    """Picture of the trajectory (.png, .pdf or .svg)."""
    record_every: int = 1
    """Steps between recorded points of the trajectory."""

    def __call__(self) -> None:
        from ..sims import Status, descend
        from ..theory import parse

        o = self.options
        run = descend(
            parse(self.model or self.data.default_model), self.data.problem(), self.lr, self.init_scale, None,
            o.max_steps, o.tol, o.hold, o.track_every, o.backend, self.record_every if self.plot else 0,
        )  # fmt: skip
        print(f"{'status':20} {Status(int(run.status)).name}")
        for name, variable in run.data_vars.items():
            if variable.ndim == 0 and name != "status":
                print(f"{name:20} {variable.item():.8g}   {variable.attrs['long_name']}")
        if self.plot:
            from . import save, trajectory

            print(f"written to {save(trajectory(run), self.plot)}", file=sys.stderr)


@dataclass(frozen=True)
class Sweep:
    """Runs over learning rates and initialization scales, stored; asked again, only what is missing runs."""

    store: Positional[Path]
    """Folder of the Zarr store to write or to resume."""
    lr: str = "0.01:1:16:log"
    """Learning rates: START:STOP:NUM:log (or :lin), or values such as 0.01,0.1."""
    init_scale: str = "0.01:1:16:log"
    """Initialization scales, written alike."""
    data: Annotated[Data, tyro.conf.arg(name="")] = field(default_factory=Data)
    options: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)
    model: str | None = None
    """power(L), difference(L), product(L) or custom(EXPRESSION)."""
    keep_vectors: bool = True
    """Store beta and theta of every run."""

    def __call__(self) -> None:
        import numpy as np

        from ..sims import Status, sweep
        from ..sims.grid import read_grid
        from ..theory import parse

        o = self.options
        ds = sweep(
            parse(self.model or self.data.default_model), self.data.problem(), read_grid(self.lr),
            read_grid(self.init_scale), o.max_steps, o.tol, o.hold, o.track_every, o.backend, o.threads,
            ("beta", "theta") if self.keep_vectors else (), self.store, progress=True,
        )  # fmt: skip
        for value, count in zip(*np.unique(ds.status.values, return_counts=True), strict=True):
            print(f"{count:8d} {Status(int(value)).name}")
        print(f"written to {self.store}", file=sys.stderr)


@dataclass(frozen=True)
class Plot:
    """Draw a stored sweep."""

    figure: Positional[str]
    """phase_diagram, norm_sharpness or contrast."""
    store: Positional[Path]
    """Folder that a sweep wrote."""
    out: Path | None = None
    """Picture to write (.png, .pdf or .svg); FIGURE.png unless given."""
    init_scale: float | None = None
    """Row that norm_sharpness and contrast draw."""
    deep: Path | None = None
    """Folder that gdbias deep wrote, for contrast."""

    def __call__(self) -> None:
        from ..sims.store import open_result
        from ..theory import InputError
        from . import contrast, norm_sharpness, phase_diagram, save
        from .stored_prediction import stored_prediction

        if self.figure not in ("phase_diagram", "norm_sharpness", "contrast"):
            raise InputError(f"unknown figure {self.figure!r}: use phase_diagram, norm_sharpness or contrast")
        ds = open_result(self.store)
        if self.figure == "contrast":
            if self.deep is None:
                raise InputError("contrast draws a diagonal sweep beside a deep one: name the other with --deep STORE")
            drawn = contrast(ds, open_result(self.deep), stored_prediction(ds), self.init_scale)
        else:
            drawn = phase_diagram(ds) if self.figure == "phase_diagram" else norm_sharpness(ds, None, self.init_scale)
        print(f"written to {save(drawn, self.out or Path(f'{self.figure}.png'))}", file=sys.stderr)


VERBS = {
    "quickstart": Quickstart, "derive": Derive, "predict": Predict, "run": Run, "sweep": Sweep, "plot": Plot,
    "deep": Deep,
}  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Run one verb; a user's error is one line on the error stream and exit code 2."""
    verb = tyro.extras.subcommand_cli_from_dict(
        VERBS,
        prog="gdbias",
        description="Which solution does gradient descent pick, and why?",
        args=arguments,
        config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
    )
    from ..theory.errors import GdbiasError

    try:
        verb()
    except GdbiasError as error:
        print(f"gdbias: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("gdbias: interrupted; finished chunks of a store are kept, the same command resumes", file=sys.stderr)
        sys.exit(130)
