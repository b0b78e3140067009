"""What was sent, for whoever asks for it again: the last packets, in memory that is bounded."""

import threading
from bisect import bisect_right
from collections.abc import Sequence
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

    @property
    def session(self) -> str:
        """The session that is kept."""
        return self._session

    def begin(self, session: str) -> None:
        """Forget everything; packets of another session follow."""
        with self._lock:
            self._session = session
            self._packets, self._sequences, self._oldest = [], [], 0

    def add(self, packets: Sequence[Packet]) -> None:
        """Keep packets that carry on the session, each of which counts as sent from its time on."""
        with self._lock:
            self._packets += packets
            self._sequences += [packet.sequence for packet in packets]
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
        if not messages:
            return "not_sent_yet"
        header = Header("data", request.session, request.sequence, len(messages))
        return self._wire.header(header, now_ns) + b"".join(messages), len(messages)

    def _find(self, request: Request, now_ns: int) -> list[bytes]:
        place = bisect_right(self._sequences, request.sequence) - 1
        room = self._packet_bytes - len(
            self._wire.header(Header("data", request.session, *request[1:]), now_ns)
        )
        found: list[bytes] = []
        skipped = request.sequence - self._sequences[place]
        while place < len(self._packets) and self._packets[place].send_time_ns <= now_ns:
            for message in self._wire.messages(self._packets[place].payload)[skipped:]:
                room -= len(message)
                if len(found) == request.messages or (found and room < 0):
                    return found
                found.append(message)
            skipped = 0
            place += 1
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
