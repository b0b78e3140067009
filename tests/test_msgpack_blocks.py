"""msgpack objects in blocks that say their length: as a datagram, behind a header, and in a file."""

import struct
from collections.abc import Sequence
from pathlib import Path

import delivered
import msgpack
import pytest

HEADER = struct.Struct(">QH")

DECLARATION = """
name = "blocks"
title = "msgpack objects, each behind a length"
version = "1"
encoding = "msgpack"
byte_order = "big"
discriminator = "kind"

[framing]
name = "blocks"
counts = "messages"
header = [
    { name = "sequence", type = "u64", role = "sequence" },
    { name = "count", type = "u16", role = "count" },
]
delimiter = "length"
block = [{ name = "length", type = "u16", role = "length", excludes = 2 }]

[file]
block = [{ name = "length", type = "u16", role = "length", excludes = 2 }]

[messages.tick]
code = 1
fields = [{ name = "kind", type = "u8" }, { name = "value", type = "u32" }]

[messages.name]
code = 2
fields = [{ name = "kind", type = "u8" }, { name = "text", type = "str", length = 8 }]
"""

MESSAGES = [[1, 70_000], [2, "ACME"], [9, 9], [1, 5], [2, ""]]


def blocks(objects: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(packed)) + packed for packed in objects)


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    file = tmp_path / "blocks.toml"
    file.write_text(DECLARATION, encoding="utf-8")
    return file


def read(tmp_path: Path, protocol: Path, objects: Sequence[bytes]) -> delivered.Delivered:
    """Return what comes of a packet of some objects, and of one behind it."""
    last = blocks([msgpack.packb([1, 99])])
    packets = [HEADER.pack(1, len(objects)) + blocks(objects), HEADER.pack(1 + len(objects), 1) + last]
    return delivered.read(delivered.write_datagrams(tmp_path / "feed.pcap", packets), protocol)


def columns(found: delivered.Delivered) -> tuple[list[int], list[bytes]]:
    return found.tables["tick"]["value"].tolist(), found.tables["name"]["text"].tolist()


def test_each_block_is_an_object(tmp_path: Path, protocol: Path) -> None:
    found = read(tmp_path, protocol, [msgpack.packb(message) for message in MESSAGES])

    assert columns(found) == ([70_000, 5, 99], [b"ACME", b""])
    assert found.tables["tick"]["seq"].tolist() == [1, 4, 6]
    (channel,) = found.report.ledger.channels
    assert (channel.messages.rows, channel.messages.unknown, channel.messages.malformed) == (5, 1, 0)
    assert found.report.ledger.is_balanced


def test_a_file_of_bare_blocks_has_the_same_messages(tmp_path: Path, protocol: Path) -> None:
    (tmp_path / "day.bin").write_bytes(blocks([msgpack.packb(message) for message in MESSAGES]))

    assert columns(delivered.read(tmp_path / "day.bin", protocol)) == ([70_000, 5], [b"ACME", b""])


def test_a_block_that_its_object_does_not_fit_costs_no_other_message(tmp_path: Path, protocol: Path) -> None:
    good = msgpack.packb([1, 7])
    longer = good + msgpack.packb("what a newer version says")
    spoilt = good[:-1]

    found = read(tmp_path, protocol, [good, spoilt, longer, msgpack.packb([2, "B"])])

    assert columns(found) == ([7, 7, 99], [b"B"])
    (channel,) = found.report.ledger.channels
    assert (channel.messages.malformed, channel.messages.longer) == (1, 1)
    assert found.report.malformed_by_reason == {"incomplete": 1}


def test_a_block_longer_than_its_packet_spoils_the_packet(tmp_path: Path, protocol: Path) -> None:
    packet = HEADER.pack(1, 1) + struct.pack(">H", 500) + msgpack.packb([1, 7])
    found = delivered.read(delivered.write_datagrams(tmp_path / "feed.pcap", [packet]), protocol)
    assert (dict(found.tables), found.report.malformed_by_reason) == ({}, {"block_length": 1})
