"""``feedhandler protocols``: the list, what is shown of a protocol, and the file that one begins with."""

import json
from pathlib import Path
from typing import Any

import delivered
import numpy as np
import pytest
from captures import ROOT

import feedhandler as fh
from feedhandler.cli import main
from feedhandler.protocol import Kind, needs_schema, shipped

EXAMPLE = ROOT / "configs" / "protocols" / "crypto_trades.toml"
SCHEMA = str(ROOT / "feedhandler" / "bench" / "book.xml")


def output(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["protocols", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    return json.loads(output(capsys, *arguments, "--json"))


def test_the_list_names_what_is_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    listed = as_json(capsys)["protocols"]

    assert tuple(each["name"] for each in listed) == shipped()
    itch = next(each for each in listed if each["name"] == "itch50")
    assert (itch["framing"], itch["messages"], itch["books"]) == ("moldudp64", 23, "orders")
    for_people = output(capsys)
    assert all(each["title"] in for_people for each in listed)


WHOLE = [(name,) for name in shipped() if not needs_schema(name)]


@pytest.mark.parametrize("arguments", [*WHOLE, (str(EXAMPLE),), ("cme-mdp3", "--schema", SCHEMA)], ids=str)
def test_everything_that_is_declared_is_shown(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    protocol = fh.protocol(arguments[0], schema=arguments[-1] if len(arguments) > 1 else None)

    description = as_json(capsys, "show", *arguments)

    assert [message["name"] for message in description["messages"]] == list(protocol.messages)
    for shown in description["messages"]:
        message = protocol.messages[shown["name"]]
        assert (tuple(shown["codes"]), shown["length"]) == (message.codes, message.length)
        assert [field["name"] for field in shown["fields"]] == list(message.fields)
        for field in shown["fields"]:
            declared = message.fields[field["name"]]
            assert np.dtype(field["dtype"]) == protocol.dtypes[shown["name"]][field["name"]]
            assert (field["unit"], field["scale"]) == (declared.unit, declared.scale)
            assert list(field["enum"].values()) == list(declared.enum.values())
            assert list(field["flags"].values()) == list(declared.flags.values())
    for_people = output(capsys, "show", *arguments)
    assert all(
        f"{message.name}:" in for_people or message.name in for_people
        for message in protocol.messages.values()
    )


def test_a_field_is_shown_with_what_its_values_mean(capsys: pytest.CaptureFixture[str]) -> None:
    (message,) = as_json(capsys, "show", "nyse-xdp", "imbalance")["messages"]

    side = next(field for field in message["fields"] if field["name"] == "imbalance_side")
    assert side["enum"] == {" ": "No imbalance", "B": "Buy side", "S": "Sell side"}
    price = next(field for field in message["fields"] if field["name"] == "upper_collar")
    assert (price["dtype"], price["null"], price["offset"]) == ("<u4", 0, 54)
    assert "price_scale_code" in price["doc"]
    text = output(capsys, "show", "cboe-pitch", "add_order_long")
    assert "code 33 (0x21)" in text
    assert "0x01 display" in text


def test_a_message_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocols", "show", "itch50", "addorder"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_the_skeleton_loads_as_it_is_and_can_be_decoded_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "My Exchange.toml"

    assert as_json(capsys, "new", file) == {"file": str(file), "name": "my-exchange"}

    protocol = fh.protocol(file)
    assert protocol.name == "my-exchange"
    assert fh.Books(protocol).price_scale == 4
    message = b"A" + (1).to_bytes(8) + (7).to_bytes(8) + b"B" + (100).to_bytes(4) + b"ACME    "
    message += (99_0500).to_bytes(8)
    header = bytes([1, 0]) + (1).to_bytes(4) + (1).to_bytes(8) + (1).to_bytes(2) + (5).to_bytes(8)
    payload = header + len(message).to_bytes(2) + message
    found = delivered.read(delivered.write_datagrams(tmp_path / "one.pcap", [payload]), protocol)
    ((*_, code, _, order, side, shares, symbol, price),) = found.rows("add_order")
    assert (code, order, side, shares, symbol, price) == (b"A", 7, b"B", 100, b"ACME", 99_0500)


def test_the_skeleton_shows_each_kind_of_thing_that_is_to_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    assert main(["protocols", "new", str(file)]) == 0
    protocol = fh.protocol(file)

    fields = [field for message in protocol.messages.values() for field in message.fields.values()]
    assert {Kind.CHAR, Kind.UINT, Kind.INT, Kind.ASCII} <= {field.kind for field in fields}
    assert any(field.optional for field in fields)
    assert any(field.enum for field in fields)
    assert any(field.null == 0 for field in fields)
    assert all(f"{number}. " in file.read_text() for number in range(1, 6))


@pytest.mark.parametrize(
    ("file", "name"), [("Venue 2.toml", "venue-2"), ("24x.toml", "venue-24x"), ("___.toml", "venue")]
)
def test_the_protocol_is_named_after_the_file(file: str, name: str, tmp_path: Path) -> None:
    assert main(["protocols", "new", str(tmp_path / file)]) == 0
    assert fh.protocol(tmp_path / file).name == name


def test_a_file_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("mine")

    assert main(["protocols", "new", str(file)]) == 1

    assert file.read_text() == "mine"
    assert "expected the name of a new file" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["show"], ["new"]])
def test_every_command_has_help_with_an_example(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["protocols", *command, "--help"]) == 0
    assert f"Example: feedhandler protocols{''.join(f' {word}' for word in command)}" in " ".join(
        capsys.readouterr().out.split()
    )
