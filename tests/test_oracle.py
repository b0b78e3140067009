"""The oracle itself, where no real capture shows it: msgpack by key, and whatever is refused."""

import math
from pathlib import Path
from typing import Any

import msgpack
import oracle
import pytest
from captures import ROOT

from feedhandler.protocol import Protocol, load

TRADE = {
    "type": "trade",
    "data": {
        "symbol": "BTC-USDT",
        "price": 67_412_50,
        "quantity": 0.0125,
        "side": "buy",
        "time": msgpack.Timestamp(1_767_366_000, 123_456_789),
        "maker": True,
        "ids": [90412, 771, 772],
        7: -3,
        "unknown": [{"deep": [1, 2]}],
    },
}
TICKER = {
    "type": "ticker",
    "data": {"symbol": "BTC-USDT", "bid": 67412.4, "ask": 67413, "last": None},
    "n": 18,
}


@pytest.fixture
def crypto() -> Protocol:
    return load(ROOT / "configs" / "protocols" / "crypto_trades.toml")


def outcome(protocol: Protocol, message: object) -> oracle.Outcome:
    (found,) = oracle.read_packet(protocol, msgpack.packb(message)).messages
    return found


def fields(protocol: Protocol, message: object) -> dict[str, Any]:
    found = outcome(protocol, message)
    assert isinstance(found, oracle.Decoded)
    return found.fields


def test_values_are_found_by_nested_keys(crypto: Protocol) -> None:
    assert fields(crypto, TRADE) == {
        "type": b"trade",
        "symbol": b"BTC-USDT",
        "price": 67_412_50,
        "quantity": 0.0125,
        "side": b"buy",
        "time": 1_767_366_000_123_456_789,
        "maker": True,
        "trade_id": 90412,
        "buy_order_id": 771,
        "sell_order_id": 772,
        "fee": -3,
    }


def test_what_is_missing_or_nil_is_null(crypto: Protocol) -> None:
    data = {key: value for key, value in TRADE["data"].items() if key not in {"maker", 7}}  # type: ignore[attr-defined]
    assert fields(crypto, TRADE | {"data": data})["maker"] is False
    assert fields(crypto, TRADE | {"data": data})["fee"] == 0

    ticker = fields(crypto, TICKER)
    assert math.isnan(ticker["last"])
    assert ticker["ask"] == 67413.0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"price": "67412.50"}, "wrong_kind"),
        ({"price": 67412.5}, "wrong_kind"),
        ({"price": None}, "wrong_kind"),
        ({"price": 2**63}, "out_of_range"),
        ({"maker": 1}, "wrong_kind"),
        ({"symbol": "A-SYMBOL-TOO-LONG"}, "too_long"),
        ({"symbol": b"BTC-USDT"}, "wrong_kind"),
        ({"ids": [90412, 771]}, "missing_field"),
        ({"ids": [90412, 771, -1]}, "out_of_range"),
        ({"ids": 90412}, "wrong_kind"),
        ({"time": 1_767_366_000}, "wrong_kind"),
        ({"time": msgpack.ExtType(5, b"four")}, "wrong_kind"),
        ({7: 40_000}, "out_of_range"),
    ],
)
def test_a_value_that_does_not_fit_refuses_the_message(
    crypto: Protocol, changed: dict[Any, Any], reason: str
) -> None:
    assert outcome(crypto, TRADE | {"data": TRADE["data"] | changed}) == oracle.Refused(reason)  # type: ignore[operator]


def test_unknown_type_is_not_malformed(crypto: Protocol) -> None:
    assert outcome(crypto, {"type": "depth", "data": 1}) == oracle.Unknown("depth")
    assert outcome(crypto, {"data": 1}) == oracle.Refused("missing_field")


def test_every_cut_of_a_packet_is_refused() -> None:
    packet = msgpack.packb([0, "1", 1, 1, 2**63]) + msgpack.packb(
        [1, 1207, 1874200, 1874500, 300, 1200, 2**63]
    )
    assert len(oracle.read_packet(load("msgpack"), packet).messages) == 1

    for length in range(len(packet)):
        with pytest.raises(oracle.Malformed):
            oracle.read_packet(load("msgpack"), packet[:length])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x94\x00\xa0\x01\x00", "short_header"),
        (b"\x81\x00\xa0", "short_header"),
        (msgpack.packb([0, "a session name too long", 1, 1, 0]), "too_long"),
        (msgpack.packb([0, "", -1, 1, 0]), "out_of_range"),
        (msgpack.packb([0, "", 1, 1, 0]) + b"\xc1", "reserved_byte"),
        (msgpack.packb([0, "", 1, 1, 0]) + b"\xdd\xff\xff\xff\xff", "incomplete"),
        (msgpack.packb([0, "", 1, 2, 0]) + msgpack.packb([5, 1, 1, 1]), "count_too_large"),
    ],
)
def test_msgpack_packets_that_lie(payload: bytes, reason: str) -> None:
    with pytest.raises(oracle.Malformed, match=reason):
        oracle.read_packet(load("msgpack"), payload)


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("itch50", bytes(19), "short_header"),
        ("itch50", bytes(18) + b"\x00\x01", "count_too_large"),
        ("itch50", bytes(18) + b"\x00\x01\x00", "block_length"),
        ("itch50", bytes(18) + b"\x00\x01\x00\x05SSSS", "block_length"),
        ("iex-tops", b"\x02\x00\x03\x80" + bytes(36), "unexpected_value"),
        ("iex-tops", b"\x01\x00\x03\x80" + bytes(8) + b"\x01\x00" + bytes(26), "payload_length"),
    ],
)
def test_binary_packets_that_lie(name: str, payload: bytes, reason: str) -> None:
    with pytest.raises(oracle.Malformed, match=reason):
        oracle.read_packet(load(name), payload)


def test_binary_messages_have_fates_of_their_own() -> None:
    header = b"session   " + (1).to_bytes(8) + (4).to_bytes(2)
    event = b"S" + bytes(10) + b"O"
    blocks = [b"z", b"", event[:-1], event + b"newer"]
    payload = header + b"".join(len(block).to_bytes(2) + block for block in blocks) + b"!"

    packet = oracle.read_packet(load("itch50"), payload)

    assert packet.messages[:3] == (
        oracle.Unknown("z"),
        oracle.Unknown("empty"),
        oracle.Refused("message_too_short"),
    )
    newer = packet.messages[3]
    assert isinstance(newer, oracle.Decoded)
    assert newer.is_longer
    assert newer.fields["event_code"] == b"O"
    assert packet.trailing_bytes == 1


def test_whole_binary_datagram_is_one_message(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(
        """
        name = "venue"
        encoding = "binary"
        byte_order = "little"
        [framing]
        name = "none"
        counts = "nothing"
        delimiter = "whole"
        [messages.only]
        fields = [
            { name = "signed", type = "i24" },
            { name = "rate", type = "f64" },
            { name = "half", type = "f32", byte_order = "big" },
            { name = "raw", type = "bytes", length = 2 },
            { name = "late", type = "u16", optional = true },
        ]
        """
    )
    payload = b"\xfe\xff\xff" + b"\x00" * 6 + b"\xf8\x3f" + b"\x3f\x00\x00\x00" + b"\x01\x00"

    (found,) = oracle.read_packet(load(file), payload).messages

    assert found == oracle.Decoded(
        "only", "only", {"signed": -2, "rate": 1.5, "half": 0.5, "raw": b"\x01\x00", "late": 0}
    )
