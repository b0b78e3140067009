"""Real feeds, read as a user reads them: counts, sessions, and every field against other decoders."""

import gzip
import json
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import delivered
import numpy as np
import oracle
import pytest
from captures import capture, payloads
from delivered import LEADING_COLUMNS, Row

import feedhandler as fh
from feedhandler.protocol import Field, Kind

SNIPPET = "itch/12302019_SNIPPET.NASDAQ_ITCH50"
SIMULATED = "itch/ex20101224.TEST_ITCH_50"
TOPS16 = "iex/TOPS16.pcapng.gz"


def counts(text: str) -> dict[str, int]:
    return {word[0]: int(word[1:]) for word in text.split()}


def by_type(report: fh.Report) -> dict[str, int]:
    return {code: found.count for code, found in report.by_type.items()}


def assert_clean(report: fh.Report) -> None:
    """Nothing was lost, left over or misunderstood, and the sums are right."""
    assert report.ledger.is_balanced
    assert report.ledger.lost == 0
    assert (report.gaps, report.malformed, report.unknown_types, report.duplicates) == ((), 0, (), 0)
    assert not report.truncated
    for channel in report.ledger.channels:
        assert channel.messages.longer == 0
        assert sum(line.trailing_bytes for line in channel.lines) == 0


def test_itch_file_of_one_morning() -> None:
    found = delivered.read(capture(SNIPPET), "itch50")

    assert_clean(found.report)
    assert found.report.messages == 1_000
    assert by_type(found.report) == counts("A367 U225 F193 D167 E28 X6 I4 P4 Q4 S1 C1")
    assert sum(map(len, found.tables.values())) == 1_000
    first, *_, last = sorted(time for rows in found.tables.values() for time in rows["timestamp"].tolist())
    assert (first, last) == (34_200_000_000_230, 34_200_002_364_611)


@pytest.mark.parametrize("name", [SIMULATED, f"{SIMULATED}.gz"])
def test_itch_file_whose_lengths_are_zero(name: str) -> None:
    found = delivered.read(capture(name), "itch50")

    assert_clean(found.report)
    assert found.report.messages == 12_012
    assert by_type(found.report) == counts("S6 R3 H3 A4997 F3 E198 X45 D1745 U12 P5000")
    sides = np.concatenate(
        [found.tables[name]["buy_sell_indicator"] for name in ("add_order", "add_order_mpid_attribution")]
    )
    assert Counter(sides.tolist()) == {b"B": 2_432, b"S": 2_568}


@pytest.mark.parametrize("name", [SNIPPET, SIMULATED])
def test_itch_files_hold_what_the_oracle_reads(name: str) -> None:
    protocol = fh.protocol("itch50")
    file = capture(name)

    found = [(message, row[LEADING_COLUMNS:]) for message, row in delivered.messages(fh.read(file, protocol))]

    assert found == [fields_of(outcome) for outcome in oracle.read_file(protocol, file.read_bytes())]


def fields_of(outcome: oracle.Outcome) -> tuple[str, Row]:
    assert isinstance(outcome, oracle.Decoded)
    return outcome.name, tuple(outcome.fields.values())


def test_compressed_file_is_the_same_file() -> None:
    plain = delivered.read(capture(SIMULATED), "itch50")
    compressed = delivered.read(capture(f"{SIMULATED}.gz"), "itch50", batch_messages=100)

    delivered.assert_same_tables(plain.tables, compressed.tables)
    assert plain.report.digest == compressed.report.digest


def test_tops_of_one_morning() -> None:
    found = delivered.read(capture(TOPS16), "iex-tops")
    report = found.report

    assert_clean(report)
    assert (report.packets, report.datagrams, report.messages, report.heartbeats) == (
        13_022,
        13_022,
        57_674,
        237,
    )
    (session,) = report.sessions
    assert (session.id, session.first, session.last) == (1_137_508_352, 1, 57_674)
    assert by_type(report) == counts("A642 B3 D10 H7803 O7801 P7802 Q27217 S6 T6390")
    seqs = np.concatenate([rows["seq"] for rows in found.tables.values()])
    assert np.array_equal(np.sort(seqs), np.arange(1, 57_675))


def test_order_says_how_messages_came() -> None:
    seqs: list[int] = []
    for batch in fh.read(capture(TOPS16), "iex-tops", batch_messages=1_000):
        tables = [batch[name]["seq"] for name in batch.names]
        seqs += [tables[table][row] for table, row in batch.order.tolist()]
    assert seqs == list(range(1, 57_675))


def test_tops_equals_another_decoder() -> None:
    """Every field of the first 5,000 frames, the number and the time of each message included."""
    protocol = fh.protocol("iex-tops")
    expected = expected_rows(protocol)
    found = delivered.read(capture(TOPS16), protocol)

    assert sum(map(len, expected.values())) == 42_716
    assert expected.keys() == found.tables.keys()
    for name, rows in expected.items():
        assert found.rows(name)[: len(rows)] == rows, name


