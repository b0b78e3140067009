"""What a user sees of the synthetic feed: reproducible, in the declared format, with books that are known."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from shutil import which
from typing import Any

import delivered
import msgpack
import msgspec
import oracle
import oracle_book
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feedhandler as fh
from feedhandler.book import NO_PRICE
from feedhandler.cli import main
from feedhandler.protocol import load
from replay import Generator
from replay.generator import LINES, START_NS, Written
from replay.true_books import TrueBook, TrueBooks, TrueQuote

DATA, HEARTBEAT, END_OF_SESSION = 0, 1, 2
QUOTE, TRADE, INSTRUMENT = 1, 2, 6
MOST_PACKET_BYTES = 1_400
CHANNELS = {"feed": ["239.1.1.1:20001", "239.1.1.2:20002"]}

both_protocols = pytest.mark.parametrize("protocol", ["msgpack", "itch50"])
seeds = st.integers(0, 2**64 - 2)

Packet = tuple[list[int | str], list[list[int | str]]]


def unpacked(packet: bytes) -> Packet:
    """Header and messages of a packet, by the reference implementation."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(packet)
    header, *messages = list(unpacker)
    return header, messages


def feed(seed: int, packets: int = 50, instruments: int = 3, messages: int = 4) -> list[bytes]:
    generator = Generator(seed, instruments)
    made = generator.packets(packets, start_ns=START_NS, interval_ns=100_000, messages=messages)
    return [packet for _, packet in made]


def messages_of(packets: Iterable[bytes], code: int) -> list[list[Any]]:
    return [message for packet in packets for message in unpacked(packet)[1] if message[0] == code]


@given(seeds)
def test_the_seed_alone_makes_the_feed(seed: int) -> None:
    assert feed(seed) == feed(seed)
    assert feed(seed) != feed(seed + 1)


def test_prices_and_sizes_do_not_depend_on_when_it_runs() -> None:
    def without_times(start_ns: int) -> list[list[int | str]]:
        made = Generator(7).packets(50, start_ns=start_ns, interval_ns=5_000)
        return [message[:-1] for _, packet in made for message in unpacked(packet)[1]]

    assert without_times(START_NS) == without_times(START_NS + 12_345)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_sequence_numbers_count_messages_without_a_gap(counts: list[int]) -> None:
    generator = Generator(seed=1)
    next_sequence = 1
    for count in counts:
        header, messages = unpacked(generator.packet(START_NS, count))
        assert header == [DATA, "SYNTHETIC", next_sequence, count, START_NS]
        assert len(messages) == count
        next_sequence += count
    assert generator.next_sequence == next_sequence
    assert unpacked(generator.heartbeat(5)) == ([HEARTBEAT, "SYNTHETIC", next_sequence, 0, 5], [])
    assert unpacked(generator.end_of_session(6)) == ([END_OF_SESSION, "SYNTHETIC", next_sequence, 0, 6], [])


def test_instruments_are_defined_before_anything_is_said_about_them() -> None:
    packets = feed(seed=1, instruments=10, messages=4)
    everything = [message for packet in packets for message in unpacked(packet)[1]]

    assert [message[:2] for message in everything[:10]] == [[INSTRUMENT, n] for n in range(1, 11)]
    assert len({message[2] for message in everything[:10]}) == 10
    assert all(message[0] != INSTRUMENT for message in everything[10:])


def test_messages_have_the_declared_fields() -> None:
    declared = load("msgpack").messages
    packets = feed(seed=1, packets=200)
    for message in declared.values():
        if message.name == "snapshot_end":
            continue
        paths = [field.path for field in message.fields.values()]
        assert paths == [(position,) for position in range(len(paths))]
        found = messages_of(packets, int(message.codes[0]))
        assert found
        assert {len(each) for each in found} == {len(paths)}


def test_every_packet_is_well_formed() -> None:
    protocol = load("msgpack")
    generator = Generator(seed=2)
    for packet in (
        generator.packet(START_NS, 1_000),
        generator.heartbeat(START_NS),
        generator.end_of_session(START_NS),
    ):
        read = oracle.read_packet(protocol, packet)
        assert read.header.session == "SYNTHETIC"
        assert all(isinstance(outcome, oracle.Decoded) for outcome in read.messages)


