"""How many datagrams the whole way takes, socket to Python callback, beside a C program that counts.

`feedhandler.bench.sender` sends on one processor as fast as the kernel takes it (`UDP_SEGMENT`); each
contender has the other processor to itself, all its threads included. What does not fit the receive buffer is
dropped by the kernel: what counts is what was delivered.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import msgspec

from feedhandler.bench import material, sender
from feedhandler.bench.machine import Machine, machine, require_release
from feedhandler.bench.peers import build_c
from feedhandler.bench.receiver import Options, Received
from feedhandler.errors import FeedhandlerError

MESSAGES: Final = (1, 6, 33)
"""Quotes in a datagram: about 50, 200 and 900 bytes."""
OURS: Final[Mapping[str, dict[str, Any]]] = {
    "feedhandler, recvmmsg": {"backend": "recvmmsg"},
    "feedhandler, recvmmsg, inline": {"backend": "recvmmsg", "mode": "inline"},
    "feedhandler, gro": {"backend": "gro"},
    "feedhandler, gro, inline": {"backend": "gro", "mode": "inline"},
}
"""How feedhandler takes datagrams from the socket: the configuration's ``wire``."""

PACED: Final = ("feedhandler, recvmmsg", "feedhandler, recvmmsg, inline")
"""Of these, the ones whose latency is measured."""
RATES_PER_S: Final = (10_000, 100_000)
"""Datagrams a second at which latency is measured, each with `LATENCY_MESSAGES` messages."""
LATENCY_MESSAGES: Final = 6

ENDURANCE_PART: Final = 0.7
"""Of the limit: the rate at which nothing may be lost."""
STALL_S: Final = 0.05
"""How long the callback stalls then, once a second."""
_ENDURANCE_SLOTS: Final = 1 << 16
ENDURANCE_BURST: Final = 8
"""Datagrams that are due at once then, and go to the kernel as one: the sender would be the limit."""

_RCVBUF_BYTES: Final = 4 << 20
_GRACE_S: Final = 1.5


class NoPeerError(FeedhandlerError):
    """A yardstick cannot be built here, or there is no processor for the sender."""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What a contender took in one round."""

    datagrams_per_s: float
    cpu_ns_per_datagram: float


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the load a contender took; each figure is the median of the rounds.

    Parameters
    ----------
    datagrams_per_s
        Delivered.
    spread
        Distance between the quartiles, as a part of the median.
    ratio
        To the C program that counts, in the same round.
    ratio_to_decoding
        To the C program that decodes by hand.
    cpu_ns_per_datagram
        Time of all its threads on the processor.
    rss_kib, rss_grown_kib
        Largest resident memory, and by how much it grew in the second half of a round: the most of all.
    rounds
        Each of them.
    """

    datagrams_per_s: float
    spread: float
    ratio: float
    ratio_to_decoding: float
    cpu_ns_per_datagram: float
    rss_kib: int
    rss_grown_kib: int
    rounds: tuple[Round, ...] = ()


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of datagram, and what each contender took of it."""

    messages: int
    bytes: int
    contenders: dict[str, Contender]


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """How late a contender had a datagram, from the kernel's stamp on: medians of the rounds.

    Parameters
    ----------
    p50_ns, p90_ns, p99_ns, p99_9_ns
        Until `recvmmsg` returned in the C program; until Python had the batch in ours.
    p50_ratio, p99_9_ratio
        To the C program, in the same round.
    rounds
        Percentiles of each of them.
    """

    p50_ns: int
    p90_ns: int
    p99_ns: int
    p99_9_ns: int
    p50_ratio: float
    p99_9_ratio: float
    rounds: tuple[dict[str, int], ...] = ()


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """One rate, and how late each contender was at it."""

    datagrams_per_s: int
    messages: int
    contenders: dict[str, Delay]


class Endurance(msgspec.Struct, frozen=True, kw_only=True):
    """Whether anything is lost at a part of the limit, while the callback stalls once a second.

    Parameters
    ----------
    datagrams_per_s
        Rate: `ENDURANCE_PART` of what was delivered under overload.
    seconds, stall_s
        For how long, and the length of a stall.
    slots
        Of the ring.
    burst
        Datagrams that are due at once.
    delivered, lost
        Datagrams, and messages that were sent and not delivered.
    """

    datagrams_per_s: int
    seconds: float
    stall_s: float
    slots: int
    delivered: int
    lost: int
    burst: int = 1


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What `run` measured."""

    machine: Machine
    rounds: int
    seconds: float
    loads: tuple[Load, ...]
    paces: tuple[Pace, ...]
    endurance: Endurance | None = None
    loop: str = "open: the sender does not wait"


