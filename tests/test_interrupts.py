"""Signals while files are read: whatever is in them, handlers run soon, and what they let go on goes on."""

import os
import signal
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import market
import pytest

import feedhandler as fh
from feedhandler.capture import info
from replay.pacing import Pacing
from replay.sender import Sender

PATIENCE_S = 20.0

PCAP_HEADER = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
NOT_UDP = (struct.pack("<IIII", 1, 0, 60, 60) + b"\xff" * 12 + b"\x08\x06" + bytes(46)) * 500


class InterruptedHereError(Exception):
    """Raised by a signal's handler."""


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The signals so far that were handled without raising anything; SIGUSR2 raises."""
    numbers: list[int] = []

    def interrupt(_number: int, _frame: object) -> None:
        raise InterruptedHereError

    before = [
        signal.signal(signal.SIGUSR1, lambda number, _frame: numbers.append(number)),
        signal.signal(signal.SIGUSR2, interrupt),
    ]
    yield numbers
    for number, handler in zip((signal.SIGUSR1, signal.SIGUSR2), before, strict=True):
        signal.signal(number, handler)


class Writer(threading.Thread):
    """Writes into a pipe: a beginning, then a thing again and again until told otherwise, then an end.

    A signal is sent to the main thread when somebody reads, and much of what is repeated has been read.
    """

    def __init__(self, pipe: Path, repeat: bytes, *, start: bytes = PCAP_HEADER, number: int = 0) -> None:
        super().__init__()
        self._pipe, self._start, self._repeat, self._number = pipe, start, repeat, number
        self._enough = threading.Event()
        self.end = b""

    def run(self) -> None:
        with suppress(BrokenPipeError), self._pipe.open("wb", buffering=0) as pipe:
            pipe.write(self._start)
            for _ in range(20 if self._repeat else 0):
                pipe.write(self._repeat)
            if self._number:
                signal.pthread_kill(threading.main_thread().ident or 0, self._number)
            while not self._enough.is_set():
                if self._repeat:
                    pipe.write(self._repeat)
                else:
                    self._enough.wait()
            pipe.write(self.end)

    def finish(self, end: bytes = b"") -> None:
        self.end = end
        self._enough.set()


@contextmanager
def written(
    pipe: Path, repeat: bytes = b"", *, start: bytes = PCAP_HEADER, number: int = 0
) -> Iterator[Writer]:
    writer = Writer(pipe, repeat, start=start, number=number)
    writer.start()
    yield writer
    writer.finish()
    writer.join(PATIENCE_S)
    assert not writer.is_alive()


@pytest.mark.usefixtures("handled")
@pytest.mark.parametrize("start", [b"", PCAP_HEADER[:2], PCAP_HEADER], ids=len)
def test_a_pipe_that_stays_quiet_can_be_interrupted(pipe: Path, start: bytes) -> None:
    with written(pipe, start=start, number=signal.SIGUSR2), pytest.raises(InterruptedHereError):
        next(fh.read(pipe, "msgpack"))


@pytest.mark.usefixtures("handled")
def test_a_pipe_that_nobody_writes_to_can_be_interrupted(pipe: Path) -> None:
    def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)

    timer = threading.Timer(0.1, interrupt)
    timer.start()
    with pytest.raises(InterruptedHereError):
        fh.read(pipe, "msgpack")
    timer.join()


@pytest.mark.usefixtures("handled")
def test_what_goes_on_and_on_without_a_datagram_can_be_interrupted_and_read_on(
    pipe: Path, tmp_path: Path
) -> None:
    market.write_capture(tmp_path / "day.pcap")
    day = (tmp_path / "day.pcap").read_bytes()
    with written(pipe, NOT_UDP, start=day[: len(PCAP_HEADER)], number=signal.SIGUSR2) as writer:
        reader = fh.read(pipe, "msgpack", channels=market.CHANNELS)
        with pytest.raises(InterruptedHereError):
            next(reader)
        writer.finish(day[len(PCAP_HEADER) :])
        assert sum(batch.size for batch in reader) == 400
    report = reader.report()
    assert (report.truncated, report.messages, report.ledger.is_balanced) == (False, 400, True)


def test_a_handler_may_ask_how_far_reading_is(pipe: Path, handled: list[int]) -> None:
    asked: list[int] = []
    with written(pipe, NOT_UDP, number=signal.SIGUSR1) as writer:
        reader = fh.read(pipe, "msgpack")

        def ask(_number: int, _frame: object) -> None:
            asked.append(reader.report().packets)
            writer.finish()

        signal.signal(signal.SIGUSR1, ask)
        assert list(reader) == []
    assert asked[0] > 0
    assert handled == []


@pytest.mark.usefixtures("handled")
def test_info_can_be_interrupted(pipe: Path) -> None:
    with written(pipe, NOT_UDP, number=signal.SIGUSR2), pytest.raises(InterruptedHereError):
        info(pipe)


@pytest.mark.parametrize("repeat", [b"", NOT_UDP], ids=["quiet", "no datagram"])
def test_a_replay_is_stopped_though_it_finds_nothing_to_send(pipe: Path, repeat: bytes) -> None:
    sender = Sender([("127.0.0.1", 9)])
    with written(pipe, repeat, number=signal.SIGUSR1):
        before = signal.signal(signal.SIGUSR1, lambda *_: sender.stop())
        replayed = sender.replay(pipe, Pacing.max())
        signal.signal(signal.SIGUSR1, before)
    assert (replayed.stopped, replayed.datagrams) == (True, 0)
