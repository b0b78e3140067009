"""A slow, obvious arbiter of one channel, to hold the fast one against.

It is told of packets with numbers that never wrap, and keeps every unit that came or was lost in a set. It
knows the rules of docs/architecture.md, "Sequencing"; not those by which strays and short restarts are told
from copies: it is given none of these.
"""

from collections import Counter
from dataclasses import dataclass, field

FIRST_SEQUENCE = 1
RESTART_DISTANCE = 1_024
RESTART_HEAD = 64

Event = tuple[str, int | None, int, int, int, int]
"""Kind, line, first, last and count; and how many messages were delivered before it."""


@dataclass(frozen=True)
class Packet:
    """The units ``first`` to ``end - 1`` of a session; without any, a heartbeat or the end of the session."""

    session: int
    first: int
    end: int
    is_end_of_session: bool = False


@dataclass(frozen=True)
class Arrival:
    """A packet that came on a line."""

    ts_ns: int
    line: int
    packet: Packet


@dataclass
class Line:
    """Where a line is, and what became of its datagrams."""

    generation: int = 0
    session: int | None = None
    place: int | None = None
    moved_ns: int = 0
    stale_run: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    brought: set[int] = field(default_factory=set)


@dataclass
class Hole:
    """The next unit is missing; up to `end`, others are as well."""

    first: int
    noticed_ns: int
    end: int | None = None
    is_beginning: bool = False


