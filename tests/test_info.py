"""What `info` tells of a capture: rates, protocols with a confidence, sequences, gaps, lines; the plot."""

import json
import os
import struct
import threading
from collections import Counter
from itertools import chain, repeat
from pathlib import Path
from random import Random
from typing import Any

import pytest
import venue
from captures import ROOT, capture
from delivered import START_NS
from matplotlib import image

import feedhandler as fh
from feedhandler.capture import info
from feedhandler.cli import main
from feedhandler.errors import SinkError
from feedhandler.plot import check
from feedhandler.protocol import load, shipped
from feedhandler.recognise import judge
from feedhandler.survey import Survey, survey
from replay.generator import Generator
from replay.pcap import Datagram, write_pcap

CME = "cme/Cme.Mdp3.Sbe.v8.1.Example.pcap"
CME_PACKETS = load(ROOT / "tests" / "cme-packets.toml")
TOPS = "iex/TOPS16.pcapng.gz"
MS_NS = 1_000_000
ITCH, ITCH_B, DEEP, MSGPACK, NOISE = ((f"239.2.0.{host}", 30_000 + host) for host in range(1, 6))


def itch_packets(seed: int = 1, messages: int = 400) -> list[bytes]:
    flow = list(venue.order_flow(seed, messages))
    return [venue.mold("MONDAY", first, some) for first, some in venue.packets_of(flow)]


def deep_packets() -> list[bytes]:
    return [venue.iex_tp(5, first, some) for first, some in venue.packets_of(list(venue.level_flow(2, 200)))]


def msgpack_packets() -> list[bytes]:
    return [packet for _, packet in Generator(seed=3).packets(50, start_ns=START_NS, interval_ns=MS_NS)]


def noise(count: int = 50) -> list[bytes]:
    random = Random(4)
    return [random.randbytes(random.randint(0, 300)) for _ in range(count)]


def write(path: Path, streams: dict[tuple[str, int], list[bytes]], interval_ns: int = MS_NS) -> Path:
    """Write streams side by side, a packet of each an interval apart."""
    datagrams = [
        Datagram(START_NS + interval_ns * number + place, destination, payload)
        for place, (destination, packets) in enumerate(streams.items())
        for number, payload in enumerate(packets)
    ]
    write_pcap(path, sorted(datagrams, key=lambda datagram: datagram.ts_ns))
    return path


def protocols(found: Survey) -> dict[str, str | None]:
    pairs = zip(found.info.streams, found.recognised, strict=True)
    return {stream.destination: recognised.protocol for stream, recognised in pairs}


def text(destination: tuple[str, int]) -> str:
    return f"{destination[0]}:{destination[1]}"


