"""Books as their users see them: what they hold, against a slow oracle, and when they say that it is good."""

import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import delivered
import live
import market
import msgpack
import numpy as np
import oracle_book
import pytest
import venue
from captures import ROOT, capture
from venue import add, delete, directory, execute

import feedhandler as fh
from feedhandler.book import NO_PRICE
from feedhandler.book_state import BookCounters
from replay import Generator, Pacing, Sender

SNIPPET = "itch/12302019_SNIPPET.NASDAQ_ITCH50"
SIMULATED = "itch/ex20101224.TEST_ITCH_50"
TOPS16 = "iex/TOPS16.pcapng.gz"

ONE_LINE = (("239.1.2.3", 20_001),)
TWO_CHANNELS = (("239.1.2.3", 20_001), ("239.1.2.4", 20_002))


def applied(batches: Iterable[fh.Batch], protocol: str | fh.Protocol, **limits: int) -> fh.Books:
    books = fh.Books(protocol, **limits)
    for batch in batches:
        books.apply(batch)
    assert books.counters.is_balanced
    return books


def itch_books(
    path: Path, packets: Iterable[bytes], destinations: Sequence[tuple[str, int]] = ONE_LINE, **limits: int
) -> fh.Books:
    """Return the books that MoldUDP64 packets make."""
    file = delivered.write_datagrams(path / "feed.pcap", packets, destinations)
    return applied(fh.read(file, "itch50"), "itch50", **limits)


def assert_books_as_told(batches: Iterable[fh.Batch], protocol: fh.Protocol, depth: int) -> fh.Books:
    """Compare all rows after every batch with the oracle's, and the levels of some of the instruments."""
    books, oracle = fh.Books(protocol), oracle_book.Oracle(protocol)
    for batch in batches:
        books.apply(batch)
        oracle.apply(batch)
        assert books.changed().tolist() == oracle.take_changed()
        assert books.bbo.tolist() == [instrument.row() for instrument in oracle.instruments]
        for expected in oracle.instruments[:: max(1, len(oracle.instruments) // depth)]:
            found = books.depth(expected.name, None, channel=expected.channel)
            assert found.bids.tolist() == expected.side(oracle_book.BID)
            assert found.asks.tolist() == expected.side(oracle_book.ASK)
            assert (found.state, found.since_seq) == (expected.ladder_state(), expected.since)
    assert books.orders == sum(len(instrument.orders) for instrument in oracle.instruments)
    assert books.counters.is_balanced
    return books


@pytest.mark.parametrize(
    ("name", "protocol", "batch_messages"),
    [(SNIPPET, "itch50", 50), (SIMULATED, "itch50", 1_000), (TOPS16, "iex-tops", 8_192)],
)
def test_books_of_captures_are_what_the_oracle_says(name: str, protocol: str, batch_messages: int) -> None:
    loaded = fh.protocol(protocol)
    reader = fh.read(capture(name), loaded, batch_messages=batch_messages)

    books = assert_books_as_told(reader, loaded, depth=40)

    assert books.counters.messages == reader.report().messages
    assert books.counters.applied > 500


@pytest.mark.parametrize("seed", range(6))
def test_books_of_orders_are_what_the_oracle_says(tmp_path: Path, seed: int) -> None:
    """On two channels, each of two sessions, with packets lost, some orders unknown and some twice."""
    random, packets = Random(seed), []
    for session in ("MONDAY", "TUESDAY"):
        flow = list(venue.order_flow(seed, 1_500))
        flow[700:700] = [add(1, 5, "B", 100), delete(2, 1 << 40), execute(3, 6, 10**6), add(4, 7, "?", 1)]
        for first, messages in venue.packets_of(flow):
            packets += [venue.mold(session, first, messages)] * 2
    lost = set(random.sample(range(len(packets)), seed))
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets, TWO_CHANNELS)
    kept = tmp_path / "kept.pcap"
    keep_datagrams(file, kept, lost)

    batches = fh.read(kept, "itch50", rest="each", batch_messages=150, grace_us=50)
    books = assert_books_as_told(batches, fh.protocol("itch50"), depth=8)

    assert len(books.bbo) == 8
    assert books.counters.sessions == 4
    assert books.counters.losses == batches.report().ledger.lost // 5
    assert (books.counters.losses > 0) == (seed > 0)


def keep_datagrams(source: Path, to: Path, lost: set[int]) -> None:
    """Copy a capture of `write_pcap` but for the records of these numbers."""
    data, at, number = source.read_bytes(), 24, 0
    kept = data[:at]
    while at < len(data):
        end = at + 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        kept += b"" if number in lost else data[at:end]
        at, number = end, number + 1
    to.write_bytes(kept)


BOOK_CLEAR = """
[messages.book_clear]
code = 9

[messages.books_clear]
code = 10

[book.messages.book_clear]
action = "clear"

[book.messages.books_clear]
action = "clear_all"
"""


def clearing_protocol(folder: Path) -> fh.Protocol:
    """Return the msgpack feed with two messages more, which empty an instrument's book, and all."""
    shipped = Path(fh.__file__).parent / "protocols" / "msgpack.toml"
    declaration = folder / "clearing.toml"
    declaration.write_text(
        shipped.read_text().replace('name = "msgpack"', 'name = "clearing"', 1) + BOOK_CLEAR
    )
    return fh.protocol(declaration)


def modified_flow(random: Random, count: int) -> Iterator[list[int]]:
    """Yield messages about orders, some of them unknown, and now and then one that empties a book or all."""
    for _ in range(count):
        instrument, order = random.randrange(1, 4), random.randrange(1, 12)
        price, size, time = random.randrange(90, 110), random.randrange(0, 4) * 100, 0
        kind = random.choices((3, 4, 5, 2, 9, 10), weights=(30, 40, 20, 9, 1, 0.2))[0]
        yield {
            2: [2, instrument, price, size, 0, order, time],
            3: [3, instrument, order, random.choice((1, 2)), price, size + 100, time],
            4: [4, instrument, order, price, size, time],
            5: [5, instrument, order, time],
            9: [9, instrument],
            10: [10, 0],
        }[kind]


@pytest.mark.parametrize("seed", range(4))
def test_books_of_modified_orders_are_what_the_oracle_says(tmp_path: Path, seed: int) -> None:
    protocol, flow = clearing_protocol(tmp_path), list(modified_flow(Random(seed), 2_000))
    packets = []
    for first in range(0, len(flow), 5):
        header = [0, "MONDAY", first + 1, 5, 0]
        if seed == 0 or first != 500:
            packets.append(b"".join(map(msgpack.packb, (header, *flow[first : first + 5]))))
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets)

    books = assert_books_as_told(fh.read(file, protocol, batch_messages=30), protocol, depth=3)

    assert books.counters.losses == (seed > 0)
    assert books.counters.contradictions.unknown_order > 0
    assert books.counters.applied > 500


