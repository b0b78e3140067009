"""What a user sees of the synthetic feed: reproducible, in the declared format, with a known end."""

from collections.abc import Iterable
from itertools import pairwise

import msgpack
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedhandler.protocol import load
from replay import Generator

START_NS = 1_700_000_000_000_000_000
DATA, HEARTBEAT, END_OF_SESSION = 0, 1, 2
QUOTE, TRADE, INSTRUMENT = 1, 2, 6

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


def messages_of(packets: Iterable[bytes], code: int) -> list[list[int]]:
    return [message for packet in packets for message in unpacked(packet)[1] if message[0] == code]  # type: ignore[misc]


@given(st.integers())
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
    assert all(message[0] in (QUOTE, TRADE) for message in everything[10:])


def test_messages_have_the_declared_fields() -> None:
    declared = load("msgpack").messages
    packets = feed(seed=1)
    for name, code in (("quote", QUOTE), ("trade", TRADE), ("instrument", INSTRUMENT)):
        paths = [field.path for field in declared[name].fields.values()]
        assert paths == [(position,) for position in range(len(paths))]
        assert declared[name].codes == (str(code),)
        found = messages_of(packets, code)
        assert found
        assert {len(message) for message in found} == {len(paths)}


def test_every_packet_is_well_formed() -> None:
    protocol = load("msgpack")
    generator = Generator(seed=2)
    for packet in (
        generator.packet(START_NS),
        generator.heartbeat(START_NS),
        generator.end_of_session(START_NS),
    ):
        read = oracle.read_packet(protocol, packet)
        assert read.header.session == "SYNTHETIC"
        assert all(isinstance(outcome, oracle.Decoded) for outcome in read.messages)


def test_the_market_makes_sense() -> None:
    packets = feed(seed=3, packets=2_000)
    last: dict[int, list[int]] = {}
    for packet in packets:
        for message in unpacked(packet)[1]:
            if message[0] == QUOTE:
                _, instrument, bid, ask, bid_size, ask_size, _ = (int(value) for value in message)
                assert 0 < bid < ask
                assert all(price % 100 == 0 for price in (bid, ask))
                assert all(size > 0 and size % 100 == 0 for size in (bid_size, ask_size))
                last[instrument] = [bid, ask, bid_size, ask_size]
            elif message[0] == TRADE:
                _, instrument, price, size, side, *_ = (int(value) for value in message)
                if instrument in last:
                    bid, ask, bid_size, ask_size = last[instrument]
                    assert (price, side) in ((ask, 1), (bid, 2))
                    assert 0 < size <= (ask_size if side == 1 else bid_size)
    assert len(last) == 3
    assert len({message[2] for message in messages_of(packets, QUOTE)}) > 20


def test_the_last_quotes_are_those_a_receiver_of_everything_saw() -> None:
    generator = Generator(seed=5, instruments=6)
    packets = [packet for _, packet in generator.packets(300, start_ns=START_NS, interval_ns=1_000)]

    seen = {message[1]: tuple(message[1:]) for message in messages_of(packets, QUOTE)}
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


def test_what_cannot_be_generated_is_refused() -> None:
    with pytest.raises(ValueError, match="session of at most 16 bytes"):
        Generator(1, session="s" * 17)
    with pytest.raises(ValueError, match="at least one instrument"):
        Generator(1, instruments=0)
    with pytest.raises(ValueError, match="at least one message"):
        Generator(1).packet(START_NS, 0)
