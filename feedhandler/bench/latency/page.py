"""A result as a page of its own: curves, tables and conditions in one HTML file that needs no other."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from feedhandler.bench.latency.curves import TITLE, Curve
from feedhandler.bench.latency.result import Measured, Result
from feedhandler.bench.latency.svg import figure
from feedhandler.bench.latency.words import (
    COLUMNS,
    calibration_rows,
    conditions,
    notes,
    overhead_row,
    stage_rows,
    title_of,
)

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #22262a }
body { max-width: 1040px; margin: 2em auto; padding: 0 1em }
svg { width: 100%; height: auto } svg text { font: 13px system-ui, sans-serif; fill: #4a4e54 }
.grid { stroke: #dde1e4; stroke-width: 1 }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .3em 1.4em; padding: 0 }
.legend label { cursor: pointer }
.legend i { display: inline-block; width: 1.6em; height: .35em; margin-right: .4em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .4em 0 1.6em }
th, td { padding: .15em .8em; text-align: right; border-bottom: 1px solid #e6e9eb } th { font-weight: 600 }
th:first-child, td:first-child { text-align: left; white-space: pre }
dt { font-weight: 600; float: left; clear: left; width: 9em }
dd { margin: 0 0 .2em 9.5em } .note { color: #8a4b14 }
"""
_SCRIPT: Final = """
for (const box of document.querySelectorAll('.legend input'))
  box.onchange = () => document.querySelectorAll('.curve-' + box.value)
    .forEach(group => group.style.display = box.checked ? '' : 'none');
"""


def page(result: Result, curves: Sequence[Curve]) -> str:
    """Return the page of a result.

    Parameters
    ----------
    result
        What was measured.
    curves
        What is drawn: its own curves, and those of others.
    """
    parts = [
        "<h1>Latency, open loop</h1>",
        f"<p>{escape(TITLE[0].upper() + TITLE[1:])}. A curve ends where fewer than ten samples are left.</p>",
        figure(curves),
        _legend(curves),
        _facts(conditions(result)),
        *(_step(step) for step in result.steps),
        "<h2>Calibration</h2>",
        _table(
            ("stall", "percentile", "expected", "corrected", "uncorrected", ""),
            calibration_rows(result.calibration),
        ),
        "<h2>Overhead</h2>",
        _facts(overhead_row(result.overhead)),
    ]
    head = f'<meta charset="utf-8"><title>Latency, open loop</title><style>{_STYLE}</style>'
    body = "\n".join([*parts, f"<script>{_SCRIPT}</script>"])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _legend(curves: Iterable[Curve]) -> str:
    colors = {curve.label: curve.color for curve in curves}
    items = [
        f'<li><label><input type="checkbox" checked value="{number}"> '
        f'<i style="background:{color}"></i>{escape(label)}</label></li>'
        for number, (label, color) in enumerate(colors.items())
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _step(step: Measured) -> str:
    told = "".join(f'<p class="note">{escape(note)}</p>' for note in notes(step))
    return f"<h2>{escape(title_of(step))}</h2>{_table(COLUMNS, stage_rows(step))}{told}"


def _facts(facts: dict[str, str]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f"<dl>{rows}</dl>"


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{row(columns, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"