def run(rounds: int = 5, seconds: float = 2.0, endurance_s: float = 0.0) -> Result:
    """Measure on two processors.

    Parameters
    ----------
    rounds
        Rounds; each contender runs once in each, for each size.
    seconds
        How long it runs then.
    endurance_s
        How long to receive at `ENDURANCE_PART` of the limit; 0 leaves it out.

    Raises
    ------
    DebugBuildError
        The Rust module is a debug build.
    NoPeerError
        There is no C compiler for the yardsticks, or no second processor.
    """
    require_release()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise NoPeerError("bench receive: expected two processors, one of them for the sender, found one")
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder), cpus[0], cpus[1], seconds)
        loads = tuple(_load(bench, messages, rounds) for messages in MESSAGES)
        paces = tuple(_pace(bench, rate, rounds) for rate in RATES_PER_S)
        endurance = _endurance(bench, loads, endurance_s) if endurance_s > 0 else None
    return Result(
        machine=machine(), rounds=rounds, seconds=seconds, loads=loads, paces=paces, endurance=endurance
    )


class _Bench:
    """The programs, and what all rounds have in common."""

    def __init__(self, folder: Path, receive_cpu: int, send_cpu: int, seconds: float) -> None:
        receiver = build_c("receive", folder)
        if receiver is None:
            raise NoPeerError("bench receive: expected a C compiler (cc) and a checkout, found none")
        self._receiver = receiver
        self._receive_cpu, self._send_cpu, self._seconds = receive_cpu, send_cpu, seconds

    def contenders(self) -> Mapping[str, Callable[[int], Received]]:
        """Return what takes turns under overload; each is given the number of messages in a datagram."""
        commands = {"C, counts": self._c("count"), "C, decodes": self._c("decode")}
        commands |= {name: self._ours(wire) for name, wire in OURS.items()}
        return {name: partial(self._run, command, 0) for name, command in commands.items()}

    def paced(self, rate: int) -> Mapping[str, Callable[[int], Received]]:
        """Return what takes turns at a rate."""
        commands = {"C, stamps": self._c("latency")}
        commands |= {name: self._ours(OURS[name]) for name in PACED}
        return {name: partial(self._run, command, rate) for name, command in commands.items()}

    def enduring(self, rate: int, seconds: float) -> Received:
        """Return what ours takes at a rate while its callback stalls."""
        options = Options(
            seconds=seconds,
            rcvbuf_bytes=_RCVBUF_BYTES,
            cpu=self._receive_cpu,
            ring={"slots": _ENDURANCE_SLOTS},
            stall_s=STALL_S,
        )
        return self._run(self._module(options), rate, LATENCY_MESSAGES, seconds, ENDURANCE_BURST)

    def _c(self, mode: str) -> list[str]:
        return [str(self._receiver), mode, str(self._seconds), str(_RCVBUF_BYTES), str(self._receive_cpu)]

    def _ours(self, wire: dict[str, Any]) -> list[str]:
        options = Options(seconds=self._seconds, rcvbuf_bytes=_RCVBUF_BYTES, cpu=self._receive_cpu, wire=wire)
        return self._module(options)

    @staticmethod
    def _module(options: Options) -> list[str]:
        module = "feedhandler.bench.receiver"
        return [sys.executable, "-m", module, msgspec.json.encode(options).decode()]

    def _run(
        self, command: list[str], rate: int, messages: int, seconds: float | None = None, burst: int = 1
    ) -> Received:
        """Start a contender, send until it has had enough, and return what it took."""
        # The command is one of our own programs.
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:  # noqa: S603
            assert receiver.stdout is not None
            load = sender.Options(
                targets=(sender.Target(f"127.0.0.1:{int(receiver.stdout.readline())}"),),
                packets=(material.quotes_packet(messages),),
                seconds=(seconds or self._seconds) + _GRACE_S,
                rate=rate,
                burst=burst,
                is_joined=burst > 1,
                cpu=self._send_cpu,
            )
            with sender.Sending(load):
                answer = receiver.stdout.read()
        received = msgspec.json.decode(answer, type=Received)
        if not received.is_balanced:
            raise NoPeerError("bench receive: expected fates that add up, found a ledger that does not")
        return received


