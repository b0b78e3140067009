"""Filters by instrument: what passes, what is counted, and that nothing else changes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import delivered
import live
import market
import msgpack
import numpy as np
import numpy.typing as npt
import pytest
from captures import ROOT, capture
from delivered import Delivered, Table

import feedhandler as fh
from feedhandler.config import FilterConfig
from replay.generator import Generator

SNIPPET = "itch/12302019_SNIPPET.NASDAQ_ITCH50"
SIMULATED = "itch/ex20101224.TEST_ITCH_50"
TOPS16 = "iex/TOPS16.pcapng.gz"

QUOTE, TRADE, ORDER_DELETE, INSTRUMENT = 1, 2, 5, 6

Mask = npt.NDArray[np.bool_]


def assert_filtered(found: Delivered, whole: Delivered, wanted: Callable[[Table], Mask]) -> None:
    """Check that the rows are the wanted ones, and that the rest was counted and changed nothing else."""
    kept = {name: rows[wanted(rows)] for name, rows in whole.tables.items()}
    kept = {name: rows for name, rows in kept.items() if len(rows)}
    delivered.assert_same_tables(found.tables, kept)
    left_out = whole.report.messages - sum(map(len, kept.values()))
    assert 0 < left_out < whole.report.messages
    assert found.report.ledger.filtered == left_out
    assert found.report.ledger.is_balanced
    assert (found.report.messages, found.report.digest) == (whole.report.messages, whole.report.digest)
    assert found.report.gaps == whole.report.gaps
    assert sum(counted.count for counted in found.report.by_type.values()) == sum(map(len, kept.values()))


def holds(column: str, *values: Any) -> Callable[[Table], Mask]:
    """Return what tells rows whose column holds one of some values; rows without the column are wanted."""

    def wanted(rows: Table) -> Mask:
        if column not in (rows.dtype.names or ()):
            return np.ones(len(rows), np.bool_)
        return np.isin(rows[column], values)

    return wanted


@pytest.mark.parametrize(
    ("name", "instruments"),
    [(SNIPPET, [3672]), (SNIPPET, [8360, 8771, 1]), (SIMULATED, [2]), (SIMULATED, [1, 3])],
)
def test_itch_by_locate_code(name: str, instruments: list[int]) -> None:
    file = capture(name)

    found = delivered.read(file, "itch50", instruments=instruments)

    # Messages with the code 0, such as system events, are about no security.
    assert_filtered(found, delivered.read(file, "itch50"), holds("stock_locate", 0, *instruments))


def test_itch_by_symbol_is_as_by_the_code_that_the_directory_gives_it() -> None:
    file = capture(SIMULATED)
    whole = delivered.read(file, "itch50")
    (directory,) = (row for row in whole.tables["stock_directory"] if row["stock"] == b"BOB")

    found = delivered.read(file, "itch50", instruments=["BOB"])

    assert_filtered(found, whole, holds("stock_locate", 0, directory["stock_locate"]))


def test_itch_that_is_joined_after_the_directory_learns_the_code_from_the_first_message_with_the_symbol() -> (
    None
):
    file = capture(SNIPPET)
    whole = delivered.read(file, "itch50")
    with_symbol = [rows[rows["stock"] == b"HDS"] for rows in whole.tables.values() if has(rows, "stock")]
    heard = np.concatenate([rows["seq"] for rows in with_symbol]).min()

    def wanted(rows: Table) -> Mask:
        mask = (rows["stock_locate"] == 3672) & (rows["seq"] >= heard)
        return np.asarray(mask | (rows["stock_locate"] == 0))

    found = delivered.read(file, "itch50", instruments=["HDS"])

    assert_filtered(found, whole, wanted)
    assert len(found.tables["order_replace"]) > 0


def has(rows: Table, column: str) -> bool:
    return column in (rows.dtype.names or ())


@pytest.mark.parametrize("symbols", [["AMZN"], ["MDGN+", "FB", "nobody"]])
def test_iex_by_symbol(symbols: list[str]) -> None:
    file = capture(TOPS16)

    found = delivered.read(file, "iex-tops", instruments=symbols)

    wanted = holds("symbol", *(symbol.encode() for symbol in symbols))
    assert_filtered(found, delivered.read(file, "iex-tops"), wanted)


@pytest.mark.parametrize("by_symbol", [False, True])
def test_msgpack_by_number_and_by_symbol(tmp_path: Path, by_symbol: bool) -> None:
    market.write_capture(tmp_path / "day.pcap", lost_on_a={7, 20}, lost_on_b={20})
    whole = delivered.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS)
    (_, first, _, third, *_) = whole.tables["instrument"]
    column = "symbol" if by_symbol else "instrument_id"
    instruments = [shown(first[column]), shown(third[column])]

    found = delivered.read(
        tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS, instruments=instruments
    )

    assert_filtered(found, whole, holds("instrument_id", first["instrument_id"], third["instrument_id"]))


def shown(value: Any) -> str | int:
    return value.decode() if isinstance(value, bytes) else int(value)


@pytest.mark.parametrize(
    ("name", "protocol", "about_none"), [(SIMULATED, "itch50", 6), (TOPS16, "iex-tops", 6)]
)
def test_of_an_unknown_symbol_nothing_passes_but_what_is_about_no_instrument(
    name: str, protocol: str, about_none: int
) -> None:
    report = delivered.read(capture(name), protocol, instruments=["NOBODY"]).report
    assert report.ledger.filtered == report.messages - about_none
    assert report.ledger.is_balanced


def test_a_live_feed_filters_as_a_file_does() -> None:
    file = capture(SIMULATED)
    configuration = live.config("itch50")
    configuration = fh.Config(
        protocol=configuration.protocol,
        channels=configuration.channels,
        ring=configuration.ring,
        arbitrate=configuration.arbitrate,
        filter=FilterConfig(instruments=("BOB", 3)),
    )

    found = live.replayed_fast(file, configuration)

    live.assert_nothing_dropped(found.report)
    live.assert_same(found, delivered.read(file, "itch50", instruments=["BOB", 3]))
    assert found.report.ledger.filtered == 3_211


def test_books_of_a_wanted_instrument_are_as_without_a_filter() -> None:
    def best(**options: Any) -> list[Any]:
        books = fh.Books("itch50")
        for batch in fh.read(capture(SIMULATED), "itch50", **options):
            books.apply(batch)
        bbo = books.bbo
        rows: list[Any] = bbo[bbo["symbol"] == b"BOB"].tolist()
        assert rows
        return rows

    assert best(instruments=["BOB"]) == best()


def packet(
    session: str, sequence: int, messages: Sequence[Sequence[Any]], *, count: int | None = None
) -> bytes:
    header = [0, session, sequence, len(messages) if count is None else count, 0]
    return b"".join(msgpack.packb(value) for value in [header, *messages])


def introduce(instrument_id: int, symbol: str) -> list[Any]:
    return [INSTRUMENT, instrument_id, symbol, "USD", 100, 1, 0]


def delete(instrument_id: int, order_id: int) -> list[Any]:
    return [ORDER_DELETE, instrument_id, order_id, 0]


def deleted(path: Path, packets: Sequence[bytes], instruments: Sequence[str | int]) -> list[int]:
    """Return which orders of wanted instruments packets delete."""
    file = delivered.write_datagrams(path / "feed.pcap", packets)
    found = delivered.read(file, "msgpack", instruments=instruments)
    assert found.report.ledger.is_balanced
    assert found.report.digest == delivered.read(file, "msgpack").report.digest
    rows = found.tables.get("order_delete")
    return [] if rows is None else rows["order_id"].tolist()


def test_a_number_that_is_given_to_another_symbol_is_not_wanted_any_more(tmp_path: Path) -> None:
    messages = [
        introduce(1, "A"),
        delete(1, 10),
        introduce(1, "B"),
        delete(1, 11),
        introduce(2, "A"),
        delete(2, 12),
    ]
    assert deleted(tmp_path, [packet("S", 1, messages)], ["A"]) == [10, 12]


def test_symbols_are_those_of_a_session_and_numbers_are_not(tmp_path: Path) -> None:
    first = packet("MONDAY", 1, [introduce(1, "A"), introduce(2, "B"), delete(1, 10), delete(2, 20)])
    second = packet("TUESDAY", 1, [delete(1, 11), introduce(2, "A"), delete(2, 21), delete(1, 12)])
    assert deleted(tmp_path, [first, second], ["A"]) == [10, 21]
    assert deleted(tmp_path, [first, second], [1]) == [10, 11, 12]


def test_symbols_are_those_of_a_channel(tmp_path: Path) -> None:
    packets = [
        packet("S", 1, [introduce(1, "A"), delete(1, 10)]),
        packet("S", 1, [introduce(1, "B"), delete(1, 20)]),
    ]
    destinations = [("239.1.2.3", 20_001), ("239.1.2.4", 20_002)]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets, destinations)
    found = delivered.read(file, "msgpack", instruments=["A"])
    assert found.tables["order_delete"]["order_id"].tolist() == [10]


def test_what_a_packet_said_that_lies_is_forgotten(tmp_path: Path) -> None:
    lie = packet("S", 2, [introduce(1, "A")], count=2)
    packets = [
        packet("S", 1, [delete(9, 9)]),
        lie,
        packet("S", 2, [delete(1, 10), introduce(1, "A"), delete(1, 11)]),
    ]
    assert deleted(tmp_path, packets, ["A"]) == [11]


def test_a_packet_that_lies_leaves_a_full_memory_as_it_was(tmp_path: Path) -> None:
    most = 1 << 16
    full = [
        packet("S", first + 1, [introduce(number, "A") for number in range(first, first + 1_024)])
        for first in range(0, most, 1_024)
    ]
    lie = packet("S", most + 2, [introduce(5, "B"), introduce(most, "A")], count=3)
    behind = [packet("S", most + 1, [delete(5, 10)]), lie, packet("S", most + 2, [delete(5, 11)])]
    assert deleted(tmp_path, [*full, *behind], ["A"]) == [10, 11]


def test_what_was_learned_in_a_session_holds_again_when_strays_took_the_channel_from_it(
    tmp_path: Path,
) -> None:
    before = [packet("S", 1, [introduce(1, "A"), delete(1, 10)])]
    strays = [
        packet("OTHER", 500, [delete(1, 20), introduce(2, "A"), delete(2, 21)]),
        packet("OTHER", 503, [delete(1, 22)]),
    ]
    behind = [packet("S", 3 + step, [delete(1, 30 + step), delete(2, 60 + step)]) for step in range(0, 40, 2)]
    orders = deleted(tmp_path, [*before, *strays, *behind], ["A"])
    # The eight packets that take the channel back are stale.
    assert orders == [10, 21, *range(46, 70, 2)]


def test_malformed_and_unknown_messages_are_not_counted_as_filtered(tmp_path: Path) -> None:
    messages = [introduce(1, "A"), [99, 1], [QUOTE, "x"], delete(1, 1), delete(2, 2)]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", [packet("S", 1, messages)])
    report = delivered.read(file, "msgpack", instruments=["A"]).report
    (channel,) = report.ledger.channels
    counted = channel.messages
    assert (counted.rows, counted.unknown, counted.malformed, counted.filtered) == (2, 1, 1, 1)


def test_who_reads_a_long_file_hears_from_it_although_nothing_passes(tmp_path: Path) -> None:
    million = 1 << 20
    message = b"\0\x13" + b"D" + (7).to_bytes(2) + bytes(16)
    (tmp_path / "long.itch").write_bytes(message * (million + 10_000))
    reader = fh.read(tmp_path / "long.itch", "itch50", instruments=[8])
    sizes = [(batch.size, reader.progress.done_bytes) for batch in reader]
    assert sum(size for size, _ in sizes) == 0
    assert any(0 < done < len(message) * (million + 10_000) for _, done in sizes)
    assert reader.report().ledger.filtered == million + 10_000


@pytest.mark.parametrize(
    ("protocol", "instruments", "said"),
    [
        ("itch50", [], "at least one instrument, found none"),
        ("itch50", "AAPL", r"in a sequence, found 'AAPL' \(write \['AAPL'\]\)"),
        ("itch50", [65_536], "an integer from 0 to 65535, found 65536"),
        ("itch50", [-1], "an integer from 0 to 65535, found -1"),
        ("itch50", ["NINELONGS"], "at most 8 bytes, as symbols of itch50 are, found 'NINELONGS'"),
        ("itch50", ["AAPL "], "text without spaces around it"),
        ("itch50", [""], "text without spaces around it"),
        ("iex-tops", [7], "text, by which messages of iex-tops name instruments, found 7"),
    ],
)
def test_what_no_message_can_be_about_is_refused(
    tmp_path: Path, protocol: str, instruments: Sequence[str | int], said: str
) -> None:
    with pytest.raises(fh.FilterError, match=said):
        fh.read(tmp_path / "never-opened", protocol, instruments=instruments)


def test_a_protocol_that_does_not_say_where_instruments_stand_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "protocols" / "crypto_trades.toml").read_text()
    (tmp_path / "no_book.toml").write_text(text.partition("[book]")[0])
    with pytest.raises(fh.FilterError, match=r"crypto_trades, whose does not \(declare \[book\]"):
        fh.read(tmp_path / "never-opened", tmp_path / "no_book.toml", instruments=["BTC-USDT"])


def test_text_is_refused_where_messages_carry_numbers_only(tmp_path: Path) -> None:
    text = (ROOT / "feedhandler" / "protocols" / "msgpack.toml").read_text()
    (tmp_path / "numbers.toml").write_text(
        text.replace('instrument = { action = "directory", symbol = "symbol" }', "")
    )
    with pytest.raises(
        fh.FilterError, match="an integer, as messages of msgpack carry no symbols, found 'A'"
    ):
        fh.read(tmp_path / "never-opened", tmp_path / "numbers.toml", instruments=["A"])


def test_a_declaration_that_knows_trades_only_can_be_filtered(tmp_path: Path) -> None:
    trade = {"price": 1, "quantity": 1.0, "side": "buy", "time": msgpack.Timestamp(1), "ids": [1, 2, 3]}
    payloads = [
        msgpack.packb({"type": kind, "data": {"symbol": symbol, **rest}, "n": 1})
        for symbol in ("BTC-USDT", "ETH-USDT")
        for kind, rest in (("trade", trade), ("ticker", {"bid": 1.0, "ask": 2.0, "last": None}))
    ]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", payloads)
    protocol = ROOT / "configs" / "protocols" / "crypto_trades.toml"
    found = delivered.read(file, protocol, instruments=["ETH-USDT"])
    assert_filtered(found, delivered.read(file, protocol), holds("symbol", b"ETH-USDT"))
    assert {name: len(rows) for name, rows in found.tables.items()} == {"trade": 1, "ticker": 1}


def test_a_generated_market_is_filtered_the_short_way_and_the_long_way(tmp_path: Path) -> None:
    generator = Generator(seed=3, instruments=3)
    packets = [generator.packet(1_000 * n, 7) for n in range(50)]
    # The same messages with one element more each go the long way.
    longer = [b"".join(msgpack.packb([*m, 0]) for m in msgpack_values(packet)) for packet in packets]
    ways = [delivered.write_datagrams(tmp_path / f"{n}.pcap", way) for n, way in enumerate((packets, longer))]
    found = [delivered.read(way, "msgpack", instruments=[1]) for way in ways]
    for one in found:
        assert one.report.ledger.is_balanced
        assert one.report.ledger.filtered > 0
    delivered.assert_same_tables(found[0].tables, found[1].tables)


def msgpack_values(packet: bytes) -> list[Any]:
    unpacker = msgpack.Unpacker()
    unpacker.feed(packet)
    return list(unpacker)
