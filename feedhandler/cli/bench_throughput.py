"""``feedhandler bench throughput``: the receive limit, delivery under overload, and what both cost."""

from typing import Annotated

import msgspec
import typer
from rich.console import Group
from rich.table import Table

from feedhandler.bench import throughput as measuring
from feedhandler.bench.report.throughput import at_limit, under_overload
from feedhandler.bench.throughput_cases import FACTORS, TITLES, Factor, all_cases
from feedhandler.cli import bench_out, options, output
from feedhandler.cli.bench_header import where
from feedhandler.cli.tables import facts, plain_table
from feedhandler.toml import shown

_QUICK_SECONDS = 0.1
_QUICK_STEPS = 2


def throughput(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every case is measured in each.")] = 3,
    seconds: Annotated[
        float, typer.Option(min=0.05, help="How long a rate must be received without a loss.")
    ] = 1.0,
    steps: Annotated[int, typer.Option(min=1, help="Rates that a search for the limit tries at most.")] = 8,
    factor: Annotated[
        list[str] | None,
        typer.Option(help=f"Only vary this: {', '.join(FACTORS)}. May be repeated.", show_default=False),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that it works: the figures are none.")
    ] = False,
    out: bench_out.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure the highest rate without a loss, and what is delivered of too much, with its CPU and memory.

    Example: feedhandler bench throughput --factor size --factor lines
    """
    chosen = _chosen(factor)
    if quick:
        rounds, seconds, steps = 1, _QUICK_SECONDS, _QUICK_STEPS
    cases = [case for case in all_cases() if case.factor in chosen]
    with output.working("bench throughput"):
        result = measuring.run(rounds, seconds, steps, cases)
    bench_out.keep(result, out)
    how = f"{result.rounds} rounds, {result.seconds:g} s a rate, at most {result.steps} rates"
    buffers = f"{result.rcvbuf_bytes / (1 << 20):,.0f} MiB of all lines together, as the kernel counts"
    header = Group(where(result.machine, result.loop, how), facts({"receive buffers": buffers}))
    output.result(
        msgspec.to_builtins(result),
        Group(header, *_tables(result), facts({"notes": _NOTES})),
        as_json=as_json,
    )


_NOTES = (
    "limit: highest rate at which nothing was lost, by bisection; > where the sender went no faster.\n"
    "overload: as fast as the sender can. CPU: of one processor, all threads. Medians, with the distance\n"
    "between the quartiles."
)


def _chosen(factors: list[str] | None) -> list[Factor]:
    known: dict[str, Factor] = {name: name for name in FACTORS}
    for name in factors or ():
        if name not in known:
            raise typer.BadParameter(f"expected --factor {', '.join(FACTORS)}, found {shown(name)}")
    return [known[name] for name in factors or FACTORS]


def _tables(result: measuring.Result) -> list[Table]:
    factors = dict.fromkeys(row.case.factor for row in result.rows)
    return [_table(factor, [row for row in result.rows if row.case.factor == factor]) for factor in factors]


def _table(factor: Factor, rows: list[measuring.Row]) -> Table:
    title, value = TITLES[factor]
    limit = ("limit, datagrams/s", "spread", "MB/s", "blocks/s" if factor == "blocks" else "messages/s")
    overload = ("overload: delivered/s", "spread", "lost", "CPU %", "dropped at")
    table = plain_table(title, value, *limit, "CPU %", "MiB", *overload)
    for row in rows:
        table.add_row(row.case.value, *at_limit(row), *under_overload(row))
    return table
