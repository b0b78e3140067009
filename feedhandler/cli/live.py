"""The live view: rates, gaps, percentiles and queue depth of a feed, while it runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from feedhandler.batch import Batch
from feedhandler.cli import output
from feedhandler.cli.tables import percentiles_table, plain_table
from feedhandler.feed import Feed
from feedhandler.report import Report

Watch = Callable[[Batch | None], None]
"""Told of each batch, or of none after some time."""

_REFRESH_S = 0.25


@contextmanager
def watch(feed: Feed, *, enabled: bool, extra: Callable[[], RenderableType] | None = None) -> Iterator[Watch]:
    """Show a feed on standard error while it runs, where that is a terminal.

    Parameters
    ----------
    feed
        What to show.
    enabled
        Whether to show anything at all.
    extra
        What to show above it.
    """
    console = output.stderr()
    if not enabled or not console.is_terminal:
        yield lambda batch: None  # noqa: ARG005 — a watch's
        return
    view = _View(feed)
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def look(batch: Batch | None) -> None:
            drawn = view.look(batch)
            if drawn is not None:
                live.update(drawn if extra is None else Group(extra(), drawn), refresh=True)

        yield look


class _View:
    """Draws a feed every now and then, with the rates since the last drawing."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._before = feed.report()
        self._due_s = 0.0
        self._queue_depth = 0

    def look(self, batch: Batch | None) -> RenderableType | None:
        """Note a batch; draw where it is time."""
        self._queue_depth = max(self._queue_depth, batch.queue_depth if batch is not None else 0)
        if time.monotonic() < self._due_s:
            return None
        self._due_s = time.monotonic() + _REFRESH_S
        report = self._feed.report()
        drawn = self._draw(report)
        self._before, self._queue_depth = report, 0
        return drawn

    def _draw(self, report: Report) -> RenderableType:
        parts = [self._rates(report), self._lines(report)]
        return Group(*parts, *([percentiles_table(report.latency_ns)] if report.latency_ns else []))

    def _rates(self, report: Report) -> Table:
        before, span_s = self._before, max(report.elapsed_s - self._before.elapsed_s, 1e-9)
        slots = f"{self._queue_depth:,} of {report.ring.slots:,}" if report.ring else "—"
        gaps = len(report.gaps) + report.gaps_omitted
        names = ("elapsed", "messages/s", "datagrams/s", "Mbit/s", "messages", "gaps", "lost", "in the ring")
        table = plain_table("", *names)
        table.add_row(
            f"{report.elapsed_s:,.1f} s",
            f"{(report.messages - before.messages) / span_s:,.0f}",
            f"{(report.datagrams - before.datagrams) / span_s:,.0f}",
            f"{(report.bytes - before.bytes) * 8e-6 / span_s:,.2f}",
            f"{report.messages:,}",
            f"{gaps:,}",
            Text(f"{report.ledger.lost:,}", "red" if report.ledger.lost else ""),
            slots,
        )
        return table

    def _lines(self, report: Report) -> Table:
        names = ("channel", "line", "datagrams", "accepted", "duplicate", "malformed", "dropped")
        table = plain_table("lines", *names, words=2)
        for channel in report.ledger.channels:
            for line in channel.lines:
                dropped = line.dropped_socket_buffer + line.dropped_ring_full
                counts = (line.datagrams, line.accepted, line.duplicate, line.malformed, dropped)
                table.add_row(channel.name, line.name, *(f"{count:,}" for count in counts))
        return table