@pytest.mark.parametrize("seed", range(3))
def test_books_of_levels_are_what_the_oracle_says(tmp_path: Path, seed: int) -> None:
    packets = [
        venue.iex_tp(session, first, messages)
        for session in (1, 2)
        for first, messages in venue.packets_of(list(venue.level_flow(seed, 600)), 3)
        if seed == 0 or first != 301
    ]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets)

    books = assert_books_as_told(
        fh.read(file, "iex-deep", batch_messages=7), fh.protocol("iex-deep"), depth=4
    )

    states = set(books.bbo["state"].tolist())
    assert states <= {fh.BookState.STALE} if seed else fh.BookState.STALE not in states
    assert set(books.bbo["symbol"].tolist()) == {symbol.encode() for symbol in venue.SYMBOLS}


def test_books_of_quotes_are_the_generators(tmp_path: Path) -> None:
    generator = market.write_capture(tmp_path / "day.pcap", packets=500)
    reader = fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS)

    books = applied(reader, reader.protocol)

    assert quotes_of(books) == quotes_by_generator(generator)
    assert set(books.bbo["state"].tolist()) == {fh.BookState.GOOD}
    assert books.best("ACME")["instrument"] == 1
    assert books.price_scale == 4


def test_books_of_a_live_feed_are_the_generators(tmp_path: Path) -> None:
    generator = market.write_capture(tmp_path / "day.pcap", packets=300)

    with fh.open(live.config("msgpack"), stop_at_end_of_session=True) as feed:
        (line,) = feed.addresses
        sender = Sender([(str(line.address.ip), line.address.port)])
        sending = threading.Thread(target=sender.replay, args=(tmp_path / "day.pcap", Pacing.rate(20_000)))
        sending.start()
        books = applied(feed, feed.protocol)
        sending.join()

    assert quotes_of(books) == quotes_by_generator(generator)
    assert books.counters.batches_out_of_order == 0