def test_the_market_makes_sense() -> None:
    last: dict[int, list[Any]] = {}
    bests = set()
    for packet in feed(seed=3, packets=5_000):
        for message in unpacked(packet)[1]:
            if message[0] == QUOTE:
                _, instrument, bid, ask, bid_size, ask_size, _ = message
                assert bid is None or ask is None or 0 < int(bid) < int(ask)
                assert all(int(price or 0) % 100 == 0 for price in (bid, ask))
                assert all(int(size) % 100 == 0 for size in (bid_size, ask_size))
                last[int(instrument)] = [bid, ask, bid_size, ask_size]
                bests.add(bid)
            elif message[0] == TRADE and message[4] != 0:
                _, instrument, price, size, side, *_ = map(int, message)
                bid, ask, *_ = last[instrument]
                assert (price, side) in ((ask, 1), (bid, 2))
                assert size > 0
    assert len(last) == 3
    assert len(bests) > 30


def test_the_last_quotes_are_those_a_receiver_of_everything_saw() -> None:
    generator = Generator(seed=5, instruments=6)
    packets = [packet for _, packet in generator.packets(300, start_ns=START_NS, interval_ns=1_000)]

    seen = {message[1]: TrueQuote(*message[2:]) for message in messages_of(packets, QUOTE)}
    assert seen == generator.quotes
    trade_ids = [message[5] for message in messages_of(packets, TRADE)]
    assert trade_ids == list(range(1, len(trade_ids) + 1))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30), st.integers(1, 9))
def test_exchange_times_come_just_before_the_send_time_and_never_run_back(
    gaps_ns: list[int], count: int
) -> None:
    generator = Generator(seed=1)
    send_time_ns = START_NS
    times: list[int] = []
    for gap_ns in gaps_ns:
        send_time_ns += gap_ns
        inside = [int(message[-1]) for message in unpacked(generator.packet(send_time_ns, count))[1]]
        assert max(inside) <= send_time_ns
        times += inside
    assert all(before <= after for before, after in pairwise(times))


def test_what_cannot_be_generated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="session of at most 16 bytes"):
        Generator(1, session="s" * 17)
    with pytest.raises(ValueError, match="session of at most 10 bytes"):
        Generator(1, protocol="itch50", session="20260105-AB")
    with pytest.raises(ValueError, match="at least one instrument"):
        Generator(1, instruments=0)
    with pytest.raises(ValueError, match="at most 65535 instruments"):
        Generator(1, instruments=65_536)
    with pytest.raises(ValueError, match="seed from 0"):
        Generator(-1)
    with pytest.raises(ValueError, match="messages a second"):
        Generator(1, rate=0)
    with pytest.raises(ValueError, match="at least one message"):
        Generator(1).packet(START_NS, 0)
    with pytest.raises(ValueError, match="fit a datagram"):
        Generator(1).packet(START_NS, 10_000)
    with pytest.raises(ValueError, match="at least 14 messages, found 13"):
        Generator(1, protocol="itch50").write(tmp_path / "x.pcapng", messages=13)
    with pytest.raises(ValueError, match="one of messages"):
        Generator(1).write(tmp_path / "x.pcapng", messages=13, size_bytes=1)
    with pytest.raises(OSError, match="missing"):
        Generator(1).write(tmp_path / "missing" / "x.pcapng", messages=13)
    for messages in (13, 1_000_000):
        with pytest.raises(OSError, match="No space left"):
            Generator(1).write("/dev/full", messages=messages)


def written(path: Path, protocol: str, seed: int = 1, **limits: Any) -> tuple[Generator, Written]:
    rate = limits.pop("rate", 100_000.0)
    lines = limits.pop("lines", LINES)
    generator = Generator(seed, 5, protocol="itch50" if protocol == "itch50" else "msgpack", rate=rate)
    return generator, generator.write(path, lines, **limits)


