"""``feedhandler bench files``: whole captures into tables, beside what one would write by hand."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Group
from rich.table import Table

from feedhandler.bench import files as reading
from feedhandler.cli import bench_out, options, output
from feedhandler.cli.bench_header import where
from feedhandler.cli.quantities import size_bytes
from feedhandler.cli.tables import facts, plain_table


def files(
    *,
    file: Annotated[
        Path | None,
        typer.Option(help="A pcapng capture of ITCH 5.0; without one, it is generated.", show_default=False),
    ] = None,
    size: Annotated[str, typer.Option("--bytes", help="How large to generate it.")] = "1GiB",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every contender runs in each.")] = 5,
    out: bench_out.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure reading a whole capture of ITCH on one core, beside readers written by hand in Rust and Python.

    Example: feedhandler bench files --bytes 256MiB --rounds 3
    """
    with output.working("bench files"):
        result = reading.run(file, size_bytes(size), rounds)
    bench_out.keep(result, out)
    header = where(result.machine, result.loop, f"{result.rounds} rounds")
    shown = Group(header, _contenders(result), _memory(result), _goals(result.goals))
    output.result(msgspec.to_builtins(result), shown, as_json=as_json)


def _contenders(result: reading.Result) -> Table:
    title = f"{result.bytes:,} bytes with {result.messages:,} messages"
    columns = (
        "contender",
        "GB/s",
        "of CPU time",
        "million messages/s",
        "spread",
        "ours is as fast, times",
        "MiB",
    )
    table = plain_table(title, *columns)
    for name, found in result.contenders.items():
        rates = (f"{found.gb_per_s:,.3f}", f"{found.gb_per_cpu_s:,.3f}", f"{found.messages_per_s / 1e6:,.2f}")
        rest = (f"{found.spread:.1%}", f"{found.ratio:,.2f}", f"{found.peak_kib / 1024:,.0f}")
        table.add_row(name, *rates, *rest)
    for name in result.not_built:
        table.add_row(name, "not built here", *[""] * 5)
    return table


def _memory(result: reading.Result) -> Table:
    ours = result.contenders[reading.OURS]
    small, large = result.part_peak_kib / 1024, ours.peak_kib / 1024
    told = f"{small:,.0f} MiB for {result.part_bytes:,} bytes, {large:,.0f} MiB for {ours.bytes:,}"
    return facts({"memory": told})


def _goals(goals: tuple[reading.Goal, ...]) -> Table:
    table = plain_table("goals", "what", "wanted", "found", "")
    for goal in goals:
        verdict = "reached" if goal.is_reached else "not reached"
        table.add_row(goal.what, f"{goal.wanted:g}", f"{goal.found:,.3g}", verdict)
    return table
