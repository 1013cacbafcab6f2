"""The verb ``gdbias verify``: hold the statements of the theory against runs."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ... import sims
from ...sims.store.place import check_file
from ...theory.errors import InputError
from .effect import flag
from .text_file import write_text

LISTED_NOT = ("quick", "seed", "workers", "markdown", "html", "csv")  # options of what --list does not do


@dataclass(frozen=True)
class Verify:
    """Check every statement of the theory against runs and independent computations; exit code 1 if one fails.

    Each statement is derived by SymPy, and checked on random problems. A verdict is computed from the errors: the
    largest for identities and theorems, the median for laws that were measured.
    """

    only: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A statement, such as GF-2, or a section, such as GF; may be given several times, in either case."""
    list: bool = False
    """Print ids, kinds and claims, and check nothing."""
    quick: bool = False
    """Fewer cases: about a minute."""
    seed: int = 0
    """Of the random problems."""
    workers: int | None = None
    """Processes, one a core unless given; results do not depend on it."""
    load: Path | None = None
    """Python file with more statements and checks."""
    json: bool = False
    """Print JSON instead of the table: seed, quick, versions, only, and statements, a list in the catalogue's order.
    Of each statement: id, claim, kind, verdict (holds, fails or unchecked), error (of the median for empirical laws,
    else the largest), tolerance with its reason, median, p90, max, n (cases that count), excluded ({reason: cases}),
    broke (errors of checks), unproved and proved_equal (by SymPy), source, conditions, families, depends, check
    (how), seconds, and cases: index, error, label, and points, pairs of predicted and measured. Numbers that are not
    finite are the texts "inf" and "nan". With --list: id, kind, claim, source and conditions only.
    """
    markdown: bool = False
    """Print Markdown instead of the table."""
    html: Path | None = None
    """Report to write: one file with formulas and plots."""
    csv: Path | None = None
    """Table to write."""

    def __call__(self) -> None:
        if self.list:
            for name in LISTED_NOT:
                if getattr(self, name) != getattr(Verify, name):
                    raise InputError(f"{flag(name, getattr(self, name))} has no effect on --list: it needs a check")
            return self._print_list()
        from ..verification import csv_text, markdown, print_table  # SymPy and Numba

        if self.json and self.markdown:
            raise InputError("--json and --markdown both print: choose one")
        for path in (self.html, self.csv):
            if path is not None:
                check_file(path)
        report = sims.verify(self.only or None, self.quick, self.seed, self.workers, self.load)
        if self.json:
            print(report.to_json())
        elif self.markdown:
            print(markdown(report), end="")
        else:
            print_table(report)
        if self.html:
            from ..verification_html import html  # matplotlib

            write_text(self.html, html(report))
        if self.csv:
            write_text(self.csv, csv_text(report))
        if report.failures:
            sys.stdout.flush()
            sys.exit(1)

    def _print_list(self) -> None:
        from ...theory.statements import select, statements  # SymPy

        if self.load is not None:
            from ...sims.checks.load import load_file  # SymPy

            load_file(self.load)
        known = statements()
        chosen = [known[id] for id in select(known, self.only or None)]
        if self.json:
            names = ("id", "kind", "claim", "source", "conditions")
            print(json.dumps([{name: str(getattr(s, name)) for name in names} for s in chosen], indent=1))
            return
        for s in chosen:
            print(f"{s.id:{max(len(s.id) for s in chosen)}}  {s.kind:9}  {s.claim}")
