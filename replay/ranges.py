"""Ranges of sequence numbers, and how many of something each has: as changes from one number to the next."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

Change = Counter[int]
"""By how much a level changes at a unit."""


def add(change: Change, first: int, last: int, count: int) -> None:
    """Add the units ``first`` to `last` so many times."""
    change[first] += count
    change[last + 1] -= count


def changes(ranges: Iterable[tuple[int, int, int]]) -> Change:
    """Return what ranges, each so many times, add up to."""
    change: Change = Counter()
    for first, last, count in ranges:
        add(change, first, last, count)
    return change


def end_of(change: Mapping[int, int]) -> int:
    """Return the first unit behind all that there is any of."""
    level, end = 0, 0
    for at in sorted(change):
        level += change[at]
        if change[at] and level == 0:
            end = at
    return end


def stretches(levels_of: Sequence[Change], marks: set[int]) -> Iterator[tuple[int, int, list[int]]]:
    """Yield ranges of units within which nothing changes, and the level of everything there."""
    levels = [0] * len(levels_of)
    for first, end in pairwise(sorted(marks.union(*levels_of))):
        levels = [level + change[first] for level, change in zip(levels, levels_of, strict=True)]
        yield first, end, levels
