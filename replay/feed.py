"""A synthetic feed sent live on redundant lines, open-loop: each packet carries when it was meant to be sent.

`Timeline` says what is due when, and is plain arithmetic; `Feed` is the thread that hands it to a `Sender`.
"""

import heapq
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count
from types import TracebackType
from typing import NamedTuple, Self

from replay.generator import Generator
from replay.sender import Address, Sender, Sent

_WINDOW_NS = 25_000_000
_AHEAD_NS = 50_000_000
"""How long before its time a window is made: a stall of this thread up to that delays no packet."""


class Scheduled(NamedTuple):
    """A packet, the line it goes to, and when."""

    deadline_ns: int
    number: int
    line: int
    packet: bytes


class Timeline:
    """What is due when on each line: packets at a steady rate, heartbeats where it is quiet.

    Parameters
    ----------
    generator
        Makes the packets.
    delays_ns
        By how much each line lags.
    start_ns
        When the first packet is due, in Unix nanoseconds.
    packets_per_second
        Rate of the packets that carry messages.
    messages_per_packet
        How many they carry.
    packets
        How many of them there are, if not endless.
    heartbeat_ns
        Longest silence.
    """

    def __init__(
        self,
        generator: Generator,
        delays_ns: Sequence[int],
        *,
        start_ns: int,
        packets_per_second: float,
        messages_per_packet: int,
        packets: int | None,
        heartbeat_ns: int,
    ) -> None:
        self._generator = generator
        self._delays_ns = tuple(delays_ns)
        self._start_ns = start_ns
        self._packets_per_second = packets_per_second
        self._messages_per_packet = messages_per_packet
        self._packets = packets
        self._heartbeat_ns = heartbeat_ns
        self._latest_ns = start_ns
        self._made = 0
        self._numbers = count()
        self._waiting: list[Scheduled] = []

    def until(self, horizon_ns: int) -> list[Scheduled]:
        """Return what is due before a time and was not returned yet, in order."""
        for deadline_ns, packet in self._made_until(horizon_ns):
            self._schedule(deadline_ns, packet)
        due = []
        while self._waiting and self._waiting[0].deadline_ns < horizon_ns:
            due.append(heapq.heappop(self._waiting))
        return due

    def end(self, now_ns: int) -> list[Scheduled]:
        """Return what still waits on lagging lines and, behind it, the end of the session."""
        end_ns = max(now_ns, self._latest_ns)
        self._schedule(end_ns, self._generator.end_of_session(end_ns))
        rest, self._waiting = sorted(self._waiting), []
        return rest

    def _made_until(self, horizon_ns: int) -> Iterator[tuple[int, bytes]]:
        while True:
            data_ns, heartbeat_ns = self._data_ns(), self._latest_ns + self._heartbeat_ns
            is_data = data_ns is not None and data_ns <= heartbeat_ns
            due_ns = data_ns if data_ns is not None and is_data else heartbeat_ns
            if due_ns >= horizon_ns:
                return
            self._latest_ns = due_ns
            if is_data:
                self._made += 1
                yield due_ns, self._generator.packet(due_ns, self._messages_per_packet)
            else:
                yield due_ns, self._generator.heartbeat(due_ns)

    def _data_ns(self) -> int | None:
        if self._packets is not None and self._made >= self._packets:
            return None
        return self._start_ns + round(self._made * 1e9 / self._packets_per_second)

    def _schedule(self, deadline_ns: int, packet: bytes) -> None:
        for line, delay_ns in enumerate(self._delays_ns):
            heapq.heappush(
                self._waiting, Scheduled(deadline_ns + delay_ns, next(self._numbers), line, packet)
            )


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
        self._timeline = Timeline(
            generator,
            delays_ns,
            start_ns=time.time_ns() + _AHEAD_NS,
            packets_per_second=packets_per_second,
            messages_per_packet=messages_per_packet,
            packets=packets,
            heartbeat_ns=heartbeat_ns,
        )
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="feedhandler-feed", daemon=True)

    @property
    def sent(self) -> Sent:
        """What was sent so far."""
        return self._sender.sent()

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Have the session ended within about 100 ms; returns at once."""
        self._stop.set()

    def join(self) -> None:
        """Wait until the session has ended.

        Raises
        ------
        SendError
            The kernel would not send.
        """
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.join()

    def _run(self) -> None:
        try:
            self._send_all()
        except Exception as failure:
            self._failure = failure

    def _send_all(self) -> None:
        horizon_ns = time.time_ns() + _AHEAD_NS
        while not self._stop.wait((horizon_ns - _AHEAD_NS - time.time_ns()) / 1e9):
            horizon_ns += _WINDOW_NS
            self._queue(self._timeline.until(horizon_ns))
        self._queue(self._timeline.end(horizon_ns))
        self._sender.flush()

    def _queue(self, due: Sequence[Scheduled]) -> None:
        if due:
            deadlines_ns, _, lines, packets = zip(*due, strict=True)
            self._sender.queue(packets, deadlines_ns, lines)
