"""Faults over sockets: what is received agrees with what was done, and the digest with that of the file."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import delivered
import faulted
import live
import msgspec
import numbered
import pytest
from captures import ROOT, capture
from faulted import LINES, composed, write_feed

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.cli import main
from feedhandler.config import ArbitrateConfig
from feedhandler.errors import FaultError, SendError
from replay import Capture, Datagram, Faults, Pacing, Sender, write_pcap
from replay.truth import load
from replay.verify import verify

SEEDS = 36
CME_LINES = (("224.0.31.11", 14320), ("224.0.32.11", 15320))
PACES = (Pacing.original(speed=0.25), Pacing.original(speed=0.1), Pacing.original(speed=0.05))
"""One after the other, until this machine's kernel drops nothing."""


def received(
    source: Capture,
    protocol: str,
    pacing: Pacing,
    lines: Sequence[tuple[str, int] | None],
    *,
    faults: Faults | None = None,
    truth: Path | None = None,
    grace_us: int = 2_000_000,
) -> fh.Report:
    """Replay to a feed on this machine; each line gets what was recorded on its way there, or everything."""
    config = live.config(protocol, ["127.0.0.1:0"] * len(lines))
    config = msgspec.structs.replace(config, arbitrate=ArbitrateConfig(grace_us=grace_us))
    with fh.open(config) as feed:
        to = [(str(line.address.ip), line.address.port) for line in feed.addresses]
        routes = [(recorded, own) for recorded, own in zip(lines, to, strict=True) if recorded is not None]
        sender = Sender([] if routes else to, routes=routes)
        failures: list[Exception] = []

        def send() -> None:
            try:
                sender.replay(source, pacing, faults=faults, truth=truth)
            except Exception as failure:
                failures.append(failure)
            finally:
                feed.stop()

        thread = threading.Thread(target=send)
        thread.start()
        report = delivered.collect(feed, feed).report
        thread.join()
    assert not failures, failures
    return report


def received_whole(
    source: Capture,
    protocol: str,
    paces: Sequence[Pacing],
    lines: Sequence[tuple[str, int] | None],
    **options: object,
) -> fh.Report:
    """Replay at the highest of some paces at which the kernel drops nothing."""
    for pacing in paces:
        report = received(source, protocol, pacing, lines, **options)  # type: ignore[arg-type]  # as above
        if live.dropped(report) == 0 and live.is_drained(report):
            break
    return report


@pytest.fixture(scope="module", name="feed")
def _feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_feed(tmp_path_factory.mktemp("replayed") / "feed.pcap")


@pytest.fixture(name="truth")
def _truth(tmp_path: Path) -> Path:
    return tmp_path / "truth.jsonl"


def test_what_is_received_agrees_with_the_truth_whatever_the_faults(feed: Path, truth: Path) -> None:
    source, protocol = Capture(feed, protocol=fh.protocol(numbered.PROTOCOL)), str(numbered.PROTOCOL)
    clean = faulted.read(feed)
    for seed in range(1_000, 1_000 + SEEDS):
        faults = composed(seed)
        report = received_whole(source, protocol, PACES, LINES, faults=faults, truth=truth)
        found = verify(load(truth), report, clean)
        assert found.agrees, f"{faults}: {found.disagreements}"


def test_faults_do_the_same_to_a_replay_as_to_a_file(feed: Path, tmp_path: Path) -> None:
    faults = Faults(
        "loss:p=0.05", "corrupt:p=0.05", "duplicate:p=0.05,after=100us", "reorder:p=0.1,within=3", seed=9
    )
    sent, read = tmp_path / "sent.jsonl", tmp_path / "read.jsonl"
    sender = Sender(routes=[(line, ("127.0.0.1", 9)) for line in LINES[:1]] + [(LINES[1], ("127.0.0.1", 11))])
    sender.replay(
        Capture(feed, protocol=fh.protocol(numbered.PROTOCOL)), Pacing.max(), faults=faults, truth=sent
    )
    faulted.read(feed, faults, read)

    def told(file: Path) -> list[dict[str, object]]:
        return [{**record, "crc": None} for record in faulted.records(file)]

    assert told(sent) == told(read) != []


