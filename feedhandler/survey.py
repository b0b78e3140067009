"""Survey: what a capture holds, told by protocol: its channels, their sequences, gaps and messages.

It goes through the file once to recognise the streams (`feedhandler.recognise`), and once more for each
protocol, as `feedhandler.read` does.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path

import msgspec
import numpy as np

from feedhandler.batch import Batch
from feedhandler.capture import CaptureInfo, info
from feedhandler.ledger import ChannelLedger
from feedhandler.protocol import Protocol
from feedhandler.reader import read
from feedhandler.recognise import Recognised, candidates, judge
from feedhandler.report import Gap, Paired, Report, Session

Advance = Callable[[int, int], object]
"""Told how many bytes are done, and of how many."""


class ChannelInfo(msgspec.Struct, frozen=True):
    """A channel, and what came on it.

    Parameters
    ----------
    name, protocol, lines
        What it is called, read by, and made of.
    sessions, gaps, lost
        Its sequences, and what is missing of them; `lost` counts what the protocol's sequence numbers count.
    messages, types, unknown
        Messages delivered, by name, and those of types that the declaration does not know.
    heartbeats, duplicates, malformed
        Datagrams that brought nothing new, and those that could not be used.
    """

    name: str
    protocol: str
    lines: tuple[str, ...]
    sessions: tuple[Session, ...]
    gaps: tuple[Gap, ...]
    lost: int
    messages: int
    types: dict[str, int]
    unknown: int
    heartbeats: int
    duplicates: int
    malformed: int


class Survey(msgspec.Struct, frozen=True):
    """What a capture holds.

    Parameters
    ----------
    info
        The file and its streams.
    recognised
        The protocol of each stream, in the order of ``info.streams``.
    not_tried
        Protocols that could not be tried, and why.
    channels
        The channels that the streams are lines of, as far as their protocol was recognised.
    paired
        Those of several lines.
    not_read
        Why there are no channels, where the file was not read again for them.
    """

    info: CaptureInfo
    recognised: tuple[Recognised, ...]
    not_tried: dict[str, str]
    channels: tuple[ChannelInfo, ...]
    paired: tuple[Paired, ...]
    not_read: str | None = None


def survey(
    path: str | PathLike[str],
    *,
    protocols: Sequence[Protocol] = (),
    has_timelines: bool = False,
    advance: Advance | None = None,
) -> Survey:
    """Read a capture, recognise the protocols in it, and return what it holds.

    Parameters
    ----------
    path
        pcap or pcapng, plain or compressed. Of a pipe only the streams are told, since it is read once.
    protocols
        Protocols to try besides those that are shipped.
    has_timelines
        Whether datagrams are counted by time as well.
    advance
        Told how far the file has been read, each time that it is.

    Raises
    ------
    CaptureError
        The file cannot be read, or is no capture.
    """
    is_file = Path(path).is_file()
    tried = candidates(protocols)
    found = info(path, protocols=tried.protocols, has_timelines=has_timelines)
    recognised = tuple(judge(stream, protocols) for stream in found.streams)
    if not is_file:
        return Survey(found, recognised, tried.not_tried, (), (), "the input cannot be read twice")
    streams: dict[str, set[str]] = {}
    for stream, each in zip(found.streams, recognised, strict=True):
        if each.framed_as is not None:
            streams.setdefault(each.framed_as, set()).add(stream.destination)
    channels: list[ChannelInfo] = []
    paired: list[Paired] = []
    for name, destinations in streams.items():
        report, types = _read(path, tried.named(name), advance or _nowhere)
        channels += _channels(report, types, destinations)
        paired += [each for each in report.paired or () if destinations.issuperset(each.lines)]
    return Survey(found, recognised, tried.not_tried, tuple(channels), tuple(paired))


def _nowhere(_done_bytes: int, _total_bytes: int) -> None:
    """Tell nobody."""


def _read(
    path: str | PathLike[str], protocol: Protocol, advance: Advance
) -> tuple[Report, Counter[tuple[int, str]]]:
    """Read all streams by a protocol: the report, and how many messages of each name came on each channel."""
    types: Counter[tuple[int, str]] = Counter()
    reader = read(path, protocol)
    for batch in reader:
        for channel, name, count in _counts(batch):
            types[channel, name] += count
        advance(*reader.progress)
    return reader.report(), types


def _counts(batch: Batch) -> Iterator[tuple[int, str, int]]:
    """Yield channel, name and number of a batch's messages."""
    order = batch.order
    for table in np.unique(order["table"]).tolist():
        name = batch.names[table]
        rows = batch[name][order["row"][order["table"] == table]]
        for channel, count in zip(*np.unique(rows["channel"], return_counts=True), strict=True):
            yield int(channel), name, int(count)


def _channels(
    report: Report, types: Counter[tuple[int, str]], destinations: set[str]
) -> Iterator[ChannelInfo]:
    """Yield the channels whose lines are of this protocol."""
    for number, channel in enumerate(report.ledger.channels):
        lines = tuple(line.name for line in channel.lines)
        if not destinations.issuperset(lines):
            continue
        of_channel = {name: count for (index, name), count in types.items() if index == number}
        by_count = dict(sorted(of_channel.items(), key=lambda item: -item[1]))
        yield _channel(report, channel, lines, by_count)


def _channel(
    report: Report, channel: ChannelLedger, lines: tuple[str, ...], types: dict[str, int]
) -> ChannelInfo:
    units = channel.units
    return ChannelInfo(
        name=channel.name,
        protocol=report.protocol,
        lines=lines,
        sessions=tuple(each for each in report.sessions if each.channel == channel.name),
        gaps=tuple(gap for gap in report.gaps if gap.channel == channel.name),
        lost=units.lost,
        messages=channel.messages.messages,
        types=types,
        unknown=channel.messages.unknown,
        heartbeats=sum(line.heartbeats for line in channel.lines),
        duplicates=sum(line.duplicate for line in channel.lines),
        malformed=channel.messages.malformed + sum(line.malformed for line in channel.lines),
    )
