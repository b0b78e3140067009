"""``feedhandler bench``: how fast the parts are, beside yardsticks in the same run."""

from typing import Annotated

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.table import Table

from feedhandler.bench import decode as decoding
from feedhandler.bench import receive as receiving
from feedhandler.bench import send as sending
from feedhandler.bench.machine import Machine
from feedhandler.cli import (
    bench_compare,
    bench_latency,
    bench_out,
    bench_peers,
    bench_report,
    options,
    output,
)
from feedhandler.cli.bench_files import files
from feedhandler.cli.bench_header import where
from feedhandler.cli.bench_throughput import throughput
from feedhandler.cli.tables import facts, plain_table

app = typer.Typer(help="Measure the parts beside yardsticks, in the same run.", no_args_is_help=True)
app.command()(bench_latency.latency)
app.command()(bench_peers.peers)
app.command()(bench_report.report)
app.command()(files)
app.command()(throughput)
app.command()(bench_compare.compare)


@app.callback()
def bench() -> None:
    """Measure the parts beside yardsticks, in the same run."""


@app.command()
def decode(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every contender runs in each.")] = 7,
    seconds: Annotated[float, typer.Option(min=0.01, help="How long each contender runs in a round.")] = 0.3,
    out: bench_out.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure decode beside decoders written by hand and Python's ways, on one core.

    Example: feedhandler bench decode --rounds 5
    """
    with output.working("bench decode"):
        result = decoding.run(rounds, seconds)
    bench_out.keep(result, out)
    shown = Group(_where(result.machine, result.loop, result.rounds, result.seconds), *_cases(result))
    output.result(msgspec.to_builtins(result), shown, as_json=as_json)


@app.command()
def receive(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every contender runs in each.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each contender runs in a round.")] = 2.0,
    endurance: Annotated[
        float,
        typer.Option(min=0, help="Seconds at 70 % of the limit, with a callback that stalls; 0 for none."),
    ] = 10.0,
    out: bench_out.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure the whole way, socket to Python, under overload, beside C programs that count and decode.

    Example: feedhandler bench receive --rounds 5
    """
    with output.working("bench receive"):
        result = receiving.run(rounds, seconds, endurance)
    bench_out.keep(result, out)
    where = _where(result.machine, result.loop, result.rounds, result.seconds)
    output.result(
        msgspec.to_builtins(result),
        Group(where, *map(_load, result.loads), *map(_pace, result.paces), _endurance(result.endurance)),
        as_json=as_json,
    )


@app.command()
def send(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every contender runs in each.")] = 7,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each contender runs in a round.")] = 1.0,
    out: bench_out.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure a replay with --max beside C programs that only send, on one core.

    Example: feedhandler bench send --rounds 5
    """
    with output.working("bench send"):
        result = sending.run(rounds, seconds)
    bench_out.keep(result, out)
    table = plain_table(
        f"datagrams of {result.bytes} bytes", "contender", "datagrams/s", "spread", "of C's rate"
    )
    for name, found in result.contenders.items():
        table.add_row(name, f"{found.datagrams_per_s:,.0f}", f"{found.spread:.1%}", f"{found.ratio:.2f}")
    where = _where(result.machine, result.loop, result.rounds, result.seconds)
    output.result(msgspec.to_builtins(result), Group(where, table), as_json=as_json)


def _where(machine: Machine, loop: str, rounds: int, seconds: float) -> RenderableType:
    return where(machine, loop, f"{rounds} rounds of {seconds} s for each contender")


def _cases(result: decoding.Result) -> list[Table]:
    return [_case(name, case) for name, case in result.cases.items()]


def _load(load: receiving.Load) -> Table:
    title = f"datagrams of {load.bytes} bytes with {load.messages} messages"
    columns = ("contender", "datagrams/s", "spread", "of C counting", "of C decoding", "CPU ns", "MiB")
    table = plain_table(title, *columns)
    for name, found in load.contenders.items():
        ratios = (f"{found.ratio:.2f}", f"{found.ratio_to_decoding:.2f}")
        costs = (f"{found.cpu_ns_per_datagram:,.0f}", f"{found.rss_kib / 1024:.0f}")
        table.add_row(name, f"{found.datagrams_per_s:,.0f}", f"{found.spread:.1%}", *ratios, *costs)
    return table


def _pace(pace: receiving.Pace) -> Table:
    title = f"{pace.datagrams_per_s:,} datagrams/s with {pace.messages} messages: µs from the kernel's stamp"
    table = plain_table(title, "contender", "p50", "p90", "p99", "p99.9", "p50 of C", "p99.9 of C")
    for name, found in pace.contenders.items():
        parts = (found.p50_ns, found.p90_ns, found.p99_ns, found.p99_9_ns)
        ratios = (found.p50_ratio, found.p99_9_ratio)
        table.add_row(name, *(f"{part / 1e3:,.1f}" for part in parts), *(f"{part:.2f}" for part in ratios))
    return table


def _endurance(found: receiving.Endurance | None) -> RenderableType:
    if found is None:
        return ""
    rate = found.delivered / found.seconds
    came = f"{found.delivered:,} datagrams ({rate:,.0f}/s), {found.lost:,} messages lost"
    asked = f"{found.datagrams_per_s:,}/s asked for {found.seconds:g} s, {found.burst} at once"
    stalls = f"a stall of {found.stall_s * 1e3:g} ms each second"
    told = f"{asked}, {stalls}, {found.slots:,} slots: {came}"
    return facts({"endurance": told})


def _case(name: str, case: decoding.Case) -> Table:
    size = case.bytes / max(case.messages, 1)
    title = f"{name}: {case.messages:,} messages of {size:.1f} bytes"
    table = plain_table(title, "contender", "million messages/s", "spread", "ours is as fast, times")
    for contender, rate in case.rates.items():
        millions = f"{rate.messages_per_s / 1e6:,.2f}"
        table.add_row(contender, millions, f"{rate.spread:.1%}", f"{rate.ratio:,.2f}")
    for contender in case.not_built:
        table.add_row(contender, "not built here", "", "")
    return table
