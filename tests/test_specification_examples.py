"""Worked examples at the public edge: those of the IEX documents, of our own, and of ITCH's rarer messages.

No capture at hand has these ITCH messages; their bytes were put together from the tables in the document.
"""

from pathlib import Path
from typing import Any

import delivered
import pytest
from delivered import LEADING_COLUMNS
from iex_examples import DEEP_EXAMPLES, TOPS_EXAMPLES
from test_wire_format import EXAMPLES as MSGPACK_EXAMPLES
from test_wire_format import HEADER, ONE_SIDED_QUOTE, QUOTE, SENT_NS, TRADE, as_column

import feedhandler as fh

# Nasdaq TotalView-ITCH 5.0, sections 1.2.5 to 1.8. Behind the type: stock locate, tracking number, timestamp.
_COMMON = "0102 0003 1f1aced9f001"
_STOCK = "5a565a5a54202020"
ITCH_EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    (
        f"56 {_COMMON} 0000005f960800c0 000000596b57b740 00000052397fe000",
        {"level_1": 4_105_39000000, "level_2": 3_840_53000000, "level_3": 3_531_52000000},
    ),
    (f"57 {_COMMON} 32", {"breached_level": b"2"}),
    (
        f"4b {_COMMON} {_STOCK} 000090ec 41 0001f018",
        {
            "stock": b"ZVZZT",
            "ipo_quotation_release_time": 37_100,
            "ipo_quotation_release_qualifier": b"A",
            "ipo_price": 12_7000,
        },
    ),
    (
        f"68 {_COMMON} {_STOCK} 51 48",
        {"stock": b"ZVZZT", "market_code": b"Q", "operational_halt_action": b"H"},
    ),
    (f"42 {_COMMON} 0000000000006bf8", {"match_number": 27_640}),
    (
        f"4f {_COMMON} {_STOCK} 59 0001f018 00030d40 00020ab8 00001f1aced9f002 0001e848 00035b60",
        {
            "stock": b"ZVZZT",
            "open_eligibility_status": b"Y",
            "minimum_allowable_price": 12_7000,
            "maximum_allowable_price": 20_0000,
            "near_execution_price": 13_3816,
            "near_execution_time": 34_200_000_000_002,
            "lower_price_range_collar": 12_5000,
            "upper_price_range_collar": 22_0000,
        },
    ),
]


def the_row(file: Path, payload: bytes, protocol: str) -> tuple[str, dict[str, Any]]:
    """Return the only message of a datagram."""
    found = delivered.read(delivered.write_datagrams(file, [payload]), protocol)
    assert found.report.malformed == 0
    ((name, rows),) = found.tables.items()
    assert rows.dtype.names is not None
    return name, dict(zip(rows.dtype.names, rows[0].item(), strict=True))


@pytest.mark.parametrize(("text", "values"), ITCH_EXAMPLES)
def test_itch_messages_that_no_capture_has(text: str, values: dict[str, Any], tmp_path: Path) -> None:
    message = bytes.fromhex(text)
    header = b"20230822A " + (77).to_bytes(8) + (1).to_bytes(2)

    name, row = the_row(tmp_path / "one.pcap", header + len(message).to_bytes(2) + message, "itch50")

    assert fh.protocol("itch50").messages[name].codes == (chr(message[0]),)
    common = {"seq": 77, "stock_locate": 258, "tracking_number": 3, "timestamp": 34_200_000_000_001}
    assert row.items() >= (common | values).items()


@pytest.mark.parametrize(
    ("protocol", "text", "values"),
    [("iex-tops", *example) for example in TOPS_EXAMPLES]
    + [("iex-deep", *example) for example in DEEP_EXAMPLES],
)
def test_iex_examples(protocol: str, text: str, values: dict[str, Any], tmp_path: Path) -> None:
    message = bytes.fromhex(text)
    protocol_id = {"iex-tops": "0380", "iex-deep": "0480"}[protocol]
    header = bytes.fromhex(f"01 00 {protocol_id} 01000000 00008742") + (2 + len(message)).to_bytes(
        2, "little"
    )
    tail = bytes.fromhex("0100 8ca6210000000000 cac3000000000000 ec45c22096866d14")
    block = len(message).to_bytes(2, "little") + message

    _, row = the_row(tmp_path / "one.pcap", header + tail + block, protocol)

    assert row.items() >= ({"seq": 50_122} | values).items()


@pytest.mark.parametrize(("text", "values"), MSGPACK_EXAMPLES)
def test_wire_format_examples(text: str, values: list[Any], tmp_path: Path) -> None:
    header = bytes.fromhex(HEADER.replace("2a03cf", "2a01cf"))

    _, row = the_row(tmp_path / "one.pcap", header + bytes.fromhex(text), "msgpack")

    assert list(row.values())[LEADING_COLUMNS:] == [as_column(value) for value in values]


def test_wire_format_example_packet(tmp_path: Path) -> None:
    payload = bytes.fromhex(HEADER + QUOTE + ONE_SIDED_QUOTE + TRADE)

    found = delivered.read(delivered.write_datagrams(tmp_path / "one.pcap", [payload]), "msgpack")

    assert found.tables["quote"]["seq"].tolist() == [42, 43]
    assert found.tables["trade"]["seq"].tolist() == [44]
    assert found.tables["trade"]["exchange_time_ns"].tolist() == [SENT_NS - 5_400]
    (session,) = found.report.sessions
    assert (session.id, session.first, session.last) == ("20260102", 42, 44)
