"""XDP, PITCH, DEEP+, BBO and NLS Plus: every message type, from bytes made by hand to the row."""

import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import delivered
import pytest
from delivered import LEADING_COLUMNS, Row
from venue_examples import BBO, DEEP_PLUS, NLS_PLUS, PITCH, SHORTER, XDP, Example, Value

import feedhandler as fh

EXAMPLES: dict[str, list[Example]] = {
    "nyse-xdp": XDP,
    "cboe-pitch": PITCH,
    "iex-deep-plus": DEEP_PLUS,
    "nasdaq-bbo": BBO,
    "nasdaq-nls-plus": NLS_PLUS,
}


class Framing(NamedTuple):
    """Byte order, type of a message's length, and how many bytes that does not count."""

    order: str
    length: str
    excludes: int = 0


FRAMING = {
    "nyse-xdp": Framing("<", "H"),
    "cboe-pitch": Framing("<", "B"),
    "iex-deep-plus": Framing("<", "H", 2),
    "nasdaq-bbo": Framing(">", "H", 2),
    "nasdaq-nls-plus": Framing(">", "H", 2),
}
SEQUENCE = 77
SENT_S, SENT_NS = 1_506_696_094, 876_822_130


def packet(protocol: str, *messages: bytes) -> bytes:
    """Return a packet of some messages, as the specification has its header."""
    body, count = b"".join(messages), len(messages)
    match protocol:
        case "nyse-xdp":
            return struct.pack("<HBBIII", 16 + len(body), 11, count, SEQUENCE, SENT_S, SENT_NS) + body
        case "cboe-pitch":
            return struct.pack("<HBBI", 8 + len(body), count, 5, SEQUENCE) + body
        case "nasdaq-bbo" | "nasdaq-nls-plus":
            return b"20230822A " + struct.pack(">QH", SEQUENCE, count) + body
        case _:
            sent_ns = SENT_S * 10**9 + SENT_NS
            header = struct.pack("<BxHIIHHqqq", 1, 0x8005, 1, 9, len(body), count, 0, SEQUENCE, sent_ns)
            return header + body


def message(protocol: str, example: Example) -> bytes:
    """Return a message with its length in front."""
    _, length, form, values = example
    framing = FRAMING[protocol]
    counted = length - framing.excludes
    encoded = struct.pack(framing.order + framing.length, counted) + encode(framing.order, form, values)
    assert len(encoded) == length
    return encoded


def encode(order: str, form: str, values: Sequence[Value]) -> bytes:
    """Return values as `struct` writes them; T is a time of six bytes, and text is padded by spaces."""
    left, encoded = iter(values), b""
    for width, kind in re.findall(r"(\d*)([A-Za-z])", form):
        value = b"" if kind == "x" else next(left)
        if isinstance(value, bytes):
            encoded += value.ljust(int(width or 1), b" " if kind == "s" else b"\0")
        else:
            encoded += value.to_bytes(6) if kind == "T" else struct.pack(order + kind, value)
    assert not list(left)
    return encoded


def rows(found: delivered.Delivered) -> list[tuple[str, Row]]:
    return [(name, row) for name in found.tables for row in found.rows(name)]


CASES = [(protocol, example) for protocol, examples in EXAMPLES.items() for example in examples]


@pytest.mark.parametrize(("protocol", "example"), CASES, ids=[f"{case[0]}-{case[1][0]}" for case in CASES])
def test_a_message_of_each_type(protocol: str, example: Example, tmp_path: Path) -> None:
    payload = packet(protocol, message(protocol, example))

    found = delivered.read(delivered.write_datagrams(tmp_path / "one.pcap", [payload]), protocol)

    ((name, row),) = rows(found)
    assert (name, row[LEADING_COLUMNS:]) == (example[0], tuple(example[3]))
    assert row[0] == SEQUENCE
    assert found.report.malformed == 0
    assert sum(channel.messages.longer for channel in found.report.ledger.channels) == 0


@pytest.mark.parametrize("protocol", EXAMPLES)
def test_every_message_has_an_example(protocol: str) -> None:
    assert {example[0] for example in EXAMPLES[protocol]} == set(fh.protocol(protocol).messages)


@pytest.mark.parametrize("protocol", EXAMPLES)
def test_all_types_in_one_packet(protocol: str, tmp_path: Path) -> None:
    payload = packet(protocol, *(message(protocol, example) for example in EXAMPLES[protocol]))

    reader = fh.read(delivered.write_datagrams(tmp_path / "one.pcap", [payload]), protocol)

    found = [(row[0], name, row[LEADING_COLUMNS:]) for name, row in delivered.messages(reader)]
    assert found == [
        (SEQUENCE + n, name, tuple(values)) for n, (name, _, _, values) in enumerate(EXAMPLES[protocol])
    ]


@pytest.mark.parametrize(("protocol", "example"), CASES, ids=[f"{case[0]}-{case[1][0]}" for case in CASES])
def test_every_truncation_of_a_message(protocol: str, example: Example, tmp_path: Path) -> None:
    """A message that is too short for its type is refused, and the packet's other messages are read."""
    whole = message(protocol, example)
    declared = fh.protocol(protocol).messages[example[0]]
    assert declared.min_length is not None
    before = len(whole) - (declared.length or 0)
    behind = message(protocol, EXAMPLES[protocol][0])
    cut = [shortened(protocol, whole, length) for length in range(before + 2, len(whole))]
    payloads = [packet(protocol, each, behind) for each in cut]
    destinations = [("239.1.2.3", 10_000 + n) for n in range(len(payloads))]

    file = delivered.write_datagrams(tmp_path / "cut.pcap", payloads, destinations)
    report = delivered.read(file, protocol).report

    too_short = sum(len(each) < before + declared.min_length for each in cut)
    assert report.malformed_by_reason == ({"message_too_short": too_short} if too_short else {})
    assert report.messages == 2 * len(payloads)
    assert report.ledger.is_balanced


def shortened(protocol: str, whole: bytes, length: int) -> bytes:
    """Return the beginning of a message, whose length says so."""
    framing = FRAMING[protocol]
    front = struct.pack(framing.order + framing.length, length - framing.excludes)
    return front + whole[len(front) : length]


@pytest.mark.parametrize(("protocol", "name", "length"), SHORTER)
def test_messages_of_earlier_versions(protocol: str, name: str, length: int, tmp_path: Path) -> None:
    example = next(example for example in EXAMPLES[protocol] if example[0] == name)
    payload = packet(protocol, shortened(protocol, message(protocol, example), length))

    found = delivered.read(delivered.write_datagrams(tmp_path / "one.pcap", [payload]), protocol)

    ((_, row),) = rows(found)
    values = dict(zip(found.tables[name].dtype.names or (), row, strict=True))
    fields = fh.protocol(protocol).messages[name].fields
    in_front = {"nyse-xdp": 2, "cboe-pitch": 1}[protocol]
    for (field, described), expected in zip(fields.items(), example[3], strict=True):
        is_there = (described.offset or 0) + described.width + in_front <= length
        assert values[field] == (expected if is_there else type(expected)()), field
    assert found.report.malformed == 0
