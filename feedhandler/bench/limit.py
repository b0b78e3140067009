"""The highest rate at which nothing is lost, found by trying rates.

A rate counts as lossless if one of two tries is: the second is made only where the first has lost something.
A machine that others share hiccups, and a single hiccup must not be taken for the limit; what loses twice
in a row is over it.
"""

from collections.abc import Callable
from math import sqrt
from typing import Final, Literal

import msgspec

Outcome = Literal["whole", "lost", "not_sent"]
"""What became of a try: all arrived, some was lost, or the sender could not keep the rate."""

RESOLUTION: Final = 0.05
"""The search ends when the lowest rate that is too high is this part above the highest that is not."""
_GROWTH: Final = 1.5


class Try(msgspec.Struct, frozen=True):
    """A rate that was tried, and what became of it."""

    rate: float
    outcome: Outcome


class Limit(msgspec.Struct, frozen=True):
    """What a search found.

    Parameters
    ----------
    rate
        The highest rate at which nothing was lost; 0 where there was none.
    bound
        The lowest rate that was too high; None where no step came to one.
    is_the_senders
        It was too high for the sender: the receiver's limit is higher, nobody knows how much.
    tries
        All tries, in their order.
    """

    rate: float
    bound: float | None
    is_the_senders: bool
    tries: tuple[Try, ...]


def find(
    attempt: Callable[[float], Outcome], guess: float, most_steps: int = 8, resolution: float = RESOLUTION
) -> Limit:
    """Find the limit by bisection.

    Parameters
    ----------
    attempt
        Tries a rate.
    guess
        The rate to begin with.
    most_steps
        Rates that are tried at most, each once or twice.
    resolution
        See `RESOLUTION`.
    """
    tries: list[Try] = []
    whole, bound, is_the_senders, rate = 0.0, None, False, guess
    for _ in range(most_steps):
        outcome = _judge(attempt, rate, tries)
        if outcome == "whole":
            whole = rate
        else:
            bound, is_the_senders = rate, outcome == "not_sent"
        if bound is not None and bound <= whole * (1 + resolution):
            break
        rate = _next(whole, bound)
    return Limit(whole, bound, is_the_senders, tuple(tries))


def _judge(attempt: Callable[[float], Outcome], rate: float, tries: list[Try]) -> Outcome:
    for _ in range(2):
        tries.append(Try(rate, attempt(rate)))
        if tries[-1].outcome == "whole":
            break
    return tries[-1].outcome


def _next(whole: float, bound: float | None) -> float:
    if bound is None:
        return whole * _GROWTH
    return sqrt(whole * bound) if whole > 0 else bound / 2
