"""One contender of ``bench peers``, once: started on a processor of its own, sent to, and its answer checked.

`feedhandler.bench.contest` lets them take turns. A contender is feedhandler in one of its ways to receive, or
one of `feedhandler.bench.peers`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgpack
import msgspec

from feedhandler.bench import material, peers, sender
from feedhandler.bench.receive import NoPeerError
from feedhandler.bench.receiver import Options, Received
from feedhandler.errors import FeedhandlerError

OURS: Final[Mapping[str, dict[str, Any]]] = {
    f"feedhandler, {backend}, {mode}": {"backend": backend, "mode": mode}
    for backend in ("recvmmsg", "gro")
    for mode in ("inline", "threaded")
}
"""How feedhandler takes datagrams from the socket: the configuration's ``wire``."""

RCVBUF_BYTES: Final = 4 << 20
"""Receive buffer that everyone asks for; what is granted is at most ``net.core.rmem_max``."""

SINGLE_PER_S: Final = 1e9
"""A rate that nobody can send at: datagrams go one by one, as fast as the kernel takes them."""

_EVER_S: Final = 3_600.0
"""How late the sender may be: what is late counts as late, and nothing is given up."""
_GRACE_S: Final = 1.5
_PATIENCE_S: Final = 15.0


class Turn(NamedTuple):
    """One turn of a contender: what it received, and what the sender says."""

    received: Received
    sent: sender.Sent


class ContenderFailedError(FeedhandlerError):
    """A contender ended without an answer, or with one that is not right."""


class Payload(NamedTuple):
    """The datagram that is sent over and over, with another sequence number and send time each time.

    Parameters
    ----------
    packet
        What the sender makes it of.
    ask_sizes
        The sum of its quotes' ask sizes.
    """

    packet: sender.Packet
    ask_sizes: int

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return self.packet.content

    @property
    def messages(self) -> int:
        """Quotes in it."""
        return self.packet.messages


def payload(messages: int) -> Payload:
    """Return a datagram of so many quotes."""
    packet = material.quotes_packet(messages)
    unpacker = msgpack.Unpacker()
    unpacker.feed(packet.content)
    _, *quotes = unpacker
    return Payload(packet, sum(quote[5] for quote in quotes))


class Course:
    """Where contenders run: a processor for the contender, another for the sender, and for how long.

    Parameters
    ----------
    folder
        Where ours is started.
    warmup_s, seconds
        How long a contender receives before it counts, and while it does.

    Raises
    ------
    NoPeerError
        There is no second processor.
    """

    def __init__(self, folder: Path, warmup_s: float, seconds: float) -> None:
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise NoPeerError("bench peers: expected two processors, one of them for the sender, found one")
        self._receive_cpu, self._send_cpu = cpus[0], cpus[1]
        self._folder, self._warmup_s, self._seconds = folder, warmup_s, seconds

    def run(self, name: str, load: Payload, rate_per_s: float) -> Turn:
        """Let a contender receive, and return what it and the sender say.

        Parameters
        ----------
        name
            One of `OURS` or of `peers.ALL`.
        load
            What is sent.
        rate_per_s
            Datagrams a second, sent one by one when each is due; 0 for as many as the kernel takes,
            coalesced.

        Raises
        ------
        ContenderFailedError
            It has no answer, or a wrong one.
        """
        command, place = self._ours(name) if name in OURS else self._peer(name)
        try:
            with self._started(command, place) as receiver:
                answer, complaint, told = self._converse(receiver, load, rate_per_s)
            received = msgspec.json.decode(answer, type=Received)
        except subprocess.TimeoutExpired as error:
            raise ContenderFailedError(f"{name}: expected an answer, found none in time") from error
        except OSError as error:
            raise ContenderFailedError(f"{name}: {error}") from error
        except msgspec.DecodeError as error:
            last = complaint.strip().splitlines()[-1:]
            found = " ".join(last) or answer.strip() or "nothing"
            raise ContenderFailedError(f"{name}: expected an answer, found {found}") from error
        _check(name, received, load)
        assert told is not None
        return Turn(received, told)

    @contextmanager
    def _started(self, command: list[str], place: Path) -> Iterator[subprocess.Popen[str]]:
        """Start a program on the receiver's processor, which its threads inherit; it ends with this."""
        with _on(self._receive_cpu):
            receiver = subprocess.Popen(  # noqa: S603 — our own programs
                command, cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        with receiver:
            try:
                yield receiver
            finally:
                receiver.kill()

    def _converse(
        self, receiver: subprocess.Popen[str], load: Payload, rate_per_s: float
    ) -> tuple[str, str, sender.Sent | None]:
        """Send to a receiver until it has had enough; return its answer, complaints, and what was sent."""
        assert receiver.stdout is not None
        port = receiver.stdout.readline().strip()
        if not port:
            return (*receiver.communicate(timeout=_PATIENCE_S), None)
        seconds = self._warmup_s + self._seconds
        with sender.Sending(self._load(port, load, rate_per_s, seconds + _GRACE_S)) as sending:
            answer, complaint = receiver.communicate(timeout=seconds + _PATIENCE_S)
            sending.stop()
            return answer, complaint, sending.result()

    def _peer(self, name: str) -> tuple[list[str], Path]:
        told = (str(self._warmup_s), str(self._seconds), str(RCVBUF_BYTES))
        return [*peers.ALL[name].command, *told], peers.PEERS

    def _ours(self, name: str) -> tuple[list[str], Path]:
        """Ours has no warm-up: all is counted, from the first datagram on."""
        options = Options(
            seconds=self._warmup_s + self._seconds,
            rcvbuf_bytes=RCVBUF_BYTES,
            cpu=self._receive_cpu,
            wire=OURS[name],
            stage="send",
        )
        module = "feedhandler.bench.receiver"
        return [sys.executable, "-m", module, msgspec.json.encode(options).decode()], self._folder

    def _load(self, port: str, load: Payload, rate_per_s: float, seconds: float) -> sender.Options:
        return sender.Options(
            targets=(sender.Target(f"127.0.0.1:{port}"),),
            packets=(load.packet,),
            seconds=seconds,
            rate=rate_per_s,
            cpu=self._send_cpu,
            patience_s=_EVER_S,
        )


@contextmanager
def _on(cpu: int) -> Iterator[None]:
    """Have what is started meanwhile run on one processor."""
    former = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, former)


def _check(name: str, received: Received, load: Payload) -> None:
    """Refuse messages, or a sum of them, that are not what that many datagrams hold."""
    messages, total = received.datagrams * load.messages, received.datagrams * load.ask_sizes % 2**64
    if (received.messages, received.sum) != (messages, total):
        expected = f"{messages:,} messages with the sum {total:,} in {received.datagrams:,} datagrams"
        raise ContenderFailedError(
            f"{name}: expected {expected}, found {received.messages:,} with {received.sum:,}"
        )
    if not received.datagrams:
        raise ContenderFailedError(f"{name}: expected datagrams, found none in the time that counts")
    if not received.is_balanced:
        raise ContenderFailedError(f"{name}: expected fates that add up, found a ledger that does not")


def sent(received: Received, load: Payload) -> int:
    """Return how many datagrams were sent from the first that was received to the last."""
    # Ours tells the last message's number, and peers that of the last packet's first message: no matter here.
    return (received.last_sequence - received.first_sequence) // load.messages + 1


def lost(received: Received, load: Payload) -> float:
    """Return which part of these did not come."""
    return max(1 - received.datagrams / sent(received, load), 0.0)
