"""How much is received without a loss, how much of too much, and what that costs: `bench throughput`.

An open-loop sender in a process of its own, on a processor of its own, sends at a rate; the receiver has all
other processors, all its threads included. The limit is the highest rate at which nothing was lost for a
while (`feedhandler.bench.limit`), by the ledger: no message is missing, no datagram was dropped at a socket
or by the ring, and the kernel was able to say so. Under overload the sender sends as fast as the kernel
takes it, and what counts is what was delivered.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from types import TracebackType
from typing import Final, Self

import msgspec
import numpy as np

from feedhandler.bench import sender, traffic
from feedhandler.bench.limit import Limit, Outcome, find
from feedhandler.bench.machine import Machine, machine, require_release
from feedhandler.bench.throughput_cases import WIRES, Case, all_cases
from feedhandler.bench.throughput_receiver import Options, Taken
from feedhandler.errors import FeedhandlerError

RCVBUF_BYTES: Final = 8 << 20
"""Receive buffers to ask for, of all lines together."""
KEPT_PART: Final = 0.98
"""A sender that offers less than this part of a rate has not kept it."""
_LEAST_RCVBUF_BYTES: Final = 256 << 10
_WARM_UP_S: Final = 0.05
_TOGETHER_S: Final = 50e-6
"""What is due within this time is sent at once: a sender of single datagrams is slower than the receiver."""
_MOST_TOGETHER: Final = 64
_MOST_TOGETHER_BYTES: Final = 65_000
_MOST_BATCH_SEGMENTS: Final = 64
_PATIENCE_S: Final = 60.0
_OVERLOAD_BYTES_PER_S: Final = 6e9


class ThroughputError(FeedhandlerError):
    """What is measured cannot be believed, or cannot be measured here."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver did at one rate.

    Parameters
    ----------
    offered_per_s
        Datagrams a second that were sent, on all lines together.
    datagrams_per_s, bytes_per_s, messages_per_s, blocks_per_s
        Received: datagrams and their bytes on all lines, messages delivered, blocks put together whole.
    cpu_percent
        Of one processor, all threads of the receiver.
    peak_kib
        Largest resident memory.
    ring_use
        Largest part of the ring that was in use.
    lost_part
        Messages that were sent and not delivered, as a part of those that were sent.
    dropped_socket_buffer, dropped_ring_full
        Datagrams dropped, and where: the causes of the loss.
    """

    offered_per_s: float
    datagrams_per_s: float
    bytes_per_s: float
    messages_per_s: float
    blocks_per_s: float
    cpu_percent: float
    peak_kib: int
    ring_use: float
    lost_part: float
    dropped_socket_buffer: int
    dropped_ring_full: int

    @property
    def cause(self) -> str:
        """Where datagrams were dropped; a ring that was full is why they waited in the socket."""
        at_socket = "socket, ring full" if self.ring_use == 1 else "socket"
        places = {at_socket: self.dropped_socket_buffer, "ring": self.dropped_ring_full}
        return ", ".join(place for place, count in places.items() if count > 0)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one round found of a case.

    Parameters
    ----------
    limit
        Of packets a second; each is a datagram on every line.
    at_limit
        The last lossless try at that rate; None where there was none.
    overload
        As fast as the sender can.
    """

    limit: Limit
    at_limit: Load | None
    overload: Load


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A case, and what all rounds found; figures without ``rounds`` are medians.

    Parameters
    ----------
    case
        What was sent and how it was received; its messages are those of a datagram.
    limit_per_s, limit_spread
        The highest rate without a loss, in datagrams a second on all lines, and the distance between the
        quartiles as a part of it.
    is_the_senders
        In some round the sender went no faster: the receiver's limit is higher.
    delivered_per_s, delivered_spread
        Datagrams received under overload, the same way.
    at_limit, overload
        Of the round in the middle.
    rounds
        Each round's.
    """

    case: Case
    limit_per_s: float
    limit_spread: float
    is_the_senders: bool
    delivered_per_s: float
    delivered_spread: float
    at_limit: Load | None
    overload: Load
    rounds: tuple[Round, ...]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What `run` measured.

    Parameters
    ----------
    machine
        Where.
    rounds, seconds, steps
        How often, how long each try took, and how many rates a search tried at most.
    rcvbuf_bytes
        Receive buffers that were granted, of all lines together, as the kernel counts them: at least.
    rows
        One for each case.
    """

    machine: Machine
    rounds: int
    seconds: float
    steps: int
    rcvbuf_bytes: int
    rows: tuple[Row, ...]
    loop: str = "open: the sender does not wait"


