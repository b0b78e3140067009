"""Streams of a capture that are lines of one channel are found; what is doubtful stays apart."""

import gzip
import os
import shutil
import struct
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import pytest
from captures import ROOT, capture
from delivered import START_NS
from numbered import END_OF_SESSION, PROTOCOL

import feedhandler as fh
from replay.pcap import Datagram, write_pcap

A, B, C = ("239.1.1.1", 20001), ("239.1.1.2", 20002), ("239.1.1.3", 20003)
UNICAST = ("192.0.2.9", 30001)
CME = "cme/Cme.Mdp3.Sbe.v8.1.Example.pcap"
CME_LINES = ("224.0.31.11:14320", "224.0.32.11:15320")
PER_PACKET = 3

Destination = tuple[str, int]
Streams = Mapping[Destination, Sequence[bytes | None]]


def text(destination: Destination) -> str:
    return f"{destination[0]}:{destination[1]}"


def packet(session: int, first: int, values: Sequence[int]) -> bytes:
    """Return a packet of numbers.toml with these values."""
    blocks = b"".join(struct.pack(">BQ", 8, value) for value in values)
    return struct.pack(">HIH", session, first, len(values)) + blocks


def heartbeat(session: int, expected: int) -> bytes:
    return packet(session, expected, ())


def flow(count: int, *, seed: int = 1, session: int = 7, first: int = 1) -> list[bytes]:
    """Return packets of one channel: the seed makes them another's."""
    random = Random(seed)
    return [
        packet(session, first + number * PER_PACKET, [random.getrandbits(64) for _ in range(PER_PACKET)])
        for number in range(count)
    ]


def pause(count: int) -> list[bytes | None]:
    return [None] * count


def write(path: Path, streams: Streams) -> Path:
    """Write streams side by side: a packet of each every microsecond, None where a stream pauses."""
    datagrams = [
        Datagram(START_NS + 1_000 * number + place, destination, payload)
        for place, (destination, packets) in enumerate(streams.items())
        for number, payload in enumerate(packets)
        if payload is not None
    ]
    write_pcap(path, sorted(datagrams, key=lambda datagram: datagram.ts_ns))
    return path


def read(path: Path, protocol: str | Path = PROTOCOL, **options: object) -> fh.Report:
    reader = fh.read(path, protocol, **options)  # type: ignore[arg-type]
    for _ in reader:
        pass
    report = reader.report()
    assert report.ledger.is_balanced
    return report


def paired(report: fh.Report) -> list[tuple[str, ...]]:
    assert isinstance(report.paired, tuple)
    return [each.lines for each in report.paired]


def assert_apart(report: fh.Report, streams: int) -> None:
    assert paired(report) == []
    assert len(report.ledger.channels) == streams
    assert report.duplicates == 0


def test_lines_of_a_real_channel_are_found() -> None:
    report = read(capture(CME), ROOT / "tests" / "cme-packets.toml")

    assert isinstance(report.paired, tuple)
    (found,) = report.paired
    assert (found.channel, found.lines, found.equal_payloads) == (CME_LINES[0], CME_LINES, 5_000)
    (channel,) = report.ledger.channels
    assert [line.name for line in channel.lines] == list(CME_LINES)
    assert (channel.units.delivered, report.duplicates, report.gaps) == (5_000, 5_000, ())
    assert report.messages == 5_299


def test_a_pair_is_the_same_as_lines_that_were_named() -> None:
    protocol = ROOT / "tests" / "cme-packets.toml"
    found, named = (
        read(capture(CME), protocol, **options) for options in ({}, {"channels": {"310": CME_LINES}})
    )
    assert found.digest == named.digest
    assert (found.duplicates, found.messages) == (named.duplicates, named.messages)
    assert paired(named) == []


