"""``feedhandler bench``: measurements, each beside what it is to be compared with."""

from typing import Annotated

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.table import Table

from feedhandler.bench.decode import Case, Result, run
from feedhandler.cli import options, output
from feedhandler.cli.tables import facts

app = typer.Typer(no_args_is_help=True, help="Measure, beside what it is to be compared with.")


@app.callback()
def bench() -> None:
    """Measure, beside what it is to be compared with."""


@app.command()
def decode(
    *,
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds, in each of which every contender runs once.")
    ] = 7,
    seconds: Annotated[float, typer.Option(min=0.01, max=60, help="How long each runs in a round.")] = 0.3,
    as_json: options.AsJson = False,
) -> None:
    """Decode packets in memory on one core, and let decoders written by hand and Python's do the same.

    Example: feedhandler bench decode --rounds 5
    """
    result = run(rounds, seconds)
    output.result(msgspec.to_builtins(result), _tables(result), as_json=as_json)


def _tables(result: Result) -> RenderableType:
    machine = {key: str(value) for key, value in msgspec.to_builtins(result.machine).items()}
    return Group(facts(machine), *(_case_table(name, case) for name, case in result.cases.items()))


def _case_table(name: str, case: Case) -> Table:
    table = Table(title=f"{name}: {case.bytes / case.messages:.0f} bytes a message", title_justify="left")
    table.add_column("contender")
    for column in ("messages/s", "spread", "ours is"):
        table.add_column(column, justify="right")
    for contender, rate in case.rates.items():
        cells = (f"{rate.messages_per_s:,.0f}", f"{rate.spread:.1%}", f"{rate.ratio:.2f}x")
        table.add_row(contender, *cells)
    for contender in case.not_built:
        table.add_row(contender, "not built", "", "")
    return table
