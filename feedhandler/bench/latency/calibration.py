"""Calibration: a stall of known length must show up where arithmetic says it does.

Datagrams come at a steady rate, and for `stall_s`, some times in `seconds`, the sender or the receiver's
callback does nothing. A datagram that is due when ``x`` of a stall is over waits for the rest of it, so that
the part ``f = stalls * stall_s / seconds`` of all have delays spread evenly from 0 to `stall_s`. Of all
datagrams the part ``1 - p`` then waits longer than ``stall_s * (1 - (1 - p) / f)``: the percentile that must
be found.

A measurement that hides stalls, as one with a closed loop does, finds the usual latency there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec
from hdrh.histogram import HdrHistogram
from msgspec.structs import replace

from feedhandler.bench.latency.load import Load, at_rate
from feedhandler.bench.sender import Stall

RATE: Final = 1_000.0
_WARM_UP_S: Final = 0.1
_TOLERANCE: Final = 0.25
"""Of the stall: by how much what is found may differ from what is expected."""
_JUDGED: Final = {"p90": 0.90, "p99": 0.99}
_BEFORE_S: Final = 0.1
"""From the beginning to the first stall."""

Who = Literal["sender", "callback"]
Verdict = Literal["shown", "hidden", "disturbed"]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A percentile: what it must be, and what it was from when datagrams were due and from when they came."""

    expected_ns: int
    corrected_ns: int
    uncorrected_ns: int


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """A stall that was injected, and whether it was found.

    Parameters
    ----------
    who
        Who did nothing: the sender, or the receiver's callback.
    stall_s, stalls, seconds
        For how long, how often, in how much time.
    points
        By percentile.
    verdict
        ``shown`` where every percentile is as expected; ``hidden`` where one is lower; ``disturbed`` where
        one is higher, as something else was in the way as well.
    """

    who: Who
    stall_s: float
    stalls: int
    seconds: float
    points: dict[str, Point]
    verdict: Verdict


Measure = Callable[[Load, Sequence[Stall]], Mapping[str, HdrHistogram]]
"""Sends a load once, the callback stalling, and returns the histograms by stage."""


def calibrate(
    measure: Measure,
    *,
    seconds: float,
    stalls_s: Sequence[float],
    closed_loop: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Calibration, ...]:
    """Inject stalls into the sender and into the callback, and see whether they are found.

    Parameters
    ----------
    measure
        What is calibrated.
    seconds
        How long each takes; there are two stalls in it.
    stalls_s
        Lengths of a stall, each tried.
    closed_loop
        Has the sender wait for itself: a fault that must be found.
    tell
        Is told what is under way.
    """
    found = []
    for stall_s in stalls_s:
        for who in ("sender", "callback"):
            tell(f"bench latency: calibration, {who} stalls for {stall_s * 1e3:g} ms")
            found.append(_calibrate(measure, who, stall_s, seconds, closed_loop=closed_loop))
    return tuple(found)


def expected_ns(quantile: float, stall_s: float, stalls: int, seconds: float) -> int:
    """Return what a percentile must be at least, where datagrams come evenly and stalls do not overlap."""
    part = stalls * stall_s / seconds
    return round(max(0.0, stall_s * (1 - (1 - quantile) / part)) * 1e9)


def verdict(points: dict[str, Point], stall_s: float) -> Verdict:
    """Return whether a stall shows up in the right percentiles."""
    off = [(point.corrected_ns - point.expected_ns) / (stall_s * 1e9) for point in points.values()]
    if min(off) < -_TOLERANCE:
        return "hidden"
    return "disturbed" if max(off) > _TOLERANCE else "shown"


def _calibrate(
    measure: Measure, who: Who, stall_s: float, seconds: float, *, closed_loop: bool
) -> Calibration:
    starts = (_BEFORE_S, (_BEFORE_S + seconds) / 2)
    stalls = tuple(Stall(at_s, stall_s) for at_s in starts)
    load = at_rate(RATE, seconds, _WARM_UP_S)
    options = replace(load.options, closed_loop=closed_loop, stalls=stalls if who == "sender" else ())
    histograms = measure(replace(load, options=options), stalls if who == "callback" else ())
    points = {
        name: Point(
            expected_ns=expected_ns(quantile, stall_s, len(stalls), seconds),
            corrected_ns=int(histograms["send"].get_value_at_percentile(100 * quantile)),
            uncorrected_ns=int(histograms["total"].get_value_at_percentile(100 * quantile)),
        )
        for name, quantile in _JUDGED.items()
    }
    return Calibration(
        who=who,
        stall_s=stall_s,
        stalls=len(stalls),
        seconds=seconds,
        points=points,
        verdict=verdict(points, stall_s),
    )
