"""What measuring costs by itself: the clock, the histograms, a look at a feed to which nothing comes."""

import time
from typing import Final

import msgspec

import feedhandler as fh
from feedhandler import _core
from feedhandler.address import Address
from feedhandler.config import ChannelConfig, LineConfig, WireConfig

_POLLS: Final = 2_000
_TRIES: Final = 5


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of measuring, in nanoseconds; the least of some tries.

    Parameters
    ----------
    empty_loop_ns
        A turn of a loop that does nothing; it is in the next two as well.
    clock_ns
        A look at the clock. There is one for every 64 datagrams, and two for every batch.
    record_ns
        All that is recorded of a datagram that comes by itself: five spans.
    empty_poll_ns
        Python asks an open feed to which nothing comes: a system call, and the way into Rust and back.
    """

    empty_loop_ns: float
    clock_ns: float
    record_ns: float
    empty_poll_ns: float


def overhead() -> Overhead:
    """Measure what measuring costs, on this processor now."""
    empty, clock, record = _core.latency_overhead_ns()
    return Overhead(
        empty_loop_ns=round(empty, 2),
        clock_ns=round(clock, 1),
        record_ns=round(record, 1),
        empty_poll_ns=round(_empty_poll_ns(), 1),
    )


def _empty_poll_ns() -> float:
    line = LineConfig(name="A", address=Address.parse("127.0.0.1:0"))
    config = fh.Config(
        protocol=fh.protocol("msgpack"),
        channels=(ChannelConfig(name="bench", lines=(line,)),),
        wire=WireConfig(mode="inline"),
    )
    with fh.open(config) as feed:
        return min(_seconds_of_polls(feed) for _ in range(_TRIES)) / _POLLS * 1e9


def _seconds_of_polls(feed: fh.Feed) -> float:
    began_s = time.perf_counter()
    for _ in range(_POLLS):
        feed.poll(0.0)
    return time.perf_counter() - began_s
