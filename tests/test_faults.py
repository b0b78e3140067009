"""Faults on the way of a capture: what each does, that a seed decides it, and that the truth tells it."""

from itertools import pairwise
from pathlib import Path

import faulted
import numbered
import pytest
from delivered import read as read_all
from faulted import CHANNELS, LINES, START_NS, records, verified, write_feed
from hypothesis import given
from hypothesis import strategies as st

import feedhandler as fh
from feedhandler.errors import ConfigError, FaultError
from replay import Datagram, Faults, write_pcap

SEEDS = 240


@pytest.fixture(scope="module", name="feed")
def _feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_feed(tmp_path_factory.mktemp("faults") / "feed.pcap")


@pytest.fixture(name="truth")
def _truth(tmp_path: Path) -> Path:
    return tmp_path / "truth.jsonl"


def test_reports_agree_with_the_truth_whatever_the_faults(feed: Path, truth: Path) -> None:
    clean = faulted.read(feed)
    totals: dict[str, int] = {}
    for seed in range(SEEDS):
        faults = faulted.composed(seed)
        verification = verified(feed, faults, truth, clean)
        assert verification.agrees, f"{faults}: {verification.disagreements}"
        for what, count in verification.checked.items():
            totals[what] = totals.get(what, 0) + count
    assert min(totals.values()) > SEEDS / 10, totals
    assert set(totals) >= {
        "malformed",
        "misread",
        "units_lost",
        "units_late",
        "units_duplicate",
        "units_saved",
        "digests",
    }


