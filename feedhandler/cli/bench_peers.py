"""``feedhandler bench peers``: feedhandler beside programs in other languages that do the same job."""

from typing import Annotated

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from feedhandler.bench import contest, standings
from feedhandler.bench.standings import Goal, Offer, Result, Size, Standing
from feedhandler.cli import bench_out, options, output
from feedhandler.cli.tables import facts, plain_table

_SHARED = 0.9
"""Part of a processor below which it was not the contender's own."""


def peers(
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Part of the name of a peer that takes part; may be repeated.", show_default=False),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every contender runs in each.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each is measured in a round.")] = 1.0,
    warmup: Annotated[float, typer.Option(min=0.0, help="Seconds that each receives before that.")] = 0.5,
    out: bench_out.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure the whole way beside receivers in C, Rust, Go, Node.js and Python that do the same job.

    `make peers` builds them. Example: feedhandler bench peers --only Tokio --only "Go, std" --rounds 5
    """
    with output.steps() as tell:
        result = contest.run(rounds, seconds, warmup, only or (), tell)
    bench_out.keep(result, out)
    output.result(msgspec.to_builtins(result), _shown(result), as_json=as_json)


def _shown(result: Result) -> RenderableType:
    parts: list[RenderableType] = [_where(result)]
    for size in result.sizes:
        parts += [_shared(size), _overload(size)]
        parts += [_paced(size, offer) for offer in size.offers[1:]]
    return Group(*parts, _goals(result.goals), *_not_measured(result))


def _where(result: Result) -> RenderableType:
    machine = result.machine
    turns = f"{result.rounds} rounds of {result.seconds:g} s for each contender, after {result.warmup_s:g} s"
    return facts(
        {
            "processor": f"{machine.cpu}, {machine.core_ghz} GHz, governor {machine.governor or 'not known'}",
            "load": f"{machine.load} on {machine.cores} cores",
            "versions": f"Linux {machine.kernel}, Python {machine.python}, {machine.build_profile} build",
            "toolchains": ", ".join(sorted(set(result.toolchains.values()))),
            "loop": f"{result.loop}; {turns}",
            "judged": f"{result.for_throughput} for messages/s, {result.for_latency} for latency",
        }
    )


def _shared(size: Size) -> RenderableType:
    if size.processor_share >= _SHARED:
        return ""
    others = f"others had {1 - size.processor_share:.0%} of the contenders' processor meanwhile"
    return Text.assemble(("warning: ", "yellow"), f"{others}: these figures say little\n")


def _overload(size: Size) -> Table:
    offer = size.offers[0]
    title = (
        f"{size.bytes} bytes, {size.messages} messages: overload, {offer.sent_per_s:,.0f} datagrams/s sent"
    )
    columns = ("million messages/s", "quartiles", "per CPU s", "ours, times", "lost", "CPU", "MiB")
    table = plain_table(title, "contender", *columns)
    for name, found in offer.standings.items():
        rate = found.messages_per_s
        quartiles = f"{rate.low / 1e6:.2f} to {rate.high / 1e6:.2f}"
        ours = "" if name == standings.FOR_THROUGHPUT else f"{found.ours_is_faster.median:.2f}"
        rates = (f"{rate.median / 1e6:.2f}", quartiles, f"{found.messages_per_cpu_s / 1e6:.2f}")
        table.add_row(name, *rates, ours, f"{found.lost:.0%}", *_costs(found))
    return table


def _paced(size: Size, offer: Offer) -> Table:
    rate = f"{offer.name}, {offer.asked_per_s or 0:,} datagrams/s"
    late = f"the sender was {offer.sender_late_ns / 1e3:,.1f} late at p99.9"
    title = f"{size.bytes} bytes, {size.messages} messages: {rate}; µs from when one was due, {late}"
    columns = ("p50", "p90", "p99", "p99.9", "max", "quartiles of p99.9", "ours, times", "lost", "CPU", "MiB")
    table = plain_table(title, "contender", *columns)
    for name, found in offer.standings.items():
        spans = (f"{found.latency_ns[part] / 1e3:,.1f}" for part in standings.PERCENTILES)
        ours = "" if name == standings.FOR_LATENCY else f"{found.ours_is_later.median:.2f}"
        lost = "" if found.kept_up else f"{found.lost:.1%}"
        quartiles = f"{found.p99_9_ns.low / 1e3:,.1f} to {found.p99_9_ns.high / 1e3:,.1f}"
        table.add_row(name, *spans, quartiles, ours, lost, *_costs(found))
    return table


def _costs(found: Standing) -> tuple[str, str]:
    return f"{found.cpu:.0%}", f"{found.rss_kib / 1024:.0f}"


def _goals(goals: tuple[Goal, ...]) -> Table:
    table = plain_table("goals", "bytes", "offered", "figure", "asked", "found", "reached", words=3)
    for goal in goals:
        asked = f"≥ {goal.at_least:g}" if goal.at_least is not None else f"≤ {goal.at_most:g}"
        found = goal.note if goal.found is None else f"{goal.found:.2f}"
        table.add_row(str(goal.bytes), goal.offer, goal.what, asked, found, _reached(goal.is_reached))
    return table


def _reached(is_reached: bool | None) -> Text:
    if is_reached is None:
        return Text("not known")
    return Text("yes", "green") if is_reached else Text("no", "bold red")


def _not_measured(result: Result) -> list[RenderableType]:
    if not result.not_measured:
        return []
    table = plain_table("not built, or failed", "peer", "why", words=2)
    for name, why in result.not_measured.items():
        table.add_row(name, why)
    return [table]
