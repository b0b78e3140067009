"""Ledger: where everything went. Each datagram, unit and message has exactly one fate.

A unit is what the protocol's sequence number counts: a message or a packet. The sums are checked in Rust
with every batch and whenever a report is made; `feedhandler.report` holds the result.
"""

from typing import Literal

import msgspec

from feedhandler.percentiles import Percentiles


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


class LineUnits(msgspec.Struct, frozen=True):
    """What a line did for its channel, in units: ``expected = brought + missed + lost + behind``.

    Parameters
    ----------
    won
        Delivered from this line, because its copy was the first good one. Those of all lines together are the
        channel's ``delivered + recovered``.
    brought
        Came on this line, in time or not.
    missed
        Never came on this line, though on another.
    lost
        Came on no line.
    behind
        Beyond the place that the line has come to: it may still bring them. At the end there are none.
    saved
        Came on this line alone, of several: without it they would have been lost.
    """

    won: int
    brought: int
    missed: int
    lost: int
    behind: int
    saved: int


class LineLedger(msgspec.Struct, frozen=True):
    """Fates of a line's datagrams; what was dropped did not come, and stands beside the sum.

    ``datagrams = accepted + duplicate + stale + heartbeats + ends_of_session + malformed + other_source +
    pending``. `last_heard_ns` is the receive stamp of the last of them, or 0; `skew_ns` says how much later
    than the first copy of a packet this line's copy came, where that was measured.
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
    other_source: int
    pending: int
    dropped_socket_buffer: int
    dropped_ring_full: int
    trailing_bytes: int
    last_heard_ns: int
    units: LineUnits
    skew_ns: Percentiles | None


class ChannelLedger(msgspec.Struct, frozen=True):
    """Fates of a channel: ``expected = delivered + recovered + lost``.

    `grace_ns` is how long a missing unit is waited for now.
    """

    name: str
    unit: Literal["messages", "packets", "nothing"]
    expected: int
    units: UnitLedger
    messages: MessageLedger
    lines: tuple[LineLedger, ...]
    grace_ns: int
    is_balanced: bool

    def win_rate(self, line: LineLedger) -> float:
        """Share of the channel's delivered units that came from a line; 0 where there are none."""
        return line.units.won / max(self.units.delivered + self.units.recovered, 1)


class Ledger(msgspec.Struct, frozen=True):
    """Where everything went.

    `mismatches` counts the sums that were found to be wrong, now or with an earlier batch: it is 0, or there
    is a mistake in this program.
    """

    is_balanced: bool
    mismatches: int
    channels: tuple[ChannelLedger, ...]

    @property
    def filtered(self) -> int:
        """Messages on all channels that were left out because they are about other instruments."""
        return sum(channel.messages.filtered for channel in self.channels)

    @property
    def lost(self) -> int:
        """Units lost on all channels, whatever the cause."""
        return sum(channel.units.lost for channel in self.channels)
