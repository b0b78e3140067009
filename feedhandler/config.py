"""Configuration: what a feed receives and how, in frozen structures named after the stages.

`feedhandler.config_file` makes it of a TOML file; `feedhandler.feed` and the command line work from it.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from feedhandler.address import Address
from feedhandler.filter import Instrument
from feedhandler.protocol import Protocol

Wait = Literal["spin", "yield", "sleep", "block"]
"""What a thread does while it has nothing to do."""

Backend = Literal["recvmmsg", "gro", "recv"]
"""How datagrams are taken from the sockets."""

Join = Literal["source", "any"]
"""Who keeps other sources of a group away: the network, or the receiver."""

Positive = Annotated[int, Meta(ge=1)]

SleepUs = Annotated[int, Meta(ge=1, le=1_000_000)]

Grace = Annotated[int, Meta(ge=0, le=3_600_000_000)] | Literal["adaptive"]
"""How long a missing message is waited for, in microseconds, or that this follows the lines' skew."""

ADAPTIVE_GRACE_US = 5_000
"""What is waited while it adapts, until enough copies have been measured."""
MOST_ADAPTIVE_GRACE_US = 100_000
"""What is waited at most while it adapts."""

MOST_DATAGRAM_BYTES = 65_535
"""No UDP datagram, and no run of coalesced ones, is longer."""


class RingLayout(NamedTuple):
    """How many slots a ring has, and what each has room for."""

    slots: int
    slot_bytes: int


_LAYOUTS: dict[Backend, RingLayout] = {
    "recvmmsg": RingLayout(8192, 2048),
    "gro": RingLayout(1024, MOST_DATAGRAM_BYTES),
    "recv": RingLayout(8192, 2048),
}


class WireConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How datagrams are taken from the sockets.

    Parameters
    ----------
    mode
        Who does it: a thread of its own, or whoever asks for batches.
    backend
        By what: ``recvmmsg`` takes many with one system call; ``gro`` has the kernel coalesce those that one
        sender sends in one length right after each other, and tells them apart where they lie; ``recv`` takes
        one at a time, as every system can.
    wait
        What the receive thread does while all sockets are empty.
    sleep_us
        How long a ``sleep`` lasts.
    batch
        Most datagrams, or runs of coalesced ones, that one look at a socket takes.
    rcvbuf_bytes
        Receive buffer to ask for, for each socket. What is granted is told in the report.
    interface
        Interface to join multicast groups on, by name or address, where a line names none; without it,
        routing decides.
    stamps
        Who stamps datagrams: the kernel, or the network card where it can, by its own clock.
    busy_poll_us
        How long a look at an empty socket looks at the network card itself (``SO_BUSY_POLL``); 0 for not.
    cpu
        Processor that the receive thread is to run on; without it, any.
    """

    mode: Literal["threaded", "inline"] = "threaded"
    backend: Backend = "recvmmsg"
    wait: Wait = "block"
    sleep_us: SleepUs = 50
    batch: Annotated[int, Meta(ge=1, le=1024)] = 64
    rcvbuf_bytes: Annotated[int, Meta(ge=1, le=(1 << 30) - 1)] = 8 << 20
    interface: str | None = None
    stamps: Literal["kernel", "hardware"] = "kernel"
    busy_poll_us: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    cpu: Annotated[int, Meta(ge=0)] | None = None


class RingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where datagrams wait for the pipeline.

    Parameters
    ----------
    slots
        Datagrams, or runs of coalesced ones, that it has room for, a power of two; without it, 8192, and 1024
        with the backend ``gro``.
    slot_bytes
        Longest datagram that is received whole; longer ones are counted as malformed. Without it, 2048. With
        the backend ``gro`` it is 65535, for a run of coalesced datagrams.
    full
        What the receive thread does while there is no room: leave datagrams in their sockets, whose kernel
        buffers then fill, or take and drop the newest.
    huge_pages
        Whether to take its memory from the huge pages that the system holds ready.
    """

    slots: Annotated[int, Meta(ge=1, le=1 << 24)] | None = None
    slot_bytes: Annotated[int, Meta(ge=1, le=MOST_DATAGRAM_BYTES)] | None = None
    full: Literal["leave_in_socket", "drop_newest"] = "leave_in_socket"
    huge_pages: bool = False

    def layout(self, backend: Backend) -> RingLayout:
        """Return the slots there are, what is left out being as the backend needs it."""
        slots, slot_bytes = _LAYOUTS[backend]
        return RingLayout(self.slots or slots, self.slot_bytes or slot_bytes)


class ArbitrateConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How disorder is treated.

    Parameters
    ----------
    grace_us
        How long a missing message is waited for, on any line, before it is lost; or ``"adaptive"``: twice the
        99.9th percentile of the time by which copies came later than the first, over the last one or two
        thousand of them, from 100 µs to 100 ms. Until there were 1,024, it is 5 ms or more.
    window_packets, window_bytes
        What is kept meanwhile, at most.
    """

    grace_us: Grace = 5_000
    window_packets: Positive = 4096
    window_bytes: Positive = 8 << 20

    @property
    def most_grace_us(self) -> int:
        """How long a missing message is waited for at most."""
        return MOST_ADAPTIVE_GRACE_US if self.grace_us == "adaptive" else self.grace_us


def first_grace_us(grace: Grace) -> int:
    """Return how long a missing message is waited for at first."""
    return ADAPTIVE_GRACE_US if grace == "adaptive" else grace


class FilterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages become rows.

    Parameters
    ----------
    instruments
        The instruments that are wanted: text is a symbol, or the name that messages carry; an integer is the
        number that they carry. Messages about others are counted and left out, those that are about no
        instrument are not. Without it, all are wanted.
    """

    instruments: tuple[Instrument, ...] | None = None


class BatchConfig(msgspec.Struct, frozen=True, kw_only=True):
    """When a batch is handed over.

    Parameters
    ----------
    max_messages
        Messages after which it is closed; a packet is never divided.
    max_age_us
        Age of its first message at which it is closed even so. An empty ring closes it at once.
    wait
        What the reader does while there is nothing.
    sleep_us
        How long a ``sleep`` lasts.
    stop_at_end_of_session
        Whether iteration ends once every channel's session has ended.
    """

    max_messages: Annotated[int, Meta(ge=1, le=1 << 24)] = 8192
    max_age_us: Annotated[int, Meta(ge=0, le=60_000_000)] = 1_000
    wait: Wait = "block"
    sleep_us: SleepUs = 50
    stop_at_end_of_session: bool = False


class LatencyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of latencies besides the histograms in memory.

    Parameters
    ----------
    hlog
        File for an HdrHistogram interval log; without it, none is written.
    interval_s
        Length of its intervals.
    send_time
        Whether there is a stage ``send`` as well: from the send time in the packet's header, which must be
        nanoseconds since 1970, until handed to Python. Where the sender is another machine, it is as good as
        the two clocks agree.
    """

    hlog: str | None = None
    interval_s: Annotated[float, Meta(ge=0.001, le=86_400)] = 1.0
    send_time: bool = False


class LineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a channel: a stream of its datagrams.

    Parameters
    ----------
    name
        Name in reports, such as ``A``.
    address
        Multicast group or local address, and port; port 0 lets the system choose one.
    interface
        Interface to join the group on.
    sources
        Who may send; empty for anybody. Datagrams of others are not heard, or counted apart.
    join
        How a group is joined for its sources: ``source`` for source-specific multicast, by which the network
        keeps others away; ``any`` where it cannot, and others are left out here.
    """

    name: str
    address: Address
    interface: str | None = None
    sources: tuple[IPv4Address | IPv6Address, ...] = ()
    join: Join = "source"


class ChannelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One sequence of messages, and the redundant lines that carry it.

    Parameters
    ----------
    name
        Name in reports. Its position among the channels is the column ``channel`` of batches.
    lines
        The lines.
    """

    name: str
    lines: tuple[LineConfig, ...]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A feed, completely described. To vary one, use `msgspec.structs.replace`.

    Parameters
    ----------
    protocol
        What the datagrams hold.
    channels
        Where they come from.
    wire, ring, arbitrate, filter, batch, latency
        The stages on their way.
    """

    protocol: Protocol
    channels: tuple[ChannelConfig, ...]
    wire: WireConfig = WireConfig()
    ring: RingConfig = RingConfig()
    arbitrate: ArbitrateConfig = ArbitrateConfig()
    filter: FilterConfig = FilterConfig()
    batch: BatchConfig = BatchConfig()
    latency: LatencyConfig = LatencyConfig()
