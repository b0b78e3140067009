"""SBE through the public edge: versions, what is unknown, what lies, and where rows go."""

import json
import struct
from pathlib import Path

import delivered
import numpy as np
import pytest
from captures import ROOT
from typer.testing import CliRunner

import feedhandler as fh
from feedhandler.cli import app
from feedhandler.sink import open_sink

BOOK = ROOT / "feedhandler" / "bench" / "book.xml"
EVERYTHING = ROOT / "tests" / "schemas" / "everything.toml"
HEARTBEAT, DEFINITION, INCREMENTAL = 3, 4, 7
SCHEMA, VERSION = 9, 2
NO_SIZE = 2**31 - 1


def packet(sequence: int, *messages: bytes) -> bytes:
    blocks = b"".join(struct.pack("<H", len(message) + 2) + message for message in messages)
    return struct.pack("<IQ", sequence, 1) + blocks


def message(
    template: int, root: bytes, tail: bytes = b"", version: int = VERSION, schema: int = SCHEMA
) -> bytes:
    return struct.pack("<HHHH", len(root), template, schema, version) + root + tail


def book(entries: int = 2, order_ids: int = 1, version: int = VERSION) -> bytes:
    return message(
        INCREMENTAL,
        struct.pack("<QB2x", 1_000, 0x84),
        group("<HB", 32, [entry(n) for n in range(entries)])
        + (
            group("<H5xB", 16, [struct.pack("<QiB3x", n, 10, n) for n in range(order_ids)])
            if version
            else b""
        ),
        version,
    )


def entry(number: int) -> bytes:
    return struct.pack("<qiiIiBBc5x", 100 + number, NO_SIZE, 5, number, 1, 1, 0, b"0")


def group(head: str, block_length: int, entries: list[bytes]) -> bytes:
    return struct.pack(head, block_length, len(entries)) + b"".join(entries)


def read(folder: Path, *packets: bytes, **options: object) -> delivered.Delivered:
    file = delivered.write_datagrams(folder / "packets.pcap", packets)
    return delivered.read(file, "cme-mdp3", schema=BOOK, **options)


def counts(found: delivered.Delivered) -> tuple[int, int, int, int]:
    """Return rows, unknown, malformed and longer messages of the one channel."""
    messages = found.report.ledger.channels[0].messages
    assert found.report.ledger.is_balanced
    return messages.rows, messages.unknown, messages.malformed, messages.longer


def test_entries_know_their_message(tmp_path: Path) -> None:
    found = read(tmp_path, packet(1, book(2), book(0, 0), book(3, 2)), packet(2, book(1, 0)))

    entries = found.tables["incremental_book.no_md_entries"]
    assert entries["parent"].tolist() == [0, 0, 2, 2, 2, 3]
    assert entries["seq"].tolist() == [1, 1, 1, 1, 1, 2]
    assert entries["md_entry_px"].tolist() == [100, 101, 100, 101, 102, 100]
    order_ids = found.tables["incremental_book.no_order_id_entries"]
    assert (order_ids["parent"].tolist(), order_ids["reference_id"].tolist()) == ([0, 2, 2], [0, 0, 1])
    assert counts(found) == (4, 0, 0, 0)


def test_only_messages_are_in_the_order_of_arrival(tmp_path: Path) -> None:
    file = delivered.write_datagrams(
        tmp_path / "packets.pcap", [packet(1, book(2, 1), message(HEARTBEAT, b""), book(1, 0))]
    )
    (batch,) = fh.read(file, "cme-mdp3", schema=BOOK)

    assert batch.size == len(batch.order) == 3
    assert [name for name, _ in batch.rows()] == [
        "incremental_book",
        "incremental_book.no_md_entries",
        "incremental_book.no_md_entries",
        "incremental_book.no_order_id_entries",
        "heartbeat",
        "incremental_book",
        "incremental_book.no_md_entries",
    ]


def test_a_message_and_its_entries_are_in_one_batch(tmp_path: Path) -> None:
    packets = [packet(number, book(3, 2)) for number in range(1, 41)]
    file = delivered.write_datagrams(tmp_path / "packets.pcap", packets)

    for batch in fh.read(file, "cme-mdp3", schema=BOOK, batch_messages=7):
        parents = batch["incremental_book.no_md_entries"]["parent"]
        assert parents.tolist() == [row for row in range(batch.size) for _ in range(3)]
        sequences = batch["incremental_book"]["seq"]
        assert np.array_equal(sequences[parents], batch["incremental_book.no_md_entries"]["seq"])


