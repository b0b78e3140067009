"""Writes datagrams to a capture file: what tests and examples replay.

Classic pcap with nanoseconds, Ethernet, IPv4 and UDP, so that any tool reads it.
"""

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

_MAGIC_NANOSECONDS = 0xA1B23C4D
_LINKTYPE_ETHERNET = 1
_SNAP_LENGTH = 262_144
_ETHERTYPE_IPV4 = 0x0800
_IP_HEADER_BYTES, _UDP_HEADER_BYTES = 20, 8
_PROTOCOL_UDP = 17
_SOURCE = (IPv4Address("192.0.2.1"), 40_000)  # RFC 5737: an address of documentation
_SOURCE_MAC = bytes.fromhex("020000000001")


class Datagram(NamedTuple):
    """A datagram to write.

    Parameters
    ----------
    ts_ns
        When it was seen, in Unix nanoseconds.
    destination
        IPv4 address and port that it went to.
    payload
        What it carried.
    """

    ts_ns: int
    destination: tuple[str, int]
    payload: bytes


def write_pcap(path: Path, datagrams: Iterable[Datagram]) -> None:
    """Write a capture of datagrams, in the order in which they come."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", _MAGIC_NANOSECONDS, 2, 4, 0, 0, _SNAP_LENGTH, _LINKTYPE_ETHERNET))
        for datagram in datagrams:
            frame = _frame(datagram)
            seconds, nanoseconds = divmod(datagram.ts_ns, 1_000_000_000)
            file.write(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame)


def _frame(datagram: Datagram) -> bytes:
    address, port = IPv4Address(datagram.destination[0]), datagram.destination[1]
    udp_bytes = _UDP_HEADER_BYTES + len(datagram.payload)
    udp = struct.pack(">HHHH", _SOURCE[1], port, udp_bytes, 0)  # RFC 768: a checksum of 0 is none
    return (
        _mac(address)
        + _SOURCE_MAC
        + struct.pack(">H", _ETHERTYPE_IPV4)
        + _ip_header(address, _IP_HEADER_BYTES + udp_bytes)
        + udp
        + datagram.payload
    )


def _mac(address: IPv4Address) -> bytes:
    if address.is_multicast:  # RFC 1112 §6.4
        return struct.pack(">HI", 0x0100, 0x5E000000 | int(address) & 0x7FFFFF)
    return bytes.fromhex("020000000002")


def _ip_header(destination: IPv4Address, total_bytes: int) -> bytes:
    addresses = _SOURCE[0].packed + destination.packed
    start = struct.pack(">BBHHHBB", 0x45, 0, total_bytes, 0, 0, 1, _PROTOCOL_UDP)
    total = sum(struct.unpack(">9H", start + addresses))
    folded = (total & 0xFFFF) + (total >> 16)
    checksum = ~((folded & 0xFFFF) + (folded >> 16)) & 0xFFFF
    return start + struct.pack(">H", checksum) + addresses
