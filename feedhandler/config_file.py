"""Configuration files: TOML, parsed once. What is wrong is refused here, short of asking the system.

`feedhandler.open` and the command line begin here. An error names the file and the key, what was expected
and what was found; `feedhandler.config` says what the keys mean.
"""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import msgspec

from feedhandler.address import Address
from feedhandler.config import (
    MOST_DATAGRAM_BYTES,
    ArbitrateConfig,
    BatchConfig,
    ChannelConfig,
    Config,
    FilterConfig,
    Join,
    LatencyConfig,
    LineConfig,
    RingConfig,
    WireConfig,
)
from feedhandler.errors import AddressError, ConfigError, FilterError, UnknownProtocolError
from feedhandler.filter import compile_filter, compile_instrument
from feedhandler.protocol import Protocol
from feedhandler.protocol import load as load_protocol
from feedhandler.toml import Place, read, shown

_Source = IPv4Address | IPv6Address

_Place = tuple[Address, str | None, tuple[_Source, ...]]
"""What two lines cannot both have."""


class _LineTable(msgspec.Struct, frozen=True):
    name: str
    address: str
    interface: str | None = None
    source: str | tuple[str, ...] = ()
    join: Join | None = None


class _ChannelTable(msgspec.Struct, frozen=True):
    name: str
    line: tuple[_LineTable, ...]


class _File(msgspec.Struct, frozen=True):
    """A configuration as its author writes it."""

    protocol: str
    channel: tuple[_ChannelTable, ...]
    schema: str | None = None
    wire: WireConfig = WireConfig()
    ring: RingConfig = RingConfig()
    arbitrate: ArbitrateConfig = ArbitrateConfig()
    filter: FilterConfig = FilterConfig()
    batch: BatchConfig = BatchConfig()
    latency: LatencyConfig = LatencyConfig()


def load(path: str | Path) -> Config:
    """Load a configuration.

    Parameters
    ----------
    path
        The file. Paths in it are relative to the folder it is in.

    Raises
    ------
    ConfigError
        The file cannot be read or is wrong; the error says where, what was expected, what was found.
    DeclarationError
        The protocol's declaration is wrong.
    """
    path = Path(path)
    place = Place(str(path), ConfigError)
    file = read(path, _File, place)
    _check_ring(file.ring, file.wire, place.at("ring"))
    protocol = _protocol(file.protocol, file.schema, path.parent, place.at("protocol"))
    _check_filter(file.filter, protocol, place.at("filter", "instruments"))
    check_latency(file.latency, protocol, place.at("latency"))
    return Config(
        protocol=protocol,
        channels=_channels(file, place),
        wire=file.wire,
        ring=file.ring,
        arbitrate=file.arbitrate,
        filter=file.filter,
        batch=file.batch,
        latency=_latency(file.latency, path.parent),
    )


def _check_ring(ring: RingConfig, wire: WireConfig, place: Place) -> None:
    slots, slot_bytes = ring.layout(wire.backend)
    if slots & (slots - 1):
        near = f"such as {1 << slots.bit_length()}"
        raise place.at("slots").error(f"a power of two, {near}", shown(slots))
    if wire.backend == "gro" and slot_bytes < MOST_DATAGRAM_BYTES:
        expected = f"{MOST_DATAGRAM_BYTES} with the backend gro, or the key left out"
        raise place.at("slot_bytes").error(expected, shown(slot_bytes))
    if wire.mode == "inline" and ring.full == "drop_newest":
        expected = "'leave_in_socket' with the mode inline, where nobody fills the ring while it is read"
        raise place.at("full").error(expected, shown(ring.full))


def _protocol(name: str, schema: str | None, folder: Path, place: Place) -> Protocol:
    schema_path = None if schema is None else folder / schema
    if "/" in name or name.endswith(".toml"):
        return load_protocol(folder / name, schema_path)
    try:
        return load_protocol(name, schema_path)
    except UnknownProtocolError as error:
        expected = f"one of {', '.join(error.shipped)}, or the path of a declaration ending in .toml"
        raise place.error(expected, shown(name), error.hint) from error


def _check_filter(wanted: FilterConfig, protocol: Protocol, place: Place) -> None:
    for n, instrument in enumerate(wanted.instruments or ()):
        with _refused_at(place.at(n)):
            compile_instrument(instrument, protocol)
    with _refused_at(place):
        compile_filter(wanted.instruments, protocol)


