"""How the explorer looks: sizes, colours, and the page around its parts."""

from typing import Any

from ..look import BLACK, BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION
from .bokeh_door import models

HEIGHT = 430  # pixels of the diagram
LOW = 210  # of a panel below
SLOTS = {"A": BLUE, "B": VERMILLION}  # the two cells that are compared
LINES = {  # predicted boundaries, and the dashes they are drawn with: pixels drawn, left out, drawn ...
    "lr_critical": [], "lr_critical_final": [8, 5], "lr_max": [2, 4, 9, 4], "lr_divergence": [2, 4],
}  # fmt: skip
NORM_COLORS = (BLUE, SKY, VERMILLION, ORANGE, GREEN)
FONT = "13px"
WRAPPED = {"flex-wrap": "wrap", "align-items": "end", "gap": "4px 14px"}  # a row that goes on below
PAGE = """{% extends base %}
{% from macros import embed %}
{% block js_resources %}
{% for line in bokeh_js.split("\n") if not (line.startswith("<script") and unused.search(line)) %}
{{ line }}
{% endfor %}
{% endblock %}
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 92rem; margin: 0 auto; padding: .6rem 1rem; color: #222; }
h1 { font-size: 1.1rem; margin: .2rem 0; overflow-wrap: anywhere; }
.grid { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: .4rem 1.2rem; align-items: start; }
@media (max-width: 900px) { .grid { grid-template-columns: minmax(0, 1fr); } body { padding: .3rem .5rem; } }
</style>
{% endblock %}
{% block contents %}
<h1>{{ title | e }}</h1>
{{ embed(roots["form part"]) }}
{{ embed(roots["choices part"]) }}
{{ embed(roots["note part"]) }}
<div class="grid">
<div>{{ embed(roots["diagram part"]) }}{{ embed(roots["told part"]) }}</div>
<div>{{ embed(roots["panels part"]) }}</div>
</div>
{% endblock %}
"""
TEXT = [  # of every piece of HTML, which stands in a shadow of its own
    """
:host { font: 14px/1.4 system-ui, sans-serif; width: 100%; }
.bk-clearfix { width: 100%; }
p { margin: .25rem 0; }
table { border-collapse: collapse; display: block; overflow-x: auto; max-width: 100%; }
td, th { text-align: right; padding: .05rem .5rem .05rem 0; font-weight: 400; white-space: nowrap; }
td:first-child { text-align: left; white-space: normal; }
th { color: #666; }
@media (max-width: 480px) { table { font-size: 12px; } td, th { padding-right: .25rem; } }
.key { display: flex; flex-wrap: wrap; gap: 0 .5rem; align-items: center; font-size: 12px; margin: 0 0 0 .5rem; }
.key i { width: 14px; height: 12px; border: 1px solid #999; }
.note { color: #8a4b00; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f5f5f5; padding: .5rem; font-size: 12px;
    margin: .2rem 0; }
"""
]


def dressed(figure: Any) -> Any:
    """The figure in the look of the house: thin grid lines, no logo, short texts."""
    figure.toolbar.logo = None
    figure.toolbar.autohide = True
    figure.grid.grid_line_color = "#eeeeee"
    figure.outline_line_color = GREY
    figure.axis.axis_label_text_font_style = "normal"
    figure.axis.axis_label_text_font_size = FONT
    figure.axis.axis_line_color = BLACK
    figure.title.text_font_style = "normal"
    figure.title.text_font_size = FONT
    figure.min_border_right = 12
    figure.axis.minor_tick_line_color = None
    figure.axis.major_label_policy = models.NoOverlap()
    return figure