def test_one_stream_may_be_several_lines(tmp_path: Path, truth: Path) -> None:
    """Each destination is a line with faults of its own, where a capture was recorded on one."""
    packets = [numbered.packet(1, 100 + at, 101 + at) for at in range(300)]
    packets.append(numbered.packet(1, 400, 400, is_end_of_session=True))
    file = tmp_path / "one.pcap"
    write_pcap(file, [Datagram(n * 50_000, LINES[0], packet) for n, packet in enumerate(packets)])
    protocol = str(numbered.PROTOCOL)

    report = received_whole(
        Capture(file, protocol=fh.protocol(numbered.PROTOCOL)),
        protocol,
        PACES,
        [None, None],
        faults=Faults("loss:packets=50..60,line=A", "loss:packets=60..70,line=B"),
        truth=truth,
    )

    assert [(gap.first, gap.last) for gap in report.gaps] == [(160, 160)]
    assert verify(load(truth), report).agrees


@pytest.mark.parametrize("first", [1, faulted.FIRST])
def test_passes_are_sessions_from_the_head_on_and_copies_from_the_middle(
    tmp_path: Path, truth: Path, first: int
) -> None:
    feed = write_feed(tmp_path / "feed.pcap", first=first)
    source = Capture(feed, protocol=fh.protocol(numbered.PROTOCOL), loops=2, loop_gap_ns=200_000_000)
    faults = Faults("loss:p=0.05,from=20,to=600", seed=3)
    options = {"faults": faults, "truth": truth, "grace_us": 50_000}
    report = received_whole(source, str(numbered.PROTOCOL), PACES, LINES, **options)

    clean = faulted.read(feed).ledger.channels[0].expected
    assert [session.first for session in report.sessions] == [first] * (2 if first == 1 else 1)
    assert report.ledger.channels[0].expected == clean * len(report.sessions)
    found = verify(load(truth), report)
    assert found.agrees, found.disagreements
    assert found.not_checked == ()


@pytest.mark.parametrize(
    ("name", "protocol", "lines"),
    [
        ("iex/TOPS16.pcapng.gz", "iex-tops", [("224.67.0.199", 16642)] * 2),
        ("cme/Cme.Mdp3.Sbe.v8.1.Example.pcap", str(ROOT / "tests" / "cme-packets.toml"), list(CME_LINES)),
    ],
)
def test_a_real_capture_a_thousand_times_as_fast_has_the_digest_of_the_file(
    name: str, protocol: str, lines: list[tuple[str, int]]
) -> None:
    """Lines A and B, each at an address of its own; one stream that was recorded is sent on both."""
    file = capture(name)
    both = {"both": [f"{host}:{port}" for host, port in dict.fromkeys(lines)]}
    expected = delivered.read(file, protocol, channels=both).report

    report = received_whole(Capture(file), protocol, [Pacing.original(1_000), Pacing.original(100)], lines)

    assert report.digest == expected.digest
    assert report.messages == expected.messages
    assert report.gaps == ()
    assert report.ledger.is_balanced


def test_a_replay_at_its_own_time_takes_its_time(tmp_path: Path) -> None:
    """A short run by the real clock: from the first send to the last, and how late each was."""
    file = tmp_path / "short.pcap"
    write_pcap(file, [Datagram(n * 1_000_000, LINES[0], b"x") for n in range(201)])
    sender = Sender([("127.0.0.1", 9)])

    sender.replay(file, Pacing.original(speed=2))

    sent = sender.sent()
    assert sent.lateness_ns.count == 201
    assert abs(sent.elapsed_ns - 100_000_000) <= sent.lateness_ns.max + 1_000_000


