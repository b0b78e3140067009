"""What is sent when: packets on every line, heartbeats where it is quiet, snapshots between.

Plain arithmetic on times that are given; `publisher` hands what is due to a sender.
"""

from bisect import bisect_left
from collections.abc import Sequence
from operator import itemgetter

from replay.generator import Packet
from replay.wire import Header, Kind, Wire

Due = tuple[int, int, bytes]
"""When, on which line, and what."""

_deadline = itemgetter(0)


class Schedule:
    """Packets of a session to come.

    Parameters
    ----------
    wire
        How packets are laid out.
    session
        Name of the session.
    delays_ns
        By how much each line is behind.
    heartbeat_ns
        Longest silence.
    """

    def __init__(self, wire: Wire, session: str, delays_ns: Sequence[int], heartbeat_ns: int) -> None:
        self._wire = wire
        self._session = session
        self._delays_ns = tuple(delays_ns)
        self._heartbeat_ns = heartbeat_ns
        self._last_ns = 0
        self._waiting: list[Due] = []
        self.heartbeats = 0
        """Heartbeats so far, on each line."""

    def begin(self, start_ns: int) -> None:
        """Have silence count from a time."""
        self._last_ns = start_ns

    @property
    def last_ns(self) -> int:
        """When the last packet is due, on a line that is not behind."""
        return self._last_ns

    def add(self, packets: Sequence[Packet], next_sequence: int, horizon_ns: int) -> None:
        """Have packets sent, all that are due before a time, and heartbeats where there are none for long.

        Parameters
        ----------
        packets
            The packets, in order.
        next_sequence
            Number of the first message that is not in them.
        horizon_ns
            The time.
        """
        for packet in packets:
            self._fill(packet.sequence, packet.send_time_ns)
            self._send(packet.send_time_ns, packet.payload)
        self._fill(next_sequence, horizon_ns)

    def add_on(self, line: int, packets: Sequence[bytes], start_ns: int, gap_ns: int) -> int:
        """Have packets sent on one line only, evenly; return when the line is free again."""
        self._waiting += [(start_ns + number * gap_ns, line, packet) for number, packet in enumerate(packets)]
        return start_ns + len(packets) * gap_ns

    def end(self, next_sequence: int, end_ns: int) -> None:
        """Have the end of the session told."""
        self._signal("end_of_session", next_sequence, end_ns)

    def until(self, horizon_ns: int) -> list[Due]:
        """Return what is due before a time and was not returned yet, in order."""
        self._waiting.sort(key=_deadline)
        place = bisect_left(self._waiting, horizon_ns, key=_deadline)
        due, self._waiting = self._waiting[:place], self._waiting[place:]
        return due

    def _fill(self, sequence: int, until_ns: int) -> None:
        while self._last_ns + self._heartbeat_ns < until_ns:
            self._signal("heartbeat", sequence, self._last_ns + self._heartbeat_ns)
            self.heartbeats += 1

    def _signal(self, kind: Kind, sequence: int, time_ns: int) -> None:
        self._send(time_ns, self._wire.header(Header(kind, self._session, sequence, 0), time_ns))

    def _send(self, time_ns: int, payload: bytes) -> None:
        self._last_ns = max(self._last_ns, time_ns)
        for line, delay_ns in enumerate(self._delays_ns):
            self._waiting.append((time_ns + delay_ns, line, payload))
