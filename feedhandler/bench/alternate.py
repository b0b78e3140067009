"""Taking turns: every contender runs in every round, so that what disturbs one disturbs all of them."""

import time
from collections.abc import Callable, Mapping
from statistics import median, quantiles

import msgspec


class Round(msgspec.Struct, frozen=True):
    """What a contender did in one round."""

    messages_per_s: float


class Rate(msgspec.Struct, frozen=True):
    """How fast a contender was.

    Parameters
    ----------
    messages_per_s
        Median over the rounds.
    spread
        Distance between the quartiles, as a part of the median.
    ratio
        Median over the rounds of ours to it, in the same round.
    rounds
        Each of them.
    """

    messages_per_s: float
    spread: float
    ratio: float
    rounds: tuple[Round, ...] = ()


def alternate(
    contenders: Mapping[str, Callable[[], int]], ours: str, rounds: int, seconds: float
) -> dict[str, Rate]:
    """Run each contender for about `seconds` in each of `rounds` rounds.

    Parameters
    ----------
    contenders
        By name: does its work once, and returns how many messages it did.
    ours
        The one that the others are compared with.
    rounds, seconds
        How often, and how long.
    """
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            rates[name].append(_rate(work, seconds))
    return {name: _summary(rates[name], rates[ours]) for name in contenders}


def _rate(work: Callable[[], int], seconds: float) -> float:
    messages, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        messages += work()
    return messages / elapsed


def _summary(rates: list[float], ours: list[float]) -> Rate:
    low, _, high = quantiles(rates, n=4) if len(rates) > 1 else (rates[0],) * 3
    middle = median(rates)
    ratio = median(mine / theirs for mine, theirs in zip(ours, rates, strict=True))
    rounds = tuple(Round(round(rate, 1)) for rate in rates)
    return Rate(round(middle, 1), round((high - low) / middle, 3), round(ratio, 3), rounds)