def test_two_lines_are_one_channel_named_by_the_first(tmp_path: Path) -> None:
    packets = flow(100)
    report = read(write(tmp_path / "day.pcap", {B: packets, A: packets}))
    assert paired(report) == [(text(B), text(A))]
    assert [channel.name for channel in report.ledger.channels] == [text(B)]
    assert (report.messages, report.duplicates, report.gaps) == (300, 100, ())


def test_three_lines_are_one_channel(tmp_path: Path) -> None:
    packets = flow(60)
    report = read(write(tmp_path / "day.pcap", {A: packets, B: packets, C: packets}))
    assert paired(report) == [(text(A), text(B), text(C))]
    assert (report.messages, report.duplicates) == (180, 120)


def test_each_channel_has_its_own_lines(tmp_path: Path) -> None:
    one, other = flow(50, seed=1), flow(50, seed=2)
    d = ("239.1.1.4", 20004)
    report = read(write(tmp_path / "day.pcap", {A: one, B: other, C: one, d: other}))
    assert paired(report) == [(text(A), text(C)), (text(B), text(d))]
    assert (report.messages, report.gaps) == (300, ())


def test_loss_disorder_and_copies_on_a_line_do_not_matter(tmp_path: Path) -> None:
    packets, random = flow(400), Random(3)
    torn: list[bytes | None] = [each if random.random() > 0.3 else None for each in packets]
    for at in range(0, 390, 7):
        torn[at], torn[at + 2] = torn[at + 2], torn[at]
    torn += packets[100:140]
    report = read(write(tmp_path / "day.pcap", {A: packets, B: torn}))
    assert paired(report) == [(text(A), text(B))]
    assert (report.messages, report.gaps) == (1_200, ())


def test_a_line_that_begins_later_is_found(tmp_path: Path) -> None:
    packets = flow(3_000)
    report = read(write(tmp_path / "day.pcap", {A: packets, B: [*pause(2_900), *packets[2_500:]]}))
    assert paired(report) == [(text(A), text(B))]
    assert (report.messages, report.gaps) == (9_000, ())


def test_what_two_lines_do_not_share_a_third_ties_together(tmp_path: Path) -> None:
    packets = flow(100)
    streams: Streams = {A: packets[:40], B: [*pause(60), *packets[60:]], C: packets}
    report = read(write(tmp_path / "day.pcap", streams))
    assert paired(report) == [(text(A), text(C), text(B))]


def test_copies_damaged_on_the_way_are_copies(tmp_path: Path) -> None:
    packets, random = flow(400), Random(5)
    damaged = [
        each if random.random() > 0.05 else each[:20] + bytes([each[20] ^ 0x55]) + each[21:]
        for each in packets
    ]
    report = read(write(tmp_path / "day.pcap", {A: packets, B: damaged}))
    assert isinstance(report.paired, tuple)
    (found,) = report.paired
    assert 0 < found.different_payloads < 60
    assert found.equal_payloads + found.different_payloads == 400


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param({A: flow(100), B: flow(100, seed=2)}, id="other payloads under the same numbers"),
        pytest.param({A: flow(100), B: flow(100, session=8)}, id="another session"),
        pytest.param({A: flow(100)[:50], B: [*pause(50), *flow(100)[50:]]}, id="nothing in common"),
        pytest.param({A: flow(60), B: flow(60)[:20] + flow(60, seed=2)[20:]}, id="equal only at first"),
        pytest.param({A: flow(500), B: flow(500)[:490] + flow(500, seed=2)[490:]}, id="other at the end"),
        pytest.param({A: flow(100), UNICAST: flow(100)[20:70]}, id="what was asked for again"),
        pytest.param(
            {A: [packet(7, 1 + n, [5]) for n in range(90)], B: [packet(7, 1 + n, [5]) for n in range(90)]},
            id="always the same",
        ),
        pytest.param({A: flow(90), B: [packet(7, 1 + 3 * n, [1, 2, 3]) for n in range(90)]}, id="idle"),
        pytest.param({A: [heartbeat(7, 1)] * 90, B: [heartbeat(7, 1)] * 90}, id="heartbeats only"),
        pytest.param({A: flow(2), B: flow(2)}, id="too few to tell"),
    ],
)
def test_what_is_doubtful_stays_apart(tmp_path: Path, streams: Streams) -> None:
    assert_apart(read(write(tmp_path / "day.pcap", streams)), streams=2)


