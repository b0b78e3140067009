"""A recorded NYSE XDP imbalances feed: sessions, counts, every field against another decoder, and faults."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import delivered
import pytest
from captures import capture, payloads
from delivered import LEADING_COLUMNS, Row
from test_real_captures import assert_clean, by_type, child, leaves

import feedhandler as fh
from feedhandler.protocol import Field, Kind
from replay import Datagram, write_pcap

IMBALANCES = "nyse/Nyse.ImbalancesFeed.v2.1.f.Example"
MESSAGES = 11_819
LINES = (("233.125.89.36", 11_106), ("233.125.89.164", 11_106))
START_NS = 1_506_696_094 * 10**9
RESET = b"\x1e\x00\x0c"
"""Packet size and delivery flag of the reset that begins the capture."""


def events(batches: Iterable[fh.Batch]) -> list[tuple[fh.EventKind, int, int]]:
    return [
        (fh.EventKind(event["kind"]), int(event["first"]), int(event["last"]))
        for batch in batches
        for event in batch.events
    ]


def test_a_day_begins_with_a_reset_which_is_a_session_and_no_gap() -> None:
    reader = fh.read(capture(f"{IMBALANCES}.pcap"), "nyse-xdp")

    assert events(reader) == [(fh.EventKind.SESSION_START, 1, 1)]
    report = reader.report()
    assert_clean(report)
    assert (report.packets, report.datagrams, report.messages) == (MESSAGES, MESSAGES, MESSAGES)
    assert by_type(report) == {"105": 10_695, "34": 902, "3": 221, "1": 1}
    (session,) = report.sessions
    assert (session.id, session.first, session.last) == (None, 1, MESSAGES)


def test_every_field_equals_another_decoders() -> None:
    protocol = fh.protocol("nyse-xdp")
    expected = expected_rows(protocol)

    found = delivered.read(capture(f"{IMBALANCES}.pcap"), protocol)

    assert {
        name: [as_shown(protocol, name, row) for row in found.rows(name)] for name in found.tables
    } == expected
    assert sum(map(len, expected.values())) == MESSAGES


def expected_rows(protocol: fh.Protocol) -> dict[str, list[Row]]:
    """Return the rows of each table as the other decoder's file tells them."""
    names = {code: message for message in protocol.messages.values() for code in message.codes}
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    lines = gzip.decompress(capture(f"{IMBALANCES}.expected.jsonl.gz").read_bytes()).splitlines()
    for line in lines:
        frame = json.loads(line)
        seconds, nanoseconds = frame["t"].split(".")
        header = dict(leaves(child(frame["tree"], "packetheader_tree")))
        assert header["messagecount"] == "1"
        shown = dict(leaves(child(frame["tree"], "message_tree")))
        message = names[shown["messagetype"]]
        optional = [field for field in message.fields.values() if field.optional]
        absent = {field.name.replace("_", "") for field in optional} - shown.keys()
        values = (
            _absent(field) if field.name.replace("_", "") in absent else as_column(field, shown)
            for field in message.fields.values()
        )
        leading = (int(header["sequencenumber"]), int(seconds + nanoseconds), 0)
        rows[message.name].append((*leading, *values))
    return dict(rows)


def as_shown(protocol: fh.Protocol, name: str, row: Row) -> Row:
    """Return a row as the other decoder shows it, with the head of the hexadecimal text for bytes."""
    fields = protocol.messages[name].fields.values()
    shown = (
        value.hex(" ").encode()[: field.width] if field.kind is Kind.BYTES else value
        for field, value in zip(fields, row[LEADING_COLUMNS:], strict=True)
    )
    return (*row[:LEADING_COLUMNS], *shown)


def as_column(field: Field, shown: dict[str, str]) -> int | bytes:
    """Return the value of a column that stands for what the other decoder shows."""
    text = shown[field.name.replace("_", "")]
    if field.kind is Kind.BYTES:
        return bytes.fromhex(text.replace(":", ""))
    return text.encode() if field.kind in {Kind.ASCII, Kind.CHAR} else int(text)


def _absent(field: Field) -> int | bytes:
    return b"" if field.kind is Kind.CHAR else 0


@cache
def packets() -> tuple[bytes, ...]:
    return tuple(payloads(capture(f"{IMBALANCES}.pcap")))