def run(rounds: int = 3, seconds: float = 1.0, steps: int = 8, cases: Sequence[Case] | None = None) -> Result:
    """Measure on two processors or more.

    Parameters
    ----------
    rounds
        Rounds; each case is measured once in each.
    seconds
        How long a rate must be received without a loss.
    steps
        Rates that a search tries at most.
    cases
        What is measured; without it, `all_cases`.

    Raises
    ------
    DebugBuildError
        The Rust module is a debug build.
    ThroughputError
        There is no second processor, or the receiver's answer is wrong.
    """
    require_release()
    if len(os.sched_getaffinity(0)) < 2:
        raise ThroughputError(
            "bench throughput: expected two processors, one of them the sender's, found one"
        )
    chosen = tuple(all_cases()) if cases is None else tuple(cases)
    measured = {case.same_traffic(): case for case in chosen}
    found: dict[tuple[object, ...], list[Round]] = {key: [] for key in measured}
    with _Bench(seconds) as bench:
        for _ in range(rounds):
            for key, case in measured.items():
                found[key].append(bench.round(case, steps, found[key]))
        rows = tuple(_row(case, found[case.same_traffic()]) for case in chosen)
        return Result(
            machine=machine(),
            rounds=rounds,
            seconds=seconds,
            steps=steps,
            rcvbuf_bytes=bench.rcvbuf_bytes,
            rows=rows,
        )


