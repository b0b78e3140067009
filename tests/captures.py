"""The captures that tests run against, where the machine has them; and a slow, obvious reader of them."""

import gzip
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def capture(name: str) -> Path:
    """Return a file of the captures; skips the test where there is none."""
    folder = Path(os.environ.get("FEEDHANDLER_CAPTURES", ROOT / ".." / "shared" / "captures"))
    file = folder / name
    if not file.exists():
        pytest.skip(f"no {name} in {folder}: set FEEDHANDLER_CAPTURES to the folder of the captures")
    return file


def payloads(file: Path) -> Iterator[bytes]:
    """Yield the UDP payloads of a little-endian pcap or pcapng file of IPv4 on Ethernet."""
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    frames = _pcapng(data) if data.startswith(b"\x0a\x0d\x0d\x0a") else _pcap(data)
    for frame in frames:
        yield _payload(frame)


def _pcap(data: bytes) -> Iterator[bytes]:
    at = 24
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        yield data[at + 16 : at + 16 + length]
        at += 16 + length


def _pcapng(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        kind, block_length = struct.unpack_from("<II", data, at)
        if kind == 6:
            (length,) = struct.unpack_from("<I", data, at + 20)
            yield data[at + 28 : at + 28 + length]
        at += block_length


def _payload(frame: bytes) -> bytes:
    at = 12
    while frame[at : at + 2] == b"\x81\x00":
        at += 4
    assert frame[at : at + 2] == b"\x08\x00"
    ip = at + 2
    udp = ip + 4 * (frame[ip] & 0x0F)
    (length,) = struct.unpack_from(">H", frame, udp + 4)
    return frame[udp + 8 : udp + length]
