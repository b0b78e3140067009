"""What ``bench peers`` found: medians and quartiles of each contender, ours beside each, and goals."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median, quantiles
from typing import Final

import msgspec

from feedhandler.bench.contender import Payload, Turn, lost, sent
from feedhandler.bench.machine import Machine
from feedhandler.bench.receiver import Received

FOR_THROUGHPUT: Final = "feedhandler, gro, inline"
"""The way of ours that is judged under overload: it takes runs of datagrams at once, in one thread."""
FOR_LATENCY: Final = "feedhandler, recvmmsg, inline"
"""The one whose latency is judged: nothing is coalesced, and nothing is handed from thread to thread."""

YARDSTICK: Final = "C, recvmmsg"
"""The peer whose latency ours is measured by."""

THROUGHPUT_GOALS: Final[Mapping[str, float]] = {
    "C, recvmmsg": 1.0,
    "Tokio": 1.5,
    "Go, std": 2.0,
    "Go, ReadBatch": 2.0,
    "Node.js": 6.0,
    "Python, uvloop": 15.0,
}
"""How many times as many messages ours is to deliver under overload."""
LATENCY_GOAL: Final = 1.3
"""How many times the yardstick's p99.9 ours may be at the same rate."""

NOTHING_LOST: Final = 0.0005
"""Part of the datagrams that may be missing for a contender to have kept up: next to none."""

_NOT_MEASURED: Final = "not measured"

PERCENTILES: Final = ("p50", "p90", "p99", "p99_9", "max")


class Spread(msgspec.Struct, frozen=True):
    """A median over the rounds, and the quartiles."""

    median: float
    low: float
    high: float


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """How a contender did in one round."""

    messages_per_s: float
    messages_per_cpu_s: float
    lost: float
    p50_ns: int
    p99_9_ns: int


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a contender did; each figure is the median over the rounds.

    Parameters
    ----------
    messages_per_s, datagrams_per_s
        Delivered.
    messages_per_cpu_s
        Delivered in a second of time on the processor: less than the former where it waited.
    lost
        Part of the datagrams sent that it did not get.
    cpu
        Part of the processor that it used, all threads together.
    rss_kib
        Largest resident memory: the most of all rounds.
    latency_ns
        Percentiles from the time at which a datagram was due to when its messages were decoded; in ours, to
        when Python had them.
    p99_9_ns
        That percentile with its quartiles over the rounds.
    ours_is_faster
        How many times the messages that ours delivered in the same round; None of ours itself.
    ours_is_later
        How many times as late ours was at p99.9 in the same round; None of ours itself.
    rounds
        Each of them.
    """

    messages_per_s: Spread
    datagrams_per_s: float
    messages_per_cpu_s: float
    lost: float
    cpu: float
    rss_kib: int
    latency_ns: dict[str, int]
    p99_9_ns: Spread
    ours_is_faster: Spread
    ours_is_later: Spread
    rounds: tuple[Round, ...] = ()

    @property
    def kept_up(self) -> bool:
        """Whether it lost nothing to speak of."""
        return self.lost <= NOTHING_LOST


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One rate, offered to all.

    Parameters
    ----------
    name
        What it is: overload, or a part of somebody's limit.
    asked_per_s
        Datagrams a second; None for as many as the kernel takes.
    sent_per_s
        What was really sent, the median of all contenders and rounds.
    sender_late_ns
        How late the sender itself was with a datagram, at p99.9: the median of all turns.
    standings
        By contender.
    """

    name: str
    asked_per_s: int | None
    sent_per_s: float
    sender_late_ns: int
    standings: dict[str, Standing]


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of datagram.

    Parameters
    ----------
    messages, bytes
        In a datagram.
    sender_per_s
        Datagrams a second that the sender can send one by one: rates stay below.
    processor_share
        Part of the processor that a contender got that always had work: what is missing, others had.
    offers
        What was offered: overload first.
    """

    messages: int
    bytes: int
    sender_per_s: float
    processor_share: float
    offers: tuple[Offer, ...]


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """Something that ours is to reach.

    Parameters
    ----------
    bytes, offer
        Of which datagrams, offered how.
    what
        The figure.
    at_least, at_most
        What it is to be.
    found
        What it is; None where there is none, for the reason in `note`.
    is_reached
        Whether it is as it is to be; None where that is not known.
    note
        Why there is no figure.
    """

    bytes: int
    offer: str
    what: str
    at_least: float | None = None
    at_most: float | None = None
    found: float | None = None
    is_reached: bool | None = None
    note: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What `feedhandler.bench.contest.run` measured.

    Parameters
    ----------
    machine
        Where.
    rounds, seconds, warmup_s
        How often each contender ran at each rate, and how long.
    rcvbuf_bytes
        Receive buffer that everyone asked for, and got at most.
    for_throughput, for_latency
        The ways of ours that are judged, chosen beforehand.
    toolchains
        What built each peer, or runs it.
    not_measured
        Peers that could not be built or failed, and why.
    sizes, goals
        What was found.
    loop
        Of what kind the sender is.
    """

    machine: Machine
    rounds: int
    seconds: float
    warmup_s: float
    rcvbuf_bytes: int
    for_throughput: str
    for_latency: str
    toolchains: dict[str, str]
    not_measured: dict[str, str]
    sizes: tuple[Size, ...]
    goals: tuple[Goal, ...]
    loop: str = "open: the sender does not wait, and latency counts from when a datagram was due"


