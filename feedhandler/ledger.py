"""Ledger: where everything went. Each datagram, unit and message has exactly one fate.

A unit is what the protocol's sequence number counts: a message or a packet. The sums are checked in Rust
whenever a report is made; `feedhandler.report` holds the result.
"""

from typing import Literal

import msgspec


class UnitLedger(msgspec.Struct, frozen=True):
    """Fates of a channel's units, over all its lines.

    ``seen = delivered + recovered + duplicate + late + stale + unsequenced + pending``.
    """

    seen: int
    delivered: int
    recovered: int
    duplicate: int
    late: int
    stale: int
    unsequenced: int
    pending: int
    lost_line: int
    lost_socket_buffer: int
    lost_ring_full: int
    lost_malformed: int
    implausible_packets: int

    @property
    def lost(self) -> int:
        """Units lost, whatever the cause."""
        return self.lost_line + self.lost_socket_buffer + self.lost_ring_full + self.lost_malformed


class MessageLedger(msgspec.Struct, frozen=True):
    """Fates of a channel's messages after arbitration; `longer` are rows too.

    ``messages = rows + unknown + malformed + filtered``.
    """

    messages: int
    rows: int
    unknown: int
    malformed: int
    filtered: int
    longer: int


class LineLedger(msgspec.Struct, frozen=True):
    """Fates of a line's datagrams; what was dropped did not come, and stands beside the sum.

    ``datagrams = accepted + duplicate + stale + heartbeats + ends_of_session + malformed + pending``.
    """

    name: str
    datagrams: int
    bytes: int
    accepted: int
    duplicate: int
    stale: int
    heartbeats: int
    ends_of_session: int
    malformed: int
    pending: int
    dropped_socket_buffer: int
    dropped_ring_full: int
    trailing_bytes: int


class ChannelLedger(msgspec.Struct, frozen=True):
    """Fates of a channel: ``expected = delivered + recovered + lost``."""

    name: str
    unit: Literal["messages", "packets", "nothing"]
    expected: int
    units: UnitLedger
    messages: MessageLedger
    lines: tuple[LineLedger, ...]
    is_balanced: bool


class Ledger(msgspec.Struct, frozen=True):
    """Where everything went."""

    is_balanced: bool
    channels: tuple[ChannelLedger, ...]

    @property
    def lost(self) -> int:
        """Units lost on all channels, whatever the cause."""
        return sum(channel.units.lost for channel in self.channels)
