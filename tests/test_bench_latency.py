"""`bench latency`: percentiles that samples know, curves, what is kept, and stalls that must be found."""

import os
import re
import struct
from pathlib import Path

import msgspec
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from latencies import MS, STAGES, Simulated, calibrated, histogram, measurement

from feedhandler import _core
from feedhandler.bench.latency import calibration, kept, page, plot, words
from feedhandler.bench.latency.curves import Run, curves
from feedhandler.bench.latency.load import LoadError, as_recorded, at_rate, in_bursts
from feedhandler.bench.latency.overhead import overhead
from feedhandler.bench.latency.pair import Pair
from feedhandler.bench.latency.result import LatencyError, Result, Way
from feedhandler.bench.latency.tail import curve, merged, stage_of, tail_of
from feedhandler.cli import main
from replay.pcap import Datagram, write_pcap

TWO_CPUS = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="sender and receiver need two processors"
)
RELEASE = pytest.mark.skipif(_core.BUILD_PROFILE != "release", reason="a debug build is not worth measuring")


def test_a_percentile_is_told_only_where_ten_samples_lie_beyond_it() -> None:
    tail = tail_of(histogram(range(1, 10_001)))
    assert (tail.p50, tail.p99_99, tail.p99_999, tail.count) == (5_003, None, None, 10_000)
    assert tail.p99_9 == pytest.approx(9_990, rel=0.001)
    assert tail.max == pytest.approx(10_000, rel=0.001)
    assert tail_of(histogram(range(1, 10_000))).p99_9 is None
    few = tail_of(histogram([7] * 19))
    assert (few.p50, few.max) == (None, 7)
    assert (tail_of(histogram([])).p50, tail_of(histogram([])).max) == (None, None)


def test_a_curve_ends_where_ten_samples_are_left() -> None:
    points = curve(histogram([100] * 900 + [200] * 90 + [300] * 9 + [400]))
    assert points == [(1.0, 100.0), (10.0, 200.0), (100.0, 300.0)]
    assert curve(histogram([100] * 900 + [200] * 100)) == [(1.0, 100.0), (10.0, 200.0), (100.0, 200.0)]
    assert curve(histogram([1] * 9)) == []


def test_histograms_of_rounds_are_summed() -> None:
    total = merged([histogram([1_000, 2_000]), histogram([]), histogram([3_000])])
    assert total.get_total_count() == 3
    assert stage_of(total).hdr.get_total_count() == 3


def test_what_a_stall_must_look_like_follows_from_its_length_and_share() -> None:
    # A tenth of the datagrams waits from 0 to 100 ms: of all, 1 % waits longer than 90 ms.
    assert calibration.expected_ns(0.99, 0.1, 1, 1.0) == 90 * MS
    assert calibration.expected_ns(0.95, 0.1, 1, 1.0) == 50 * MS
    assert calibration.expected_ns(0.50, 0.1, 1, 1.0) == 0


def test_a_stall_shows_where_datagrams_say_when_they_were_due() -> None:
    by_sender, by_callback = calibrated(Simulated())
    assert (by_sender.who, by_sender.verdict) == ("sender", "shown")
    assert (by_callback.who, by_callback.verdict) == ("callback", "shown")
    p99 = by_sender.points["p99"]
    assert p99.corrected_ns == pytest.approx(p99.expected_ns, rel=0.05)
    assert p99.uncorrected_ns < MS, "a stall of the sender is nothing that the receiver could see"


def test_a_closed_loop_is_found_out() -> None:
    by_sender, _ = calibrated(Simulated(), closed_loop=True)
    assert by_sender.verdict == "hidden"


def test_more_than_was_injected_is_told_as_disturbed() -> None:
    assert calibrated(Simulated(extra_ns=60 * MS))[0].verdict == "disturbed"


@TWO_CPUS
def test_a_real_stall_is_not_hidden() -> None:
    found = calibrated(Pair(Way()).measure, seconds=0.6)
    assert [each.who for each in found if each.verdict != "hidden"] == ["sender", "callback"]


@TWO_CPUS
def test_a_real_closed_loop_is_found_out() -> None:
    for _ in range(3):
        by_sender, _ = calibrated(Pair(Way()).measure, seconds=0.6, closed_loop=True)
        if by_sender.verdict == "hidden":
            return
    assert by_sender.verdict != "shown"
    pytest.skip("others have the machine: what they do is as long as the stall")


@TWO_CPUS
def test_every_datagram_is_counted_in_every_stage() -> None:
    for load in (at_rate(2_000, 0.2, 0.05), in_bursts(32, 20, 0.2, 0.05)):
        outcome = Pair(Way()).outcome(load)
        of_round = outcome.round
        assert (of_round.sent, of_round.received, of_round.lost, of_round.never_sent) == (
            round(load.step.rate * 0.2),
            round(load.step.rate * 0.2),
            0,
            0,
        )
        counted = of_round.sent - of_round.uncounted
        stages = ("wire", "decode", "batch", "total", "send")
        assert {of_round.stages[stage].count for stage in stages} == {counted}
        assert of_round.stages["lateness"].count == of_round.sent


