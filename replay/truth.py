"""The truth: what was done to which packet, read back from the file that says it, line by line.

Each line of the file ends with a checksum of the file up to there (docs/faults.md): a line that was changed,
left out or moved is found here, before anything is compared.
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from feedhandler.errors import FeedhandlerError

_CRC = re.compile(r',"crc":"([0-9a-f]{8})"}$')
_VERSION: Final = 1

Packet = tuple[int, int]
"""Number on its line, and 0, or the number of a copy."""


class TruthError(FeedhandlerError):
    """A truth file is not one, or not as it was written.

    Parameters
    ----------
    file
        The file.
    line
        Number of the line, from 1 on.
    what
        What was expected there, what was found, and of which packet.
    """

    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(file, line, what)
        self.file = file
        self.line = line
        self.what = what

    def __str__(self) -> str:
        return f"{self.file}: line {self.line}: {self.what}"


class Passes(msgspec.Struct, frozen=True, kw_only=True):
    """What a packet passes for: units up to ``end - 1`` of a session, or of one that nobody sends."""

    kind: str
    session: int | None
    first: int
    end: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a packet; which keys there are depends on its kind and the fault."""

    line: str
    index: int
    copy: int
    ts_ns: int
    kind: str
    fault: str
    session: int | None = None
    first: int | None = None
    last: int | None = None
    next: int | None = None
    units: int | None = None
    copied: int | None = msgspec.field(name="is", default=None)
    after_ns: int | None = None
    by_ns: int | None = None
    behind: int | None = None
    effect: str | None = None
    passes: Passes | None = msgspec.field(name="as", default=None)
    identifier: str | None = None

    def __str__(self) -> str:
        units = "" if self.first is None else f" ({self.first} to {self.last})"
        copy = f", copy {self.copy}" if self.copy else ""
        return f"line {self.line}, packet {self.index}{copy}{units}: {self.fault}"


class Session(msgspec.Struct, frozen=True):
    """What was offered of a session to a line: ranges and how often each came; what was announced."""

    runs: tuple[tuple[int, int, int], ...]
    announced: int


class Offered(msgspec.Struct, frozen=True):
    """What was offered to a line, before the faults; `left` are the datagrams that left behind them."""

    summary: str
    packets: int
    bytes: int
    data: int
    unsequenced: int
    unsequenced_units: int
    heartbeats: int
    ends_of_session: int
    malformed: int
    unknown: int
    left: int
    sessions: dict[int, Session]


class LineHead(msgspec.Struct, frozen=True):
    """A line's name, and the addresses it may be known by."""

    line: str
    addresses: tuple[str, ...]


class _Head(msgspec.Struct, frozen=True):
    truth: int
    seed: int
    protocol: str | None
    lines: tuple[LineHead, ...]


class _End(msgspec.Struct, frozen=True):
    end: bool
    records: int


@dataclass(frozen=True)
class Fate:
    """What became of a packet that something was done to.

    Parameters
    ----------
    content
        The packet, as the last record tells it.
    kind
        What the receiver makes of it, such as ``data`` or ``malformed``.
    has_left, is_delayed, is_altered
        It left; later than it would have; with other content than it had.
    passes
        What it passes for, where it is misread and that is known.
    """

    content: Record
    kind: str
    has_left: bool = True
    is_delayed: bool = False
    is_altered: bool = False
    passes: Passes | None = None


@dataclass
class Line:
    """A line of the truth.

    Parameters
    ----------
    head
        Its names.
    offered
        What was offered to it.
    records
        What was done.
    fates
        What became of the packets that something was done to, and of their copies.
    """

    head: LineHead
    offered: Offered | None = None
    records: list[Record] = field(default_factory=list)
    fates: dict[Packet, Fate] = field(default_factory=dict)


@dataclass(frozen=True)
class Truth:
    """What was done to a feed."""

    seed: int
    protocol: str | None
    lines: Mapping[str, Line]


