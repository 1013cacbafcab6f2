"""A reproduction in words: a table for the terminal, and Markdown."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...sims.claims import Claim, Finding, Judgement, Reproduction, Verdict

COLUMNS = ("id", "claim", "verdict", "found (expected)", "minutes")
COLOURS = {Verdict.HOLDS: "green", Verdict.PARTLY: "yellow", Verdict.FAILS: "bold red", Verdict.UNDECIDED: "yellow"}


def summary_line(reproduction: Reproduction) -> str:
    """How many claims have which verdict."""
    verdicts = [judgement.verdict for judgement in reproduction.values()]
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
    return f"{len(verdicts)} claims: {', '.join(counts)}"


def found(finding: Finding) -> str:
    """What was measured beside what is expected; a cross where it is not so."""
    if finding.value != finding.value:
        return f"{finding.label}: not known ({finding.expected})"
    return f"{finding.label}: {finding.value:.3g} ({finding.expected}{'' if finding.holds else '; not so'})"


def answer(judgement: Judgement) -> list[str]:
    """The findings of a claim, or why there are none."""
    return [judgement.broke] if judgement.broke else [found(finding) for finding in judgement.findings]


def print_table(reproduction: Reproduction) -> None:
    """The judgements as a table on the terminal, then the reviewers' questions with their answers."""
    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width of its own
        console = Console(width=160)
    table = Table(*COLUMNS[:2], box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    for name in COLUMNS[2:]:
        table.add_column(name, justify="right" if name == "minutes" else "left")
    for id, judgement in reproduction.items():
        verdict = f"[{COLOURS[judgement.verdict]}]{judgement.verdict}[/]"
        told = escape("\n".join(answer(judgement)))
        table.add_row(id, escape(judgement.claim.claim), verdict, told, f"{judgement.seconds / 60:.1f}")
    console.print(table)
    for line in questions(reproduction):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(summary_line(reproduction), markup=False)


def command(claim: Claim, quick: bool) -> str:
    """What makes the runs of one claim, and judges it."""
    return f"gdbias reproduce --only {claim.id}{' --quick' if quick else ''}"


def questions(reproduction: Reproduction) -> list[str]:
    """A line for each question: what was asked, the command, the answer found."""
    asked = [judgement for judgement in reproduction.values() if judgement.claim.question]
    return [
        f"{one.claim.question} {command(one.claim, reproduction.quick)}: {one.claim.claim[:-1]}: {one.verdict}"
        for one in asked
    ]


def markdown(reproduction: Reproduction) -> str:
    """The same as Markdown."""
    lines = [f"# Reproduction: {summary_line(reproduction)}", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS)]
    for id, one in reproduction.items():
        cells = (id, one.claim.claim, str(one.verdict), "; ".join(answer(one)), f"{one.seconds / 60:.1f}")
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    asked = questions(reproduction)
    return (
        "\n".join([*lines, *(["", "Questions of reviewers:", ""] + [f"- {q}" for q in asked] if asked else [])]) + "\n"
    )