class _Bench:
    """The processes, and where they run."""

    def __init__(self, seconds: float) -> None:
        *self._receive_cpus, self._send_cpu = sorted(os.sched_getaffinity(0))
        self._seconds = seconds
        self._folder = tempfile.TemporaryDirectory()
        self.rcvbuf_bytes = 0
        """Receive buffers granted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def round(self, case: Case, steps: int, before: Sequence[Round]) -> Round:
        """Measure a case once, beginning near to what was found before."""
        packets = _packets(case)
        overload = _load(case, *self._try(case, packets, 0.0))
        at_limit: dict[float, Load] = {}

        def attempt(rate: float) -> Outcome:
            sent, taken = self._try(case, packets, rate)
            at_limit[rate] = _load(case, sent, taken)
            return _outcome(rate, sent, taken)

        guess = median(each.limit.rate for each in before) if before else 0.0
        guess = guess or overload.datagrams_per_s / case.lines
        if guess == 0:
            raise ThroughputError(f"bench throughput: {case.factor} {case.value}: nothing was received")
        limit = find(attempt, guess, steps)
        return Round(limit=limit, at_limit=at_limit.get(limit.rate), overload=overload)

    def _try(self, case: Case, packets: tuple[sender.Packet, ...], rate: float) -> tuple[sender.Sent, Taken]:
        """Send at a rate, or as fast as it goes, and return what was sent and what was received."""
        warm_up = self._warm_up_packets(rate, packets)
        command = [
            sys.executable,
            "-m",
            "feedhandler.bench.throughput_receiver",
            self._receiving(case, warm_up),
        ]
        pipe = subprocess.PIPE
        # Our own program.
        with subprocess.Popen(command, stdin=pipe, stdout=pipe) as receiver:  # noqa: S603
            assert receiver.stdout is not None
            told = receiver.stdout.readline()
            if not told:
                raise ThroughputError(f"bench throughput: the receiver has failed ({receiver.wait()})")
            ports = msgspec.json.decode(told, type=list[int])
            options = self._sending(case, packets, rate, ports, warm_up)
            with sender.Sending(options) as sending:
                sent = sending.result()
            answer, _ = receiver.communicate(b"\n")
        if receiver.returncode != 0:
            raise ThroughputError(f"bench throughput: the receiver has failed ({receiver.returncode})")
        taken = msgspec.json.decode(answer, type=Taken)
        _check(packets, taken)
        self.rcvbuf_bytes = taken.rcvbuf_bytes * len(ports)
        return sent, taken

    def _warm_up_packets(self, rate: float, packets: tuple[sender.Packet, ...]) -> int:
        """Return how many packets go before what is measured: whole blocks; and none without a schedule."""
        if rate == 0 and len(packets) == 1:
            return 0
        wanted = int(rate * min(_WARM_UP_S, self._seconds)) + 1
        return -(-wanted // len(packets)) * len(packets)

    def _receiving(self, case: Case, warm_up: int) -> str:
        protocol = "msgpack"
        if case.blocks is not None:
            file = Path(self._folder.name) / f"segments-{case.blocks.segment_bytes}.toml"
            file.write_text(case.blocks.declaration())
            protocol = str(file)
        options = Options(
            protocol=protocol,
            channels=case.channels,
            lines=case.lines,
            rcvbuf_bytes=max(RCVBUF_BYTES // (case.channels * case.lines), _LEAST_RCVBUF_BYTES),
            cpus=tuple(self._receive_cpus),
            wire=WIRES[case.wire],
            ring=case.ring(),
            batch={} if case.blocks is None else {"max_messages": _MOST_BATCH_SEGMENTS},
            blocks=case.blocks,
            warm_up_messages=warm_up * _packets(case)[0].messages,
        )
        return msgspec.json.encode(options).decode()

    def _sending(
        self, case: Case, packets: tuple[sender.Packet, ...], rate: float, ports: list[int], warm_up: int
    ) -> sender.Options:
        targets = tuple(
            sender.Target(f"127.0.0.1:{port}", index // case.lines) for index, port in enumerate(ports)
        )
        options = sender.Options(
            targets=targets,
            packets=packets,
            seconds=self._seconds,
            rate=rate,
            burst=_together(rate, packets),
            is_joined=True,
            warm_up=sender.WarmUp(warm_up),
            cpu=self._send_cpu,
            patience_s=_PATIENCE_S,
        )
        return self._listed(options) if len(packets) > 1 else options

    def _listed(self, options: sender.Options) -> sender.Options:
        """Have the packets of a block follow each other, block after block."""
        folder, block_packets = Path(self._folder.name), len(options.packets)
        is_overload = options.rate == 0
        size = len(options.packets[0].content)
        rate = _OVERLOAD_BYTES_PER_S / size if is_overload else options.rate
        burst = _together(rate, options.packets)
        blocks = max(int(rate * options.seconds / block_packets), 1)
        numbers = np.arange(blocks * block_packets)
        offsets = ((numbers - numbers % burst) * (1e9 / rate)).astype("<u8")
        picks = np.tile(np.arange(block_packets, dtype="<u4"), blocks)
        offsets.tofile(folder / "offsets")
        picks.tofile(folder / "picks")
        return msgspec.structs.replace(
            options,
            schedule=str(folder / "offsets"),
            picks=str(folder / "picks"),
            patience_s=options.seconds if is_overload else _PATIENCE_S,
        )


def _together(rate: float, packets: tuple[sender.Packet, ...]) -> int:
    fitting = _MOST_TOGETHER_BYTES // len(packets[0].content)
    return max(min(int(rate * _TOGETHER_S), _MOST_TOGETHER, fitting), 1)


def _packets(case: Case) -> tuple[sender.Packet, ...]:
    if case.blocks is not None:
        return case.blocks.packets()
    return (traffic.quotes(case.datagram_bytes, case.messages),)


def _check(packets: tuple[sender.Packet, ...], taken: Taken) -> None:
    """Refuse figures of a receiver that does not know what became of everything, or has it wrong."""
    if not taken.is_balanced:
        raise ThroughputError("bench throughput: expected fates that add up, found a ledger that does not")
    if not taken.drops_read:
        raise ThroughputError(
            "bench throughput: expected the kernel to tell what it drops (SO_RXQ_OVFL), found no word"
        )
    if taken.wrong > 0:
        raise ThroughputError(
            f"bench throughput: expected the blocks that were sent, found {taken.wrong} others"
        )
    if len(packets) > 1:
        return
    expected = taken.messages // packets[0].messages * traffic.ask_sizes(packets[0]) % 2**64
    if taken.sum != expected:
        raise ThroughputError(f"bench throughput: expected sizes of {expected} in all, found {taken.sum}")


def _outcome(rate: float, sent: sender.Sent, taken: Taken) -> Outcome:
    missing = sent.messages + sent.warm_up[1] - taken.messages
    if missing > 0 or taken.lost > 0 or taken.dropped_socket_buffer + taken.dropped_ring_full > 0:
        return "lost"
    return "whole" if sent.packets / sent.elapsed_s >= KEPT_PART * rate else "not_sent"


def _load(case: Case, sent: sender.Sent, taken: Taken) -> Load:
    messages, elapsed_s = sent.messages + sent.warm_up[1], max(taken.elapsed_s, 1e-9)
    return Load(
        offered_per_s=round(sent.packets * case.lines / sent.elapsed_s),
        datagrams_per_s=round(taken.datagrams / elapsed_s),
        bytes_per_s=round(taken.bytes / elapsed_s),
        messages_per_s=round(taken.delivered / elapsed_s),
        blocks_per_s=round(taken.blocks / elapsed_s, 1),
        cpu_percent=round(100 * taken.cpu_s / elapsed_s, 1),
        peak_kib=taken.peak_kib,
        ring_use=taken.ring_use,
        lost_part=round(1 - taken.messages / max(messages, 1), 4),
        dropped_socket_buffer=taken.dropped_socket_buffer,
        dropped_ring_full=taken.dropped_ring_full,
    )


def _row(case: Case, rounds: list[Round]) -> Row:
    limits = [each.limit.rate * case.lines for each in rounds]
    delivered = [each.overload.datagrams_per_s for each in rounds]
    by_limit = sorted(rounds, key=lambda each: each.limit.rate)[len(rounds) // 2]
    by_delivered = sorted(rounds, key=lambda each: each.overload.datagrams_per_s)[len(rounds) // 2]
    return Row(
        case=case,
        limit_per_s=round(median(limits)),
        limit_spread=_spread(limits),
        is_the_senders=any(each.limit.is_the_senders for each in rounds),
        delivered_per_s=round(median(delivered)),
        delivered_spread=_spread(delivered),
        at_limit=by_limit.at_limit,
        overload=by_delivered.overload,
        rounds=tuple(rounds),
    )


def _spread(values: list[float]) -> float:
    low, _, high = quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return round((high - low) / max(median(values), 1e-9), 3)
