"""Random SBE schemas, and random messages of them of all versions: what was encoded is what is decoded."""

import math
from pathlib import Path
from typing import Any

import delivered
import numpy as np
import oracle_sbe
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

import feedhandler as fh

DECLARATION = """
name = "random"
encoding = "sbe"
byte_order = "little"
schema = "random.xml"
data_bytes = {capacity}

[framing]
name = "random"
counts = "nothing"
delimiter = "{delimiter}"
{block}
"""
BLOCK = 'block = [{ name = "length", type = "u16", role = "length", excludes = 2 }]'


def protocol(folder: Path, schema: oracle_sbe.Schema, delimiter: str) -> fh.Protocol:
    (folder / "random.xml").write_text(oracle_sbe.xml(schema))
    file = folder / "random.toml"
    block = BLOCK if delimiter == "length" else ""
    file.write_text(
        DECLARATION.format(capacity=oracle_sbe.CAPACITY, delimiter=delimiter, block=block), encoding="utf-8"
    )
    return fh.protocol(file)


def same(value: Any, expected: Any) -> bool:
    if expected is None:  # a float that is missing
        return math.isnan(value)
    if isinstance(expected, bytes):
        return bool(value.rstrip(b"\0") == expected.rstrip(b"\0"))
    return bool(value == expected)


def compare(found: delivered.Delivered, tables: oracle_sbe.Tables) -> None:
    assert {name for name, rows in tables.rows.items() if rows} == set(found.tables)
    for name, rows in tables.rows.items():
        table = found.tables[name]
        columns = table.dtype.names
        assert columns is not None
        is_group = "." in name
        assert len(table) == len(rows)
        if is_group:
            assert table["parent"].tolist() == [parent for parent, _ in rows]
        own = columns[delivered.LEADING_COLUMNS + is_group :]
        for row, (_, expected) in zip(table, rows, strict=True):
            assert own == tuple(expected)
            for column in own:
                assert same(row[column].item(), expected[column]), f"{name}.{column}: {row} {expected}"


@pytest.mark.parametrize("delimiter", ["length", "sbe"])
def test_random_schemas_and_messages(delimiter: str, tmp_path: Path) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data(), oracle_sbe.schemas())
    def run(data: DataObject, schema: oracle_sbe.Schema) -> None:
        tables = oracle_sbe.Tables()
        message = oracle_sbe.messages(schema, tables, has_tail=delimiter == "length")
        messages = [data.draw(message) for _ in range(data.draw(st.integers(1, 4)))]
        if delimiter == "length":
            messages = [len(message).to_bytes(2, "little") + message for message in messages]
            packets = [b"".join(messages)]
        else:
            packets = messages
        found = delivered.read(
            delivered.write_datagrams(tmp_path / "random.pcap", packets),
            protocol(tmp_path, schema, delimiter),
        )

        compare(found, tables)
        (channel,) = found.report.ledger.channels
        assert (channel.messages.malformed, channel.messages.unknown) == (0, 0)
        assert found.report.ledger.is_balanced

    run()


def test_every_kind_of_value_has_its_dtype(tmp_path: Path) -> None:
    fields = tuple(
        oracle_sbe.Leaf(f"field{n}", primitive, 1, 0, 0) for n, primitive in enumerate(oracle_sbe.FORMATS)
    )
    sizes = (("blockLength", "uint16"), ("numInGroup", "uint8"))
    head = (
        ("blockLength", "uint16"),
        ("templateId", "uint16"),
        ("schemaId", "uint16"),
        ("version", "uint16"),
    )
    block = oracle_sbe.Block(fields, (), (oracle_sbe.Data("blob", 0),), 0)
    found = protocol(tmp_path, oracle_sbe.Schema("bigEndian", 0, head, sizes, block), "sbe")

    kinds = ["S1", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8", "<f4", "<f8", "V16", "<u4"]
    names = found.dtypes["random"].names
    assert names is not None
    own = [found.dtypes["random"][name] for name in names[delivered.LEADING_COLUMNS :]]
    assert own == [np.dtype(kind) for kind in kinds]
