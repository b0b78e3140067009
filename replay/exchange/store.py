"""What was sent, for whoever asks for it again: the last packets, in memory that is bounded."""

import threading
from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Literal

from replay.generator import Packet
from replay.wire import Header, Request, Wire

Refusal = Literal["other_session", "nothing_asked", "too_old", "not_sent_yet"]
"""Why a request has no answer."""


class Store:
    """The last packets of a session. Safe to add to and ask from two threads.

    Parameters
    ----------
    wire
        How packets are laid out.
    session
        Name of the session.
    most_messages
        Messages that are kept; perhaps those of a packet more.
    packet_bytes
        Longest answer.
    """

    def __init__(self, wire: Wire, session: str, most_messages: int, packet_bytes: int = 1_400) -> None:
        self._wire = wire
        self._session = session
        self._most_messages = most_messages
        self._packet_bytes = packet_bytes
        self._lock = threading.Lock()
        self._packets: list[Packet] = []
        self._sequences: list[int] = []
        self._oldest = 0
        self._next_sequence = 0

    @property
    def session(self) -> str:
        """The session that is kept."""
        return self._session

    def begin(self, session: str) -> None:
        """Forget everything; packets of another session follow."""
        with self._lock:
            self._session = session
            self._packets, self._sequences, self._oldest = [], [], 0
            self._next_sequence = 0

    def add(self, packets: Sequence[Packet]) -> None:
        """Keep packets that carry on the session, each of which counts as sent from its time on.

        Copies of what is there are left out; what is missing between packets is not answered.
        """
        with self._lock:
            for packet in packets:
                if packet.sequence >= self._next_sequence:
                    self._packets.append(packet)
                    self._sequences.append(packet.sequence)
                    self._next_sequence = packet.sequence + packet.messages
            self._forget()

    def answer(self, request: Request, now_ns: int) -> tuple[bytes, int] | Refusal:
        """Return the packet that answers a request, and how many messages are in it; or why there is none.

        It has as many of the messages asked for as were sent and fit; who wants more asks again.
        """
        with self._lock:
            if request.session != self._session:
                return "other_session"
            if request.messages == 0:
                return "nothing_asked"
            if not self._sequences or request.sequence < self._sequences[self._oldest]:
                return "too_old" if self._sequences else "not_sent_yet"
            messages = self._find(request, now_ns)
            last_sent = bisect_right(self._packets, now_ns, key=attrgetter("send_time_ns")) - 1
            is_beyond = last_sent < 0 or request.sequence > self._sequences[last_sent]
        if not messages:
            return "not_sent_yet" if is_beyond else "too_old"
        header = Header("data", request.session, request.sequence, len(messages))
        return self._wire.header(header, now_ns) + b"".join(messages), len(messages)

    def _find(self, request: Request, now_ns: int) -> list[bytes]:
        """Return the messages from a number on, up to one that is missing, not sent yet, or has no room."""
        place = bisect_right(self._sequences, request.sequence) - 1
        header = Header("data", request.session, request.sequence, request.messages)
        room = self._packet_bytes - len(self._wire.header(header, now_ns))
        found: list[bytes] = []
        for number in range(place, len(self._packets)):
            packet = self._packets[number]
            skipped = request.sequence + len(found) - packet.sequence
            if packet.send_time_ns > now_ns or skipped < 0:
                break
            for message in self._wire.messages(packet.payload)[skipped:]:
                room -= len(message)
                if len(found) == request.messages or (found and room < 0):
                    return found
                found.append(message)
        return found

    def _forget(self) -> None:
        """Let go of the oldest, and of the memory once half of it is theirs."""
        newest = self._packets[-1] if self._packets else None
        while newest is not None and self._oldest < len(self._packets) - 1:
            oldest = self._packets[self._oldest + 1]
            if newest.sequence + newest.messages - oldest.sequence < self._most_messages:
                break
            self._oldest += 1
        if self._oldest > len(self._packets) // 2:
            del self._packets[: self._oldest]
            del self._sequences[: self._oldest]
            self._oldest = 0
