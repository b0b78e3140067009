"""Live equals file: what is replayed over a network is delivered as it is read from the file."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import delivered
import live
import numpy as np
import pytest
from captures import capture, payloads

import feedhandler as fh
from feedhandler.config import WireConfig
from replay import Pacing, Sender

TOPS16 = ("iex/TOPS16.pcapng.gz", "iex-tops")
SNIPPET = ("itch/12302019_SNIPPET.NASDAQ_ITCH50", "itch50")
GROUP_A, GROUP_B = ("239.1.2.3", 20_001), ("239.1.2.4", 20_002)
TWO_LINES = live.config("iex-tops", [live.ANY_PORT] * 2)


WAYS = [
    WireConfig(mode=mode, backend=backend)
    for mode in ("threaded", "inline")
    for backend in ("recvmmsg", "gro", "recv")
]


@pytest.mark.parametrize("wire", WAYS, ids=lambda wire: f"{wire.mode}-{wire.backend}")
@pytest.mark.parametrize(("name", "protocol"), [TOPS16, SNIPPET])
def test_every_mode_and_backend(name: str, protocol: str, wire: WireConfig) -> None:
    file = capture(name)

    found = live.replayed_fast(file, live.config(protocol, wire=wire))

    live.assert_nothing_dropped(found.report)
    live.assert_same(found, delivered.read(file, protocol))
    assert found.report.gaps == ()


@pytest.mark.parametrize(("name", "protocol"), [TOPS16, SNIPPET])
@pytest.mark.parametrize("is_fast", [True, False], ids=["fastest", "100x"])
def test_unicast(name: str, protocol: str, is_fast: bool) -> None:
    file, configuration = capture(name), live.config(protocol)

    if is_fast:
        found = live.replayed_fast(file, configuration)
    else:
        found = live.replayed(file, configuration, Pacing.original(speed=100))

    live.assert_nothing_dropped(found.report)
    live.assert_same(found, delivered.read(file, protocol))
    assert found.report.gaps == ()


def test_two_lines_that_each_lose_other_packets(tmp_path: Path) -> None:
    packets = list(payloads(capture(TOPS16[0])))
    lost_by_a, lost_by_b = set(range(25, len(packets), 7)), set(range(24, len(packets), 11))
    file = two_lines(tmp_path / "lines.pcap", packets, lost_by_a, lost_by_b - lost_by_a)

    found = live.replayed_fast(file, TWO_LINES, routes={GROUP_A: 0, GROUP_B: 1})

    live.assert_nothing_dropped(found.report)
    live.assert_same(found, delivered.read(capture(TOPS16[0]), "iex-tops"))
    assert (found.report.gaps, found.report.ledger.lost) == ((), 0)
    (channel,) = found.report.ledger.channels
    assert [line.datagrams for line in channel.lines] == [
        len(packets) - len(lost) for lost in (lost_by_a, lost_by_b - lost_by_a)
    ]
    assert found.report.duplicates > 0


def test_what_both_lines_lose_is_told_exactly(tmp_path: Path) -> None:
    packets = list(payloads(capture(TOPS16[0])))
    lost = {number for number in range(100, len(packets), 500) if message_count(packets[number])}
    file = two_lines(tmp_path / "lines.pcap", packets, lost, lost)
    expected = [
        (first_of(packets[n]), first_of(packets[n]) + message_count(packets[n]) - 1) for n in sorted(lost)
    ]

    found = live.replayed_fast(file, TWO_LINES, routes={GROUP_A: 0, GROUP_B: 1})

    live.assert_nothing_dropped(found.report)
    assert [(gap.first, gap.last, gap.cause) for gap in found.report.gaps] == [
        (first, last, "line") for first, last in expected
    ]
    assert found.report.ledger.is_balanced
    assert found.report.ledger.lost == sum(last - first + 1 for first, last in expected)
    kept = np.concatenate([rows["seq"] for rows in found.tables.values()])
    missing = [seq for first, last in expected for seq in range(first, last + 1)]
    assert np.array_equal(np.sort(kept), np.setdiff1d(np.arange(1, 57_675), missing))


def two_lines(file: Path, packets: Sequence[bytes], lost_by_a: set[int], lost_by_b: set[int]) -> Path:
    """Write what each line carries of packets that were sent on both."""
    sent = [
        (packet, group)
        for number, packet in enumerate(packets)
        for group, lost in ((GROUP_A, lost_by_a), (GROUP_B, lost_by_b))
        if number not in lost
    ]
    return delivered.write_datagrams(file, [packet for packet, _ in sent], [group for _, group in sent])


def first_of(packet: bytes) -> int:
    return int.from_bytes(packet[24:32], "little")


def message_count(packet: bytes) -> int:
    return int.from_bytes(packet[14:16], "little")


@pytest.mark.parametrize(("name", "protocol"), [TOPS16, SNIPPET])
def test_multicast(name: str, protocol: str) -> None:
    """In a network namespace of its own, where there is nothing but loopback."""
    file = capture(name)
    program = [sys.executable, str(Path(live.__file__)), str(file), protocol, "239.1.2.3:20001"]

    done = in_network_namespace(program)

    assert done.returncode == 0, done.stderr
    of_file = delivered.read(file, protocol).report
    assert json.loads(done.stdout) == [of_file.messages, of_file.digest]


def in_network_namespace(program: Sequence[str]) -> subprocess.CompletedProcess[str]:
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if unshare is None or ip is None:
        pytest.skip("no unshare, or no ip: cannot make a network namespace")
    if subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("not permitted to make a network namespace")
    script = f"{ip} link set lo up && {ip} route add 239.0.0.0/8 dev lo && exec {shlex.join(program)}"
    return subprocess.run(
        [unshare, "-rn", "sh", "-c", script], check=False, capture_output=True, text=True, timeout=120
    )


def test_a_configuration_file_does_the_same(tmp_path: Path) -> None:
    file = tmp_path / "live.toml"
    file.write_text("""
        protocol = "itch50"
        batch = { stop_at_end_of_session = true }
        channel = [{ name = "itch", line = [{ name = "A", address = "127.0.0.1:0" }] }]
    """)

    with fh.open(file) as feed:
        (line,) = feed.addresses
        sender = Sender([(str(line.address.ip), line.address.port)])
        sender.replay(capture(SNIPPET[0]), Pacing.rate(5_000), protocol="itch50", session="MORNING")
        found = delivered.collect(feed, feed)  # ends by itself, at the end of the session

    live.assert_nothing_dropped(found.report)
    live.assert_same(found, delivered.read(capture(SNIPPET[0]), "itch50"))
    (session,) = found.report.sessions
    assert (session.id, session.first, session.last) == ("MORNING", 1, 1_000)
