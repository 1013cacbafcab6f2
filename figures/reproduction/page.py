"""A reproduction as one HTML file that needs nothing else: each claim with its verdict, numbers, commands, picture."""

import base64
from html import escape

from ...sims.claims import Judgement, Reproduction, Verdict
from ..look import _render
from .drawing import picture
from .table import answer, command, questions, summary_line

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>gdbias reproduction</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }}
section {{ border-top: 1px solid #ccc; padding: .8rem 0; display: grid; grid-template-columns: 1fr 20rem; gap: 1rem; }}
h2 {{ font-size: 1rem; margin: 0; }} p {{ margin: .3rem 0; }}
.good {{ color: #00704f; }} .bad {{ color: #b00020; }} .mixed {{ color: #8a6d00; }}
.small {{ color: #555; font-size: .85rem; }} img {{ width: 20rem; }}
code {{ font-size: .8rem; overflow-wrap: anywhere; }}
</style></head><body>
<h1>{title}</h1>
{sections}
<h2>Questions of reviewers</h2>
<ul>{asked}</ul>
</body></html>
"""
_CLASSES = {Verdict.HOLDS: "good", Verdict.FAILS: "bad", Verdict.PARTLY: "mixed", Verdict.UNDECIDED: "mixed"}


def html(reproduction: Reproduction) -> str:
    """The whole page."""
    return _PAGE.format(
        title=escape(summary_line(reproduction)),
        sections="\n".join(_section(reproduction, id) for id in reproduction),
        asked="".join(f"<li>{escape(line)}</li>" for line in questions(reproduction)),
    )


def _section(reproduction: Reproduction, id: str) -> str:
    one: Judgement = reproduction[id]
    lines = [
        f'<h2 id="{id}">{id} <span class="{_CLASSES[one.verdict]}">{one.verdict}</span></h2>',
        f"<p>{escape(one.claim.claim)}</p>",
        *(f"<p>{escape(line)}</p>" for line in answer(one)),
        f'<p class="small">Source: {one.claim.source}. {one.seconds / 60:.1f} minutes of one core.</p>',
        f"<p><code>{escape(command(one.claim, reproduction.quick))}</code></p>",
        *(f"<p><code>{escape(runs.command)}</code></p>" for runs in one.claim.runs(reproduction.quick)),
    ]
    results = reproduction.results(id)
    code = base64.b64encode(_render(picture(results), "svg")).decode() if results else ""
    image = f'<img alt="runs of {id}" src="data:image/svg+xml;base64,{code}">' if code else ""
    return f"<section><div>{''.join(lines)}</div>{image}</section>"
