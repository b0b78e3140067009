"""Live lines on 127.0.0.1: real sockets, a real sender, and where everything went."""

import asyncio
import json
import signal
import socket
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal

import market
import msgspec
import numpy as np
import pytest
import uvloop

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.config import (
    ArbitrateConfig,
    BatchConfig,
    ChannelConfig,
    LatencyConfig,
    LineConfig,
    RingConfig,
    WireConfig,
)
from feedhandler.report import parse, to_json
from replay.feed import Feed as Sending
from replay.generator import Generator
from replay.pacing import Pacing
from replay.sender import Sender

PATIENCE_S = 20.0

WAYS = [
    WireConfig(mode=mode, backend=backend)
    for mode in ("threaded", "inline")
    for backend in ("recvmmsg", "gro", "recv")
]
every_way = pytest.mark.parametrize("wire", WAYS, ids=lambda wire: f"{wire.mode}-{wire.backend}")


def config(**stages: Any) -> fh.Config:
    lines = tuple(LineConfig(name=name, address=Address.of("127.0.0.1", 0)) for name in "AB")
    stages.setdefault("arbitrate", ArbitrateConfig(grace_us=100_000))
    stages.setdefault("batch", BatchConfig(stop_at_end_of_session=True))
    channels = (ChannelConfig(name="demo", lines=lines),)
    return fh.Config(protocol=fh.protocol("msgpack"), channels=channels, **stages)


UDP_SEGMENT = 103


def destinations(feed: fh.Feed) -> list[tuple[str, int]]:
    return [(str(line.address.ip), line.address.port) for line in feed.addresses]


def packets(count: int, generator: Generator) -> list[bytes]:
    timed = generator.packets(count, start_ns=market.START_NS, interval_ns=1_000)
    return [packet for _, packet in timed]


