"""What the system grants a socket, found by asking for it; nothing is sent."""

import ctypes
import socket
import struct
from fcntl import ioctl
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, Protocol

# Linux, asm-generic/socket.h, linux/in.h, linux/sockios.h and linux/ethtool.h; Python names none of them.
_SO_RCVBUFFORCE = 33
_SO_BUSY_POLL = 46
_IP_MULTICAST_ALL = 49
_SIOCETHTOOL = 0x8946
_ETHTOOL_GCOALESCE = 0x0000000E
_ETHTOOL_GRINGPARAM = 0x00000010
_COALESCE = struct.Struct("=23I")
_RINGPARAM = struct.Struct("=9I")
_IFREQ = struct.Struct("=16sQ")

_ANY_PORT = 9
"""The discard port: a UDP socket that is connected has a route, and has sent nothing."""


class CardRing(NamedTuple):
    """Receive descriptors of a network card."""

    used: int
    most: int


class Coalescing(NamedTuple):
    """How long a network card waits before it interrupts."""

    receive_us: int
    is_adaptive: bool


class Probe(Protocol):
    """What can be asked of the system; tests answer themselves."""

    def receive_buffer(self, asked: int) -> int:
        """Return the bytes of a receive buffer that are granted of those asked for."""

    def grants_busy_poll(self, microseconds: int) -> bool:
        """Tell whether a socket may poll the network card for so long."""

    def keeps_groups_apart(self) -> bool:
        """Tell whether a socket can refuse groups that others on this host have joined."""

    def source_address(self, group: IPv4Address | IPv6Address) -> str | None:
        """Return this host's address where routing sends a group; None without a route."""

    def card_ring(self, interface: str) -> CardRing | None:
        """Return a network card's receive ring; None where it tells none."""

    def coalescing(self, interface: str) -> Coalescing | None:
        """Return how a network card coalesces interrupts; None where it does not tell."""


class System:
    """The system itself."""

    def receive_buffer(self, asked: int) -> int:
        """Ask as a feed does: past the limit where that is allowed, within it otherwise."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, asked)
            except OSError:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, asked)
            # The kernel tells twice what it granted, because it counts its own overhead in.
            return probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2

    def grants_busy_poll(self, microseconds: int) -> bool:
        """Ask for it."""
        return _grants(socket.SOL_SOCKET, _SO_BUSY_POLL, microseconds)

    def keeps_groups_apart(self) -> bool:
        """Ask for it."""
        return _grants(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)

    def source_address(self, group: IPv4Address | IPv6Address) -> str | None:
        """Connect a socket, which sends nothing, and see what address it got."""
        family = socket.AF_INET if group.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((str(group), _ANY_PORT))
            except OSError:
                return None
            return str(probe.getsockname()[0])

    def card_ring(self, interface: str) -> CardRing | None:
        """Ask the driver."""
        answer = _ethtool(interface, _ETHTOOL_GRINGPARAM, _RINGPARAM)
        return None if answer is None else CardRing(used=answer[5], most=answer[1])

    def coalescing(self, interface: str) -> Coalescing | None:
        """Ask the driver."""
        answer = _ethtool(interface, _ETHTOOL_GCOALESCE, _COALESCE)
        return None if answer is None else Coalescing(receive_us=answer[1], is_adaptive=bool(answer[10]))


def _grants(level: int, option: int, value: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(level, option, value)
        except OSError:
            return False
        return True


def _ethtool(interface: str, command: int, answer: struct.Struct) -> tuple[int, ...] | None:
    """Ask a network card's driver; None where it does not answer."""
    buffer = bytearray(answer.size)
    struct.pack_into("=I", buffer, 0, command)
    address = _address_of(buffer)
    request = _IFREQ.pack(interface.encode()[:15], address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            ioctl(probe.fileno(), _SIOCETHTOOL, request.ljust(40, b"\0"))
        except OSError:
            return None
    return answer.unpack(bytes(buffer))


def _address_of(buffer: bytearray) -> int:
    """Return where a buffer stands: the kernel writes there."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
