"""Verify: whether a receiver's report agrees with the truth about what was done to its lines.

What must be so whatever the timing is computed from the truth alone, as sets of units: what came on which
line, what came on none, how many copies there were. Only what was late depends on when; there, the report's
own gaps are taken, and must be explained: what came and was called lost must have been delayed on every line
that brought it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec

from feedhandler.ledger import ChannelLedger, LineLedger
from feedhandler.report import Gap, Report
from replay.ranges import Change, add, changes, end_of, stretches
from replay.truth import Fate, Line, Record, Truth

_MOST_NAMED: Final = 4
"""Packets that one disagreement names."""

_OF_SENDER: Final = frozenset({"restart", "jump"})
"""Faults that are in the headers of all packets from then on."""

_MOST_REMEMBERED: Final = 1_024
"""Ranges that a receiver remembers to have declared lost: beyond them, late copies count as duplicates."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a report agrees with the truth.

    Parameters
    ----------
    agrees
        There is no disagreement.
    disagreements
        What is not as the truth says, and which packets it is about.
    not_checked
        What cannot be told from the truth, and so was not compared.
    checked
        What was compared, in all: datagrams, units, and what became of them.
    """

    agrees: bool
    disagreements: tuple[str, ...]
    not_checked: tuple[str, ...]
    checked: dict[str, int]


@dataclass
class _Notes:
    """What is found on the way."""

    disagreements: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    believed: list[Record] = field(default_factory=list)
    """Packets of which some were taken for others, whose places they then have."""

    def compare(
        self, what: str, expected: int, found: int, about: Iterable[Record] = (), *, slack: int = 0
    ) -> None:
        """Note a number that is not as the truth says, nor off by as much as it leaves open."""
        if abs(expected - found) > slack:
            more = f", give or take {slack}" if slack else ""
            self.disagreements.append(f"{what}: expected {expected}{more}, found {found}{_named(about)}")


@dataclass
class _Session:
    """What left of a session on a line: copies of each unit, how many were late, what the source repeats."""

    copies: Change = field(default_factory=Counter)
    delayed: Change = field(default_factory=Counter)
    repeated: Change = field(default_factory=Counter)
    claimed: Change = field(default_factory=Counter)
    """What packets pass for that may be believed."""
    announced: int = 0


@dataclass
class _Expected:
    """What a line must have brought its receiver."""

    line: Line
    datagrams: int
    kinds: Counter[str]
    sessions: dict[int, _Session]
    unsequenced_units: int
    claims: list[Fate] = field(default_factory=list)
    """Packets that pass for others of the line, and may be taken for these."""
    believed: int = 0
    """How many of them were."""

    def forget_claims(self) -> None:
        """Note that none was believed."""
        for session in self.sessions.values():
            session.claimed.clear()

    def records(self, *kinds: str) -> list[Record]:
        """Return what made packets of these kinds, or lost them."""
        return [
            fate.content for fate in self.line.fates.values() if {fate.kind, fate.content.kind} & set(kinds)
        ]


def verify(truth: Truth, report: Report, clean: Report | None = None) -> Verification:
    """Compare a receiver's report with the truth.

    Parameters
    ----------
    truth
        What was done to the lines.
    report
        What the receiver tells.
    clean
        What a receiver tells of the same feed without faults: the digests must be equal where nothing was
        lost on every line, and nothing that left was changed.
    """
    notes = _Notes()
    known = {name: _expected(line) for name, line in truth.lines.items()}
    for channel in report.ledger.channels:
        _channel(channel, _lines_of(channel, report, known, notes), report, notes)
    for name, expected in known.items():
        addresses = ", ".join(expected.line.head.addresses)
        notes.disagreements.append(f"line {name} ({addresses}): expected a line of the report, found none")
    if clean is not None:
        _digest(truth, report, clean, notes)
    return Verification(
        agrees=not notes.disagreements,
        disagreements=tuple(notes.disagreements),
        not_checked=tuple(notes.not_checked),
        checked=dict(notes.checked),
    )


def _expected(line: Line) -> _Expected:
    """Return what left on a line: what was offered, less and more what was done to it."""
    offered = line.offered
    assert offered is not None  # a truth that was read to its end has it
    sessions = {
        number: _Session(changes(session.runs), repeated=changes(run for run in session.runs if run[2] > 1))
        for number, session in offered.sessions.items()
    }
    for number, session in offered.sessions.items():
        sessions[number].announced = session.announced
    kinds = Counter(
        data=offered.data,
        unsequenced=offered.unsequenced,
        heartbeat=offered.heartbeats,
        end_of_session=offered.ends_of_session,
        malformed=offered.malformed,
        unknown=offered.unknown,
    )
    expected = _Expected(line, offered.packets, kinds, sessions, offered.unsequenced_units)
    for (_, copy), fate in line.fates.items():
        if copy == 0:
            _count(expected, fate, fate.content.kind, -1)
        if fate.has_left:
            _count(expected, fate, fate.kind, 1)
            _count_misread(expected, fate)
    return expected


def _count_misread(expected: _Expected, fate: Fate) -> None:
    """Count a packet in that passes for another.

    Of a session that nobody sends, it must be found out. In its own, it may be believed if it is not too far
    from where it was; with its own first unit, it carries what it says.
    """
    passes = fate.passes
    if fate.kind != "misread" or passes is None:
        return
    expected.kinds["misread"] -= 1
    if passes.kind != "data":
        expected.kinds[passes.kind] += 1
    elif passes.session is None:
        expected.kinds["malformed"] += 1
    elif passes.first == fate.content.first:
        expected.kinds["data"] += 1
        add(expected.sessions[passes.session].copies, passes.first, passes.end - 1, 1)
    else:
        expected.claims.append(fate)
        add(expected.sessions[passes.session].claimed, passes.first, passes.end - 1, 1)


def _count(expected: _Expected, fate: Fate, kind: str, change: int) -> None:
    """Count a packet in, or out again."""
    packet = fate.content
    expected.datagrams += change
    expected.kinds[kind] += change
    if kind == "unsequenced":
        expected.unsequenced_units += change * (packet.units or 0)
    if kind != "data" or packet.session is None or packet.first is None or packet.last is None:
        return
    session = expected.sessions.setdefault(packet.session, _Session())
    add(session.copies, packet.first, packet.last, change)
    if change > 0 and fate.is_delayed:
        add(session.delayed, packet.first, packet.last, change)


def _lines_of(
    channel: ChannelLedger, report: Report, known: dict[str, _Expected], notes: _Notes
) -> list[_Expected | None]:
    """Return what the truth says of each line of a channel, and take it out of what is known."""
    found: list[_Expected | None] = []
    number = report.ledger.channels.index(channel)
    for place, line in enumerate(channel.lines):
        names = {line.name, *_addresses(report, number, place)}
        matching = [name for name, one in known.items() if names & {name, *one.line.head.addresses}]
        by_address = [name for name in matching if names & set(known[name].line.head.addresses)]
        chosen = next(iter(by_address or matching), None)
        found.append(None if chosen is None else known.pop(chosen))
        if chosen is None and line.datagrams:
            notes.disagreements.append(f"{_place(channel, line)}: expected a line of the truth, found none")
    return found


def _addresses(report: Report, channel: int, line: int) -> Iterator[str]:
    wire = report.wire if isinstance(report.wire, tuple) else ()
    return (one.address for one in wire if (one.channel, one.line) == (channel, line))


def _channel(
    channel: ChannelLedger, lines: Sequence[_Expected | None], report: Report, notes: _Notes
) -> None:
    """Compare a channel."""
    expected = [line for line in lines if line is not None]
    if len(expected) != len(channel.lines):
        return
    why = _unsure(channel, expected)
    for line, one in zip(channel.lines, expected, strict=True):
        _datagrams(channel, line, one, notes, is_sure=why is None)
    if why is not None:
        notes.not_checked.append(f"channel {channel.name}: units, since {why}")
    elif report.gaps_omitted:
        notes.disagreements.append(
            f"channel {channel.name}: expected every gap, found {report.gaps_omitted} left out"
        )
    else:
        _units(channel, expected, report, notes)


def _unsure(channel: ChannelLedger, lines: Sequence[_Expected]) -> str | None:
    """Say why nobody can know what some packets are, or of which sequence, where that is so."""
    if channel.unit == "nothing" or any(line.kinds["unknown"] for line in lines):
        return "nothing numbers them in the truth"
    misread = [record for line in lines for record in line.records("misread")]
    if any(line.kinds["misread"] for line in lines):
        return f"packets pass for others{_named(misread)}"
    restarts = _restarts(lines)
    begun = [
        {(it.fault, it.first, it.next) for it in restarts if it.line == line.line.head.line} for line in lines
    ]
    if any(own != begun[0] for own in begun):
        return f"the lines' sequences are not the same{_named(restarts)}"
    if channel.units.stale:
        return f"{channel.units.stale} came in a session that was left{_named(restarts)}"
    is_late = any(fate.is_delayed for line in lines for fate in line.line.fates.values())
    if is_late and any(it.fault == "restart" and it.identifier is None for it in restarts):
        return f"a session begins under the name of another, and packets are late{_named(restarts)}"
    return None


def _datagrams(
    channel: ChannelLedger, line: LineLedger, expected: _Expected, notes: _Notes, *, is_sure: bool
) -> None:
    """Compare the fates of a line's datagrams."""
    place, kinds = _place(channel, line), expected.kinds
    dropped = line.dropped_socket_buffer + line.dropped_ring_full
    notes.compare(f"{place}: datagrams that the receiver dropped itself", 0, dropped)
    if dropped:
        return
    notes.compare(f"{place}: datagrams", expected.datagrams, line.datagrams, expected.line.records)
    notes.checked["datagrams"] += expected.datagrams
    if not is_sure:
        return
    quiet = expected.records("heartbeat", "end_of_session")
    usable = kinds["data"] + kinds["unsequenced"]
    claims = [claim.content for claim in expected.claims]
    refused = min(max(line.malformed - kinds["malformed"], 0), len(claims))
    malformed = [*expected.records("malformed"), *claims]
    notes.compare(f"{place}: malformed", kinds["malformed"] + refused, line.malformed, malformed)
    notes.compare(f"{place}: heartbeats", kinds["heartbeat"], line.heartbeats, quiet)
    notes.compare(f"{place}: ends of session", kinds["end_of_session"], line.ends_of_session, quiet)
    expected.believed = len(claims) - refused
    usable += expected.believed
    if expected.believed > sum(_is_harmless(expected, claim) for claim in expected.claims):
        notes.believed += claims
    brought = line.accepted + line.duplicate
    notes.compare(f"{place}: accepted and duplicate", usable, brought, expected.records("data"))
    notes.checked["malformed"] += kinds["malformed"] + refused
    notes.checked["misread"] += len(expected.records("misread"))