def test_ctrl_c_ends_with_the_report_and_a_whole_truth(tmp_path: Path, truth: Path) -> None:
    """What was sent until then, and no more, is what the truth says."""
    packets = [numbered.packet(1, 1 + at, 2 + at) for at in range(5_000)]
    file = tmp_path / "long.pcap"
    write_pcap(file, [Datagram(n * 1_000_000, LINES[0], packet) for n, packet in enumerate(packets)])
    with (
        fh.open(live.config(str(numbered.PROTOCOL))) as feed,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    ):
        (line,) = feed.addresses
        command = [
            sys.executable,
            "-m",
            "replay",
            str(file),
            "--to",
            str(line.address),
            "--truth",
            str(truth),
        ]
        options = [
            "--protocol",
            str(numbered.PROTOCOL),
            "--fault",
            "duplicate:every=7",
            "--fault",
            "skew:by=3ms,line=A",
        ]
        with subprocess.Popen([*command, *options, "--json"], stdout=subprocess.PIPE) as process:
            count = 0
            for batch in feed:
                count += batch.size
                if count >= 200:
                    break
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=30)
        feed.stop()
        report = delivered.collect(feed, feed).report

    assert json.loads(out)["stopped"] is True
    found = verify(load(truth), report)
    assert found.agrees, found.disagreements
    assert any('"stopped"' in line for line in truth.read_text().splitlines())


def test_a_map_must_be_of_a_stream_that_was_recorded(feed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        SendError, match=r"cannot map 1\.2\.3\.4:5: nothing .* but to 239\.1\.1\.1:20001, 239"
    ):
        Sender(routes={("1.2.3.4", 5): ("127.0.0.1", 9)}).replay(feed)
    assert main(["replay", str(feed), "--map", "1.2.3.4:5=127.0.0.1:9"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--fault", "lost:p=1"], 2, "expected one of loss, duplicate"),
        (["--fault", "loss:p=2"], 2, "p: expected a number from 0 to 1"),
        (["--fault", "loss:p=1,line=C"], 2, "expected one of the lines A (127.0.0.1:9"),
        (["--fault", "loss:sequences=5"], 2, "expected one, found none"),
        (["--fault", "jump:at=5,by=5"], 2, "a feed without a protocol has none"),
        (["--seed", "-1", "--fault", "loss:p=1"], 2, "seed: expected a whole number"),
        (["--faults", "nowhere.toml"], 2, "nowhere.toml: expected a readable file"),
        (["--from", "later"], 1, "range: expected a sequence number"),
        (["--to", "09:30:00", "--to", "10:00:00"], 2, "expected one end of the range"),
        (["--from", "5"], 1, "needs the protocol"),
        (["--loop", "-1"], 2, "--loop"),
        (["--truth", "/nowhere/truth.jsonl", "--fault", "loss:p=1"], 1, "/nowhere/truth.jsonl"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    feed: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, says: str
) -> None:
    assert main(["replay", str(feed), "--to", "127.0.0.1:9", "--max", *options]) == code
    err = capsys.readouterr().err
    assert says in " ".join(err.replace("│", " ").split())


def test_the_command_sends_a_range_of_some_passes(feed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--to", "127.0.0.1:9", "--max", "--protocol", str(numbered.PROTOCOL), "--json"]
    ranged = ["--from", str(faulted.FIRST), "--to", str(faulted.FIRST), "--loop", "3"]
    assert main(["replay", str(feed), *options, *ranged]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["datagrams"], told["passes"], told["stopped"]) == (6, 3, False)
    assert told["left_out"] == 3 * (2 * 603 - 2)


def test_faults_are_of_the_lines_that_are_sent_to(feed: Path) -> None:
    with pytest.raises(FaultError, match=r"A \(127\.0\.0\.1:9, 239\.1\.1\.1:20001\), found"):
        Sender(routes={LINES[0]: ("127.0.0.1", 9)}).replay(feed, faults=Faults("loss:p=1,line=B"))
    assert Address.parse("127.0.0.1:9").port == 9
