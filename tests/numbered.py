"""Packets of the protocol in numbers.toml: numbered messages, each with a number that no other has."""

import struct

from captures import ROOT

PROTOCOL = ROOT / "tests" / "numbers.toml"
END_OF_SESSION = 0xFFFF


def number(unit: int) -> int:
    """Return what the message with this sequence number holds."""
    return unit * 0x9E37_79B9_7F4A_7C15 % (1 << 64)


def packet(session: int, first: int, end: int, *, is_end_of_session: bool = False) -> bytes:
    """Return a packet of the messages ``first`` to ``end - 1``; without any, a heartbeat or the end."""
    count = END_OF_SESSION if is_end_of_session else end - first
    header = struct.pack(">HIH", session, first % (1 << 32), count)
    return header + b"".join(struct.pack(">BQ", 8, number(unit)) for unit in range(first, end))
