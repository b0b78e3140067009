"""`bench throughput`: what is sent is a feed, blocks are put together again, and every case is measured."""

import os
import zlib
from pathlib import Path

import delivered
import numpy as np
import pytest

import feedhandler as fh
from feedhandler import _core
from feedhandler.bench import throughput, traffic
from feedhandler.bench.throughput_cases import Case, all_cases
from feedhandler.bench.throughput_receiver import Assembly
from feedhandler.bench.traffic import BLOCK_BYTES, Blocks

_BLOCKS = Blocks(62_500)


@pytest.mark.parametrize("size", [64, 200, 257, 1_000, 8_192])
def test_a_packet_has_the_length_and_the_messages_that_were_asked_for(size: int, tmp_path: Path) -> None:
    packet = traffic.quotes(size)
    content, at = packet.content, packet.sequence_offset
    numbered = content[:at] + (1).to_bytes(8, "big") + content[at + 8 :]

    found = delivered.read(delivered.write_datagrams(tmp_path / "feed.pcap", [numbered]), "msgpack")

    assert (len(content), found.report.malformed) == (size, 0)
    assert found.tables["quote"]["seq"].tolist() == list(range(1, packet.messages + 1))
    assert found.tables["quote"]["ask_size"].sum() == traffic.ask_sizes(packet)


def test_messages_and_length_are_chosen_apart() -> None:
    assert [traffic.quotes(1_400, messages).messages for messages in (1, 10, 40)] == [1, 10, 40]
    assert {len(traffic.quotes(1_400, messages).content) for messages in (1, 10, 40)} == {1_400}
    with pytest.raises(ValueError, match="expected quotes that fit 200 bytes, found 10"):
        traffic.quotes(200, 10)


def _rows(tmp_path: Path, numbers: list[int]) -> np.ndarray:
    """Return the rows of segments with these numbers, out of a capture."""
    declaration = tmp_path / "segments.toml"
    declaration.write_text(_BLOCKS.declaration())
    packets = _BLOCKS.packets()
    contents = [packets[(number - 1) % _BLOCKS.segments].content for number in numbers]
    datagrams = [
        number.to_bytes(8, "big") + content[8:] for number, content in zip(numbers, contents, strict=True)
    ]
    file = delivered.write_datagrams(tmp_path / "segments.pcap", datagrams)
    return np.concatenate([batch["segment"] for batch in fh.read(file, fh.protocol(declaration))])


def test_blocks_are_put_together_from_their_segments(tmp_path: Path) -> None:
    assembly = Assembly(_BLOCKS)

    rows = _rows(tmp_path, list(range(1, 3 * _BLOCKS.segments + 1)))
    for part in np.array_split(rows, 7):
        assembly.add(part)

    assert (assembly.whole, assembly.broken, assembly.wrong) == (3, 0, 0)
    assert traffic.checksum(traffic.block()) == zlib.crc32(traffic.block())
    assert len(traffic.block()) == BLOCK_BYTES


def test_a_block_that_misses_a_segment_is_broken_and_one_with_other_bytes_is_wrong(tmp_path: Path) -> None:
    assembly, segments = Assembly(_BLOCKS), _BLOCKS.segments
    numbers = [
        number for number in range(1, 5 * segments + 1) if number not in (3, segments + 1, 2 * segments)
    ]
    rows = _rows(tmp_path, numbers).copy()
    rows["payload"][-1] = bytes(_BLOCKS.segment_bytes)

    for part in np.array_split(rows, 11):
        assembly.add(part)

    assert (assembly.whole, assembly.broken, assembly.wrong) == (2, 2, 1)


def test_one_factor_varies_at_a_time() -> None:
    cases = list(all_cases())
    base = Case(factor="size", value="200")

    assert sum(case.same_traffic() == base.same_traffic() for case in cases) == 4
    assert {case.datagram_bytes for case in cases if case.factor in {"channels", "lines", "backend"}} == {200}


@pytest.mark.skipif(_core.BUILD_PROFILE != "release", reason="a debug build is not worth measuring")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a sender and a receiver need two processors")
@pytest.mark.parametrize(
    "case",
    [
        Case(factor="channels", value="2", channels=2, lines=2),
        Case(factor="blocks", value="62,500", datagram_bytes=62_516, messages=1, blocks=_BLOCKS),
    ],
    ids=["quotes", "blocks"],
)
def test_a_case_is_measured_at_its_limit_and_under_overload(case: Case) -> None:
    result = throughput.run(rounds=1, seconds=0.1, steps=1, cases=[case])

    (row,) = result.rows
    overload = row.rounds[0].overload
    assert row.delivered_per_s == overload.datagrams_per_s > 0
    assert overload.cpu_percent > 0
    assert overload.peak_kib > 0
    assert (overload.blocks_per_s > 0) == (case.blocks is not None)
    assert row.limit_per_s == row.rounds[0].limit.rate * case.lines
    assert all(each.outcome in {"whole", "lost", "not_sent"} for each in row.rounds[0].limit.tries)
