"""A synthetic market and its feed, from a seed: packets one by one, or a capture of any size.

The market is made in Rust; `feed` and `exchange` send its packets, and its true books are known at any time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from feedhandler import _core
from replay.true_books import TrueBooks, TrueQuote

Protocol = Literal["msgpack", "itch50"]
"""What can be generated."""

Progress = Callable[[int, int, int], object]
"""Told about every 50 ms: messages and bytes written, and nanoseconds from the beginning of the session."""

START_NS = 1_767_623_400 * 10**9
"""When a session begins, if nothing else is said: 2026-01-05, 9:30 in New York."""

_MOST_SEED = (1 << 64) - 1


class Packet(NamedTuple):
    """A packet of a session.

    Parameters
    ----------
    send_time_ns
        When it is to be sent, in Unix nanoseconds.
    sequence
        Number of its first message, or of the next where it has none.
    messages
        How many messages it has.
    payload
        Its bytes.
    """

    send_time_ns: int
    sequence: int
    messages: int
    payload: bytes


class Line(NamedTuple):
    """A line of a capture.

    Parameters
    ----------
    name
        Its name.
    address
        IPv4 address, or group, and port that its datagrams go to.
    skew_ns
        By how much it is behind.
    """

    name: str
    address: tuple[str, int]
    skew_ns: int = 0


LINES = (Line("A", ("239.1.1.1", 20001)), Line("B", ("239.1.1.2", 20002), skew_ns=20_000))
"""Two lines that carry the same, the second a little later."""


class Written(msgspec.Struct, frozen=True):
    """What a capture holds.

    Parameters
    ----------
    messages
        Messages; the same on every line.
    datagrams
        Datagrams of all lines.
    bytes
        Bytes of the file, before it is compressed.
    first_ns, last_ns
        When the first and the last datagram were sent, in Unix nanoseconds.
    """

    messages: int
    datagrams: int
    bytes: int
    first_ns: int
    last_ns: int


class Generator:
    """Packets of one session: first what the instruments are, then what happens to their orders.

    Parameters
    ----------
    seed
        Makes everything but the times that are given: the same seed, the same bytes. From 0 to 2**64 - 1.
    instruments
        How many instruments there are, the first of them the busiest.
    protocol
        What is written: ``msgpack`` (`docs/wire_format.md`), or ``itch50`` in MoldUDP64.
    session
        Name of the session, of ASCII: at most 16 bytes, and 10 for ``itch50``.
    start_ns
        When it begins, in Unix nanoseconds, where times are not given with `packet`.
    rate
        Messages a second on average, where times are not given. A third of them come in bursts.
    packet_bytes
        Longest packet, where messages are not counted.

    Raises
    ------
    ValueError
        One of them is not as said.

    Examples
    --------
    >>> generator = Generator(seed=1, instruments=2)
    >>> packet = generator.packet(send_time_ns=1_000_000_000, messages=4)
    >>> generator.next_sequence
    5
    """

    def __init__(
        self,
        seed: int,
        instruments: int = 4,
        *,
        protocol: Protocol = "msgpack",
        session: str = "SYNTHETIC",
        start_ns: int = START_NS,
        rate: float = 100_000.0,
        packet_bytes: int = 1_400,
    ) -> None:
        if not 0 <= seed <= _MOST_SEED:
            raise ValueError(f"expected a seed from 0 to 2**64 - 1, found {seed}")
        if instruments < 1:
            raise ValueError(f"expected at least one instrument, found {instruments}")
        self.protocol: Protocol = protocol
        """What is written."""
        self.session = session
        """Name of the session."""
        self._core = _core.Generator(protocol, seed, instruments, session, start_ns, rate, packet_bytes)

    @property
    def next_sequence(self) -> int:
        """Sequence number of the next message; one less is how many there were."""
        return self._core.next_sequence

    @property
    def least_messages(self) -> int:
        """Messages that a whole session has at least: those that begin it and those that end it."""
        return self._core.least_messages

    def books(self) -> TrueBooks:
        """Return the books that all messages so far make."""
        return msgspec.json.decode(self.books_json(), type=TrueBooks)

    def books_json(self) -> bytes:
        """Return the books that all messages so far make, as JSON."""
        return self._core.books()

    @property
    def quotes(self) -> Mapping[int, TrueQuote]:
        """The last quote of each instrument that had one, by number."""
        quotes = {book.instrument: book.quote for book in self.books().books if book.quote is not None}
        return MappingProxyType(quotes)

    def packet(self, send_time_ns: int, messages: int = 4) -> bytes:
        """Make the next packet.

        Parameters
        ----------
        send_time_ns
            When it is meant to be sent, in Unix nanoseconds; its events happen in the microseconds before,
            and never before those of the packet before.
        messages
            How many messages it has, at least 1.

        Raises
        ------
        ValueError
            No messages, or more than fit a datagram.
        """
        if messages < 1:
            raise ValueError(f"expected at least one message, found {messages}")
        packet = Packet(*self._core.packet(send_time_ns, messages))
        if packet.messages < messages:
            raise ValueError(
                f"expected messages that fit a datagram, as {packet.messages} do, found {messages}"
            )
        return packet.payload

    def packets(
        self, count: int, *, start_ns: int, interval_ns: int, messages: int = 4
    ) -> Iterator[tuple[int, bytes]]:
        """Make `count` packets, one every `interval_ns`, each with the time it is meant to be sent at."""
        for number in range(count):
            send_time_ns = start_ns + number * interval_ns
            yield send_time_ns, self.packet(send_time_ns, messages)

    def until(self, horizon_ns: int) -> list[Packet]:
        """Make the packets of all that happens before a time.

        A packet is sent a few microseconds after its last message happened, and so perhaps after that time.
        """
        return [Packet(*packet) for packet in self._core.until(horizon_ns)]

    def heartbeat(self, send_time_ns: int) -> bytes:
        """Make a packet that says which sequence number comes next, and nothing else."""
        return Packet(*self._core.heartbeat(send_time_ns)).payload

    def closing(self, send_time_ns: int) -> Packet | None:
        """Make the packet with the messages that end a session, where the protocol has such."""
        packet = self._core.closing(send_time_ns)
        return None if packet is None else Packet(*packet)

    def end_of_session(self, send_time_ns: int) -> bytes:
        """Make the packet that says that no message will follow."""
        return Packet(*self._core.end_of_session(send_time_ns)).payload

    def snapshot(self, session: str, send_time_ns: int) -> list[bytes]:
        """Make the packets of a snapshot: a session of its own whose messages make the present books.

        Parameters
        ----------
        session
            Name of that session; the snapshot's last message says what it is of.
        send_time_ns
            When it is meant to be sent, in Unix nanoseconds.
        """
        return self._core.snapshot(session, send_time_ns)

    def write(
        self,
        path: str | PathLike[str],
        lines: Sequence[Line] = LINES,
        *,
        messages: int | None = None,
        size_bytes: int | None = None,
        duration_ns: int | None = None,
        on_progress: Progress | None = None,
    ) -> Written:
        """Write what is left of the session, to its end, to a pcapng capture; one of the limits is given.

        Parameters
        ----------
        path
            The file; it is compressed where its name ends with ``.zst``.
        lines
            What lines it is a capture of.
        messages
            Messages of the session, those that begin and end it among them.
        size_bytes
            Bytes of the file before it is compressed, give or take a packet on each line.
        duration_ns
            How long until the session ends.
        on_progress
            Called about every 50 ms while it lasts.

        Raises
        ------
        ValueError
            No limit or more than one, or fewer messages than a session has (`least_messages`).
        OSError
            The file cannot be written.
        """
        limits = {"messages": messages, "size_bytes": size_bytes, "duration_ns": duration_ns}
        given = [(name, limit) for name, limit in limits.items() if limit is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of {', '.join(limits)}, found {len(given)}")
        if messages is not None and messages < self.least_messages:
            raise ValueError(f"expected at least {self.least_messages} messages, found {messages}")
        written = self._core.write(
            fspath(path),
            [(line.name, f"{line.address[0]}:{line.address[1]}", line.skew_ns) for line in lines],
            given[0],
            on_progress=on_progress,
        )
        return msgspec.json.decode(written, type=Written)
