"""Addresses of lines, as people write them: ``239.1.1.1:20001``, ``[ff02::1]:20001``.

Configurations and the command line are read through here.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from feedhandler.errors import AddressError
from feedhandler.toml import shown

_FORM = "ADDRESS:PORT, such as 239.1.1.1:20001"
_MOST_PORT = 65_535


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IP address, or multicast group, and a UDP port.

    Parameters
    ----------
    ip
        The address or group.
    port
        The port; 0 lets the system choose.
    """

    ip: IPv4Address | IPv6Address
    port: int

    @staticmethod
    def parse(text: str) -> "Address":
        """Return the address that a text says.

        Raises
        ------
        AddressError
            It says none.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not host:
            raise AddressError(_FORM, shown(text))
        return Address(_ip(host), _port(port))

    @staticmethod
    def of(ip: str, port: int) -> "Address":
        """Return the address made of an IP address as text, and a port."""
        return Address(ip_address(ip), port)

    @property
    def is_multicast(self) -> bool:
        """Whether it is a multicast group's."""
        return self.ip.is_multicast

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if self.ip.version == 6 else f"{self.ip}:{self.port}"


def _ip(host: str) -> IPv4Address | IPv6Address:
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        ip = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise AddressError("an IP address before the port", shown(host)) from None
    if (ip.version == 6) != bracketed:
        raise AddressError("brackets around an IPv6 address, and no other", shown(host))
    return ip


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _MOST_PORT:
        raise AddressError(f"a port from 0 to {_MOST_PORT}", shown(text))
    return int(text)
