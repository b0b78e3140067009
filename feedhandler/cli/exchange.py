"""``feedhandler exchange``: a market on this machine's lines, until it is stopped."""

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from feedhandler.cli import options, output
from feedhandler.cli.interrupts import interrupts
from feedhandler.cli.tables import facts, plain_table
from replay.exchange import Exchange, ExchangeReport
from replay.exchange.config import load
from replay.exchange.requests import Requests

_LOOK_S = 0.1
"""Longest wait between two looks at the limit."""


def exchange(
    config: Annotated[Path, typer.Argument(help="What to publish, a TOML file.", show_default=False)],
    *,
    duration: Annotated[float | None, typer.Option(help="Seconds to publish.", show_default=False)] = None,
    books: Annotated[
        Path | None, typer.Option(help="Write the true books at the end, as JSON.", show_default=False)
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Publish a market on redundant lines, with snapshots, and answer requests for what was missed.

    Until Ctrl-C, which ends the session in order.

    Example: feedhandler exchange configs/exchange.toml --duration 60
    """
    loaded = load(config)
    end_s = float("inf") if duration is None else time.monotonic() + duration
    with Exchange(loaded) as running, interrupts(running.stop):
        where = ", ".join(f"{line.name} {line.address}" for line in loaded.lines)
        asked = "" if running.requests_address is None else f"; requests to {running.requests_address}"
        output.note(f"publishing {loaded.protocol} session {running.session!r} on {where}{asked}")
        while not running.join(_LOOK_S):
            if time.monotonic() >= end_s:
                running.stop()
    report = running.report()
    truth = running.books()
    if books is not None and truth is not None:
        books.write_bytes(msgspec.json.encode(truth))
    output.result(msgspec.to_builtins(report), _tables(report), as_json=as_json)


def _tables(report: ExchangeReport) -> RenderableType:
    late = report.sent.lateness_ns
    rows: dict[str, str | Text] = {
        "session": f"{report.session}, {report.protocol}",
        "messages": f"{report.messages:,} in {report.packets:,} packets on each line",
        "heartbeats": f"{report.heartbeats:,} on each line",
        "snapshots": f"{report.snapshots:,}",
        "late, µs": f"p50 {late.p50 / 1e3:,.1f}, p99 {late.p99 / 1e3:,.1f}, max {late.max / 1e3:,.1f}",
    }
    if report.skipped:
        rows["skipped"] = f"{report.skipped:,} datagrams of the file"
    if report.requests is not None:
        rows |= _requests(report.requests)
    table = plain_table("destinations", "to", "datagrams", "bytes", "refused")
    for each in report.sent.destinations:
        table.add_row(each.to, f"{each.packets:,}", f"{each.bytes:,}", f"{each.refused:,}")
    return Group(facts(rows), table)


def _requests(requests: Requests) -> dict[str, str]:
    counts: dict[str, int] = msgspec.structs.asdict(requests)
    told = {name: counts.pop(name) for name in ("received", "answered", "messages", "bytes")}
    why = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    answered = f"{told['answered']:,} of {told['received']:,}, with {told['messages']:,} messages"
    return {"requests answered": answered, "not answered": why or "0"}
