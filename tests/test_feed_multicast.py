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


def test_two_groups_on_one_port_are_two_lines_and_a_third_does_not_leak_in(tmp_path: Path) -> None:
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if unshare is None or ip is None:
        pytest.skip("no unshare or no ip: cannot make a network namespace")
    if subprocess.run([unshare, "-rn", ip, "link"], check=False, capture_output=True).returncode != 0:
        pytest.skip("not permitted to make a network namespace")
    market.write_capture(tmp_path / "day.pcap")
    (tmp_path / "feed.toml").write_text(CONFIG)
    reader = fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS)
    for _ in reader:
        pass
    arguments = [str(tmp_path / "feed.toml"), str(tmp_path / "day.pcap")]
    program = [unshare, "-rn", sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"303 202 400 100\n0 True {reader.report().digest}\n", done.stderr
