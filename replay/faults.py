"""Faults: what is done to a feed on purpose, per line; said in text, seeded, the same wherever it is done.

`replay.sender.Sender.replay` has them done to what it sends, `feedhandler.read` to what it reads. What they
mean is in docs/faults.md; Rust does them (crates/feedhandler-core/src/faults).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar

import msgspec

from feedhandler.errors import ConfigError, FaultError
from feedhandler.protocol import Protocol
from feedhandler.toml import Place, read, shown

_UNITS_NS: Final[Mapping[str, int]] = MappingProxyType(
    {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000}
)
_MOST: Final = (1 << 63) - 1
_MOST_SEED: Final = (1 << 64) - 1

Json = dict[str, Any]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Fault:
    """One fault, as Rust is told.

    Parameters
    ----------
    text
        What it was made of, such as ``loss:p=0.01,line=A``.
    line
        Name or address of the line that has it; none for every line.
    which, what
        Which packets meet it, and what it does.
    since, until
        From when on, and until when (exclusive): the number of a packet on its line, or a time.
    """

    text: str
    line: str | None
    which: Json
    what: Json
    since: Json | None
    until: Json | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the fault that ``KIND:KEY=VALUE,…`` says.

        Raises
        ------
        FaultError
            It says none.
        """
        kind, _, rest = text.partition(":")
        if kind not in _KINDS:
            raise FaultError(f"fault {shown(text)}: expected one of {', '.join(_KINDS)}, found {shown(kind)}")
        values = _Values(text, rest)
        line, (which, what) = values.get("line", str), _KINDS[kind](values)
        is_once = kind in {"restart", "jump"}
        since = values.need("at", _moment) if is_once else values.get("from", _moment)
        until = None if is_once else values.get("to", _moment)
        values.close()
        return cls(text, line, which, what, since, until)

    def to_json(self) -> Json:
        """Return it in the form that Rust reads."""
        return {
            "line": self.line,
            "which": self.which,
            "what": self.what,
            "from": self.since,
            "to": self.until,
        }


class Faults:
    """Faults of a feed, in the order in which a packet meets them.

    Parameters
    ----------
    faults
        What docs/faults.md says, such as ``"loss:p=0.01,line=A"``.
    seed
        Where all chance comes from: the same seed does the same to the same feed, at any speed and anywhere.

    Raises
    ------
    FaultError
        One of them is none.

    Examples
    --------
    >>> Faults("loss:p=0.01,line=A", "skew:by=200us,line=B", seed=7)
    Faults('loss:p=0.01,line=A', 'skew:by=200us,line=B', seed=7)
    """

    def __init__(self, *faults: str, seed: int = 0) -> None:
        if not 0 <= seed <= _MOST_SEED:
            raise FaultError(f"seed: expected a whole number from 0 to {_MOST_SEED}, found {seed}")
        self.faults = tuple(Fault.parse(text) for text in faults)
        self.seed = seed

    @classmethod
    def load(cls, path: str | PathLike[str], *, seed: int | None = None) -> Self:
        """Read the table ``[faults]`` of a TOML file.

        Parameters
        ----------
        path
            The file. In its table, ``seed`` is the seed, ``all`` a list of faults that every line has, and
            any other key a line with a list of its own; lists are met in the order of the file.
        seed
            Instead of the file's.

        Raises
        ------
        ConfigError, FaultError
            The file has no such table, or something in it is no fault.
        """
        place = Place(fspath(path), ConfigError)
        table = read(Path(path), _File, place).faults
        own = table.pop("seed", 0)
        if not isinstance(own, int) or isinstance(own, bool):
            raise place.at("faults", "seed").error("an integer", shown(own))
        texts = [text for line in table for text in _of_line(place.at("faults", line), line, table[line])]
        return cls(*texts, seed=own if seed is None else seed)

    def __repr__(self) -> str:
        texts = "".join(f"{fault.text!r}, " for fault in self.faults)
        return f"Faults({texts}seed={self.seed})"

    def to_json(self, protocol: Protocol | None) -> bytes:
        """Return them in the form that Rust reads, with the protocol by which packets are told apart."""
        return msgspec.json.encode(
            {
                "seed": self.seed,
                "faults": [fault.to_json() for fault in self.faults],
                "protocol": None if protocol is None else protocol.spec,
            }
        )


