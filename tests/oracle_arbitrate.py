"""A slow, obvious arbiter of one channel, to hold the fast one against.

It is told of packets with numbers that never wrap, and keeps every unit that came or was lost in a set. It
knows the rules of docs/architecture.md, "Sequencing"; not those by which short restarts are told from copies,
nor those for channels that a stray has carried away: it is given none of these.
"""

from collections import Counter
from dataclasses import dataclass, field

FIRST_SEQUENCE = 1
RESTART_DISTANCE = 1_024
RESTART_HEAD = 64
NEAR = 1_024
STRAY_PACKETS = 2
STRAY_COPIES = 16
PASSED_PACKETS = 16
CLAIM_NS = 10**9
SUSPICION_PACKETS = 64
FOR_EVER = 1 << 63

Event = tuple[str, int | None, int, int, int, int]
"""Kind, line, first, last and count; and how many messages were delivered before it."""


@dataclass(frozen=True)
class Packet:
    """The units ``first`` to ``end - 1`` of a session; without any, a heartbeat or the end of the session."""

    session: int
    first: int
    end: int
    is_end_of_session: bool = False
    content: int | None = None
    """The first unit that it really carries, where its header was damaged."""

    @property
    def is_quiet(self) -> bool:
        return self.first == self.end

    def is_copy_of(self, other: "Packet") -> bool:
        """Whether both have the same units, and really carry the same."""
        return self.range == other.range and self.carried == other.carried

    @property
    def range(self) -> tuple[int, int]:
        return self.first, self.end

    @property
    def carried(self) -> int:
        return self.first if self.content is None else self.content

    def overlaps(self, other: "Packet") -> bool:
        return self.first < other.end and other.first < self.end


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
    vouched: int = 0
    """Behind what its last packets agree on."""
    behind: int | None = None
    """Behind its last packet below `place`."""
    run: int = 0
    """Packets there that continued the order, and of these..."""
    fresh_run: int = 0
    """... those that were no copies."""
    is_announced: bool = False
    fates: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    brought: set[int] = field(default_factory=set)

    def enter(self, generation: int, session: int | None) -> None:
        self.generation, self.session = generation, session
        self.place, self.vouched, self.moved_ns, self.stale_run = None, 0, 0, 0
        self.forget_behind()

    def forget_behind(self) -> None:
        self.behind, self.run, self.fresh_run, self.is_announced = None, 0, 0, False

    def come_to(self, end: int, ts_ns: int) -> None:
        self.forget_behind()
        if self.place != end:
            self.place, self.moved_ns = end, ts_ns

    def step_back(self, end: int, ts_ns: int) -> None:
        self.vouched = min(self.vouched, end)
        self.come_to(end, ts_ns)


@dataclass
class Hole:
    """The next unit is missing; up to `end`, others are as well."""

    first: int
    noticed_ns: int
    end: int | None = None
    is_beginning: bool = False


@dataclass
class Waiting:
    """A packet beyond a hole."""

    arrival: Arrival
    is_alone: bool = True
    doubted_ns: int | None = None
    refuted: str | None = None
    """Whether it came on its own line, or on another, what has its place."""

    @property
    def packet(self) -> Packet:
        return self.arrival.packet

    @property
    def is_believed(self) -> bool:
        return self.doubted_ns is None and self.refuted is None


