"""Sends datagrams at their times: files as recorded or otherwise, and packets that a program made."""

import os
from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import msgspec

from feedhandler import _core
from feedhandler.errors import SendError
from feedhandler.protocol import Protocol
from replay.capture import Address, Capture
from replay.faults import Faults
from replay.pacing import Pacing

Progress = Callable[[int, int, int, int], object]
"""Told about every 50 ms: datagrams and bytes sent, bytes of the file read and in all (0 if nobody knows)."""


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
    """What became of files that were replayed.

    Parameters
    ----------
    datagrams
        Datagrams of the files that were meant to be sent, each to all its destinations, before any fault.
    skipped
        Datagrams that go nowhere: no route names them and there is no default.
    left_out
        Datagrams outside of the range that was asked for.
    passes
        Passes over the files, begun or done.
    truncated
        Why a file ended before its time, where one did.
    stopped
        It was stopped before the end.
    captures
        What else is in the captures, as ``info`` says it; none for files of messages.
    """

    datagrams: int
    skipped: int
    left_out: int
    passes: int
    truncated: str | None
    stopped: bool
    captures: tuple[dict[str, Any], ...] = ()


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
    segments
        As fast as possible, hand datagrams of one size to the kernel as one (``UDP_SEGMENT``), where it can
        divide them.

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
        segments: bool = True,
    ) -> None:
        self._core = _core.Sender(
            list(to),
            routes=list(routes.items() if isinstance(routes, Mapping) else routes),
            interface=interface,
            multicast_ttl=multicast_ttl,
            allow_remote=allow_remote,
            sleep_only=sleep_only,
            segments=segments,
        )
        self._process = os.getpid()

    def _check_process(self) -> None:
        """Refuse to go on in a child: the thread that sends stayed with the parent."""
        if os.getpid() != self._process:
            raise SendError(
                "sender: expected the process that made it, found one that was forked: make another there"
            )

    def replay(
        self,
        source: Capture | str | PathLike[str],
        pacing: Pacing | None = None,
        *,
        protocol: Protocol | str | None = None,
        session: str = "REPLAY",
        max_packet_bytes: int = 1_400,
        window_ns: int | None = None,
        faults: Faults | None = None,
        truth: str | PathLike[str] | None = None,
        on_progress: Progress | None = None,
    ) -> Replayed:
        """Send the UDP payloads of captures, or the messages of files packed into packets.

        Parameters
        ----------
        source
            What is sent; a path stands for `Capture` with this path.
        pacing
            When; as recorded if left out.
        protocol, session, max_packet_bytes, window_ns
            As `Capture` has them, for a path.
        faults
            What is done to it on the way: the lines A, B, … are the destinations, those of `routes` first.
        truth
            File for what was done to which packet, for ``feedhandler verify --truth``.
        on_progress
            Called about every 50 ms while it lasts.

        Raises
        ------
        CaptureError
            A file cannot be read.
        FaultError
            A fault is of a line that there is not, or cannot be done to this protocol.
        SendError
            A pacing that cannot be followed, a file or protocol that cannot be replayed, a route from where
            nothing was recorded, or the kernel's refusal to send.
        """
        self._check_process()
        if not isinstance(source, Capture):
            source = Capture(
                source,
                protocol=protocol,
                session=session,
                max_packet_bytes=max_packet_bytes,
                window_ns=window_ns,
            )
        pacing = pacing or Pacing.original()
        if truth is not None and faults is None:
            faults = Faults()
        replayed = self._core.replay(
            source.to_json(),
            speed=pacing.speed,
            packets_per_second=pacing.packets_per_second,
            faults=None if faults is None else faults.to_json(source.protocol),
            truth=None if truth is None else fspath(truth),
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
        self._check_process()
        return self._core.queue(packets, deadlines_ns, lines)

    def flush(self) -> bool:
        """Wait until all that was queued is sent; return whether it was, or sending was stopped.

        Raises
        ------
        SendError
            The kernel would not send it.
        """
        self._check_process()
        return self._core.flush()

    def stop(self) -> None:
        """Make what is being sent end within 50 ms, and what comes later end at once; for good.

        From any thread, and from a signal handler.
        """
        self._core.stop()

    def sent(self) -> Sent:
        """Return what was sent since this sender was made; waits for what is being sent."""
        return msgspec.json.decode(self._core.report(), type=Sent)
