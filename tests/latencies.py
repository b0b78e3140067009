"""Latencies, made up: histograms, a receiver and a sender that stall by arithmetic, and a whole result."""

from collections.abc import Mapping, Sequence

from hdrh.histogram import HdrHistogram

from feedhandler.bench.latency import calibration
from feedhandler.bench.latency.calibration import Calibration, calibrate
from feedhandler.bench.latency.load import Load, at_rate
from feedhandler.bench.latency.overhead import Overhead
from feedhandler.bench.latency.result import Measured, Result, Round, Way
from feedhandler.bench.latency.run import Measurement
from feedhandler.bench.latency.tail import merged, stage_of, tail_of
from feedhandler.bench.machine import Machine
from feedhandler.bench.sender import Stall

MS = 1_000_000


def histogram(values: Sequence[int]) -> HdrHistogram:
    made = HdrHistogram(1, 60_000_000_000, 3)
    for value in values:
        made.record_value(value)
    return made


USUAL_NS = 50_000


class Simulated:
    """A receiver that takes `USUAL_NS` and a sender that stalls as told: arithmetic, and no clock."""

    def __init__(self, extra_ns: int = 0) -> None:
        self.extra_ns = extra_ns

    def __call__(self, load: Load, stalls: Sequence[Stall] = ()) -> Mapping[str, HdrHistogram]:
        options = load.options
        gap_ns = round(1e9 / options.rate)
        corrected, uncorrected, shift_ns = histogram([]), histogram([]), 0
        for number in range(round(options.seconds * options.rate)):
            due_ns = number * gap_ns
            waits = self._wait_ns(due_ns, options.stalls) if not options.closed_loop else 0
            receives = self._wait_ns(due_ns, stalls)
            uncorrected.record_value(USUAL_NS + self.extra_ns + receives)
            corrected.record_value(USUAL_NS + self.extra_ns + receives + waits + shift_ns)
        return {"send": corrected, "total": uncorrected}

    @staticmethod
    def _wait_ns(due_ns: int, stalls: Sequence[Stall]) -> int:
        ends = [round((stall.at_s + stall.seconds) * 1e9) for stall in stalls if stall.at_s * 1e9 <= due_ns]
        return max(0, *(end - due_ns for end in ends), 0)


def calibrated(
    measure: calibration.Measure, *, seconds: float = 1.2, closed_loop: bool = False
) -> tuple[Calibration, ...]:
    return calibrate(measure, seconds=seconds, stalls_s=(0.1,), closed_loop=closed_loop)


STAGES = ("wire", "decode", "batch", "total", "send", "gil", "processor", "lateness")
MACHINE = Machine(
    cpu="a processor",
    cores=2,
    core_ghz=3.0,
    governor=None,
    load=0.1,
    kernel="6",
    python="3",
    build_profile="release",
)


def measurement(rounds: int = 2, slower: float = 1.0) -> Measurement:
    """Make a result whose corrected latencies are 1 to 2 ms, and half as long uncorrected."""
    spans = {stage: [round(slower * (MS + 100 * at)) for at in range(10_000)] for stage in STAGES}
    spans["total"] = [span // 2 for span in spans["send"]]
    packed = {stage: histogram(values).encode().decode() for stage, values in spans.items()}
    tails = {stage: tail_of(histogram(values)) for stage, values in spans.items()}
    of_round = Round(
        sent=10_001, received=10_000, lost=1, never_sent=2, uncounted=0, elapsed_s=1.0, cpu=0.5, stages=tails
    )
    merged_stages = {stage: stage_of(merged([histogram(values)] * rounds)) for stage, values in spans.items()}
    step = at_rate(10_000, 1.0, 0.0).step
    result = Result(
        machine=MACHINE,
        began="2026-01-02T03:04:05Z",
        rounds=rounds,
        seconds=1.0,
        way=Way(),
        steps=(Measured(step=step, rounds=(of_round,) * rounds, stages=merged_stages),),
        calibration=calibrated(Simulated()),
        overhead=Overhead(empty_loop_ns=0.3, clock_ns=25.0, record_ns=20.0, empty_poll_ns=900.0),
    )
    return Measurement(result, ((packed,) * rounds,))
