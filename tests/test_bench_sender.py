"""The load of the benchmarks: a schedule that waits for nobody, told in each packet."""

import socket
import struct
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.bench.material import quotes_packet
from feedhandler.bench.sender import Options, Packet, SenderError, Sending, Stall, Target, WarmUp, send
from feedhandler.config import ChannelConfig, LineConfig, RingConfig, WireConfig
from feedhandler.errors import SendError

MESSAGES = 6
LINES = 2
CHANNELS = 2


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        yield made


def options(sink: socket.socket, **more: object) -> Options:
    to = Target(f"127.0.0.1:{sink.getsockname()[1]}")
    return msgspec.structs.replace(Options(targets=(to,), packets=(quotes_packet(MESSAGES),)), **more)


def numbers(sink: socket.socket) -> list[tuple[int, int]]:
    """Return sequence number and send time of each datagram that waits."""
    packet = quotes_packet(MESSAGES)
    found: list[tuple[int, int]] = []
    while True:
        try:
            content = sink.recv(2048)
        except BlockingIOError:
            return found
        (sequence,) = struct.unpack_from(">Q", content, packet.sequence_offset)
        (send_time_ns,) = struct.unpack_from(">Q", content, packet.send_time_offset or 0)
        found.append((sequence, send_time_ns))


def test_each_packet_carries_its_number_and_the_time_it_was_meant_to_be_sent(sink: socket.socket) -> None:
    before_ns = time.time_ns()
    sent = send(options(sink, rate=1_000.0, seconds=0.05))
    found = numbers(sink)
    assert (sent.sent, sent.scheduled, sent.packets, sent.messages) == ((50,), 50, 50, 50 * MESSAGES)
    assert [sequence for sequence, _ in found] == list(range(1, 1 + 50 * MESSAGES, MESSAGES))
    times = [send_time for _, send_time in found]
    assert {late - early for early, late in pairwise(times)} == {1_000_000}
    assert before_ns < times[0] < times[-1] < time.time_ns()
    assert sent.lateness_ns.get_total_count() == 50


def test_what_is_sent_is_a_feed_on_every_line_of_every_channel() -> None:
    lines = tuple(LineConfig(name=name, address=Address.parse("127.0.0.1:0")) for name in "AB")
    channels = tuple(ChannelConfig(name=name, lines=lines) for name in ("one", "two"))
    config = fh.Config(
        protocol=fh.protocol("msgpack"),
        channels=channels,
        wire=WireConfig(rcvbuf_bytes=4 << 20),
        ring=RingConfig(),
    )
    with fh.open(config, send_time=True) as feed:
        names = [channel.name for channel in channels]
        targets = tuple(Target(str(line.address), names.index(line.channel)) for line in feed.addresses)
        load = Options(targets=targets, packets=(quotes_packet(MESSAGES),), rate=2_000.0, seconds=0.1)
        with Sending(load) as sending:
            received = 0
            while received < 200 * MESSAGES:
                batch = feed.poll(10.0)
                assert batch is not None, f"{received} messages came, and nothing more in time"
                received += batch.size
            sent = sending.result(10.0)
        while feed.poll(0.1) is not None:
            pass
        report = feed.report()
    assert sent.sent == (100,) * CHANNELS * LINES
    assert (report.messages, report.ledger.lost, report.malformed) == (200 * MESSAGES, 0, 0)
    assert report.datagrams == sum(sent.sent)
    assert feed.latency["send"].get_min_value() > 0


def test_a_stall_of_the_sender_is_told_as_lateness_and_a_closed_loop_hides_it(sink: socket.socket) -> None:
    stalled = options(sink, rate=1_000.0, seconds=0.3, stalls=(Stall(0.1, 0.1),))
    assert send(stalled).lateness_ns.get_max_value() >= 99_000_000
    times = [send_time for _, send_time in numbers(sink)]
    assert max(late - early for early, late in pairwise(times)) == 1_000_000
    send(msgspec.structs.replace(stalled, closed_loop=True))
    times = [send_time for _, send_time in numbers(sink)]
    assert max(late - early for early, late in pairwise(times)) >= 99_000_000


def test_a_warm_up_is_told_apart(sink: socket.socket) -> None:
    sent = send(options(sink, rate=1_000.0, seconds=0.02, warm_up=WarmUp(10, 0.05)))
    assert (sent.warm_up, sent.packets, sent.sent) == ((10, 10 * MESSAGES), 20, (30,))
    assert sent.lateness_ns.get_total_count() == 20
    assert [sequence for sequence, _ in numbers(sink)] == list(range(1, 1 + 30 * MESSAGES, MESSAGES))


def test_a_listed_schedule_sends_the_packets_it_picks(sink: socket.socket, tmp_path: Path) -> None:
    (tmp_path / "offsets").write_bytes(struct.pack("<3Q", 0, 2_000_000, 2_000_000))
    (tmp_path / "picks").write_bytes(struct.pack("<3I", 1, 0, 1))
    packets = (quotes_packet(1), quotes_packet(6))
    files = {"schedule": str(tmp_path / "offsets"), "picks": str(tmp_path / "picks")}
    sent = send(options(sink, packets=packets, **files))
    assert (sent.packets, sent.messages) == (3, 13)
    assert [len(sink.recv(2048)) for _ in range(3)] == [len(packets[pick].content) for pick in (1, 0, 1)]


def test_without_a_rate_it_sends_what_the_kernel_takes_until_it_is_stopped(sink: socket.socket) -> None:
    with Sending(options(sink, seconds=60.0)) as sending:
        sink.settimeout(10.0)
        sink.recv(2048)
        sending.stop()
        sent = sending.result(10.0)
    assert sent.packets == sent.sent[0] > 0
    assert sent.elapsed_s < 60.0
    assert sent.lateness_ns.get_total_count() == 0


def test_what_cannot_be_sent_is_refused(sink: socket.socket) -> None:
    with pytest.raises(SendError, match="not this machine"):
        send(Options(targets=(Target("192.0.2.1:9"),), packets=(quotes_packet(1),)))
    with pytest.raises(ValueError, match="expected a packet of at most"):
        send(options(sink, packets=(Packet(content=bytes(10), sequence_offset=8, messages=1),)))
    with pytest.raises(ValueError, match="a rate above 0"):
        send(options(sink, rate=-1.0))
    with Sending(options(sink, rate=-1.0)) as sending, pytest.raises(SenderError, match="a rate above 0"):
        sending.result(10.0)
