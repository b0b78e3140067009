"""The search for the receive limit, on receivers whose limit is known."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from feedhandler.bench.limit import RESOLUTION, Limit, Outcome, find

_rates = st.floats(1e3, 1e7)
_ENOUGH_STEPS = 64


def _receiver(limit: float, sender: float = float("inf")) -> Callable[[float], Outcome]:
    def attempt(rate: float) -> Outcome:
        if rate > limit:
            return "lost"
        return "whole" if rate <= sender else "not_sent"

    return attempt


def _is_found(found: Limit, limit: float) -> bool:
    return found.rate <= limit <= found.rate * (1 + RESOLUTION)


@given(limit=_rates, guess=_rates)
def test_the_limit_is_found_from_any_guess(limit: float, guess: float) -> None:
    found = find(_receiver(limit), guess, _ENOUGH_STEPS)

    assert _is_found(found, limit)
    assert not found.is_the_senders


@given(limit=_rates, guess=_rates, hiccups=st.data())
def test_a_hiccup_is_not_taken_for_the_limit(limit: float, guess: float, hiccups: st.DataObject) -> None:
    receiver, has_hiccuped = _receiver(limit), False

    def attempt(rate: float) -> Outcome:
        nonlocal has_hiccuped
        has_hiccuped = not has_hiccuped and hiccups.draw(st.booleans())
        return "lost" if has_hiccuped else receiver(rate)

    assert _is_found(find(attempt, guess, _ENOUGH_STEPS), limit)


@given(limit=_rates, guess=_rates)
def test_what_loses_twice_is_over_the_limit(limit: float, guess: float) -> None:
    tries = find(_receiver(limit), guess, _ENOUGH_STEPS).tries

    lost = [each.rate for each in tries if each.outcome == "lost"]
    assert all(lost.count(rate) == 2 for rate in lost)


@given(limit=_rates, sender=_rates, guess=_rates)
def test_a_sender_that_is_too_slow_is_told(limit: float, sender: float, guess: float) -> None:
    found = find(_receiver(limit, sender), guess, _ENOUGH_STEPS)

    assert _is_found(found, min(limit, sender))
    assert found.is_the_senders == (found.bound is not None and sender < found.bound <= limit)


@given(limit=_rates, guess=_rates, most_steps=st.integers(1, 12))
def test_steps_are_bounded_and_what_is_told_was_tried(limit: float, guess: float, most_steps: int) -> None:
    found = find(_receiver(limit), guess, most_steps)

    assert len({each.rate for each in found.tries}) <= most_steps
    assert found.rate == max((each.rate for each in found.tries if each.outcome == "whole"), default=0)
    assert found.bound is None or found.rate < found.bound


def test_where_everything_is_lost_there_is_no_limit() -> None:
    assert find(lambda _: "lost", 1_000, most_steps=4).rate == 0
