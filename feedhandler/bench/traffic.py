"""What `bench throughput` sends: packets of quotes of any size, and blocks in segments."""

import zlib
from typing import Final

import msgpack
import msgspec
import numpy as np

from feedhandler.bench import material
from feedhandler.bench.sender import Packet

BLOCK_BYTES: Final = 1_000_000
"""Of a large transfer's block."""

_SEED: Final = 20_250_131
_MOST_QUOTES: Final = 400
_NUMBER_BYTES: Final = 8
_ASK_SIZE: Final = 5
_LEAST_FILLER_BYTES: Final = 2
_MOST_BIN_8_BYTES: Final = 2 + 255

_SEGMENTS: Final = """
name = "bench-segments"
title = "Blocks of raw bytes in segments"
encoding = "binary"
byte_order = "big"

[framing]
name = "bench-segments"
counts = "packets"
delimiter = "whole"
header = [
    {{ name = "sequence", type = "u64", role = "sequence" }},
    {{ name = "send_time_ns", type = "u64", role = "send_time", doc = "nanoseconds since 1970 UTC" }},
]

[messages.segment]
fields = [{{ name = "payload", type = "bytes", length = {length}, doc = "the next bytes of a block" }}]
"""


class Blocks(msgspec.Struct, frozen=True):
    """Blocks that are sent in segments, each the same.

    Parameters
    ----------
    segment_bytes
        Of a segment's payload; a divisor of `BLOCK_BYTES`.
    """

    segment_bytes: int

    @property
    def segments(self) -> int:
        """How many make a block."""
        return BLOCK_BYTES // self.segment_bytes

    def declaration(self) -> str:
        """Return the protocol of the segments; number n is part (n - 1) modulo `segments` of its block."""
        return _SEGMENTS.format(length=self.segment_bytes)

    def packets(self) -> tuple[Packet, ...]:
        """Return the packets of a block."""
        content, size = block(), self.segment_bytes
        parts = (content[at : at + size] for at in range(0, BLOCK_BYTES, size))
        head = bytes(2 * _NUMBER_BYTES)
        return tuple(
            Packet(content=head + part, sequence_offset=0, send_time_offset=_NUMBER_BYTES, messages=1)
            for part in parts
        )


def block() -> bytes:
    """Return what every block holds."""
    return np.random.default_rng(_SEED).bytes(BLOCK_BYTES)


def checksum(content: bytes | memoryview) -> int:
    """Return the CRC-32 of a block."""
    return zlib.crc32(content)


def quotes(datagram_bytes: int, messages: int | None = None) -> Packet:
    """Make a packet of msgpack quotes.

    Parameters
    ----------
    datagram_bytes
        Its length. What the quotes leave is filled by an element of the header that a receiver skips, as one
        of a newer version (docs/wire_format.md).
    messages
        How many quotes it has; without it, as many as fit.

    Raises
    ------
    ValueError
        They do not fit.
    """
    ((_, bodies),) = material.quotes(1, _MOST_QUOTES)
    for count in [messages] if messages is not None else range(_MOST_QUOTES, 0, -1):
        left = datagram_bytes - len(_packet(bodies[:count], b"").content)
        if left == 0 or left >= _LEAST_FILLER_BYTES:
            return _packet(bodies[:count], _filler(left))
    raise ValueError(f"expected quotes that fit {datagram_bytes} bytes, found {messages or 1} that do not")


def ask_sizes(packet: Packet) -> int:
    """Return the sum of the ask sizes in a packet of quotes."""
    ((_, bodies),) = material.quotes(1, packet.messages)
    return sum(msgpack.unpackb(body)[_ASK_SIZE] for body in bodies)


def _packet(bodies: list[bytes], filler: bytes) -> Packet:
    head = bytes([0x96 if filler else 0x95, 0]) + msgpack.packb("BENCH") + b"\xcf"
    behind = msgpack.packb(len(bodies)) + b"\xcf"
    number = bytes(_NUMBER_BYTES)
    return Packet(
        content=head + number + behind + number + filler + b"".join(bodies),
        sequence_offset=len(head),
        send_time_offset=len(head) + _NUMBER_BYTES + len(behind),
        messages=len(bodies),
    )


def _filler(length: int) -> bytes:
    """Return a msgpack ``bin`` of zeros that is so many bytes long, its head included."""
    if length == 0:
        return b""
    if length <= _MOST_BIN_8_BYTES:
        return b"\xc4" + bytes([length - 2]) + bytes(length - 2)
    return b"\xc5" + (length - 3).to_bytes(2, "big") + bytes(length - 3)
