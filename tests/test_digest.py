"""The digest is of what was delivered, however it came, and of nothing else."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import delivered
import live
import market
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numbered import PROTOCOL, packet

from feedhandler.captured import CaptureTo
from feedhandler.config import BatchConfig, WireConfig
from feedhandler.verify import verify
from replay import Datagram, Pacing, write_pcap

MESSAGES = 60
LINES = [("239.1.2.3", 20_001), ("239.1.2.4", 20_002), ("239.1.2.5", 20_003)]
HEADER_BYTES, MESSAGE_BYTES = 8, 9

Cuts = st.lists(st.integers(2, MESSAGES), unique=True, max_size=20).map(sorted)
"""Where a line's packets end: numbers of messages."""


def digest(copies: list[list[bytes]], *, batch_messages: int = 8192) -> str:
    """Return the digest of some lines' packets, which come in turn."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "lines.pcap"
        timed = [
            Datagram(delivered.START_NS + 1_000 * number + line, LINES[line], payload)
            for line, payloads in enumerate(copies)
            for number, payload in enumerate(payloads)
        ]
        write_pcap(file, sorted(timed, key=lambda datagram: datagram.ts_ns))
        channels = {"numbers": [f"{group}:{port}" for group, port in LINES[: len(copies)]]}
        found = delivered.read(file, PROTOCOL, channels=channels, batch_messages=batch_messages)
    assert found.report.messages == MESSAGES
    return found.report.digest


def packets(cuts: list[int]) -> list[bytes]:
    return [packet(1, first, end) for first, end in pairwise([1, *cuts, MESSAGES + 1])]


WHOLE = digest([packets([])])


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(Cuts, min_size=1, max_size=3), batch_messages=st.integers(1, 100))
def test_it_does_not_depend_on_packets_lines_and_batches(lines: list[list[int]], batch_messages: int) -> None:
    assert digest([packets(cuts) for cuts in lines], batch_messages=batch_messages) == WHOLE


@settings(max_examples=60, deadline=None)
@given(
    number=st.integers(0, MESSAGES - 1),
    place=st.integers(1, MESSAGE_BYTES - 1),
    change=st.integers(1, 255),
    lines=st.integers(1, 3),
)
def test_it_differs_where_one_byte_of_one_message_does(
    number: int, place: int, change: int, lines: int
) -> None:
    other = bytearray(packets([])[0])
    other[HEADER_BYTES + number * MESSAGE_BYTES + place] ^= change
    assert digest([[bytes(other)]] * lines) != WHOLE


@settings(max_examples=20, deadline=None)
@given(number=st.integers(0, MESSAGES - 2))
def test_it_differs_where_two_messages_change_places(number: int) -> None:
    other = bytearray(packets([])[0])
    at = HEADER_BYTES + number * MESSAGE_BYTES
    first, second = other[at : at + MESSAGE_BYTES], other[at + MESSAGE_BYTES : at + 2 * MESSAGE_BYTES]
    other[at : at + 2 * MESSAGE_BYTES] = second + first
    assert digest([[bytes(other)]]) != WHOLE


WAYS = [
    WireConfig(mode=mode, backend=backend)
    for mode in ("threaded", "inline")
    for backend in ("recvmmsg", "gro", "recv")
]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("day") / "day.pcap"
    market.write_capture(path)
    return path


@pytest.mark.parametrize("pacing", [Pacing.original(speed=4), Pacing.rate(3_000)], ids=["4x", "rate"])
@pytest.mark.parametrize("lines", [1, 2])
@pytest.mark.parametrize("wire", WAYS, ids=lambda wire: f"{wire.mode}-{wire.backend}")
def test_it_is_the_same_live_by_every_way_and_in_what_is_captured_on_it(
    day: Path, tmp_path: Path, wire: WireConfig, lines: int, pacing: Pacing
) -> None:
    expected = delivered.read(day, "msgpack", channels=market.CHANNELS).report.digest
    configuration = replace(
        live.config("msgpack", [live.ANY_PORT] * lines, wire=wire),
        batch=BatchConfig(max_messages=1 + 7 * lines, max_age_us=0),
    )
    routes = {destination: number for number, destination in enumerate(market.LINES[:lines])}
    out = tmp_path / "out.pcapng"
    found = live.replayed(day, configuration, pacing, routes=routes, kept=CaptureTo(str(out)))
    live.assert_nothing_dropped(found.report)
    assert (found.report.digest, verify(out).content.digest) == (expected, expected)
