"""The installed command, as people and machines call it: output, error lines, exit codes, Ctrl-C."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import market
import pytest
from captures import capture

from feedhandler._core import BUILD_PROFILE
from feedhandler.cli import main
from feedhandler.cli.interrupts import interrupts
from feedhandler.report import parse
from replay.pacing import Pacing
from replay.sender import Sender

COMMAND = Path(sysconfig.get_path("scripts")) / "feedhandler"
PATIENCE_S = 30.0
BUILD_PATIENCE_S = 300.0
"""In a checkout, the yardsticks written by hand are built first."""

LIVE = """
protocol = "msgpack"
[arbitrate]
grace_us = 100_000
[[channel]]
name = "demo"
[[channel.line]]
name = "A"
address = "{host}:{a}"
[[channel.line]]
name = "B"
address = "{host}:{b}"
"""


def call(
    *arguments: str | Path, check: int | None = 0, timeout_s: float = PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


def json_of(*arguments: str | Path) -> Any:
    done = call(*arguments, "--json")
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


OWN_HOST = str(IPv4Address("127.64.0.0") + os.getpid() % (1 << 22))
"""Loopback address that no other process uses, so that its ports are free whenever they are asked for."""
PORTS = (20_001, 20_002)
"""Below those that the system gives to sockets of any address."""


def live(a: int = 0, b: int = 0, host: str = "127.0.0.1") -> str:
    """Return the configuration of a feed; port 0 lets the system choose."""
    return LIVE.format(host=host, a=a, b=b)


def wait_until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, "it did not come"
        time.sleep(0.01)


def is_bound(port: int) -> bool:
    place = f" {int.from_bytes(IPv4Address(OWN_HOST).packed, sys.byteorder):08X}:{port:04X} "
    return place in Path("/proc/net/udp").read_text()


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.pcap"
    market.write_capture(path)
    return path


LINES = "demo=239.1.1.1:20001,239.1.1.2:20002"


def test_decode_pairs_lines_says_so_and_is_overruled(day: Path) -> None:
    report = json_of("decode", day, "-p", "msgpack")
    lines = ["239.1.1.1:20001", "239.1.1.2:20002"]
    assert [(each["channel"], each["lines"]) for each in report["paired"]] == [(lines[0], lines)]
    assert (report["messages"], report["duplicates"]) == (400, 100)
    told = call("decode", day, "-p", "msgpack").stdout
    assert ", ".join(lines) in told
    assert "--no-pair" in told
    apart = json_of("decode", day, "-p", "msgpack", "--no-pair")
    assert (apart["paired"], apart["messages"]) == ([], 800)
    named = json_of("decode", day, "-p", "msgpack", "--channel", f"a={lines[1]}")
    assert [channel["name"] for channel in named["ledger"]["channels"]] == ["a", lines[0]]
    only = json_of("decode", day, "-p", "msgpack", "--channel", f"a={lines[1]}", "--only")
    assert (only["messages"], only["other_datagrams"]) == (400, 101)
    assert "give one of" in call("decode", day, "-p", "msgpack", "--only", "--no-pair", check=2).stderr


def test_decode_prints_the_report_as_one_object(day: Path) -> None:
    report = json_of("decode", day, "--protocol", "msgpack", "--channel", LINES)
    assert (report["packets"], report["datagrams"], report["messages"]) == (202, 202, 400)
    assert report["sessions"] == [{"channel": "demo", "id": "SYNTHETIC", "first": 1, "last": 400}]
    assert {code: counted["name"] for code, counted in report["by_type"].items()} == {
        "1": "quote",
        "2": "trade",
        "3": "order_add",
        "4": "order_modify",
        "5": "order_delete",
        "6": "instrument",
    }
    assert report["ledger"]["is_balanced"]
    assert report["ledger"]["mismatches"] == 0
    assert (report["gaps"], report["duplicates"], report["truncated"]) == ([], 100, False)
    assert re.fullmatch(r"[0-9a-f]{16}", report["digest"])
    assert report["elapsed_s"] > 0


def test_decode_for_people_shows_counts_and_sums(day: Path) -> None:
    done = call("decode", day, "-p", "msgpack", "--channel", LINES)
    for said in ("messages", "400", "quote", "ledger: seen on all lines", "800", "✓"):
        assert said in done.stdout
    assert "✗" not in done.stdout
    assert done.stderr == ""


def test_decode_shows_the_first_messages(day: Path) -> None:
    done = call("decode", day, "-p", "msgpack", "--channel", LINES, "--head", "2")
    first, second = done.stdout.splitlines()[:2]
    assert first.startswith("instrument seq=1 ts_recv_ns=1700000000000000000 channel=0 ")
    assert "symbol=ACME currency=USD tick_size=0.0100" in first
    assert second.startswith("instrument seq=2 ")
    head = json_of("decode", day, "-p", "msgpack", "--channel", LINES, "--head", "5")["head"]
    assert [message["seq"] for message in head] == [1, 2, 3, 4, 5]
    assert (head[0]["message"], head[0]["symbol"], head[0]["tick_size"]) == ("instrument", "ACME", "0.0100")


def test_decode_takes_instruments_by_symbol_and_by_number() -> None:
    file = capture("itch/ex20101224.TEST_ITCH_50")
    by_symbol = json_of("decode", file, "-p", "itch50", "--instrument", "BOB", "--instrument", "CHAR")
    by_number = json_of("decode", file, "-p", "itch50", "--instrument", "2", "--instrument", "3")
    assert by_symbol["by_type"] == by_number["by_type"]
    assert by_symbol["ledger"]["channels"][0]["messages"]["filtered"] == 3_211
    refused = call("decode", file, "-p", "itch50", "--instrument", "70000", check=2)
    assert "instruments: expected an integer from 0 to 65535, found 70000" in refused.stderr


def test_decode_takes_protocol_and_channels_from_a_config(day: Path, tmp_path: Path) -> None:
    (tmp_path / "feed.toml").write_text(
        live(1, 2).replace("127.0.0.1:1", "239.1.1.1:20001").replace("127.0.0.1:2", "239.1.1.2:20002")
    )
    report = json_of("decode", day, "--config", tmp_path / "feed.toml")
    assert (report["protocol"], report["messages"], report["duplicates"]) == ("msgpack", 400, 100)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".npz", ".csv"])
def test_decode_writes_files(day: Path, tmp_path: Path, suffix: str) -> None:
    call("decode", day, "-p", "msgpack", "--channel", LINES, "--out", tmp_path / f"out{suffix}")
    assert (tmp_path / f"out{suffix}").exists()


def test_info_tells_records_and_streams(day: Path) -> None:
    found = json_of("info", day)
    assert found["capture"]["records"] == 202
    assert [(stream["address"], stream["port"]) for stream in found["streams"]] == [
        ("239.1.1.1", 20001),
        ("239.1.1.2", 20002),
    ]
    text = call("info", day).stdout
    assert "202 = 202 datagrams" in text
    assert "239.1.1.1:20001" in text
    assert "2023-11-14 22:13:20.000000000 UTC" in text


def test_check_tells_what_was_granted(tmp_path: Path) -> None:
    (tmp_path / "feed.toml").write_text(live())
    told = json_of("check", tmp_path / "feed.toml")
    assert (told["protocol"], told["messages"]) == ("msgpack", 7)
    assert [line["name"] for line in told["channels"][0]["lines"]] == ["A", "B"]
    assert [line["stats"]["socket_drops_read"] for line in told["sockets"]] == [True, True]
    assert told["sockets"][0]["rcvbuf_asked_bytes"] == told["wire"]["rcvbuf_bytes"]
    assert "all sockets were opened" in call("check", tmp_path / "feed.toml").stdout


@pytest.mark.parametrize("command", ["check", "run"])
def test_what_is_not_granted_is_told_with_why(tmp_path: Path, command: str) -> None:
    asked = 'wire = { stamps = "hardware", cpu = 100_000 }\nring = { slots = 64, huge_pages = true }\n'
    (tmp_path / "feed.toml").write_text(asked + live())
    limits = ["--duration", "0"] if command == "run" else []
    arguments: list[str | Path] = [command, tmp_path / "feed.toml", *limits]
    told = {warning["setting"]: warning for warning in json_of(*arguments)["warnings"]}
    assert told["SO_TIMESTAMPING"]["granted"] == "the kernel's"
    assert told["sched_setaffinity"]["command"].startswith("taskset -cp 100000 ")
    text = call(*arguments).stdout
    assert "SO_TIMESTAMPING: asked for the network card's stamps" in " ".join(text.split())
    if "MAP_HUGETLB" in told:  # unless this machine holds some ready
        assert told["MAP_HUGETLB"]["command"] == "sysctl -w vm.nr_hugepages=1"


def test_check_without_sockets_does_not_need_the_port(tmp_path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        (tmp_path / "feed.toml").write_text(live(taken.getsockname()[1]))
        assert "sockets" not in json_of("check", tmp_path / "feed.toml", "--no-sockets")
        refused = call("check", tmp_path / "feed.toml", check=1)
    assert refused.stderr.startswith("feedhandler: A: cannot bind to 127.0.0.1:")
    assert refused.stderr.count("\n") == 1


CASES: Sequence[tuple[Sequence[str], int, str]] = (
    (["decode", "nowhere.pcap", "-p", "msgpack"], 1, "nowhere.pcap: cannot be read: No such file"),
    (["decode", "letter.txt", "-p", "msgpack"], 1, "letter.txt: expected a pcap or pcapng capture"),
    (["decode", "day.pcap", "-p", "msgpak"], 2, "unknown protocol 'msgpak' (did you mean 'msgpack'?)"),
    (["decode", "day.pcap", "-p", "none.toml"], 2, "none.toml: expected a readable file"),
    (["decode", "day.pcap", "-p", "bad.toml"], 2, "bad.toml: "),
    (["decode", "day.pcap", "-p", "msgpack", "--channel", "x"], 2, "expected a channel such as NAME="),
    (["decode", "day.pcap", "-p", "msgpack", "--channel", "x=1"], 2, "expected ADDRESS:PORT"),
    (["decode", "day.pcap", "-p", "msgpack", "--out", "x.xls"], 1, "x.xls: expected a name ending in one of"),
    (["decode", "day.pcap", "-p", "msgpack", "--out", "no/x.csv"], 1, "no/x.csv: cannot be written"),
    (["info", "nowhere.pcap"], 1, "nowhere.pcap: cannot be read"),
    (["info", "letter.txt"], 1, "letter.txt: expected a pcap or pcapng capture"),
    (["run", "nowhere.toml"], 2, "nowhere.toml: expected a readable file, found no such file"),
    (["run", "bad.toml"], 2, "bad.toml: "),
    (["run", "typo.toml"], 2, "typo.toml: ring.slot: "),
    (["check", "typo.toml"], 2, "typo.toml: ring.slot: "),
    (["replay", "nowhere.pcap", "--to", "127.0.0.1:1"], 1, "nowhere.pcap"),
    (["replay", "day.pcap", "--to", "127.0.0.1"], 2, "expected ADDRESS:PORT"),
    (
        ["replay", "day.pcap", "--to", "127.0.0.1:9", "--from", "+2s", "--to", "+1s"],
        1,
        "expected an end behind",
    ),
)


@pytest.mark.parametrize(("arguments", "code", "said"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_what_is_wrong_is_said_in_one_line(
    day: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(day.parent)
    Path("letter.txt").write_text("Dear reader,\n")
    Path("bad.toml").write_text("what = [\n")
    Path("typo.toml").write_text(live() + "[ring]\nslot = 64\n")
    done = call(*arguments, check=code)
    assert done.stdout == ""
    assert done.stderr.startswith("feedhandler: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["decode"], ["decode", "day.pcap"], ["decode", "day.pcap", "--colour"], ["frobnicate"]]
)
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str]) -> None:
    done = call(*arguments, check=2)
    assert done.stdout == ""
    assert "Usage: feedhandler" in done.stderr


@pytest.mark.parametrize("command", ["run", "capture", "decode", "info", "verify", "replay", "check", "demo"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    text = call(command, "--help").stdout
    assert f"Example: feedhandler {command}" in text
    assert "--json" in text


def test_bench_has_help_with_an_example() -> None:
    assert "decode" in call("bench", "--help").stdout
    assert "Example: feedhandler bench decode" in call("bench", "decode", "--help").stdout


def test_a_live_feed_is_received_until_ctrl_c_and_reported(day: Path, tmp_path: Path) -> None:
    config, out, log = tmp_path / "feed.toml", tmp_path / "out.npz", tmp_path / "feed.hlog"
    config.write_text(live(*PORTS, OWN_HOST))
    with running("run", config, "--json", "--out", out, "--hlog", log) as process:
        wait_until(lambda: all(map(is_bound, PORTS)))
        to = [(OWN_HOST, port) for port in PORTS]
        sender = Sender(routes=list(zip(market.LINES, to, strict=True)))
        sender.replay(day, Pacing.rate(2_000))
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, told
    report = parse(printed.encode())
    assert (report.messages, report.ledger.lost, report.ledger.is_balanced) == (400, 0, True)
    assert report.latency_ns
    assert set(json.loads(printed)["latency_ns"]["total"]) >= {"p50", "p90", "p99", "p99_9", "max", "count"}
    assert report.digest == json_of("decode", day, "-p", "msgpack", "--channel", LINES)["digest"]
    assert out.exists()
    assert "Tag=total" in log.read_text()


def test_run_ends_after_a_duration_and_after_messages(day: Path, tmp_path: Path) -> None:
    (tmp_path / "feed.toml").write_text(live(*PORTS, OWN_HOST))
    assert json_of("run", tmp_path / "feed.toml", "--duration", "0.2")["messages"] == 0
    with running("run", tmp_path / "feed.toml", "--messages", "100") as process:
        wait_until(lambda: all(map(is_bound, PORTS)))
        Sender([(OWN_HOST, port) for port in PORTS]).replay(day, Pacing.rate(2_000))
        printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "ledger: datagrams of each line" in printed


def test_a_replay_that_is_interrupted_reports_what_it_sent(day: Path) -> None:
    with running("replay", day, "--to", "127.0.0.1:9", "--rate", "1") as process:
        wait_until(lambda: catches(process.pid))
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "before the end" in printed


def test_the_second_ctrl_c_ends_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    asked: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    with interrupts(lambda: asked.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert asked == [1]
        assert "once more to end at once" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert asked == [1]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("is_open", [True, False])
def test_ctrl_c_stops_though_nobody_reads_standard_error(
    monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    asked: list[int] = []
    with os.fdopen(writer, "w") as stderr:
        if not is_open:
            stderr.close()
        monkeypatch.setattr(sys, "stderr", stderr)
        with interrupts(lambda: asked.append(1)):
            signal.raise_signal(signal.SIGINT)
    assert asked == [1]


def test_an_interrupt_that_nothing_takes_is_exit_code_130(day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_reader: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("feedhandler.reader.Reader.__next__", interrupted)
    out = day.parent / "out.csv"
    assert main(["decode", str(day), "-p", "msgpack", "--out", str(out)]) == 130
    assert not out.exists()


def catches(pid: int) -> bool:
    """Tell whether a process has a handler of its own for both signals."""
    (mask,) = re.findall(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    wanted = (1 << signal.SIGINT - 1) | (1 << signal.SIGTERM - 1)
    return int(mask, 16) & wanted == wanted


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["replay", "day.pcap", "--to", "127.0.0.1:9", "--speed", "0"], "expected a number above 0"),
        (["replay", "day.pcap", "--to", "127.0.0.1:9", "--rate", "-5"], "expected a number above 0"),
        (
            ["generate", "x.pcapng", "--books", "nowhere/books.json"],
            "expected an existing folder",
        ),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_done(
    day: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(day.parent)
    done = call(*arguments, check=2)
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert not Path("x.pcapng").exists()


def test_a_replay_tells_what_it_did_and_that_a_range_holds_nothing(day: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    to = ("replay", day, "--to", "127.0.0.1:9", "--max")
    done = call(*to, "--fault", "loss:p=0.1", "--seed", "7", "--truth", truth)
    assert "seed 7" in done.stdout
    assert "truth.jsonl" in "".join(done.stdout.split())

    done = call(*to, "--from", "+9000s")
    assert "the range holds none of the" in done.stderr


def test_replay_sends_what_decode_sees(day: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        to = f"127.0.0.1:{receiver.getsockname()[1]}"
        told = json_of("replay", day, "--route", f"239.1.1.1:20001={to}", "--rate", "5000")
        got = [receiver.recv(2048) for _ in range(101)]
    assert (told["datagrams"], told["skipped"], told["stopped"]) == (101, 101, False)
    assert told["sent"]["packets"] == len(got)


def test_python_m_replay_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "replay", "--help"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert "Example: feedhandler replay" in done.stdout


def test_the_demo_shows_a_ledger_whose_sums_are_right() -> None:
    done = call("demo", "--seconds", "2.2", "--rate", "500")
    lines = done.stdout.splitlines()
    assert sum(line.startswith("ACME ") for line in lines) >= 2
    assert "latency, µs" in done.stdout
    assert "✗" not in done.stdout
    assert re.search(
        r"✓ [\d,]+ messages in [\d,]+ datagrams on two lines: every sum is right, lost 0", done.stdout
    )


def test_a_demo_that_fails_leaves_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("feedhandler.cli.demo.receive", fail)
    before = threading.active_count()
    assert main(["demo", "--seconds", "3600", "--json"]) == 130
    wait_until(lambda: threading.active_count() == before)


def test_the_demo_for_machines_is_one_object() -> None:
    report = json_of("demo", "--seconds", "0.5", "--rate", "500")
    assert report["wrong"] == []
    assert report["messages"] > 0


def test_bench_decode_measures_ours_beside_others() -> None:
    if BUILD_PROFILE != "release":
        assert "debug build" in call("bench", "decode", check=1).stderr
        return
    short = ["--rounds", "1", "--seconds", "0.01", "--json"]
    result = json.loads(call("bench", "decode", *short, timeout_s=BUILD_PATIENCE_S).stdout)
    assert result["machine"]["build_profile"] == "release"
    for case in result["cases"].values():
        assert all(rate["messages_per_s"] > 0 for rate in case["rates"].values())


def test_on_a_terminal_there_is_a_live_view(tmp_path: Path) -> None:
    (tmp_path / "feed.toml").write_text(live())
    told = on_terminal([COMMAND, "run", tmp_path / "feed.toml", "--duration", "1"])
    assert "messages/s" in told
    assert "in the ring" in told


def on_terminal(command: list[str | Path]) -> str:
    """Run a command whose standard error is a terminal, and return what came to it."""
    ours, theirs = pty.openpty()
    read: list[bytes] = []

    def copy() -> None:
        while True:
            try:
                data = os.read(ours, 65_536)
            except OSError:  # the other side is closed
                return
            read.append(data)

    reader = threading.Thread(target=copy)
    reader.start()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "140", "LINES": "50"}
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, env=env, timeout=PATIENCE_S, check=True)
    os.close(theirs)
    reader.join()
    os.close(ours)
    return b"".join(read).decode()


def test_a_capture_of_an_exchange_is_decoded() -> None:
    report = json_of("decode", capture("iex/TOPS16.pcapng.gz"), "--protocol", "iex-tops")
    assert (report["packets"], report["messages"], report["heartbeats"]) == (13_022, 57_674, 237)
