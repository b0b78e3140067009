"""Files that are cut off, something else, or unreadable: what is good is delivered, the rest is told."""

import gzip
import os
import random
import struct
from pathlib import Path

import delivered
import msgpack
import pytest
from captures import capture

import feedhandler as fh
from feedhandler import capture as captures_of
from replay import Generator

PCAP_HEADER_BYTES, RECORD_HEADER_BYTES, UDP_AT = 24, 16, 42
PACKETS = 6

ITCH50, IEX_TOPS, MSGPACK = (fh.protocol(name) for name in ("itch50", "iex-tops", "msgpack"))


@pytest.fixture(name="whole")
def _whole(tmp_path: Path) -> bytes:
    """A capture of some packets of two messages each."""
    generator = Generator(seed=3)
    packets = [packet for _, packet in generator.packets(PACKETS, start_ns=0, interval_ns=1_000, messages=2)]
    return delivered.write_datagrams(tmp_path / "whole.pcap", packets).read_bytes()


def record_ends(data: bytes) -> list[int]:
    """Return where each record of a little-endian pcap file ends."""
    ends, at = [], PCAP_HEADER_BYTES
    while at < len(data):
        at += RECORD_HEADER_BYTES + int(struct.unpack_from("<I", data, at + 8)[0])
        ends.append(at)
    return ends


def test_pcap_cut_at_every_length(whole: bytes, tmp_path: Path) -> None:
    ends, file = record_ends(whole), tmp_path / "cut.pcap"
    everything = seqs(delivered.read(tmp_path / "whole.pcap", MSGPACK))
    for length in range(len(whole) + 1):
        file.write_bytes(whole[:length])
        if length < PCAP_HEADER_BYTES:
            with pytest.raises(fh.CaptureError) as raised:
                fh.read(file, MSGPACK)
            assert raised.value.file == str(file)
            continue

        found = delivered.read(file, MSGPACK)

        records = sum(end <= length for end in ends)
        assert seqs(found) == everything[: 2 * records], length
        assert found.report.packets == found.report.datagrams == records
        assert found.report.truncated == (length not in {PCAP_HEADER_BYTES, *ends})
        assert (found.report.truncated_detail is not None) == found.report.truncated
        assert found.report.ledger.is_balanced


def seqs(found: delivered.Delivered) -> list[int]:
    return sorted(seq for rows in found.tables.values() for seq in rows["seq"].tolist())


def test_pcapng_cut_at_every_length(tmp_path: Path) -> None:
    whole = capture("pcapng/hadrielk-le/advanced/test102.pcapng").read_bytes()
    file, ends, last_records = tmp_path / "cut.pcapng", block_ends(whole), 0
    for length in range(len(whole) + 1):
        file.write_bytes(whole[:length])
        try:
            found = captures_of.info(file).capture
        except fh.CaptureError:
            assert length < 28, "a section header is enough"  # its shortest form
            continue
        assert found.records >= last_records
        last_records = found.records
        assert (found.truncated is None) == (length in ends), length
        reader = fh.read(file, ITCH50)
        assert sum(batch.size for batch in reader) == reader.report().messages


def block_ends(data: bytes) -> set[int]:
    ends, at = set(), 0
    while at < len(data):
        at += int(struct.unpack_from("<I", data, at + 4)[0])
        ends.add(at)
    return ends


def test_message_file_cut_at_every_length(tmp_path: Path) -> None:
    whole = capture("itch/12302019_SNIPPET.NASDAQ_ITCH50").read_bytes()[:600]
    file, ends, at = tmp_path / "cut", {0}, 0
    while at + 2 <= len(whole):
        at += 2 + int.from_bytes(whole[at : at + 2])
        ends.add(at)
    for length in range(1, len(whole)):
        file.write_bytes(whole[:length])
        try:
            found = delivered.read(file, ITCH50)
        except fh.CaptureError:
            assert length < 4, "as short as a file's magic number"
            continue
        assert found.report.messages == sum(0 < end <= length for end in ends), length
        assert found.report.truncated == (length not in ends)
        assert found.report.ledger.is_balanced


def test_gzip_cut_at_every_length(whole: bytes, tmp_path: Path) -> None:
    data, file = gzip.compress(whole), tmp_path / "cut.gz"
    most = 0
    for length in range(len(data)):
        file.write_bytes(data[:length])
        try:
            found = delivered.read(file, MSGPACK)
        except fh.CaptureError:
            assert most == 0, "more of the file is not less"
            continue
        assert found.report.truncated, length
        assert len(seqs(found)) >= most
        most = max(most, len(seqs(found)))
    assert most > 0


def test_flipped_bits_harm_nothing(whole: bytes, tmp_path: Path) -> None:
    chance, file = random.Random(5), tmp_path / "flipped.pcap"
    for _ in range(1_500):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        read_or_refused(file, MSGPACK)


@pytest.mark.parametrize("magic", ["", "d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "0a0d0d0a", "1f8b08", "28b52ffd"])
def test_random_bytes_harm_nothing(magic: str, tmp_path: Path) -> None:
    chance, file = random.Random(magic), tmp_path / "random"
    for _ in range(150):
        file.write_bytes(bytes.fromhex(magic) + chance.randbytes(chance.randint(0, 400)))
        read_or_refused(file, ITCH50)
        read_or_refused(file, IEX_TOPS)


def read_or_refused(file: Path, protocol: fh.Protocol) -> None:
    try:
        reader = fh.read(file, protocol)
    except fh.CaptureError as error:
        line = str(error)
    else:
        line = f"{file}: "
        messages = sum(batch.size for batch in reader)
        report = reader.report()
        assert report.ledger.is_balanced
        assert messages <= report.messages
    assert line.startswith(f"{file}: ")
    assert "\n" not in line


def test_neither_a_capture_nor_messages(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a capture at all, but long enough for one")
    with pytest.raises(fh.CaptureError, match="text: "):
        fh.read(tmp_path / "text", IEX_TOPS)
    with pytest.raises(fh.CaptureError, match="text: "):
        captures_of.info(tmp_path / "text")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(fh.CaptureError, match="empty: "):
        fh.read(tmp_path / "empty", IEX_TOPS)


def test_folder_and_missing_file(tmp_path: Path) -> None:
    for file in (tmp_path, tmp_path / "missing", tmp_path / "missing" / "deeper"):
        with pytest.raises(fh.CaptureError) as raised:
            fh.read(file, ITCH50)
        assert raised.value.file == str(file)
        assert raised.value.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read(whole: bytes, tmp_path: Path) -> None:
    file = tmp_path / "secret.pcap"
    file.write_bytes(whole)
    file.chmod(0)
    with pytest.raises(fh.CaptureError, match="secret"):
        fh.read(file, MSGPACK)


def test_good_packets_among_bad_ones_are_delivered(tmp_path: Path) -> None:
    generator = Generator(seed=3)
    good = [packet for _, packet in generator.packets(50, start_ns=0, interval_ns=1_000, messages=2)]
    bad = [b"", b"\xc1", msgpack.packb([0, "SYNTHETIC", 1]), b"\xdd\xff\xff\xff\xff", good[0][:9]]
    mixed = [packet for number, each in enumerate(good) for packet in (bad[number % len(bad)], each)]

    found = delivered.read(delivered.write_datagrams(tmp_path / "mixed.pcap", mixed), MSGPACK)

    assert seqs(found) == list(range(1, 101))
    assert (found.report.malformed, found.report.gaps) == (50, ())
    assert found.report.ledger.is_balanced
    assert {sample.bytes for sample in found.report.malformed_samples} >= {"c1", good[0][:9].hex()}