def test_older_messages_lack_what_came_later(tmp_path: Path) -> None:
    found = read(tmp_path, packet(1, book(1, 3, version=0), book(1, 2, version=1), book(1, 1)))

    assert counts(found) == (3, 0, 0, 0)
    assert found.tables["incremental_book.no_md_entries"]["parent"].tolist() == [0, 1, 2]
    order_ids = found.tables["incremental_book.no_order_id_entries"]
    assert order_ids["parent"].tolist() == [1, 1, 2]
    assert order_ids["reference_id"].tolist() == [255, 255, 0]


def test_newer_messages_are_read_as_far_as_known(tmp_path: Path) -> None:
    root = struct.pack("<QB2x", 1_000, 0x84)
    longer = [
        message(INCREMENTAL, root + b"more", book()[19:], 3),
        message(INCREMENTAL, root, group("<HB", 40, [entry(7) + bytes(8)]) + group("<H5xB", 16, []), 3),
        book() + b"another group",
    ]
    found = read(tmp_path, packet(1, *longer, book()))

    assert counts(found) == (4, 0, 0, 3)
    assert found.tables["incremental_book.no_md_entries"]["md_entry_px"].tolist() == [
        100,
        101,
        107,
        100,
        101,
        100,
        101,
    ]


def test_what_is_unknown_is_counted_by_name(tmp_path: Path) -> None:
    unknown = [message(99, b"whatever"), message(INCREMENTAL, b"", schema=8), message(99, b"")]
    found = read(tmp_path, packet(1, *unknown, book()))

    assert counts(found) == (1, 3, 0, 0)
    assert {each.code: each.count for each in found.report.unknown_types} == {"99": 2, "7 of schema 8": 1}