def _is_harmless(expected: _Expected, claim: Fate) -> bool:
    """Whether what a packet passes for had been brought by its line before: then it can only be a copy."""
    passes, first = claim.passes, claim.content.first
    if passes is None or passes.session is None or first is None or passes.end > first:
        return False
    session = expected.sessions[passes.session]
    units = range(passes.first, passes.end)
    has_come = all(_level(session.copies, unit) > 0 for unit in units)
    return has_come and not any(_level(session.delayed, unit) for unit in units)


def _level(changed: Change, unit: int) -> int:
    return sum(change for at, change in changed.items() if at <= unit)


@dataclass
class _Sums:
    """What the truth and the gaps of the report make of a channel's units."""

    lines: int
    expected: int = 0
    seen: int = 0
    delivered: int = 0
    late: int = 0
    lost: int = 0
    slack: int = 0
    """Units that packets pass for which may have been believed."""
    brought: list[int] = field(init=False)
    missed: list[int] = field(init=False)
    saved: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.brought, self.missed, self.saved = ([0] * self.lines for _ in range(3))


def _units(channel: ChannelLedger, lines: Sequence[_Expected], report: Report, notes: _Notes) -> None:
    """Compare what became of a channel's units."""
    sessions = [session for session in report.sessions if session.channel == channel.name]
    numbers = sorted({number for line in lines for number in line.sessions})
    notes.compare(f"channel {channel.name}: sessions", len(numbers), len(sessions), _restarts(lines))
    if len(numbers) != len(sessions):
        return
    sums, gaps = _Sums(len(lines)), [gap for gap in report.gaps if gap.channel == channel.name]
    if not any(line.believed for line in lines):
        for line in lines:
            line.forget_claims()
    for place, (number, session) in enumerate(zip(numbers, sessions, strict=True)):
        own = [line.sessions.get(number, _Session()) for line in lines]
        lost = [gap for gap in gaps if gap.session == place]
        _session(own, session.first, lost, sums, _Finder(channel.name, lines, number, notes))
    _compare_sums(channel, lines, sums, len(gaps), notes)


