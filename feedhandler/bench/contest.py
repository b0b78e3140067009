"""``bench peers``: feedhandler beside programs that do the same job, each as its community would write it.

All receive the same datagrams from the same sender, decode every quote, sum a field and record latencies;
each has one processor to itself with all its threads, and the sender has another. Every contender runs in
every round, in one order and then in the other. First comes overload, where what was delivered counts; then
rates at which some keep up, where latency does: `SHARE` of the limit of each of `PACEMAKERS`.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from feedhandler.bench import peers, standings
from feedhandler.bench.contender import (
    OURS,
    RCVBUF_BYTES,
    SINGLE_PER_S,
    ContenderFailedError,
    Course,
    Payload,
    Turn,
    payload,
    sent,
)
from feedhandler.bench.machine import machine, require_release
from feedhandler.bench.standings import FOR_LATENCY, FOR_THROUGHPUT, Offer, Result, Size
from feedhandler.errors import FeedhandlerError

MESSAGES: Final = (7, 35)
"""Quotes in a datagram: about 200 bytes and 1 kB."""

SHARE: Final = 0.7
"""Part of a limit that is offered: under load, but not at its end."""
PACEMAKERS: Final = ("Python, asyncio", "Node.js", "Go, std", "C, recvmmsg")
"""Whose limits make the rates, slowest first: at each, those that are as fast can be compared."""
SENDER_SHARE: Final = 0.8
"""Part of what the sender can send one by one that it is asked for: beyond, its own delays are measured."""
_DISTINCT: Final = 1.2
"""How many times the rate before it a rate is: one that is nearer tells nothing new."""

Told = Callable[[str], None]
"""Told what is going on."""


class UnknownContenderError(FeedhandlerError):
    """Somebody was named who is none of the contenders."""


def run(
    rounds: int = 5,
    seconds: float = 1.0,
    warmup_s: float = 0.5,
    only: Sequence[str] = (),
    tell: Told = lambda _: None,
) -> Result:
    """Measure on two processors.

    Parameters
    ----------
    rounds
        Rounds; each contender runs once in each, at each rate and size.
    seconds
        How long it is measured then.
    warmup_s
        How long it receives before that.
    only
        Parts of the names of the peers that take part; empty for all. Ours always does.
    tell
        Told what is going on.

    Raises
    ------
    DebugBuildError
        The Rust module is a debug build.
    NoPeerError
        There is no second processor.
    UnknownContenderError
        One of `only` is nobody's name.
    """
    require_release()
    chosen = _chosen(only)
    missing = {name: why for name in chosen if (why := peers.not_built(peers.ALL[name])) is not None}
    with tempfile.TemporaryDirectory() as folder:
        contest = _Contest(Course(Path(folder), warmup_s, seconds), rounds, chosen, missing, tell)
        sizes = tuple(contest.size(payload(messages)) for messages in MESSAGES)
    return Result(
        machine=machine(),
        rounds=rounds,
        seconds=seconds,
        warmup_s=warmup_s,
        rcvbuf_bytes=RCVBUF_BYTES,
        for_throughput=FOR_THROUGHPUT,
        for_latency=FOR_LATENCY,
        toolchains={name: peers.toolchain(peers.ALL[name]) for name in contest.running if name not in OURS},
        not_measured=contest.missing,
        sizes=sizes,
        goals=standings.goals(sizes),
    )


def _chosen(only: Sequence[str]) -> list[str]:
    for part in only:
        if not any(part.casefold() in name.casefold() for name in peers.ALL):
            raise UnknownContenderError(f"--only {part}: expected a part of one of {'; '.join(peers.ALL)}")
    parts = [part.casefold() for part in only]
    return [name for name in peers.ALL if not parts or any(part in name.casefold() for part in parts)]


class _Contest:
    """Who takes part, and how they take turns. Who fails once is out, and why is kept."""

    def __init__(
        self, course: Course, rounds: int, chosen: Sequence[str], missing: dict[str, str], tell: Told
    ) -> None:
        self.running = [name for name in (*chosen, *OURS) if name not in missing]
        self.missing = missing
        self._course, self._rounds, self._tell = course, rounds, tell

    def size(self, load: Payload) -> Size:
        """Measure all rates for one kind of datagram."""
        overload = self._offer("overload", None, load)
        sender_per_s = self._sender_per_s(load)
        offers = [overload]
        for name, rate_per_s in _rates(overload, sender_per_s):
            offers.append(self._offer(name, rate_per_s, load))
        return Size(
            messages=load.messages,
            bytes=len(load.content),
            sender_per_s=round(sender_per_s),
            processor_share=overload.standings[FOR_LATENCY].cpu,
            offers=tuple(offers),
        )

    def _offer(self, name: str, rate_per_s: int | None, load: Payload) -> Offer:
        turns: dict[str, list[Turn]] = {each: [] for each in self.running}
        for turn in range(self._rounds):
            order = self.running[:: 1 if turn % 2 == 0 else -1]  # a copy: who fails leaves
            for each in order:
                self._tell(f"{len(load.content)} bytes, {name}, round {turn + 1} of {self._rounds}: {each}")
                self._run(each, load, rate_per_s or 0, turns)
        return standings.offer(name, rate_per_s, load, {each: turns[each] for each in self.running})

    def _run(self, name: str, load: Payload, rate_per_s: float, turns: dict[str, list[Turn]]) -> None:
        try:
            turns[name].append(self._course.run(name, load, rate_per_s))
        except ContenderFailedError as error:
            if name in OURS:
                raise
            self.missing[name] = str(error)
            self.running.remove(name)

    def _sender_per_s(self, load: Payload) -> float:
        """Return how many datagrams a second the sender manages one by one, while somebody receives them."""
        turns = [self._course.run(FOR_LATENCY, load, SINGLE_PER_S) for _ in range(min(self._rounds, 3))]
        return median(sent(turn.received, load) / turn.received.elapsed_s for turn in turns)


def _rates(overload: Offer, sender_per_s: float) -> list[tuple[str, int]]:
    """Return the rates after overload, with names: none is beyond the sender, or next to another."""
    rates: list[tuple[str, int]] = []
    for name in PACEMAKERS:
        pacemaker = overload.standings.get(name)
        if pacemaker is None:
            continue
        wanted, most = SHARE * pacemaker.datagrams_per_s, SENDER_SHARE * sender_per_s
        rate = int(min(wanted, most))
        told = (
            f"{SHARE:.0%} of the limit of {name}"
            if wanted <= most
            else f"{SENDER_SHARE:.0%} of the sender's limit"
        )
        if not rates or rate > _DISTINCT * rates[-1][1]:
            rates.append((told, rate))
    return rates
