"""The report of a verification: a table for the terminal, Markdown, and CSV."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..sims.checks import Report, Result, Verdict
from ..theory.statements import Kind

COLUMNS = ("id", "claim", "kind", "n", "error", "tolerance", "verdict")
COLOURS = {Verdict.HOLDS: "green", Verdict.FAILS: "bold red", Verdict.UNCHECKED: "yellow"}


def summary_line(report: Report) -> str:
    """How many statements hold, and which do not."""
    count = len(report) - len(report.failures)
    rest = f"; not: {', '.join(report.failures)}" if report.failures else ""
    return f"{count} of {len(report)} statements hold{rest}"


def error_text(result: Result) -> str:
    """The largest error, or median and 90th percentile of an empirical law."""
    if not len(result.errors):
        return "-"
    if result.statement.kind == Kind.EMPIRICAL:
        return f"{result.median:.2g} (p90 {result.p90:.2g})"
    return f"{result.worst:.1e}"


def print_table(report: Report) -> None:
    """The report as a table on the terminal, with what is to be known of the statements that do not hold."""
    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width of its own
        console = Console(width=140)
    table = Table(*COLUMNS[:3], box=None, header_style="bold", pad_edge=False)
    for name in COLUMNS[3:]:
        table.add_column(name, justify="right", no_wrap=True)
    table.columns[0].no_wrap = True
    for result in report.values():
        *row, verdict = _row(result)
        table.add_row(*map(escape, row), f"[{COLOURS[result.verdict]}]{verdict}[/]")
    console.print(table)
    for result in report.values():
        for line in notes(result):
            console.print(f"{result.statement.id}: {line}", markup=False, highlight=False, soft_wrap=True)
    console.print(summary_line(report), markup=False)


def notes(result: Result) -> list[str]:
    """Why a statement does not hold, and which cases were passed over."""
    lines = [f"not equal to what is derived: {pair}" for pair in result.unproved]
    lines += [f"case {c.index} broke: {c.broke}" for c in result.cases if c.broke]
    if result.verdict == Verdict.UNCHECKED:
        lines.append("no check: give it one with gdbias.sims.checks.registry" if not result.cases else "too few cases")
    lines += [f"{count} cases passed over: {reason}" for reason, count in result.excluded.items()]
    return lines


def markdown(report: Report) -> str:
    """The report as a Markdown table."""
    lines = [f"# Verification: {summary_line(report)}", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS)]
    lines += ["| " + " | ".join(cell.replace("|", r"\|") for cell in _row(r)) + " |" for r in report.values()]
    lines += ["", *(f"- {r.statement.id}: {line}" for r in report.values() for line in notes(r))]
    return "\n".join(lines).rstrip() + "\n"


def csv_text(report: Report) -> str:
    """The report as comma-separated values, errors in full precision."""
    return report.to_dataframe().to_csv(index=False, na_rep="nan", lineterminator="\n")


def _row(result: Result) -> tuple[str, ...]:
    s = result.statement
    return (s.id, s.claim, str(s.kind), str(len(result.errors)), error_text(result), f"{s.tolerance:.0e}",
            str(result.verdict))  # fmt: skip
