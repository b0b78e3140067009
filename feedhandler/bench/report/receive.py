"""The report of ``bench receive``: what the whole way takes beside a C program that only counts."""

from collections.abc import Sequence

import msgspec

from feedhandler.bench.receive import Load, Pace, Result
from feedhandler.bench.report.section import Section, conditions, table


def render(files: Sequence[tuple[str, bytes]]) -> Section:
    """Make the section of the one result there is."""
    result = msgspec.json.decode(files[-1][1], type=Result)
    parts = [conditions(result.machine, result.rounds, result.seconds, result.loop)]
    parts += [part for load in result.loads for part in (_load_title(load), _load(load))]
    parts += [part for pace in result.paces for part in (_pace_title(pace), _pace(pace))]
    if result.endurance is not None:
        found = result.endurance
        asked = f"{found.datagrams_per_s:,} datagrams/s asked for {found.seconds:g} s, {found.burst} at once"
        stalls = f"a callback that stalls {found.stall_s * 1e3:g} ms each second"
        came = f"{found.delivered / found.seconds:,.0f} a second came, {found.lost:,} messages were lost"
        parts.append(f"{asked}, with {stalls} and a ring of {found.slots:,} slots: {came}.")
    return Section("\n\n".join(parts))


def _load_title(load: Load) -> str:
    return f"Overload, datagrams of {load.bytes} bytes with {load.messages} messages:"


def _load(load: Load) -> str:
    columns = ("contender", "datagrams/s", "spread", "of C counting", "of C decoding", "CPU ns", "MiB")
    rows = [
        (
            name,
            f"{found.datagrams_per_s:,.0f}",
            f"{found.spread:.0%}",
            f"{found.ratio:.2f}",
            f"{found.ratio_to_decoding:.2f}",
            f"{found.cpu_ns_per_datagram:,.0f}",
            f"{found.rss_kib / 1024:.0f}",
        )
        for name, found in load.contenders.items()
    ]
    return table(columns, rows)


def _pace_title(pace: Pace) -> str:
    return f"{pace.datagrams_per_s:,} datagrams/s with {pace.messages} messages; µs from the kernel's stamp:"


def _pace(pace: Pace) -> str:
    columns = ("contender", "p50", "p90", "p99", "p99.9", "p50, times C's", "p99.9, times C's")
    rows = [
        (
            name,
            *(f"{part / 1e3:,.1f}" for part in (found.p50_ns, found.p90_ns, found.p99_ns, found.p99_9_ns)),
            f"{found.p50_ratio:.2f}",
            f"{found.p99_9_ratio:.2f}",
        )
        for name, found in pace.contenders.items()
    ]
    return table(columns, rows)