@dataclass
class Claim:
    """A packet of another session, of which there is no second."""

    arrival: Arrival
    passed: int = 0


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
        self.waiting: list[Waiting] = []
        self.claims: list[Claim] = []
        self.heard_ns = 0
        self.suspicion = 0
        self.ended_at: int | None = None
        self.lost: set[int] = set()
        self.delivered: list[tuple[int, int, int]] = []
        """Generation and number of each message, and which it really was."""
        self.events: list[Event] = []
        self.units: Counter[str] = Counter()
        self.expected = 0

    def on(self, arrival: Arrival) -> None:
        """Take a packet in; all lines have been looked at up to then."""
        self.until(arrival.ts_ns)
        line, packet = self.lines[arrival.line], arrival.packet
        if self.is_second_witness(arrival):
            self.open(arrival, self.take_claims(arrival))
            self.take(arrival)
        elif self.is_of_present(line, packet):
            self.take(arrival)
        elif self.is_stale(line, packet):
            if line.stale_run == 0:
                self.tell("stale_session", 0, 1, count=packet.end - packet.first, line=arrival.line)
            line.stale_run += 1
            line.fates["stale"] += 1
            self.units["stale"] += packet.end - packet.first
        elif self.session is None or (
            self.is_ended and (line.place or 0) >= self.next and not packet.is_quiet
        ):
            self.open(arrival, [])
            self.take(arrival)
        else:
            self.claim(arrival)
        self.until(arrival.ts_ns)

    def is_of_present(self, line: Line, packet: Packet) -> bool:
        if self.session != packet.session:
            return False
        if line.generation == self.generation:
            return not self.restarts(line, packet)
        if line.session == packet.session and not self.restarts(line, packet):
            return False
        line.enter(self.generation, packet.session)
        return True

    def is_stale(self, line: Line, packet: Packet) -> bool:
        is_behind = line.generation != self.generation
        return packet.session in self.left or (self.session == packet.session and is_behind)

    def restarts(self, line: Line, packet: Packet) -> bool:
        is_near_head = packet.first < FIRST_SEQUENCE + RESTART_HEAD
        if line.place is None or not is_near_head:
            return False
        place = min(line.place, self.next) if line.generation == self.generation else line.place
        return place - packet.first > RESTART_DISTANCE

    def claim(self, arrival: Arrival) -> None:
        if arrival.packet.is_quiet:
            kind = "ends_of_session" if arrival.packet.is_end_of_session else "heartbeats"
            self.lines[arrival.line].fates[kind] += 1
        else:
            self.units["seen"] += arrival.packet.end - arrival.packet.first
        self.claims.append(Claim(arrival))

    def is_second_witness(self, arrival: Arrival) -> bool:
        packet = arrival.packet
        is_elsewhere = packet.session != self.session or packet.first + RESTART_DISTANCE < self.next
        return is_elsewhere and any(self.agree(claim, arrival) for claim in self.claims)

    def agree(self, claim: Claim, arrival: Arrival) -> bool:
        packet, claimed = arrival.packet, claim.arrival.packet
        if claimed.session != packet.session:
            return False
        if packet.first == claimed.end or packet.end == claimed.first:
            return True
        if claim.arrival.line != arrival.line:
            is_same = packet.range == claimed.range
            return packet.overlaps(claimed) and (not is_same or packet.is_copy_of(claimed))
        return claim.passed == 0 and 0 <= packet.first - claimed.end <= RESTART_DISTANCE

    def take_claims(self, arrival: Arrival) -> list[Claim]:
        """Take out the claims of the session that a packet opens; what is elsewhere in it was not of it."""
        of_it = [claim for claim in self.claims if claim.arrival.packet.session == arrival.packet.session]
        near = [c for c in of_it if abs(c.arrival.packet.first - arrival.packet.first) <= RESTART_DISTANCE]
        for claim in of_it:
            claim.passed = PASSED_PACKETS
        self.claims = [claim for claim in self.claims if claim not in near]
        return near

    def open(self, arrival: Arrival, claims: list[Claim]) -> None:
        self.settle()
        is_first = self.session is None
        self.close()
        packet, line = arrival.packet, self.lines[arrival.line]
        self.generation += 1
        self.session, self.is_ended, self.ended_at = packet.session, False, None
        self.first = self.next = packet.first if is_first else FIRST_SEQUENCE
        self.is_opening = is_first and packet.first > FIRST_SEQUENCE and len(self.lines) > 1
        line.enter(self.generation, packet.session)
        self.heard_ns = arrival.ts_ns
        for claim in claims:
            self.enter(claim.arrival)
        if packet.first > self.next or self.is_opening or self.waiting:
            self.notice(min([arrival.ts_ns, *(claim.arrival.ts_ns for claim in claims)]))
        if not self.is_opening:
            self.tell("session_start", self.first, self.first + 1, count=0)
        self.until(arrival.ts_ns)

    def enter(self, arrival: Arrival) -> None:
        """Take a claim into the session that has been opened."""
        line, packet = self.lines[arrival.line], arrival.packet
        if line.generation != self.generation:
            line.enter(self.generation, packet.session)
        self.move(arrival, "claim")
        if not packet.is_quiet:
            line.brought.update(range(packet.first, packet.end))
            self.put(Waiting(arrival))

    def take(self, arrival: Arrival) -> None:
        line, packet = self.lines[arrival.line], arrival.packet
        line.stale_run, self.heard_ns = 0, arrival.ts_ns
        for claim in self.claims:
            claim.passed += claim.arrival.line == arrival.line
        for waiting in self.waiting:
            if packet.first == waiting.packet.end or packet.is_copy_of(waiting.packet):
                waiting.doubted_ns = None
        verdict = self.verdict(packet)
        self.move(arrival, verdict)
        if packet.is_quiet:
            self.take_quiet(arrival)
            return
        self.units["seen"] += packet.end - packet.first
        line.brought.update(range(packet.first, packet.end))
        self.refute(arrival)
        if verdict == "hold":
            self.notice(arrival.ts_ns)
            self.put(Waiting(arrival))
            return
        if verdict == "deliver" and self.hole is not None:
            self.tell("recovered", self.next, packet.end)
        self.deliver(arrival, "delivered" if self.hole is None else "recovered")

    def verdict(self, packet: Packet) -> str:
        believed = [waiting.packet for waiting in self.waiting if waiting.is_believed]
        is_covered = any(other.first <= packet.first and packet.end <= other.end for other in believed)
        if self.is_opening and not packet.is_quiet:
            return "duplicate" if is_covered else "hold"
        if packet.first <= self.next and (packet.end > self.next or packet.is_quiet):
            return "deliver"
        return "duplicate" if packet.end <= self.next or is_covered else "hold"

    def refute(self, arrival: Arrival) -> None:
        """Note that a packet has the place of some that are in doubt."""
        for waiting in self.waiting:
            if waiting.is_believed:
                continue
            is_own = waiting.arrival.line == arrival.line and waiting.packet.overlaps(arrival.packet)
            if is_own or (waiting.packet.range == arrival.packet.range and waiting.refuted is None):
                waiting.refuted = "own" if is_own else "other"

    def put(self, waiting: Waiting) -> None:
        before = [other for other in self.waiting if other.packet.first <= waiting.packet.first]
        behind = self.waiting[len(before) :]
        if before and before[-1].packet.end == waiting.packet.first:
            before[-1].is_alone = waiting.is_alone = False
        if behind and behind[0].packet.first == waiting.packet.end:
            behind[0].is_alone = waiting.is_alone = False
        self.waiting = [*before, waiting, *behind]

    def move(self, arrival: Arrival, verdict: str) -> None:
        """Note where a line has come to."""
        line, packet = self.lines[arrival.line], arrival.packet
        place = line.place
        if place is not None and packet.end < place:
            if packet.is_quiet and packet.end < self.next:
                return
            self.fall_behind(arrival, place, verdict)
            return
        if place is not None:
            if packet.first == place:
                line.vouched = packet.end
            elif place > self.next and 0 < packet.first - place <= NEAR and line.behind is None:
                line.vouched = place
        line.come_to(packet.end, arrival.ts_ns)

    def fall_behind(self, arrival: Arrival, place: int, verdict: str) -> None:
        line, packet = self.lines[arrival.line], arrival.packet
        goes_on = line.behind == packet.first or verdict == "deliver"
        line.behind = packet.end
        line.is_announced |= packet.is_quiet
        line.run += goes_on
        line.fresh_run += goes_on and verdict != "duplicate"
        is_stray = line.fresh_run >= STRAY_PACKETS or line.run >= STRAY_COPIES
        if place - packet.end > NEAR and is_stray:
            line.step_back(packet.end, arrival.ts_ns)
            self.doubt(arrival)
        elif line.run >= STRAY_PACKETS:
            self.doubt(arrival)
            if place > self.next and all(end != place for _, end in self.waiting_of(arrival.line)):
                self.retreat(arrival.line, place, arrival.ts_ns)

    def doubt(self, arrival: Arrival) -> None:
        for waiting in self.waiting:
            is_beyond = waiting.arrival.line == arrival.line and waiting.packet.first >= arrival.packet.end
            if is_beyond and waiting.is_alone and waiting.refuted is None:
                waiting.doubted_ns = arrival.ts_ns

    def waiting_of(self, line: int) -> list[tuple[int, int]]:
        return [waiting.packet.range for waiting in self.waiting if waiting.arrival.line == line]

    def retreat(self, number: int, place: int, ts_ns: int) -> None:
        line = self.lines[number]
        least = max((end for _, end in self.waiting_of(number) if end < place), default=0)
        if line.behind is not None:
            line.step_back(max(line.behind, least), ts_ns)

    def take_quiet(self, arrival: Arrival) -> None:
        packet = arrival.packet
        kind = "ends_of_session" if packet.is_end_of_session else "heartbeats"
        self.lines[arrival.line].fates[kind] += 1
        if packet.first > self.next:
            self.notice(arrival.ts_ns)
        if packet.is_end_of_session and not self.is_ended:
            self.is_ended = True
            self.ended_at = max(packet.first, self.next)
            self.tell("session_end", self.first, self.ended_at)

    def deliver(self, arrival: Arrival, fate: str) -> None:
        """Deliver what is new of a packet; the rest of it are copies of what was delivered or lost."""
        line, packet = self.lines[arrival.line], arrival.packet
        is_new = packet.first <= self.next < packet.end and not self.is_opening
        for unit in range(packet.first, packet.end):
            if unit == self.next and is_new:
                really = packet.carried + unit - packet.first
                self.delivered.append((self.generation, unit, really))
                self.units[fate] += 1
                line.units["won"] += 1
                self.next += 1
            else:
                self.units["late" if unit in self.lost else "duplicate"] += 1
        line.fates["accepted" if is_new else "duplicate"] += 1
        if is_new and fate == "delivered" and self.hole is None and self.suspicion:
            self.suspicion -= 1

    def until(self, now_ns: int) -> None:
        """Go on as far as the order allows at a time up to which all lines have been looked at."""
        while self.step_claims(now_ns) or (self.hole is not None and self.step(self.hole, now_ns)):
            pass

    def settle(self) -> None:
        """Go on as if nothing more came."""
        while self.hole is not None and self.step(self.hole, None):
            pass

    def step_claims(self, now_ns: int | None) -> bool:
        """Decide on a claim; False where time tells nothing yet."""
        for claim in self.claims:
            ts_ns, is_over = claim.arrival.ts_ns, now_ns is None
            has_waited = now_ns is None or now_ns >= ts_ns + CLAIM_NS
            is_silent = now_ns is not None and now_ns >= max(self.heard_ns, ts_ns) + CLAIM_NS
            is_last = is_over and self.heard_ns <= ts_ns and not claim.arrival.packet.is_quiet
            if claim.passed == 0 and (is_silent or is_last):
                self.open(claim.arrival, self.take_claims(claim.arrival))
                self.heard_ns = FOR_EVER if now_ns is None else now_ns
                return True
            if (claim.passed == 0 and is_over) or (
                claim.passed and (has_waited or claim.passed >= PASSED_PACKETS)
            ):
                self.claims.remove(claim)
                if not claim.arrival.packet.is_quiet:
                    self.refuse(claim.arrival)
                return True
        return False

    def refuse(self, arrival: Arrival) -> None:
        """Count a stray."""
        self.units["seen"] -= arrival.packet.end - arrival.packet.first
        self.lines[arrival.line].fates["malformed"] += 1
        self.suspicion = SUSPICION_PACKETS
        self.tell("malformed", 0, 1, line=arrival.line)

    def step(self, hole: Hole, now_ns: int | None) -> bool:
        """Take one step on; False where there is none."""
        if self.is_opening:
            if not self.is_due(hole, now_ns):
                return False
            self.begin()
        if self.waiting and self.waiting[0].packet.first <= self.next:
            return self.leave(self.waiting[0], now_ns)
        places = [line for line in self.lines if line.generation == self.generation]
        places = [line for line in places if line.place is not None and line.place > self.next]
        if not self.waiting and not places:
            self.hole, self.suspicion = None, 0
            return False
        self.hole = self.present(hole, places)
        return self.is_due(self.hole, now_ns) and self.decide(self.hole, places, now_ns)

    def leave(self, waiting: Waiting, now_ns: int | None) -> bool:
        """Take the first of what waits, unless it waits for another that tells whether it is there."""
        until_ns = None if waiting.doubted_ns is None else waiting.doubted_ns + self.grace_ns
        is_undecided = waiting.refuted is None and waiting.packet.end > self.next
        if is_undecided and until_ns is not None and now_ns is not None and now_ns < until_ns:
            return False
        if waiting.refuted is not None:
            self.take_for_stray()
            return True
        self.waiting.pop(0)
        self.deliver(waiting.arrival, "delivered")
        return True

    def take_for_stray(self) -> None:
        stray = self.waiting.pop(0)
        number, (first, end) = stray.arrival.line, stray.packet.range
        if stray.refuted != "own":
            self.lines[number].brought -= set(range(first, end))
            for other_first, other_end in self.waiting_of(number):
                self.lines[number].brought.update(range(other_first, other_end))
        if self.lines[number].place == end:
            self.retreat(number, end, stray.arrival.ts_ns)
        self.refuse(stray.arrival)

    def decide(self, hole: Hole, places: list[Line], now_ns: int | None) -> bool:
        """Say what is behind a hole that was waited for: the sequence, a stray, or nothing yet."""
        furthest = max((line.place or 0 for line in places), default=self.next)
        if self.waiting and self.waiting[0].packet.first > furthest:
            self.take_for_stray()
            return True
        reached = self.waiting[0].packet.first if self.waiting else furthest
        is_at_end = self.ended_at == self.next < reached
        is_near = reached - self.next <= NEAR and not is_at_end
        packets = STRAY_PACKETS if is_near else 0
        undisputed = [line.moved_ns for line in places if line.behind is None or line.run < packets]
        since_ns = min(undisputed, default=hole.noticed_ns)
        is_over = now_ns is None or now_ns >= since_ns + CLAIM_NS
        has_waited = now_ns is None or now_ns >= since_ns + self.grace_ns
        gone = self.gone(places, packets)
        is_credible = not is_at_end and gone == 0 and (is_over or (is_near and has_waited))
        place = self.witnessed(places)
        if place is not None or is_credible or (not is_at_end and gone == 1 and is_near and is_over):
            self.lose(hole, min(reached, reached if place is None else place))
            return True
        if not is_over:
            return False
        if self.waiting:
            self.take_for_stray()
            return True
        for number, line in enumerate(self.lines):
            if line in places:
                self.lines[number].step_back(
                    self.next if line.behind is None else line.behind, hole.noticed_ns
                )
        return True

    def gone(self, places: list[Line], packets: int) -> int:
        """Return 1 where all lines have gone on in front of the hole, 2 where all said so."""
        found = 2
        for line in places:
            has_gone = line.behind is not None and line.run >= packets
            found = min(found, 0 if not has_gone else 2 if line.is_announced else 1)
        is_doubted = bool(self.waiting) and not self.waiting[0].is_believed
        return max(found if places else 0, 1 if is_doubted else 0)

    def witnessed(self, places: list[Line]) -> int | None:
        """Return how far behind the hole two packets agree that the sequence is."""
        here = [line.vouched for line in self.lines if line.generation == self.generation]
        if max(here, default=0) > self.next:
            return max(here)
        undisputed = [line.place or 0 for line in places if line.behind is None]
        agreeing = (
            max(other, undisputed[0]) for other in undisputed[1:] if abs(other - undisputed[0]) <= NEAR
        )
        return next(agreeing, None)

    def begin(self) -> None:
        """The first session begins with the earliest unit that came."""
        self.is_opening = False
        if self.waiting:
            self.first = self.next = self.waiting[0].packet.first
        self.tell("session_start", self.first, self.first + 1, count=0)

    def present(self, hole: Hole, places: list[Line]) -> Hole:
        """Return the hole in front of what waits: as it was, or since when another has been seen."""
        furthest = max((line.place or 0 for line in places), default=self.next)
        if hole.first == self.next and not hole.is_beginning:
            end = hole.end if hole.end is not None and hole.end > self.next else furthest
            return Hole(self.next, hole.noticed_ns, end)
        moved = [(line.moved_ns, line.place or 0) for line in places]
        waits = [(waiting.arrival.ts_ns, furthest) for waiting in self.waiting]
        return Hole(self.next, *min([*moved, min(waits)] if waits else moved))

    def lose(self, hole: Hole, reached: int) -> None:
        end = min(reached, reached if hole.end is None else hole.end)
        self.lost.update(range(self.next, end))
        self.units["lost_malformed" if self.suspicion else "lost_line"] += end - self.next
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
        while self.step_claims(None):
            pass
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
