"""Measuring: a receiver and a sender on a processor each, round after round, and what comes of it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec
from hdrh.histogram import HdrHistogram
from msgspec.structs import replace

from feedhandler.bench import sender
from feedhandler.bench.latency.calibration import Calibration, calibrate
from feedhandler.bench.latency.load import Load, Step, as_recorded, at_rate, in_bursts
from feedhandler.bench.latency.overhead import Overhead, overhead
from feedhandler.bench.latency.receiver import Options as ReceiverOptions
from feedhandler.bench.latency.receiver import Received
from feedhandler.bench.latency.tail import Stage, Tail, merged, stage_of, tail_of
from feedhandler.bench.machine import Machine, machine, require_release
from feedhandler.config import Backend, Wait
from feedhandler.errors import FeedhandlerError

KIND: Final = "latency"
CORRECTED, UNCORRECTED = "send", "total"
"""The stages whose difference is coordinated omission: from when a datagram was due, or from when it came."""
LATE: Final = "lateness"
"""How late the sender was, beside the receiver's stages."""

RATES: Final = (1_000.0, 10_000.0, 100_000.0)
_RCVBUF_BYTES: Final = 8 << 20
_LOOP: Final = "open: datagrams are due at their time, whatever became of those before"


class LatencyError(FeedhandlerError):
    """Latency cannot be measured here, or a part of it has failed."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How feedhandler receives: the keys of its configuration; `wait` is that of all threads."""

    mode: Literal["threaded", "inline"] = "inline"
    backend: Backend = "recvmmsg"
    wait: Wait = "block"


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round of a step.

    Parameters
    ----------
    sent, received, lost, never_sent
        Datagrams: sent; given to Python; sent and not received; and due, but given up by a sender that was
        hopelessly late.
    uncounted
        Received together with the end of the warm-up, which are in no latency.
    elapsed_s, cpu
        How long it took, and how much of a processor the receiver used.
    stages
        Percentiles by stage, and the sender's lateness.
    """

    sent: int
    received: int
    lost: int
    never_sent: int
    uncounted: int
    elapsed_s: float
    cpu: float
    stages: dict[str, Tail]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A step: its rounds, and the histograms of all of them together, by stage."""

    step: Step
    rounds: tuple[Round, ...]
    stages: dict[str, Stage]


class Result(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=KIND):
    """What `run` measured."""

    machine: Machine
    began: str
    rounds: int
    seconds: float
    way: Way
    steps: tuple[Measured, ...]
    calibration: tuple[Calibration, ...]
    overhead: Overhead
    warnings: tuple[str, ...] = ()
    loop: str = _LOOP