def test_a_seed_does_the_same_each_time_and_another_does_not(feed: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    texts = ("loss:p=0.1", "corrupt:p=0.1", "reorder:p=0.1,within=4")
    for file, seed in zip(files, (7, 7, 8), strict=True):
        faulted.read(feed, Faults(*texts, seed=seed), file)

    assert files[0].read_bytes() == files[1].read_bytes()
    assert records(files[0]) != records(files[2])


def test_neither_another_fault_nor_another_line_changes_what_a_fault_does(feed: Path, tmp_path: Path) -> None:
    alone, beside = tmp_path / "alone.jsonl", tmp_path / "beside.jsonl"
    faulted.read(feed, Faults("loss:p=0.1,line=B", seed=3), alone)
    faulted.read(feed, Faults("loss:p=0.1,line=B", "duplicate:p=0.5,line=A", seed=3), beside)

    lost = [record for record in records(beside) if record["fault"] == "loss"]
    assert lost == [{**record, "crc": lost[at]["crc"]} for at, record in enumerate(records(alone))]


def test_what_one_line_lost_the_other_saved_and_what_both_lost_is_a_gap(feed: Path, truth: Path) -> None:
    faults = Faults("loss:packets=50..59,line=A", "loss:packets=58..61,line=B")
    report = faulted.read(feed, faults, truth)

    both = [record for record in records(truth) if record["index"] in {58, 59} and record["line"] == "A"]
    (gap,) = report.gaps
    assert (gap.first, gap.last, gap.session) == (both[0]["first"], both[1]["last"], 0)
    a, b = report.ledger.channels[0].lines
    assert (a.units.missed, b.units.saved) == (b.units.saved, a.units.missed)
    assert report.ledger.channels[0].units.late == 0


def test_a_gilbert_line_loses_in_bursts_of_the_length_asked(feed: Path, truth: Path) -> None:
    faulted.read(feed, Faults("loss:p=0.02,r=0.25,line=A", seed=2), truth)

    lost = [int(str(record["index"])) for record in records(truth)]
    bursts = 1 + sum(after != before + 1 for before, after in pairwise(lost))
    assert 2 < len(lost) / bursts < 8


def test_a_skewed_line_is_measured_as_such(feed: Path) -> None:
    report = faulted.read(feed, Faults("skew:by=130us,line=B"))

    skew = report.ledger.channels[0].lines[1].skew_ns
    assert skew is not None
    assert 129_000 < skew.p50 < 132_000


def test_a_duplicate_comes_right_behind_or_later(feed: Path, truth: Path) -> None:
    report = faulted.read(
        feed, Faults("duplicate:packets=30,line=A", "duplicate:packets=40,after=1ms,line=A"), truth
    )

    units = sum(int(str(r["last"])) - int(str(r["first"])) + 1 for r in records(truth))
    line_b = report.ledger.channels[0].lines[1].units.brought
    assert report.ledger.channels[0].units.duplicate == line_b + units


def test_corruption_says_where_and_what_framing_makes_of_it(feed: Path, truth: Path) -> None:
    faults = (
        "corrupt:packets=30,part=framing",
        "corrupt:packets=31,part=message",
        "truncate:packets=32,keep=3",
    )
    report = faulted.read(feed, Faults(*(f"{fault},line=A" for fault in faults), seed=1), truth)

    told = [(record["index"], record.get("part"), record["effect"]) for record in records(truth)]
    assert told == [(30, "framing", "malformed"), (31, "message", "none"), (32, None, "unreadable")]
    line = report.ledger.channels[0].lines[0]
    assert (line.malformed, report.malformed_by_reason["short_header"]) == (2, 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_header_that_passes_for_another_costs_nothing_that_the_other_line_has(
    feed: Path, truth: Path, seed: int
) -> None:
    found = verified(feed, Faults("corrupt:p=0.02,from=20,part=header,line=A", seed=seed), truth)

    assert found.agrees, found.disagreements
    assert found.checked["misread"] > 0
    assert found.checked["units_lost"] == 0
    assert found.not_checked == ()


def test_a_header_far_from_the_truth_is_told_with_what_it_passes_for(feed: Path, truth: Path) -> None:
    clean = faulted.read(feed)
    far = 0
    for seed in range(30):
        found = verified(feed, Faults("corrupt:packets=300,part=header,line=A", seed=seed), truth, clean)
        (record,) = records(truth)
        passes = record.get("as")
        if isinstance(passes, dict) and (passes["session"] is None or passes["first"] > 10_000):
            assert (found.agrees, found.checked["digests"]) == (True, 1), found
            far += 1
    assert far > 5


@pytest.mark.parametrize(
    "faults",
    [
        ("restart:at=300,session=2",),
        ("restart:at=300,session=2", "loss:p=0.03,from=20"),
        ("restart:at=6ms", "duplicate:p=0.05,from=20"),
        ("jump:at=300,by=1000",),
        ("jump:at=300,by=7", "loss:p=0.05,from=20", "restart:at=400,session=9"),
    ],
)
def test_a_sender_that_starts_again_or_leaves_numbers_out(
    feed: Path, truth: Path, faults: tuple[str, ...]
) -> None:
    clean = faulted.read(feed)
    found = verified(feed, Faults(*faults, seed=5), truth, clean)
    assert found.agrees, found.disagreements
    assert any("digest" in text for text in found.not_checked)


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        (("restart:at=250,line=B", "truncate:p=0.02,from=20"), "sequences are not the same"),
        (("jump:at=220,by=9,line=A",), "sequences are not the same"),
        (("restart:at=300", "reorder:p=0.05,within=9ms,from=20"), "under the name of another"),
    ],
)
def test_sequences_that_nobody_can_tell_apart_are_not_claimed(
    feed: Path, truth: Path, faults: tuple[str, ...], why: str
) -> None:
    found = verified(feed, Faults(*faults, seed=6), truth)
    assert found.agrees, found.disagreements
    assert any(why in text for text in found.not_checked), found.not_checked


def test_a_jump_is_a_gap_of_exactly_its_numbers(feed: Path, truth: Path) -> None:
    report = faulted.read(feed, Faults("jump:at=300,by=1000"), truth)

    jumped = next(record for record in records(truth) if record["line"] == "A")
    (gap,) = report.gaps
    assert jumped["first"] == gap.last + 1
    assert gap.last - gap.first + 1 == 1_000


def test_a_restart_is_another_session(feed: Path) -> None:
    report = faulted.read(feed, Faults("restart:at=300,session=2"))

    assert [(session.id, session.first) for session in report.sessions] == [(1, faulted.FIRST), (2, 1)]
    assert report.gaps == ()


def test_without_faults_a_capture_is_read_as_it_is(feed: Path, truth: Path) -> None:
    assert faulted.read(feed, Faults(), truth).ledger == faulted.read(feed).ledger
    assert records(truth) == []


