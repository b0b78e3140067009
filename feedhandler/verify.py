"""Verify: whether a capture still holds what its trailer says, by reading all of it.

The file is read as `feedhandler.reader` reads any, with the protocol, the lines and the grace time that it
says it was captured with. docs/captures.md has what is compared.
"""

from collections.abc import Callable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from feedhandler import _core
from feedhandler.address import Address
from feedhandler.capture import Capture, head, is_closed
from feedhandler.captured import Content
from feedhandler.config import ArbitrateConfig, Config, first_grace_us
from feedhandler.errors import AddressError, CaptureError, UnknownProtocolError
from feedhandler.protocol import Protocol, load
from feedhandler.report import Report, parse

_FORMAT = "feedhandler-capture"
_VERSION = 1

State = Literal["agrees", "differs", "damaged", "no_trailer"]
"""How a capture compares with its trailer; ``no_trailer`` is one that was never closed, or is not ours."""

Advance = Callable[[int, int], None]
"""Told how many bytes are done, and of how many (0 if nobody knows)."""

_Size = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]

_Lines = list[tuple[str, list[tuple[str, int]]]]


class _Arbitrate(msgspec.Struct, frozen=True):
    """How disorder was treated, in nanoseconds."""

    grace_ns: _Size
    is_grace_adaptive: bool
    window_packets: _Size
    window_bytes: _Size


class _Head(msgspec.Struct, frozen=True):
    """What a capture of ours says of itself at its beginning."""

    format: str
    version: int
    protocol: str
    arbitrate: _Arbitrate
    file: int


class _Place(msgspec.Struct, frozen=True):
    """Which line an interface is."""

    channel: str
    line: str
    address: str


class Trailer(msgspec.Struct, frozen=True):
    """What a capture says of itself at its end.

    Parameters
    ----------
    packets
        Packets in the file.
    messages, gaps, lost, digest
        What is in them, the file being taken by itself.
    feed
        What the feed had delivered since it began, about when the file's last packets came.
    missing
        Datagrams that are not in the file, by cause.
    """

    packets: int
    messages: int
    gaps: int
    lost: int
    digest: str
    feed: Content
    missing: dict[str, int]


