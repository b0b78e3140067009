"""The live view's drawing side: rates, gaps, percentiles and queue depth of a feed, while it runs.

A process of its own, ``python -m feedhandler.cli.view DESCRIPTOR``, that `feedhandler.cli.live` starts. It
draws the frames that come from the socket on standard error until the socket is closed.
"""

import socket
import sys
from collections.abc import Iterator

import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from feedhandler.captured import Captured
from feedhandler.cli import output
from feedhandler.cli.best_prices import prices_table
from feedhandler.cli.live import Frame
from feedhandler.cli.tables import percentiles_table, plain_table, redundancy_table
from feedhandler.report import Report

_MOST_FRAME_BYTES = 1 << 20


def main(descriptor: int) -> None:
    """Draw the frames that come on a socket, until it is closed."""
    with (
        socket.socket(fileno=descriptor) as feed,
        Live(console=output.stderr(), auto_refresh=False, transient=True) as live,
    ):
        before: Frame | None = None
        for frame in _frames(feed):
            live.update(_draw(frame, before or frame), refresh=True)
            before = frame


def _frames(feed: socket.socket) -> Iterator[Frame]:
    decoder = msgspec.msgpack.Decoder(Frame)
    while data := feed.recv(_MOST_FRAME_BYTES):
        yield decoder.decode(data)


def _draw(frame: Frame, before: Frame) -> RenderableType:
    report = frame.report
    above = [prices_table(frame.prices)] if frame.prices else []
    below = [percentiles_table(report.latency_ns)] if report.latency_ns else []
    above += [_captured(report.captured)] if report.captured else []
    return Group(
        *above, _rates(frame, before.report), _lines(report), redundancy_table(report.ledger), *below
    )


def _rates(frame: Frame, before: Report) -> Table:
    report = frame.report
    span_s = max(report.elapsed_s - before.elapsed_s, 1e-9)
    slots = f"{frame.queue_depth:,} of {report.ring.slots:,}" if report.ring else "—"
    names = ("elapsed", "messages/s", "datagrams/s", "Mbit/s", "messages", "gaps", "lost", "in the ring")
    table = plain_table("", *names)
    table.add_row(
        f"{report.elapsed_s:,.1f} s",
        f"{(report.messages - before.messages) / span_s:,.0f}",
        f"{(report.datagrams - before.datagrams) / span_s:,.0f}",
        f"{(report.bytes - before.bytes) * 8e-6 / span_s:,.2f}",
        f"{report.messages:,}",
        f"{report.gaps_omitted:,}",
        Text(f"{report.ledger.lost:,}", "red" if report.ledger.lost else ""),
        slots,
    )
    return table


def _captured(captured: Captured) -> Table:
    """Draw what is captured, and into which file."""
    names = ("file", "bytes", "captured", "not written", "on the way")
    table = plain_table("capture", *names)
    missing = captured.queue_full + captured.disk
    for file in captured.files[-1:]:
        table.add_row(
            file.path,
            f"{file.bytes:,}",
            f"{captured.captured:,}",
            Text(f"{missing:,}", "red" if missing else ""),
            f"{captured.pending:,}",
        )
    return table


def _lines(report: Report) -> Table:
    names = ("channel", "line", "datagrams", "accepted", "duplicate", "malformed", "dropped")
    table = plain_table("lines", *names, words=2)
    for channel in report.ledger.channels:
        for line in channel.lines:
            dropped = line.dropped_socket_buffer + line.dropped_ring_full
            counts = (line.datagrams, line.accepted, line.duplicate, line.malformed, dropped)
            table.add_row(channel.name, line.name, *(f"{count:,}" for count in counts))
    return table


if __name__ == "__main__":
    main(int(sys.argv[1]))
