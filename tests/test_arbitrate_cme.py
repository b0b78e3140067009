"""Real lines A and B of CME, framed, not decoded: what both bring comes once, what neither does is lost."""

import struct
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import delivered
import numpy as np
from captures import ROOT, capture
from delivered import Delivered

CAPTURE = "cme/Cme.Mdp3.Sbe.v8.1.Example.pcap"
PROTOCOL = ROOT / "tests" / "cme-packets.toml"
LINES = ("224.0.31.11:14320", "224.0.32.11:15320")
FIRST, PACKETS = 17_347_815, 5_000
ENHANCED_PACKET = 6
UDP_HEADER_BYTES = 8

Keep = Callable[[int, int], bool]
"""Whether a line, by number, still has a packet, by its number from 1 on."""


def read(file: Path) -> Delivered:
    return delivered.read(file, PROTOCOL, channels={"310": LINES})


def thinned(file: Path, to: Path, keep: Keep) -> Path:
    """Write a capture anew with only some packets of each line."""
    data = file.read_bytes()
    at, kept = 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        block = data[at : at + length]
        at += length
        if kind != ENHANCED_PACKET or keep(*line_and_number(block)):
            kept.append(block)
    to.write_bytes(b"".join(kept))
    return to


def line_and_number(block: bytes) -> tuple[int, int]:
    """Return the line that a packet block is of, and which of its packets it is."""
    addresses = [ip_address(line.split(":")[0]).packed for line in LINES]
    line, ip = next((line, block.find(address)) for line, address in enumerate(addresses) if address in block)
    (sequence,) = struct.unpack_from("<I", block, ip + len(addresses[0]) + UDP_HEADER_BYTES)
    return line, sequence - FIRST + 1


def test_what_both_lines_bring_is_delivered_once() -> None:
    found = read(capture(CAPTURE))

    (channel,) = found.report.ledger.channels
    assert (channel.expected, channel.units.delivered, channel.units.recovered) == (PACKETS, PACKETS, 0)
    assert (found.report.duplicates, found.report.gaps, found.report.malformed) == (PACKETS, (), 0)
    assert (found.report.sessions[0].first, found.report.sessions[0].last) == (FIRST, FIRST + PACKETS - 1)
    assert found.report.ledger.is_balanced
    templates = Counter(found.tables["message"]["template_id"].tolist())
    assert templates == {32: 4_898, 35: 179, 30: 99, 42: 60, 37: 57, 12: 6}
    assert set(found.tables["message"]["schema_id"].tolist()) == {1}
    assert np.array_equal(np.unique(found.tables["message"]["seq"]), np.arange(FIRST, FIRST + PACKETS))


def test_what_neither_line_brings_is_missing_and_nothing_else(tmp_path: Path) -> None:
    every = (7, 11)
    file = thinned(capture(CAPTURE), tmp_path / "less.pcap", lambda line, number: number % every[line] != 0)

    found = read(file)

    missing = [number for number in range(1, PACKETS + 1) if number % 77 == 0]
    gaps = [(gap.first, gap.last, gap.cause) for gap in found.report.gaps]
    assert gaps == [(FIRST + number - 1, FIRST + number - 1, "line") for number in missing]
    (channel,) = found.report.ledger.channels
    assert (channel.units.lost_line, channel.units.lost) == (len(missing), len(missing))
    assert channel.expected == PACKETS
    on_a, on_b = (line.units for line in channel.lines)
    numbers = range(1, PACKETS + 1)
    less_a, less_b = ({number for number in numbers if number % each == 0} for each in every)
    assert (on_a.brought, on_a.missed, on_a.lost) == (PACKETS - len(less_a), len(less_a - less_b), 64)
    assert (on_b.brought, on_b.missed, on_b.lost) == (PACKETS - len(less_b), len(less_b - less_a), 64)
    assert (on_a.saved, on_b.saved) == (on_b.missed, on_a.missed)
    assert (found.report.ledger.is_balanced, found.report.ledger.mismatches) == (True, 0)
    whole = np.arange(FIRST, FIRST + PACKETS)
    there = np.setdiff1d(whole, whole[np.array(missing) - 1])
    assert np.array_equal(np.unique(found.tables["message"]["seq"]), there)