def _load(bench: _Bench, messages: int, rounds: int) -> Load:
    contenders = bench.contenders()
    runs: dict[str, list[Received]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, receive in contenders.items():
            runs[name].append(receive(messages))
    counting, decoding = runs["C, counts"], runs["C, decodes"]
    summaries = {name: _summary(of, counting, decoding) for name, of in runs.items()}
    return Load(messages=messages, bytes=len(material.quotes_packet(messages).content), contenders=summaries)


def _endurance(bench: _Bench, loads: tuple[Load, ...], seconds: float) -> Endurance:
    limits = [load.contenders["feedhandler, recvmmsg"] for load in loads if load.messages == LATENCY_MESSAGES]
    rate = int(ENDURANCE_PART * limits[0].datagrams_per_s)
    found = bench.enduring(rate, seconds)
    return Endurance(
        datagrams_per_s=rate,
        seconds=seconds,
        stall_s=STALL_S,
        slots=_ENDURANCE_SLOTS,
        burst=ENDURANCE_BURST,
        delivered=found.datagrams,
        lost=found.lost,
    )


def _pace(bench: _Bench, rate: int, rounds: int) -> Pace:
    contenders = bench.paced(rate)
    runs: dict[str, list[dict[str, int]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, receive in contenders.items():
            runs[name].append(receive(LATENCY_MESSAGES).latency_ns or {})
    by_c = runs["C, stamps"]
    delays = {name: _delay(of, by_c) for name, of in runs.items()}
    return Pace(datagrams_per_s=rate, messages=LATENCY_MESSAGES, contenders=delays)


def _delay(runs: list[dict[str, int]], by_c: list[dict[str, int]]) -> Delay:
    def middle(part: str) -> int:
        return int(median(run[part] for run in runs))

    def ratio(part: str) -> float:
        pairs = zip(runs, by_c, strict=True)
        return round(median(run[part] / max(other[part], 1) for run, other in pairs), 2)

    return Delay(
        p50_ns=middle("p50"),
        p90_ns=middle("p90"),
        p99_ns=middle("p99"),
        p99_9_ns=middle("p99_9"),
        p50_ratio=ratio("p50"),
        p99_9_ratio=ratio("p99_9"),
        rounds=tuple(runs),
    )


def _summary(runs: list[Received], counting: list[Received], decoding: list[Received]) -> Contender:
    rates = [_rate(run) for run in runs]
    low, _, high = quantiles(rates, n=4) if len(rates) > 1 else (rates[0],) * 3
    middle = median(rates)
    return Contender(
        datagrams_per_s=round(middle, 1),
        spread=round((high - low) / middle, 3),
        ratio=_ratio(rates, counting),
        ratio_to_decoding=_ratio(rates, decoding),
        cpu_ns_per_datagram=median(_cpu_ns(run) for run in runs),
        rss_kib=max(run.rss_kib for run in runs),
        rss_grown_kib=max(run.rss_grown_kib for run in runs),
        rounds=tuple(
            Round(datagrams_per_s=round(_rate(run), 1), cpu_ns_per_datagram=_cpu_ns(run)) for run in runs
        ),
    )


def _rate(run: Received) -> float:
    return run.datagrams / run.elapsed_s


def _cpu_ns(run: Received) -> float:
    return round(run.cpu_s * 1e9 / run.datagrams, 1)


def _ratio(rates: list[float], others: list[Received]) -> float:
    return round(median(rate / _rate(other) for rate, other in zip(rates, others, strict=True)), 3)