def quotes_of(books: fh.Books) -> dict[int, tuple[int, ...]]:
    columns = ["instrument", "bid_price", "ask_price", "bid_size", "ask_size"]
    return {number: tuple(quote) for number, *quote in books.bbo[columns].tolist()}


def quotes_by_generator(generator: Generator) -> dict[int, tuple[int, ...]]:
    return {
        number: (
            NO_PRICE if quote.bid_price is None else quote.bid_price,
            NO_PRICE if quote.ask_price is None else quote.ask_price,
            quote.bid_size,
            quote.ask_size,
        )
        for number, quote in generator.quotes.items()
    }


MONDAY = [directory(1, "ACME"), directory(2, "BOLT"), add(1, 10, "B", 99_0000), add(1, 11, "S", 101_0000)]


def test_a_gap_makes_books_stale_until_a_session_starts(tmp_path: Path) -> None:
    loss = [venue.mold("MONDAY", 1, MONDAY), venue.mold("MONDAY", 6, [add(2, 12, "B", 5_0000)])]
    restart = venue.mold("TUESDAY", 1, [directory(1, "ACME"), add(1, 1, "B", 98_0000)])

    whole = itch_books(tmp_path, loss[:1])
    torn = itch_books(tmp_path, loss)
    healed = itch_books(tmp_path, [*loss, restart])

    assert whole.depth("ACME").state is fh.BookState.GOOD
    assert [(fh.BookState(row["state"]), row["since_seq"]) for row in torn.bbo] == [
        (fh.BookState.STALE, 5)
    ] * 2
    assert torn.best("ACME")["bid_price"] == 99_0000, "what is known is told, with its state"
    assert torn.counters.losses == 1
    assert healed.best("ACME").tolist()[4:10] == (98_0000, 100, 1, NO_PRICE, 0, 0)
    assert healed.best("ACME")["state"] == fh.BookState.GOOD
    assert healed.best(2)["state"] == fh.BookState.BUILDING
    assert "BOLT" not in healed, "a session that starts takes the symbols away"


def test_what_was_not_heard_from_the_beginning_is_never_good(tmp_path: Path) -> None:
    joined = itch_books(tmp_path, [venue.mold("MONDAY", 500, MONDAY)])
    unknown = itch_books(tmp_path, [venue.mold("MONDAY", 1, [add(1, 10, "B", 99_0000), *MONDAY[1:2]])])

    assert joined.depth("ACME").state is fh.BookState.BUILDING
    assert [row["state"] for row in unknown.bbo] == [fh.BookState.BUILDING, fh.BookState.GOOD]


def test_a_contradiction_makes_a_book_inconsistent(tmp_path: Path) -> None:
    messages = [*MONDAY, delete(1, 77), add(2, 12, "B", 5_0000)]
    books = itch_books(tmp_path, [venue.mold("MONDAY", 1, messages)])

    assert books.best("ACME")["state"] == fh.BookState.INCONSISTENT
    assert books.best("ACME")["since_seq"] == 5
    assert books.best("BOLT")["state"] == fh.BookState.GOOD
    assert books.counters.contradictions.unknown_order == books.counters.contradictions.sum == 1


def test_a_crossed_book_says_so(tmp_path: Path) -> None:
    books = itch_books(tmp_path, [venue.mold("MONDAY", 1, [*MONDAY, add(1, 12, "B", 102_0000)])])
    assert books.depth("ACME").state is fh.BookState.CROSSED


def test_a_full_book_is_an_overflow_and_counted(tmp_path: Path) -> None:
    packets = [venue.mold("MONDAY", 1, [*MONDAY, add(1, 12, "B", 98_0000), add(3, 13, "B", 1)])]

    no_level = itch_books(tmp_path, packets, levels=1)
    no_order = itch_books(tmp_path, packets, orders=2)
    no_instrument = itch_books(tmp_path, packets, instruments=2)

    assert no_level.best("ACME")["state"] == no_order.best("ACME")["state"] == fh.BookState.OVERFLOW
    assert (no_level.counters.overflow.levels, no_order.counters.overflow.orders) == (1, 2)
    assert (no_instrument.counters.overflow.instruments, len(no_instrument.bbo)) == (1, 2)


