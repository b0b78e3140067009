"""A synthetic feed sent live on redundant lines at a steady rate, as demonstrations and tests want it.

Open-loop: each packet carries when it was meant to be sent. `replay.exchange` is for a market with a pulse of
its own, and for what is around the lines.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from replay.capture import Address
from replay.generator import Generator, Packet
from replay.publisher import Publisher
from replay.schedule import Schedule
from replay.sender import Sender, Sent
from replay.wire import WIRES


class SteadySource:
    """A generator's packets at a steady rate.

    Parameters
    ----------
    generator
        Makes them.
    packets_per_second
        The rate.
    messages_per_packet
        How many messages each has.
    packets
        How many of them there are, if not endless; nothing follows the last, and the session goes on.
    """

    is_over = False

    def __init__(
        self,
        generator: Generator,
        *,
        packets_per_second: float,
        messages_per_packet: int,
        packets: int | None,
    ) -> None:
        self._generator = generator
        self._packets_per_second = packets_per_second
        self._messages_per_packet = messages_per_packet
        self._packets = packets
        self._start_ns = 0
        self._made = 0

    @property
    def next_sequence(self) -> int:
        """Number of the first message that `until` has not returned."""
        return self._generator.next_sequence

    def begin(self, start_ns: int) -> None:
        """Have the first packet due at a time."""
        self._start_ns = start_ns

    def until(self, horizon_ns: int) -> list[Packet]:
        """Return the packets that are due before a time and were not returned yet."""
        due: list[Packet] = []
        while self._made != self._packets and (due_ns := self._due_ns()) < horizon_ns:
            sequence = self._generator.next_sequence
            payload = self._generator.packet(due_ns, self._messages_per_packet)
            due.append(Packet(due_ns, sequence, self._messages_per_packet, payload))
            self._made += 1
        return due

    def closing(self, send_time_ns: int) -> Packet | None:
        """Return the messages that end a session, where the protocol has such."""
        return self._generator.closing(send_time_ns)

    def _due_ns(self) -> int:
        return self._start_ns + round(self._made * 1e9 / self._packets_per_second)


class Feed:
    """Sends a generator's packets on each of its lines until it is stopped, then ends the session.

    Parameters
    ----------
    generator
        Makes the packets. While the feed runs, it belongs to the feed.
    lines
        Where the lines go: line A, line B, …
    delays_ns
        By how much each line lags; nothing where it is left out.
    packets_per_second
        Rate of the packets that carry messages; above 0.
    messages_per_packet
        How many they carry.
    packets
        How many of them there are, if not endless; heartbeats go on behind the last.
    heartbeat_ns
        Longest silence.
    interface, multicast_ttl, allow_remote, sleep_only
        As `replay.Sender` has them.

    Examples
    --------
    >>> with Feed(Generator(seed=1), [("127.0.0.1", 20001), ("127.0.0.1", 20002)], packets=10) as feed:
    ...     feed.stop()
    >>> feed.sent.packets <= 2 * (10 + 1)
    True
    """

    def __init__(
        self,
        generator: Generator,
        lines: Sequence[Address],
        *,
        delays_ns: Sequence[int] | None = None,
        packets_per_second: float = 1_000.0,
        messages_per_packet: int = 4,
        packets: int | None = None,
        heartbeat_ns: int = 1_000_000_000,
        interface: str | None = None,
        multicast_ttl: int = 0,
        allow_remote: bool = False,
        sleep_only: bool = False,
    ) -> None:
        delays_ns = [0] * len(lines) if delays_ns is None else delays_ns
        if len(delays_ns) != len(lines):
            raise ValueError(f"expected a delay for each of {len(lines)} lines, found {len(delays_ns)}")
        if not packets_per_second > 0:
            raise ValueError(f"expected packets_per_second above 0, found {packets_per_second}")
        self._sender = Sender(
            lines,
            interface=interface,
            multicast_ttl=multicast_ttl,
            allow_remote=allow_remote,
            sleep_only=sleep_only,
        )
        source = SteadySource(
            generator,
            packets_per_second=packets_per_second,
            messages_per_packet=messages_per_packet,
            packets=packets,
        )
        schedule = Schedule(WIRES[generator.protocol], generator.session, delays_ns, heartbeat_ns)
        self._publisher = Publisher(source, schedule, self._sender)

    @property
    def sent(self) -> Sent:
        """What was sent so far."""
        return self._sender.sent()

    def start(self) -> None:
        """Begin to send."""
        self._publisher.start()

    def stop(self) -> None:
        """Have the session ended within about 100 ms; returns at once."""
        self._publisher.stop()

    def join(self) -> None:
        """Wait until the session has ended.

        Raises
        ------
        SendError
            The kernel would not send.
        """
        self._publisher.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.join()
