"""How fast a replay sends with ``--max``, beside C programs that do nothing but send.

Each contender has one processor to itself, and sends datagrams of one size over loopback to a socket that
nobody reads: what is measured is the sender's side alone, with the kernel's work in it. Ours reads a capture
meanwhile.
"""

import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import msgspec

from feedhandler.bench.machine import Machine, machine, require_release
from feedhandler.bench.peers import build_c
from feedhandler.bench.receive import NoPeerError
from replay import Capture, Datagram, Pacing, Sender, write_pcap

BYTES: Final = 200
"""Of a datagram's payload."""
_DATAGRAMS: Final = 50_000
_RECORDED: Final = ("239.1.1.1", 20_001)

Address = tuple[str, int]


class Round(msgspec.Struct, frozen=True):
    """What a contender did in one round."""

    datagrams_per_s: float


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a contender sent.

    Parameters
    ----------
    datagrams_per_s
        Median over the rounds.
    spread
        Distance between the quartiles, as a part of the median.
    ratio
        Median over the rounds of its rate to that of the C program that sends the same way, in the same
        round.
    rounds
        Each of them.
    """

    datagrams_per_s: float
    spread: float
    ratio: float
    rounds: tuple[Round, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What `run` measured."""

    machine: Machine
    rounds: int
    seconds: float
    bytes: int
    contenders: dict[str, Contender]
    loop: str = "closed: as fast as the kernel takes datagrams"


class _Sent(msgspec.Struct, frozen=True):
    sent: int
    elapsed_s: float


def run(rounds: int = 7, seconds: float = 1.0) -> Result:
    """Measure on one processor.

    Parameters
    ----------
    rounds
        Rounds; each contender runs once in each.
    seconds
        How long it runs then.

    Raises
    ------
    DebugBuildError
        The Rust module is a debug build.
    NoPeerError
        There is no C compiler.
    """
    require_release()
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        nobody.bind(("127.0.0.1", 0))
        contenders = _contenders(Path(folder), nobody.getsockname(), seconds)
        rates: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, send in contenders.items():
                rates[name].append(send())
    return Result(
        machine=machine(),
        rounds=rounds,
        seconds=seconds,
        bytes=BYTES,
        contenders={name: _summary(name, rates) for name in rates},
    )


def _contenders(folder: Path, to: Address, seconds: float) -> Mapping[str, Callable[[], float]]:
    program = build_c("blast", folder)
    if program is None:
        raise NoPeerError("bench send: expected a C compiler (cc) and a checkout, found none")
    file, cpu = folder / "feed.pcap", max(os.sched_getaffinity(0))
    write_pcap(file, (Datagram(1_000 * number, _RECORDED, bytes(BYTES)) for number in range(_DATAGRAMS)))
    return {
        "C, sendmmsg": partial(_c, program, to, "sendmmsg", seconds, cpu),
        "replay, sendmmsg": partial(_ours, file, to, seconds, cpu, segments=False),
        "C, UDP_SEGMENT": partial(_c, program, to, "segment", seconds, cpu),
        "replay, UDP_SEGMENT": partial(_ours, file, to, seconds, cpu, segments=True),
    }


def _c(program: Path, to: Address, way: str, seconds: float, cpu: int) -> float:
    command = [str(program), f"{to[0]}:{to[1]}", way, str(BYTES), str(seconds), str(cpu)]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 — our own program
    sent = msgspec.json.decode(done.stdout, type=_Sent)
    return sent.sent / sent.elapsed_s


def _ours(file: Path, to: Address, seconds: float, cpu: int, *, segments: bool) -> float:
    """Replay in passes; the sending thread is the child of one that has the processor to itself."""
    rates: list[float] = []

    def send() -> None:
        os.sched_setaffinity(0, {cpu})
        sender = Sender([to], segments=segments)
        timer = threading.Timer(seconds, sender.stop)
        timer.start()
        sender.replay(Capture(file, loops=0), Pacing.max())
        timer.join()
        sent = sender.sent()
        rates.append(sent.packets * 1e9 / sent.elapsed_ns)

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    return rates[0]


def _summary(name: str, rates: Mapping[str, list[float]]) -> Contender:
    own, peer = rates[name], rates[f"C, {name.rpartition(', ')[2]}"]
    low, _, high = quantiles(own, n=4) if len(own) > 1 else (own[0],) * 3
    middle = median(own)
    ratio = median(mine / theirs for mine, theirs in zip(own, peer, strict=True))
    return Contender(
        datagrams_per_s=round(middle),
        spread=round((high - low) / middle, 3),
        ratio=round(ratio, 3),
        rounds=tuple(Round(round(rate)) for rate in own),
    )
