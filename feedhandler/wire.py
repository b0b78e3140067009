"""Wire: what became of the sockets that lines are received on.

`feedhandler.report` holds it.
"""

from typing import Literal

import msgspec


class Warning(msgspec.Struct, frozen=True):  # noqa: A001 — what it is called wherever it appears
    """Something that was asked of the system and not granted in full."""

    subject: str
    setting: str
    asked: str
    granted: str
    why: str
    command: str | None

    def __str__(self) -> str:
        command = f"; try: {self.command}" if self.command else ""
        text = f"{self.subject}: {self.setting}: asked for {self.asked}, granted {self.granted}: {self.why}"
        return text + command


class SocketStats(msgspec.Struct, frozen=True):
    """What a line's socket counted; `coalesced` are those `datagrams` that came as one with others.

    Only where `socket_drops_read` is true, `socket_drops` is the kernel's own count up to now, and may it be
    said that nothing was lost. Datagrams that the kernel had coalesced are one drop there.
    """

    datagrams: int
    coalesced: int
    bytes: int
    truncated: int
    socket_drops: int
    socket_drops_read: bool
    ring_drops: int
    errors: int
    last_error: str | None
    drained: bool


class WireLine(msgspec.Struct, frozen=True):
    """A line's socket: what it asked for, what it was granted, and what it counted.

    The kernel tells a receive buffer as twice what it granted, because it counts its own overhead in.
    """

    name: str
    channel: int
    line: int
    address: str
    interface: str | None
    membership: Literal["any_source", "source_specific"] | None
    sources: tuple[str, ...]
    rcvbuf_asked_bytes: int | None
    rcvbuf_bytes: int
    stamps: Literal["none", "kernel", "hardware"]
    drops_told: bool
    coalesced: bool
    busy_poll_us: int
    warnings: tuple[Warning, ...]
    stats: SocketStats


class RingUse(msgspec.Struct, frozen=True):
    """How much of the ring was needed: its slots, and how many were in use at once at most.

    `pages` is what the kernel says its memory is made of: huge pages that were ``reserved``, that it made of
    ordinary ones (``transparent``), or ``ordinary`` ones.
    """

    slots: int
    high_water: int
    slot_bytes: int
    pages: Literal["ordinary", "transparent", "reserved"]
