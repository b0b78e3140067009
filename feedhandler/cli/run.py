"""``feedhandler run``: a live feed, watched until it ends."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from feedhandler.batch import Batch
from feedhandler.cli import options, output
from feedhandler.cli.interrupts import interrupts
from feedhandler.cli.live import Watch, watch
from feedhandler.cli.tables import report_tables
from feedhandler.config import Config
from feedhandler.config_file import load
from feedhandler.feed import Feed
from feedhandler.sink import open_sink

_LOOK_S = 0.1
"""Longest wait between two looks at the limits and the view."""


def run(
    config: options.ConfigFile,
    *,
    duration: Annotated[float | None, typer.Option(help="Seconds to receive.", show_default=False)] = None,
    messages: Annotated[
        int | None,
        typer.Option(help="Messages after which to end; batches are not divided.", show_default=False),
    ] = None,
    out: options.Out = None,
    hlog: Annotated[
        Path | None, typer.Option(help="Write the latencies to an HdrHistogram log.", show_default=False)
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Receive live lines until Ctrl-C, and report where everything went.

    Example: feedhandler run configs/demo.toml --duration 10
    """
    loaded = _with_hlog(load(config), hlog)
    sink = nullcontext() if out is None else open_sink(out, loaded.protocol)
    with sink as taker, Feed(loaded) as feed:
        with interrupts(feed.stop), watch(feed, enabled=not as_json) as look:
            take = None if taker is None else taker.write
            receive(feed, take, look, duration_s=duration, messages=messages)
        report = feed.report()
    output.result(msgspec.to_builtins(report), report_tables(report), as_json=as_json)
    if not report.ledger.is_balanced:
        output.note(f"feedhandler: the ledger's sums are wrong, {report.ledger.mismatches} times")
        raise typer.Exit(1)


def receive(
    feed: Feed,
    take: Callable[[Batch], None] | None,
    look: Watch,
    *,
    duration_s: float | None = None,
    messages: int | None = None,
) -> None:
    """Receive until the feed is over or a limit is reached, and everything received has been handed out.

    Parameters
    ----------
    feed
        What to receive.
    take
        What is done with a batch.
    look
        Told of each batch, or of none after some time.
    duration_s, messages
        The limits.
    """
    end_s = float("inf") if duration_s is None else time.monotonic() + duration_s
    received = 0
    while not feed.is_over:
        batch = feed.poll(_LOOK_S)
        if batch is not None:
            received += batch.size
            if take is not None:
                take(batch)
        look(batch)
        if time.monotonic() >= end_s or (messages is not None and received >= messages):
            feed.stop()


def _with_hlog(config: Config, hlog: Path | None) -> Config:
    if hlog is None:
        return config
    latency = msgspec.structs.replace(config.latency, hlog=str(hlog))
    return msgspec.structs.replace(config, latency=latency)
