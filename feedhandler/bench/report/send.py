"""The report of ``bench send``: how fast a replay sends, beside C programs that only send."""

from collections.abc import Sequence

import msgspec

from feedhandler.bench.report.section import Section, conditions, table
from feedhandler.bench.send import Result


def render(files: Sequence[tuple[str, bytes]]) -> Section:
    """Make the section of the one result there is."""
    result = msgspec.json.decode(files[-1][1], type=Result)
    rows = [
        (name, f"{found.datagrams_per_s:,.0f}", f"{found.spread:.0%}", f"{found.ratio:.2f}")
        for name, found in result.contenders.items()
    ]
    columns = ("contender", "datagrams/s", "spread", "of C's rate")
    where = conditions(result.machine, result.rounds, result.seconds, result.loop)
    return Section("\n\n".join((where, f"Datagrams of {result.bytes} bytes:", table(columns, rows))))
