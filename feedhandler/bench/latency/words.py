"""A result in words and rows, as the terminal and the page show it."""

from collections.abc import Iterable, Iterator
from typing import Final

from feedhandler.bench.latency.calibration import Calibration
from feedhandler.bench.latency.overhead import Overhead
from feedhandler.bench.latency.result import CORRECTED, LATE, UNCORRECTED, Measured, Result
from feedhandler.bench.latency.tail import PERCENTILES, Tail

COLUMNS: Final = ("µs", "p50", "p90", "p99", "p99.9", "p99.99", "p99.999", "max", "count")
UNKNOWN: Final = "-"
"""What stands where too few samples know a percentile."""

_STAGES: Final = {
    CORRECTED: "corrected: due → Python",
    UNCORRECTED: "uncorrected: kernel → Python",
    "wire": "  wire",
    "decode": "  decode",
    "batch": "  batch",
    "gil": "GIL (batches)",
    "processor": "callback (batches)",
    LATE: "sender's lateness",
}
_LATE_PART: Final = 0.5
"""Of the corrected percentile: a sender that is later than this is most of what was measured."""


def conditions(result: Result) -> dict[str, str]:
    """Return where and how it was measured."""
    machine, way = result.machine, result.way
    return {
        "processor": f"{machine.cpu}, {machine.core_ghz} GHz, governor {machine.governor or 'not known'}",
        "load": f"{machine.load} on {machine.cores} cores",
        "versions": f"Linux {machine.kernel}, Python {machine.python}, {machine.build_profile} build",
        "loop": result.loop,
        "received by": f"{way.backend}, {way.mode}, {way.wait}; sender and receiver on a processor each",
        "rounds": f"{result.rounds}, in turns",
        **({"not granted": "; ".join(result.warnings)} if result.warnings else {}),
    }


def title_of(step: Measured) -> str:
    """Return what a step was."""
    load = step.step
    if load.timing is not None:
        what = f"the timing of {load.timing} at {load.speed:g} times its speed"
        return f"{what}: {load.rate:,.0f} datagrams/s of {load.bytes} bytes on average; their content is ours"
    burst = f" in bursts of {load.burst:,}" if load.burst > 1 else ""
    return f"{load.rate:,.0f} datagrams/s of {load.bytes} bytes{burst}"


def stage_rows(step: Measured) -> list[tuple[str, ...]]:
    """Return a row for each stage, in µs."""
    found = {stage: step.stages[stage].ns for stage in _STAGES if stage in step.stages}
    return [(_STAGES[stage], *_cells(tail), f"{tail.count:,}") for stage, tail in found.items()]


def notes(step: Measured) -> Iterator[str]:
    """Say what a reader of a step's figures must know."""
    sent = sum(each.sent for each in step.rounds)
    lost, never = sum(each.lost for each in step.rounds), sum(each.never_sent for each in step.rounds)
    yield f"{sent:,} datagrams sent, {lost:,} lost" + (": latencies are of the others" if lost else "")
    if never:
        yield f"{never:,} datagrams were never sent: the sender could not keep its schedule"
    if uncounted := sum(each.uncounted for each in step.rounds):
        yield f"{uncounted:,} datagrams came with the end of the warm-up and are in no latency"
    yield from _lateness(step)


def calibration_rows(found: Iterable[Calibration]) -> list[tuple[str, ...]]:
    """Return a row for each percentile that was judged, in ms."""
    return [row for each in found for row in _calibration(each)]


def overhead_row(overhead: Overhead) -> dict[str, str]:
    """Return what measuring costs."""
    return {
        "clock": f"{overhead.clock_ns:g} ns a look: one for 64 datagrams, two for a batch",
        "recording": f"{overhead.record_ns:g} ns for all spans of a datagram that comes by itself",
        "empty loop": f"{overhead.empty_loop_ns:g} ns a turn, in both of these",
        "empty poll": f"{overhead.empty_poll_ns:g} ns from Python to the socket and back",
    }


def _cells(tail: Tail) -> Iterator[str]:
    for name in (*PERCENTILES, "max"):
        value: int | None = getattr(tail, name)
        yield UNKNOWN if value is None else f"{value / 1e3:,.1f}"


def _lateness(step: Measured) -> Iterator[str]:
    late, corrected = step.stages[LATE].ns, step.stages[CORRECTED].ns
    known = [name for name in PERCENTILES if getattr(late, name) and getattr(corrected, name)]
    own = [name for name in known if getattr(late, name) > _LATE_PART * getattr(corrected, name)]
    if own:
        names = ", ".join(name.replace("_", ".") for name in own)
        yield f"at {names} more than half of the corrected figure is the sender's own lateness"


def _calibration(found: Calibration) -> Iterator[tuple[str, ...]]:
    for name, point in found.points.items():
        values = (point.expected_ns, point.corrected_ns, point.uncorrected_ns)
        stall = (
            f"{found.who} stalls for {found.stall_s * 1e3:g} ms {found.stalls} times in {found.seconds:g} s"
        )
        yield (stall, name, *(f"{value / 1e6:,.1f} ms" for value in values), found.verdict)
