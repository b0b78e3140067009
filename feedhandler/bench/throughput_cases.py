"""The cases of `bench throughput`: one factor is varied at a time, from one base."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, get_args

import msgspec

from feedhandler.bench.traffic import Blocks

BASE_BYTES: Final = 200
SIZES_BYTES: Final = (64, 200, 1_000, 1_400, 8_192)
MESSAGES: Final = (1, 10, 40)
MESSAGES_BYTES: Final = 1_400
"""Of the datagrams whose number of messages varies."""
CHANNELS: Final = (1, 8, 64)
LINES: Final = (1, 2)
SEGMENTS_BYTES: Final = (1_250, 8_000, 62_500)
"""Of the segments of a block: what fits Ethernet's frames, jumbo frames, and the longest datagram."""
WIRES: Final[dict[str, dict[str, Any]]] = {
    "recvmmsg": {},
    "recvmmsg, inline": {"mode": "inline"},
    "gro": {"backend": "gro"},
    "gro, inline": {"backend": "gro", "mode": "inline"},
}
BASE_WIRE: Final = "recvmmsg"

_HEADER_BYTES: Final = 16
_MOST_SLOT_BYTES: Final = 65_535
_ARENA_BYTES: Final = 16 << 20
_LEAST_SLOTS: Final = 256


Factor = Literal["size", "messages", "channels", "lines", "backend", "blocks"]
"""What is varied: bytes of a datagram full of quotes; quotes in a datagram of `MESSAGES_BYTES`; channels;
lines of a channel; how datagrams are taken from the sockets; bytes of the segments of a block."""
FACTORS: Final[tuple[Factor, ...]] = get_args(Factor)


class Title(NamedTuple):
    """What a table of a factor is called, and the column of its values."""

    title: str
    value: str


TITLES: Final[Mapping[Factor, Title]] = MappingProxyType(
    {
        "size": Title("datagrams full of quotes", "bytes"),
        "messages": Title(f"quotes in a datagram of {MESSAGES_BYTES:,} bytes", "quotes"),
        "channels": Title("channels", "channels"),
        "lines": Title("lines of a channel", "lines"),
        "backend": Title("backends and modes", "backend"),
        "blocks": Title("blocks of 1 MB, sent in segments and put together", "segment bytes"),
    }
)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and how it is received.

    Parameters
    ----------
    factor, value
        What is varied, and what it is here.
    datagram_bytes
        Length of a datagram.
    messages
        Quotes in it; None for as many as fit.
    channels, lines
        How many channels, and lines of each.
    wire
        A name of `WIRES`.
    blocks
        Blocks in segments, instead of quotes.
    """

    factor: Factor
    value: str
    datagram_bytes: int = BASE_BYTES
    messages: int | None = None
    channels: int = 1
    lines: int = 1
    wire: str = BASE_WIRE
    blocks: Blocks | None = None

    def same_traffic(self) -> tuple[object, ...]:
        """Return what makes two cases the same measurement, however they are called."""
        return msgspec.structs.astuple(self)[2:]

    def ring(self) -> dict[str, int]:
        """Return the keys of the configuration's ``ring``: the same memory whatever a slot holds."""
        if self.wire.startswith("gro"):
            return {}
        slot_bytes = 2048
        while slot_bytes < self.datagram_bytes:
            slot_bytes *= 2
        slots = max(_ARENA_BYTES // slot_bytes, _LEAST_SLOTS)
        return {"slot_bytes": min(slot_bytes, _MOST_SLOT_BYTES), "slots": slots}


def all_cases() -> Iterator[Case]:
    """Return the cases; one that is the base appears under each factor, and is measured once."""
    for size in SIZES_BYTES:
        yield Case(factor="size", value=f"{size:,}", datagram_bytes=size)
    for messages in MESSAGES:
        yield Case(
            factor="messages",
            value=f"{messages}",
            datagram_bytes=MESSAGES_BYTES,
            messages=messages,
        )
    for channels in CHANNELS:
        yield Case(factor="channels", value=f"{channels}", channels=channels)
    for lines in LINES:
        yield Case(factor="lines", value=f"{lines}", lines=lines)
    for wire in WIRES:
        yield Case(factor="backend", value=wire, wire=wire)
    for segment_bytes in SEGMENTS_BYTES:
        yield Case(
            factor="blocks",
            value=f"{segment_bytes:,}",
            datagram_bytes=_HEADER_BYTES + segment_bytes,
            messages=1,
            blocks=Blocks(segment_bytes),
        )
