"""The report of a verification as one HTML file that needs nothing else: formulas as MathML, plots as SVG."""

import base64
from collections.abc import Iterator
from html import escape

import matplotlib.figure
import numpy as np
import sympy as sp
from sympy.printing.mathml import mathml

from ..sims.checks import Report, Result
from ..theory.statements import Formula, Formulas
from .look import BLUE, GREY, Figure, _render, styled
from .verification import error_text, notes, summary_line

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>gdbias verification</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
section {{ border-top: 1px solid #ccc; padding: .8rem 0; display: grid; grid-template-columns: 1fr 12rem; gap: 1rem; }}
h2 {{ font-size: 1rem; margin: 0; }} p {{ margin: .3rem 0; }} math {{ display: block; margin: .4rem 0; }}
.holds {{ color: #00704f; }} .fails {{ color: #b00020; }} .unchecked {{ color: #8a6d00; }}
.small {{ color: #555; font-size: .85rem; }} img {{ width: 12rem; }} div {{ overflow-x: auto; }}
</style></head><body>
<h1>{title}</h1>
<p class="small">{how}</p>
{sections}
</body></html>
"""


def html(report: Report) -> str:
    """The whole report: for each statement its claim, formulas, errors, and prediction against measurement."""
    how = "; ".join(f"{name}: {value}" for name, value in report.attrs.items() if value not in (None, {}))
    sections = "\n".join(_section(result) for result in report.values())
    return _PAGE.format(title=escape(summary_line(report)), how=escape(how), sections=sections)


def _section(result: Result) -> str:
    s = result.statement
    about = [s.conditions and f"Conditions: {s.conditions}.", s.families and f"Covers {', '.join(s.families)}.",
             f"Source: {s.source}.", s.depends and f"Uses {', '.join(s.depends)}.",
             s.reason and f"Tolerance: {s.reason}.", result.how and f"Check: {result.how}"]  # fmt: skip
    lines = [
        f'<h2 id="{escape(s.id)}">{escape(s.id)} <span class="{result.verdict}">{result.verdict}</span></h2>',
        f"<p>{escape(s.claim)}</p>",
        *_formulas(result),
        f"<p>{s.kind}, {len(result.errors)} cases, error {escape(error_text(result))}, tolerance {s.tolerance:g}</p>",
        f'<p class="small">{escape(" ".join(part for part in about if part))}</p>',
        *(f'<p class="small">{escape(line)}</p>' for line in notes(result)),
    ]
    return f"<section><div>{''.join(lines)}</div>{_picture(result)}</section>"


def _formulas(result: Result) -> Iterator[str]:
    try:
        formulas = list(Formulas(result.statement.id, result.statement.formulas()))
    except Exception as error:
        yield f'<p class="fails">{escape(f"{type(error).__name__}: {error}")}</p>'
        return
    for formula in formulas:
        yield f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">{_mathml(formula)}</math>'


def _mathml(formula: Formula) -> str:
    expression = formula.expression.xreplace(
        {s: sp.Symbol("eta", **s.assumptions0) for s in formula.expression.free_symbols if s.name == "lr"}
    )
    left = mathml(sp.Symbol(formula.name), printer="presentation")
    return f"<mrow>{left}<mo>=</mo>{mathml(expression, printer='presentation')}</mrow>"


def _picture(result: Result) -> str:
    points = np.array([p for c in result.cases for p in c.points], dtype=float).reshape(-1, 2)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return ""
    code = base64.b64encode(_render(_plot(points), "svg")).decode()
    text = f"measured against predicted, {len(points)} points"
    return f'<img alt="{text}" src="data:image/svg+xml;base64,{code}">'


@styled
def _plot(points: np.ndarray) -> matplotlib.figure.Figure:
    figure = Figure(figsize=(1.9, 1.7))
    axes = figure.subplots()
    low, high = points.min(), points.max()
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.6, zorder=1)
    axes.plot(points[:, 0], points[:, 1], ".", color=BLUE, markersize=3)
    positive = points.min() > 0 and high > 100 * low
    axes.set(xlabel="predicted", ylabel="measured", **(dict(xscale="log", yscale="log") if positive else {}))
    if not positive:
        axes.locator_params(nbins=4)
    return figure
