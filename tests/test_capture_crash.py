"""Captures that go wrong: a process that is killed in their midst, a disk that has no room."""

import random
import shlex
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import blocks
import msgspec
import pytest
from numbered import PROTOCOL, packet
from test_back_pressure import PATIENCE_S
from test_cli import COMMAND, OWN_HOST, PORTS, is_bound, wait_until

import feedhandler as fh
from feedhandler.captured import Captured
from feedhandler.report import parse
from feedhandler.verify import verify

CONFIG = f"""
protocol = "{PROTOCOL}"
[[channel]]
name = "numbers"
[[channel.line]]
name = "A"
address = "127.0.0.1:0"
"""

KILLS = 20

ENDLESS = """
import sys
import feedhandler as fh
from feedhandler.captured import CaptureTo

with fh.open(sys.argv[1], capture=CaptureTo(sys.argv[2], flush_s=0.002)) as feed:
    captured = feed.report().captured
    print(feed.addresses[0].address.port, captured.files[0].path, captured.previous, flush=True)
    for batch in feed:
        pass
"""


@contextmanager
def sending(port: int, host: str = "127.0.0.1") -> Iterator[None]:
    """Send packets of one number each, in order, for as long as the block lasts."""
    is_over = threading.Event()

    def send() -> None:
        import socket  # noqa: PLC0415 — beside its use

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sequence = 1
            while not is_over.is_set():
                sender.sendto(packet(1, sequence, sequence + 1), (host, port))
                sequence += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize("suffix", [".pcapng", ".pcapng.zst"])
def test_a_capture_that_is_killed_can_be_read_and_the_next_start_says_so(tmp_path: Path, suffix: str) -> None:
    config, out = tmp_path / "feed.toml", tmp_path / f"out{suffix}"
    config.write_text(CONFIG)
    chance, previous = random.Random(suffix), None
    for _ in range(KILLS // 2):
        program = [sys.executable, "-c", ENDLESS, str(config), str(out)]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            port, path, told = process.stdout.readline().split(maxsplit=2)
            enough = chance.randrange(2_000, 200_000)
            with sending(int(port)):
                wait_for_size(Path(path), enough)
                process.kill()
        assert told.strip() == f"{previous}"
        check_what_is_left(Path(path))
        previous = f"PreviousFile(path='{path}', is_closed=False)"


def wait_for_size(path: Path, least_bytes: int) -> None:
    import time  # noqa: PLC0415 — beside its use

    end_s = time.monotonic() + PATIENCE_S
    while path.stat().st_size < least_bytes:
        assert time.monotonic() < end_s, "it does not grow"


def check_what_is_left(path: Path) -> None:
    """Check that every block, or frame, that is whole is read, and that only the last one is not."""
    verdict = verify(path, protocol=PROTOCOL)
    assert verdict.state == "no_trailer"
    assert verdict.packets == verdict.content.messages > 0
    report = read_to_the_end(path)
    sequence = [row[0] for row in report]
    if verdict.content.lost == 0:
        assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))
    if path.suffix == ".pcapng":
        assert verdict.packets == whole_packets(path.read_bytes())
    else:
        recovered = blocks.decompressed(path.read_bytes(), check=False)
        assert verdict.packets >= whole_packets(recovered)


def read_to_the_end(path: Path) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = []
    for batch in fh.read(path, PROTOCOL):
        rows += batch["number"].tolist()
    return rows


def whole_packets(data: bytes) -> int:
    """Count the packet blocks that are there to their last byte."""
    at, packets = 0, 0
    while at + 12 <= len(data):
        kind, length = (int.from_bytes(data[at + place : at + place + 4], "little") for place in (0, 4))
        if at + length > len(data):
            break
        packets += kind == 6
        at += length
    return packets


