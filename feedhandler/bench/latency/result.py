"""The result of ``bench latency``: what it keeps of each step and round."""

from typing import Final, Literal

import msgspec

from feedhandler.bench.latency.calibration import Calibration
from feedhandler.bench.latency.load import Step
from feedhandler.bench.latency.overhead import Overhead
from feedhandler.bench.latency.tail import Stage, Tail
from feedhandler.bench.machine import Machine
from feedhandler.config import Backend, Wait
from feedhandler.errors import FeedhandlerError

KIND: Final = "latency"
CORRECTED, UNCORRECTED = "send", "total"
"""The stages whose difference is coordinated omission: from when a datagram was due, or from when it came."""
LATE: Final = "lateness"
"""How late the sender was, beside the receiver's stages."""

LOOP: Final = "open: datagrams are due at their time, whatever became of those before"


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
        Datagrams: sent; given to Python; sent and not given to it, of the warm-up too; and due, but given up
        by a sender that was hopelessly late.
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
    loop: str = LOOP
