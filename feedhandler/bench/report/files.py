"""The report of ``bench files``: whole captures, beside readers written by hand, and the goals."""

from collections.abc import Sequence

import msgspec

from feedhandler.bench.files import OURS, Goal, Result
from feedhandler.bench.report.section import Section, conditions, table


def render(files: Sequence[tuple[str, bytes]]) -> Section:
    """Make the section of the one result there is."""
    result = msgspec.json.decode(files[-1][1], type=Result)
    what = f"A capture of {result.bytes:,} bytes, two lines of {result.messages:,} messages of ITCH 5.0:"
    parts = (conditions(result.machine, result.rounds, None, result.loop), what, _contenders(result))
    return Section(
        "\n\n".join((*parts, _memory(result), table(("goal", "wanted", "found", ""), _goals(result.goals))))
    )


def _contenders(result: Result) -> str:
    columns = ("contender", "GB/s", "of CPU time", "million messages/s", "spread", "ours is, times", "MiB")
    rows = [
        (
            name,
            f"{found.gb_per_s:,.3f}",
            f"{found.gb_per_cpu_s:,.3f}",
            f"{found.messages_per_s / 1e6:,.2f}",
            f"{found.spread:.0%}",
            f"{found.ratio:,.2f}",
            f"{found.peak_kib / 1024:,.0f}",
        )
        for name, found in result.contenders.items()
    ]
    return table(columns, [*rows, *((name, "not built", *[""] * 5) for name in result.not_built)])


def _memory(result: Result) -> str:
    ours = result.contenders[OURS]
    return (
        f"Memory of ours: {result.part_peak_kib / 1024:,.0f} MiB for {result.part_bytes:,} bytes, "
        f"{ours.peak_kib / 1024:,.0f} MiB for {ours.bytes:,}."
    )


def _goals(goals: Sequence[Goal]) -> list[tuple[str, str, str, str]]:
    return [
        (goal.what, f"{goal.wanted:g}", f"{goal.found:,.3g}", "reached" if goal.is_reached else "not reached")
        for goal in goals
    ]
