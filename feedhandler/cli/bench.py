"""``feedhandler bench``: how fast the parts are, beside yardsticks in the same run."""

from typing import Annotated

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.table import Table

from feedhandler.bench.decode import Case, Result, run
from feedhandler.cli import options, output
from feedhandler.cli.tables import facts, plain_table

app = typer.Typer(help="Measure the parts beside yardsticks, in the same run.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure the parts beside yardsticks, in the same run."""


@app.command()
def decode(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every contender runs in each.")] = 7,
    seconds: Annotated[float, typer.Option(min=0.01, help="How long each contender runs in a round.")] = 0.3,
    as_json: options.AsJson = False,
) -> None:
    """Measure decode beside decoders written by hand and Python's ways, on one core.

    Example: feedhandler bench decode --rounds 5
    """
    with output.working("bench decode"):
        result = run(rounds, seconds)
    output.result(msgspec.to_builtins(result), _tables(result), as_json=as_json)


def _tables(result: Result) -> RenderableType:
    machine = result.machine
    where = facts(
        {
            "processor": f"{machine.cpu}, {machine.core_ghz} GHz, governor {machine.governor or 'not known'}",
            "load": f"{machine.load} on {machine.cores} cores",
            "versions": f"Linux {machine.kernel}, Python {machine.python}, {machine.build_profile} build",
            "loop": f"{result.loop}, {result.rounds} rounds of {result.seconds} s for each contender",
        }
    )
    return Group(where, *(_case(name, case) for name, case in result.cases.items()))


def _case(name: str, case: Case) -> Table:
    size = case.bytes / max(case.messages, 1)
    title = f"{name}: {case.messages:,} messages of {size:.1f} bytes"
    table = plain_table(title, "contender", "million messages/s", "spread", "ours is as fast, times")
    for contender, rate in case.rates.items():
        millions = f"{rate.messages_per_s / 1e6:,.2f}"
        table.add_row(contender, millions, f"{rate.spread:.1%}", f"{rate.ratio:,.2f}")
    for contender in case.not_built:
        table.add_row(contender, "not built here", "", "")
    return table
