"""Random packets of every protocol, good and spoilt: Rust delivers and counts what the oracle says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import delivered
import oracle
import pytest
from captures import ROOT
from delivered import LEADING_COLUMNS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_packets import packet_of_all, packets

import feedhandler as fh
from feedhandler.protocol import needs_schema, shipped

WHOLE = [name for name in shipped() if not needs_schema(name)]
PROTOCOLS = [*WHOLE, str(ROOT / "configs" / "protocols" / "crypto_trades.toml")]


@dataclass
class Fates:
    """What became of one packet; `rows` are names and values."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    unknown: int = 0
    malformed_messages: int = 0
    malformed_packets: int = 0
    quiet: int = 0
    trailing_bytes: int = 0
    longer: int = 0


def by_oracle(protocol: fh.Protocol, payload: bytes, reasons: Counter[str]) -> Fates | None:
    """Return what the oracle says of a packet, and count its reasons; None where it does not know."""
    try:
        packet = oracle.read_packet(protocol, payload)
    except oracle.BeyondOracle:
        return None
    except oracle.Malformed as error:
        reasons[error.reason] += 1
        return Fates(malformed_packets=1)
    fates = Fates(quiet=int(packet.header.kind != "data"), trailing_bytes=packet.trailing_bytes)
    for outcome in packet.messages:
        match outcome:
            case oracle.Decoded():
                fates.rows.append((outcome.name, repr(tuple(outcome.fields.values()))))
                fates.longer += outcome.is_longer
            case oracle.Unknown():
                fates.unknown += 1
            case oracle.Refused():
                fates.malformed_messages += 1
                reasons[outcome.reason] += 1
    return fates


def by_rust(protocol: fh.Protocol, payloads: Sequence[bytes], file: Path) -> tuple[list[Fates], fh.Report]:
    """Read each packet as a stream of its own, so that no sequence number matters."""
    destinations = [("239.1.2.3", 10_000 + n) for n in range(len(payloads))]
    reader = fh.read(delivered.write_datagrams(file, payloads, destinations), protocol)
    rows = list(delivered.messages(reader))
    report = reader.report()
    channels = {f"239.1.2.3:{port}": Fates() for _, port in destinations}
    # A unit of a stream has a channel of its own, whose name begins with the stream's.
    fates = [channels[channel.name.partition("/")[0]] for channel in report.ledger.channels]
    for name, row in rows:
        fates[row[2]].rows.append((name, repr(row[LEADING_COLUMNS:])))
    for found, channel in zip(fates, report.ledger.channels, strict=True):
        (line,) = channel.lines
        found.unknown += channel.messages.unknown
        found.malformed_messages += channel.messages.malformed
        found.longer += channel.messages.longer
        found.trailing_bytes += line.trailing_bytes
        found.malformed_packets += line.malformed
        found.quiet += line.heartbeats + line.ends_of_session
    return list(channels.values()), report


def compare(protocol: fh.Protocol, payloads: Sequence[bytes], file: Path) -> None:
    reasons: Counter[str] = Counter()
    expected = [by_oracle(protocol, payload, reasons) for payload in payloads]

    found, report = by_rust(protocol, payloads, file)

    for payload, ours, theirs in zip(payloads, expected, found, strict=True):
        assert ours in (theirs, None), payload.hex()
    if protocol.encoding == "binary":
        assert report.malformed_by_reason == reasons
    elif None not in expected:  # where there are several faults, the oracle may name another of them
        assert sum(report.malformed_by_reason.values()) == reasons.total()
    assert report.ledger.is_balanced


@pytest.mark.parametrize("name", PROTOCOLS)
def test_random_packets(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    protocol = fh.protocol(name)
    file = tmp_path_factory.mktemp("random") / "packets.pcap"

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(packets(protocol), min_size=1, max_size=30))
    def run(payloads: list[bytes]) -> None:
        compare(protocol, payloads, file)

    run()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_truncation_of_a_packet(name: str, tmp_path: Path) -> None:
    protocol = fh.protocol(name)
    packet = packet_of_all(protocol)

    compare(protocol, [packet[:length] for length in range(len(packet) + 1)], tmp_path / "packets.pcap")


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("value", [0x00, 0x01, 0x7F, 0x80, 0xC0, 0xC1, 0xDD, 0xDF, 0xFF])
def test_every_byte_that_lies(name: str, value: int, tmp_path: Path) -> None:
    protocol = fh.protocol(name)
    packet = packet_of_all(protocol)
    lies = [packet[:at] + bytes([value]) + packet[at + 1 :] for at in range(len(packet))]

    compare(protocol, lies, tmp_path / "packets.pcap")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_bytes_behind_a_packet(name: str, tmp_path: Path) -> None:
    protocol = fh.protocol(name)
    packet = packet_of_all(protocol)
    tails = [bytes([byte]) * count for byte in (0x00, 0xC0, 0xC1, 0xFF) for count in range(1, 80)]

    compare(protocol, [packet + tail for tail in tails], tmp_path / "packets.pcap")


DEPTHS_AND_LENGTHS = [
    *(bytes([first]) * 60_000 for first in (0x81, 0x91, 0xC1, 0xD9, 0xDC, 0xDD, 0xDE, 0xDF)),
    *(bytes([first]) + b"\xff" * size for first in range(0xC4, 0xE0) for size in (1, 2, 4, 5, 8, 40)),
    b"\x91" * 60_000 + b"\xc0",
    b"\x81\xa1a" * 20_000 + b"\xc0",
    b"\xdd\x00\x00\xff\xff" + b"\xc0" * 60_000,
]


@pytest.mark.parametrize("name", ["msgpack", PROTOCOLS[-1]])
def test_msgpack_bombs_are_counted_and_harm_nothing(name: str, tmp_path: Path) -> None:
    protocol = fh.protocol(name)
    header = bytes.fromhex("9500a832303236303130322a01cf1886f20361762a00") if name == "msgpack" else b""
    good = packet_of_all(protocol)

    fates, report = by_rust(
        protocol, [*(header + bomb for bomb in DEPTHS_AND_LENGTHS), good], tmp_path / "packets.pcap"
    )

    for fate in fates[:-1]:
        assert (fate.rows, fate.unknown, fate.malformed_packets + fate.malformed_messages) == ([], 0, 1)
    assert len(fates[-1].rows) == len(oracle.read_packet(protocol, good).messages)
    assert sum(report.malformed_by_reason.values()) == len(DEPTHS_AND_LENGTHS)
    assert 0 < len(report.malformed_samples) < 100
    assert report.ledger.is_balanced
