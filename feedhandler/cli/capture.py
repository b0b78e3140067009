"""``feedhandler capture``: live lines, kept in capture files."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from feedhandler.captured import Captured, CaptureTo
from feedhandler.cli import options, output
from feedhandler.cli.interrupts import interrupts
from feedhandler.cli.live import watch
from feedhandler.cli.run import receive
from feedhandler.cli.tables import facts, plain_table, report_tables
from feedhandler.config_file import load
from feedhandler.feed import Feed

_BYTES_PER_MIB = 1 << 20


def capture(
    config: options.ConfigFile,
    out: Annotated[
        Path, typer.Argument(help="File to write: X.pcapng, or X.pcapng.zst.", show_default=False)
    ],
    *,
    duration: Annotated[float | None, typer.Option(help="Seconds to capture.", show_default=False)] = None,
    max_packets: Annotated[
        int | None, typer.Option(min=1, help="Packets after which to end.", show_default=False)
    ] = None,
    rotate_mib: Annotated[
        float | None,
        typer.Option(min=0.001, help="MiB of a file after which to begin another.", show_default=False),
    ] = None,
    rotate_seconds: Annotated[
        float | None,
        typer.Option(min=0.001, help="Age of a file after which to begin another.", show_default=False),
    ] = None,
    buffer_mib: Annotated[float, typer.Option(min=1, help="MiB that may wait for the disk.")] = 64,
    flush_seconds: Annotated[
        float, typer.Option(min=0.001, help="Age at which packets are handed to the disk.")
    ] = 0.25,
    index: Annotated[bool, typer.Option(help="Whether to write an index beside each file.")] = True,
    as_json: options.AsJson = False,
) -> None:
    """Receive live lines until Ctrl-C, and keep every packet in a capture file; SIGHUP begins another file.

    Example: feedhandler capture configs/demo.toml day.pcapng.zst --duration 10
    """
    target = CaptureTo(
        path=str(out),
        rotate_bytes=None if rotate_mib is None else int(rotate_mib * _BYTES_PER_MIB),
        rotate_s=rotate_seconds,
        buffer_bytes=int(buffer_mib * _BYTES_PER_MIB),
        flush_s=flush_seconds,
        max_packets=max_packets,
        index=index,
    )
    with Feed(load(config), capture=target) as feed:
        _tell_previous(feed)
        with interrupts(feed.stop), _rotating(feed), watch(feed, enabled=not as_json) as look:
            receive(feed, None, look, duration_s=duration)
    report = feed.report()
    assert isinstance(report.captured, Captured)
    tables = Group(report_tables(report), _tables(report.captured))
    output.result(msgspec.to_builtins(report), tables, as_json=as_json)
    if not report.captured.is_complete or not report.ledger.is_balanced:
        output.note(f"feedhandler: {_complaint(report.captured)}")
        raise typer.Exit(1)


@contextmanager
def _rotating(feed: Feed) -> Iterator[None]:
    """Have SIGHUP begin another file."""

    def rotate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 — a signal handler's
        feed.rotate()

    before = signal.signal(signal.SIGHUP, rotate)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _tell_previous(feed: Feed) -> None:
    captured = feed.report().captured
    assert isinstance(captured, Captured)
    if captured.previous is None:
        return
    there = f"{captured.previous.path} is there already"
    if not captured.previous.is_closed:
        there += ", and was not closed: feedhandler verify tells what is in it"
    output.note(f"feedhandler: {there}; writing to {captured.files[0].path}")


def _tables(captured: Captured) -> RenderableType:
    missing = captured.queue_full + captured.disk
    rows: dict[str, str | Text] = {
        "captured": f"{captured.captured:,} of {captured.datagrams:,} datagrams",
        "not written": Text(f"{missing:,}", "bold red" if missing else ""),
        "buffer": f"{captured.buffer_high_water_bytes:,} of {captured.buffer_bytes:,} bytes at most",
    }
    if captured.disk_error is not None:
        rows["disk"] = Text(captured.disk_error, "bold red")
    if captured.index_error is not None:
        rows["index"] = Text(f"given up: {captured.index_error}", "yellow")
    return Group(facts(rows), _files(captured))


def _files(captured: Captured) -> Table:
    table = plain_table("files", "file", "digest", "packets", "bytes", "messages", "gaps", "closed", words=2)
    for file in captured.files:
        content = file.content
        counts = (f"{content.messages:,}", f"{content.gaps:,}") if content else ("—", "—")
        digest, closed = content.digest if content else "—", "yes" if file.is_closed else "no"
        table.add_row(file.path, digest, f"{file.packets:,}", f"{file.bytes:,}", *counts, closed)
    return table


def _complaint(captured: Captured) -> str:
    if captured.is_complete:
        return "the ledger's sums are wrong"
    causes = [f"{captured.queue_full:,} found too much waiting for the disk"] if captured.queue_full else []
    causes += [f"{captured.disk:,} the disk refused"] if captured.disk else []
    causes += [captured.disk_error] if captured.disk_error else []
    return f"not all datagrams were captured: {'; '.join(causes)}"