def offer(name: str, asked_per_s: int | None, load: Payload, turns: Mapping[str, Sequence[Turn]]) -> Offer:
    """Sum up the turns of all contenders at one rate."""
    runs = {each: [turn.received for turn in of] for each, of in turns.items()}
    rates = [sent(each, load) / each.elapsed_s for of in runs.values() for each in of]
    late = (turn.sent.lateness_ns for of in turns.values() for turn in of)
    late_ns = [int(each.get_value_at_percentile(99.9)) for each in late]
    return Offer(
        name=name,
        asked_per_s=asked_per_s,
        sent_per_s=round(median(rates), 1),
        sender_late_ns=round(median(late_ns)),
        standings={each: _standing(of, load, runs) for each, of in runs.items()},
    )


def goals(sizes: Sequence[Size]) -> tuple[Goal, ...]:
    """Judge what ours is to reach."""
    found: list[Goal] = []
    for size in sizes:
        found += _throughput_goals(size)
        found += (goal for offered in size.offers[1:] for goal in _latency_goals(size.bytes, offered))
    return tuple(found)


def _standing(
    runs: Sequence[Received], load: Payload, all_runs: Mapping[str, Sequence[Received]]
) -> Standing:
    latencies = [run.latency_ns or {} for run in runs]
    return Standing(
        messages_per_s=_spread([_rate(run) for run in runs]),
        datagrams_per_s=round(median(run.datagrams / run.elapsed_s for run in runs), 1),
        messages_per_cpu_s=round(median(run.messages / run.cpu_s for run in runs), 1),
        lost=round(median(lost(run, load) for run in runs), 5),
        cpu=round(median(run.cpu_s / run.elapsed_s for run in runs), 3),
        rss_kib=max(run.rss_kib for run in runs),
        latency_ns={part: round(median(each[part] for each in latencies)) for part in PERCENTILES},
        p99_9_ns=_spread([each["p99_9"] for each in latencies]),
        ours_is_faster=_ratio(_rate, all_runs[FOR_THROUGHPUT], runs),
        ours_is_later=_ratio(_p99_9, all_runs[FOR_LATENCY], runs),
        rounds=tuple(_round(run, load) for run in runs),
    )


def _round(run: Received, load: Payload) -> Round:
    latency_ns = run.latency_ns or {}
    return Round(
        messages_per_s=round(_rate(run), 1),
        messages_per_cpu_s=round(run.messages / run.cpu_s, 1),
        lost=round(lost(run, load), 5),
        p50_ns=latency_ns["p50"],
        p99_9_ns=latency_ns["p99_9"],
    )


def _rate(run: Received) -> float:
    return run.messages / run.elapsed_s


def _p99_9(run: Received) -> float:
    return (run.latency_ns or {})["p99_9"]


def _ratio(of: Callable[[Received], float], ours: Sequence[Received], theirs: Sequence[Received]) -> Spread:
    """Ours to theirs, round by round."""
    return _spread([of(mine) / max(of(other), 1e-9) for mine, other in zip(ours, theirs, strict=True)])


def _spread(values: Sequence[float]) -> Spread:
    low, _, high = quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return Spread(round(median(values), 3), round(low, 3), round(high, 3))


def _throughput_goals(size: Size) -> list[Goal]:
    overload = size.offers[0]
    return [_throughput_goal(size.bytes, overload, name, factor) for name, factor in THROUGHPUT_GOALS.items()]


def _throughput_goal(length: int, overload: Offer, name: str, factor: float) -> Goal:
    what, peer = f"messages/s, times those of {name}", overload.standings.get(name)
    if peer is None:
        return Goal(bytes=length, offer=overload.name, what=what, at_least=factor, note=_NOT_MEASURED)
    found = peer.ours_is_faster.median
    return Goal(
        bytes=length,
        offer=overload.name,
        what=what,
        at_least=factor,
        found=found,
        is_reached=found >= factor,
    )


def _latency_goals(length: int, offered: Offer) -> list[Goal]:
    """Ours beside the yardstick, and beside the best of all that are not in C."""
    standings = offered.standings
    others = [name for name in standings if not name.startswith(("feedhandler", "C, "))]
    kept_up = [name for name in others if standings[name].kept_up]
    best = max(kept_up or others, key=lambda name: standings[name].ours_is_later.median, default=None)
    of_best = f"p99.9, times the best of the others{f': {best}' if best else ''}"
    return [
        _latency_goal(length, offered, YARDSTICK, f"p99.9, times that of {YARDSTICK}", LATENCY_GOAL),
        _latency_goal(length, offered, best or "", of_best, 1.0),
    ]


def _latency_goal(length: int, offered: Offer, name: str, what: str, at_most: float) -> Goal:
    """Who lost datagrams is not judged by the latency of the rest: it is behind who lost none."""
    ours, peer = offered.standings[FOR_LATENCY], offered.standings.get(name)
    found, is_reached, note = None, None, ""
    if peer is None:
        note = _NOT_MEASURED
    elif not ours.kept_up:
        is_reached, note = (None if not peer.kept_up else False), f"ours lost {ours.lost:.1%}"
    elif not peer.kept_up:
        is_reached, note = True, f"{name} lost {peer.lost:.1%}"
    else:
        found = peer.ours_is_later.median
        is_reached = found <= at_most
    return Goal(
        bytes=length,
        offer=offered.name,
        what=what,
        at_most=at_most,
        found=found,
        is_reached=is_reached,
        note=note,
    )
