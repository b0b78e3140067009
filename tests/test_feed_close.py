"""What closing a feed leaves behind, and what a feed is to other threads and processes."""

import asyncio
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path

import market
import msgspec
import pytest
from forked import in_child

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.config import BatchConfig, ChannelConfig, LatencyConfig, LineConfig, RingConfig, WireConfig
from replay.generator import Generator
from replay.sender import Sender

PATIENCE_S = 20.0
LONG_SLEEP_US = 1_000_000

MODES = [WireConfig(mode=mode) for mode in ("threaded", "inline")]
every_mode = pytest.mark.parametrize("wire", MODES, ids=lambda wire: wire.mode)


def config(wire: WireConfig = MODES[0], *, line: LineConfig | None = None) -> fh.Config:
    line = line or LineConfig(name="A", address=Address.of("127.0.0.1", 0))
    channels = (ChannelConfig(name="demo", lines=(line,)),)
    return fh.Config(protocol=fh.protocol("msgpack"), channels=channels, wire=wire)


def destinations(feed: fh.Feed) -> list[tuple[str, int]]:
    return [(str(line.address.ip), line.address.port) for line in feed.addresses]


def is_open(address: tuple[str, int]) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        try:
            other.bind(address)
        except OSError:
            return True
        return False


def send(feed: fh.Feed, packets: int) -> int:
    """Send packets of a generator; returns how many messages were in them."""
    generator = Generator(seed=3)
    sender = Sender(destinations(feed))
    sender.queue([packet for _, packet in generator.packets(packets, start_ns=0, interval_ns=1)])
    assert sender.flush()
    return generator.next_sequence - 1


def receive(feed: fh.Feed, messages: int) -> None:
    received = 0
    while received < messages:
        batch = feed.poll(PATIENCE_S)
        assert batch is not None, f"{received} messages came, and nothing more in time"
        received += batch.size


@every_mode
def test_a_feed_is_closed_though_an_exception_is_still_alive(wire: WireConfig) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with fh.open(config(wire)) as feed:
            (address,) = destinations(feed)
            main = threading.main_thread().ident or 0
            threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1)).start()
            for _ in feed:
                pass
    except KeyboardInterrupt as error:
        still_open = is_open(address)
        del error
    assert not still_open
    signal.signal(signal.SIGUSR1, before)


@every_mode
def test_a_feed_is_closed_though_the_task_that_was_cancelled_is_still_alive(wire: WireConfig) -> None:
    addresses = []

    async def run() -> None:
        with fh.open(config(wire)) as feed:
            addresses.extend(destinations(feed))
            async for _ in feed:
                pass

    async def cancel() -> None:
        task = asyncio.create_task(run())
        asyncio.get_running_loop().call_later(0.05, task.cancel)
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert not is_open(addresses[0])

    asyncio.run(cancel())


@every_mode
def test_a_feed_that_is_closed_without_a_stop_ends_its_log(tmp_path: Path, wire: WireConfig) -> None:
    latency = LatencyConfig(hlog=str(tmp_path / "feed.hlog"), interval_s=3600.0)
    with fh.open(msgspec.structs.replace(config(wire), latency=latency)) as feed:
        receive(feed, send(feed, 20))
    lines = (tmp_path / "feed.hlog").read_text().splitlines()
    assert [line.split(",")[0] for line in lines if line.startswith("Tag=")] == [
        f"Tag={stage}" for stage in ("wire", "decode", "batch", "total", "gil", "processor")
    ]
    assert feed.report().messages == 80
    assert feed.latency["total"].get_total_count() == 20


def test_a_feed_that_is_closed_elsewhere_ends_a_poll() -> None:
    feed = fh.open(config())
    polled: list[object] = []

    def poll() -> None:
        with suppress(ValueError):  # closed before it began
            polled.append(feed.poll(PATIENCE_S))

    thread = threading.Thread(target=poll)
    thread.start()
    began_s = time.monotonic()
    feed.close()
    thread.join()
    assert time.monotonic() - began_s < PATIENCE_S
    assert polled in ([None], [])


def test_a_second_poll_at_the_same_time_is_refused() -> None:
    with fh.open(config()) as feed:
        refused: list[RuntimeError] = []

        def poll() -> None:
            while not refused:
                try:
                    feed.poll(0.05)
                except RuntimeError as error:
                    refused.append(error)

        threads = [threading.Thread(target=poll) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert "already" in str(refused[0])
        receive(feed, send(feed, 1))


@pytest.mark.parametrize("wait", [MODES[0], MODES[1]], ids=lambda wire: wire.mode)
def test_a_long_sleep_ends_with_the_time_and_with_the_feed(wait: WireConfig) -> None:
    wire = msgspec.structs.replace(wait, wait="sleep", sleep_us=LONG_SLEEP_US)
    batch = BatchConfig(wait="sleep", sleep_us=LONG_SLEEP_US)
    with fh.open(msgspec.structs.replace(config(wire), batch=batch)) as feed:
        began_s = time.monotonic()
        assert feed.poll(0.001) is None
    assert time.monotonic() - began_s < LONG_SLEEP_US / 1e6 / 2


def test_a_poll_is_over_in_time_however_much_comes_that_is_not_for_us() -> None:
    line = LineConfig(name="A", address=Address.of("127.0.0.1", 0), sources=(IPv4Address("127.0.0.2"),))
    ring = RingConfig(slots=1 << 16)
    with fh.open(msgspec.structs.replace(config(line=line), ring=ring)) as feed:
        heartbeat = Generator(seed=3).heartbeat(market.START_NS)
        sender, taken = Sender(destinations(feed)), [0]
        for thousand in range(1, 21):
            sender.queue([heartbeat] * 1_000)
            assert sender.flush()
            wait_until_received(feed, thousand * 1_000)
        while taken[-1] < 20_000:
            assert feed.poll(0.0) is None
            taken.append(feed.report().datagrams)
    assert max(later - earlier for earlier, later in pairwise(taken)) <= 10_000


def wait_until_received(feed: fh.Feed, count: int) -> None:
    """Wait until so many datagrams are in the ring, or were."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        wire = feed.report().wire
        assert isinstance(wire, tuple)
        if wire[0].stats.datagrams == count:
            return
        assert time.monotonic() < end_s, f"{wire[0].stats}"
        time.sleep(0.001)


@every_mode
def test_a_process_that_was_forked_is_told_to_open_a_feed_of_its_own(wire: WireConfig) -> None:
    with fh.open(config(wire)) as feed:

        def poll() -> str:
            with pytest.raises(RuntimeError) as refused:
                feed.poll(0.0)
            return str(refused.value)

        assert f"opened by process {os.getpid()}" in in_child(poll)
        receive(feed, send(feed, 5))


@every_mode
def test_a_process_that_was_forked_leaves_its_parents_feed_alone(wire: WireConfig) -> None:
    def close() -> str:
        feed.stop()
        feed.close()
        return f"{feed.is_over}"

    with fh.open(config(wire)) as feed:
        (address,) = destinations(feed)
        assert in_child(close) == "True"
        receive(feed, send(feed, 5))
        assert not feed.is_over
        began_s = time.process_time()
        assert feed.poll(0.5) is None
        assert time.process_time() - began_s < 0.1, "nobody spins on what the child has signalled"
    assert not is_open(address)