def _restarts(lines: Iterable[_Expected]) -> list[Record]:
    return [record for line in lines for record in line.line.records if record.fault in _OF_SENDER]


def _session(
    lines: Sequence[_Session],
    begins: int,
    gaps: Sequence[Gap],
    sums: _Sums,
    finder: "_Finder",
) -> None:
    """Go through a session, a stretch of units of one kind at a time."""
    lost = changes((gap.first, gap.last, 1) for gap in gaps)
    ends = max((max(end_of(line.copies), line.announced) for line in lines), default=begins)
    levels_of = [lost, *(line.copies for line in lines), *(line.delayed for line in lines)]
    levels_of += [line.repeated for line in lines]
    claimed: Change = Counter()
    for line in lines:
        claimed.update(line.claimed)
    levels_of += [claimed]
    for first, end, (gap, *levels, claims) in stretches(levels_of, {begins, ends}):
        is_gap, copies, others = gap > 0, levels[: len(lines)], levels[len(lines) :]
        units, total = end - first, sum(copies)
        sums.seen += units * total
        sums.slack += units * claims
        delayed, repeated = sum(others[: len(lines)]), sum(others[len(lines) :])
        is_excused = delayed == total or repeated > 0
        if not begins <= first < ends:
            if is_gap and not claims:
                finder.tell(first, end, "no gap, since nothing tells of them", "a gap")
            elif total and not is_excused:
                finder.tell(first, end, "the session to begin with them", "it begins later")
            continue
        sums.expected += units
        if total == 0 and not is_gap and not claims:
            finder.tell(first, end, "a gap, since they came on no line", "none")
        elif total and is_gap and not is_excused:
            finder.tell(first, end, "no gap, since they came undelayed", "a gap")
        _sum(sums, units, copies, is_gap=is_gap)


