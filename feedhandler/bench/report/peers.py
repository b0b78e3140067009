"""The report of ``bench peers``: what was delivered under overload, latencies at equal rates, and goals."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from feedhandler.bench import peers, standings
from feedhandler.bench.contender import OURS
from feedhandler.bench.contest import SENDER_SHARE, SHARE
from feedhandler.bench.report.charts import Bar, Dots, bars, dots
from feedhandler.bench.report.section import Section, conditions, table
from feedhandler.bench.standings import Goal, Offer, Result, Size, Standing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PERCENTILES: Final = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "max": "max"}
_SHARED_BELOW: Final = 0.9
"""Part of a processor below which it was not the contender's own."""

_RULES: Final = """\
Each contender receives UDP datagrams of [our msgpack feed](wire_format.md) on 127.0.0.1, splits them into
messages, decodes every field of every message, sums the ask sizes, and records in an HDR histogram how late
it was. Its count of messages and its sum are checked against what its count of datagrams holds: a wrong
answer would be no figure. All have the same sender, datagrams, receive buffer ({rcvbuf}) and processor,
which they have to themselves with all their threads; the sender has the other. They take turns, in one
order and then in the other. Ours sequences, arbitrates and accounts for every packet as well, and hands
numpy columns to a Python callback, which sums. Peers receive {warmup:g} s before they count, so that no
compiler at run time is held against them; ours counts from the first datagram.

Latency is open-loop: from the time at which a datagram was *due*, which the sender writes into its header,
until its messages were decoded (in ours: until Python had them). Who is late for one datagram is late for
those behind it.

*Overload* is as many datagrams as the kernel takes from the sender, 64 at once (`UDP_SEGMENT`): what does
not fit the receive buffer is lost, and what counts is what was delivered. This favours `UDP_GRO`, which
ours has by `gro`, as on loopback such runs arrive as they were sent: the row *C, recvmmsg and GRO* is what
a program in C makes of the same.

At *equal rates*, datagrams are sent one by one, each at its time: {share:.0%} of what the contender that
the table names delivered under overload, and at most {sender_share:.0%} of what the sender manages this
way. A peer is fairly compared where it is at {share:.0%} of its own limit. Who lost datagrams says how
many, and has latencies of the others only.

In the tables, *per CPU s* is million messages in a second of time on the processor, which others on the
machine disturb less; *ours, times* is what the way of ours that is judged delivers, or how late it is at
p99.9, in terms of the row, in the same round; *CPU* is of one processor.

Which way of ours is judged was set before: `{for_throughput}` for messages a second, as it takes runs of
datagrams at once, in one thread; `{for_latency}` for latency, as nothing is coalesced and nothing handed
from thread to thread."""

_README: Final = """\
The whole way, from the socket to a sum over a decoded column, beside programs in other languages that do
the same, all overloaded. {conditions} `feedhandler bench peers`. {shared}In brackets, how many times as
many `{ours}` delivers:

{table}

![messages per second under overload](docs/benchmarks/peers-overload.png)

Of {judged} goals for this and for latency at equal rates, {reached} are reached: [all
figures](docs/benchmarks.md), with what was not measured."""

_README_SHARED: Final = "**Others had the processors meanwhile: these figures say little.** "


def render(files: Sequence[tuple[str, bytes]]) -> Section:
    """Make the section of the one result there is."""
    result = msgspec.json.decode(files[-1][1], type=Result)
    parts = [_where(result), *_shared(result), "![messages per second](benchmarks/peers-overload.png)"]
    parts += ["### Goals", _goals(result.goals), "### How", _rules(result), _made_of(result)]
    for size in result.sizes:
        parts += [f"### {_title(size)}", *_size(size)]
    plots = {f"peers-{size.messages}": _latency_plot(size) for size in result.sizes if len(size.offers) > 1}
    return Section("\n\n".join(parts), {"peers-overload": _overload_plot(result), **plots}, _readme(result))


def _shared(result: Result) -> Iterator[str]:
    for size in result.sizes:
        if size.processor_share < _SHARED_BELOW:
            others = f"{1 - size.processor_share:.0%} of the contenders' processor"
            yield f"**{_title(size)}: others had {others} meanwhile. These figures say little.**"


def _where(result: Result) -> str:
    return conditions(result.machine, result.rounds, result.seconds, result.loop)


def _rules(result: Result) -> str:
    return _RULES.format(
        rcvbuf=f"{result.rcvbuf_bytes >> 20} MiB asked for",
        warmup=result.warmup_s,
        for_throughput=result.for_throughput,
        for_latency=result.for_latency,
        share=SHARE,
        sender_share=SENDER_SHARE,
    )


def _made_of(result: Result) -> str:
    rows = [
        (name, peer.does, result.toolchains.get(name) or f"**not measured**: {_missing(result, name)}")
        for name, peer in peers.ALL.items()
    ]
    return table(("peer", "made of", "by"), rows, words=3)


def _missing(result: Result, name: str) -> str:
    return result.not_measured.get(name, "left out").replace("|", "\\|")


def _size(size: Size) -> Iterator[str]:
    overload, paced = size.offers[0], size.offers[1:]
    yield f"Overload, {overload.sent_per_s:,.0f} datagrams/s sent:"
    yield _overload_table(overload)
    if paced:
        yield f"![percentiles of latency](benchmarks/peers-{size.messages}.png)"
    for offer in paced:
        rate = f"{offer.name}: {offer.asked_per_s or 0:,} datagrams/s, {offer.sent_per_s:,.0f} sent"
        yield f"{rate}; µs, and the sender itself was {offer.sender_late_ns / 1e3:,.1f} µs late at p99.9:"
        yield _latency_table(offer)