def renewed(packet: bytes, second: int) -> bytes:
    """Return the reset as another one, whose message was made at another second."""
    return packet[:20] + second.to_bytes(4, "little") + packet[24:]


def day(second: int, *, lost: Sequence[int] = ()) -> Iterator[bytes]:
    """Yield the packets of a day, without those at some places."""
    for n, packet in enumerate(packets()):
        if n not in lost:
            yield renewed(packet, second) if packet.startswith(RESET) else packet


def read_lines(file: Path, *lines: Iterable[bytes]) -> tuple[fh.Report, list[tuple[fh.EventKind, int, int]]]:
    """Read the packets of several lines of one channel, packet by packet in turn."""
    turns: list[Any] = [list(line) for line in lines]
    longest = max(map(len, turns))
    datagrams = (
        Datagram(START_NS + 1_000 * n + line, LINES[line], turns[line][n])
        for n in range(longest)
        for line in range(len(turns))
        if n < len(turns[line])
    )
    write_pcap(file, datagrams)
    channel = [f"{address}:{port}" for address, port in LINES[: len(lines)]]
    reader = fh.read(file, "nyse-xdp", channels={"imbalances": channel})
    found = events(reader)
    return reader.report(), found


def kinds(found: Iterable[tuple[fh.EventKind, int, int]], kind: fh.EventKind) -> list[tuple[int, int]]:
    return [(first, last) for told, first, last in found if told is kind]


def test_two_lines_and_two_days(tmp_path: Path) -> None:
    both = [*day(1), *day(2)]

    report, found = read_lines(tmp_path / "days.pcap", both, both)

    assert kinds(found, fh.EventKind.SESSION_START) == [(1, 1), (1, 1)]
    assert (report.messages, report.duplicates, report.gaps) == (2 * MESSAGES, 2 * MESSAGES, ())
    assert [(session.first, session.last) for session in report.sessions] == [(1, MESSAGES)] * 2
    assert report.ledger.is_balanced


@pytest.mark.parametrize("line", [0, 1])
def test_a_reset_that_one_line_lost(line: int, tmp_path: Path) -> None:
    lines = [[*day(1), *day(2, lost=[0] if line == which else [])] for which in (0, 1)]

    report, found = read_lines(tmp_path / "days.pcap", *lines)

    assert kinds(found, fh.EventKind.SESSION_START) == [(1, 1), (1, 1)]
    assert (report.messages, report.gaps) == (2 * MESSAGES, ())
    assert report.ledger.is_balanced


def test_a_reset_that_every_line_lost_is_the_only_message_that_is_lost(tmp_path: Path) -> None:
    report, found = read_lines(tmp_path / "days.pcap", [*day(1), *day(2, lost=[0])])

    assert kinds(found, fh.EventKind.SESSION_START) == [(1, 1), (1, 1)]
    assert [(gap.first, gap.last) for gap in report.gaps] == [(1, 1)]
    assert (report.messages, report.ledger.lost) == (2 * MESSAGES - 1, 1)


def test_losses_around_a_reset_are_gaps_and_the_reset_is_none(tmp_path: Path) -> None:
    lost = [100, 101, 5_000]

    report, found = read_lines(tmp_path / "days.pcap", [*day(1, lost=lost), *day(2, lost=[1, 2])])

    assert kinds(found, fh.EventKind.SESSION_START) == [(1, 1), (1, 1)]
    assert [(gap.first, gap.last) for gap in report.gaps] == [(101, 102), (5_001, 5_001), (2, 3)]
    assert report.ledger.is_balanced


def test_a_retransmission_fills_a_gap_and_a_refresh_stands_outside(tmp_path: Path) -> None:
    packet = packets()[500]
    again = packet[:2] + b"\x0d" + packet[3:]
    refresh = packets()[600][:2] + b"\x11" + packets()[600][3:]
    line = [*day(1, lost=[500])]
    line[502:502] = [again, refresh]

    report, found = read_lines(tmp_path / "day.pcap", line)

    assert kinds(found, fh.EventKind.RECOVERED) == [(501, 501)]
    assert (report.gaps, report.messages) == ((), MESSAGES + 1)
    assert report.ledger.channels[0].units.unsequenced == 1
    assert report.ledger.is_balanced
