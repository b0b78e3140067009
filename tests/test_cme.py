"""Real CME MDP 3.0, lines A and B: every field of every message and entry is what another decoder says."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import delivered
import numpy as np
import pytest
from captures import capture

import feedhandler as fh
from feedhandler.protocol import Field, Kind

CAPTURE = "cme/Cme.Mdp3.Sbe.v8.1.Example.pcap"
EXPECTED = "cme/Cme.Mdp3.Sbe.v8.1.Example.expected.jsonl.gz"
LINES = ("224.0.31.11:14320", "224.0.32.11:15320")
FIRST, PACKETS = 17_347_815, 5_000
TEMPLATES = {"32": 4_898, "35": 179, "30": 99, "42": 60, "37": 57, "12": 6}
PREFIX = "cme.globex.mdp3.sbe.v1.8."
PARENT = 1
"""One column more than the leading ones stands in front of the fields of a group."""

Leaf = tuple[str, object]


def schema(version: int) -> Path:
    return capture(f"cme/Cme.Futures.Mdp3.Sbe.v1.{version}.xml")


def protocol(version: int) -> fh.Protocol:
    return fh.protocol("cme-mdp3", schema=schema(version))


def test_lines_are_delivered_once_by_template() -> None:
    found = delivered.read(capture(CAPTURE), "cme-mdp3", schema=schema(8), channels={"cme": LINES})

    (channel,) = found.report.ledger.channels
    assert (channel.units.delivered, channel.units.recovered, channel.messages.rows) == (PACKETS, 0, 5_299)
    assert (found.report.duplicates, found.report.gaps, found.report.malformed) == (PACKETS, (), 0)
    assert (channel.messages.longer, channel.messages.unknown) == (0, 0)
    assert {code: kind.count for code, kind in found.report.by_type.items()} == TEMPLATES
    assert found.report.by_type["32"].name == "md_incremental_refresh_book"
    assert np.array_equal(np.unique(found.tables["md_incremental_refresh_book"]["channel"]), [0])


class Object(list[tuple[str, Any]]):
    """An object with its keys in order."""


def expected_messages() -> dict[str, list[list[Leaf]]]:
    """Return the values of each message of each destination, in order."""
    found: defaultdict[str, list[list[Leaf]]] = defaultdict(list)
    with gzip.open(capture(EXPECTED), "rt") as lines:
        for line in lines:
            frame = dict(json.loads(line, object_pairs_hook=Object))
            for key, value in frame["tree"]:
                if key == f"{PREFIX}message_tree":
                    messages = [value] if isinstance(value, Object) else value
                    found[f"{frame['dst']}:{frame['dport']}"] += [list(leaves(each)) for each in messages]
    return found


def leaves(tree: Object) -> Iterator[Leaf]:
    """Yield the values of a message, those of its entries behind its own."""
    keys = {key for key, _ in tree}
    for key, value in tree:
        name = key.removeprefix(PREFIX)
        if name.startswith(("padding", "messagesize", "messageheader", "groupsize")) or name.endswith(
            "index"
        ):
            continue
        if name == "matcheventindicator_tree":
            yield name.removesuffix("_tree"), sum(int(bit) << place for place, (_, bit) in enumerate(value))
        elif name.endswith("_tree"):
            for each in [value] if isinstance(value, Object) else value:
                yield from leaves(each)
        elif f"{key}_tree" not in keys:
            yield name, value


def our_messages(found: fh.Protocol) -> dict[str, list[list[Leaf]]]:
    """Return the same of what was decoded."""
    channels: defaultdict[int, list[list[Leaf]]] = defaultdict(list)
    reader = fh.read(capture(CAPTURE), found, rest="each")
    for batch in reader:
        for name, row in batch.rows():
            values = row.tolist()
            message = found.messages[name]
            if message.parent is None:
                channels[values[2]].append([])
            own = values[delivered.LEADING_COLUMNS + (message.parent is not None) * PARENT :]
            channels[values[2]][-1] += [
                (field.name, shown(field, value))
                for field, value in zip(message.fields.values(), own, strict=True)
            ]
    names = [channel.name for channel in reader.report().ledger.channels]
    return {name: channels[number] for number, name in enumerate(names)}


def shown(field: Field, value: Any) -> object:
    """Return a value as the other decoder shows it."""
    if field.flags:
        return value
    if isinstance(value, bytes):
        return value.decode()
    if field.scale:
        return f"{Decimal(value).scaleb(-field.scale).normalize():f}"
    return str(value)


def test_every_field_is_what_another_decoder_says() -> None:
    theirs, ours = expected_messages(), our_messages(protocol(8))

    assert set(ours) == set(theirs) == set(LINES)
    assert sum(map(len, ours.values())) == 10_598
    for line in LINES:
        for number, (found, expected) in enumerate(zip(ours[line], theirs[line], strict=True)):
            assert [value for _, value in found] == [value for _, value in expected], f"message {number}"
            for (name, _), (key, _) in zip(found, expected, strict=True):
                assert key.startswith(name.replace("_", "")), f"{name} beside {key}"


def by_template(version: int) -> dict[str, delivered.Table]:
    """Return the tables under the names that version 8 has for them."""
    named = {message.codes[0]: name for name, message in protocol(8).messages.items() if message.codes}
    here = protocol(version)
    found = delivered.read(capture(CAPTURE), here, channels={"cme": LINES})
    renamed = {}
    for name, rows in found.tables.items():
        root, dot, group = name.partition(".")
        renamed[named[here.messages[root].codes[0]] + dot + group] = rows
    return renamed


@pytest.mark.parametrize("version", [6, 9])
def test_schemas_of_other_versions_read_the_same(version: int) -> None:
    now, other = by_template(8), by_template(version)

    assert other.keys() == now.keys()
    for name, rows in now.items():
        common = [column for column in rows.dtype.names or () if column in (other[name].dtype.names or ())]
        fields = protocol(8).messages[name].fields
        left = set(rows.dtype.names or ()) - set(common)
        assert left == {field for field in fields if fields[field].since > version}
        for column in common:
            assert np.array_equal(rows[column], other[name][column]), f"{name}.{column}"


def test_an_older_schema_counts_what_it_skips() -> None:
    messages = delivered.read(capture(CAPTURE), protocol(6)).report.ledger.channels[0].messages

    assert (messages.rows, messages.unknown, messages.malformed) == (5_299, 0, 0)
    assert messages.longer == TEMPLATES["32"]  # the group of order ids, which came with version 7


def test_versions_are_used_at_a_time() -> None:
    by_version = {version: protocol(version) for version in (6, 8, 9)}

    rows: Counter[str] = Counter()
    readers = [fh.read(capture(CAPTURE), each, batch_messages=500) for each in by_version.values()]
    for batches in zip(*readers, strict=True):
        rows.update(batch.protocol.version for batch in batches for _ in range(batch.size))

    assert set(rows.values()) == {5_299}
    assert set(rows) == {f"schema 1 version {version}" for version in (6, 8, 9)}


def test_meanings_are_those_of_the_schema() -> None:
    entries = protocol(8).messages["md_incremental_refresh_book.no_md_entries"]
    price, size, side = (entries.fields[name] for name in ("md_entry_px", "md_entry_size", "md_entry_type"))

    assert (price.kind, price.scale, price.null, price.tag) == (Kind.INT, 7, 2**63 - 1, 270)
    assert (size.null, size.since) == (2**31 - 1, 0)
    assert (side.enum[b"0"], side.enum[b"J"]) == ("Bid", "BookReset")
    book = protocol(8).messages["md_incremental_refresh_book"]
    assert book.fields["match_event_indicator"].flags[0x80] == "end_of_event"
    assert book.fields["transact_time"].unit == "ns_since_epoch"
    assert (book.codes, book.title, entries.parent) == (("32",), "MDIncrementalRefreshBook32", book.name)
    trades = protocol(8).messages["md_incremental_refresh_trade_summary.no_md_entries"]
    assert dict(trades.constants) == {"md_entry_type": b"2"}
    assert (trades.fields["md_trade_entry_id"].since, trades.fields["md_trade_entry_id"].offset) == (7, 26)
    future = protocol(8).messages["md_instrument_definition_future"].fields
    assert [name for name in future if name.startswith("maturity")] == [
        f"maturity_month_year_{part}" for part in ("year", "month", "day", "week")
    ]
