"""A thread that has a session sent as it is made: window by window, a little ahead of its time, to its end.

`Feed` and `Exchange` stand on it. A source has the packets of messages, a `Schedule` says what goes when, and
a `Sender` sends it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from replay.generator import Packet
from replay.schedule import Schedule
from replay.sender import Sender

_WINDOW_NS = 25_000_000
_AHEAD_NS = 50_000_000
"""How long before its time a window is made: a stall of this thread up to that delays no packet."""
_LONGEST_DELAY_NS = 2_000_000_000
"""No line is further behind."""

Told = Callable[[Sequence[Packet], int], object]
"""Told of the packets of messages in a window, and of its end, before any of it is sent."""


class Source(Protocol):
    """Packets of messages of one session, in order."""

    is_over: bool
    """Whether there are no more packets."""

    @property
    def next_sequence(self) -> int:
        """Number of the first message that `until` has not returned."""

    def begin(self, start_ns: int) -> None:
        """Have the session begin at a time."""

    def until(self, horizon_ns: int) -> list[Packet]:
        """Return the packets that are due before a time and were not returned yet."""

    def closing(self, send_time_ns: int) -> Packet | None:
        """Return the last packet of a session that is ended, where one is needed."""


class Publisher:
    """Publishes what a source has until it is over or stopped, then ends the session.

    Parameters
    ----------
    source
        The packets of messages.
    schedule
        The lines; what it has besides is sent in its turn.
    sender
        Sends to the schedule's lines.
    end_ns, end_gap_ns
        How long the end of the session is told, and how often.
    told
        Told of each window.
    """

    def __init__(
        self,
        source: Source,
        schedule: Schedule,
        sender: Sender,
        *,
        end_ns: int = 0,
        end_gap_ns: int = 1_000_000_000,
        told: Told | None = None,
    ) -> None:
        self._source = source
        self._schedule = schedule
        self._sender = sender
        self._end_ns = end_ns
        self._end_gap_ns = end_gap_ns
        self._told = told
        self._stop = threading.Event()
        self._abort = threading.Event()
        self._failure: BaseException | None = None
        self._start_ns = 0
        self._thread = threading.Thread(target=self._run, name="feedhandler-publish", daemon=True)

    def start(self) -> None:
        """Begin to publish, in 50 ms."""
        self._start_ns = time.time_ns() + _AHEAD_NS
        self._source.begin(self._start_ns)
        self._schedule.begin(self._start_ns)
        self._thread.start()

    def stop(self) -> None:
        """Have the session ended within about 100 ms; returns at once."""
        self._stop.set()

    def abort(self) -> None:
        """Have nothing more sent, not even the end of the session; returns at once."""
        self._sender.stop()
        self._abort.set()
        self._stop.set()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the end of the session was told as long as it shall; return whether it was.

        Raises
        ------
        SendError
            The kernel would not send.
        """
        self._thread.join(timeout_s)
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._end(self._publish(self._start_ns))
        except Exception as failure:
            self._failure = failure

    def _publish(self, horizon_ns: int) -> int:
        while not self._source.is_over and not self._stop.wait(_until_s(horizon_ns - _AHEAD_NS)):
            horizon_ns += _WINDOW_NS
            self._take(self._source.until(horizon_ns), horizon_ns)
            self._send_until(horizon_ns)
        return horizon_ns

    def _end(self, horizon_ns: int) -> None:
        first_ns = max(horizon_ns, self._schedule.last_ns)
        over_ns = first_ns + self._end_ns
        closing = self._source.closing(first_ns)
        if closing is not None:
            self._take([closing], first_ns)
        for time_ns in range(first_ns, over_ns + 1, self._end_gap_ns):
            self._schedule.end(self._source.next_sequence, time_ns)
        self._send_until(over_ns + _LONGEST_DELAY_NS)
        self._sender.flush()
        self._abort.wait(_until_s(over_ns))

    def _take(self, packets: Sequence[Packet], horizon_ns: int) -> None:
        self._schedule.add(packets, self._source.next_sequence, horizon_ns)
        if self._told is not None:
            self._told(packets, horizon_ns)

    def _send_until(self, horizon_ns: int) -> None:
        due = self._schedule.until(horizon_ns)
        if due:
            deadlines_ns, lines, packets = zip(*due, strict=True)
            self._sender.queue(packets, deadlines_ns, lines)


def _until_s(time_ns: int) -> float:
    return (time_ns - time.time_ns()) / 1e9
