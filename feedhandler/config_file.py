"""Configuration files: TOML, parsed once. What is wrong is refused here, short of asking the system.

`feedhandler.open` and the command line begin here. An error names the file and the key, what was expected
and what was found; `feedhandler.config` says what the keys mean.
"""

from collections.abc import Container
from pathlib import Path

import msgspec

from feedhandler.address import Address
from feedhandler.config import (
    ArbitrateConfig,
    BatchConfig,
    ChannelConfig,
    Config,
    LatencyConfig,
    LineConfig,
    RingConfig,
    WireConfig,
)
from feedhandler.errors import AddressError, ConfigError, UnknownProtocolError
from feedhandler.protocol import Protocol
from feedhandler.protocol import load as load_protocol
from feedhandler.toml import Place, read, shown


class _LineTable(msgspec.Struct, frozen=True):
    name: str
    address: str
    interface: str | None = None


class _ChannelTable(msgspec.Struct, frozen=True):
    name: str
    line: tuple[_LineTable, ...]


class _File(msgspec.Struct, frozen=True):
    """A configuration as its author writes it."""

    protocol: str
    channel: tuple[_ChannelTable, ...]
    wire: WireConfig = WireConfig()
    ring: RingConfig = RingConfig()
    arbitrate: ArbitrateConfig = ArbitrateConfig()
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
    _check_ring(file.ring, place.at("ring"))
    return Config(
        protocol=_protocol(file.protocol, path.parent, place.at("protocol")),
        channels=_channels(file, place),
        wire=file.wire,
        ring=file.ring,
        arbitrate=file.arbitrate,
        batch=file.batch,
        latency=_latency(file.latency, path.parent),
    )


def _check_ring(ring: RingConfig, place: Place) -> None:
    if ring.slots & (ring.slots - 1):
        near = f"such as {1 << ring.slots.bit_length()}"
        raise place.at("slots").error(f"a power of two, {near}", shown(ring.slots))


def _protocol(name: str, folder: Path, place: Place) -> Protocol:
    if "/" in name or name.endswith(".toml"):
        return load_protocol(folder / name)
    try:
        return load_protocol(name)
    except UnknownProtocolError as error:
        expected = f"one of {', '.join(error.shipped)}, or the path of a declaration ending in .toml"
        raise place.error(expected, shown(name), error.hint) from error


def _latency(latency: LatencyConfig, folder: Path) -> LatencyConfig:
    if latency.hlog is None:
        return latency
    return msgspec.structs.replace(latency, hlog=str(folder / latency.hlog))


def _channels(file: _File, place: Place) -> tuple[ChannelConfig, ...]:
    if not file.channel:
        raise place.at("channel").error("at least one [[channel]]", "none")
    taken: dict[tuple[Address, str | None], str] = {}
    channels: dict[str, ChannelConfig] = {}
    for n, table in enumerate(file.channel):
        where = place.at("channel", n).about(table.name)
        _check_name(table.name, channels, where.at("name"))
        lines = _lines(table, file.wire, taken, where)
        channels[table.name] = ChannelConfig(name=table.name, lines=lines)
    return tuple(channels.values())


def _lines(
    table: _ChannelTable, wire: WireConfig, taken: dict[tuple[Address, str | None], str], place: Place
) -> tuple[LineConfig, ...]:
    if not table.line:
        raise place.at("line").error("at least one [[channel.line]]", "none")
    lines: dict[str, LineConfig] = {}
    for n, each in enumerate(table.line):
        where = place.at("line", n).about(each.name)
        _check_name(each.name, lines, where.at("name"))
        line = lines[each.name] = _line(each, wire, where)
        owner = taken.setdefault((line.address, line.interface), f"{table.name}/{each.name}")
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
    return LineConfig(name=table.name, address=address, interface=interface)


def _address(text: str, place: Place) -> Address:
    try:
        return Address.parse(text)
    except AddressError as error:
        raise place.error(error.expected, error.found) from error
