"""Ten thousand random histories of two and three lines: delivered, told and counted is what the oracle says.

Each history is a channel of a capture, one behind the other in time.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from histories import GRACE_NS, History, histories
from numbered import PROTOCOL, number, packet
from oracle_arbitrate import FIRST_SEQUENCE, Arbiter, Event, Packet

import feedhandler as fh
from replay import Datagram, write_pcap

START_NS = 1_700_000_000 * 10**9
APART_NS = 100_000
"""Time from one history to the next: longer than any lasts, and than the grace time behind it."""
CAPTURES, CHANNELS = 40, 250
PORT = 5_000
HEADER_BYTES = 8


def destination(channel: int, line: int) -> str:
    return f"239.{line}.{channel // 250}.{channel % 250}"


def write(path: Path, played: Sequence[History]) -> dict[str, list[str]]:
    """Write histories to a capture, and return its channels."""
    write_pcap(
        path,
        (
            Datagram(
                START_NS + channel * APART_NS + arrival.ts_ns,
                (destination(channel, arrival.line), PORT),
                wire(arrival.packet),
            )
            for channel, history in enumerate(played)
            for arrival in history.arrivals
        ),
    )
    return {
        str(channel): [f"{destination(channel, line)}:{PORT}" for line in range(history.lines)]
        for channel, history in enumerate(played)
    }


def wire(sent: Packet) -> bytes:
    """Return a packet's bytes: what it really carries, behind its header."""
    first, end, units = sent.first, sent.end, sent.end - sent.first
    header = packet(sent.session, first, end, is_end_of_session=sent.is_end_of_session)[:HEADER_BYTES]
    return header + packet(sent.session, sent.carried, sent.carried + units)[HEADER_BYTES:]


def oracle(history: History, *, is_last: bool = False) -> Arbiter:
    arbiter = Arbiter(history.lines, GRACE_NS)
    for arrival in history.arrivals:
        arbiter.on(arrival)
    if not is_last:
        arbiter.until(APART_NS)
    arbiter.finish()
    return arbiter


class Found:
    """What a reader delivered and told, by channel."""

    def __init__(self, reader: fh.Reader, channels: int) -> None:
        self.units: list[list[int]] = [[] for _ in range(channels)]
        self.numbers: list[list[int]] = [[] for _ in range(channels)]
        self.events: list[list[Event]] = [[] for _ in range(channels)]
        for batch in reader:
            self.take(batch)
        self.ledger = reader.report().ledger

    def take(self, batch: fh.Batch) -> None:
        rows = batch.get("number")
        of = np.empty(0, np.uint16) if rows is None else rows["channel"]
        before = [len(units) for units in self.units]
        if rows is not None:
            for channel, seq, found in zip(
                of.tolist(), rows["seq"].tolist(), rows["number"].tolist(), strict=True
            ):
                self.units[channel].append(seq)
                self.numbers[channel].append(found)
        for event in batch.events:
            channel = int(event["channel"])
            at = before[channel] + int(np.count_nonzero(of[: event["position"]] == channel))
            self.events[channel].append(told(event, at))


def told(event: Any, at: int) -> Event:
    kind = fh.EventKind(event["kind"]).name.lower()
    line = None if event["line"] == np.iinfo(np.uint16).max else int(event["line"])
    first, last = int(event["first"]), int(event["last"])
    causes = (fh.Cause.LINE, fh.Cause.MALFORMED) if kind == "gap" else (fh.Cause.NONE,)
    assert fh.Cause(event["cause"]) in causes
    return kind, line, first, last, int(event["count"]), at


def fates(channel: Any) -> Iterator[Mapping[str, int]]:
    """Yield a channel's counters, then those of each line."""
    units = channel.units
    names = ("seen", "delivered", "recovered", "duplicate", "late", "stale", "lost_line", "lost_malformed")
    yield {"expected": channel.expected, "lost": units.lost} | {name: getattr(units, name) for name in names}
    for line in channel.lines:
        of_datagrams = ("accepted", "duplicate", "stale", "malformed", "heartbeats", "ends_of_session")
        of_units = ("won", "brought", "missed", "lost", "behind", "saved")
        yield {name: getattr(line, name) for name in of_datagrams} | {
            f"units_{name}": getattr(line.units, name) for name in of_units
        }