class Arbiter:
    """One channel of some lines."""

    def __init__(self, lines: int, grace_ns: int) -> None:
        self.lines = [Line() for _ in range(lines)]
        self.grace_ns = grace_ns
        self.generation = 0
        self.session: int | None = None
        self.first = self.next = 0
        self.is_ended = self.is_opening = False
        self.left: list[int] = []
        self.hole: Hole | None = None
        self.waiting: list[Arrival] = []
        self.lost: set[int] = set()
        self.delivered: list[tuple[int, int]] = []
        """Generation and number of each message."""
        self.events: list[Event] = []
        self.units: Counter[str] = Counter()
        self.expected = 0

    def on(self, arrival: Arrival) -> None:
        """Take a packet in; all lines have been looked at up to then."""
        self.until(arrival.ts_ns)
        line, packet = self.lines[arrival.line], arrival.packet
        if self.is_of_present(line, packet):
            self.take(arrival)
        elif self.is_stale(line, packet):
            if line.stale_run == 0:
                self.tell("stale_session", 0, 1, count=packet.end - packet.first, line=arrival.line)
            line.stale_run += 1
            line.fates["stale"] += 1
            self.units["stale"] += packet.end - packet.first
        else:
            self.open(arrival)
            self.take(arrival)
        self.until(arrival.ts_ns)

    def is_of_present(self, line: Line, packet: Packet) -> bool:
        if self.session != packet.session:
            return False
        if line.generation == self.generation:
            return not self.restarts(line, packet)
        if line.session == packet.session and not self.restarts(line, packet):
            return False
        line.generation, line.session, line.place, line.stale_run = self.generation, packet.session, None, 0
        return True

    def is_stale(self, line: Line, packet: Packet) -> bool:
        is_behind = line.generation != self.generation
        return packet.session in self.left or (self.session == packet.session and is_behind)

    def restarts(self, line: Line, packet: Packet) -> bool:
        is_near_head = packet.first < FIRST_SEQUENCE + RESTART_HEAD
        return is_near_head and line.place is not None and line.place - packet.first > RESTART_DISTANCE

    def open(self, arrival: Arrival) -> None:
        self.settle()
        is_first = self.session is None
        self.close()
        packet, line = arrival.packet, self.lines[arrival.line]
        self.generation += 1
        self.session, self.is_ended = packet.session, False
        self.first = self.next = packet.first if is_first else FIRST_SEQUENCE
        self.is_opening = is_first and packet.first > FIRST_SEQUENCE and len(self.lines) > 1
        line.generation, line.session, line.place, line.stale_run = self.generation, packet.session, None, 0
        if packet.first > self.next or self.is_opening:
            self.notice(arrival.ts_ns)
        if not self.is_opening:
            self.tell("session_start", self.first, self.first + 1, count=0)

    def take(self, arrival: Arrival) -> None:
        line, packet = self.lines[arrival.line], arrival.packet
        line.stale_run = 0
        if line.place is None or packet.end > line.place:
            line.place, line.moved_ns = packet.end, arrival.ts_ns
        if packet.first == packet.end:
            self.take_quiet(arrival)
            return
        self.units["seen"] += packet.end - packet.first
        line.brought.update(range(packet.first, packet.end))
        if self.is_opening or packet.first > self.next:
            self.notice(arrival.ts_ns)
            self.waiting.append(arrival)
            self.waiting.sort(key=lambda other: other.packet.first)
        else:
            if self.hole is not None and packet.end > self.next:
                self.tell("recovered", self.next, packet.end)
            self.deliver(arrival, "delivered" if self.hole is None else "recovered")

    def take_quiet(self, arrival: Arrival) -> None:
        packet = arrival.packet
        kind = "ends_of_session" if packet.is_end_of_session else "heartbeats"
        self.lines[arrival.line].fates[kind] += 1
        if packet.first > self.next:
            self.notice(arrival.ts_ns)
        if packet.is_end_of_session and not self.is_ended:
            self.is_ended = True
            self.tell("session_end", self.first, max(packet.first, self.next))

    def deliver(self, arrival: Arrival, fate: str) -> None:
        """Deliver what is new of a packet; the rest of it are copies of what was delivered or lost."""
        line, packet = self.lines[arrival.line], arrival.packet
        is_new = packet.end > self.next
        for unit in range(packet.first, packet.end):
            if unit == self.next:
                self.delivered.append((self.generation, unit))
                self.units[fate] += 1
                line.units["won"] += 1
                self.next += 1
            else:
                self.units["late" if unit in self.lost else "duplicate"] += 1
        line.fates["accepted" if is_new else "duplicate"] += 1

    def until(self, now_ns: int) -> None:
        """Go on as far as the order allows at a time up to which all lines have been looked at."""
        while self.hole is not None and self.step(self.hole, now_ns):
            pass

    def settle(self) -> None:
        """Go on as if nothing more came."""
        while self.hole is not None and self.step(self.hole, None):
            pass

    def step(self, hole: Hole, now_ns: int | None) -> bool:
        """Take one step on; False where there is none."""
        if self.is_opening:
            if not self.is_due(hole, now_ns):
                return False
            self.begin()
        if self.waiting and self.waiting[0].packet.first <= self.next:
            self.deliver(self.waiting.pop(0), "delivered")
            return True
        places = [line for line in self.lines if line.generation == self.generation]
        places = [line for line in places if line.place is not None and line.place > self.next]
        if not self.waiting and not places:
            self.hole = None
            return False
        self.hole = self.present(hole, places)
        if not self.is_due(self.hole, now_ns):
            return False
        self.lose(self.hole, places)
        return True

    def begin(self) -> None:
        """The first session begins with the earliest unit that came."""
        self.is_opening = False
        if self.waiting:
            self.first = self.next = self.waiting[0].packet.first
        self.tell("session_start", self.first, self.first + 1, count=0)

    def present(self, hole: Hole, places: list[Line]) -> Hole:
        """Return the hole in front of what waits: as it was, or since when another has been seen."""
        furthest = max(line.place or 0 for line in places)
        if hole.first == self.next and not hole.is_beginning:
            end = hole.end if hole.end is not None and hole.end > self.next else furthest
            return Hole(self.next, hole.noticed_ns, end)
        moved = [(line.moved_ns, line.place or 0) for line in places]
        waits = [(arrival.ts_ns, furthest) for arrival in self.waiting]
        return Hole(self.next, *min([*moved, min(waits)] if waits else moved))

    def lose(self, hole: Hole, places: list[Line]) -> None:
        reached = self.waiting[0].packet.first if self.waiting else max(line.place or 0 for line in places)
        end = min(reached, reached if hole.end is None else hole.end)
        self.lost.update(range(self.next, end))
        self.units["lost_line"] += end - self.next
        self.tell("gap", self.next, end)
        self.next = end

    def is_due(self, hole: Hole, now_ns: int | None) -> bool:
        return now_ns is None or now_ns >= hole.noticed_ns + self.grace_ns

    def notice(self, ts_ns: int) -> None:
        if self.hole is None:
            self.hole = Hole(self.next, ts_ns, None, self.is_opening)

    def close(self) -> None:
        """Leave the session: what a line has not brought of it, it has missed, or nobody brought it."""
        if self.session is None:
            return
        if not self.is_ended:
            self.tell("session_end", self.first, self.next)
        self.left = [*(left for left in self.left if left != self.session), self.session]
        self.count_lines()
        self.hole, self.lost = None, set()

    def finish(self) -> None:
        """Nothing more comes."""
        self.settle()
        self.count_lines()

    def count_lines(self) -> None:
        every = set(range(self.first, self.next))
        self.expected += len(every)
        brought = [line.brought & every for line in self.lines]
        for number, line in enumerate(self.lines):
            others = set[int]().union(*(units for other, units in enumerate(brought) if other != number))
            line.units["brought"] += len(brought[number])
            line.units["missed"] += len(others - brought[number])
            line.units["lost"] += len(every - others - brought[number])
            line.units["saved"] += len(brought[number] - others) if len(self.lines) > 1 else 0
            line.brought = set()

    def tell(
        self, kind: str, first: int, end: int, *, count: int | None = None, line: int | None = None
    ) -> None:
        told = end - first if count is None else count
        self.events.append((kind, line, first, end - 1, told, len(self.delivered)))