def printed(capfd: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert main([str(each) for each in arguments]) == code
    out = capfd.readouterr()
    return out.out if code == 0 else " ".join(out.err.replace("│", " ").split())


def test_every_stream_is_told_by_its_protocol(tmp_path: Path) -> None:
    itch = itch_packets()
    lossy = itch[:20] + itch[23:]
    streams = {ITCH: lossy, ITCH_B: lossy, DEEP: deep_packets(), MSGPACK: msgpack_packets(), NOISE: noise()}
    found = survey(write(tmp_path / "day.pcap", streams))

    assert protocols(found) == {
        text(ITCH): "itch50",
        text(ITCH_B): "itch50",
        text(DEEP): "iex-deep",
        text(MSGPACK): "msgpack",
        text(NOISE): None,
    }
    assert [each.lines for each in found.paired] == [(text(ITCH), text(ITCH_B))]
    channels = {channel.name: channel for channel in found.channels}
    assert set(channels) == {text(ITCH), text(DEEP), text(MSGPACK)}
    itch_channel = channels[text(ITCH)]
    assert [(each.id, each.first, each.last) for each in itch_channel.sessions] == [("MONDAY", 1, 400)]
    assert [(gap.first, gap.last) for gap in itch_channel.gaps] == [(101, 115)]
    assert (itch_channel.lost, itch_channel.messages, itch_channel.duplicates) == (15, 385, len(lossy))
    assert sum(itch_channel.types.values()) == 385
    assert itch_channel.types["stock_directory"] == 4
    assert channels[text(DEEP)].messages == 200
    assert channels[text(DEEP)].malformed == 0


def test_a_real_capture_is_recognised() -> None:
    found = survey(capture(TOPS))
    (recognised,) = found.recognised
    assert (recognised.protocol, recognised.confidence) == ("iex-tops", 1.0)
    (channel,) = found.channels
    assert (channel.messages, channel.heartbeats, channel.gaps, channel.unknown) == (57_674, 237, (), 0)
    assert [(each.first, each.last) for each in channel.sessions] == [(1, 57_674)]


@pytest.mark.parametrize("name", ["AddOrderNoMPID", "OrderReplace", "NetOrderImbalanceIndicator"])
def test_a_few_packets_are_enough(name: str) -> None:
    found = survey(capture(f"itch/singles-nasdaq-20230822/{name}.pcap"))
    assert set(protocols(found).values()) == {"itch50"}


def test_a_protocol_of_ones_own_is_tried_as_well() -> None:
    found = survey(capture(CME), protocols=[CME_PACKETS])
    assert set(protocols(found).values()) == {"cme-packets"}
    (channel,) = found.channels
    assert (len(channel.lines), channel.messages, channel.duplicates, channel.lost) == (2, 5_299, 5_000, 0)


def test_the_busiest_millisecond_is_found_though_records_are_out_of_order() -> None:
    by_ms = [Counter[int](), Counter[int]()]
    for line, ts_ns in cme_times():
        by_ms[line][ts_ns // MS_NS] += 1
    found = info(capture(CME))
    assert [stream.peak_per_ms for stream in found.streams] == [max(each.values()) for each in by_ms]
    for stream, counts in zip(found.streams, by_ms, strict=True):
        assert counts[stream.peak_ts_ns // MS_NS] == stream.peak_per_ms


def cme_times() -> list[tuple[int, int]]:
    """Return line and time of each packet block of the capture, which says its times in nanoseconds."""
    data, at, times = capture(CME).read_bytes(), 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            high, low = struct.unpack_from("<II", data, at + 12)
            times.append((int(bytes([224, 0, 32, 11]) in data[at : at + 80]), high << 32 | low))
        at += length
    return times


def test_rates_are_those_of_the_capture(tmp_path: Path) -> None:
    packets = itch_packets(messages=505)
    times = chain(
        range(0, 60 * MS_NS, MS_NS), repeat(80 * MS_NS + 5, 30), range(90 * MS_NS, 200 * MS_NS, MS_NS)
    )
    datagrams = [Datagram(START_NS + t, ITCH, each) for t, each in zip(times, packets, strict=False)]
    write_pcap(tmp_path / "day.pcap", datagrams)
    (stream,) = info(tmp_path / "day.pcap", has_timelines=True).streams
    assert (stream.peak_per_ms, stream.peak_ts_ns) == (30, START_NS + 80 * MS_NS)
    assert stream.datagrams == sum(stream.timeline) == 101
    assert stream.timeline[80] == 30
    assert stream.per_second(stream.datagrams) == pytest.approx(101 / 0.1)


@pytest.mark.parametrize("step_ns", [MS_NS, 60 * 10**9, 365 * 86_400 * 10**9])
def test_a_timeline_has_a_bound_whatever_the_times(tmp_path: Path, step_ns: int) -> None:
    packets = itch_packets()
    found = info(write(tmp_path / "day.pcap", {ITCH: packets}, step_ns), has_timelines=True)
    (stream,) = found.streams
    assert len(stream.timeline) <= 1024
    assert sum(stream.timeline) == len(packets)


def test_what_is_as_good_is_said_to_be(tmp_path: Path) -> None:
    declared = (ROOT / "tests" / "numbers.toml").read_text()
    for name in ("ones", "others"):
        (tmp_path / f"{name}.toml").write_text(declared.replace('name = "numbers"', f'name = "{name}"', 1))
    given = [load(tmp_path / f"{name}.toml") for name in ("ones", "others")]
    packets = [struct.pack(">HIHBQ", 1, number, 1, 8, number * 77) for number in range(1, 60)]
    file = write(tmp_path / "day.pcap", {ITCH: packets})
    found = survey(file, protocols=given)
    (recognised,) = found.recognised
    assert recognised.protocol is None
    assert set(recognised.tied) == {"ones", "others"}
    assert [(channel.messages, channel.lost) for channel in found.channels] == [(59, 0)]
    (stream,) = found.info.streams
    assert judge(stream, given[:1]).protocol == "ones"


def confidence(path: Path, packets: list[bytes], protocol: str) -> float:
    (stream,) = info(write(path, {ITCH: packets}), protocols=[fh.protocol(protocol)]).streams
    return stream.fits[0].confidence


def test_unknown_types_trailing_bytes_and_heartbeats_take_confidence_away(tmp_path: Path) -> None:
    file, packets = tmp_path / "day.pcap", itch_packets()
    whole = confidence(file, packets, "itch50")
    unknown = [
        venue.mold("MONDAY", 1 + n, [b"\x01" + bytes(30), venue.directory(1, "ACME")]) for n in range(60)
    ]
    assert whole == 1.0
    assert confidence(file, unknown, "itch50") == pytest.approx(0.5)
    assert 0.4 < confidence(file, [packet + bytes(len(packet)) for packet in packets], "itch50") < 0.6
    assert confidence(file, [venue.mold("MONDAY", 1, [])] * 60, "itch50") == 0.5
    assert confidence(file, [packet[:-1] for packet in packets], "itch50") == 0.0
    assert confidence(file, noise(), "itch50") < 0.05


@pytest.mark.parametrize("protocol", shipped())
def test_noise_is_no_protocol(tmp_path: Path, protocol: str) -> None:
    try:
        fh.protocol(protocol)
    except fh.DeclarationError as error:
        pytest.skip(f"it needs a schema: {error}")
    assert confidence(tmp_path / "day.pcap", noise(200), protocol) < 0.1


def test_a_torn_file_is_told_as_far_as_it_goes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "day.pcap", {ITCH: itch_packets()})
    file.write_bytes(file.read_bytes()[:-10])
    told = json.loads(printed(capfd, "info", file, "--json"))
    assert told["capture"]["truncated"]
    assert told["streams"][0]["protocol"] == "itch50"
    assert told["streams"][0]["datagrams"] == len(itch_packets()) - 1


def test_many_streams_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    streams = {(f"239.3.{n // 200}.{n % 200}", 1000 + n): noise(1) for n in range(1_500)}
    file = write(tmp_path / "day.pcap", streams)
    told = json.loads(printed(capfd, "info", file, "--json"))
    assert len(told["streams"]) == 1_500
    assert "… and 1,460 more" in printed(capfd, "info", file)


def test_machines_are_told_everything(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "day.pcap", {ITCH: itch_packets(), ITCH_B: itch_packets(), NOISE: noise()})
    told: dict[str, Any] = json.loads(printed(capfd, "info", file, "--json"))
    assert set(told) == {
        "capture",
        "streams",
        "other_datagrams",
        "channels",
        "paired",
        "not_tried",
        "not_read",
    }
    stream, *_, other = told["streams"]
    assert (stream["address"], stream["port"], stream["protocol"]) == (*ITCH, "itch50")
    assert {"datagrams_per_s", "bytes_per_s", "peak_per_ms", "peak_ts_ns", "confidence"} <= set(stream)
    assert stream["fits"][0]["protocol"] == "itch50"
    assert (other["protocol"], other["tied"]) == (None, [])
    (channel,) = told["channels"]
    assert (channel["lines"], channel["sessions"][0]["last"]) == ([text(ITCH), text(ITCH_B)], 400)
    assert told["paired"][0]["lines"] == channel["lines"]


def test_people_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "day.pcap", {ITCH: itch_packets(), NOISE: noise()})
    told = printed(capfd, "info", file)
    assert "itch50" in told
    assert "not recognised" in told
    assert "stock_directory" in told
    assert "peak/ms" in told


def test_of_a_pipe_the_streams_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "day.pcap", {ITCH: itch_packets()})
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[file.read_bytes()], daemon=True)
    writer.start()
    told = json.loads(printed(capfd, "info", tmp_path / "pipe", "--json"))
    writer.join()
    assert told["streams"][0]["protocol"] == "itch50"
    assert (told["channels"], told["not_read"]) == ([], "the input cannot be read twice")