class Difference(msgspec.Struct, frozen=True):
    """Something that the trailer tells otherwise than the file."""

    what: str
    told: int | str
    found: int | str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a capture, and how that compares with its trailer.

    Parameters
    ----------
    state
        How it compares.
    protocol
        What its messages are of.
    packets
        Packets that can be read.
    content
        What is in them.
    differences
        What the trailer tells otherwise.
    truncated
        Where and why the file can be read no further, where that is before its end.
    trailer
        What it says itself.
    """

    state: State
    protocol: str
    packets: int
    content: Content
    differences: tuple[Difference, ...]
    truncated: str | None
    trailer: Trailer | None


def verify(
    path: str | PathLike[str],
    *,
    protocol: Protocol | str | Path | None = None,
    config: Config | None = None,
    advance: Advance = lambda done_bytes, total_bytes: None,  # noqa: ARG005 — tells nobody
) -> Verdict:
    """Read a capture to its end, and compare what is in it with what its trailer says.

    Parameters
    ----------
    path
        The capture.
    protocol
        What its messages are of, where that is a declaration of one's own, or the file does not say it.
    config
        Where protocol, lines and grace time come from, for a file that does not say them.
    advance
        Told how far the file has been read.

    Raises
    ------
    CaptureError
        The file cannot be read, is no capture, or does not say its protocol.
    UnknownProtocolError, DeclarationError
        There is no such protocol, or its declaration is wrong.
    """
    about = head(path)
    said = _head(fspath(path), about)
    loaded = _protocol(fspath(path), protocol or (config.protocol if config else None), said)
    lines = _lines(fspath(path), about) if said else _lines_of(config)
    disorder = said.arbitrate if said else _arbitrate(config.arbitrate if config else ArbitrateConfig())
    report = _read(fspath(path), loaded, lines, disorder, advance)
    return _verdict(report, is_ended=is_closed(path))


def _head(path: str, about: Capture) -> _Head | None:
    try:
        said = msgspec.json.decode(about.comment or "", type=_Head)
    except msgspec.DecodeError:
        return None
    if said.format != _FORMAT:
        return None
    if said.version != _VERSION:
        raise CaptureError(path, f"expected version {_VERSION} of its kind, found {said.version}")
    return said


def _protocol(path: str, protocol: Protocol | str | Path | None, said: _Head | None) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol is not None:
        return load(protocol)
    if said is None:
        raise CaptureError(path, "does not say its protocol: give it, or a configuration that has one")
    try:
        return load(said.protocol)
    except UnknownProtocolError as error:
        reason = f"is of the protocol {said.protocol}, which is not shipped: give its declaration"
        raise CaptureError(path, reason) from error


def _lines(path: str, about: Capture) -> _Lines:
    channels: dict[str, list[Address]] = {}
    for interface in about.interfaces:
        try:
            place = msgspec.json.decode(interface.comment or "", type=_Place)
            channels.setdefault(place.channel, []).append(Address.parse(place.address))
        except (msgspec.DecodeError, AddressError) as error:
            found = f"interface {interface.name} with the comment {interface.comment}"
            reason = f"expected each interface to say which line it is, found {found}"
            raise CaptureError(path, reason) from error
    return [(name, _places(lines)) for name, lines in channels.items()]


def _lines_of(config: Config | None) -> _Lines:
    channels = config.channels if config else ()
    return [(channel.name, _places([line.address for line in channel.lines])) for channel in channels]


def _places(lines: list[Address]) -> list[tuple[str, int]]:
    return [(str(line.ip), line.port) for line in lines]


def _arbitrate(config: ArbitrateConfig) -> _Arbitrate:
    is_adaptive = config.grace_us == "adaptive"
    grace_ns = first_grace_us(config.grace_us) * 1000
    return _Arbitrate(grace_ns, is_adaptive, config.window_packets, config.window_bytes)


def _read(path: str, protocol: Protocol, lines: _Lines, disorder: _Arbitrate, advance: Advance) -> Report:
    reader = _core.FileReader(
        path,
        protocol.plan,
        channels=lines,
        rest="skip" if lines else "pair",
        grace_ns=disorder.grace_ns,
        is_grace_adaptive=disorder.is_grace_adaptive,
        window_packets=disorder.window_packets,
        window_bytes=disorder.window_bytes,
    )
    while reader.next_batch() is not None:
        advance(*reader.progress)
    return parse(reader.report())


def _verdict(report: Report, *, is_ended: bool) -> Verdict:
    content = Content(
        messages=report.messages,
        gaps=len(report.gaps) + report.gaps_omitted,
        lost=report.ledger.lost,
        digest=report.digest,
    )
    trailer = _trailer(report)
    differences = tuple(_differences(trailer, report.packets, content)) if trailer else ()
    return Verdict(
        state=_state(trailer, differences, report, is_ended=is_ended),
        protocol=report.protocol,
        packets=report.packets,
        content=content,
        differences=differences,
        truncated=report.truncated_detail,
        trailer=trailer,
    )


def _trailer(report: Report) -> Trailer | None:
    if not isinstance(report.capture, Capture):
        return None
    try:
        return msgspec.json.decode(report.capture.trailer or "", type=Trailer)
    except msgspec.DecodeError:
        return None


def _differences(trailer: Trailer, packets: int, content: Content) -> Iterator[Difference]:
    found = {"packets": packets, **msgspec.to_builtins(content)}
    for what, value in found.items():
        if getattr(trailer, what) != value:
            yield Difference(what, getattr(trailer, what), value)


def _state(
    trailer: Trailer | None, differences: tuple[Difference, ...], report: Report, *, is_ended: bool
) -> State:
    if trailer is None:
        return "damaged" if is_ended and report.truncated else "no_trailer"
    if report.truncated:
        return "damaged"
    return "differs" if differences else "agrees"
