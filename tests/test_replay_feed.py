"""What a user sees of a live feed: the same session on each line, quiet times filled, and an end."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay import Feed, Generator
from replay.feed import SteadySource
from replay.schedule import Due, Schedule
from replay.true_books import TrueQuote
from replay.wire import WIRES

START_NS = 1_700_000_000_000_000_000
DATA, HEARTBEAT, END_OF_SESSION = 0, 1, 2


class Timeline:
    """A generator's packets on lines, by times that are given."""

    def __init__(
        self,
        delays_ns: tuple[int, ...] = (0,),
        *,
        packets_per_second: float = 1_000.0,
        packets: int | None = None,
        heartbeat_ns: int = 10_000_000,
    ) -> None:
        self.source = SteadySource(
            Generator(seed=1), packets_per_second=packets_per_second, messages_per_packet=4, packets=packets
        )
        self.schedule = Schedule(WIRES["msgpack"], "SYNTHETIC", delays_ns, heartbeat_ns)
        self.source.begin(START_NS)
        self.schedule.begin(START_NS)

    def until(self, horizon_ns: int) -> list[Due]:
        self.schedule.add(self.source.until(horizon_ns), self.source.next_sequence, horizon_ns)
        return self.schedule.until(horizon_ns)

    def end(self, now_ns: int) -> list[Due]:
        self.schedule.end(self.source.next_sequence, now_ns)
        return self.schedule.until(now_ns + 10**10)


def header(packet: bytes) -> list[int]:
    unpacker = msgpack.Unpacker()
    unpacker.feed(packet)
    values: list[int] = unpacker.unpack()
    return values


def on_line(due: list[Due], line: int) -> list[tuple[int, bytes]]:
    return [(deadline_ns, packet) for deadline_ns, to, packet in due if to == line]


@given(
    st.lists(st.integers(0, 30_000_000), max_size=20),
    st.lists(st.integers(0, 5_000_000), min_size=1, max_size=3),
    st.sampled_from([50.0, 333.0, 10_000.0]),
)
def test_windows_change_nothing(steps_ns: list[int], delays_ns: list[int], rate: float) -> None:
    piecewise, whole = (Timeline(tuple(delays_ns), packets_per_second=rate) for _ in range(2))
    due = []
    horizon_ns = START_NS
    for step_ns in steps_ns:
        horizon_ns += step_ns
        window = piecewise.until(horizon_ns)
        assert all(one[0] < horizon_ns for one in window)
        due += window
    expected = whole.until(horizon_ns)
    assert due == expected
    assert piecewise.end(horizon_ns) == whole.end(horizon_ns)


@given(st.lists(st.integers(0, 50_000_000), min_size=1, max_size=4), st.integers(0, 100_000_000))
def test_every_line_carries_the_same_session_each_by_its_delay(delays_ns: list[int], length_ns: int) -> None:
    feed = Timeline(tuple(delays_ns))
    due = feed.until(START_NS + length_ns)
    due += feed.end(START_NS + length_ns)

    assert [one[0] for one in due] == sorted(one[0] for one in due)
    lines = [on_line(due, line) for line in range(len(delays_ns))]
    for line, delay_ns in zip(lines, delays_ns, strict=True):
        assert [(at_ns - delay_ns, packet) for at_ns, packet in line] == [
            (at_ns - delays_ns[0], packet) for at_ns, packet in lines[0]
        ]


def test_packets_carry_when_they_are_meant_to_be_sent() -> None:
    due = Timeline((0, 700), packets_per_second=300.0).until(START_NS + 10**9)

    assert len(on_line(due, 0)) == 300
    for number, (at_ns, packet) in enumerate(on_line(due, 0)):
        assert at_ns == header(packet)[4] == START_NS + round(number * 1e9 / 300)
    assert all(at_ns - 700 == header(packet)[4] for at_ns, packet in on_line(due, 1))


def test_quiet_times_are_filled_with_heartbeats() -> None:
    feed = Timeline(packets_per_second=20.0, packets=3, heartbeat_ns=20_000_000)
    due = feed.until(START_NS + 200_000_000)

    kinds = [header(one[2])[0] for one in due]
    assert kinds[:8] == [DATA, HEARTBEAT, HEARTBEAT, DATA, HEARTBEAT, HEARTBEAT, DATA, HEARTBEAT]
    assert set(kinds[7:]) == {HEARTBEAT}
    times_ns = [one[0] for one in due]
    assert max(after - before for before, after in pairwise(times_ns)) <= 20_000_000


def test_the_end_comes_behind_everything_on_each_line() -> None:
    feed = Timeline((0, 100_000_000))
    feed.until(START_NS + 50_000_000)
    rest = feed.end(START_NS + 60_000_000)

    assert len(on_line(rest, 0)) == 1
    assert len(on_line(rest, 1)) == 50 + 1
    for line in (0, 1):
        assert header(on_line(rest, line)[-1][1])[::2] == [END_OF_SESSION, 201, START_NS + 60_000_000]


@pytest.fixture(name="lines")
def _lines() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        lines = []
        for _ in range(2):
            line = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            line.bind(("127.0.0.1", 0))
            line.settimeout(30)
            lines.append(line)
        yield lines


def session(line: socket.socket) -> list[bytes]:
    """Everything that comes on a line, to the end of the session."""
    packets: list[bytes] = []
    while not packets or header(packets[-1])[0] != END_OF_SESSION:
        packets.append(line.recv(65_536))
    return packets


def test_a_feed_is_received_on_both_lines(lines: list[socket.socket]) -> None:
    generator = Generator(seed=9, instruments=3)
    addresses = [line.getsockname() for line in lines]
    with Feed(
        generator,
        addresses,
        delays_ns=(0, 300_000),
        packets_per_second=5_000,
        packets=20,
        heartbeat_ns=1_000_000,
        sleep_only=True,
    ) as feed:
        first = [lines[0].recv(65_536) for _ in range(21)]  # the data, and a heartbeat: all data is out

    line_a, line_b = first + session(lines[0]), session(lines[1])
    assert line_a == line_b
    data = [packet for packet in line_a if header(packet)[0] == DATA]
    assert len(data) == 20
    assert header(line_a[-1])[:3] == [END_OF_SESSION, "SYNTHETIC", 81]
    quotes = {}
    for packet in data:
        unpacker = msgpack.Unpacker()
        unpacker.feed(packet)
        quotes.update({message[1]: TrueQuote(*message[2:]) for message in unpacker if message[0] == 1})
    assert quotes == generator.quotes
    assert feed.sent.packets == 2 * len(line_a)


def test_a_feed_that_cannot_be_sent_is_refused(lines: list[socket.socket]) -> None:
    address = lines[0].getsockname()
    with pytest.raises(ValueError, match="expected a delay for each of 1 lines, found 2"):
        Feed(Generator(1), [address], delays_ns=(0, 0))
    with pytest.raises(ValueError, match="packets_per_second above 0"):
        Feed(Generator(1), [address], packets_per_second=0)
