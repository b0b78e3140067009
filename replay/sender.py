"""Sends datagrams at their times: files as recorded or otherwise, and packets that a program made."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, Self

import msgspec

from feedhandler import _core
from feedhandler.protocol import Protocol, load
from feedhandler.protocol.spec import ProtocolSpec
from replay.pacing import Pacing

Address = tuple[str, int]
"""An IP address and a port."""

Progress = Callable[[int, int, int, int], object]
"""Told about every 50 ms: datagrams and bytes sent, bytes of the file read and in all (0 if nobody knows)."""

_TIME_UNITS = frozenset({"ns_since_midnight", "ns_since_epoch"})


class Percentiles(msgspec.Struct, frozen=True):
    """Percentiles of a histogram, in nanoseconds."""

    p50: int
    p90: int
    p99: int
    p99_9: int
    p99_99: int
    max: int
    count: int


class DestinationSent(msgspec.Struct, frozen=True):
    """What one destination got.

    Parameters
    ----------
    to
        The address.
    packets, bytes
        Datagrams and payload bytes that the kernel took.
    refused
        Datagrams that nobody took, as ICMP says: no one listens there.
    """

    to: str
    packets: int
    bytes: int
    refused: int


class Sent(msgspec.Struct, frozen=True):
    """What a sender sent.

    Parameters
    ----------
    packets, bytes
        Datagrams and payload bytes that the kernel took.
    elapsed_ns
        From before the first system call to after the last.
    destinations
        The same by destination.
    too_long
        Datagrams longer than UDP carries; not sent.
    retries
        System calls that took nothing and were repeated.
    lateness_ns
        From a datagram's deadline to the return of the system call that sent it: an upper bound. Datagrams
        without a deadline are not in it.
    """

    packets: int
    bytes: int
    elapsed_ns: int
    destinations: tuple[DestinationSent, ...]
    too_long: int
    retries: int
    lateness_ns: Percentiles


class Replayed(msgspec.Struct, frozen=True):
    """What became of a file that was replayed.

    Parameters
    ----------
    datagrams
        Datagrams of the file that were sent, each to all its destinations.
    skipped
        Datagrams that go nowhere: no route names them and there is no default.
    truncated
        Why the file ended before its time, where it did.
    stopped
        It was stopped before the end.
    capture
        What else is in the capture, as ``info`` says it; none for a file of messages.
    """

    datagrams: int
    skipped: int
    truncated: str | None
    stopped: bool
    capture: dict[str, Any] | None = None


class Sender:
    """Sends datagrams to unicast addresses or multicast groups, each at its time.

    By default nothing leaves this machine: a destination is a loopback address, or a multicast group by an
    interface that is named, and then with a time to live of 0.

    Parameters
    ----------
    to
        Where everything goes that `routes` does not name, to each of these; the lines of `queue`.
    routes
        From the address that a capture's datagrams went to, to the address they go to now.
    interface
        Interface that multicast leaves by: its name or IPv4 address.
    multicast_ttl
        0 keeps multicast on this machine, 1 on the interface's network.
    allow_remote
        Unicast to other machines is meant.
    sleep_only
        Sleep until a deadline, and do not spin for the last 60 µs before it: later, and a core is free.

    Raises
    ------
    ValueError
        A destination that is no IP address.
    SendError
        A destination that may not be sent to, or an interface that there is not.
    """

    def __init__(
        self,
        to: Sequence[Address] = (),
        *,
        routes: Mapping[Address, Address] | Sequence[tuple[Address, Address]] = (),
        interface: str | None = None,
        multicast_ttl: int = 0,
        allow_remote: bool = False,
        sleep_only: bool = False,
    ) -> None:
        self._core = _core.Sender(
            list(to),
            routes=list(routes.items() if isinstance(routes, Mapping) else routes),
            interface=interface,
            multicast_ttl=multicast_ttl,
            allow_remote=allow_remote,
            sleep_only=sleep_only,
        )

    def replay(
        self,
        path: str | PathLike[str],
        pacing: Pacing | None = None,
        *,
        protocol: Protocol | str | None = None,
        session: str = "REPLAY",
        max_packet_bytes: int = 1_400,
        window_ns: int | None = None,
        on_progress: Progress | None = None,
    ) -> Replayed:
        """Send the UDP payloads of a capture, or the messages of a file packed into packets.

        Parameters
        ----------
        path
            A pcap or pcapng capture, or a file of messages; plain, gzip or zstd.
        pacing
            When; as recorded if left out.
        protocol
            What a file of messages is made of: a declaration with a file form, such as ``itch50``. Not used
            for captures.
        session
            Session that packets made from messages name.
        max_packet_bytes
            Largest packet made from messages.
        window_ns
            Messages within this time of a packet's first share it. If left out: those of the same time where
            they are sent as recorded, else as many as fit.
        on_progress
            Called about every 50 ms while it lasts.

        Raises
        ------
        CaptureError
            The file cannot be read.
        SendError
            A pacing that cannot be followed, a file or protocol that cannot be replayed, or the kernel's
            refusal to send.
        """
        pacing = pacing or Pacing.original()
        messages = protocol and MessagePacking.of(protocol, session, max_packet_bytes, window_ns)
        replayed = self._core.replay(
            fspath(path),
            speed=pacing.speed,
            packets_per_second=pacing.packets_per_second,
            messages=msgspec.json.encode(messages) if messages else None,
            on_progress=on_progress,
        )
        return msgspec.json.decode(replayed, type=Replayed)

    def queue(
        self,
        packets: Sequence[bytes],
        deadlines_ns: Sequence[int] | None = None,
        lines: Sequence[int] | None = None,
    ) -> bool:
        """Have packets sent behind those queued before; waits while two batches are ahead of them.

        Parameters
        ----------
        packets
            The datagrams, in the order in which they are sent.
        deadlines_ns
            When each is due, in Unix nanoseconds; at once if left out.
        lines
            Which of `to` each goes to; to all if left out.

        Returns
        -------
        bool
            Whether sending goes on; False once it was stopped.

        Raises
        ------
        ValueError
            Not one deadline or line for each packet, or a line that there is not.
        SendError
            The kernel would not send an earlier batch.
        """
        return self._core.queue(packets, deadlines_ns, lines)

    def flush(self) -> bool:
        """Wait until all that was queued is sent; return whether it was, or sending was stopped.

        Raises
        ------
        SendError
            The kernel would not send it.
        """
        return self._core.flush()

    def stop(self) -> None:
        """Make what is being sent end within 50 ms, and what comes later end at once; for good.

        From any thread, and from a signal handler.
        """
        self._core.stop()

    def sent(self) -> Sent:
        """Return what was sent since this sender was made; waits for what is being sent."""
        return msgspec.json.decode(self._core.report(), type=Sent)


class MessagePacking(msgspec.Struct, frozen=True):
    """How a file of messages is packed, as Rust is told."""

    protocol: ProtocolSpec
    time_field: str | None
    session: str
    limit_bytes: int
    window_ns: int | None

    @classmethod
    def of(cls, protocol: Protocol | str, session: str, limit_bytes: int, window_ns: int | None) -> Self:
        """Return how the messages of a file are packed; a window as in `Sender.replay`."""
        declared = load(protocol) if isinstance(protocol, str) else protocol
        return cls(declared.spec, time_field(declared), session, limit_bytes, window_ns)


def time_field(protocol: Protocol) -> str | None:
    """Return the name of the field that stamps every message of a protocol, if there is one."""
    stamps = [
        {field.name for field in message.fields.values() if field.unit in _TIME_UNITS}
        for message in protocol.messages.values()
    ]
    common = set.intersection(*stamps) if stamps else set()
    return min(common, default=None)