LIES = {
    "shorter than a header": (b"\x0b\x00\x07", "message_too_short"),
    "a root that is not there": (message(INCREMENTAL, b""), "message_too_short"),
    "a root beyond the message": (struct.pack("<HHHH", 0xFFFF, 7, 9, 2) + bytes(40), "message_too_short"),
    "no dimension": (message(INCREMENTAL, bytes(11)), "message_too_short"),
    "more entries than bytes": (message(INCREMENTAL, bytes(11), struct.pack("<HB", 32, 255)), "group_count"),
    "entries of no bytes": (message(INCREMENTAL, bytes(11), struct.pack("<HB", 0, 255)), "group_count"),
    "entries that are too short": (
        message(INCREMENTAL, bytes(11), struct.pack("<HB", 3, 2) + bytes(6) + struct.pack("<H5xB", 16, 0)),
        "message_too_short",
    ),
    "a second group that lies": (
        message(INCREMENTAL, bytes(11), group("<HB", 32, [entry(0)]) + struct.pack("<H5xB", 0xFFFF, 255)),
        "group_count",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_message_that_lies_is_malformed_and_no_other(name: str, tmp_path: Path) -> None:
    lie, reason = LIES[name]
    found = read(tmp_path, packet(1, book(1, 1), lie, book(2, 0)))

    assert counts(found) == (2, 0, 1, 0)
    assert found.report.malformed_by_reason == {reason: 1}
    assert found.tables["incremental_book.no_md_entries"]["parent"].tolist() == [0, 1, 1]
    assert found.tables["incremental_book.no_order_id_entries"]["parent"].tolist() == [0]


def test_every_truncation_of_a_message_leaves_nothing_of_it(tmp_path: Path) -> None:
    whole = book(3, 2)
    packets = [packet(1 + length, whole[:length], book(1, 1)) for length in range(len(whole))]
    found = read(tmp_path, *packets)

    rows, unknown, malformed, _ = counts(found)
    assert (rows, unknown, malformed) == (len(whole), 0, len(whole))
    assert len(found.tables["incremental_book.no_md_entries"]) == len(whole)
    assert len(found.tables["incremental_book.no_order_id_entries"]) == len(whole)


def test_a_packet_whose_framing_lies_leaves_nothing(tmp_path: Path) -> None:
    lying = packet(2, book(3, 2)) + b"\xff\xff"
    found = read(tmp_path, packet(1, book(1, 0)), lying, packet(3, book(1, 0)), grace_us=0)

    assert found.tables["incremental_book.no_md_entries"]["seq"].tolist() == [1, 3]
    assert found.report.malformed_by_reason == {"block_length": 1}
    assert [(gap.first, gap.last, gap.cause) for gap in found.report.gaps] == [(2, 2, "malformed")]


def test_groups_that_count_more_than_a_datagram_holds_cost_nothing(tmp_path: Path) -> None:
    protocol = fh.protocol(EVERYTHING)
    head = struct.pack(">BHHxIH", 3, 77, 2, 2, 1)  # a tree's header, and its root
    counted = head[:-2] + struct.pack(">HHH", 1, 0xFFFF, 0)  # 65535 branches of no bytes
    lies = [
        counted,
        counted + bytes(60_000),
        head[:-2] + struct.pack(">HHH", 1, 0xFFFF, 0xFFFF) + bytes(1_000),
    ]
    packets = [struct.pack(">HQBH", 1, 1 + n, 1, len(lie)) + lie for n, lie in enumerate(lies)]
    found = delivered.read(delivered.write_datagrams(tmp_path / "lies.pcap", packets), protocol)

    assert counts(found)[:3] == (0, 0, 3)
    assert not found.tables


def test_a_sequence_that_restarts_is_a_new_session(tmp_path: Path) -> None:
    packets = [packet(number, book(1, 0)) for number in [*range(1_000_001, 1_000_101), *range(1, 101)]]
    found = read(tmp_path, *packets)

    assert (counts(found)[0], found.report.gaps) == (200, ())
    assert [(each.first, each.last) for each in found.report.sessions] == [(1_000_001, 1_000_100), (1, 100)]


def test_parents_in_files_are_rows_of_files(tmp_path: Path) -> None:
    file = delivered.write_datagrams(tmp_path / "packets.pcap", [packet(n, book(2, 1)) for n in range(1, 11)])
    protocol = fh.protocol("cme-mdp3", schema=BOOK)
    with open_sink(tmp_path / "out.npz", protocol) as sink:
        for batch in fh.read(file, protocol, batch_messages=3):
            sink.write(batch)

    tables = np.load(tmp_path / "out.npz")
    assert tables["incremental_book.no_md_entries"]["parent"].tolist() == [
        row for row in range(10) for _ in range(2)
    ]
    assert tables["incremental_book.no_order_id_entries"]["parent"].tolist() == list(range(10))


def test_a_filter_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(fh.FilterError, match=r"entries of groups name instruments: select rows"):
        read(tmp_path, packet(1, book()), instruments=["ES"])


def test_names_are_free_of_the_leading_columns() -> None:
    quote = fh.protocol(EVERYTHING).messages["quote"]

    assert list(quote.fields)[:2] == ["sequence", "channel_2"]
    assert dict(quote.constants) == {"fixed_kind": b"O", "flag": 7, "box_range_unit": b"lots"}
    assert (quote.fields["price"].scale, quote.fields["floating_exponent"].scale) == (3, None)


def test_the_command_line_takes_a_schema(tmp_path: Path) -> None:
    file = delivered.write_datagrams(tmp_path / "packets.pcap", [packet(1, book(2, 1))])
    asked = ["decode", str(file), "--protocol", "cme-mdp3", "--schema", str(BOOK), "--head", "3", "--json"]
    result = CliRunner().invoke(app, asked)

    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["by_type"] == {"7": {"name": "incremental_book", "count": 1}}
    assert report["head"][1]["message"] == "incremental_book.no_md_entries"
    assert report["head"][1]["md_entry_px"] == "0.000000100"
    assert report["head"][1]["md_entry_size"] is None


def test_a_configuration_names_a_schema_beside_it(tmp_path: Path) -> None:
    (tmp_path / "book.xml").write_bytes(BOOK.read_bytes())
    file = tmp_path / "feed.toml"
    line = '[[channel.line]]\nname = "A"\naddress = "127.0.0.1:0"\n'
    file.write_text('protocol = "cme-mdp3"\nschema = "book.xml"\n[[channel]]\nname = "310"\n' + line)

    with fh.open(file) as feed:
        assert "incremental_book.no_md_entries" in feed.protocol.messages
