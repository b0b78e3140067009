"""Histograms as a result keeps them: percentiles that enough samples know, and curves."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from hdrh.histogram import HdrHistogram

LOWEST_NS: Final = 1
HIGHEST_NS: Final = 60_000_000_000
DIGITS: Final = 3

BEYOND: Final = 10
"""Samples that must lie beyond a percentile: of fewer, one more or less would move it."""

_PARTS: Final = 100_000
PERCENTILES: Final[Mapping[str, int]] = {
    "p50": 50_000,
    "p90": 90_000,
    "p99": 99_000,
    "p99_9": 99_900,
    "p99_99": 99_990,
    "p99_999": 99_999,
}
"""The percentiles that are told, in parts of 100,000."""


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles of a span of time, in ns; None where fewer than `BEYOND` samples lie beyond one."""

    p50: int | None
    p90: int | None
    p99: int | None
    p99_9: int | None
    p99_99: int | None
    p99_999: int | None
    max: int | None
    count: int


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A span of time: its percentiles, and all of it as an HdrHistogram (base64 of the compressed form)."""

    ns: Tail
    histogram: str

    @property
    def hdr(self) -> HdrHistogram:
        """The histogram."""
        return HdrHistogram.decode(self.histogram)


def stage_of(histogram: HdrHistogram) -> Stage:
    """Return what a result keeps of a histogram."""
    return Stage(ns=tail_of(histogram), histogram=histogram.encode().decode())


def tail_of(histogram: HdrHistogram) -> Tail:
    """Return the percentiles that a histogram knows."""
    count = int(histogram.get_total_count())
    known = {name: _at(histogram, part, count) for name, part in PERCENTILES.items()}
    return Tail(**known, max=int(histogram.get_max_value()) if count else None, count=count)


def merged(histograms: Iterable[HdrHistogram]) -> HdrHistogram:
    """Return the sum of histograms."""
    total = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    for histogram in histograms:
        if histogram.get_total_count():
            total.add(histogram)
    return total


def curve(histogram: HdrHistogram) -> list[tuple[float, float]]:
    """Return points of a percentile curve: ``1 / (1 - p)`` and the value there in nanoseconds.

    It ends where fewer than `BEYOND` samples are left.
    """
    total = int(histogram.get_total_count())
    return list(_thinned(_points(histogram, total))) if total >= BEYOND else []


def _at(histogram: HdrHistogram, part: int, count: int) -> int | None:
    if count * (_PARTS - part) < BEYOND * _PARTS:
        return None
    return int(histogram.get_value_at_percentile(part * 100 / _PARTS))


def _points(histogram: HdrHistogram, total: int) -> Iterator[tuple[float, float]]:
    below, value = 0, 0.0
    for step in histogram.get_recorded_iterator():
        left = total - below
        if left < BEYOND:
            break
        value = float(step.value_iterated_to)
        yield total / left, value
        below = int(step.total_count_to_this_value)
    yield total / BEYOND, value


def _thinned(points: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Leave out points that nobody could see apart: closer than a hundredth along both logarithmic axes."""
    last: tuple[float, float] | None = None
    skipped: tuple[float, float] | None = None
    for point in points:
        if last is not None and point[0] < last[0] * 1.01 and point[1] < last[1] * 1.01:
            skipped = point
            continue
        yield point
        last, skipped = point, None
    if skipped is not None and skipped != last:
        yield skipped