def expected_rows(protocol: fh.Protocol) -> dict[str, list[Row]]:
    """Return the rows of each table as the other decoder's file tells them."""
    names = {code: message for message in protocol.messages.values() for code in message.codes}
    rows = defaultdict(list)
    lines = gzip.decompress(capture("iex/TOPS16.first5000.expected.jsonl.gz").read_bytes()).splitlines()
    for line in lines:
        frame = json.loads(line)
        seconds, nanoseconds = frame["t"].split(".")
        header = dict(leaves(child(frame["tree"], "iextpheader_tree")))
        trees = child(frame["tree"], "message_tree", [])
        trees = trees if isinstance(trees, list) else [trees]
        assert header["sessionid"] == "1137508352"
        assert header["messagecount"] == str(len(trees))
        for place, tree in enumerate(trees):
            shown = dict(leaves(tree))
            message = names[shown["messagetype"]]
            assert shown["messageindex"] == str(place + 1)
            seq = int(header["firstmessagesequencenumber"]) + place
            values = (as_column(field, shown) for field in message.fields.values())
            rows[message.name].append((seq, int(seconds + nanoseconds), 0, *values))
    return rows


def child(tree: dict[str, Any], name: str, default: Any = None) -> Any:
    return next((value for key, value in tree.items() if key.rpartition(".")[2] == name), default)