LIMITED = """
import resource, socket, sys
import msgspec
import feedhandler as fh
from feedhandler.captured import CaptureTo
from feedhandler.verify import verify
from numbered import PROTOCOL, packet

out, most_bytes, wanted, flush_s = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
if most_bytes:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
with fh.open(sys.argv[1], capture=CaptureTo(out, flush_s=flush_s, index=False)) as feed:
    to = ("127.0.0.1", feed.addresses[0].address.port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for first in range(1, wanted + 1, 50):
            for sequence in range(first, first + 50):
                sender.sendto(packet(1, sequence, sequence + 1), to)
            while feed.report().datagrams < first + 49:
                feed.poll(0.05)
    feed.stop()
    for batch in feed:
        pass
report = feed.report()
verdicts = [verify(file.path, protocol=PROTOCOL) for file in report.captured.files]
states = [verdict.state for verdict in verdicts]
told = sum(verdict.trailer.missing["disk"] for verdict in verdicts if verdict.trailer)
sys.stdout.buffer.write(msgspec.json.encode([report, states, told]))
"""


def limited(
    tmp_path: Path, *, packets: int, flush_s: float, most_bytes: int = 0, within: str = ""
) -> tuple[fh.Report, Captured, list[str], int]:
    """Capture some packets with a limit; return the report, the states of the files, and what they lack."""
    (tmp_path / "feed.toml").write_text(CONFIG)
    arguments = [tmp_path / "feed.toml", tmp_path / "disk" / "out.pcapng", most_bytes, packets, flush_s]
    (tmp_path / "disk").mkdir()
    program = [sys.executable, "-c", textwrap.dedent(LIMITED), *map(str, arguments)]
    command = within + "exec " + shlex.join(program)
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command] if within else program,
        check=False,
        capture_output=True,
        timeout=60,
        cwd=Path(__file__).parent,
    )
    assert done.returncode == 0, done.stderr.decode()
    raw, states, told = msgspec.json.decode(done.stdout, type=tuple[msgspec.Raw, list[str], int])
    report = parse(bytes(raw))
    assert isinstance(report.captured, Captured)
    return report, report.captured, states, told


def test_a_file_that_may_grow_no_further_is_followed_by_another(tmp_path: Path) -> None:
    report, captured, states, told = limited(tmp_path, packets=12_000, flush_s=60, most_bytes=600_000)
    assert captured.captured + captured.disk == captured.datagrams == report.datagrams == 12_000
    assert captured.disk > 0
    assert captured.disk_error is not None
    assert captured.disk_error.startswith("File too large")
    # Frames are of a quarter of a MiB: what is left in front of the limit has room for the trailer.
    assert states == ["agrees", "agrees"]
    assert told == captured.disk
    assert (report.messages, report.ledger.lost, report.ledger.is_balanced) == (12_000, 0, True)


def test_the_command_fails_where_not_everything_was_captured(tmp_path: Path) -> None:
    (tmp_path / "feed.toml").write_text(CONFIG.replace("127.0.0.1:0", f"{OWN_HOST}:{PORTS[0]}"))
    command = [COMMAND, "capture", tmp_path / "feed.toml", tmp_path / "out.pcapng", "--max-packets", "3000"]
    limit = f"ulimit -f 64; exec {shlex.join(map(str, [*command, '--no-index', '--flush-seconds', '0.001']))}"
    with subprocess.Popen(
        ["bash", "-c", limit], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: is_bound(PORTS[0]))
        with sending(PORTS[0], OWN_HOST):
            printed, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not all datagrams were captured: " in told
    assert "the disk refused; File too large" in told
    assert "disk         File too large" in printed


def test_a_disk_without_room_is_counted_and_the_feed_goes_on(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare: cannot make a small disk")
    mount = f"mount -t tmpfs -o size=65536 tmpfs {shlex.quote(str(tmp_path / 'disk'))} && "
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("not permitted to make a mount namespace")
    report, captured, states, _ = limited(tmp_path, packets=2_000, flush_s=0.001, within=mount)
    assert captured.captured + captured.disk == captured.datagrams == 2_000
    assert 0 < captured.disk < 2_000
    assert captured.disk_error is not None
    assert captured.disk_error.startswith("No space left on device")
    assert states
    assert set(states) <= {"agrees", "no_trailer"}
    assert (report.messages, report.ledger.lost, report.ledger.is_balanced) == (2_000, 0, True)