def load(path: Path) -> Truth:
    """Read a truth file.

    Raises
    ------
    TruthError
        It is not one, it is cut off, or a line is not as it was written.
    OSError
        It cannot be read.
    """
    lines = _checked(path)
    number, head = next(lines, (1, {}))
    try:
        found = msgspec.convert(head, _Head)
    except msgspec.ValidationError as error:
        raise TruthError(str(path), number, f"expected a truth file: {error}") from error
    if found.truth != _VERSION:
        raise TruthError(str(path), number, f"expected version {_VERSION}, found {found.truth}")
    known = {line.line: Line(line) for line in found.lines}
    for number, record in lines:
        try:
            is_end = _take(record, known)
        except (msgspec.ValidationError, ValueError, KeyError) as error:
            raise TruthError(str(path), number, str(error)) from error
        if is_end:
            return Truth(found.seed, found.protocol, known)
    raise TruthError(str(path), number, "expected an end, found none: the file is cut off")


def _checked(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the lines of the file, each with its number, once their checksums are right."""
    crc = 0
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        found = _CRC.search(line)
        if found is None:
            raise TruthError(str(path), number, "expected an object that ends with a checksum, found none")
        text = line[: found.start()] + "}"
        crc = zlib.crc32(text.encode(), crc)
        try:
            record = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise TruthError(str(path), number, f"expected a JSON object: {error}") from error
        if found[1] != f"{crc:08x}":
            what = (
                f"expected the checksum {crc:08x}, found {found[1]}: changed, or not the line that was here"
            )
            raise TruthError(str(path), number, f"{_about(record)}{what}")
        yield number, record


def _about(record: object) -> str:
    """Say which packet a line is about, as far as it can be told."""
    try:
        return f"{msgspec.convert(record, Record)}: "
    except msgspec.ValidationError:
        return ""


def _take(record: dict[str, Any], lines: Mapping[str, Line]) -> bool:
    """Take in a line behind the first; true for the last."""
    if "end" in record:
        expected = sum(len(line.records) for line in lines.values())
        if msgspec.convert(record, _End).records != expected:
            raise ValueError(f"expected {record['records']} records, found {expected}")
        missing = [name for name, line in lines.items() if line.offered is None]
        if missing:
            raise ValueError(f"expected what was offered to line {missing[0]}, found nothing")
        return True
    if "summary" in record:
        offered = msgspec.convert(record, Offered, strict=False)
        lines[offered.summary].offered = offered
        return False
    done = msgspec.convert(record, Record)
    line = lines[done.line]
    line.records.append(done)
    _do(done, line.fates)
    return False


def _do(done: Record, fates: dict[Packet, Fate]) -> None:
    """Note what a fault did to a packet."""
    packet = (done.index, done.copy)
    if done.copy and packet not in fates:
        raise ValueError(f"{done}: expected a copy that was made before, found none")
    fate = fates.get(packet, Fate(done, done.kind))
    if not fate.has_left:
        raise ValueError(f"{done}: expected a packet that is still there, found one that is lost")
    if done.copied is not None:
        is_later = fate.is_delayed or bool(done.after_ns)
        fates[done.index, done.copied] = replace(fate, is_delayed=is_later)
    fates[packet] = _after(fate, done)


def _after(fate: Fate, done: Record) -> Fate:
    """Return what became of a packet by a fault."""
    match done.fault, done.effect:
        case (("loss" | "down" | "stopped"), _):
            return replace(fate, has_left=False)
        case (("delay" | "reorder"), _):
            return replace(fate, is_delayed=fate.is_delayed or bool(done.by_ns or done.behind))
        case (("corrupt" | "truncate"), ("malformed" | "unreadable")):
            return replace(fate, kind="malformed", passes=None)
        case (("corrupt" | "truncate"), "misread"):
            return replace(fate, kind="misread", passes=done.passes)
        case (("corrupt" | "truncate"), _):
            return replace(fate, is_altered=True)
        case (("duplicate" | "restart" | "jump"), _):
            return fate
    raise ValueError(f"{done}: expected a known fault")
