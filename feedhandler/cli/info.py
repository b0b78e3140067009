"""``feedhandler info``: what a capture holds, told by protocol."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from feedhandler.capture import Capture, Fit, Stream
from feedhandler.cli import options, output
from feedhandler.cli.tables import facts, plain_table
from feedhandler.plot import check, plot_rates
from feedhandler.protocol import load
from feedhandler.recognise import Recognised, with_schema
from feedhandler.survey import ChannelInfo, Survey, survey

_FATES = (
    "datagrams",
    "fragments",
    "not_udp",
    "snapped",
    "unsupported_link",
    "malformed_record",
    "malformed_link",
    "malformed_ip",
    "malformed_udp",
)
_MOST_ROWS = 40
"""Streams and channels that people are shown."""


def info(
    file: options.File,
    *,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            "--protocol",
            "-p",
            help="Name or declaration file to try besides what is shipped; repeatable.",
            show_default=False,
        ),
    ] = None,
    schema: options.Schema = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the rate of each stream to X.png.", show_default=False)
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell what a capture holds: streams and their rates, protocols, sequences, gaps, lines, messages.

    Example: feedhandler info day.pcapng.zst --plot day.png
    """
    given = [load(name) for name in protocol or []] + with_schema(schema)
    if plot is not None:
        check(plot)
    with output.progress("read") as advance:
        found = survey(file, protocols=given, has_timelines=plot is not None, advance=advance)
    if plot is not None:
        plot_rates(found.info, plot, file.name)
    output.result(_json(found), _tables(found), as_json=as_json)


def _json(found: Survey) -> dict[str, Any]:
    streams = zip(found.info.streams, found.recognised, strict=True)
    return {
        "capture": msgspec.to_builtins(found.info.capture),
        "streams": [_stream_json(stream, recognised) for stream, recognised in streams],
        "other_datagrams": found.info.other_datagrams,
        "channels": msgspec.to_builtins(found.channels),
        "paired": msgspec.to_builtins(found.paired),
        "not_tried": found.not_tried,
        "not_read": found.not_read,
    }


def _stream_json(stream: Stream, recognised: Recognised) -> dict[str, Any]:
    rates = {
        "datagrams_per_s": stream.per_second(stream.datagrams),
        "bytes_per_s": stream.per_second(stream.bytes),
    }
    told = {name: value for name, value in msgspec.to_builtins(stream).items() if name != "timeline"}
    judged = {
        "protocol": recognised.protocol,
        "confidence": recognised.confidence,
        "tied": recognised.tied,
        "runner_up": None if recognised.runner_up is None else recognised.runner_up.protocol,
    }
    return told | rates | judged


def _tables(found: Survey) -> RenderableType:
    capture = found.info.capture
    parts = [_summary(capture), _interfaces(capture), _streams(found), _protocols(found)]
    parts += [_channels(found), _types(found)] if found.channels else []
    notes = [Text(f"not tried: {name}, {why}") for name, why in found.not_tried.items()]
    notes += [Text(f"channels are not told: {found.not_read}")] if found.not_read else []
    return Group(*parts, *notes)


def _summary(capture: Capture) -> Table:
    fates = [
        f"{getattr(capture, fate):,} {fate.replace('_', ' ')}" for fate in _FATES if getattr(capture, fate)
    ]
    rows: dict[str, str | Text] = {
        "format": capture.format,
        "records": f"{capture.records:,} = {' + '.join(fates) or '0'}",
        "payload": f"{capture.bytes:,} bytes",
        "blocks": ", ".join(f"{kind} {count:,}" for kind, count in capture.blocks.items()) or "—",
        "first": _time(capture.first_ts_ns),
        "last": _time(capture.last_ts_ns),
        "span": _span(capture.first_ts_ns, capture.last_ts_ns),
    }
    if capture.truncated is not None:
        rows["truncated"] = Text(capture.truncated, "yellow")
    return facts(rows)


def _interfaces(capture: Capture) -> Table:
    names = ("interface", "resolution", "link type", "snap length", "received", "dropped")
    table = plain_table("interfaces", *names, words=2)
    for number, each in enumerate(capture.interfaces):
        counts = ("—" if count is None else f"{count:,}" for count in (each.received, each.dropped))
        table.add_row(
            each.name or str(number), each.resolution, str(each.link_type), f"{each.snap_len:,}", *counts
        )
    return table


