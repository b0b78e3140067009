"""What an exchange publishes and where, in frozen structures; and the TOML file that says it.

An error names the file and the key, what was expected and what was found.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from feedhandler.address import Address
from feedhandler.errors import AddressError, ConfigError
from feedhandler.toml import Place, read, shown
from replay.generator import Protocol
from replay.wire import WIRES

Positive = Annotated[int, Meta(ge=1)]


class GeneratorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A synthetic market, whose times are those at which it is sent.

    Parameters
    ----------
    seed
        Makes it.
    instruments
        How many instruments there are.
    rate
        Messages a second on average.
    """

    seed: Annotated[int, Meta(ge=0)] = 1
    instruments: Annotated[int, Meta(ge=1, le=65_535)] = 8
    rate: Annotated[float, Meta(ge=0.001, le=10_000_000)] = 10_000.0


class FileConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Packets of a capture, or messages of a file, as they are.

    Parameters
    ----------
    path
        The file.
    speed
        Times as fast as recorded.
    stream
        Address that the packets of a capture went to; without it, that of the first.
    """

    path: str
    speed: Annotated[float, Meta(gt=0)] = 1.0
    stream: Address | None = None


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The session that is published.

    Parameters
    ----------
    name
        Its name; that of a capture is the capture's.
    heartbeat_ms
        Longest silence.
    end_ms
        How long its end is told, in place of heartbeats, and requests still answered.
    packet_bytes
        Longest packet that is made.
    """

    name: str = "SYNTHETIC"
    heartbeat_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1_000
    end_ms: Annotated[int, Meta(ge=0, le=600_000)] = 2_000
    packet_bytes: Annotated[int, Meta(ge=256, le=65_507)] = 1_400


class LineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A line: every packet goes there.

    Parameters
    ----------
    name
        Name in reports, such as ``A``.
    address
        Where to.
    delay_us
        By how much it is behind.
    """

    name: str
    address: Address
    delay_us: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class SnapshotConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The channel on which all books are told from time to time.

    Parameters
    ----------
    address
        Where to.
    interval_ms
        From the beginning of one snapshot to that of the next, or longer where one takes longer.
    packets_per_second
        How fast a snapshot is sent.
    """

    address: Address
    interval_ms: Annotated[int, Meta(ge=10, le=3_600_000)] = 1_000
    packets_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000


class RequestsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests for messages are answered.

    Parameters
    ----------
    address
        Where they come to; port 0 lets the system choose.
    messages
        The last messages, which are kept; older ones are not answered.
    per_second
        Requests that are answered at most.
    """

    address: Address
    messages: Positive = 1_000_000
    per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000


class SendConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How datagrams leave; `replay.Sender` says what they mean.

    Parameters
    ----------
    interface
        Interface that multicast leaves by.
    ttl
        How far multicast goes: 0 stays on this machine.
    allow_remote
        Other machines are meant.
    sleep_only
        Leave the core free between deadlines, and be some tens of µs later.
    """

    interface: str | None = None
    ttl: Annotated[int, Meta(ge=0, le=255)] = 0
    allow_remote: bool = False
    sleep_only: bool = False


class ExchangeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange, completely described.

    Parameters
    ----------
    protocol
        What is published: ``msgpack``, or ``itch50`` in MoldUDP64.
    lines
        Where it goes.
    source
        What it is made of.
    session
        What session it is.
    snapshot
        The channel of snapshots, if there is one.
    requests
        Where requests are answered, if they are.
    send
        How datagrams leave.
    """

    protocol: Protocol
    lines: tuple[LineConfig, ...]
    source: GeneratorConfig | FileConfig = GeneratorConfig()
    session: SessionConfig = SessionConfig()
    snapshot: SnapshotConfig | None = None
    requests: RequestsConfig | None = None
    send: SendConfig = SendConfig()


class _FileTable(msgspec.Struct, frozen=True):
    path: str
    speed: Annotated[float, Meta(gt=0)] = 1.0
    stream: str | None = None


class _LineTable(msgspec.Struct, frozen=True):
    name: str
    address: str
    delay_us: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class _SnapshotTable(msgspec.Struct, frozen=True):
    address: str
    interval_ms: Annotated[int, Meta(ge=10, le=3_600_000)] = 1_000
    packets_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000


class _RequestsTable(msgspec.Struct, frozen=True):
    address: str
    messages: Positive = 1_000_000
    per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000


class _File(msgspec.Struct, frozen=True):
    """A configuration as its author writes it."""

    protocol: Protocol
    line: tuple[_LineTable, ...]
    generator: GeneratorConfig | None = None
    file: _FileTable | None = None
    session: SessionConfig = SessionConfig()
    snapshot: _SnapshotTable | None = None
    requests: _RequestsTable | None = None
    send: SendConfig = SendConfig()


def load(path: str | Path) -> ExchangeConfig:
    """Load a configuration.

    Parameters
    ----------
    path
        The file. Paths in it are relative to the folder it is in.

    Raises
    ------
    ConfigError
        The file cannot be read or is wrong; the error says where, what was expected, what was found.
    """
    path = Path(path)
    place = Place(str(path), ConfigError)
    file = read(path, _File, place)
    _check_session(file, place.at("session", "name"))
    return ExchangeConfig(
        protocol=file.protocol,
        lines=_lines(file.line, place.at("line")),
        source=_source(file, path.parent, place),
        session=file.session,
        snapshot=_snapshot(file, place.at("snapshot")),
        requests=_requests(file, place.at("requests")),
        send=file.send,
    )


def _check_session(file: _File, place: Place) -> None:
    most, name = WIRES[file.protocol].session_bytes, file.session.name
    if not name.isascii() or not 0 < len(name) <= most:
        raise place.error(f"1 to {most} characters of ASCII", shown(name))


def _lines(tables: tuple[_LineTable, ...], place: Place) -> tuple[LineConfig, ...]:
    if not tables:
        raise place.error("at least one [[line]]", "none")
    lines: dict[str, LineConfig] = {}
    for number, table in enumerate(tables):
        where = place.at(number).about(table.name)
        if table.name in lines:
            raise where.at("name").error("a name that no other line has", shown(table.name))
        address = _destination(table.address, where.at("address"))
        lines[table.name] = LineConfig(name=table.name, address=address, delay_us=table.delay_us)
    return tuple(lines.values())


def _source(file: _File, folder: Path, place: Place) -> GeneratorConfig | FileConfig:
    if file.file is None:
        return file.generator or GeneratorConfig()
    if file.generator is not None:
        raise place.at("file").error("either [file] or [generator]", "both")
    stream = file.file.stream
    address = None if stream is None else _address(stream, place.at("file", "stream"))
    return FileConfig(path=str(folder / file.file.path), speed=file.file.speed, stream=address)


def _snapshot(file: _File, place: Place) -> SnapshotConfig | None:
    table = file.snapshot
    if table is None:
        return None
    if file.file is not None:
        raise place.error("a [generator], whose books are known", "a [file]")
    address = _destination(table.address, place.at("address"))
    return SnapshotConfig(
        address=address, interval_ms=table.interval_ms, packets_per_second=table.packets_per_second
    )


def _requests(file: _File, place: Place) -> RequestsConfig | None:
    table = file.requests
    if table is None:
        return None
    address = _address(table.address, place.at("address"))
    if address.is_multicast:
        raise place.at("address").error("an address of this machine", shown(table.address))
    if not address.ip.is_loopback and not file.send.allow_remote:
        expected = "a loopback address, or allow_remote in [send] if other machines shall ask"
        raise place.at("address").error(expected, shown(table.address))
    return RequestsConfig(address=address, messages=table.messages, per_second=table.per_second)


def _destination(text: str, place: Place) -> Address:
    address = _address(text, place)
    if address.port == 0:
        raise place.error("a port from 1 to 65535", shown(text))
    return address


def _address(text: str, place: Place) -> Address:
    try:
        return Address.parse(text)
    except AddressError as error:
        raise place.error(error.expected, error.found) from error