@pytest.fixture
def watchdog() -> Iterator[None]:
    """Fails a test that hangs, wherever it hangs."""

    def ring(_number: int, _frame: object) -> None:
        raise TimeoutError(f"not done after {PATIENCE_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


pytestmark = pytest.mark.usefixtures("watchdog")


def check_whole(report: fh.Report, generator: Generator) -> None:
    assert report.messages == generator.next_sequence - 1
    assert (report.gaps, report.malformed, report.ledger.lost) == ((), 0, 0)
    assert report.ledger.is_balanced
    assert report.wire
    assert all(line.stats.socket_drops_read for line in report.wire)


@every_way
def test_two_lines_become_one_stream_without_loss(wire: WireConfig) -> None:
    generator = Generator(seed=3)
    with fh.open(config(wire=wire)) as feed:
        with Sending(generator, destinations(feed), packets_per_second=2_000, packets=400) as sending:
            seqs = []
            for batch in feed:
                seqs += [int(row["seq"]) for _, row in batch.rows()]
                if len(seqs) >= 1_600:
                    sending.stop()
        report = feed.report()
    assert seqs == list(range(1, 1_601))
    check_whole(report, generator)
    assert report.duplicates == 400


@every_way
def test_async_iteration_on_uvloop_lets_other_tasks_run(wire: WireConfig) -> None:
    generator, ticks = Generator(seed=3), 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    async def receive(feed: fh.Feed) -> int:
        other = asyncio.ensure_future(tick())
        received = 0
        async for batch in feed:
            received += batch.size
        other.cancel()
        return received

    with fh.open(config(wire=wire)) as feed:
        with Sending(generator, destinations(feed), packets_per_second=2_000) as sending:
            timer = threading.Timer(0.3, sending.stop)
            timer.start()
            received = uvloop.run(receive(feed))
        report = feed.report()
    assert received == generator.next_sequence - 1 > 0
    assert ticks >= 2
    check_whole(report, generator)


@every_way
def test_async_iteration_is_woken_by_a_datagram(monkeypatch: pytest.MonkeyPatch, wire: WireConfig) -> None:
    generator = Generator(seed=3)
    monkeypatch.setattr("feedhandler.feed._IDLE_S", 3600.0)  # who polls comes too late

    async def receive(feed: fh.Feed, sender: Sender) -> int:
        asyncio.get_running_loop().call_later(0.05, sender.queue, packets(1, generator))
        async with asyncio.timeout(60):
            async for batch in feed:
                return batch.size
        raise AssertionError("the feed ended")

    with fh.open(config(wire=wire)) as feed:
        sender = Sender(destinations(feed)[:1])
        assert uvloop.run(receive(feed, sender)) > 0


@pytest.mark.parametrize("kind", ["thread", "signal"])
@every_way
def test_a_feed_that_is_stopped_ends_its_iteration_and_loses_nothing(kind: str, wire: WireConfig) -> None:
    generator = Generator(seed=3)
    with fh.open(config(wire=wire)) as feed:
        sender = Sender(destinations(feed))
        sender.queue(packets(50, generator))
        assert sender.flush()
        if kind == "thread":
            threading.Timer(0.1, feed.stop).start()
        else:
            before = signal.signal(signal.SIGUSR1, lambda *_: feed.stop())
            threading.Timer(0.1, signal.raise_signal, (signal.SIGUSR1,)).start()
        received = sum(batch.size for batch in feed)
        assert feed.is_over
        assert feed.poll(0.0) is None
        report = feed.report()
    if kind == "signal":
        signal.signal(signal.SIGUSR1, before)
    assert received == 200
    check_whole(report, generator)


@pytest.mark.parametrize("is_asked_when_opened", [True, False])
def test_the_end_of_the_session_ends_the_iteration_only_if_asked(is_asked_when_opened: bool) -> None:
    generator = Generator(seed=3)
    configured = config(batch=BatchConfig(stop_at_end_of_session=not is_asked_when_opened))
    with fh.open(configured, stop_at_end_of_session=is_asked_when_opened) as feed:
        sender = Sender(destinations(feed))
        sender.queue([*packets(5, generator), generator.end_of_session(market.START_NS)])
        timer = threading.Timer(1.0, feed.stop)
        timer.start()
        received = sum(batch.size for batch in feed)
        assert timer.is_alive() == is_asked_when_opened
        timer.cancel()
        report = feed.report()
    assert received == 20
    check_whole(report, generator)
    assert [line.ends_of_session for line in report.ledger.channels[0].lines] == [1, 1]


def test_poll_returns_in_time_where_nothing_comes() -> None:
    with fh.open(config()) as feed:
        assert feed.poll(0.0) is None
        assert feed.poll(0.02) is None
        assert not feed.is_over


def test_a_gap_on_a_quiet_channel_is_told_when_the_grace_time_has_passed() -> None:
    generator = Generator(seed=3)
    made = packets(6, generator)
    arbitrate = ArbitrateConfig(grace_us=20_000)
    with fh.open(config(arbitrate=arbitrate, batch=BatchConfig())) as feed:
        sender = Sender(destinations(feed))
        sender.queue([made[0], made[1], made[4], made[5]])
        assert sender.flush()
        gaps: list[Any] = []
        while not gaps:
            batch = feed.poll(0.05)
            if batch is not None:
                gaps += [event for event in batch.events if event["kind"] == fh.EventKind.GAP]
        feed.stop()
        for _ in feed:
            pass
        report = feed.report()
    assert [(int(gap["first"]), int(gap["last"])) for gap in gaps] == [(9, 16)]
    assert (report.messages, report.ledger.lost) == (16, 8)
    assert report.ledger.is_balanced


def test_a_datagram_longer_than_a_slot_is_counted_and_not_decoded() -> None:
    generator = Generator(seed=3)
    packet = generator.packet(market.START_NS, messages=20)
    assert len(packet) > 256
    with fh.open(config(ring=RingConfig(slots=16, slot_bytes=256))) as feed:
        sender = Sender(destinations(feed))
        sender.queue([packet])
        assert sender.flush()
        threading.Timer(0.1, feed.stop).start()
        assert sum(batch.size for batch in feed) == 0
        report = feed.report()
    assert report.malformed_by_reason == {"datagram_cut_off": 2}
    assert report.ledger.is_balanced


@every_way
def test_a_kept_array_is_not_overwritten_by_what_comes_later(wire: WireConfig) -> None:
    generator = Generator(seed=3)
    kept, copies = [], []
    received = 0
    with (
        fh.open(config(wire=wire, ring=RingConfig(slots=64))) as feed,
        Sending(generator, destinations(feed), packets_per_second=2_000, packets=600) as sending,
    ):
        for batch in feed:
            received += batch.size
            if len(batch["quote"]):
                kept.append(batch["quote"])
                copies.append(batch["quote"].copy())
            if received >= 2_400:
                sending.stop()
    for view, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(view, copy)


@every_way
def test_latencies_are_histograms_by_stage_and_a_log(tmp_path: Path, wire: WireConfig) -> None:
    log = tmp_path / "feed.hlog"
    generator = Generator(seed=3)
    with fh.open(config(wire=wire, latency=LatencyConfig(hlog=str(log), interval_s=0.05))) as feed:
        with Sending(generator, destinations(feed), packets_per_second=1_000) as sending:
            threading.Timer(0.3, sending.stop).start()
            batches = sum(1 for _ in feed)
        report, latency = feed.report(), feed.latency
    assert set(latency) == {"wire", "decode", "batch", "total", "gil", "processor"}
    assert latency["wire"].get_total_count() == report.datagrams
    assert latency["gil"].get_total_count() == batches
    assert report.latency_ns is not msgspec.UNSET
    for stage, histogram in latency.items():
        assert report.latency_ns[stage].count == histogram.get_total_count()
        assert report.latency_ns[stage].max >= report.latency_ns[stage].p50
    lines = [line for line in log.read_text().splitlines() if line.startswith("Tag=wire,")]
    assert len(lines) >= 2


@every_way
def test_the_report_and_latencies_remain_when_the_feed_is_closed(wire: WireConfig) -> None:
    with fh.open(config(wire=wire)) as feed:
        pass
    assert feed.report().messages == 0
    assert "total" in feed.latency
    assert feed.is_over
    feed.stop()
    feed.close()
    with pytest.raises(ValueError, match="closed"):
        feed.poll(0.0)


def test_the_typed_report_loses_nothing_of_what_rust_says() -> None:
    with fh.open(config()) as feed:
        assert feed._receiver is not None
        said = feed._receiver.report()
    assert json.loads(to_json(parse(said))) == json.loads(said)


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with fh.open(config()) as feed:
        taken = feed.addresses[0].address
        line = LineConfig(name="A", address=taken)
        again = msgspec.structs.replace(config(), channels=(ChannelConfig(name="demo", lines=(line,)),))
        with pytest.raises(fh.WireError, match=f"A: cannot bind to 127.0.0.1:{taken.port}") as refused:
            fh.open(again)
    assert f"sport = :{taken.port}" in refused.value.remedy


@every_way
def test_live_equals_file(tmp_path: Path, wire: WireConfig) -> None:
    generator = market.write_capture(tmp_path / "day.pcap", packets=500)
    reader = fh.read(tmp_path / "day.pcap", "msgpack", channels=market.CHANNELS)
    from_file = np.concatenate([batch["quote"] for batch in reader])
    with fh.open(config(wire=wire)) as feed:
        sender = Sender(routes=list(zip(market.LINES, destinations(feed), strict=True)))
        thread = threading.Thread(target=sender.replay, args=(tmp_path / "day.pcap", Pacing.rate(4_000)))
        thread.start()
        live = np.concatenate([batch["quote"] for batch in feed])
        thread.join()
        report = feed.report()
    check_whole(report, generator)
    assert report.digest == reader.report().digest
    assert report.sessions == reader.report().sessions
    for column in live.dtype.names or ():
        if column != "ts_recv_ns":
            np.testing.assert_array_equal(live[column], from_file[column])


@every_way
def test_datagrams_of_another_source_are_counted_and_not_decoded(wire: WireConfig) -> None:
    generator = Generator(seed=3)
    made = packets(20, generator)
    line = LineConfig(name="A", address=Address.of("127.0.0.1", 0), sources=(IPv4Address("127.0.0.2"),))
    feeds = msgspec.structs.replace(config(wire=wire), channels=(ChannelConfig(name="demo", lines=(line,)),))
    with fh.open(feeds) as feed:
        (to,) = destinations(feed)
        for source, sent in (("127.0.0.3", made[5:]), ("127.0.0.2", made[:10]), ("127.0.0.1", made)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((source, 0))
                for packet in sent:
                    sender.sendto(packet, to)
        feed.stop()
        messages = sum(batch.size for batch in feed)
        report = feed.report()
    ((counted,),) = (channel.lines for channel in report.ledger.channels)
    assert (counted.datagrams, counted.accepted, counted.other_source) == (45, 10, 35)
    assert messages == report.messages == 40
    assert (report.gaps, report.malformed, report.ledger.is_balanced) == ((), 0, True)
    assert report.wire
    assert report.wire[0].sources == ("127.0.0.2",)


@pytest.mark.parametrize("mode", ["threaded", "inline"])
def test_coalesced_datagrams_are_delivered_as_those_they_were(mode: Literal["threaded", "inline"]) -> None:
    """Sent as one that the kernel is to divide, and taken as one that it did not."""
    heartbeat = Generator(seed=3).heartbeat(market.START_NS)
    with fh.open(config(wire=WireConfig(mode=mode, backend="gro"))) as feed:
        (to, _) = destinations(feed)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_UDP, UDP_SEGMENT, len(heartbeat))
            for count in (40, 20):
                sender.sendto(heartbeat * count, to)
        feed.stop()
        for _ in feed:
            pass
        report = feed.report()
    assert report.wire
    assert (report.wire[0].coalesced, report.wire[0].stats.coalesced) == (True, 60)
    assert (report.datagrams, report.malformed_by_reason) == (60, {})
    assert report.heartbeats == 60
    assert report.latency_ns
    assert report.latency_ns["wire"].count == 60