def test_a_captures_timing_is_followed_with_content_of_our_own(tmp_path: Path) -> None:
    capture, into = tmp_path / "day.pcap", tmp_path / "load"
    into.mkdir()
    recorded = [(0, 100), (4 * MS, 400), (3 * MS, 30), (10 * MS, 30)]
    to = ("239.1.1.1", 20_001)
    write_pcap(capture, [Datagram(10**18 + ts_ns, to, bytes(length)) for ts_ns, length in recorded])

    load = as_recorded(capture, into, speed=2.0, seconds=None, warm_up_s=0.0015)

    assert (load.step.name, load.step.timing, load.step.rate) == ("day-x2", "day.pcap", 800.0)
    assert struct.unpack("<4Q", (into / "schedule").read_bytes()) == (0, 2 * MS, 2 * MS, 5 * MS)
    picks = struct.unpack("<4I", (into / "picks").read_bytes())
    lengths = [len(load.options.packets[pick].content) for pick in picks]
    assert all(abs(found - wanted) <= 30 for found, (_, wanted) in zip(lengths, recorded, strict=True))
    assert (load.options.warm_up.packets, load.warm_up_messages) == (1, picks[0] + 1)
    empty = tmp_path / "empty.pcap"
    write_pcap(empty, [])
    with pytest.raises(LoadError, match="datagrams whose timing to follow"):
        as_recorded(empty, into, speed=1.0, seconds=None, warm_up_s=0.0)


def test_a_kept_result_is_read_back_and_its_logs_by_the_hdrhistogram_package(tmp_path: Path) -> None:
    measured = measurement()
    kept.keep(measured, tmp_path / "one")
    assert kept.load(tmp_path / "one") == Run("one", measured.result)
    assert kept.load(tmp_path / "one" / "result.json").name == "one"

    reader = HistogramLogReader(
        str(tmp_path / "one" / "10000-per-s.send.hlog"), HdrHistogram(1, 60_000_000_000, 3)
    )
    intervals = []
    while (interval := reader.get_next_interval_histogram()) is not None:
        intervals.append(interval)
    reader.close()
    assert [each.get_total_count() for each in intervals] == [10_000, 10_000]
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names >= {f"10000-per-s.{stage}.hlog" for stage in STAGES} | {"percentiles.html", "result.json"}


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LatencyError, match="cannot be read"):
        kept.load(tmp_path / "nothing.json")
    (tmp_path / "other.json").write_text('{"kind": "decode"}')
    with pytest.raises(LatencyError, match="expected a result of bench latency"):
        kept.load(tmp_path / "other.json")


def test_curves_of_several_runs_are_drawn_corrected_and_not(tmp_path: Path) -> None:
    one, other = measurement().result, measurement(slower=3.0).result
    drawn = curves([Run("one", one), Run("other", other)])
    assert [(each.label, each.is_corrected) for each in drawn] == [
        (f"{name}: 10000-per-s", is_corrected) for name in ("one", "other") for is_corrected in (True, False)
    ]
    assert drawn[0].color == drawn[1].color != drawn[2].color
    plot.save(drawn, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_needs_nothing_else_and_has_every_curve_and_figure() -> None:
    result = measurement().result
    text = page.page(result, curves([Run("one", result), Run("<other>", result)]))
    assert not re.findall(r"(?:src|href|url)\s*[=(]", text)
    assert re.findall(r"https?://[^\s\"]+", text) == ["http://www.w3.org/2000/svg"], "a name, not fetched"
    assert text.count("<polyline") == 4
    assert "&lt;other&gt;: 10000-per-s" in text
    for row in words.stage_rows(result.steps[0]):
        assert all(f"<td>{cell}</td>" in text for cell in row[1:])


def test_a_reader_is_told_of_loss_and_of_a_late_sender() -> None:
    told = list(words.notes(measurement().result.steps[0]))
    assert told[0] == "20,002 datagrams sent, 2 lost: latencies are of the others"
    assert told[1] == "4 datagrams were never sent: the sender could not keep its schedule"
    assert told[2].startswith("at p50, p90, p99, p99.9 more than half")


def test_what_measuring_costs_is_measured() -> None:
    costs = msgspec.structs.asdict(overhead())
    assert all(cost > 0 for cost in costs.values())


@TWO_CPUS
@RELEASE
def test_a_run_measures_every_step_in_every_round_and_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    former, out = tmp_path / "former", tmp_path / "today"
    kept.keep(measurement(), former)
    steps = ["--rate", "1000", "--burst", "8", "--every", "10", "--rounds", "1"]
    steps += ["--seconds", "0.2", "--warm-up", "0.05", "--overlay", str(former)]

    assert main(["bench", "latency", *steps, "--out", str(out), "--json"]) == 0

    result = msgspec.json.decode(capsys.readouterr().out, type=Result)
    assert [step.step.name for step in result.steps] == ["1000-per-s", "8-every-10-ms"]
    assert all(len(step.rounds) == 1 for step in result.steps)
    assert [each.who for each in result.calibration] == ["sender", "callback"]
    assert kept.load(out).result == result
    page_of_both = (out / "percentiles.html").read_text()
    assert "former: 10000-per-s" in page_of_both
    assert "today: 1000-per-s" in page_of_both
    assert main(["bench", "latency", *steps]) == 2, "a picture that is not kept"


@TWO_CPUS
@RELEASE
def test_a_capture_that_is_not_there_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "latency", "--timing", str(tmp_path / "none.pcap")]) == 1
    assert "none.pcap" in capsys.readouterr().err
