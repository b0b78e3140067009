"""Captured live lines: what comes in goes into the files, as it came, and what does not is counted."""

import json
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import blocks
import delivered
import live
import market
import msgspec
import numpy as np
import pytest
from captures import capture
from numbered import PROTOCOL
from test_back_pressure import Line
from test_cli import COMMAND, OWN_HOST, PORTS, call, is_bound, on_terminal, running, wait_until
from test_cli import live as live_lines
from test_feed_multicast import permitted

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.capture import info
from feedhandler.capture_index import read_index
from feedhandler.captured import Captured, CaptureTo
from feedhandler.config import ChannelConfig, LineConfig, RingConfig, WireConfig
from feedhandler.verify import verify
from replay import Pacing, Sender

SUFFIXES = (".pcapng", ".pcapng.zst")
ROUTES = {line: number for number, line in enumerate(market.LINES)}
IFRECV, IFDROP, FILTERACCEPT, OSDROP, USRDELIV = 4, 5, 6, 7, 8


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.pcap"
    market.write_capture(path, lost_on_a=[7], lost_on_b=[9, 33])
    return path


def two_lines(**options: Any) -> fh.Config:
    return msgspec.structs.replace(live.config("msgpack", [live.ANY_PORT] * 2), **options)


def captured(report: fh.Report) -> Captured:
    assert isinstance(report.captured, Captured)
    found = report.captured
    told = found.captured + found.other_source + found.after_limit + found.queue_full + found.disk
    assert found.datagrams == told + found.pending == report.datagrams
    return found


def lines_of(path: Path) -> Mapping[str, Sequence[str]]:
    """Return the channel of a capture, by its interfaces."""
    return {"channel": [str(interface.description) for interface in info(path).capture.interfaces]}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_two_lines_are_decoded_from_the_capture_as_from_what_was_replayed(
    day: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"out{suffix}"
    original = delivered.read(day, "msgpack", channels=market.CHANNELS)

    found = live.replayed(day, two_lines(), Pacing.original(), routes=ROUTES, kept=CaptureTo(str(out)))

    live.assert_nothing_dropped(found.report)
    live.assert_same(found, original)
    live.assert_same(delivered.read(out, "msgpack", channels=lines_of(out)), original)
    kept = captured(found.report)
    assert kept.is_complete
    (file,) = kept.files
    assert (file.packets, file.bytes) == (found.report.datagrams, out.stat().st_size)
    assert file.content is not None
    assert file.content.digest == original.report.digest
    verdict = verify(out)
    assert (verdict.state, verdict.packets, verdict.content) == ("agrees", file.packets, file.content)
    assert verdict.trailer is not None
    assert verdict.trailer.feed == file.content


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("iex/TOPS16.pcapng.gz", "iex-tops"), ("itch/12302019_SNIPPET.NASDAQ_ITCH50", "itch50")],
)
@pytest.mark.parametrize("backend", ["recvmmsg", "gro", "recv"])
def test_a_real_feed_has_its_digest_and_its_times_in_the_capture(
    tmp_path: Path, name: str, protocol: str, backend: Any
) -> None:
    out = tmp_path / "out.pcapng.zst"
    configuration = live.config(protocol, wire=WireConfig(backend=backend))

    found = live.replayed(capture(name), configuration, Pacing.rate(20_000), kept=CaptureTo(str(out)))

    assert captured(found.report).is_complete
    verdict = verify(out)
    assert verdict.state == "agrees"
    if live.dropped(found.report) == 0:
        assert verdict.content.digest == found.report.digest
        read = delivered.read(out, protocol)
        for table, rows in found.tables.items():  # on one line, times are those of the same datagrams
            np.testing.assert_array_equal(rows["ts_recv_ns"], read.tables[table]["ts_recv_ns"])