def oracle_orders(instrument: oracle_book.Instrument) -> set[tuple[int, int, int, int]]:
    return {(order.id, order.side, order.price, order.size) for order in instrument.orders}


def true_orders(book: TrueBook) -> set[tuple[int, int, int, int]]:
    sides = ((oracle_book.BID, book.bids), (oracle_book.ASK, book.asks))
    return {
        (number, side, level.price, size)
        for side, levels in sides
        for level in levels
        for number, size in level.orders
    }


@both_protocols
@pytest.mark.parametrize("seed", [0, 1, 7, 2**63, 2**64 - 1])
def test_the_true_books_are_those_that_an_oracle_and_the_handler_make_of_the_stream(
    protocol: str, seed: int, tmp_path: Path
) -> None:
    file = tmp_path / "day.pcapng"
    generator, _ = written(file, protocol, seed, messages=12_000)
    reader = fh.read(file, protocol=protocol, channels=CHANNELS)
    books, slow = fh.Books(protocol), oracle_book.Oracle(load(protocol))
    for batch in reader:
        books.apply(batch)
        slow.apply(batch)
    truth = generator.books()
    assert (truth.next_sequence, len(truth.books)) == (12_001, 5)
    for true, told in zip(truth.books, slow.instruments, strict=True):
        assert (true.instrument, true.symbol.encode()) == (told.name, told.symbol)
        assert true_orders(true) == oracle_orders(told)
        assert true.bids
        assert true.asks
        found = books.depth(true.instrument, None)
        assert found.state is fh.BookState.GOOD
        for levels, rows in ((true.bids, found.bids), (true.asks, found.asks)):
            assert [(level.price, level.size, len(level.orders)) for level in levels] == rows.tolist()
        assert_best(books, true)
    assert books.orders == sum(len(true_orders(book)) for book in truth.books)
    assert (reader.report().ledger.lost, reader.report().malformed) == (0, 0)


def assert_best(books: fh.Books, true: TrueBook) -> None:
    row = books.best(true.instrument)
    if true.quote is None:
        expected: tuple[Any, ...] = (
            true.bids[0].price,
            true.bids[0].size,
            true.asks[0].price,
            true.asks[0].size,
        )
    else:
        quote = true.quote
        prices = [NO_PRICE if price is None else price for price in (quote.bid_price, quote.ask_price)]
        expected = (prices[0], quote.bid_size, prices[1], quote.ask_size)
    assert tuple(row[["bid_price", "bid_size", "ask_price", "ask_size"]].tolist()) == expected


DIGESTS = {
    "msgpack": "0e836e0380887a720b8649234f85d6310e8220c6e9f023a70ae7da5722a99c81",
    "itch50": "3460edad6486e9271cf158081717b0456ce813e90c4269acf450e0c75ab35bf8",
}


@both_protocols
def test_a_file_is_the_same_on_every_machine(protocol: str, tmp_path: Path) -> None:
    written(tmp_path / "day.pcapng", protocol, seed=42, messages=5_000)
    assert hashlib.sha256((tmp_path / "day.pcapng").read_bytes()).hexdigest() == DIGESTS[protocol]


@both_protocols
def test_size_options_are_exact(protocol: str, tmp_path: Path) -> None:
    file = tmp_path / "day.pcapng"
    slack = 2 * (MOST_PACKET_BYTES + 128)

    by_messages = written(file, protocol, messages=4_321)[1]
    assert by_messages.messages == delivered.read(file, protocol, channels=CHANNELS).report.messages == 4_321

    by_size = written(file, protocol, size_bytes=700_000)[1]
    assert by_size.bytes == file.stat().st_size
    assert abs(by_size.bytes - 700_000) <= slack

    by_time = written(file, protocol, duration_ns=300_000_000, rate=20_000.0)[1]
    assert abs(by_time.messages - 6_000) < 1_500
    ended_ns = by_time.last_ns - START_NS - 300_000_000
    assert 0 <= ended_ns <= 25_000_000, "the end of the session follows, three times"


