"""``feedhandler bench latency``: how late Python has a message, with a load that waits for nobody."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.table import Table

from feedhandler.bench.latency import kept
from feedhandler.bench.latency import run as measuring
from feedhandler.bench.latency.calibration import Calibration
from feedhandler.bench.latency.calibration import calibrate as inject
from feedhandler.bench.latency.overhead import overhead
from feedhandler.bench.latency.pair import Pair
from feedhandler.bench.latency.result import Measured, Result, Way
from feedhandler.bench.latency.run import Plan
from feedhandler.bench.latency.words import (
    COLUMNS,
    calibration_rows,
    conditions,
    notes,
    overhead_row,
    stage_rows,
    title_of,
)
from feedhandler.bench.machine import require_release
from feedhandler.bench.sender import Waiting
from feedhandler.cli import bench_out, options, output
from feedhandler.cli.tables import facts, plain_table
from feedhandler.config import Backend, Wait

_CALIBRATED_S = 3.0
_STALLS_S = (0.05, 0.1, 0.2)
_HIDDEN = 1

Rates = Annotated[
    list[float] | None,
    typer.Option("--rate", min=1, help="Datagrams a second; may be repeated.", show_default="1k, 10k, 100k"),
]


def latency(
    *,
    rate: Rates = None,
    burst: Annotated[
        int | None, typer.Option(min=1, help="A step in which so many are due together.", show_default=False)
    ] = None,
    every: Annotated[float, typer.Option(min=0.01, help="Milliseconds from burst to burst.")] = 10.0,
    timing: Annotated[
        list[Path] | None,
        typer.Option(
            help="A step with a capture's times and lengths, and our content; may be repeated.",
            show_default=False,
        ),
    ] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="How many times as fast as recorded.")] = 1.0,
    mode: Annotated[Literal["inline", "threaded"], typer.Option(help="Who looks at the socket.")] = "inline",
    backend: Annotated[Backend, typer.Option(help="How datagrams are taken from it.")] = "recvmmsg",
    wait: Annotated[Wait, typer.Option(help="What a thread does that has nothing to do.")] = "block",
    sender_wait: Annotated[
        Waiting, typer.Option(help="How the sender waits for a datagram's time.")
    ] = "spin",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every step has its turn in each.")] = 5,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, help="How long a step takes in a round.", show_default="3; a capture: all"),
    ] = None,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds of each step that do not count.")] = 0.3,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for result, .hlog files and pictures; or X.json for the result alone.",
            show_default=False,
        ),
    ] = None,
    overlay: Annotated[
        list[Path] | None,
        typer.Option(help="A former result to draw as well; may be repeated.", show_default=False),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Only inject stalls, longer ones as well, and look for them.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure how late Python has a message, from when it was due: percentiles to p99.999, by stage.

    Example: feedhandler bench latency --rate 10000 --rate 100000 --out results/latency
    """
    way = Way(mode=mode, backend=backend, wait=wait)
    if calibrate:
        _calibrate(Pair(way, sender_wait), as_json=as_json)
        return
    if overlay and (out is None or out.suffix == ".json"):
        raise typer.BadParameter("expected --out FOLDER as well, for the picture", param_hint="--overlay")
    overlays = [kept.load(path) for path in overlay or ()]
    plan = Plan(
        rates=tuple(rate or ()),
        bursts=() if burst is None else ((burst, every),),
        timings=tuple(timing or ()),
        speed=speed,
        rounds=rounds,
        seconds=seconds,
        warm_up_s=warm_up,
        way=way,
        sender_wait=sender_wait,
    )
    with output.working("bench latency"):
        measured = measuring.run(plan)
    if out is not None and out.suffix != ".json":
        kept.keep(measured, out, overlays)
    else:
        bench_out.keep(measured.result, out)
    output.result(msgspec.to_builtins(measured.result), _shown(measured.result), as_json=as_json)


def _calibrate(pair: Pair, *, as_json: bool) -> None:
    require_release()
    with output.working("bench latency --calibrate"):
        found = inject(pair.measure, seconds=_CALIBRATED_S, stalls_s=_STALLS_S)
        costs = overhead()
    shown = Group(_calibration(found), facts(overhead_row(costs)))
    output.result({"calibration": msgspec.to_builtins(found)}, shown, as_json=as_json)
    if any(each.verdict == "hidden" for each in found):
        raise typer.Exit(_HIDDEN)


def _shown(result: Result) -> RenderableType:
    steps = [part for step in result.steps for part in _step(step)]
    costs = facts(overhead_row(result.overhead))
    return Group(facts(conditions(result)), *steps, _calibration(result.calibration), costs)


def _step(step: Measured) -> list[RenderableType]:
    table = plain_table(title_of(step), *COLUMNS)
    for row in stage_rows(step):
        table.add_row(*row)
    return [table, *(f"  {note}" for note in notes(step))]


def _calibration(found: tuple[Calibration, ...]) -> Table:
    table = plain_table(
        "calibration: a stall that was injected", "", "percentile", "expected", "corrected", "uncorrected", ""
    )
    for row in calibration_rows(found):
        table.add_row(*row)
    return table
