"""The verb ``gdbias reproduce``: the claims of the paper, held against runs."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ... import sims
from ...sims.deep.program_cache import keep_programs
from ...sims.store.place import check_file
from ...theory.errors import InputError
from .effect import flag
from .text_file import write_text

LISTED_NOT = ("markdown", "html", "pictures", "out")  # options of what --list does not do


@dataclass(frozen=True)
class Reproduce:
    """Make the runs of every claim of the paper, and tell whether it holds: holds, holds partly, does not hold here.

    What is expected of each, as numbers, is part of the claim; a verdict is computed from what was measured. Runs are
    kept, and the same command goes on where it was interrupted.
    """

    only: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A claim, such as REG-1, or a section, such as REG; may be given several times, in either case."""
    list: bool = False
    """Print ids, claims, what is expected, the commands and what they cost; make no run."""
    quick: bool = False
    """Digits and small networks, in minutes; otherwise MNIST, tiles of photographs and larger networks, for hours."""
    out: Path = Path("gdbias-reproduction")
    """Folder in which the results of the runs are kept, one small JSON file each, and the pictures made from them."""
    pictures: bool = True
    """Draw a picture of each claim beside its results."""
    json: bool = False
    """Print JSON instead of the table: of each claim id, claim, question, source, minutes of one core, commands,
    verdict, broke (why there are no runs) and findings: label, value, expected, holds."""
    markdown: bool = False
    """Print Markdown instead of the table."""
    html: Path | None = None
    """Report to write: one file with verdicts, numbers, commands and pictures."""

    def __call__(self) -> None:
        if self.list:
            for name in LISTED_NOT:
                if getattr(self, name) != getattr(Reproduce, name):
                    raise InputError(f"{flag(name, getattr(self, name))} has no effect on --list: it needs runs")
            return self._print_list()
        if self.json and self.markdown:
            raise InputError("--json and --markdown both print: choose one")
        if self.html is not None:
            if self.html.suffix not in (".html", ".htm"):
                raise InputError(
                    f"--html {self.html} does not end in .html, and might be a kept result: use {self.html}.html"
                )
            check_file(self.html)
        keep_programs()
        made = sims.reproduce(self.only or None, self.quick, self.out, tell=_say)
        from ..reproduction.table import markdown, print_table  # rich

        if self.json:
            print(made.to_json())
        elif self.markdown:
            print(markdown(made), end="")
        else:
            print_table(made)
        if self.pictures:
            self._draw(made)
        if self.html:
            from ..reproduction.page import html  # matplotlib

            write_text(self.html, html(made))

    def _draw(self, made: "sims.claims.Reproduction") -> None:
        from ..look import save  # matplotlib
        from ..reproduction.drawing import picture

        for id in made:
            results = made.results(id)
            if results:
                save(picture(results), made.folder / f"{id}.png")
        print(f"written to {made.folder}", file=sys.stderr)

    def _print_list(self) -> None:
        from ...sims.claims.registry import claims  # xarray
        from ...theory.statements.registry import select  # SymPy

        known = claims()
        chosen = [known[id] for id in select(known, self.only or None, "claim")]
        if self.json:
            print(json.dumps([claim.as_dict(self.quick) for claim in chosen], indent=1))
            return
        for claim in chosen:
            cost = claim.minutes(self.quick)
            print(f"{claim.id}  {claim.claim}" + ("" if cost is None else f"  [{cost:.1f} minutes]"))
            for expectation in claim.expectations:
                print(f"    {expectation.label}: {expectation.expected}")
            for runs in claim.runs(self.quick):
                print(f"    {runs.command}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
