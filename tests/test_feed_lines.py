"""Two lines over links of their own that fail, delay and lose, in a network namespace of the test's own."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SETUP = """
for line in la lb; do
  ip link add $line type veth peer name $line-far
  for end in $line $line-far; do
    echo 0 > /proc/sys/net/ipv4/conf/$end/rp_filter
    echo 1 > /proc/sys/net/ipv4/conf/$end/accept_local
    ip link set $end up
  done
done
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
ip address add 10.1.0.1/24 dev la && ip address add 10.1.0.2/24 dev la-far
ip address add 10.2.0.1/24 dev lb && ip address add 10.2.0.2/24 dev lb-far
ip link set lo up
"""

PROGRAM = """
import subprocess, sys, time
import feedhandler as fh
from replay.generator import Generator
from replay.sender import Sender

generator = Generator(seed=3)
a = Sender([("232.1.1.1", 20001)], interface="la-far")
b = Sender([("232.1.1.2", 20001)], interface="lb-far")
clock = 1_700_000_000_000_000_000

def packet():
    global clock
    clock += 1_000_000
    return generator.packet(clock)

def sh(command):
    subprocess.run(command.split(), check=True)

def send(packets, *senders):
    for sender in senders:
        sender.queue(packets)
    for sender in senders:
        sender.flush()

def seqs(feed, until):
    seen = []
    deadline = time.monotonic() + 30
    while (not seen or seen[-1] < until) and time.monotonic() < deadline:
        batch = feed.poll(0.05)
        if batch is not None:
            seen += [int(row["seq"]) for _, row in batch.rows()]
    return seen

def heard(feed, line):
    (channel,) = feed.report().ledger.channels
    return channel.lines[line].datagrams

def heard_again(feed, line, sender):
    before, deadline = heard(feed, line), time.monotonic() + 30
    while heard(feed, line) == before:
        assert time.monotonic() < deadline, "the line is not heard again"
        send([generator.heartbeat(clock)], sender)
        feed.poll(0.01)

with fh.open(sys.argv[1]) as feed:
    heard_again(feed, 0, a)
    heard_again(feed, 1, b)
{story}
    feed.stop()
    for _ in feed:
        pass
    report = feed.report()
(channel,) = report.ledger.channels
print(report.ledger.lost, len(report.gaps), report.ledger.is_balanced, report.malformed)
"""

DIES_AND_COMES_BACK = """
    send([packet() for _ in range(50)], a, b)
    assert seqs(feed, 200) == list(range(1, 201))
    sh("ip link set la down")
    alive = heard(feed, 0)
    send([packet() for _ in range(50)], b)
    assert seqs(feed, 400) == list(range(201, 401))
    assert heard(feed, 0) == alive
    sh("ip link set la up")
    heard_again(feed, 0, a)
    sh("ip link set lb down")
    send([packet() for _ in range(50)], a)
    assert seqs(feed, 600) == list(range(401, 601))
"""

DELAYS_AND_LOSES = """
    sh("tc qdisc add dev la-far root netem delay 3ms loss 20%")
    sh("tc qdisc add dev lb-far root netem delay 8ms 2ms")
    send([packet() for _ in range(300)], a, b)
    assert seqs(feed, 1200) == list(range(1, 1201))
    assert heard(feed, 0) < 300
"""

LOSE_OTHER_PACKETS = """
    made = [packet() for _ in range(350)]
    for first in range(0, 350, 10):
        ten = list(enumerate(made[first:first + 10], first + 1))
        send([each for n, each in ten if n % 5], a)
        time.sleep(0.002)  # B is that much later
        send([each for n, each in ten if n % 7], b)
    send([generator.heartbeat(clock)], a, b)
    lost = {seq for n in range(35, 351, 35) for seq in range(4 * n - 3, 4 * n + 1)}
    assert seqs(feed, 1396) == [seq for seq in range(1, 1401) if seq not in lost]
    assert (heard(feed, 0) >= 280, heard(feed, 1) >= 300) == (True, True)
"""

CONFIG = """
protocol = "msgpack"
wire = { mode = "MODE", backend = "BACKEND" }
arbitrate = { grace_us = 300_000 }
[[channel]]
name = "demo"
line = [
    { name = "A", address = "232.1.1.1:20001", interface = "la", source = "10.1.0.2" },
    { name = "B", address = "232.1.1.2:20001", interface = "lb", source = "10.2.0.2" },
]
"""


def outcome(folder: Path, story: str, mode: str, backend: str) -> str:
    """Return what is left of a story, told in a namespace with the lines' links."""
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if unshare is None or ip is None:
        pytest.skip("no unshare or no ip: cannot make a network namespace")
    begin = "set -e\n" + SETUP
    if subprocess.run([unshare, "-rn", "sh", "-c", begin], check=False, capture_output=True).returncode != 0:
        pytest.skip("not permitted to make a network namespace and its links")
    (folder / "feed.toml").write_text(CONFIG.replace("MODE", mode).replace("BACKEND", backend))
    (folder / "story.py").write_text(textwrap.dedent(PROGRAM).replace("{story}", story))
    script = f'{begin}\nexec "$0" "$@"'
    program = [sys.executable, str(folder / "story.py"), str(folder / "feed.toml")]
    done = subprocess.run(
        [unshare, "-rn", "sh", "-c", script, *program],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ways = pytest.mark.parametrize(
    ("mode", "backend"),
    [("threaded", "recvmmsg"), ("inline", "recvmmsg"), ("threaded", "gro"), ("inline", "recv")],
)


@ways
def test_a_line_that_dies_and_comes_back(tmp_path: Path, mode: str, backend: str) -> None:
    assert outcome(tmp_path, DIES_AND_COMES_BACK, mode, backend) == "0 0 True 0\n"


@ways
def test_lines_that_lose_other_packets_lose_only_what_both_lost(
    tmp_path: Path, mode: str, backend: str
) -> None:
    assert outcome(tmp_path, LOSE_OTHER_PACKETS, mode, backend) == "40 10 True 0\n"


@ways
def test_two_lines_with_different_delay_and_loss(tmp_path: Path, mode: str, backend: str) -> None:
    tc = shutil.which("tc")
    probe = "ip link set lo up && tc qdisc add dev lo root netem delay 1ms"
    if (
        tc is None
        or subprocess.run(["unshare", "-rn", "sh", "-c", probe], check=False, capture_output=True).returncode
    ):
        pytest.skip("no tc netem here")
    assert outcome(tmp_path, DELAYS_AND_LOSES, mode, backend) == "0 0 True 0\n"