def test_what_is_no_capture_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter").write_text("Dear reader,\n")
    assert "expected a pcap or pcapng capture" in printed(capfd, "info", tmp_path / "letter", code=1)


def test_a_plot_shows_the_streams(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    streams = {(f"239.3.0.{n}", 1000 + n): noise(20) for n in range(13)}
    printed(capfd, "info", write(tmp_path / "day.pcap", streams), "--plot", tmp_path / "day.png")
    pixels = image.imread(tmp_path / "day.png")
    assert pixels.shape[0] > 300
    colours = {tuple(each) for each in (pixels[:, :, :3] * 255).round().astype(int).reshape(-1, 3).tolist()}
    assert (31, 119, 180) in colours


def test_a_plot_of_nothing_is_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    printed(capfd, "info", write(tmp_path / "day.pcap", {}), "--plot", tmp_path / "day.png")
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_that_cannot_be_drawn_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SinkError, match=r"expected a name ending in \.png, found '\.gif'"):
        check(tmp_path / "day.gif")
    monkeypatch.setattr("feedhandler.plot.find_spec", lambda _name: None)
    with pytest.raises(SinkError, match=r"needs matplotlib: pip install 'feedhandler\[plot\]'"):
        check(tmp_path / "day.png")


def test_decode_takes_the_protocol_that_is_sure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "day.pcap", {ITCH: itch_packets(), ITCH_B: itch_packets()})
    told = json.loads(printed(capfd, "decode", file, "--json"))
    assert (told["protocol"], told["is_protocol_recognised"], told["messages"]) == ("itch50", True, 400)
    assert "itch50, recognised" in printed(capfd, "decode", file)
    named = json.loads(printed(capfd, "decode", file, "-p", "itch50", "--json"))
    assert (named["digest"], named["is_protocol_recognised"]) == (told["digest"], False)


def test_decode_asks_where_nothing_is_sure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mixed = write(tmp_path / "mixed.pcap", {ITCH: itch_packets(), DEEP: deep_packets()})
    assert "looks like itch50" in printed(capfd, "decode", mixed, code=2)
    nothing = write(tmp_path / "noise.pcap", {NOISE: noise()})
    assert "no stream was recognised" in printed(capfd, "decode", nothing, code=2)
    (tmp_path / "letter").write_text("Dear reader,\n")
    assert "only captures are recognised" in printed(capfd, "decode", tmp_path / "letter", code=2)
    assert "cannot be read" in printed(capfd, "decode", tmp_path / "nowhere", code=2)
