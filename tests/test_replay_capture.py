"""What is replayed: ranges, merged files, passes, mapped addresses, and every nanosecond."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numbered
import pytest
from captures import capture, payloads
from hypothesis import given
from hypothesis import strategies as st

from feedhandler.errors import CaptureError, SendError
from replay import Capture, Datagram, write_pcap

LINE_A, LINE_B = ("224.0.31.11", 14320), ("224.0.32.11", 15320)
DAY_NS = 19_700 * 86_400 * 10**9
OPENING_NS = DAY_NS + 34_200 * 10**9
PROTOCOL = str(numbered.PROTOCOL)

Block = tuple[int, bytes]
"""Type of a pcapng block, and what it holds."""


def written(folder: Path, name: str, datagrams: Sequence[Datagram]) -> Path:
    path = folder / name
    write_pcap(path, datagrams)
    return path


@pytest.fixture(name="session")
def _session(tmp_path: Path) -> Path:
    """Messages 1 to 40 in packets of four, a second apart, from 09:30 on; a heartbeat behind them."""
    packets = [numbered.packet(1, first, first + 4) for first in range(1, 41, 4)]
    packets.append(numbered.packet(1, 41, 41))
    times = [OPENING_NS + 10**9 * number for number in range(11)]
    return written(
        tmp_path, "session.pcap", [Datagram(ts, LINE_A, it) for ts, it in zip(times, packets, strict=True)]
    )


def firsts(source: Capture) -> list[int]:
    """First sequence number of each datagram."""
    return [struct.unpack_from(">I", datagram.payload, 2)[0] for datagram in source]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, [*range(1, 41, 4), 41]),
        ("6", "13", [5, 9, 13]),
        (8, 12, [5, 9]),
        ("37", None, [37, 41]),
        (None, "4", [1]),
        ("+2s", "+4s", [9, 13]),
        (timedelta(seconds=2), timedelta(seconds=4), [9, 13]),
        ("09:30:08", None, [33, 37, 41]),
        ("09:30:07.999999999", "09:30:08.000000001", [33]),
        ("09:30:07Z", "9", []),
        (datetime.fromtimestamp(OPENING_NS / 1e9, UTC), "+1s", [1]),
        ("2023-12-09T09:30:09Z", "2023-12-09T09:30:09.000000001", [37]),
    ],
)
def test_a_range_is_one_of_times_or_sequence_numbers(
    session: Path, start: int | str | None, end: int | str | None, expected: list[int]
) -> None:
    assert firsts(Capture(session, protocol=PROTOCOL, start=start, end=end)) == expected


@pytest.mark.parametrize("text", ["yesterday", "+5", "25:00:00", "09:30:00.1234567890", "-4", "", "+1.5m"])
def test_a_range_that_is_none_is_refused(session: Path, text: str) -> None:
    with pytest.raises(SendError, match="range: expected a sequence number, a time such as"):
        Capture(session, start=text)


@pytest.mark.parametrize(("start", "end"), [(7, 6), ("+2s", "+1s"), ("09:30:00", "09:30:00")])
def test_a_range_whose_end_is_not_behind_its_start_is_refused(
    session: Path, start: int | str, end: int | str
) -> None:
    with pytest.raises(SendError, match="range: expected an end behind the start"):
        Capture(session, protocol=PROTOCOL, start=start, end=end)


def test_a_range_of_sequence_numbers_needs_a_protocol(session: Path) -> None:
    with pytest.raises(SendError, match="needs the protocol"):
        list(Capture(session, start=5))


def test_files_are_merged_and_mapped(tmp_path: Path) -> None:
    a = written(tmp_path, "a.pcap", [Datagram(n, LINE_A, b"a%d" % n) for n in (10, 30, 50)])
    b = written(tmp_path, "b.pcap", [Datagram(n, LINE_B, b"b%d" % n) for n in (10, 20, 60)])
    to = ("127.0.0.1", 20_001)

    merged = list(Capture(a, b, mapping={LINE_A: to}))

    assert [datagram.payload for datagram in merged] == [b"a10", b"b10", b"b20", b"a30", b"a50", b"b60"]
    assert {datagram.destination for datagram in merged} == {to, LINE_B}
    write_pcap(tmp_path / "both.pcap", merged)
    assert list(Capture(tmp_path / "both.pcap")) == merged


def test_passes_follow_each_other_in_time(tmp_path: Path) -> None:
    file = written(tmp_path, "a.pcap", [Datagram(OPENING_NS + n, LINE_A, b"x") for n in (0, 30, 50)])

    times = [datagram.ts_ns - OPENING_NS for datagram in Capture(file, loops=3, loop_gap_ns=7)]

    assert times == [0, 30, 50, 57, 87, 107, 114, 144, 164]
    assert [each.ts_ns - OPENING_NS for each in Capture(file, loops=2, start="+10ns")] == [30, 50, 50, 70]
    assert list(Capture(file, loops=0, start="+1s")) == []


def test_a_real_capture_is_the_one_that_was_recorded() -> None:
    file = capture("iex/TOPS16.pcapng.gz")
    assert [datagram.payload for datagram in Capture(file)] == list(payloads(file))


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="nowhere"):
        list(Capture(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="expected a file"):
        Capture()
    with pytest.raises(ValueError, match="from 0 on"):
        Capture("a.pcap", loops=-1)


TIMES_NS = st.integers(0, (1 << 32) * 10**9 - 1)


@given(st.lists(TIMES_NS, min_size=1, max_size=20))
def test_nanoseconds_are_written_and_read_back(
    tmp_path_factory: pytest.TempPathFactory, times: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("times")
    sent = [Datagram(ts_ns, LINE_A, b"%d" % ts_ns) for ts_ns in times]
    again = written(folder, "again.pcap", list(Capture(written(folder, "times.pcap", sent))))
    assert list(Capture(again)) == sent


def _block(kind: int, content: bytes) -> bytes:
    padded = content + bytes(-len(content) % 4)
    length = struct.pack("<I", 12 + len(padded))
    return struct.pack("<I", kind) + length + padded + length


def _pcapng(ticks: Sequence[int], resolution: int, frame: bytes) -> bytes:
    section = _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    options = struct.pack("<HHB3xHH", 9, 1, resolution, 0, 0)
    interface = _block(1, struct.pack("<HHI", 1, 0, 0) + options)
    lengths = struct.pack("<II", len(frame), len(frame))
    packets = (
        _block(6, struct.pack("<III", 0, tick >> 32, tick & 0xFFFF_FFFF) + lengths + frame) for tick in ticks
    )
    return section + interface + b"".join(packets)


@given(st.integers(0, 9), st.lists(TIMES_NS, min_size=1, max_size=20))
def test_times_of_every_decimal_resolution_are_kept(
    tmp_path_factory: pytest.TempPathFactory, resolution: int, times: list[int]
) -> None:
    """What a tick says is what is replayed and written again, to the nanosecond."""
    folder = tmp_path_factory.mktemp("resolution")
    written(folder, "one.pcap", [Datagram(1, LINE_A, b"x")])
    frame = (folder / "one.pcap").read_bytes()[40:]
    ticks = [ts_ns * 10**resolution // 10**9 for ts_ns in times]
    file = folder / "ticks.pcapng"
    file.write_bytes(_pcapng(ticks, resolution, frame))

    found = list(Capture(file))

    assert [datagram.ts_ns for datagram in found] == [tick * 10 ** (9 - resolution) for tick in ticks]
    assert list(Capture(written(folder, "again.pcap", found))) == found


@given(st.integers(1, 40), st.lists(TIMES_NS, min_size=1, max_size=20))
def test_times_of_binary_resolutions_are_within_a_nanosecond(
    tmp_path_factory: pytest.TempPathFactory, bits: int, times: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("resolution")
    written(folder, "one.pcap", [Datagram(1, LINE_A, b"x")])
    frame = (folder / "one.pcap").read_bytes()[40:]
    ticks = [min((ts_ns << bits) // 10**9, (1 << 64) - 1) for ts_ns in times]
    file = folder / "ticks.pcapng"
    file.write_bytes(_pcapng(ticks, 0x80 | bits, frame))

    found = [datagram.ts_ns for datagram in Capture(file)]

    assert all(
        abs((ts_ns << bits) - tick * 10**9) <= 1 << bits for ts_ns, tick in zip(found, ticks, strict=True)
    )