class _Values:
    """The ``KEY=VALUE`` pairs of a fault, each of which is asked for once."""

    def __init__(self, text: str, rest: str) -> None:
        self.text = text
        self._values: dict[str, str] = {}
        for pair in filter(None, rest.split(",")):
            key, equals, value = pair.partition("=")
            if not equals or not value or key in self._values:
                raise self.error("expected each KEY=VALUE once, separated by commas", pair)
            self._values[key] = value

    def get(self, key: str, parse: Callable[[str], Value]) -> Value | None:
        """Return a value, or none where there is none."""
        value = self._values.pop(key, None)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as expected:
            raise self.error(f"{key}: expected {expected}", value) from None

    def need(self, key: str, parse: Callable[[str], Value]) -> Value:
        """Return a value that must be there."""
        value = self.get(key, parse)
        if value is None:
            raise FaultError(f"fault {shown(self.text)}: expected {key}=, found none")
        return value

    def has(self, *keys: str) -> bool:
        """Whether any of the keys is there and was not asked for."""
        return any(key in self._values for key in keys)

    def close(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._values:
            raise self.error("expected no such key", key)

    def error(self, what: str, found: str) -> FaultError:
        return FaultError(f"fault {shown(self.text)}: {what}, found {shown(found)}")


Made = tuple[Json, Json]
"""Which packets, and what is done."""


def _loss(values: _Values) -> Made:
    return _which(values), {"fault": "loss"}


def _down(values: _Values) -> Made:
    if not values.has("from", "to"):
        raise FaultError(f"fault {shown(values.text)}: expected from= or to=, found neither")
    return {"which": "all"}, {"fault": "down"}


def _duplicate(values: _Values) -> Made:
    return _which(values), {"fault": "duplicate", "after_ns": values.get("after", _time) or 0}


def _reorder(values: _Values) -> Made:
    unit, within = next(iter(values.need("within", _moment).items()))
    if not within:
        raise FaultError(f"fault {shown(values.text)}: within: expected packets or a time above 0, found 0")
    by_packets = {"fault": "reorder_packets", "within": within}
    by_time = {"fault": "reorder_time", "within_ns": within}
    return _which(values), by_packets if unit == "packet" else by_time


def _delay(values: _Values) -> Made:
    by_ns, jitter_ns = values.get("by", _time), values.get("jitter", _time)
    if by_ns is None and jitter_ns is None:
        raise FaultError(f"fault {shown(values.text)}: expected by= or jitter=, found neither")
    what = {"fault": "delay", "by_ns": by_ns or 0, "jitter_ns": jitter_ns or 0}
    return _which(values, default={"which": "all"}), what


def _skew(values: _Values) -> Made:
    return {"which": "all"}, {"fault": "delay", "by_ns": values.need("by", _time), "jitter_ns": 0}


def _corrupt(values: _Values) -> Made:
    part = values.get("part", _one_of("any", "header", "framing", "message")) or "any"
    flip = values.get("flip", _one_of("bit", "byte")) or "bit"
    return _which(values), {"fault": "corrupt", "part": part, "is_byte": flip == "byte"}


def _truncate(values: _Values) -> Made:
    return _which(values), {"fault": "truncate", "keep": values.get("keep", _count(0))}


def _restart(values: _Values) -> Made:
    what = {"fault": "restart", "session": values.get("session", str)}
    return {"which": "all"}, what


def _jump(values: _Values) -> Made:
    what = {"fault": "jump", "by": values.need("by", _count(1))}
    return {"which": "all"}, what


_KINDS: Final[Mapping[str, Callable[[_Values], Made]]] = MappingProxyType(
    {
        "loss": _loss,
        "duplicate": _duplicate,
        "reorder": _reorder,
        "delay": _delay,
        "skew": _skew,
        "corrupt": _corrupt,
        "truncate": _truncate,
        "down": _down,
        "restart": _restart,
        "jump": _jump,
    }
)


def _which(values: _Values, default: Json | None = None) -> Json:
    """Return which packets meet a fault: exactly one way to say it."""
    p, every = values.get("p", _share), values.get("every", _count(1))
    burst, r = values.get("burst", _count(1)), values.get("r", _share)
    bad, good = values.get("bad", _share), values.get("good", _share)
    ways: list[Json] = []
    if r is not None and p is not None and burst is None:
        ways.append(
            {
                "which": "gilbert",
                "p": p,
                "r": r,
                "bad": 1.0 if bad is None else bad,
                "good": 0.0 if good is None else good,
            }
        )
    elif burst is not None and p is not None and r is None:
        ways.append({"which": "burst", "p": p, "length": burst})
    elif p is not None:
        ways.append({"which": "random", "p": p})
    ways += [] if every is None else [{"which": "every", "every": every}]
    for key in ("packets", "sequences"):
        ranges = values.get(key, _ranges)
        ways += [] if ranges is None else [{"which": key, "ranges": ranges}]
    is_half = (burst is not None or r is not None) and p is None
    is_both = burst is not None and r is not None
    has_states = bad is not None or good is not None
    if not ways and default is not None and not (is_half or is_both or has_states):
        return default
    if len(ways) != 1 or is_half or is_both or (has_states and r is None):
        ways_there_are = "p=, p= with burst=, p= with r= (bad=, good=), every=, packets= or sequences="
        raise FaultError(f"fault {shown(values.text)}: expected one way to choose packets: {ways_there_are}")
    return ways[0]


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError("a number from 0 to 1")
    return share


def _count(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= _MOST:
            raise ValueError(f"a whole number from {least} on")
        return int(text)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return parse


def _time(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|ms|s|min)", text.replace("µs", "us"))
    if found is None:
        raise ValueError("a time such as 200us, 5ms or 1.5s")
    return min(round(float(found[1]) * _UNITS_NS[found[2]]), _MOST)


def _moment(text: str) -> Json:
    """Return the number of a packet, or a time since the feed's first."""
    if text.isdecimal():
        return {"packet": min(int(text), _MOST)}
    try:
        return {"ns": _time(text)}
    except ValueError:
        raise ValueError("the number of a packet, or a time such as 5ms or 1.5s") from None


def _ranges(text: str) -> list[tuple[int, int]]:
    ranges = []
    for part in text.split("+"):
        first, dots, last = part.partition("..")
        last = last if dots else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= _MOST):
            raise ValueError("numbers and ranges such as 5..7+20")
        ranges.append((int(first), int(last)))
    return ranges


class _File(msgspec.Struct):
    """A file of faults."""

    faults: dict[str, Any]


def _of_line(place: Place, line: str, texts: object) -> Iterable[str]:
    """Yield the faults of a line, each with the line that the table says."""
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise place.error('an array of faults such as "loss:p=0.01"', shown(texts))
    for text in texts:
        yield text if line == "all" else f"{text}{',' if ':' in text else ':'}line={line}"
