"""Verify: a report that is not as the truth says is found, and the packet named."""

import json
import random
from pathlib import Path

import faulted
import msgspec
import pytest
from faulted import sealed, verified, write_feed

import feedhandler as fh
from feedhandler.cli import main
from feedhandler.report import to_json
from replay import Faults
from replay.truth import TruthError, load
from replay.verify import verify

Paths = tuple[Path, fh.Report]


@pytest.fixture(scope="module", name="run")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A truth file and the report of who read the feed."""
    folder = tmp_path_factory.mktemp("verify")
    feed, truth = write_feed(folder / "feed.pcap"), folder / "truth.jsonl"
    texts = (
        "loss:p=0.05",
        "duplicate:p=0.02",
        "corrupt:p=0.02,part=framing",
        "delay:packets=300..302,by=8ms",
    )
    return truth, faulted.read(feed, Faults(*(f"{text},from=20" for text in texts), seed=3), truth)


def lines_of(truth: Path) -> list[str]:
    """The lines of a truth file without their checksums."""
    return [f"{line[: line.rindex(',')]}}}" for line in truth.read_text().splitlines()]


def changed(line: str, chance: random.Random) -> str:
    """Another truth about the same packet: it is of other units or another line, or was late and not lost."""
    record = json.loads(line)
    kinds = ["line"]
    if record["kind"] == "data" and record["fault"] != "delay":
        kinds += ["first", "last"]
    if record["fault"] == "loss":
        kinds += ["fault"]
    match chance.choice(kinds):
        case "line":
            record["line"] = "A" if record["line"] == "B" else "B"
        case "first":
            record["first"] -= 1
        case "last":
            record["last"] += 1
        case _:
            record["fault"] = "delay"
            record["by_ns"] = 5
    return json.dumps(record, separators=(",", ":"))


def test_the_truth_agrees(run: Paths) -> None:
    truth, report = run
    found = verify(load(truth), report)
    assert found.agrees, found.disagreements
    assert found.checked["units_lost"] == report.ledger.lost > 0
    assert found.checked["units_late"] > 0


def test_a_line_that_was_changed_left_out_or_moved_is_found_by_its_checksum(
    run: Paths, tmp_path: Path
) -> None:
    lines = run[0].read_text().splitlines(keepends=True)
    other = tmp_path / "truth.jsonl"
    at = next(number for number, line in enumerate(lines) if '"loss"' in line)
    record = json.loads(lines[at])
    about = f"line {at + 1}: line {record['line']}, packet {record['index']} \\("

    other.write_text("".join([*lines[:at], lines[at].replace('"loss"', '"down"'), *lines[at + 1 :]]))
    with pytest.raises(TruthError, match=about):
        load(other)
    other.write_text("".join(lines[:at] + lines[at + 1 :]))
    with pytest.raises(TruthError, match=f"line {at + 1}: .*checksum"):
        load(other)
    other.write_text("".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]))
    with pytest.raises(TruthError, match=f"line {at + 1}: .*checksum"):
        load(other)
    other.write_text("".join(lines[:-1]))
    with pytest.raises(TruthError, match="cut off"):
        load(other)


@pytest.mark.parametrize("seed", range(60))
def test_one_changed_line_does_not_agree_and_its_packet_is_named(
    run: Paths, tmp_path: Path, seed: int
) -> None:
    """Its checksum tells which line was changed; with new checksums, the report tells that one was."""
    truth, report = run
    chance, lines, other = random.Random(seed), lines_of(truth), tmp_path / "truth.jsonl"
    at = chance.choice([number for number, line in enumerate(lines) if '"fault"' in line])
    original, lines[at] = json.loads(lines[at]), changed(lines[at], chance)

    with_checksums = truth.read_text().splitlines()
    checksum = with_checksums[at][with_checksums[at].rindex(",") :]
    with_checksums[at] = lines[at][:-1] + checksum
    other.write_text("\n".join(with_checksums))
    with pytest.raises(TruthError, match=f"line {at + 1}: .*packet {original['index']}"):
        load(other)

    other.write_text(sealed(lines))
    try:
        agrees = verify(load(other), report).agrees
    except TruthError:
        agrees = False
    assert not agrees, (original, lines[at])


def test_a_gap_names_the_packets_that_the_truth_has_there(run: Paths, tmp_path: Path) -> None:
    truth, report = run
    lines, other = lines_of(truth), tmp_path / "truth.jsonl"
    lost = {number: json.loads(line) for number, line in enumerate(lines) if '"loss"' in line}
    packets = [record["index"] for record in lost.values()]
    at, record = next((at, one) for at, one in lost.items() if packets.count(one["index"]) == 2)
    lines[at] = lines[at].replace('"fault":"loss"', '"fault":"delay","by_ns":0')
    other.write_text(sealed(lines))

    told = verify(load(other), report).disagreements

    units = f"units {record['first']} to {record['last']}: expected no gap, since they came undelayed"
    (of_units,) = (text for text in told if units in text)
    assert f"line A, packet {record['index']} ({record['first']} to {record['last']}): delay" in of_units


@pytest.mark.parametrize("seed", range(20))
def test_a_loss_that_the_truth_does_not_tell_is_found(run: Paths, tmp_path: Path, seed: int) -> None:
    truth, report = run
    lines, other = lines_of(truth), tmp_path / "truth.jsonl"
    losses = [number for number, line in enumerate(lines) if '"loss"' in line and '"data"' in line]
    at = random.Random(seed).choice(losses)
    end = json.loads(lines[-1])
    left_out = [*lines[:at], *lines[at + 1 : -1], json.dumps({**end, "records": end["records"] - 1})]
    other.write_text(sealed([line.replace(" ", "") for line in left_out]))

    assert not verify(load(other), report).agrees


@pytest.mark.parametrize(
    "path",
    [
        ("ledger", "channels", 0, "units", "duplicate"),
        ("ledger", "channels", 0, "units", "late"),
        ("ledger", "channels", 0, "units", "seen"),
        ("ledger", "channels", 0, "lines", 0, "malformed"),
        ("ledger", "channels", 0, "lines", 1, "datagrams"),
        ("ledger", "channels", 0, "lines", 1, "heartbeats"),
        ("ledger", "channels", 0, "lines", 0, "units", "saved"),
        ("ledger", "channels", 0, "lines", 0, "units", "missed"),
        ("ledger", "channels", 0, "lines", 0, "dropped_socket_buffer"),
        ("gaps", 0, "last"),
        ("gaps", 1, "first"),
    ],
)
def test_a_report_with_one_other_number_does_not_agree(run: Paths, path: tuple[str | int, ...]) -> None:
    truth, report = run
    told = json.loads(to_json(report))
    place = told
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] += 1

    found = verify(load(truth), msgspec.json.decode(json.dumps(told), type=fh.Report))

    assert not found.agrees


def test_a_digest_that_should_be_equal_and_is_not_is_found(tmp_path: Path) -> None:
    feed, truth = write_feed(tmp_path / "feed.pcap"), tmp_path / "truth.jsonl"
    other = faulted.read(write_feed(tmp_path / "other.pcap", first=faulted.FIRST + 1))
    faults = Faults("loss:p=0.1,from=20,line=A")

    assert verified(feed, faults, truth, faulted.read(feed)).checked["digests"] == 1
    assert verified(feed, faults, truth, other).disagreements[0].startswith("digest: expected")


def test_a_line_that_the_report_does_not_have_is_told(run: Paths, tmp_path: Path) -> None:
    lines, other = lines_of(run[0]), tmp_path / "truth.jsonl"
    other.write_text(sealed([lines[0].replace("239.1.1.2", "239.9.9.9").replace('"B"', '"X"'), *lines[1:]]))
    with pytest.raises(TruthError, match="'B'"):
        load(other)


def test_the_command_says_whether_they_agree(
    run: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, report = run
    file = tmp_path / "report.json"
    file.write_bytes(to_json(report))
    assert main(["verify", str(file), "--truth", str(truth), "--clean", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agrees"] is True

    file.write_bytes(to_json(msgspec.structs.replace(report, gaps=report.gaps[1:])))
    assert main(["verify", str(file), "--truth", str(truth)]) == 1
    assert "since they came on no line" in capsys.readouterr().err

    file.write_text("no report")
    assert main(["verify", str(file), "--truth", str(truth)]) == 1
    assert "expected a report" in capsys.readouterr().err
    assert main(["verify", str(file)]) == 1
    assert "expected a pcap or pcapng capture" in capsys.readouterr().err