def test_streams_without_numbers_stay_apart(tmp_path: Path) -> None:
    declared = (ROOT / "tests" / "numbers.toml").read_text()
    declared = declared.replace('counts = "messages"', 'counts = "nothing"').replace(
        ', role = "sequence"', ""
    )
    (tmp_path / "unnumbered.toml").write_text(declared)
    file = write(tmp_path / "day.pcap", {A: flow(50), B: flow(50)})
    report = read(file, tmp_path / "unnumbered.toml")
    assert_apart(report, streams=2)
    assert report.messages == 300


def test_lines_without_sessions_are_found(tmp_path: Path) -> None:
    declared = (ROOT / "tests" / "numbers.toml").read_text()
    (tmp_path / "no-sessions.toml").write_text(declared.replace(', role = "session"', ""))
    streams = {A: flow(50), B: flow(50, seed=2), C: flow(50)}
    report = read(write(tmp_path / "day.pcap", streams), tmp_path / "no-sessions.toml")
    assert paired(report) == [(text(A), text(C))]


def test_units_of_one_stream_have_numbers_of_their_own(tmp_path: Path) -> None:
    def of_unit(unit: int, sequence: int) -> bytes:
        message = struct.pack("<BBI", 6, 0x20, sequence * 10 + unit)  # "Time": seconds past midnight
        return struct.pack("<HBBI", 8 + len(message), 1, unit, sequence) + message

    packets = [of_unit(unit, sequence) for sequence in range(1, 40) for unit in (1, 2, 3)]
    report = read(write(tmp_path / "day.pcap", {A: packets, B: packets}), "cboe-pitch")

    assert paired(report) == [(text(A), text(B))]
    assert (report.messages, report.duplicates, report.gaps) == (117, 117, ())


def test_sessions_that_end_and_begin_are_lines_still(tmp_path: Path) -> None:
    end = struct.pack(">HIH", 7, 151, END_OF_SESSION)
    packets = [*flow(50), end, *flow(50, seed=2, session=8)]
    report = read(write(tmp_path / "day.pcap", {A: packets, B: packets}))
    assert paired(report) == [(text(A), text(B))]
    assert [(each.first, each.last) for each in report.sessions] == [(1, 150), (1, 150)]


def test_streams_that_go_on_behind_the_look_need_more_to_be_lines(tmp_path: Path) -> None:
    """The first 65,536 datagrams are looked at; of the quiet streams A and B, ten packets are among them."""
    busy = [packet(9, 1 + number, [number]) for number in range(66_000)]
    quiet, other = flow(400), flow(400, seed=2)
    silence = pause(65_600)
    streams: Streams = {
        C: busy,
        A: [*quiet[:10], *silence, *quiet[10:]],
        B: [*quiet[:10], *silence, *other[10:]],
    }
    report = read(write(tmp_path / "day.pcap", streams))
    assert_apart(report, streams=3)


def test_many_streams_are_compared(tmp_path: Path) -> None:
    """Two hundred channels without a session of their own, each with the same numbers, on lines A and B."""
    streams = {
        (f"239.{line}.0.{channel}", 20_000 + channel): flow(20, seed=channel)
        for line in (1, 2)
        for channel in range(200)
    }
    report = read(write(tmp_path / "day.pcap", streams))
    lines = [(f"239.1.0.{n}:{20_000 + n}", f"239.2.0.{n}:{20_000 + n}") for n in range(200)]
    assert paired(report) == lines
    assert (report.messages, report.duplicates) == (12_000, 4_000)


