"""The standard's own examples: the car of its sample schema, and a plan of its conformance tests."""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import delivered
import numpy as np
import pytest
from captures import capture

import feedhandler as fh
from feedhandler.protocol import Message

DECLARATION = """
name = "example"
encoding = "sbe"

[framing]
name = "bare"
counts = "nothing"
delimiter = "{delimiter}"
"""


def declared(folder: Path, schema: Path, delimiter: str = "whole") -> fh.Protocol:
    file = folder / "example.toml"
    file.write_text(DECLARATION.format(delimiter=delimiter))
    return fh.protocol(file, schema=schema)


def car(folder: Path, delimiter: str = "whole", copies: int = 1) -> delivered.Delivered:
    protocol = declared(folder, capture("sbe/example-schema.xml"), delimiter)
    message = capture("sbe/car_example_baseline_data.sbe").read_bytes()
    return delivered.read(delivered.write_datagrams(folder / "car.pcap", [message * copies]), protocol)


def values(row: np.void, leading: int) -> Mapping[str, Any]:
    assert row.dtype.names is not None
    return dict(zip(row.dtype.names[leading:], row.tolist()[leading:], strict=True))


def test_the_car_is_the_documented_one(tmp_path: Path) -> None:
    found = car(tmp_path)

    (root,) = found.tables["car"]
    assert values(root, 3) == {
        "serial_number": 1234,
        "model_year": 2013,
        "available": 1,
        "code": b"A",
        "some_numbers_0": 1,
        "some_numbers_1": 2,
        "some_numbers_2": 3,
        "some_numbers_3": 4,
        "vehicle_code": b"abcdef",
        "extras": 0b110,
        "engine_capacity": 2000,
        "engine_num_cylinders": 4,
        "engine_manufacturer_code": b"123",
        "engine_efficiency": 35,
        "engine_booster_enabled": 1,
        "engine_booster_boost_type": b"N",
        "engine_booster_horse_power": 200,
        "manufacturer": b"Honda",
        "manufacturer_length": 5,
        "model": b"Civic VTi",
        "model_length": 9,
        "activation_code": b"abcdef",
        "activation_code_length": 6,
    }
    figures = [tuple(row.tolist()[3:]) for row in found.tables["car.fuel_figures"]]
    assert [(parent, speed, text) for parent, speed, _, text, _ in figures] == [
        (0, 30, b"Urban Cycle"),
        (0, 55, b"Combined Cycle"),
        (0, 75, b"Highway Cycle"),
    ]
    np.testing.assert_allclose(found.tables["car.fuel_figures"]["mpg"], [35.9, 49.0, 40.0], rtol=1e-6)
    assert [row.tolist()[3:] for row in found.tables["car.performance_figures"]] == [(0, 95), (0, 99)]
    acceleration = found.tables["car.performance_figures.acceleration"]
    assert acceleration["parent"].tolist() == [0, 0, 0, 1, 1, 1]
    assert acceleration["mph"].tolist() == [30, 60, 100, 30, 60, 100]
    np.testing.assert_allclose(acceleration["seconds"], [4.0, 7.5, 12.2, 3.8, 7.1, 11.8], rtol=1e-6)
    assert found.report.by_type["1"].name == "car"


def test_what_is_constant_is_told_by_the_protocol(tmp_path: Path) -> None:
    message = declared(tmp_path, capture("sbe/example-schema.xml")).messages["car"]

    assert dict(message.constants) == {
        "discounted_model": b"C",
        "engine_max_rpm": 9000,
        "engine_fuel": b"Petrol",
    }
    assert message.fields["extras"].flags == {1: "sun_roof", 2: "sports_pack", 4: "cruise_control"}
    assert message.fields["code"].enum == {b"A": "A", b"B": "B", b"C": "C"}
    assert message.length == 45


def test_cars_one_behind_the_other_tell_their_ends(tmp_path: Path) -> None:
    found = car(tmp_path, "sbe", copies=3)

    assert found.tables["car"]["serial_number"].tolist() == [1234] * 3
    assert found.tables["car.performance_figures"]["parent"].tolist() == [0, 0, 1, 1, 2, 2]
    assert found.tables["car.performance_figures.acceleration"]["parent"].tolist() == [
        figure for figure in range(6) for _ in range(3)
    ]
    assert found.report.ledger.channels[0].messages.longer == 0


@pytest.mark.parametrize("section", ["inject", "respond"])
def test_the_conformance_plan_passes(section: str, tmp_path: Path) -> None:
    protocol = declared(tmp_path, capture("sbe/fix_conformance/schema1.xml"))
    plan = json.loads(capture("sbe/fix_conformance/test1.json").read_text())
    (message,) = plan[section]["messages"]
    echoed = plan["inject"]["messages"][0]
    message = {key: echoed[key] if value is True else value for key, value in message.items()}
    name = next(name for name, each in protocol.messages.items() if each.codes == (str(message["template"]),))
    groups = {each.title: each for each in protocol.messages.values() if each.parent == name}

    data = header(protocol.messages[name], message["template"]) + block(protocol.messages[name], message)
    for title, group in groups.items():
        entries = message.get(title, [])
        data += struct.pack("<HH", group.length or 0, len(entries))
        data += b"".join(block(group, entry) for entry in entries)
    found = delivered.read(delivered.write_datagrams(tmp_path / "plan.pcap", [data]), protocol)

    (row,) = found.tables[name]
    compare(protocol.messages[name], values(row, 3), message)
    for title, group in groups.items():
        rows = found.tables[group.name]
        for entry, expected in zip(rows, message[title], strict=True):
            compare(group, values(entry, 4), expected)
    assert found.report.by_type[str(message["template"])].count == 1


def header(message: Message, template: int) -> bytes:
    return struct.pack("<HHHH", message.length or 0, template, 1, 0)


FORMATS = {"u8": "B", "u16": "H", "u64": "Q", "i8": "b", "i32": "i", "i64": "q"}


def block(message: Message, plan: Mapping[str, Any]) -> bytes:
    """Encode a block by what the plan says of each tag."""
    data = bytearray(message.length or 0)
    for field, value in wire_values(message, plan):
        assert field.offset is not None
        if isinstance(value, bytes):
            data[field.offset : field.offset + field.width] = value.ljust(field.width, b"\0")
        else:
            struct.pack_into("<" + FORMATS[field.type], data, field.offset, value)
    return bytes(data)


def wire_values(message: Message, plan: Mapping[str, Any]) -> Iterator[tuple[Any, int | bytes]]:
    nulls: Mapping[str, int | bytes] = {"u8": 255, "u16": 65_535, "i64": -(2**63), "char": b"", "ascii": b""}
    for field in message.fields.values():
        value = plan.get(str(field.tag))
        if value is None:
            yield field, nulls.get(field.type, 0)
        elif isinstance(value, str):
            yield field, value.encode()
        else:
            yield field, round(value * 10 ** (field.scale or 0))


def compare(message: Message, found: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    for field in message.fields.values():
        value = plan.get(str(field.tag))
        if value is None:
            continue
        column = found[field.name]
        if isinstance(value, str):
            assert column == value.encode()
        else:
            assert column / 10 ** (field.scale or 0) == value
    if message.name == "new_order_single":
        assert found["stop_px"] == message.fields["stop_px"].null == -(2**63)
        assert (found["price"], message.fields["price"].scale) == (17_560, 3)