@given(st.lists(st.integers(-3_000, 3_000), min_size=1, max_size=60), st.integers(0, 3))
def test_what_no_fault_meets_keeps_its_order_and_its_time(
    tmp_path_factory: pytest.TempPathFactory, steps_ns: list[int], seed: int
) -> None:
    """Also where stamps go back, and another line is delayed."""
    file = tmp_path_factory.mktemp("order") / "feed.pcap"
    times = [START_NS + 100_000 + step for step in steps_ns]
    payloads = [numbered.packet(1, 1 + number, 2 + number) for number in range(len(times))]
    sent = [
        Datagram(ts_ns, line, payload)
        for ts_ns, payload in zip(times, payloads, strict=True)
        for line in LINES
    ]
    write_pcap(file, sent)
    options = {"channels": {"a": CHANNELS["demo"][:1], "b": CHANNELS["demo"][1:]}}
    plain = read_all(file, numbered.PROTOCOL, **options)
    delayed = read_all(file, numbered.PROTOCOL, **options, faults=Faults("skew:by=2us,line=B", seed=seed))

    of_a = [row for row in plain.rows("number") if row[2] == 0]
    assert [row for row in delayed.rows("number") if row[2] == 0] == of_a
    of_b = [(seq, ts_ns + 2_000, *rest) for seq, ts_ns, *rest in plain.rows("number") if rest[0] == 1]
    assert [row for row in delayed.rows("number") if row[2] == 1] == of_b


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lost:p=0.1", "expected one of loss, duplicate"),
        ("loss", "expected one way to choose packets"),
        ("loss:p=1.5", "p: expected a number from 0 to 1, found '1.5'"),
        ("loss:p=nan", "p: expected a number from 0 to 1"),
        ("loss:p=0.1,every=3", "expected one way"),
        ("loss:burst=3", "expected one way"),
        ("loss:p=0.1,bad=0.5", "expected one way"),
        ("loss:every=0", "every: expected a whole number from 1 on"),
        ("loss:packets=5..3", "packets: expected numbers and ranges such as 5..7"),
        ("loss:p", "expected each KEY=VALUE once"),
        ("loss:p=0.1,p=0.2", "expected each KEY=VALUE once"),
        ("loss:p=0.1,colour=red", "expected no such key, found 'colour'"),
        ("reorder:p=0.1", "expected within="),
        ("reorder:p=0.1,within=0", "above 0"),
        ("delay:line=A", "expected by= or jitter="),
        ("skew:by=5,line=B", "by: expected a time such as 200us"),
        ("corrupt:p=0.1,part=tail", "part: expected one of any, header"),
        ("truncate:p=0.1,keep=-1", "keep: expected a whole number from 0 on"),
        ("down:line=A", "expected from= or to="),
        ("restart:session=2", "expected at="),
        ("jump:at=5,by=0", "by: expected a whole number from 1 on"),
    ],
)
def test_a_fault_that_is_none_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(FaultError) as caught:
        Faults(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fault_that_the_feed_cannot_have_is_refused(feed: Path) -> None:
    with pytest.raises(
        FaultError, match=r"expected one of the lines A \(239.1.1.1:20001\), B .* found \"C\""
    ):
        faulted.read(feed, Faults("loss:p=0.1,line=C"))
    with pytest.raises(FaultError, match="expected a session that fits"):
        faulted.read(feed, Faults("restart:at=5,session=70000"))
    with pytest.raises(FaultError, match="channels that name its lines"):
        fh.read(feed, numbered.PROTOCOL, faults=Faults("loss:p=0.1"))
    with pytest.raises(FaultError, match="msgpack has none"):
        fh.read(feed, "msgpack", channels=CHANNELS, faults=Faults("jump:at=5,by=1"))
    with pytest.raises(FaultError, match="seed"):
        Faults(seed=-1)


def test_a_line_is_known_by_its_letter_or_address(feed: Path, truth: Path) -> None:
    faulted.read(feed, Faults("loss:packets=30,line=B"), truth)
    by_letter = truth.read_bytes()
    faulted.read(feed, Faults("loss:packets=30,line=239.1.1.2:20002"), truth)
    assert truth.read_bytes() == by_letter


def test_faults_stand_in_a_table_by_line(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('[faults]\nseed = 7\nall = ["loss:p=0.1"]\nA = ["duplicate:every=3"]\n"1.2.3.4:5" = []\n')
    assert repr(Faults.load(file)) == "Faults('loss:p=0.1', 'duplicate:every=3,line=A', seed=7)"
    assert Faults.load(file, seed=9).seed == 9

    file.write_text('[faults]\nA = "loss:p=0.1"\n')
    with pytest.raises(ConfigError, match=r"faults\.A: expected an array of faults"):
        Faults.load(file)
    file.write_text("[fault]\n")
    with pytest.raises(ConfigError, match="faults"):
        Faults.load(file)