def _overload_table(offer: Offer) -> str:
    columns = (
        "contender",
        "million messages/s",
        "quartiles",
        "per CPU s",
        "ours, times",
        "lost",
        "CPU",
        "MiB",
    )
    rows = [
        (
            _name(name),
            f"{found.messages_per_s.median / 1e6:.2f}",
            f"{found.messages_per_s.low / 1e6:.2f} to {found.messages_per_s.high / 1e6:.2f}",
            f"{found.messages_per_cpu_s / 1e6:.2f}",
            "" if name == standings.FOR_THROUGHPUT else f"{found.ours_is_faster.median:.2f}",
            f"{found.lost:.0%}",
            *_costs(found),
        )
        for name, found in _by_rate(offer)
    ]
    return table(columns, rows)


def _latency_table(offer: Offer) -> str:
    columns = ("contender", *_PERCENTILES.values(), "quartiles of p99.9", "ours, times", "lost", "CPU", "MiB")
    rows = [
        (
            _name(name),
            *(f"{found.latency_ns[part] / 1e3:,.1f}" for part in _PERCENTILES),
            f"{found.p99_9_ns.low / 1e3:,.1f} to {found.p99_9_ns.high / 1e3:,.1f}",
            "" if name == standings.FOR_LATENCY else f"{found.ours_is_later.median:.2f}",
            "none" if found.kept_up else f"**{found.lost:.1%}**",
            *_costs(found),
        )
        for name, found in ((name, offer.standings[name]) for name in _ours_first(offer))
    ]
    return table(columns, rows)


def _costs(found: Standing) -> tuple[str, str]:
    return f"{found.cpu:.0%}", f"{found.rss_kib / 1024:.0f}"


def _name(name: str) -> str:
    return f"**{name}**" if name in OURS else name


def _by_rate(offer: Offer) -> list[tuple[str, Standing]]:
    return sorted(offer.standings.items(), key=lambda each: -each[1].messages_per_s.median)


def _goals(goals: Sequence[Goal]) -> str:
    rows = [
        (
            f"{goal.bytes} bytes, {goal.offer}",
            goal.what,
            f"≥ {goal.at_least:g}" if goal.at_least is not None else f"≤ {goal.at_most:g}",
            goal.note if goal.found is None else f"{goal.found:.2f}",
            {True: "yes", False: "**no**", None: "not known"}[goal.is_reached],
        )
        for goal in goals
    ]
    return table(("offered", "figure of ours", "asked", "found", "reached"), rows, words=2)


def _overload_plot(result: Result) -> "Figure":
    panels = [
        (_title(size), [_bar(name, found) for name, found in _by_rate(size.offers[0])])
        for size in result.sizes
    ]
    return bars(panels, "million messages/s delivered under overload: median and quartiles")


def _bar(name: str, found: Standing) -> Bar:
    rate = found.messages_per_s
    values = (rate.median / 1e6, rate.low / 1e6, rate.high / 1e6)
    return Bar(name, *values, f"{values[0]:.1f}" if values[0] >= 1 else f"{values[0]:.2f}", name in OURS)


def _latency_plot(size: Size) -> "Figure":
    panels = [
        (
            f"{offer.name}\n{offer.asked_per_s or 0:,} datagrams/s",
            [_dots(name, offer.standings[name]) for name in _ours_first(offer)],
        )
        for offer in size.offers[1:]
    ]
    return dots(panels, f"µs from when a datagram was due; {_title(size)}")


def _ours_first(offer: Offer) -> list[str]:
    return sorted(offer.standings, key=lambda name: name not in OURS)


def _dots(name: str, found: Standing) -> Dots:
    values = {shown: found.latency_ns[part] / 1e3 for part, shown in _PERCENTILES.items()}
    label = "" if found.kept_up else f"lost {found.lost:.0%}"
    return Dots(name, values, label, name in OURS, not found.kept_up)


def _title(size: Size) -> str:
    return f"{size.messages} messages, {size.bytes} bytes"


def _readme(result: Result) -> str:
    columns = ("million messages/s under overload", *(_title(size) for size in result.sizes))
    names = [name for name in (*OURS, *peers.ALL) if name in result.sizes[0].offers[0].standings]
    rows = [(_name(name), *(_cell(size, name) for size in result.sizes)) for name in names]
    told = _README.format(
        conditions=conditions(result.machine, result.rounds, result.seconds, "open"),
        ours=result.for_throughput,
        table=table(columns, rows),
        shared=_README_SHARED if _is_shared(result) else "",
        judged=sum(goal.is_reached is not None for goal in result.goals),
        reached=sum(goal.is_reached is True for goal in result.goals),
    )
    return told.rstrip()


def _cell(size: Size, name: str) -> str:
    found = size.offers[0].standings.get(name)
    if found is None:
        return "not measured"
    rate = f"{found.messages_per_s.median / 1e6:.2f}"
    return rate if name in OURS else f"{rate} ({found.ours_is_faster.median:.1f})"


def _is_shared(result: Result) -> bool:
    return any(size.processor_share < _SHARED_BELOW for size in result.sizes)
