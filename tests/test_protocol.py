"""What a user sees of a protocol: messages, fields, what their values mean, and where it is loaded from."""

import json
import shutil
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from captures import ROOT

from feedhandler.protocol import Action, Event, Kind, Protocol, load, needs_schema, shipped
from feedhandler.protocol.spec import BinaryHeaderSpec, IntSpec, ProtocolSpec

WHOLE = [name for name in shipped() if not needs_schema(name)]
"""What is shipped and needs nothing else."""

EXAMPLE = ROOT / "configs" / "protocols" / "crypto_trades.toml"


def declaration_of(name: str) -> Path:
    return Path(str(resources.files("feedhandler") / "protocols" / f"{name}.toml"))


def test_ships_the_protocols_it_names() -> None:
    assert shipped() == (
        "cboe-pitch",
        "cme-mdp3",
        "iex-deep",
        "iex-deep-plus",
        "iex-tops",
        "itch50",
        "msgpack",
        "nasdaq-bbo",
        "nasdaq-nls-plus",
        "nyse-xdp",
    )


@pytest.mark.parametrize("name", WHOLE)
def test_name_and_path_are_the_same_protocol(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_name = load(name)
    copy = tmp_path / "mine.toml"
    shutil.copy(declaration_of(name), copy)
    monkeypatch.chdir(tmp_path)

    assert by_name.name == name
    assert load(copy) == load(str(copy)) == load("mine.toml") == load("./mine.toml") == by_name


def test_field_says_what_its_values_mean() -> None:
    messages = load("itch50").messages

    price = messages["add_order"].fields["price"]
    assert (price.type, price.kind, price.offset, price.width, price.scale) == ("u32", Kind.UINT, 32, 4, 4)
    assert messages["mwcb_decline_level"].fields["level_1"].scale == 8
    assert messages["add_order"].fields["timestamp"].unit == "ns_since_midnight"
    assert messages["stock_directory"].fields["issue_sub_type"].enum[b"EN"] == "Exchange Traded Notes"
    assert messages["stock_trading_action"].fields["reason"].enum[b""] == "Reason Not Available"
    assert load("iex-tops").messages["trade_report"].fields["sale_condition_flags"].flags == {
        0x80: "intermarket_sweep",
        0x40: "extended_hours",
        0x20: "odd_lot",
        0x10: "trade_through_exempt",
        0x08: "single_price_cross_trade",
    }
    assert load("iex-tops").messages["auction_information"].fields["collar_reference_price"].null == 0
    assert load("msgpack").messages["quote"].fields["bid_price"].null == -(2**63)


def test_message_says_what_the_specification_calls_it() -> None:
    message = load("itch50").messages["net_order_imbalance_indicator"]

    assert message.codes == ("I",)
    assert (message.title, message.section) == ("Net Order Imbalance Indicator (NOII) Message", "1.6")
    assert load("iex-deep").messages["price_level_update"].codes == ("8", "5")
    assert load("msgpack").messages["quote"].codes == ("1",)


def test_message_type_is_the_first_column_of_every_message() -> None:
    for name in WHOLE:
        for message in load(name).messages.values():
            assert next(iter(message.fields)) == "message_type"


def test_a_declaration_is_worked_out_once_for_as_long_as_it_says_the_same(tmp_path: Path) -> None:
    assert load("itch50") is load("itch50")
    copy = tmp_path / "mine.toml"
    text = declaration_of("msgpack").read_text()
    copy.write_text(text)
    before = load(copy)
    assert load(str(copy)) is before

    copy.write_text(text.replace('name = "msgpack"', 'name = "mypacks"', 1))

    assert load(copy).name == "mypacks", "of the same length, and perhaps within one tick of the file's clock"


def test_a_send_time_may_stand_in_two_fields(tmp_path: Path) -> None:
    header = """name = "two"
encoding = "binary"
byte_order = "little"
[framing]
name = "two"
counts = "nothing"
delimiter = "whole"
header = [
    { name = "send_time", type = "u32", role = "send_time_seconds" },
    { name = "send_time_ns", type = "u32", role = "send_time" },
]
[messages.only]
fields = [{ name = "value", type = "u8" }]
"""
    (tmp_path / "two.toml").write_text(header)
    protocol = load(tmp_path / "two.toml")

    spec = protocol.spec.framing.header

    assert isinstance(spec, BinaryHeaderSpec)
    assert spec.send_time_seconds == IntSpec(0, 4, "little")
    assert spec.send_time == IntSpec(4, 4, "little")
    assert list(protocol.dtypes) == ["only"], "the plan can be made"


def test_protocol_cannot_be_changed() -> None:
    protocol = load("itch50")

    with pytest.raises(AttributeError):
        protocol.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        protocol.messages["other"] = protocol.messages["add_order"]  # type: ignore[index]
    with pytest.raises(TypeError):
        del protocol.messages["add_order"].fields["price"]  # type: ignore[attr-defined]


def test_book_says_what_each_message_does() -> None:
    book = load("itch50").book
    assert book is not None

    assert (book.buy, book.sell) == ((b"B",), (b"S",))
    assert book.events["order_executed_with_price"] == Event(
        message="order_executed_with_price",
        action=Action.EXECUTE,
        instrument="stock_locate",
        order_id="order_reference_number",
        size="executed_shares",
        price="execution_price",
        trade_id="match_number",
        printable="printable",
    )
    assert book.events["order_replace"].new_order_id == "new_order_reference_number"
    assert "system_event" not in book.events


def test_book_side_may_be_the_message_type() -> None:
    book = load("iex-deep").book
    assert book is not None

    assert (book.buy, book.sell) == ((b"8",), (b"5",))
    assert book.events["price_level_update"].side == "message_type"
    assert book.events["price_level_update"].complete == "event_flags"


def test_book_is_handed_over_by_the_columns_it_reads() -> None:
    spec = load("iex-tops").spec.book
    assert spec is not None
    assert msgspec.to_builtins(spec.events) == (
        {
            "message": "quote_update",
            "action": "quote",
            "instrument": {"column": "symbol"},
            "bid_price": {"column": "bid_price", "null": 0},
            "bid_size": {"column": "bid_size"},
            "ask_price": {"column": "ask_price", "null": 0},
            "ask_size": {"column": "ask_size"},
        },
    )
    itch = load("itch50").spec.book
    assert itch is not None
    assert (itch.buy, itch.sell) == (("B",), ("S",))
    assert {event.message for event in itch.events}.isdisjoint({"trade", "cross_trade", "broken_trade"})
    assert load(EXAMPLE).spec.book is None, "trades make no book"


def test_msgpack_values_are_found_by_position_or_by_key() -> None:
    quote = load("msgpack").messages["quote"]
    assert [field.path for field in quote.fields.values()] == [(n,) for n in range(7)]

    trade, ticker = (load(EXAMPLE).messages[name].fields for name in ("trade", "ticker"))
    assert trade["trade_id"].path == ("data", "ids", 0)
    assert ticker["n"].path == ("n",)
    assert (trade["fee"].optional, trade["fee"].nullable, trade["fee"].null) == (True, False, 0)
    assert (ticker["last"].optional, ticker["last"].nullable, ticker["last"].null) == (False, True, None)


@pytest.mark.parametrize("protocol", [*map(load, WHOLE), load(EXAMPLE)], ids=lambda p: p.name)
def test_specification_travels_as_json(protocol: Protocol) -> None:
    assert msgspec.json.decode(protocol.spec_json(), type=ProtocolSpec) == protocol.spec


def test_json_is_of_the_agreed_form() -> None:
    spec = json.loads(load("iex-tops").spec_json())

    assert set(spec) == {"name", "framing", "file", "messages", "book", "instruments"}
    assert {"message": "quote_update", "column": "symbol"} in spec["instruments"]
    assert spec["framing"] == {
        "name": "iex-tp",
        "header": {
            "kind": "binary",
            "bytes": 40,
            "session": {"offset": 8, "width": 4, "kind": "uint_little"},
            "sequence": {"offset": 24, "width": 8, "byte_order": "little"},
            "count": {"offset": 14, "width": 2, "byte_order": "little"},
            "send_time": {"offset": 32, "width": 8, "byte_order": "little"},
            "send_time_seconds": None,
            "payload_length": {"field": {"offset": 12, "width": 2, "byte_order": "little"}, "excludes": 40},
            "expect": [
                {
                    "name": "version",
                    "field": {"offset": 0, "width": 1, "byte_order": "little"},
                    "values": [1],
                },
                {
                    "name": "message_protocol_id",
                    "field": {"offset": 2, "width": 2, "byte_order": "little"},
                    "values": [0x8002, 0x8003],
                },
            ],
            "heartbeat": None,
            "end_of_session": None,
            "unit": None,
            "session_reset": None,
            "unsequenced": None,
        },
        "counts": "messages",
        "first_sequence": 1,
        "delimiter": {
            "kind": "length",
            "field": {"offset": 0, "width": 2, "byte_order": "little"},
            "excludes": 2,
            "data_offset": 2,
        },
    }
    assert spec["messages"]["encoding"] == "binary"
    assert spec["messages"]["code"] == {"offset": 0, "width": 1, "byte_order": "little"}
    trade = next(message for message in spec["messages"]["messages"] if message["name"] == "trade_report")
    assert (trade["codes"], trade["length"], trade["min_length"]) == ([{"value": 84, "text": "T"}], 42, 38)
    assert trade["fields"][-1] == {
        "name": "trade_id",
        "kind": "int",
        "offset": 30,
        "width": 8,
        "byte_order": "little",
    }


def test_null_of_the_greatest_unsigned_number_is_its_bits(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(
        """
        name = "venue"
        encoding = "msgpack"
        [framing]
        name = "none"
        counts = "nothing"
        delimiter = "whole"
        [messages.only]
        fields = [{ name = "id", type = "u64", optional = true, null = 0xFFFF_FFFF_FFFF_FFFF }]
        """
    )

    spec = json.loads(load(file).spec_json())

    assert spec["messages"]["code"] is None
    assert spec["messages"]["messages"][0]["codes"] == []
    assert spec["messages"]["messages"][0]["fields"][0]["null"] == -1
    assert load(file).messages["only"].fields["id"].null == 2**64 - 1


def test_field_goes_before_its_named_type(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(
        """
        name = "venue"
        encoding = "binary"
        byte_order = "little"
        [types]
        price = { type = "i64", scale = 4, unit = "usd", byte_order = "big" }
        [framing]
        name = "none"
        counts = "nothing"
        delimiter = "whole"
        [messages.only]
        fields = [
            { name = "last", type = "price" },
            { name = "rate", type = "price", scale = 8, byte_order = "little" },
            { type = "reserved", length = 3 },
            { name = "size", type = "u24", offset = 19 },
        ]
        """
    )

    last, rate, size = load(file).messages["only"].fields.values()

    assert (last.scale, last.unit, last.byte_order) == (4, "usd", "big")
    assert (rate.scale, rate.unit, rate.byte_order) == (8, "usd", "little")
    assert (size.offset, size.width, size.byte_order) == (19, 3, "little")
