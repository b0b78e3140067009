"""``feedhandler demo``: the main job in a few seconds, from a sender to the closing ledger."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from feedhandler.address import Address
from feedhandler.batch import Batch
from feedhandler.cli import options, output
from feedhandler.cli.best_prices import BestPrices, prices_table
from feedhandler.cli.interrupts import interrupts
from feedhandler.cli.live import Watch, watch
from feedhandler.cli.run import receive
from feedhandler.cli.tables import ledger_tables, percentiles_table
from feedhandler.config import ArbitrateConfig, BatchConfig, ChannelConfig, Config, LineConfig, WireConfig
from feedhandler.feed import Feed
from feedhandler.protocol import load as load_protocol
from feedhandler.report import Report
from replay.feed import Feed as Sending
from replay.generator import Generator

_LINE_B_DELAY_NS = 150_000
_PATIENCE_S = 5.0
"""How long the end of the session is waited for after it should have come."""


def demo(
    *,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long to send.")] = 6.0,
    rate: Annotated[float, typer.Option(min=1, help="Packets a second on each line.")] = 1_000.0,
    seed: Annotated[int, typer.Option(help="Seed of the prices.")] = 1,
    as_json: options.AsJson = False,
) -> None:
    """Send a small market on lines A and B of 127.0.0.1, receive it, and show that nothing was lost.

    Example: feedhandler demo --seconds 3
    """
    generator, prices = Generator(seed), BestPrices()
    with Feed(demo_config()) as feed, _shown(feed, prices, enabled=not as_json) as look:
        lines = [(str(line.address.ip), line.address.port) for line in feed.addresses]
        sending = Sending(generator, lines, delays_ns=(0, _LINE_B_DELAY_NS), packets_per_second=rate)
        with sending, interrupts(sending.stop):
            timer = threading.Timer(seconds, sending.stop)
            timer.start()
            try:
                receive(feed, prices.take, look, duration_s=seconds + _PATIENCE_S)
            finally:
                timer.cancel()
        report = feed.report()
    wrong = list(_wrong(report, prices, generator))
    json: dict[str, Any] = {**msgspec.to_builtins(report), "wrong": wrong}
    output.result(json, _closing(report, prices, wrong), as_json=as_json)
    if wrong:
        raise typer.Exit(1)


def demo_config(port_a: int = 0, port_b: int = 0) -> Config:
    """Return what ``configs/demo.toml`` says, on ports of 127.0.0.1; 0 lets the system choose."""
    lines = [
        LineConfig(name=name, address=Address.of("127.0.0.1", port))
        for name, port in (("A", port_a), ("B", port_b))
    ]
    return Config(
        protocol=load_protocol("msgpack"),
        channels=(ChannelConfig(name="demo", lines=tuple(lines)),),
        wire=WireConfig(rcvbuf_bytes=4 << 20),
        arbitrate=ArbitrateConfig(grace_us=50_000),
        batch=BatchConfig(stop_at_end_of_session=True),
    )


@contextmanager
def _shown(feed: Feed, prices: BestPrices, *, enabled: bool) -> Iterator[Watch]:
    """Show the prices move: in a live view on a terminal, in a line a second elsewhere."""
    if output.stderr().is_terminal or not enabled:
        with watch(feed, enabled=enabled, prices=lambda: list(prices.rows())) as look:
            yield look
        return
    due_s = time.monotonic() + 1

    def look_line(batch: Batch | None) -> None:  # noqa: ARG001 — a watch's
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s += 1
            typer.echo(prices.line())

    yield look_line


def _wrong(report: Report, prices: BestPrices, generator: Generator) -> Iterator[str]:
    sent = generator.next_sequence - 1
    if not report.ledger.is_balanced:
        yield "the ledger's sums are wrong"
    if report.ledger.lost or report.malformed:
        yield f"{report.ledger.lost} messages lost, {report.malformed} malformed"
    if not all(line.stats.socket_drops_read for line in report.wire or ()):
        yield "the kernel's drop counter could not be read, so that loss is unknown"
    if report.messages != sent:
        yield f"{sent} messages sent, {report.messages} received"
    last = {number: (quote.bid_price, quote.ask_price) for number, quote in generator.quotes.items()}
    if {number: quote[:2] for number, quote in prices.quotes.items()} != last:
        yield "the last prices are not those that were sent"


def _closing(report: Report, prices: BestPrices, wrong: list[str]) -> RenderableType:
    latency = percentiles_table(report.latency_ns or {})
    counts = f"{report.messages:,} messages in {report.datagrams:,} datagrams on two lines"
    right = f"{counts}: every sum is right, lost 0, and the last prices are those that were sent"
    verdict = [Text(f"✗ {what}", "bold red") for what in wrong] or [Text.assemble(("✓ ", "green"), right)]
    return Group(prices_table(prices.rows()), latency, ledger_tables(report.ledger), *verdict)
