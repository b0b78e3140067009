"""docs/wire_format.md: its hexadecimal examples, and that it tells of the same fields as the declaration."""

import re
from datetime import UTC, datetime
from typing import Any

import msgpack
import oracle
import pytest
from captures import ROOT

from feedhandler.protocol import Field, Kind, load

DOCUMENT = (ROOT / "docs" / "wire_format.md").read_text(encoding="utf-8")

SENT_NS = 1_767_366_000_123_456_000

HEADER = "9500a832303236303130322a03cf1886f20361762a00"
QUOTE = "9701cd04b7ce001c9918ce001c9a44cd012ccd04b0cf1886f203617614e8"
ONE_SIDED_QUOTE = "9701cd04b7ce001c9918c0cd012c00cf1886f203617621cc"
TRADE = "9702cd04b7ce001c9a446401cd2ee1cf1886f203617614e8"

EXAMPLES = [
    (QUOTE, [1, 1207, 187_4200, 187_4500, 300, 1200, SENT_NS - 5_400]),
    (ONE_SIDED_QUOTE, [1, 1207, 187_4200, None, 300, 0, SENT_NS - 2_100]),
    (TRADE, [2, 1207, 187_4500, 100, 1, 12_001, SENT_NS - 5_400]),
    (
        "9703cd04b7cf002000000000000101ce001c9918cd012ccf1886f20361762a00",
        [3, 1207, 2**53 + 1, 1, 187_4200, 300, SENT_NS],
    ),
    ("9604cd04b74dce001c9918ccc8cf1886f20361762a00", [4, 1207, 77, 187_4200, 200, SENT_NS]),
    ("9405cd04b74dcf1886f20361762a00", [5, 1207, 77, SENT_NS]),
    ("9706cd04b7a55a565a5a54a35553446401cf1886f20361762a00", [6, 1207, "ZVZZT", "USD", 100, 1, SENT_NS]),
    ("950700a832303236303130322acf1886f20361762a00", [7, 0, "20260102", 42, SENT_NS]),
]


@pytest.mark.parametrize(("text", "values"), EXAMPLES)
def test_example_is_the_message_that_it_is_said_to_be(text: str, values: list[Any]) -> None:
    message = bytes.fromhex(text)

    assert f"    {text}\n" in DOCUMENT
    assert msgpack.packb(values) == message
    decoded = oracle.read_message(load("msgpack"), message)
    assert isinstance(decoded, oracle.Decoded)
    assert list(decoded.fields.values()) == [as_column(value) for value in values]


def as_column(value: Any) -> Any:
    if value is None:
        return -(2**63)
    return value.encode() if isinstance(value, str) else value


def test_example_packet_has_three_messages() -> None:
    lines = "\n".join(f"    {line}" for line in (HEADER, QUOTE, ONE_SIDED_QUOTE, TRADE))
    assert lines in DOCUMENT

    packet = oracle.read_packet(load("msgpack"), bytes.fromhex(HEADER + QUOTE + ONE_SIDED_QUOTE + TRADE))

    assert packet.header == oracle.Header(
        kind="data", session="20260102", sequence=42, count=3, send_time=SENT_NS
    )
    assert [message.code for message in packet.messages if isinstance(message, oracle.Decoded)] == [
        "1",
        "1",
        "2",
    ]
    assert packet.trailing_bytes == 0
    assert len(bytes.fromhex(QUOTE)) == 30


def test_example_heartbeat() -> None:
    text = "9501a832303236303130322a00cf1886f20361762a00"
    assert f"    {text}\n" in DOCUMENT
    assert "send_time_ns: 2026-01-02 15:00:00.123456" in DOCUMENT

    header = oracle.read_packet(load("msgpack"), bytes.fromhex(text)).header

    assert (header.kind, header.session, header.sequence, header.count) == ("heartbeat", "20260102", 42, 0)
    assert header.send_time == SENT_NS
    assert datetime.fromtimestamp(SENT_NS / 1e9, UTC) == datetime(2026, 1, 2, 15, 0, 0, 123456, UTC)


def test_example_request() -> None:
    text = "93a832303236303130322a02"
    assert f"    {text}\n" in DOCUMENT

    assert msgpack.unpackb(bytes.fromhex(text)) == ["20260102", 42, 2]


def test_end_of_session() -> None:
    packet = oracle.read_packet(load("msgpack"), msgpack.packb([2, "20260102", 45, 0, SENT_NS]))

    assert (packet.header.kind, packet.header.sequence) == ("end_of_session", 45)


def test_document_has_the_fields_of_the_declaration() -> None:
    for message in load("msgpack").messages.values():
        section = DOCUMENT.partition(f"### {message.codes[0]} `{message.name}`")[2].partition("\n##")[0]

        rows = re.findall(r"^\| (\d+) \| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE)

        assert rows == [
            (str(n), field.name, in_words(field)) for n, field in enumerate(message.fields.values())
        ]


def in_words(field: Field) -> str:
    length = f" of at most {field.width} bytes" if field.kind is Kind.STR else ""
    scale = f", scale {field.scale}" if field.scale is not None else ""
    return field.type + length + scale + (", or nil" if field.nullable else "")
