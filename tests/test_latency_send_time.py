"""The stage `send`: from the send time in the packet's header until handed to Python."""

import socket
import time
from pathlib import Path

import msgpack
import pytest

import feedhandler as fh
from feedhandler import config_file
from feedhandler.address import Address
from feedhandler.config import ChannelConfig, LatencyConfig, LineConfig, WireConfig

LATE_NS = 2_000_000_000
PACKETS = 20

every_way = pytest.mark.parametrize(
    "wire",
    [
        WireConfig(mode=mode, backend=backend)
        for mode in ("threaded", "inline")
        for backend in ("recvmmsg", "gro")
    ],
    ids=lambda wire: f"{wire.mode}-{wire.backend}",
)


def config(wire: WireConfig, latency: LatencyConfig, protocol: str = "msgpack") -> fh.Config:
    line = LineConfig(name="A", address=Address.parse("127.0.0.1:0"))
    channels = (ChannelConfig(name="demo", lines=(line,)),)
    return fh.Config(protocol=fh.protocol(protocol), channels=channels, wire=wire, latency=latency)


def packet(sequence: int, send_time_ns: int) -> bytes:
    header: bytes = msgpack.packb([0, "S", sequence, 1, send_time_ns])
    order_delete: bytes = msgpack.packb([5, 1, sequence, 0])
    return header + order_delete


def receive(feed: fh.Feed, packets: list[bytes]) -> None:
    to = feed.addresses[0].address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for content in packets:
            sender.sendto(content, (str(to.ip), to.port))
    received = 0
    while received < len(packets):
        batch = feed.poll(5.0)
        assert batch is not None, f"{received} messages came, and nothing more in time"
        received += batch.size


@every_way
def test_what_the_sender_was_late_counts(tmp_path: Path, wire: WireConfig) -> None:
    log = tmp_path / "feed.hlog"
    with fh.open(config(wire, LatencyConfig(hlog=str(log), send_time=True))) as feed:
        receive(feed, [packet(number, time.time_ns() - LATE_NS) for number in range(1, PACKETS + 1)])
    send, total = feed.latency["send"], feed.latency["total"]
    assert send.get_total_count() == total.get_total_count() == PACKETS
    assert send.get_min_value() >= 0.999 * LATE_NS
    report = feed.report()
    assert report.latency_ns
    assert report.latency_ns["send"].count == PACKETS
    assert "Tag=send," in log.read_text()


def test_packets_without_a_send_time_are_left_out_and_those_of_the_future_count_as_0() -> None:
    future_ns = time.time_ns() + 3_600 * 10**9
    with fh.open(config(WireConfig(), LatencyConfig()), send_time=True) as feed:
        receive(feed, [packet(1, 0), packet(2, future_ns)])
    assert feed.latency["total"].get_total_count() == 2
    assert (feed.latency["send"].get_total_count(), feed.latency["send"].get_max_value()) == (1, 0)


def test_without_being_asked_for_there_is_no_such_stage() -> None:
    with fh.open(config(WireConfig(), LatencyConfig())) as feed:
        receive(feed, [packet(1, time.time_ns())])
    assert "send" not in feed.latency


def test_it_is_refused_where_packets_do_not_say_when_they_were_sent(tmp_path: Path) -> None:
    said = r"latency\.send_time: expected false, or a protocol whose packet header has .* beside itch50"
    with pytest.raises(fh.ConfigError, match=said):
        fh.open(config(WireConfig(), LatencyConfig(), "itch50"), send_time=True)
    file = tmp_path / "feed.toml"
    text = (Path(__file__).parents[1] / "configs" / "itch50.toml").read_text()
    file.write_text(text.replace("[latency]", "[latency]\nsend_time = true"))
    with pytest.raises(fh.ConfigError, match=said) as refused:
        config_file.load(file)
    assert refused.value.file == str(file)


@pytest.mark.parametrize(
    ("name", "says"),
    [("msgpack", True), ("iex-deep", True), ("nyse-xdp", True), ("itch50", False), ("cboe-pitch", False)],
)
def test_which_shipped_protocols_say_it(name: str, says: bool) -> None:
    assert fh.protocol(name).has_send_time is says


def test_a_send_time_too_short_for_nanoseconds_since_1970_is_none(tmp_path: Path) -> None:
    folder = Path(__file__).parent
    text = (folder / "numbers.toml").read_text()
    short = text.replace("header = [", 'header = [\n    { name = "sent", type = "u32", role = "send_time" },')
    (tmp_path / "short.toml").write_text(short)
    assert not fh.protocol(str(tmp_path / "short.toml")).has_send_time
