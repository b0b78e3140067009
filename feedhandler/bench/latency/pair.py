"""A receiver and a sender on a processor each: one load, sent once, and what became of it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

import msgspec
from hdrh.histogram import HdrHistogram
from msgspec.structs import replace

from feedhandler.bench import sender
from feedhandler.bench.latency.load import Load
from feedhandler.bench.latency.receiver import Options as ReceiverOptions
from feedhandler.bench.latency.receiver import Received
from feedhandler.bench.latency.result import CORRECTED, LATE, LatencyError, Round, Way
from feedhandler.bench.latency.tail import tail_of

_RCVBUF_BYTES: Final = 8 << 20


class Outcome(msgspec.Struct, frozen=True):
    """A round, its histograms, and what the system did not grant."""

    round: Round
    histograms: dict[str, str]
    warnings: tuple[str, ...]


class Pair:
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

    def __init__(self, way: Way, sender_wait: sender.Waiting = "spin") -> None:
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

    def outcome(self, load: Load, stalls: Sequence[sender.Stall] = ()) -> Outcome:
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


def _outcome(sent: sender.Sent, received: Received) -> Outcome:
    histograms = {**received.histograms, LATE: sent.lateness}
    stages = {stage: tail_of(HdrHistogram.decode(packed)) for stage, packed in histograms.items()}
    missing = sent.messages + sent.warm_up[1] - received.messages
    lost = round(missing * sent.packets / max(sent.messages, 1))
    of_round = Round(
        sent=sent.packets,
        received=sent.packets - lost,
        lost=lost,
        never_sent=sent.scheduled - sent.packets,
        uncounted=max(sent.packets - lost - stages[CORRECTED].count, 0),
        elapsed_s=round(sent.elapsed_s, 6),
        cpu=round(received.cpu_s / max(received.elapsed_s, 1e-9), 3),
        stages=stages,
    )
    return Outcome(of_round, histograms, received.warnings)
