"""What a feed asks of its host: of a configuration, or the defaults."""

from ipaddress import IPv4Address, IPv6Address

import msgspec

from feedhandler.config import Config, RingConfig, WireConfig


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the host is measured against.

    Parameters
    ----------
    wire, ring
        How the feed receives.
    groups
        Multicast groups that it joins, and the interface that each line names, if it does.
    sources
        Most sources that one line names.
    sockets
        Sockets that it opens.
    """

    wire: WireConfig = WireConfig()
    ring: RingConfig = RingConfig()
    groups: tuple[tuple[IPv4Address | IPv6Address, str | None], ...] = ()
    sources: int = 0
    sockets: int = 1

    @property
    def interfaces(self) -> frozenset[str]:
        """Interfaces that are named."""
        named = {interface for _, interface in self.groups if interface is not None}
        return frozenset(named | ({self.wire.interface} if self.wire.interface else set()))

    @property
    def ring_bytes(self) -> int:
        """Memory of the ring's payloads."""
        slots, slot_bytes = self.ring.layout(self.wire.backend)
        return slots * slot_bytes


def asked_by(config: Config) -> Asked:
    """Return what a configuration asks of the host."""
    lines = [line for channel in config.channels for line in channel.lines]
    return Asked(
        wire=config.wire,
        ring=config.ring,
        groups=tuple(
            (line.address.ip, line.interface or config.wire.interface)
            for line in lines
            if line.address.is_multicast
        ),
        sources=max((len(line.sources) for line in lines), default=0),
        sockets=len(lines),
    )
