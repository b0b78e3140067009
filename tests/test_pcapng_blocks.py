"""pcapng conformance files: the blocks that each is said to have, and the other small captures' facts."""

import re
from pathlib import Path

import pytest
from captures import capture

from feedhandler import capture as captures_of


def conformance_files() -> list[Path]:
    return sorted(capture("pcapng/hadrielk-le").glob("*/*.pcapng"))


def blocks_said(file: Path) -> dict[str, int]:
    """Return the counts that the text beside a file tells."""
    text = file.with_suffix(".txt").read_text(encoding="utf-8")
    counts = text.partition("Block counts:")[2].partition("Block sequence:")[0]
    return {kind: int(count) for kind, count in re.findall(r"(\w+): (\d+)", counts)}


def test_blocks_are_those_of_the_text() -> None:
    files = conformance_files()
    assert len(files) == 21

    for file in files:
        found = captures_of.info(file).capture
        assert found.blocks == blocks_said(file), file
        assert found.format == "pcapng"
        assert found.truncated is None, file
        assert found.records == sum(found.blocks.get(kind, 0) for kind in ("EPB", "SPB", "PB"))
        assert len(found.interfaces) == found.blocks.get("IDB", 0)


def test_each_record_has_one_fate() -> None:
    for file in conformance_files():
        found = captures_of.info(file)
        fates = found.capture
        assert fates.records == (
            fates.datagrams
            + fates.fragments
            + fates.not_udp
            + fates.snapped
            + fates.unsupported_link
            + fates.malformed_record
            + fates.malformed_link
            + fates.malformed_ip
            + fates.malformed_udp
        ), file
        assert fates.datagrams == sum(stream.datagrams for stream in found.streams) + found.other_datagrams


# Read from hexadecimal dumps: records, unit of time, and the first and last time in nanoseconds.
PCAPS = [
    ("microsecs", 2, "10^-6 s", 1_000_002_000, 1_000_001_000),
    ("nanosecs", 2, "10^-9 s", 1_000_002_000, 1_000_001_234),
    ("nanosecs_big_endian", 10, "10^-9 s", 1_766_361_926_167_647_291, 1_766_361_926_168_451_894),
    ("VlanPackets", 26, "10^-6 s", 1_277_840_495_135_052_000, 1_277_840_530_538_713_000),
]


@pytest.mark.parametrize(("name", "records", "unit", "first_ns", "last_ns"), PCAPS)
def test_pcap_resolutions_and_byte_orders(
    name: str, records: int, unit: str, first_ns: int, last_ns: int
) -> None:
    found = captures_of.info(capture(f"pcapng/{name}.pcap")).capture

    assert (found.format, found.truncated, found.blocks) == ("pcap", None, {})
    assert (found.records, found.not_udp) == (records, records)
    assert [interface.resolution for interface in found.interfaces] == [unit]
    assert (found.first_ts_ns, found.last_ts_ns) == (first_ns, last_ns)
