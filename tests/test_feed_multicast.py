"""Multicast lines, in a network namespace of the test's own, where there is nothing but loopback."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import market
import pytest

import feedhandler as fh

PROGRAM = """
import subprocess, sys, threading
subprocess.run(["ip", "link", "set", "lo", "up", "multicast", "on"], check=True)

import feedhandler as fh
from replay.pacing import Pacing
from replay.sender import Sender

with fh.open(sys.argv[1]) as feed:
    sender = Sender(routes=list(zip(
        [("239.1.1.1", 20001), ("239.1.1.2", 20002), ("239.1.1.1", 20001)],
        [("239.255.7.1", 20001), ("239.255.7.2", 20001), ("239.255.7.3", 20001)],
    )), interface="lo")
    thread = threading.Thread(target=sender.replay, args=(sys.argv[2], Pacing.rate(4000)))
    thread.start()
    for batch in feed:
        pass
    thread.join()
    report = feed.report()
print(sender.sent().packets, report.datagrams, report.messages, report.duplicates)
print(report.ledger.lost, report.ledger.is_balanced, report.digest)
"""

CONFIG = """
protocol = "msgpack"
[wire]
interface = "lo"
[arbitrate]
grace_us = 100_000
[batch]
stop_at_end_of_session = true
[[channel]]
name = "demo"
[[channel.line]]
name = "A"
address = "239.255.7.1:20001"
[[channel.line]]
name = "B"
address = "239.255.7.2:20001"
"""


DISTURBED = """
import subprocess, sys, threading
subprocess.run(["ip", "link", "set", "lo", "up", "multicast", "on"], check=True)

import feedhandler as fh
from replay.pacing import Pacing
from replay.sender import Sender

with fh.open(sys.argv[1]) as feed:
    sender = Sender(routes=list(zip(
        [("239.1.1.1", 20001), ("239.1.1.2", 20002)],
        [("239.255.7.1", 20001), ("239.255.7.2", 20001)],
    )), interface="lo")
    thread = threading.Thread(target=sender.replay, args=(sys.argv[2], Pacing.original()))
    thread.start()
    for batch in feed:
        pass
    thread.join()
    report = feed.report()
(channel,) = report.ledger.channels
a, b = (line.units for line in channel.lines)
print(a.missed, b.missed, a.saved, b.saved, channel.units.lost, report.ledger.mismatches)
print(channel.lines[1].skew_ns.p50 >= 1_000_000, report.digest)
"""


def test_two_lines_of_different_delay_and_loss_deliver_what_the_undisturbed_file_does(tmp_path: Path) -> None:
    unshare = permitted()
    market.write_capture(tmp_path / "whole.pcap", 600)
    lost_on_a, lost_on_b = range(5, 600, 7), [number for number in range(3, 600, 11) if number % 7 != 5]
    market.write_capture(
        tmp_path / "day.pcap", 600, lost_on_a=lost_on_a, lost_on_b=lost_on_b, lag_ns=3_000_000
    )
    (tmp_path / "feed.toml").write_text(CONFIG)
    reader = fh.read(tmp_path / "whole.pcap", "msgpack", channels=market.CHANNELS)
    for _ in reader:
        pass
    arguments = [str(tmp_path / "feed.toml"), str(tmp_path / "day.pcap")]
    program = [unshare, "-rn", sys.executable, "-c", textwrap.dedent(DISTURBED), *arguments]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    a, b = 4 * len(lost_on_a), 4 * len(lost_on_b)
    assert done.stdout == f"{a} {b} {b} {a} 0 0\nTrue {reader.report().digest}\n", done.stderr


def permitted() -> str:
    """Return the program that makes a network namespace; skips the test where it may not."""
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if unshare is None or ip is None:
        pytest.skip("no unshare or no ip: cannot make a network namespace")
    if subprocess.run([unshare, "-rn", ip, "link"], check=False, capture_output=True).returncode != 0:
        pytest.skip("not permitted to make a network namespace")
    return unshare


def test_two_groups_on_one_port_are_two_lines_and_a_third_does_not_leak_in(tmp_path: Path) -> None:
    unshare = permitted()
    market.write_capture(tmp_path / "day.pcap")
    (tmp_path / "feed.toml").write_text(CONFIG)
    reader = fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS)
    for _ in reader:
        pass
    arguments = [str(tmp_path / "feed.toml"), str(tmp_path / "day.pcap")]
    program = [unshare, "-rn", sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"303 202 400 100\n0 True {reader.report().digest}\n", done.stderr