def _streams(found: Survey) -> Table:
    names = ("destination", "first", "last", "datagrams", "bytes", "datagrams/s", "peak/ms", "peak at")
    table = plain_table("streams", *names, words=3)
    streams = _by_size(found)
    for stream, _ in streams[:_MOST_ROWS]:
        rate = stream.per_second(stream.datagrams)
        table.add_row(
            stream.destination,
            _clock(stream.first_ts_ns),
            _clock(stream.last_ts_ns),
            f"{stream.datagrams:,}",
            f"{stream.bytes:,}",
            "—" if rate is None else f"{rate:,.0f}",
            f"{stream.peak_per_ms:,}",
            _clock(stream.peak_ts_ns)[:-6],
        )
    if len(streams) > _MOST_ROWS:
        table.add_row(f"… and {len(streams) - _MOST_ROWS:,} more")
    if found.info.other_datagrams:
        table.add_row("others", "", "", f"{found.info.other_datagrams:,}")
    return table


def _protocols(found: Survey) -> Table:
    names = ("destination", "protocol", "confidence", "next best", "tried", "fitting", "messages", "known")
    table = plain_table("protocols", *names, words=2)
    for stream, recognised in _by_size(found)[:_MOST_ROWS]:
        best, runner_up = recognised.best, recognised.runner_up
        counts = () if best is None else (best.packets, best.fitting, best.messages, best.known)
        table.add_row(
            stream.destination,
            _name(recognised),
            f"{recognised.confidence:.0%}",
            _next(runner_up),
            *(f"{count:,}" for count in counts),
        )
    return table


def _name(recognised: Recognised) -> Text:
    if recognised.tied:
        return Text(f"{' or '.join(recognised.tied)}: as good", "yellow")
    return Text(recognised.protocol) if recognised.protocol else Text("not recognised", "yellow")


def _next(fit: Fit | None) -> str:
    return "—" if fit is None or fit.confidence < 0.005 else f"{fit.protocol} {fit.confidence:.0%}"


def _channels(found: Survey) -> Table:
    names = ("channel", "lines", "session", "first", "last", "gaps", "lost", "duplicates", "malformed")
    table = plain_table("channels", *names, words=3)
    for channel in found.channels[:_MOST_ROWS]:
        for row in _sessions(channel):
            table.add_row(*row)
    if len(found.channels) > _MOST_ROWS:
        table.add_row(f"… and {len(found.channels) - _MOST_ROWS:,} more")
    return table


def _sessions(channel: ChannelInfo) -> Iterator[tuple[str, ...]]:
    """Yield a row for each session; what is of the whole channel stands in the first."""
    counts = (len(channel.gaps), channel.lost, channel.duplicates, channel.malformed)
    told = (channel.name, "\n".join(channel.lines), tuple(f"{count:,}" for count in counts))
    for session in channel.sessions:
        name, lines, numbers = told
        identifier = "—" if session.id is None else str(session.id)
        yield name, lines, identifier, f"{session.first:,}", f"{session.last:,}", *numbers
        told = ("", "", ())
    if not channel.sessions:
        name, lines, numbers = told
        yield name, lines, "—", "—", "—", *numbers


def _types(found: Survey) -> Table:
    table = plain_table("messages", "channel", "protocol", "message", "count", words=3)
    for channel in found.channels[:_MOST_ROWS]:
        name, protocol = channel.name, channel.protocol
        for message, count in channel.types.items():
            table.add_row(name, protocol, message, f"{count:,}")
            name, protocol = "", ""
        if channel.unknown:
            table.add_row(name, protocol, Text("of unknown type", "yellow"), f"{channel.unknown:,}")
    return table


def _by_size(found: Survey) -> list[tuple[Stream, Recognised]]:
    pairs = zip(found.info.streams, found.recognised, strict=True)
    return sorted(pairs, key=lambda pair: -pair[0].datagrams)


def _time(ts_ns: int | None) -> str:
    if ts_ns is None:
        return "—"
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{ns:09d} UTC"


def _clock(ts_ns: int) -> str:
    return _time(ts_ns).split(" ")[1]


def _span(first_ns: int | None, last_ns: int | None) -> str:
    return "—" if first_ns is None or last_ns is None else f"{(last_ns - first_ns) / 1e9:,.9f} s"
