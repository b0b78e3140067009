"""Random histories of a channel's lines: what they lost, repeated, delayed and reordered of what was sent."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from oracle_arbitrate import Arrival, Packet

SPACING_NS = 100
GRACE_NS = 1_000
UNDAMAGED = 20

Sent = tuple[int, Packet]
"""When a packet was sent, and the packet."""


class Range(NamedTuple):
    """The units ``first`` to ``end - 1`` of a session, as sent."""

    session: int
    first: int
    end: int


@dataclass(frozen=True)
class History:
    """What came on some lines, in the order in which it did."""

    name: str
    lines: int
    arrivals: tuple[Arrival, ...]


@dataclass(frozen=True)
class Trouble:
    """What a line does to packets: shares of them, and times.

    `delay_ns` is by how much a packet may be late, so that it comes behind others; `lag_ns` is what all are.
    """

    lost: float = 0.0
    twice: float = 0.0
    delayed: float = 0.0
    delay_ns: int = 0
    lag_ns: int = 0


def histories(seed: int, count: int) -> Iterator[History]:
    """Yield histories of all kinds, the same for the same seed."""
    chance = random.Random(seed)
    kinds = (
        [plain] * 8 + [midway] * 3 + [wrapping] * 3 + [two_sessions] * 3 + [restarting] * 3 + [damaged] * 5
    )
    for _ in range(count):
        yield chance.choice(kinds)(chance)


def plain(chance: random.Random) -> History:
    """One session from its first unit on."""
    return played(chance, "plain", [Range(1, 1, chance.randrange(10, 60))], any_trouble)


def midway(chance: random.Random) -> History:
    """One session that is joined on the way."""
    first = chance.randrange(2, 100_000)
    return played(chance, "midway", [Range(1, first, first + chance.randrange(10, 60))], any_trouble)


def wrapping(chance: random.Random) -> History:
    """Sequence numbers of 32 bits that begin anew on the way."""
    first = (1 << 32) - chance.randrange(10, 40)
    return played(chance, "wrapping", [Range(1, first, (1 << 32) + chance.randrange(20, 40))], any_trouble)


def two_sessions(chance: random.Random) -> History:
    """Sessions that lines come into at different times, so that packets of the old are among the new."""
    units = chance.choice((20, 60))
    sessions = [
        Range(session, 1, units + chance.randrange(30)) for session in range(1, chance.randrange(3, 5))
    ]
    return played(chance, "two sessions", sessions, little_delay)


def restarting(chance: random.Random) -> History:
    """A sequence that starts again at its first unit under the same identifier."""
    first = chance.randrange(5_000, 10_000)
    ranges = [Range(1, first, first + chance.randrange(61, 90)), Range(1, 1, chance.randrange(20, 60))]
    return played(chance, "restarting", ranges, in_order)


def damaged(chance: random.Random) -> History:
    """One session, some of whose packets, but the first, come with headers that say that they are others."""
    history = played(chance, "damaged", [Range(1, 9_000, 9_000 + chance.randrange(60, 200))], little_trouble)
    share = chance.choice((0.02, 0.1))
    arrivals, far = list(history.arrivals), [5_000, 20_000]
    for at in range(UNDAMAGED, len(arrivals)):
        if chance.random() < share:
            # Two that are as far away could well agree with each other.
            by = far.pop() if far and chance.random() < 0.2 else chance.choice((-30, -3, 2, 5, 11, 40, 900))
            arrivals[at] = lying(chance, arrivals[at], by)
    return replace(history, arrivals=tuple(arrivals))


def lying(chance: random.Random, arrival: Arrival, by: int) -> Arrival:
    """Return an arrival whose header has another session, or another number."""
    packet = arrival.packet
    content, units = packet.first, packet.end - packet.first
    first = content + by
    if chance.random() < 0.3:
        return replace(arrival, packet=replace(packet, session=chance.randrange(2, 1 << 16), content=content))
    return replace(arrival, packet=replace(packet, first=first, end=first + units, content=content))


def little_trouble(chance: random.Random) -> Trouble:
    return replace(little_delay(chance), lag_ns=chance.choice((0, 0, 50, 800)))


def any_trouble(chance: random.Random) -> Trouble:
    return Trouble(
        lost=chance.choice((0, 0.05, 0.3)),
        twice=chance.choice((0, 0.1)),
        delayed=chance.choice((0, 0.1, 0.5)),
        delay_ns=chance.choice((200, 3 * GRACE_NS)),
        lag_ns=chance.choice((0, 0, 50, 1_500)),
    )


def little_delay(chance: random.Random) -> Trouble:
    lag_ns = chance.choice((0, 0, 50, 800, 3_000))
    return Trouble(chance.choice((0, 0.1)), chance.choice((0, 0.1)), 0.2, 3 * SPACING_NS, lag_ns)


def in_order(chance: random.Random) -> Trouble:
    return Trouble(lost=chance.choice((0, 0.1)), lag_ns=chance.choice((0, 0, 50, 400, 800)))


def played(
    chance: random.Random, name: str, ranges: Sequence[Range], trouble: Callable[[random.Random], Trouble]
) -> History:
    """Return what comes of ranges on two or three lines, each of which has its own trouble."""
    lines = chance.choice((2, 2, 2, 3))
    whole = list(sent(chance, ranges))
    is_cut_anew = name not in {"two sessions", "restarting"} and chance.random() < 0.2
    arrivals: list[Arrival] = []
    for line in range(lines):
        own = list(sent(chance, ranges)) if is_cut_anew else whole
        arrivals += came(chance, line, own, trouble(chance))
    return History(name, lines, tuple(sorted(arrivals, key=lambda arrival: arrival.ts_ns)))


def sent(chance: random.Random, ranges: Sequence[Range]) -> Iterator[Sent]:
    """Cut ranges into packets, a step of time apart; at the end come heartbeats or the end of the session."""
    ts_ns = 0
    for session, first, end in ranges:
        at = first
        while at < end:
            behind = min(end, at + chance.randrange(1, 5))
            yield ts_ns, Packet(session, at, behind)
            at, ts_ns = behind, ts_ns + SPACING_NS
    session, _, end = ranges[-1]
    for _ in range(chance.randrange(3)):
        yield ts_ns, Packet(session, end, end)
        ts_ns += SPACING_NS
    if chance.random() < 0.3:
        yield ts_ns, Packet(session, end, end, is_end_of_session=True)


def came(chance: random.Random, line: int, packets: Sequence[Sent], trouble: Trouble) -> Iterator[Arrival]:
    for ts_ns, packet in packets:
        if chance.random() < trouble.lost:
            continue
        for _ in range(2 if chance.random() < trouble.twice else 1):
            late_ns = chance.randrange(trouble.delay_ns) if chance.random() < trouble.delayed else 0
            yield Arrival(ts_ns + trouble.lag_ns + late_ns, line, packet)
