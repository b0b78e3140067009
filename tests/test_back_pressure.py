"""More than all buffers hold, to a feed that does not read: what is lost is known exactly, and it goes on."""

import signal
import socket
from collections.abc import Callable, Iterator
from typing import Self

import pytest
from numbered import PROTOCOL, packet

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.config import (
    ArbitrateConfig,
    BatchConfig,
    ChannelConfig,
    LineConfig,
    RingConfig,
    WireConfig,
)
from feedhandler.wire import RingUse, SocketStats

PATIENCE_S = 20.0
SLOTS = 64
BURST = 5_000


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """Fails a test that hangs, wherever it hangs."""

    def ring(_number: int, _frame: object) -> None:
        raise TimeoutError(f"not done after {PATIENCE_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def opened(ring: RingConfig, *, rcvbuf_bytes: int = 4 << 20, batch: BatchConfig | None = None) -> fh.Feed:
    line = LineConfig(name="A", address=Address.of("127.0.0.1", 0))
    return fh.open(
        fh.Config(
            protocol=fh.protocol(PROTOCOL),
            channels=(ChannelConfig(name="numbers", lines=(line,)),),
            wire=WireConfig(rcvbuf_bytes=rcvbuf_bytes),
            ring=ring,
            arbitrate=ArbitrateConfig(grace_us=1_000),
            batch=batch or BatchConfig(),
        )
    )


class Line:
    """Sends packets of one message each, in order."""

    def __init__(self, feed: fh.Feed) -> None:
        self.sent = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        address = feed.addresses[0].address
        self.socket.connect((str(address.ip), address.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, count: int) -> None:
        for _ in range(count):
            self.sent += 1
            self.socket.send(packet(1, self.sent, self.sent + 1))


def stats(feed: fh.Feed) -> SocketStats:
    report = feed.report()
    assert isinstance(report.wire, tuple)
    return report.wire[0].stats


def wait_until(feed: fh.Feed, done: Callable[[SocketStats], bool]) -> None:
    while not done(stats(feed)):
        pass


def delivered_until(feed: fh.Feed, last: int) -> list[int]:
    seqs: list[int] = []
    while not seqs or seqs[-1] < last:
        batch = feed.poll(1.0)
        if batch is not None and "number" in batch:
            seqs += batch["number"]["seq"].tolist()
    return seqs


@pytest.mark.parametrize("full", ["leave_in_socket", "drop_newest"])
def test_after_a_burst_larger_than_all_buffers_the_feed_goes_on_and_the_ledger_is_exact(full: str) -> None:
    ring = RingConfig(slots=SLOTS, full="drop_newest" if full == "drop_newest" else "leave_in_socket")
    with opened(ring, rcvbuf_bytes=16 << 10) as feed, Line(feed) as line:
        seqs: list[int] = []
        for _ in range(3):
            line.send(BURST)  # to a reader that does not read
            line.send(1)
            seqs += delivered_until_again(feed, line)
            for _ in range(20):  # and then keeps up
                line.send(1)
                found = delivered_until(feed, line.sent)
                assert found == [line.sent], "nothing is lost any more"
                seqs += found
        feed.stop()
        assert [batch for batch in feed if batch.size] == []
        report = feed.report()

    (channel,) = report.ledger.channels
    (counted,) = channel.lines
    dropped = counted.dropped_socket_buffer + counted.dropped_ring_full
    assert line.sent == counted.datagrams + dropped
    assert line.sent == channel.expected == len(seqs) + channel.units.lost
    assert sorted(set(seqs)) == seqs
    units = channel.units
    assert (units.lost_socket_buffer + units.lost_ring_full, units.lost_line) == (dropped, 0)
    assert sum(gap.last - gap.first + 1 for gap in report.gaps) == dropped
    assert (counted.dropped_ring_full > 0) == (full == "drop_newest")
    assert counted.dropped_socket_buffer > 0 or full == "drop_newest"
    assert (report.ledger.mismatches, report.ledger.is_balanced) == (0, True)
    assert isinstance(report.ring, RingUse)
    assert report.ring.high_water == SLOTS


def delivered_until_again(feed: fh.Feed, line: Line) -> list[int]:
    """Read what the burst left, and send until a packet comes through."""
    seqs: list[int] = []
    while not seqs or seqs[-1] < line.sent:
        batch = feed.poll(0.01)
        if batch is not None and "number" in batch:
            seqs += batch["number"]["seq"].tolist()
        elif batch is None:
            line.send(1)
    return seqs


def test_a_reader_that_does_not_read_slows_the_receive_thread_by_nothing() -> None:
    with opened(RingConfig(slots=SLOTS, full="drop_newest")) as feed, Line(feed) as line:
        for _ in range(20):
            line.send(200)
            wait_until(feed, lambda found: found.datagrams + found.ring_drops == line.sent)
        found = stats(feed)
        assert (found.datagrams, found.ring_drops, found.socket_drops) == (SLOTS, line.sent - SLOTS, 0)


def test_a_batch_is_bounded_by_count() -> None:
    with opened(RingConfig(slots=1024), batch=BatchConfig(max_messages=10)) as feed, Line(feed) as line:
        line.send(1_000)
        wait_until(feed, lambda found: found.datagrams == 1_000)
        sizes = [batch.size for batch in (feed.poll(1.0) for _ in range(100)) if batch is not None]
    assert sizes == [10] * 100


@pytest.mark.parametrize(("max_age_us", "most"), [(0, 64), (60_000_000, 1_000)])
def test_a_batch_is_bounded_by_age_while_more_is_waiting(max_age_us: int, most: int) -> None:
    batch = BatchConfig(max_age_us=max_age_us, max_messages=10_000)
    with opened(RingConfig(slots=1024), batch=batch) as feed, Line(feed) as line:
        line.send(1_000)
        wait_until(feed, lambda found: found.datagrams == 1_000)
        first = feed.poll(1.0)
    assert first is not None
    assert first.size == most, "the clock is read once in so many datagrams"