def test_a_batch_left_out_or_given_twice_makes_books_stale(tmp_path: Path) -> None:
    packets = [venue.mold("MONDAY", 1, MONDAY)]
    packets += [venue.mold("MONDAY", number, [add(2, number, "B", 5)]) for number in range(5, 20)]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets)
    first, second, third, *_ = fh.read(file, "itch50", batch_messages=4)

    for given in ([first, third], [first, second, second]):
        books = applied(given, "itch50")
        assert books.best("ACME")["state"] == fh.BookState.STALE
        assert books.best("ACME")["since_seq"] == 0
        assert books.counters.batches_out_of_order == 1
    assert applied([first, second, third], "itch50").best("ACME")["state"] == fh.BookState.GOOD


def test_changed_tells_each_instrument_once(tmp_path: Path) -> None:
    packets = [venue.mold("M", 1, []), venue.mold("M", 1, MONDAY), venue.mold("M", 5, [add(2, 12, "B", 5)])]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets)
    first, second = fh.read(file, "itch50", batch_messages=4)
    books = applied([first], "itch50")

    assert books.changed()["symbol"].tolist() == [b"ACME", b"BOLT"]
    assert len(books.changed()) == 0
    books.apply(second)
    assert books.changed()["symbol"].tolist() == [b"BOLT"]


def test_depth_is_as_deep_as_was_asked_for(tmp_path: Path) -> None:
    orders = [add(1, 20 + n, "B", 98_0000 - n * 100) for n in range(30)]
    books = itch_books(tmp_path, [venue.mold("MONDAY", 1, [*MONDAY, *orders])])

    assert [len(books.depth("ACME", levels).bids) for levels in (0, 3, None)] == [0, 3, 31]
    depth = books.depth("ACME")
    assert (len(depth.bids), len(depth.asks)) == (10, 1)
    assert depth.bids[0].tolist() == (99_0000, 100, 1)
    assert np.all(np.diff(depth.bids["price"]) < 0)
    with pytest.raises(ValueError, match="expected levels of at least 0, found -1"):
        books.depth("ACME", -1)
    with pytest.raises(AttributeError):
        depth.state = fh.BookState.GOOD  # type: ignore[misc]


def test_instruments_are_found_by_symbol_and_by_number(tmp_path: Path) -> None:
    books = itch_books(tmp_path, [venue.mold("MONDAY", 1, MONDAY)])
    row = books.best("ACME")

    for name in (b"ACME", np.bytes_(b"ACME"), np.str_("ACME"), 1, np.uint64(1), row["symbol"]):
        assert books.best(name) == row
        assert name in books
    for name in ("ACM", "", "A" * 100, -1, 1 << 64, 3, 1.0, None):
        assert name not in books


def test_an_unknown_instrument_names_the_nearest(tmp_path: Path) -> None:
    books = itch_books(tmp_path, [venue.mold("MONDAY", 1, MONDAY)])

    with pytest.raises(KeyError, match=r"^no instrument 'ACNE' \(did you mean 'ACME'\?\)"):
        books.depth("ACNE")
    with pytest.raises(fh.UnknownInstrumentError, match="no instrument 'ACME' on channel 1: expected one"):
        books.best("ACME", channel=1)
    with pytest.raises(fh.UnknownInstrumentError, match="no instrument '77'"):
        books.best(77)


def test_an_instrument_on_two_channels_is_asked_for_by_channel(tmp_path: Path) -> None:
    other = [directory(7, "ACME"), add(7, 1, "B", 42)]
    packets = [venue.mold("MONDAY", 1, MONDAY), venue.mold("MONDAY", 1, other)]
    books = itch_books(tmp_path, packets, TWO_CHANNELS)

    with pytest.raises(fh.AmbiguousInstrumentError, match="one on each of the channels 0, 1") as ambiguous:
        books.best("ACME")
    assert ambiguous.value.channels == (0, 1)
    assert [books.best("ACME", channel=n)["bid_price"] for n in (0, 1)] == [99_0000, 42]
    assert books.depth("ACME", channel=1).bids["price"].tolist() == [42]


def test_batches_of_another_protocol_are_refused(tmp_path: Path) -> None:
    market.write_capture(tmp_path / "day.pcap", packets=10)
    (batch,) = fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS)
    books = fh.Books("itch50")

    with pytest.raises(fh.BookError, match="books of itch50: expected a batch of itch50, found one of msgp"):
        books.apply(batch)
    assert books.counters.messages == 0
    same = fh.Books("msgpack")
    same.apply(batch)
    assert same.counters.messages == batch.size


