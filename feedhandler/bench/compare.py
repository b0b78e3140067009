"""Two results of one benchmark, figure by figure: whether the second is faster, or slower, or neither.

A figure is compared where both results keep what every round found. Rounds are drawn again from those there
were, with replacement, and the medians compared (bootstrap): the middle part of what comes is the confidence
interval of the change. Only where it does not hold 0 is a difference shown.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

import msgspec
import numpy as np

from feedhandler.bench.figures import figures, is_more_better
from feedhandler.errors import FeedhandlerError

CONFIDENCE: Final = 0.95
LEAST_ROUNDS: Final = 5
"""Of fewer, a median drawn again says next to nothing."""
_DRAWS: Final = 10_000
_SEED: Final = 20_260_102
_CLOCKS_APART: Final = 0.05
"""Part by which clock rates of the same processor may differ."""
_RESULT: Final = "result.json"

_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "decode": frozenset({"cases"}),
    "receive": frozenset({"loads", "paces"}),
    "peers": frozenset({"sizes", "goals"}),
    "throughput": frozenset({"rows", "steps"}),
    "files": frozenset({"contenders", "part_bytes"}),
    "send": frozenset({"contenders", "bytes"}),
}
"""What tells a kind of result that does not name itself."""

_AMOUNTS: Final = frozenset({"cpu", "cpu_percent", "rss_kib", "peak_kib", "lost", "lost_part"})
"""Of these there is less or more; everything else is faster or slower."""

Verdict = Literal["faster", "slower", "less", "more", "no difference shown", "too few rounds"]


class CompareError(FeedhandlerError):
    """Two results cannot be compared."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure in both results.

    Parameters
    ----------
    name
        Where it stands.
    before, after
        Medians over the rounds.
    low, high
        Confidence interval of the change, as a part of the first result's; None where that may be 0, or where
        there are too few rounds.
    verdict
        What it says of the second result.
    """

    name: str
    before: float
    after: float
    low: float | None
    high: float | None
    verdict: Verdict


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What `compare` found.

    Parameters
    ----------
    kind
        Of the results.
    confidence
        Of the intervals.
    machines
        In what the machines differ: before and after.
    figures
        Figures that both have.
    only_before, only_after
        Figures that one has.
    """

    kind: str
    confidence: float
    machines: dict[str, tuple[str, str]]
    figures: tuple[Figure, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]


def compare(before: Path, after: Path, confidence: float = CONFIDENCE) -> Comparison:
    """Compare two results.

    Parameters
    ----------
    before, after
        Files that ``--out`` of ``feedhandler bench`` wrote, or ``--json``; or folders of ``bench latency``.
    confidence
        Of the intervals.

    Raises
    ------
    CompareError
        One cannot be read, they are of different kinds, or keep nothing of their rounds.
    """
    first, second = _load(before), _load(after)
    kinds = _kind(first, before), _kind(second, after)
    if kinds[0] != kinds[1]:
        told = f"{before} is one of bench {kinds[0]}, {after} of bench {kinds[1]}"
        raise CompareError(f"expected two results of the same kind, found that {told}")
    ours, theirs = dict(figures(first)), dict(figures(second))
    if not ours.keys() & theirs.keys():
        raise CompareError(f"{before}, {after}: expected a figure whose rounds both keep, found none")
    drawn = np.random.default_rng(_SEED)
    return Comparison(
        kind=kinds[0],
        confidence=confidence,
        machines=_machines(first["machine"], second["machine"]),
        figures=tuple(
            _figure(name, ours[name], theirs[name], confidence, drawn) for name in ours if name in theirs
        ),
        only_before=tuple(name for name in ours if name not in theirs),
        only_after=tuple(name for name in theirs if name not in ours),
    )


def _load(path: Path) -> dict[str, Any]:
    file = path / _RESULT if path.is_dir() else path
    try:
        result = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise CompareError(f"{file}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise CompareError(f"{file}: expected JSON of a benchmark, found something else: {error}") from error
    if not isinstance(result, dict) or not isinstance(result.get("machine"), dict):
        raise CompareError(f"{file}: expected a result of a benchmark, with its machine, found none")
    return result


def _kind(result: Mapping[str, Any], path: Path) -> str:
    if "kind" in result:
        return str(result["kind"])
    for kind, keys in _KINDS.items():
        if keys <= result.keys():
            return kind
    raise CompareError(
        f"{path}: expected a result of one of {', '.join((*_KINDS, 'latency'))}, found another"
    )


def _figure(
    name: str, before: list[float], after: list[float], confidence: float, drawn: np.random.Generator
) -> Figure:
    middle = median(before), median(after)
    if min(len(before), len(after)) < LEAST_ROUNDS:
        return Figure(
            name=name, before=middle[0], after=middle[1], low=None, high=None, verdict="too few rounds"
        )
    medians = _medians(before, drawn), _medians(after, drawn)
    # Where nothing can be a part of it, the difference itself tells whether there is one.
    is_relative = bool((medians[0] > 0).all())
    change = medians[1] / medians[0] - 1 if is_relative else medians[1] - medians[0]
    beyond = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(change, (beyond, 1 - beyond)))
    return Figure(
        name=name,
        before=middle[0],
        after=middle[1],
        low=low if is_relative else None,
        high=high if is_relative else None,
        verdict=_verdict(name.rpartition(" / ")[2], low, high),
    )


def _medians(values: list[float], drawn: np.random.Generator) -> np.ndarray:
    """Return medians of rounds drawn again, with replacement."""
    picked = drawn.choice(np.array(values), size=(_DRAWS, len(values)))
    return np.asarray(np.median(picked, axis=1))


def _verdict(name: str, low: float, high: float) -> Verdict:
    if low <= 0 <= high:
        return "no difference shown"
    is_more = low > 0
    if name in _AMOUNTS:
        return "more" if is_more else "less"
    return "faster" if is_more == is_more_better(name) else "slower"


def _machines(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return in what two machines differ that changes figures; their load is always told."""
    pairs = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
    return {
        name: (str(one), str(other))
        for name, (one, other) in pairs.items()
        if name != "load" and not _is_same(one, other)
    }


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= _CLOCKS_APART * max(one, other)
    return one == other
