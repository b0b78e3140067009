"""Measuring: every step in every round, after a calibration."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from hdrh.histogram import HdrHistogram

from feedhandler.bench.latency.calibration import calibrate
from feedhandler.bench.latency.load import Load, Step, as_recorded, at_rate, in_bursts
from feedhandler.bench.latency.overhead import overhead
from feedhandler.bench.latency.pair import Outcome, Pair
from feedhandler.bench.latency.result import Measured, Result, Way
from feedhandler.bench.latency.tail import merged, stage_of
from feedhandler.bench.machine import machine, require_release
from feedhandler.bench.sender import Waiting

RATES: Final = (1_000.0, 10_000.0, 100_000.0)


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
    sender_wait: Waiting = "spin"

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
    pair = Pair(plan.way, plan.sender_wait)
    with tempfile.TemporaryDirectory() as folder:
        loads = _loads(plan, Path(folder))
        calibrations = calibrate(pair.measure, seconds=1.2, stalls_s=(0.1,), tell=tell)
        outcomes: list[list[Outcome]] = [[] for _ in loads]
        for number in range(plan.rounds):
            for load, so_far in zip(loads, outcomes, strict=True):
                tell(f"bench latency: round {number + 1} of {plan.rounds}, {load.step.name}")
                so_far.append(pair.outcome(load))
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


def _measured(step: Step, outcomes: Sequence[Outcome]) -> Measured:
    names = outcomes[0].histograms
    packed = {name: [HdrHistogram.decode(each.histograms[name]) for each in outcomes] for name in names}
    stages = {name: stage_of(merged(of)) for name, of in packed.items()}
    return Measured(step=step, rounds=tuple(each.round for each in outcomes), stages=stages)