def expected_fates(arbiter: Arbiter) -> Iterator[Mapping[str, int]]:
    units = arbiter.units
    names = ("delivered", "recovered", "duplicate", "late", "stale", "lost_line", "lost_malformed")
    totals = {name: units[name] for name in names}
    yield totals | {
        "expected": arbiter.expected,
        "lost": units["lost_line"] + units["lost_malformed"],
        "seen": units["seen"] + units["stale"],
    }
    for line in arbiter.lines:
        of_datagrams = ("accepted", "duplicate", "stale", "malformed", "heartbeats", "ends_of_session")
        of_units = ("won", "brought", "missed", "lost", "behind", "saved")
        yield {name: line.fates[name] for name in of_datagrams} | {
            f"units_{name}": line.units[name] for name in of_units
        }


def assert_properties(history: History, units: Sequence[int], events: Sequence[Event]) -> None:
    """Nothing twice, nothing out of order, nothing lost that a line carried in time."""
    starts = [at for kind, *_, at in events if kind == "session_start"]
    for start, end in zip(starts, [*starts[1:], len(units)], strict=True):
        assert all(
            left < right for left, right in zip(units[start:end], units[start + 1 : end], strict=False)
        )
    if len(starts) > 1:
        return
    for _, _, first, last, *_ in (event for event in events if event[0] == "gap"):
        for unit in range(first, last + 1):
            copies = [arrival.ts_ns for arrival in history.arrivals if has(arrival.packet, unit)]
            known_ns = min(arrival.ts_ns for arrival in history.arrivals if arrival.packet.end > unit)
            assert all(ts_ns >= known_ns + GRACE_NS for ts_ns in copies), (unit, copies, known_ns)


def has(packet: Packet, unit: int) -> bool:
    return packet.first <= unit < packet.end


@pytest.mark.parametrize("seed", range(CAPTURES))
def test_histories_come_out_as_the_oracle_says(seed: int, tmp_path: Path) -> None:
    played = list(histories(seed, CHANNELS))
    channels = write(tmp_path / "histories.pcap", played)

    found = Found(fh.read(tmp_path / "histories.pcap", PROTOCOL, channels=channels, grace_us=1), CHANNELS)

    assert (found.ledger.mismatches, found.ledger.is_balanced) == (0, True)
    for channel, history in enumerate(played):
        arbiter = oracle(history, is_last=channel == CHANNELS - 1)
        context = (seed, channel, history.name)
        assert found.units[channel] == [unit for _, unit, _ in arbiter.delivered], context
        assert found.numbers[channel] == [number(unit) for *_, unit in arbiter.delivered], context
        assert found.events[channel] == arbiter.events, context
        assert list(fates(found.ledger.channels[channel])) == list(expected_fates(arbiter)), context
        if history.name != "damaged":
            assert_properties(history, found.units[channel], found.events[channel])


def test_the_histories_hold_what_they_are_to_show() -> None:
    """Every kind of trouble comes, and often enough."""
    arbiters = [oracle(history) for history in histories(0, CHANNELS)]
    kinds = [kind for arbiter in arbiters for kind, *_ in arbiter.events]
    for kind in ("gap", "recovered", "session_start", "session_end", "stale_session"):
        assert kinds.count(kind) > 20, kind
    for fate in ("late", "duplicate", "stale", "recovered", "lost_line"):
        assert sum(arbiter.units[fate] > 0 for arbiter in arbiters) > 20, fate
    assert any(unit >= 1 << 32 for arbiter in arbiters for _, unit, _ in arbiter.delivered)
    assert any(
        unit == FIRST_SEQUENCE and generation > 1 for a in arbiters for generation, unit, _ in a.delivered
    )
