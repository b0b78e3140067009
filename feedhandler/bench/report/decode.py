"""The report of ``bench decode``: messages a second, beside decoders written by hand and Python's ways."""

from collections.abc import Sequence
from typing import Final

import msgspec

from feedhandler.bench.decode import Case, Result
from feedhandler.bench.report.charts import Bar, bars
from feedhandler.bench.report.section import Section, conditions, table

_TITLES: Final = {
    "msgpack_quotes": "msgpack quotes",
    "itch50": "ITCH 5.0 order flow",
    "sbe": "SBE incremental books",
}


def render(files: Sequence[tuple[str, bytes]]) -> Section:
    """Make the section of the one result there is."""
    result = msgspec.json.decode(files[-1][1], type=Result)
    parts = [conditions(result.machine, result.rounds, result.seconds, result.loop)]
    for name, case in result.cases.items():
        parts += [f"### {_title(name, case)}", _table(case)]
    panels = [(_title(name, case), _bars(case)) for name, case in result.cases.items()]
    parts.insert(1, "![messages decoded per second](benchmarks/decode.png)")
    return Section("\n\n".join(parts), {"decode": bars(panels, "million messages/s on one core")})


def _title(name: str, case: Case) -> str:
    return f"{_TITLES.get(name, name)}, {case.bytes / max(case.messages, 1):.0f} bytes"


def _table(case: Case) -> str:
    rows = [
        (name, f"{rate.messages_per_s / 1e6:,.2f}", f"{rate.spread:.0%}", f"{rate.ratio:,.2f}")
        for name, rate in case.rates.items()
    ]
    rows += [(name, "not built", "", "") for name in case.not_built]
    return table(("contender", "million messages/s", "spread", "ours is, times"), rows)


def _bars(case: Case) -> list[Bar]:
    """Return bars, around whose ends the distance of the quartiles is drawn, half of it on each side."""
    return [
        Bar(
            name,
            rate.messages_per_s / 1e6,
            rate.messages_per_s * (1 - rate.spread / 2) / 1e6,
            rate.messages_per_s * (1 + rate.spread / 2) / 1e6,
            f"{rate.messages_per_s / 1e6:.1f}",
            name.startswith(("ours", "feedhandler")),
        )
        for name, rate in case.rates.items()
    ]
