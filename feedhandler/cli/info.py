"""``feedhandler info``: what a capture holds, whatever its protocol."""

from datetime import UTC, datetime

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from feedhandler.capture import Capture, CaptureInfo, Stream
from feedhandler.capture import info as capture_info
from feedhandler.cli import options, output
from feedhandler.cli.tables import facts, plain_table

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


def info(file: options.File, *, as_json: options.AsJson = False) -> None:
    """Tell what a capture holds: its format, its records, and the streams in it.

    Example: feedhandler info day.pcapng.zst
    """
    found = capture_info(file)
    output.result(msgspec.to_builtins(found), _tables(found), as_json=as_json)


def _tables(found: CaptureInfo) -> RenderableType:
    return Group(_summary(found.capture), _interfaces(found.capture), _streams(found))


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


def _streams(found: CaptureInfo) -> Table:
    names = ("destination", "first", "last", "datagrams", "bytes", "datagrams/s")
    table = plain_table("streams", *names, words=3)
    for stream in sorted(found.streams, key=lambda each: -each.datagrams):
        span_ns = stream.last_ts_ns - stream.first_ts_ns
        rate = f"{stream.datagrams / span_ns * 1e9:,.0f}" if span_ns > 0 else "—"
        times = (_clock(stream.first_ts_ns), _clock(stream.last_ts_ns))
        table.add_row(_destination(stream), *times, f"{stream.datagrams:,}", f"{stream.bytes:,}", rate)
    if found.other_datagrams:
        table.add_row("others", "", "", f"{found.other_datagrams:,}")
    return table


def _destination(stream: Stream) -> str:
    return f"[{stream.address}]:{stream.port}" if ":" in stream.address else f"{stream.address}:{stream.port}"


def _time(ts_ns: int | None) -> str:
    if ts_ns is None:
        return "—"
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{ns:09d} UTC"


def _clock(ts_ns: int) -> str:
    return _time(ts_ns).split(" ")[1]


def _span(first_ns: int | None, last_ns: int | None) -> str:
    return "—" if first_ns is None or last_ns is None else f"{(last_ns - first_ns) / 1e9:,.9f} s"