@pytest.mark.parametrize("seed", range(12))
def test_lines_find_their_channel_and_no_other(tmp_path: Path, seed: int) -> None:
    """Channels with the same session and numbers, each on one to three lines with faults of their own."""
    random, expected = Random(seed), []
    streams: dict[Destination, Sequence[bytes | None]] = {}
    for channel in range(6):
        packets = flow(200, seed=1_000 * seed + channel)
        lines = [(f"239.{line}.0.{channel}", 20_000 + channel) for line in range(random.randint(1, 3))]
        streams |= {line: faulted(packets, random) for line in lines}
        expected += [{text(line) for line in lines}] if len(lines) > 1 else []
    shuffled = random.sample(list(streams.items()), len(streams))
    report = read(write(tmp_path / "day.pcap", dict(shuffled)))
    found = [set(lines) for lines in paired(report)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))


def faulted(packets: Sequence[bytes], random: Random) -> list[bytes | None]:
    """Return what came of packets on a line: late or early, torn, damaged, twice, and out of order."""
    start, loss, damage = random.randint(0, 80), random.random() * 0.4, random.random() * 0.04
    came: list[bytes | None] = [*pause(random.randint(0, 5))]
    for number, each in enumerate(packets):
        if number < start or random.random() < loss:
            continue
        is_damaged = random.random() < damage
        came.append(each[:15] + random.randbytes(1) + each[16:] if is_damaged else each)
        if random.random() < 0.05:
            came.append(each)
        if random.random() < 0.1 and len(came) > 1:
            came[-1], came[-2] = came[-2], came[-1]
    return came


def test_channels_that_are_named_are_as_said_and_the_rest_is_paired(tmp_path: Path) -> None:
    one, other, d = flow(50), flow(50, seed=2), ("239.1.1.4", 20004)
    file = write(tmp_path / "day.pcap", {A: one, B: one, C: other, d: other})
    report = read(file, channels={"mine": [text(A)]})
    assert paired(report) == [(text(C), text(d))]
    assert [channel.name for channel in report.ledger.channels] == ["mine", text(C), text(B)]


def test_each_stream_is_a_channel_where_that_is_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path / "day.pcap", {A: flow(50), B: flow(50)})
    assert_apart(read(file, rest="each"), streams=2)


def test_what_is_left_out_is_not_compared(tmp_path: Path) -> None:
    file = write(tmp_path / "day.pcap", {A: flow(50), B: flow(50), C: flow(50)})
    report = read(file, channels={"mine": [text(C)]}, rest="skip")
    assert (paired(report), report.messages, report.other_datagrams) == ([], 150, 100)


def test_compressed_files_are_looked_at_as_well(tmp_path: Path) -> None:
    file = write(tmp_path / "day.pcap", {A: flow(50), B: flow(50)})
    (tmp_path / "day.pcap.gz").write_bytes(gzip.compress(file.read_bytes()))
    assert paired(read(tmp_path / "day.pcap.gz")) == [(text(A), text(B))]


def test_a_torn_file_is_looked_at_as_far_as_it_goes(tmp_path: Path) -> None:
    file = write(tmp_path / "day.pcap", {A: flow(50), B: flow(50)})
    file.write_bytes(file.read_bytes()[:-20])
    report = read(file)
    assert report.truncated
    assert paired(report) == [(text(A), text(B))]


def test_a_pipe_is_read_once_and_says_so(tmp_path: Path) -> None:
    file, pipe = write(tmp_path / "day.pcap", {A: flow(50), B: flow(50)}), tmp_path / "pipe"
    os.mkfifo(pipe)

    def fill() -> None:
        with file.open("rb") as source, pipe.open("wb") as sink:
            shutil.copyfileobj(source, sink)

    writer = threading.Thread(target=fill, daemon=True)
    writer.start()
    report = read(pipe)
    writer.join()
    assert_apart(report, streams=2)
    assert (report.messages, report.not_paired) == (300, "the input cannot be read twice")
