"""Our captures, read by Wireshark's programs where they are installed."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import blocks
import delivered
import live
import market
import msgspec
import pytest
from numbered import PROTOCOL
from test_back_pressure import Line

import feedhandler as fh
from feedhandler.captured import CaptureTo
from feedhandler.config import RingConfig, WireConfig
from replay import Pacing

SUFFIXES = (".pcapng", ".pcapng.zst")


def wireshark(program: str, *arguments: str | Path) -> str:
    """Return what one of Wireshark's programs says; skips the test where it is not installed."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program}: it comes with Wireshark")
    done = subprocess.run([found, *arguments], check=False, capture_output=True, text=True, timeout=60)
    warnings = [line for line in done.stderr.splitlines() if not line.startswith("Running as user")]
    assert (done.returncode, warnings) == (0, [])
    return done.stdout


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tshark_counts_the_same_packets_on_the_same_interfaces(tmp_path: Path, suffix: str) -> None:
    market.write_capture(tmp_path / "day.pcap")
    out = tmp_path / f"out{suffix}"
    routes = {line: number for number, line in enumerate(market.LINES)}
    configuration = live.config("msgpack", [live.ANY_PORT] * 2)
    live.replayed(
        tmp_path / "day.pcap", configuration, Pacing.rate(4_000), routes=routes, kept=CaptureTo(str(out))
    )
    checks = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    fields = ["frame.interface_name", "frame.interface_description", "frame.time_epoch", "udp.length"]
    fields += ["ip.checksum.status", "udp.checksum.status", "_ws.malformed"]
    told = wireshark("tshark", "-r", out, *checks, "-T", "fields", *(f"-e{field}" for field in fields))
    rows = [line.split("\t") for line in told.splitlines()]
    read = [packet.fields for packet in blocks.read(out) if packet.kind == blocks.PACKET]
    assert [int(row[2].replace(".", "")) for row in rows] == [
        int.from_bytes(fields[4:8], "little") << 32 | int.from_bytes(fields[8:12], "little")
        for fields in read
    ]
    lines = fh.capture.info(out).capture.interfaces
    assert Counter((row[0], row[1]) for row in rows) == {
        (line.name, line.description): line.received for line in lines
    }
    good = {("1", "1", "")}
    assert {tuple(row[4:]) for row in rows} == good


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tshark_and_capinfos_see_drops_and_interfaces(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    configuration = msgspec.structs.replace(
        live.config(PROTOCOL, wire=WireConfig(rcvbuf_bytes=4096)), ring=RingConfig(slots=64)
    )
    with fh.open(configuration, capture=out) as feed, Line(feed) as line:
        line.send(1_000)
        while (report := feed.report()).datagrams + live.dropped(report) < 1_000:
            feed.poll(0.05)
        line.send(1)
        feed.stop()
        found = delivered.collect(feed, feed)
    drops = live.dropped(found.report)
    assert drops > 0
    told = wireshark("tshark", "-r", out, "-T", "fields", "-e", "frame.number", "-e", "frame.drop_count")
    counts = [
        int(line.split("\t")[1]) for line in told.splitlines() if line.split("\t")[1:] not in ([], [""])
    ]
    assert sum(counts) == drops
    infos = wireshark("capinfos", out)
    assert f"Number of packets:   {found.report.datagrams}" in infos
    assert "Name = channel A" in infos
    assert "Capture application: feedhandler " in infos
    assert "Strict time order:   True" in infos
