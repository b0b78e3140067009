"""The report of ``bench latency``: curves and tables, from when datagrams were due and when they came."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from feedhandler.bench.latency import plot
from feedhandler.bench.latency.curves import Run, curves
from feedhandler.bench.latency.result import Measured, Result
from feedhandler.bench.latency.words import (
    COLUMNS,
    calibration_rows,
    notes,
    overhead_row,
    stage_rows,
    title_of,
)
from feedhandler.bench.report.section import Section, conditions, table

_RULES: Final = """\
A datagram is due at its time, whatever became of those before, and says so in its header: *corrected* counts
from then until Python has the batch, *uncorrected* from the kernel's stamp. What is between them, the sender
was late. A percentile stands where at least ten samples lie beyond it. [How it is measured, and how to read
it](latency.md)."""
_CALIBRATION: Final = ("stall", "percentile", "expected", "corrected", "uncorrected", "verdict")


def render(files: Sequence[tuple[str, bytes]]) -> Section:
    """Make the section of all results, whose curves are drawn over one another; tables are of the last."""
    runs = [Run(name, msgspec.json.decode(content, type=Result)) for name, content in files]
    result = runs[-1].result
    way = f"Received by `{result.way.backend}`, {result.way.mode}, {result.way.wait}."
    parts = [
        f"{conditions(result.machine, result.rounds, result.seconds, result.loop)} {way}",
        "![percentiles of latency](benchmarks/latency.png)",
        _RULES,
        *(part for step in result.steps for part in _step(step)),
        "### Calibration",
        "A stall of known length was injected, once into the sender and once into the callback:",
        table(_CALIBRATION, calibration_rows(result.calibration), words=2),
        _overhead(result),
    ]
    return Section("\n\n".join(parts), {"latency": plot.figure(curves(runs))})


def _step(step: Measured) -> Iterator[str]:
    yield f"### {title_of(step)}"
    yield table(COLUMNS, [[cell.strip() for cell in row] for row in stage_rows(step)])
    yield " ".join(f"{note[0].upper()}{note[1:]}." for note in notes(step))


def _overhead(result: Result) -> str:
    costs = [f"{name} {told}" for name, told in overhead_row(result.overhead).items()]
    return f"What measuring costs: {'; '.join(costs)}."