@both_protocols
def test_two_lines_carry_the_same_a_little_apart(protocol: str, tmp_path: Path) -> None:
    file = tmp_path / "day.pcapng"
    made = written(file, protocol, messages=3_000)[1]
    of_both = delivered.read(file, protocol, channels=CHANNELS).report
    lines = [
        delivered.read(file, protocol, channels={"feed": [line]}, rest="skip").report
        for line in CHANNELS["feed"]
    ]

    assert {report.digest for report in lines} == {of_both.digest}
    assert [report.messages for report in (of_both, *lines)] == [3_000] * 3
    assert of_both.datagrams == made.datagrams == 2 * lines[0].datagrams

    one, made = (
        tmp_path / "one.pcapng",
        written(tmp_path / "one.pcapng", protocol, messages=3_000, lines=LINES[:1])[1],
    )
    assert delivered.read(one, protocol).report.digest == of_both.digest
    assert made.datagrams == lines[0].datagrams


def test_a_compressed_file_is_the_same_file(tmp_path: Path) -> None:
    plain, packed = (tmp_path / name for name in ("day.pcapng", "day.pcapng.zst"))
    sizes = {written(file, "itch50", messages=20_000)[1].bytes for file in (plain, packed)}
    assert sizes == {plain.stat().st_size}
    assert packed.stat().st_size < plain.stat().st_size / 2
    reports = [delivered.read(file, "itch50", channels=CHANNELS).report for file in (plain, packed)]
    assert reports[0].digest == reports[1].digest


def test_itch_times_count_from_midnight_in_new_york_and_fit_the_packets(tmp_path: Path) -> None:
    file = tmp_path / "day.pcapng"
    written(file, "itch50", messages=3_000)
    found = delivered.read(file, "itch50", channels=CHANNELS)
    midnight_ns = int(datetime(2026, 1, 5, 5, tzinfo=UTC).timestamp()) * 10**9
    assert START_NS - midnight_ns == (9 * 3600 + 30 * 60) * 10**9
    for rows in found.tables.values():
        ago_ns = rows["ts_recv_ns"] - (rows["timestamp"] + midnight_ns)
        assert ((ago_ns >= 0) & (ago_ns < 200_000)).all()


@pytest.mark.skipif(which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_the_packets_and_finds_their_checksums_right(tmp_path: Path) -> None:
    file = tmp_path / "day.pcapng"
    made = written(file, "msgpack", messages=2_000)[1]
    fields = ("frame.interface_name", "ip.dst", "udp.dstport", "ip.checksum.status", "udp.checksum.status")
    command: list[str | Path] = [
        "tshark",
        "-r",
        file,
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "udp.check_checksum:TRUE",
        "-T",
        "fields",
    ]
    command += [part for field in fields for part in ("-e", field)]
    told = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120
    ).stdout.splitlines()
    assert len(told) == made.datagrams
    assert set(told) == {"A\t239.1.1.1\t20001\t1\t1", "B\t239.1.1.2\t20002\t1\t1"}


def test_the_command_writes_a_file_and_its_books(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, books = tmp_path / "day.pcapng.zst", tmp_path / "books.json"
    sizes = ["--duration", "50ms", "--instruments", "3", "--rate", "20_000", "--books", str(books)]
    assert main(["generate", str(file), "-p", "itch50", "--seed", "9", *sizes, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    truth = msgspec.json.decode(books.read_bytes(), type=TrueBooks)
    assert truth.next_sequence == told["messages"] + 1
    assert [book.symbol for book in truth.books] == ["ACME", "BOLT", "CRUX"]
    assert delivered.read(file, "itch50", channels=CHANNELS).report.messages == told["messages"]

    assert main(["generate", str(file), "--messages", "9", "--bytes", "1MB"]) == 2
    assert main(["generate", str(file), "--bytes", "1 parsec"]) == 2
    assert main(["generate", str(file), "-p", "fix"]) == 2
    assert main(["generate", str(file), "--bytes", "1MB"]) == 0
    assert "messages a second" in capsys.readouterr().out