def test_a_protocol_without_books_is_refused() -> None:
    example = ROOT / "configs" / "protocols" / "crypto_trades.toml"
    with pytest.raises(fh.BookError, match="of trades only") as refused:
        fh.Books(example)
    assert refused.value.subject == "books of crypto_trades"
    with pytest.raises(fh.UnknownProtocolError):
        fh.Books("itch51")
    with pytest.raises(ValueError, match="limits of at least 1, found instruments 65536, orders 0"):
        fh.Books("itch50", orders=0)


def test_arrays_stay_as_they_were_while_books_change(tmp_path: Path) -> None:
    packets = [venue.mold("M", first, messages) for first, messages in flow_packets(seed=3, count=4_000)]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets)
    books, kept, copies = fh.Books("itch50"), [], []
    for batch in fh.read(file, "itch50", batch_messages=100):
        books.apply(batch)
        depth = books.depth(1)
        arrays = [books.bbo, books.changed(), depth.bids, depth.asks]
        kept += arrays
        copies += [array.copy() for array in arrays]

    assert len(kept) > 100
    for array, copy in zip(kept, copies, strict=True):
        assert np.array_equal(array, copy)
        assert not array.flags.writeable
        assert not array.flags.owndata


def flow_packets(seed: int, count: int) -> Iterable[tuple[int, Sequence[bytes]]]:
    return venue.packets_of(list(venue.order_flow(seed, count)), 40)


GROWTH = """
    import sys, resource
    import feedhandler as fh

    def read():
        books = fh.Books("itch50")
        for batch in fh.read(sys.argv[1], "itch50", batch_messages=100):
            books.apply(batch)
            books.changed(), books.bbo, books.depth(1)
        assert books.counters.applied == 20_000

    for _ in range(3):
        read()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(30):
        read()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_keeping_books_on_and_on_needs_no_more_memory(tmp_path: Path) -> None:
    packets = [venue.mold("M", first, messages) for first, messages in flow_packets(seed=3, count=20_000)]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets)
    assert int(run(GROWTH, file)) < 4_096, "kB more after 600,000 messages"


GIL = """
    import sys, threading
    import feedhandler as fh

    batches = list(fh.read(sys.argv[1], "itch50", batch_messages=20_000))
    books = fh.Books("itch50")
    gate, ran = threading.Lock(), []
    gate.acquire()

    def other():
        with gate:
            ran.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    sys.setswitchinterval(1e6)  # from here on, only who lets the GIL go gives it to another
    gate.release()
    for _ in range(50):
        books.apply(batches[0])
        if ran:
            break
    print(len(ran))
"""


def test_other_threads_run_while_books_are_kept(tmp_path: Path) -> None:
    packets = [venue.mold("M", first, messages) for first, messages in flow_packets(seed=3, count=20_000)]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets)
    assert run(GIL, file).strip() == "1"


def test_books_can_be_asked_while_they_are_kept(tmp_path: Path) -> None:
    packets = [venue.mold("M", first, messages) for first, messages in flow_packets(seed=3, count=20_000)]
    file = delivered.write_datagrams(tmp_path / "feed.pcap", packets)
    books = fh.Books("itch50")

    def keep() -> None:
        for batch in fh.read(file, "itch50", batch_messages=50):
            books.apply(batch)

    keeping = threading.Thread(target=keep)
    keeping.start()
    while True:
        is_last = not keeping.is_alive()
        rows = books.bbo
        good = rows[rows["state"] == fh.BookState.GOOD]
        both = good[(good["bid_size"] > 0) & (good["ask_size"] > 0)]
        assert np.all(both["bid_price"] <= both["ask_price"])
        assert books.counters.is_balanced
        if is_last:
            break
    assert books.counters.messages == 20_000


@pytest.mark.parametrize(
    "error",
    [
        fh.BookError("books of itch50", "this", "that"),
        fh.UnknownInstrumentError("ACNE", 1, "did you mean 'ACME'?"),
        fh.AmbiguousInstrumentError("ACME", (0, 1)),
    ],
)
def test_errors_cross_processes(error: fh.FeedhandlerError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def run(program: str, *arguments: Any) -> str:
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def test_counters_are_all_that_rust_counts() -> None:
    books = fh.Books("itch50")
    assert isinstance(books.counters, BookCounters)
    assert books.counters.messages == books.counters.without_part == books.orders == 0
    assert repr(books) == "<Books of itch50: 0 instruments, 0 orders>"