def check_latency(latency: LatencyConfig, protocol: Protocol, place: Place) -> None:
    """Refuse latencies that packets of a protocol do not tell.

    Raises
    ------
    ConfigError
        The latency from the send time is wanted, which the packets' header does not say.
    """
    if latency.send_time and not protocol.has_send_time:
        expected = (
            "false, or a protocol whose packet header has the role send_time, in nanoseconds since 1970"
        )
        raise place.at("send_time").error(expected, f"true beside {protocol.name}, whose header has none")


@contextmanager
def _refused_at(place: Place) -> Iterator[None]:
    try:
        yield
    except FilterError as error:
        raise place.error(error.expected, error.found, error.hint) from error


def _latency(latency: LatencyConfig, folder: Path) -> LatencyConfig:
    if latency.hlog is None:
        return latency
    return msgspec.structs.replace(latency, hlog=str(folder / latency.hlog))


def _channels(file: _File, place: Place) -> tuple[ChannelConfig, ...]:
    if not file.channel:
        raise place.at("channel").error("at least one [[channel]]", "none")
    taken: dict[_Place, str] = {}
    channels: dict[str, ChannelConfig] = {}
    for n, table in enumerate(file.channel):
        where = place.at("channel", n).about(table.name)
        _check_name(table.name, channels, where.at("name"))
        lines = _lines(table, file.wire, taken, where)
        channels[table.name] = ChannelConfig(name=table.name, lines=lines)
    return tuple(channels.values())


def _lines(
    table: _ChannelTable, wire: WireConfig, taken: dict[_Place, str], place: Place
) -> tuple[LineConfig, ...]:
    if not table.line:
        raise place.at("line").error("at least one [[channel.line]]", "none")
    lines: dict[str, LineConfig] = {}
    for n, each in enumerate(table.line):
        where = place.at("line", n).about(each.name)
        _check_name(each.name, lines, where.at("name"))
        line = lines[each.name] = _line(each, wire, where)
        heard = line.sources if line.address.is_multicast and line.join == "source" else ()
        owner = taken.setdefault((line.address, line.interface, heard), f"{table.name}/{each.name}")
        if owner != f"{table.name}/{each.name}" and line.address.port != 0:
            raise where.at("address").error("an address of its own", f"{line.address}, as {owner} has it")
    return tuple(lines.values())


def _check_name(name: str, taken: Container[str], place: Place) -> None:
    if not name.strip():
        raise place.error("a name", shown(name))
    if name in taken:
        raise place.error("each name once", f"{shown(name)} again")


def _line(table: _LineTable, wire: WireConfig, place: Place) -> LineConfig:
    address = _address(table.address, place.at("address"))
    if address.is_multicast and address.port == 0:
        raise place.at("address").error("a port other than 0 for a multicast group", shown(table.address))
    if not address.is_multicast and table.interface is not None:
        expected = "an interface only beside a multicast group"
        raise place.at("interface").error(expected, f"{shown(table.interface)} beside {address}")
    interface = table.interface or wire.interface if address.is_multicast else None
    sources = _sources(table.source, address, place.at("source"))
    if table.join is not None and not (address.is_multicast and sources):
        raise place.at("join").error("it only beside a multicast group and a source", shown(table.join))
    join = table.join or "source"
    return LineConfig(name=table.name, address=address, interface=interface, sources=sources, join=join)


def _sources(table: str | tuple[str, ...], address: Address, place: Place) -> tuple[_Source, ...]:
    texts = (table,) if isinstance(table, str) else table
    return tuple(_source(text, address, place) for text in texts)


def _source(text: str, address: Address, place: Place) -> _Source:
    expected = "a sender's address, such as " + ("10.0.0.1" if address.ip.version == 4 else "fd00::1")
    try:
        source = ip_address(text)
    except ValueError:
        raise place.error(expected, shown(text)) from None
    if source.version != address.ip.version or source.is_multicast or source.is_unspecified:
        raise place.error(expected, shown(text))
    return source


def _address(text: str, place: Place) -> Address:
    try:
        return Address.parse(text)
    except AddressError as error:
        raise place.error(error.expected, error.found) from error
