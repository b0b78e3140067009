"""The report of ``bench throughput``: limits without a loss, and what is delivered of too much."""

from collections.abc import Sequence
from typing import Final

import msgspec

from feedhandler.bench.report.charts import Bar, bars
from feedhandler.bench.report.section import Section, conditions, table
from feedhandler.bench.throughput import Result, Row
from feedhandler.bench.throughput_cases import TITLES, Factor

_PLOTTED: Final[tuple[Factor, ...]] = ("size", "messages", "channels", "backend")
_NOTE: Final = (
    "One factor varies at a time. The limit is the highest rate at which nothing was lost, in datagrams a "
    "second on all lines; `>` stands where the sender went no faster. Overload is as fast as the sender can. "
    "CPU is of one processor, all threads together. How it is measured: [throughput](throughput.md)."
)


def render(files: Sequence[tuple[str, bytes]]) -> Section:
    """Make the section of the one result there is."""
    result = msgspec.json.decode(files[-1][1], type=Result)
    factors = list(dict.fromkeys(row.case.factor for row in result.rows))
    parts = [conditions(result.machine, result.rounds, result.seconds, result.loop), _NOTE]
    plotted = [factor for factor in _PLOTTED if factor in factors]
    if plotted:
        parts.append("![limits without a loss](benchmarks/throughput.png)")
    for factor in factors:
        parts += [f"### {TITLES[factor].title}", _table(factor, _of(result, factor))]
    panels = [(TITLES[factor].title, [_bar(row) for row in _of(result, factor)]) for factor in plotted]
    plots = {"throughput": bars(panels, "thousand datagrams/s without a loss")} if panels else {}
    return Section("\n\n".join(parts), plots)


def _of(result: Result, factor: Factor) -> list[Row]:
    return [row for row in result.rows if row.case.factor == factor]


def _table(factor: Factor, rows: Sequence[Row]) -> str:
    limit = ("limit, datagrams/s", "spread", "MB/s", "blocks/s" if factor == "blocks" else "messages/s")
    overload = ("overload: delivered/s", "spread", "lost", "CPU %", "dropped at")
    columns = (TITLES[factor].value, *limit, "CPU %", "MiB", *overload)
    return table(columns, [(row.case.value, *at_limit(row), *under_overload(row)) for row in rows])


def at_limit(row: Row) -> tuple[str, ...]:
    """Return rate, spread, MB/s, messages or blocks a second, CPU and memory at the limit, as text."""
    if row.at_limit is None:
        return ("none", *[""] * 5)
    sign, load = "> " if row.is_the_senders else "", row.at_limit
    count = load.messages_per_s if row.case.blocks is None else load.blocks_per_s
    rates = (f"{row.limit_spread:.0%}", f"{load.bytes_per_s / 1e6:,.0f}", f"{count:,.0f}")
    return (
        f"{sign}{row.limit_per_s:,.0f}",
        *rates,
        f"{load.cpu_percent:.0f}",
        f"{load.peak_kib / 1024:,.0f}",
    )


def under_overload(row: Row) -> tuple[str, ...]:
    """Return rate, spread, the part that was lost, CPU, and where it was dropped, as text."""
    load = row.overload
    rates = (f"{row.delivered_per_s:,.0f}", f"{row.delivered_spread:.0%}", f"{load.lost_part:.0%}")
    return (*rates, f"{load.cpu_percent:.0f}", load.cause)


def _bar(row: Row) -> Bar:
    value, sign = row.limit_per_s / 1e3, "> " if row.is_the_senders else ""
    limits = [value, *(each.limit.rate * row.case.lines / 1e3 for each in row.rounds)]
    return Bar(row.case.value, value, min(limits), max(limits), f"{sign}{value:,.0f}", is_ours=True)
