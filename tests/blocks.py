"""A slow, obvious reader of little-endian pcapng blocks, for what the package's own reader does not tell."""

import shutil
import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

INTERFACE, STATISTICS, PACKET = 1, 5, 6
COMMENT, DROPCOUNT = 1, 4

_FIXED_BYTES = {0x0A0D0D0A: 16, INTERFACE: 8, STATISTICS: 12}


class Block(NamedTuple):
    """A block: its type, its fields without options, and its options by code."""

    kind: int
    offset: int
    fields: bytes
    options: dict[int, bytes]


def read(path: Path) -> list[Block]:
    """Return the blocks of a capture."""
    return list(_blocks(plain(path)))


def plain(path: Path) -> bytes:
    """Return a capture as it is before compression."""
    return decompressed(path.read_bytes()) if path.suffix == ".zst" else path.read_bytes()


def decompressed(data: bytes, *, check: bool = True) -> bytes:
    """Return what the program zstd makes of it; skips the test where there is none."""
    program = shutil.which("zstd")
    if program is None:
        pytest.skip("no zstd: cannot decompress without our own reader")
    return subprocess.run([program, "-dcq"], input=data, check=check, capture_output=True).stdout


def _blocks(data: bytes) -> Iterator[Block]:
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert data[at + length - 4 : at + length] == struct.pack("<I", length), at
        body = data[at + 8 : at + length - 4]
        if kind == PACKET:
            (captured,) = struct.unpack_from("<I", body, 12)
            fixed = 20 + (captured + 3) // 4 * 4
        else:
            fixed = _FIXED_BYTES[kind]
        yield Block(kind, at, body[:fixed], _options(body[fixed:]))
        at += length


def _options(data: bytes) -> dict[int, bytes]:
    options = {}
    while len(data) >= 4:
        code, length = struct.unpack_from("<HH", data)
        if code == 0:
            break
        options[code] = data[4 : 4 + length]
        data = data[4 + (length + 3) // 4 * 4 :]
    return options


def dropped(blocks: list[Block]) -> dict[int, int]:
    """Return what the packets of each interface tell as dropped in front of them."""
    counts: defaultdict[int, int] = defaultdict(int)
    for block in blocks:
        if block.kind == PACKET and DROPCOUNT in block.options:
            counts[struct.unpack_from("<I", block.fields)[0]] += int.from_bytes(
                block.options[DROPCOUNT], "little"
            )
    return counts


def statistics(blocks: list[Block]) -> dict[int, dict[int, int]]:
    """Return the counters of each interface by the code of their option."""
    return {
        struct.unpack_from("<I", block.fields)[0]: {
            code: int.from_bytes(value, "little")
            for code, value in block.options.items()
            if code != COMMENT and len(value) == 8
        }
        for block in blocks
        if block.kind == STATISTICS
    }