def test_a_feed_that_is_left_in_its_midst_leaves_a_closed_file(tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    with fh.open(live.config(PROTOCOL), capture=out) as feed, Line(feed) as line:
        line.send(10)
        for batch in feed:
            assert batch.size
            break
    assert captured(feed.report()).is_complete
    assert verify(out, protocol=PROTOCOL).state == "agrees"


def test_exactly_as_many_packets_as_were_asked_for_are_captured(tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    target = CaptureTo(str(out), max_packets=7)
    with fh.open(live.config(PROTOCOL), capture=target) as feed, Line(feed) as line:
        line.send(20)
        found = delivered.collect(feed, feed)
    kept = captured(found.report)
    assert (kept.captured, kept.after_limit) == (7, kept.datagrams - 7)
    verdict = verify(out, protocol=PROTOCOL)
    assert (verdict.state, verdict.packets) == ("agrees", 7)


def test_what_was_dropped_is_told_with_the_packet_behind_it_and_in_the_statistics(tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    configuration = msgspec.structs.replace(
        live.config(PROTOCOL, wire=WireConfig(rcvbuf_bytes=4096)), ring=RingConfig(slots=64)
    )
    with fh.open(configuration, capture=out) as feed, Line(feed) as line:
        line.send(2_000)  # nobody reads: the ring is full, then the socket
        while (report := feed.report()).datagrams + live.dropped(report) < 2_000:
            feed.poll(0.05)
        line.send(5)
        feed.stop()
        found = delivered.collect(feed, feed)
    kept, drops = captured(found.report), live.dropped(found.report)
    assert (kept.captured + drops, drops > 0) == (2_005, True)
    written = blocks.read(out)
    counted = blocks.statistics(written)[0]
    assert blocks.dropped(written)[0] == drops
    assert {code: counted[code] for code in (IFRECV, IFDROP, FILTERACCEPT, OSDROP, USRDELIV)} == {
        IFRECV: 2_005,
        IFDROP: drops,
        FILTERACCEPT: 2_005,
        OSDROP: drops,
        USRDELIV: kept.captured,
    }
    verdict = verify(out, protocol=PROTOCOL)
    assert (verdict.state, verdict.content.digest) == ("agrees", found.report.digest)
    assert verdict.trailer is not None
    assert verdict.trailer.missing == {"socket_buffer": drops, "ring_full": 0, "queue_full": 0, "disk": 0}


def test_who_sent_what_to_whom_is_in_the_capture_and_other_senders_are_not(tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    names = (("v4", "127.0.0.1:0", "127.0.0.7"), ("v6", "[::1]:0", "::1"))
    lines = tuple(
        LineConfig(name=name, address=Address.parse(address), sources=(Address.of(source, 1).ip,))
        for name, address, source in names
    )
    configuration = fh.Config(
        protocol=fh.protocol(PROTOCOL),
        channels=tuple(ChannelConfig(name=f"of {each.name}", lines=(each,)) for each in lines),
    )
    with fh.open(configuration, capture=out) as feed:
        senders = []
        for bound, source in zip(feed.addresses, ("127.0.0.7", "::1"), strict=True):
            address = (str(bound.address.ip), bound.address.port)
            family = socket.AF_INET6 if ":" in source else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.bind((source, 0))
                sender.sendto(b"not of the protocol", address)
                senders.append((sender.getsockname()[:2], address))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"stranger", senders[0][1])
        feed.stop()
        found = delivered.collect(feed, feed)
    kept = captured(found.report)
    assert (kept.captured, kept.other_source) == (2, 1)
    written = blocks.read(out)
    frames = [block.fields[20:] for block in written if block.kind == blocks.PACKET]
    seen = {
        (socket.inet_ntop(family, frame[at : at + size]), int.from_bytes(frame[at + 2 * size :][:2], "big"))
        for frame in frames
        for family, at, size in [
            (socket.AF_INET, 26, 4) if frame[12:14] == b"\x08\x00" else (socket.AF_INET6, 22, 16)
        ]
    }
    assert seen == {sender for sender, _ in senders}
    counted = blocks.statistics(written)[0]
    assert (counted[IFRECV], counted[FILTERACCEPT], counted[IFDROP]) == (2, 1, 0)
    interfaces = info(out).capture.interfaces
    assert [interface.name for interface in interfaces] == ["of v4 v4", "of v6 v6"]
    assert str(interfaces[0].description).endswith(" from 127.0.0.7")


def test_a_datagram_longer_than_a_slot_is_in_the_capture_as_cut_off(tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    configuration = msgspec.structs.replace(live.config(PROTOCOL), ring=RingConfig(slot_bytes=100))
    with fh.open(configuration, capture=out) as feed, Line(feed) as line:
        line.send(1)
        line.socket.send(bytes(500))
        line.send(1)
        feed.stop()
        found = delivered.collect(feed, feed)
    assert (captured(found.report).captured, info(out).capture.snapped) == (3, 1)
    verdict = verify(out, protocol=PROTOCOL)
    assert (verdict.state, verdict.content.digest) == ("agrees", found.report.digest)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_rotate_by_size_and_each_is_whole_in_itself(tmp_path: Path, suffix: str) -> None:
    first = tmp_path / f"out{suffix}"
    target = CaptureTo(str(first), rotate_bytes=10_000, flush_s=0.001)
    with fh.open(live.config(PROTOCOL), capture=target) as feed, Line(feed) as line:
        messages = 0
        while messages < 2_000:
            line.send(50)
            batch = feed.poll(1.0)
            messages += batch.size if batch else 0
        feed.stop()
        found = delivered.collect(feed, feed)
    kept = captured(found.report)
    assert kept.is_complete
    assert len(kept.files) > 2
    assert [Path(file.path).name for file in kept.files] == [
        f"out.{number:04}{suffix}" for number in range(1, len(kept.files) + 1)
    ]
    verdicts = [verify(file.path, protocol=PROTOCOL) for file in kept.files]
    assert {verdict.state for verdict in verdicts} == {"agrees"}
    assert sum(verdict.packets for verdict in verdicts) == kept.captured == found.report.datagrams
    # One line, and nothing lost: digests of parts add up to that of the whole.
    digests = sum(int(verdict.content.digest, 16) for verdict in verdicts) % (1 << 64)
    assert f"{digests:016x}" == found.report.digest
    trailer = verdicts[-1].trailer
    assert trailer is not None
    assert trailer.feed.digest == found.report.digest


def test_files_rotate_by_age_with_the_next_packet(tmp_path: Path) -> None:
    target = CaptureTo(str(tmp_path / "out.pcapng"), rotate_s=0.02, flush_s=0.001)
    with fh.open(live.config(PROTOCOL), capture=target) as feed, Line(feed) as line:
        while len(captured(feed.report()).files) < 3:
            line.send(1)
            feed.poll(0.01)
        feed.stop()
        found = delivered.collect(feed, feed)
    kept = captured(found.report)
    assert kept.is_complete
    assert all(file.packets > 0 for file in kept.files)


def test_sighup_begins_another_file(day: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "feed.toml", tmp_path / "out.pcapng"
    config.write_text(live_lines(*PORTS, OWN_HOST))
    to = [(OWN_HOST, port) for port in PORTS]
    with running("capture", config, out, "--flush-seconds", "0.01", "--json") as process:
        wait_until(lambda: all(map(is_bound, PORTS)))
        wait_until(lambda: catches(process.pid, signal.SIGHUP))
        Sender(routes=list(zip(market.LINES, to, strict=True))).replay(day, Pacing.rate(4_000))
        wait_until(lambda: (tmp_path / "out.pcapng.idx").read_text().count("\n") > 1)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: fh_is_closed(out))
        Sender(to).replay(day, Pacing.rate(4_000))
        wait_until((tmp_path / "out.0002.pcapng").exists)
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    files = json.loads(printed)["captured"]["files"]
    assert [Path(file["path"]).name for file in files] == ["out.pcapng", "out.0002.pcapng"]
    assert [verify(file["path"]).state for file in files] == ["agrees", "agrees"]


def fh_is_closed(path: Path) -> bool:
    return fh.capture.is_closed(path)


def catches(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask.split()[1], 16) >> (number - 1) & 1)


def test_on_a_terminal_the_live_view_tells_what_is_captured(tmp_path: Path) -> None:
    (tmp_path / "feed.toml").write_text(live_lines())
    out = tmp_path / "out.pcapng"
    told = on_terminal([COMMAND, "capture", tmp_path / "feed.toml", out, "--duration", "1"])
    for said in ("messages/s", "not written", "on the way"):
        assert said in told


def test_the_command_says_which_files_there_are_and_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "feed.toml").write_text(live_lines())
    out = tmp_path / "out.pcapng"
    out.touch()
    done = call("capture", tmp_path / "feed.toml", out, "--duration", "0")
    assert done.stderr == (
        f"feedhandler: {out} is there already, and was not closed: feedhandler verify tells what is in it; "
        f"writing to {tmp_path / 'out.0002.pcapng'}\n"
    )
    for said in (
        "captured     0 of 0 datagrams",
        "not written  0",
        "out.0002.pcapng",
        "0000000000000000",
        "yes",
    ):
        assert said in done.stdout
    refused = call("capture", tmp_path / "feed.toml", tmp_path / "out.pcap", check=1)
    assert refused.stderr.startswith(
        f"feedhandler: {tmp_path / 'out.pcap'}: cannot be written: expected the name"
    )


def test_files_that_are_there_are_left_as_they_are(day: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    out.write_bytes(b"whatever it is")
    found = live.replayed(day, two_lines(), Pacing.max(), routes=ROUTES, kept=CaptureTo(str(out)))
    kept = captured(found.report)
    assert out.read_bytes() == b"whatever it is"
    assert kept.previous is not None
    assert (kept.previous.path, kept.previous.is_closed) == (str(out), False)
    assert [file.path for file in kept.files] == [str(tmp_path / "out.0002.pcapng")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.pcap", "cannot be written: expected the name of a file that ends in .pcapng or .pcapng.zst"),
        ("no/out.pcapng", "cannot be written: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_made_is_refused_at_once(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(fh.CaptureError, match=said):
        fh.open(two_lines(), capture=tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_index_leads_to_times_and_to_sequence_numbers(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    target = CaptureTo(str(out), flush_s=0.001)
    with fh.open(live.config(PROTOCOL), capture=target) as feed, Line(feed) as line:
        while len(read_index(out).entries) < 10:
            line.send(20)
            feed.poll(0.01)
        feed.stop()
        delivered.collect(feed, feed)
    index, written, whole = read_index(out), blocks.read(out), blocks.plain(out)
    packets = [block for block in written if block.kind == blocks.PACKET]
    rows = delivered.read(out, PROTOCOL).rows("number")
    assert sum(entry.packets for entry in index.entries) == len(packets) == len(rows)
    for entry in index.entries:
        first = rows[entry.packet]
        sequence, ts_ns = first[0], first[1]
        assert packets[entry.packet].offset == entry.offset
        assert (index.at_sequence("channel", sequence), index.at_time(ts_ns)) == (entry, entry)
        if suffix == ".pcapng.zst":
            tail = blocks.decompressed(out.read_bytes()[entry.file_offset :])
            assert tail == whole[entry.offset :]
        else:
            assert entry.file_offset == entry.offset
    assert index.at_time(rows[-1][1] + 1) is None
    (tmp_path / "none.idx").write_text('{"offset":0}\n')
    with pytest.raises(fh.CaptureError, match="expected the index of a capture"):
        read_index(tmp_path / "none.idx")


MULTICAST = """
import subprocess, sys, threading
subprocess.run(["ip", "link", "set", "lo", "up", "multicast", "on"], check=True)

import feedhandler as fh
from feedhandler.verify import verify
from replay.pacing import Pacing
from replay.sender import Sender

with fh.open(sys.argv[1], capture=sys.argv[3]) as feed:
    sender = Sender(routes=list(zip(
        [("239.1.1.1", 20001), ("239.1.1.2", 20002)],
        [("239.255.7.1", 20001), ("239.255.7.2", 20001)],
    )), interface="lo")
    thread = threading.Thread(target=sender.replay, args=(sys.argv[2], Pacing.rate(4000)))
    thread.start()
    for batch in feed:
        pass
    thread.join()
verdict = verify(sys.argv[3])
print(feed.report().digest, verdict.state, verdict.packets, verdict.content.digest)
"""


def test_multicast_groups_are_captured_as_groups(day: Path, tmp_path: Path) -> None:
    unshare = permitted()
    from test_feed_multicast import CONFIG  # noqa: PLC0415 — beside its use

    out = tmp_path / "out.pcapng"
    (tmp_path / "feed.toml").write_text(CONFIG)
    digest = delivered.read(day, "msgpack", channels=market.CHANNELS).report.digest
    arguments = [str(tmp_path / "feed.toml"), str(day), str(out)]
    program = [unshare, "-rn", sys.executable, "-c", textwrap.dedent(MULTICAST), *arguments]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{digest} agrees 199 {digest}\n", done.stderr
    streams = info(out).streams
    assert [(stream.address, stream.port) for stream in streams] == [
        ("239.255.7.1", 20001),
        ("239.255.7.2", 20001),
    ]
    assert [interface.description for interface in info(out).capture.interfaces] == [
        "239.255.7.1:20001 on lo",
        "239.255.7.2:20001 on lo",
    ]
    frames = [block.fields[20:26] for block in blocks.read(out) if block.kind == blocks.PACKET]
    assert set(frames) == {bytes.fromhex("01005e7f0701"), bytes.fromhex("01005e7f0702")}