def _sum(sums: _Sums, units: int, copies: Sequence[int], *, is_gap: bool) -> None:
    total = sum(copies)
    sums.lost += units if is_gap else 0
    sums.late += units * total if is_gap else 0
    sums.delivered += 0 if is_gap or not total else units
    for line, count in enumerate(copies):
        sums.brought[line] += units if count else 0
        sums.missed[line] += units if total and not count else 0
        sums.saved[line] += units if count and count == total and len(copies) > 1 else 0


def _compare_sums(
    channel: ChannelLedger, lines: Sequence[_Expected], sums: _Sums, gaps: int, notes: _Notes
) -> None:
    units, name = channel.units, f"channel {channel.name}"
    unsequenced = sum(line.unsequenced_units for line in lines)
    duplicates = [record for line in lines for record in line.line.records if record.fault == "duplicate"]
    late = [record for line in lines for record in line.line.records if record.fault in {"delay", "reorder"}]
    seen = sums.seen + unsequenced
    compare = partial(notes.compare, slack=sums.slack)
    compare(f"{name}: units expected", sums.expected, channel.expected)
    compare(f"{name}: units seen", seen, units.seen, duplicates)
    compare(f"{name}: units delivered", sums.delivered, units.delivered + units.recovered)
    compare(f"{name}: units lost", sums.lost, units.lost)
    compare(f"{name}: units outside the sequence", unsequenced, units.unsequenced)
    if gaps <= _MOST_REMEMBERED:
        compare(f"{name}: units late", sums.late, units.late, late)
        compare(
            f"{name}: duplicate units", sums.seen - sums.delivered - sums.late, units.duplicate, duplicates
        )
    for number, (line, expected) in enumerate(zip(channel.lines, lines, strict=True)):
        place, records = _place(channel, line), expected.line.records
        compare(f"{place}: units brought", sums.brought[number], line.units.brought, records)
        compare(f"{place}: units missed", sums.missed[number], line.units.missed, records)
        compare(f"{place}: units saved", sums.saved[number], line.units.saved, records)
    counted = {"delivered": sums.delivered, "lost": sums.lost, "late": sums.late}
    counted |= {"duplicate": sums.seen - sums.delivered - sums.late, "saved": sum(sums.saved)}
    for what, count in counted.items():
        notes.checked[f"units_{what}"] += count


def _digest(truth: Truth, report: Report, clean: Report, notes: _Notes) -> None:
    """Compare the digests, where the truth says that they are equal."""
    fates = [fate for line in truth.lines.values() for fate in line.fates.values() if fate.has_left]
    unknown = [fate.content for fate in fates if fate.kind == "misread" and fate.passes is None]
    altered = [*(fate.content for fate in fates if fate.is_altered), *unknown, *notes.believed]
    rewritten = [
        record
        for line in truth.lines.values()
        for record in line.records
        if record.fault in {"restart", "jump", "stopped"}
    ]
    if report.ledger.lost:
        notes.not_checked.append(f"the digest, since {report.ledger.lost} units were lost on every line")
    elif altered or rewritten:
        notes.not_checked.append(f"the digest, since packets came changed{_named(altered or rewritten)}")
    elif report.digest != clean.digest:
        notes.disagreements.append(f"digest: expected {clean.digest}, found {report.digest}")
    else:
        notes.checked["digests"] += 1


@dataclass
class _Finder:
    """Finds the packets that a disagreement about some units is about."""

    channel: str
    lines: Sequence[_Expected]
    session: int
    notes: _Notes

    def tell(self, first: int, end: int, expected: str, found: str) -> None:
        """Note a disagreement about the units ``first`` to ``end - 1``."""
        about = [
            record
            for line in self.lines
            for record in line.line.records
            if record.session == self.session and record.first is not None and record.last is not None
            if record.first < end and record.last >= first
        ]
        text = f"channel {self.channel}: units {first} to {end - 1}: expected {expected}, found {found}"
        self.notes.disagreements.append(text + (_named(about) or ": nothing was done to their packets"))


def _place(channel: ChannelLedger, line: LineLedger) -> str:
    return f"channel {channel.name}, line {line.name}"


def _named(records: Iterable[Record]) -> str:
    """Name packets, as many as are good to read."""
    texts = list(dict.fromkeys(str(record) for record in records))
    if not texts:
        return ""
    more = f"; and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
    return f" ({'; '.join(texts[:_MOST_NAMED])}{more})"
