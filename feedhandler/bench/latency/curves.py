"""Percentile curves of results, as both pictures draw them: several steps and runs over one another."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from feedhandler.bench.latency.result import CORRECTED, UNCORRECTED, Result
from feedhandler.bench.latency.tail import curve

COLORS: Final = ("#0b6e99", "#c8553d", "#5b8c5a", "#8d6cab", "#b08900", "#4a4e54", "#d16ba5", "#00838f")
TICKS: Final = {1.0: "0", 10.0: "90", 100.0: "99", 1e3: "99.9", 1e4: "99.99", 1e5: "99.999", 1e6: "99.9999"}
"""Along the axis of percentiles, in parts of ``1 / (1 - p)``."""
X_LABEL: Final = "percentile"
Y_LABEL: Final = "µs until Python has the batch"
TITLE: Final = "from when a datagram was due (solid), and from when it came (dashed)"


class Run(NamedTuple):
    """A result and its name."""

    name: str
    result: Result


class Curve(NamedTuple):
    """A curve: points are ``1 / (1 - p)`` and µs; `most_us` is the largest value, which has no percentile."""

    label: str
    points: tuple[tuple[float, float], ...]
    most_us: float
    color: str
    is_corrected: bool


def curves(runs: Sequence[Run]) -> tuple[Curve, ...]:
    """Return two curves for each step of each run that has samples enough: a color each, solid and dashed."""
    steps = [(run.name, step) for run in runs for step in run.result.steps]
    found = []
    for number, (name, step) in enumerate(steps):
        label = step.step.name if len(runs) == 1 else f"{name}: {step.step.name}"
        for stage in (CORRECTED, UNCORRECTED):
            points = tuple((x, ns / 1e3) for x, ns in curve(step.stages[stage].hdr))
            if points:
                most_us, color = (step.stages[stage].ns.max or 0) / 1e3, COLORS[number % len(COLORS)]
                found.append(Curve(label, points, most_us, color, stage == CORRECTED))
    return tuple(found)


def amount(value: float) -> str:
    """Return a power of ten as an axis shows it."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


class Span(NamedTuple):
    """From one end of an axis to the other."""

    low: float
    high: float


def spans(of: Iterable[Curve]) -> tuple[Span, Span]:
    """Return how far the axes reach: whole decades."""
    points = [point for each in of for point in each.points]
    most_x = max((x for x, _ in points), default=10.0)
    ys = [max(y, 0.1) for _, y in points] or [1.0, 10.0]
    low, high = (math.log10(end) for end in (min(ys), max(ys)))
    return Span(1.0, most_x * 1.3), Span(10.0 ** math.floor(low), 10.0 ** math.ceil(high))
