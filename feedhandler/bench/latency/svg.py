"""Percentile curves as SVG, drawn without anybody's help: for a page that needs no network and no library."""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from feedhandler.bench.latency.curves import TICKS, X_LABEL, Y_LABEL, Curve, Span, amount, spans

_WIDTH: Final = 1000
_HEIGHT: Final = 480
_LEFT: Final = 84
_RIGHT: Final = 16
_TOP: Final = 14
_BOTTOM: Final = 52


class _Axes(NamedTuple):
    x: Span
    y: Span

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point is drawn."""
        right = _part(x, self.x) * (_WIDTH - _LEFT - _RIGHT)
        up = _part(y, self.y) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + right, _HEIGHT - _BOTTOM - up


def figure(curves: Sequence[Curve]) -> str:
    """Return curves as an ``svg`` element; each is a group of the class ``curve-N``, N being its step."""
    axes = _Axes(*spans(curves))
    numbers = {label: number for number, label in enumerate(dict.fromkeys(each.label for each in curves))}
    drawn = (_curve(each, numbers[each.label], axes) for each in curves)
    inside = "\n".join([*_grid(axes), *drawn])
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="percentile curves"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n{inside}\n</svg>'


def _part(value: float, span: Span) -> float:
    low, high = math.log10(span.low), math.log10(span.high)
    return (math.log10(max(value, span.low)) - low) / (high - low)


def _grid(axes: _Axes) -> Iterator[str]:
    for tick, text in TICKS.items():
        if tick <= axes.x.high:
            x, bottom = axes.place(tick, axes.y.low)
            yield _line(x, _TOP, x, bottom)
            yield _text(x, bottom + 18, text, "middle")
    for exponent in range(round(math.log10(axes.y.low)), round(math.log10(axes.y.high)) + 1):
        left, y = axes.place(axes.x.low, 10.0**exponent)
        yield _line(left, y, _WIDTH - _RIGHT, y)
        yield _text(left - 8, y + 4, amount(10.0**exponent), "end")
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, X_LABEL, "middle")
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    yield f'<g transform="rotate(-90 16 {middle})">{_text(16, middle, Y_LABEL, "middle")}</g>'


def _curve(curve: Curve, number: int, axes: _Axes) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in _stairs(axes.place(*point) for point in curve.points))
    dash = "" if curve.is_corrected else ' stroke-dasharray="6 4"'
    title = (
        f"{curve.label}, {'corrected' if curve.is_corrected else 'uncorrected'}; max {curve.most_us:,.1f} µs"
    )
    return (
        f'<g class="curve-{number}"><title>{escape(title)}</title>'
        f'<polyline points="{places}" fill="none" stroke="{curve.color}" stroke-width="2"{dash}/></g>'
    )


def _stairs(places: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Add corners: a value holds until the next one is recorded."""
    last: tuple[float, float] | None = None
    for x, y in places:
        if last is not None:
            yield x, last[1]
        yield x, y
        last = x, y


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
