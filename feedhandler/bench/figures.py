"""The figures of a benchmark's result that it keeps of every round, whatever kind it is of.

A structure has them that has a list ``rounds``, of structures whose numbers, as far as their names say
whether more or less of them is better, are figures; or a list of numbers whose name begins with ``rounds_``.
Where it stands among structures with names is the figure's name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_HOLDERS: Final = frozenset({"contenders", "cases", "rates", "standings", "stages", "latency_ns"})
"""What holds several things with names is no part of theirs."""

_PREFIX: Final = "rounds_"
_PERCENTILES: Final = frozenset({"p50", "p90", "p99", "p99_9", "p99_99", "p99_999", "max"})
_LESS: Final = frozenset(
    {"cpu", "cpu_percent", "cpu_ns_per_datagram", "rss_kib", "peak_kib", "lost", "lost_part"}
)
_GIVEN: Final = frozenset({"offered_per_s", "sent_per_s", "asked_per_s", "sender_per_s"})
"""What was sent, which is no figure of who receives."""


def figures(result: Mapping[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """Return the figures of a result of which it keeps each round: names, and a value a round."""
    yield from _plain(result, ())
    for path, rounds in _rounds(result, ()):
        of_each = [dict(_leaves(each, ())) for each in rounds]
        for leaf, value in of_each[0].items():
            values = [each.get(leaf) for each in of_each]
            if _is_compared((*path, *leaf)) and value is not None and None not in values:
                yield " / ".join((*path, *leaf)), [float(each) for each in values if each is not None]


def _is_compared(path: tuple[str, ...]) -> bool:
    """Whether a value is better where it is more, or less, as its name says."""
    name = path[-1] if path else ""
    return name not in _GIVEN and (is_more_better(name) or _is_less_better(name))


def is_more_better(name: str) -> bool:
    """Return whether a figure of this name is better where it is more."""
    return name == "rate" or name.endswith(("_per_s", "_per_cpu_s"))


def _is_less_better(name: str) -> bool:
    return name in _LESS or name in _PERCENTILES or name.endswith("_ns")


def _plain(of: object, path: tuple[str, ...]) -> Iterator[tuple[str, list[float]]]:
    """Return the figures that are lists of numbers by themselves."""
    for key, value, at in _below(of, path):
        name = key.removeprefix(_PREFIX)
        if key.startswith(_PREFIX) and isinstance(value, list) and value and is_more_better(name):
            yield " / ".join((*path, name)), [float(each) for each in value]
        elif key != "rounds":
            yield from _plain(value, at)


def _rounds(of: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """Return everything that keeps its rounds as structures, and where it stands."""
    for key, value, at in _below(of, path):
        if key != "rounds":
            yield from _rounds(value, at)
        elif isinstance(value, list) and value:
            yield path, value


def _below(of: object, path: tuple[str, ...]) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Return what is in a structure, or in a list of structures: its key, itself, and where it stands."""
    if isinstance(of, list):
        for each in of:
            yield "", each, (*path, _label(each))
    elif isinstance(of, dict):
        for key, value in of.items():
            is_name = not isinstance(value, list) and key not in _HOLDERS
            yield key, value, (*path, key) if is_name else path


def _label(of: object) -> str:
    """Return the name of one of several."""
    if not isinstance(of, dict):
        return str(of)
    inner = next((of[key] for key in ("step", "case") if isinstance(of.get(key), dict)), of)
    if "name" in inner:
        return str(inner["name"])
    if "factor" in inner:
        return f"{inner['factor']} {inner['value']}"
    told = (f"{key} {of[key]}" for key in ("bytes", "messages", "datagrams_per_s") if key in of)
    return ", ".join(told)


def _leaves(of: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(of, dict):
        for key, value in of.items():
            yield from _leaves(value, path if key in _HOLDERS else (*path, key))
    elif isinstance(of, int | float) and not isinstance(of, bool):
        yield path, of