class Measurement(NamedTuple):
    """A result, and for each step and round the histograms by stage, as base64."""

    result: Result
    histograms: tuple[tuple[dict[str, str], ...], ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured.

    Parameters
    ----------
    rates
        Datagrams a second, each a step.
    bursts
        Datagrams that are due together, and milliseconds from burst to burst, each a step.
    timings, speed
        Captures whose timing is followed, each a step, and how many times as fast.
    rounds
        Rounds; each step has its turn in each.
    seconds
        How long a step takes in a round; without it, 3 s, and a capture all of its time.
    warm_up_s
        How long each step is sent before it counts.
    way
        How feedhandler receives.
    sender_wait
        How the sender waits for a datagram's time.
    """

    rates: tuple[float, ...] = ()
    bursts: tuple[tuple[int, float], ...] = ()
    timings: tuple[Path, ...] = ()
    speed: float = 1.0
    rounds: int = 5
    seconds: float | None = None
    warm_up_s: float = 0.3
    way: Way = Way()
    sender_wait: Literal["busy", "spin", "sleep"] = "spin"

    @property
    def step_s(self) -> float:
        """How long a step takes that is no capture's."""
        return 3.0 if self.seconds is None else self.seconds


def run(plan: Plan, tell: Callable[[str], None] = lambda _: None) -> Measurement:
    """Measure on two processors.

    Parameters
    ----------
    plan
        What.
    tell
        Is told what is under way.

    Raises
    ------
    DebugBuildError
        The Rust module is a debug build.
    LatencyError
        There is no second processor, or one of the programs has failed.
    CaptureError
        A capture cannot be read.
    """
    require_release()
    bench = Bench(plan.way, plan.sender_wait)
    with tempfile.TemporaryDirectory() as folder:
        loads = _loads(plan, Path(folder))
        calibrations = calibrate(bench.measure, seconds=1.2, stalls_s=(0.1,), tell=tell)
        outcomes: list[list[_Outcome]] = [[] for _ in loads]
        for number in range(plan.rounds):
            for load, so_far in zip(loads, outcomes, strict=True):
                tell(f"bench latency: round {number + 1} of {plan.rounds}, {load.step.name}")
                so_far.append(bench.outcome(load))
    result = Result(
        machine=machine(),
        began=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        rounds=plan.rounds,
        seconds=plan.step_s,
        way=plan.way,
        steps=tuple(_measured(load.step, of) for load, of in zip(loads, outcomes, strict=True)),
        calibration=calibrations,
        overhead=overhead(),
        warnings=tuple(dict.fromkeys(told for of in outcomes for each in of for told in each.warnings)),
    )
    return Measurement(result, tuple(tuple(each.histograms for each in of) for of in outcomes))


class _Outcome(msgspec.Struct, frozen=True):
    """A round, its histograms, and what the system did not grant."""

    round: Round
    histograms: dict[str, str]
    warnings: tuple[str, ...]


class Bench:
    """A processor for the receiver and one for the sender.

    Parameters
    ----------
    way
        How feedhandler receives.
    sender_wait
        How the sender waits.

    Raises
    ------
    LatencyError
        There is no second processor.
    """

    def __init__(self, way: Way, sender_wait: Literal["busy", "spin", "sleep"] = "spin") -> None:
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise LatencyError(
                "bench latency: expected two processors, one of them for the sender, found one"
            )
        self._way, self._sender_wait = way, sender_wait
        self._receive_cpu, self._send_cpu = cpus[0], cpus[1]

    def measure(self, load: Load, stalls: Sequence[sender.Stall] = ()) -> dict[str, HdrHistogram]:
        """Send a load once, the callback stalling, and return the histograms by stage."""
        histograms = self.outcome(load, stalls).histograms
        return {stage: HdrHistogram.decode(packed) for stage, packed in histograms.items()}

    def outcome(self, load: Load, stalls: Sequence[sender.Stall] = ()) -> _Outcome:
        """Send a load once, and return what became of it."""
        way = self._way
        options = ReceiverOptions(
            cpu=self._receive_cpu,
            wire={"mode": way.mode, "backend": way.backend, "wait": way.wait, "rcvbuf_bytes": _RCVBUF_BYTES},
            batch={"wait": way.wait},
            warm_up=load.warm_up_messages,
            stalls=tuple(stalls),
        )
        command = [sys.executable, "-m", "feedhandler.bench.latency.receiver"]
        command.append(msgspec.json.encode(options).decode())
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603 — our own
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                sent = self._send(load, process.stdout.readline())
                process.stdin.close()
                received = msgspec.json.decode(process.stdout.read() or "null", type=Received | None)
            finally:
                process.terminate()
        if received is None or not received.is_balanced:
            raise LatencyError("bench latency: expected a receiver whose fates add up, found one that failed")
        return _outcome(sent, received)

    def _send(self, load: Load, port: str) -> sender.Sent:
        if not port:
            raise LatencyError("bench latency: expected a receiver, found one that failed")
        target = sender.Target(f"127.0.0.1:{int(port)}")
        options = replace(load.options, targets=(target,), cpu=self._send_cpu, wait=self._sender_wait)
        with sender.Sending(options) as sending:
            return sending.result()


def _outcome(sent: sender.Sent, received: Received) -> _Outcome:
    histograms = {**received.histograms, LATE: sent.lateness}
    # Every datagram that Python was given is in this stage, but for those that came with the warm-up's end.
    stages = {stage: tail_of(HdrHistogram.decode(packed)) for stage, packed in histograms.items()}
    per_packet = sent.messages / max(sent.packets, 1)
    uncounted = round(received.uncounted / max(per_packet, 1))
    delivered = stages[CORRECTED].count + uncounted
    of_round = Round(
        sent=sent.packets,
        received=delivered,
        lost=max(sent.packets - delivered, 0),
        never_sent=sent.scheduled - sent.packets,
        uncounted=uncounted,
        elapsed_s=round(sent.elapsed_s, 6),
        cpu=round(received.cpu_s / max(received.elapsed_s, 1e-9), 3),
        stages=stages,
    )
    return _Outcome(of_round, histograms, received.warnings)


def _measured(step: Step, outcomes: Sequence[_Outcome]) -> Measured:
    names = outcomes[0].histograms
    packed = {name: [HdrHistogram.decode(each.histograms[name]) for each in outcomes] for name in names}
    stages = {name: stage_of(merged(of)) for name, of in packed.items()}
    return Measured(step=step, rounds=tuple(each.round for each in outcomes), stages=stages)


def _loads(plan: Plan, folder: Path) -> list[Load]:
    rates = plan.rates if plan.rates or plan.bursts or plan.timings else RATES
    loads = [at_rate(rate, plan.step_s, plan.warm_up_s) for rate in rates]
    loads += [in_bursts(burst, every, plan.step_s, plan.warm_up_s) for burst, every in plan.bursts]
    for number, file in enumerate(plan.timings):
        into = folder / str(number)
        into.mkdir()
        loads.append(
            as_recorded(file, into, speed=plan.speed, seconds=plan.seconds, warm_up_s=plan.warm_up_s)
        )
    return loads