def leaves(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the other decoder shows, by names without their prefix; a flag hides the byte it is in."""
    for key, value in tree.items():
        yield from leaves(value) if isinstance(value, dict) else [(key.rpartition(".")[2], value)]


def as_column(field: Field, shown: dict[str, str]) -> int | bytes:
    """Return the value of a column that stands for what the other decoder shows."""
    if field.flags:
        return sum(mask for mask, flag in field.flags.items() if shown[flag.replace("_", "")] == "1")
    text = shown[field.name.replace("_", "")]
    if field.scale is not None:
        return int(Decimal(text).scaleb(field.scale))
    if field.name == "extension_number":
        return ord(text) if text else 0  # it takes this number for a character
    return text.encode() if field.kind in {Kind.ASCII, Kind.CHAR} else int(text)


def singles() -> list[Path]:
    return sorted(capture("itch").glob("singles-*/*.pcap"))


def test_itch_single_packets_hold_what_the_oracle_reads() -> None:
    protocol = fh.protocol("itch50")
    codes = set()
    for file in singles():
        found = list(delivered.messages(fh.read(file, protocol)))

        packets = [oracle.read_packet(protocol, payload) for payload in payloads(file)]
        assert [(name, row[LEADING_COLUMNS:]) for name, row in found] == [
            fields_of(outcome) for packet in packets for outcome in packet.messages
        ], file
        assert [row[1] for _, row in found] == list(times_ns(file))
        codes |= {row[LEADING_COLUMNS] for _, row in found}
        reader = fh.read(file, protocol)
        assert sum(batch.size for batch in reader) == reader.report().messages == len(found)
        assert_clean(reader.report())
    assert codes == {code.encode() for code in "ACDEFHIJLNPQSUXY"}


def times_ns(file: Path) -> Iterator[int]:
    """Yield the time of each record of a little-endian pcap file of nanoseconds."""
    data, at = file.read_bytes(), 24
    while at < len(data):
        seconds, nanoseconds, length = struct.unpack_from("<III", data, at)
        yield seconds * 10**9 + nanoseconds
        at += 16 + length


# The first message of a file, read from its hexadecimal dump with the specification at hand.
BY_HAND: list[tuple[str, str, dict[str, Any]]] = [
    (
        "singles-nasdaq-20230822/SystemEvent.pcap",
        "system_event",
        {"stock_locate": 0, "tracking_number": 0, "timestamp": 34_200_000_070_384, "event_code": b"Q"},
    ),
    (
        "singles-nasdaq-20230822/StockTradingAction.pcap",
        "stock_trading_action",
        {
            "stock_locate": 11_325,
            "stock": b"ZXZZT",
            "trading_state": b"P",
            "reserved": b" ",
            "reason": b"LUDP",
        },
    ),
    (
        "singles-bx-20230822/RegShoShortSalePriceTestRestrictedIndicatorMessage.pcap",
        "reg_sho_restriction",
        {
            "stock_locate": 9_405,
            "timestamp": 34_200_116_747_479,
            "stock": b"SOPA",
            "reg_sho_action": b"1",
        },
    ),
    (
        "singles-nasdaq-20230822/MarketParticipantPosition.pcap",
        "market_participant_position",
        {
            "timestamp": 34_224_468_064_326,
            "mpid": b"MAXM",
            "stock": b"FDLS",
            "primary_market_maker": b"Y",
            "market_maker_mode": b"N",
            "market_participant_state": b"A",
        },
    ),
    (
        "singles-nasdaq-20230822/LULDAuctionCollar.pcap",
        "luld_auction_collar",
        {
            "stock": b"ZXZZT",
            "auction_collar_reference_price": 13_3400,
            "upper_auction_collar_price": 14_0100,
            "lower_auction_collar_price": 10_9200,
            "auction_collar_extension": 0,
        },
    ),
    (
        "singles-bx-20230822/AddOrderNoMpidAttributionMessage.pcap",
        "add_order",
        {
            "stock_locate": 524,
            "order_reference_number": 1_551_269,
            "buy_sell_indicator": b"B",
            "shares": 300,
            "stock": b"AMZU",
            "price": 24_2700,
        },
    ),
    (
        "singles-bx-20230822/AddOrderMpidAttributionMessage.pcap",
        "add_order_mpid_attribution",
        {
            "stock_locate": 670,
            "timestamp": 34_200_003_264_552,
            "order_reference_number": 1_551_965,
            "buy_sell_indicator": b"S",
            "shares": 100,
            "stock": b"ARGT",
            "price": 47_9100,
            "attribution": b"VIRT",
        },
    ),
    (
        "singles-bx-20230822/OrderExecutedMessage.pcap",
        "order_executed",
        {
            "tracking_number": 2,
            "order_reference_number": 3_017_419,
            "executed_shares": 10,
            "match_number": 27_628,
        },
    ),
    (
        "singles-bx-20230822/OrderExecutedWithPriceMessage.pcap",
        "order_executed_with_price",
        {
            "order_reference_number": 3_208_515,
            "executed_shares": 5,
            "match_number": 27_987,
            "printable": b"Y",
            "execution_price": 117_6700,
        },
    ),
    (
        "singles-bx-20230822/OrderCancelMessage.pcap",
        "order_cancel",
        {"order_reference_number": 1_464_801, "cancelled_shares": 1_000},
    ),
    (
        "singles-bx-20230822/OrderDeleteMessage.pcap",
        "order_delete",
        {"stock_locate": 4_135, "order_reference_number": 2_902_330},
    ),
    (
        "singles-bx-20230822/OrderReplaceMessage.pcap",
        "order_replace",
        {
            "original_order_reference_number": 2_415_366,
            "new_order_reference_number": 3_541_190,
            "shares": 100,
            "price": 89_8000,
        },
    ),
    (
        "singles-bx-20230822/NonCrossTradeMessage.pcap",
        "trade",
        {
            "order_reference_number": 0,
            "buy_sell_indicator": b"B",
            "shares": 1,
            "stock": b"AMZN",
            "price": 135_1400,
            "match_number": 27_640,
        },
    ),
    (
        "singles-nasdaq-20230822/CrossTrade.pcap",
        "cross_trade",
        {
            "stock_locate": 983,
            "tracking_number": 1,
            "shares": 0,
            "stock": b"BAC-Q",
            "cross_price": 0,
            "match_number": 255_550,
            "cross_type": b"O",
        },
    ),
    (
        "singles-nasdaq-20230822/NetOrderImbalanceIndicator.pcap",
        "net_order_imbalance_indicator",
        {
            "paired_shares": 0,
            "imbalance_shares": 0,
            "imbalance_direction": b"O",
            "stock": b"PFTAW",
            "far_price": 0,
            "current_reference_price": 0,
            "cross_type": b"O",
            "price_variation_indicator": b" ",
        },
    ),
    (
        "singles-bx-20230822/RetailInterestMessage.pcap",
        "retail_price_improvement_indicator",
        {"stock_locate": 1_258, "stock": b"BIZD", "interest_flag": b"N"},
    ),
    (
        "ex20101224.TEST_ITCH_50",
        "stock_directory",
        {
            "stock_locate": 1,
            "stock": b"ALC",
            "market_category": b"N",
            "financial_status_indicator": b"N",
            "round_lot_size": 100,
            "round_lots_only": b"N",
            "issue_classification": b"A",
            "issue_sub_type": b"Z",
            "authenticity": b"P",
            "short_sale_threshold_indicator": b"N",
            "ipo_flag": b"N",
            "luld_reference_price_tier": b"2",
            "etp_flag": b"N",
            "etp_leverage_factor": 0,
            "inverse_indicator": b"N",
        },
    ),
]


@pytest.mark.parametrize(("name", "message", "values"), BY_HAND, ids=[message for _, message, _ in BY_HAND])
def test_itch_values_read_by_hand(name: str, message: str, values: dict[str, Any]) -> None:
    first = delivered.read(capture(f"itch/{name}"), "itch50").tables[message][0]

    assert {column: first[column].item() for column in values} == values
