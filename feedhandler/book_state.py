"""What books tell of themselves: how far each can be trusted, and what became of the messages.

`feedhandler.book` hands it out. The numbers are Rust's; only the names are said here.
"""

from enum import IntEnum

import msgspec

from feedhandler import _core

_STATES = {name: number for number, name in _core.book_states()}


class BookState(IntEnum):
    """How far a book can be trusted: the column ``state`` of `Books.bbo`. Act on `GOOD` only."""

    BUILDING = _STATES["building"]
    """What was there before may be missing: the session was not heard from its first number, or the
    instrument was not introduced first, or nothing has come yet."""
    GOOD = _STATES["good"]
    """The book is what the messages so far say, and none is missing."""
    CHANGING = _STATES["changing"]
    """More messages of the same change are to come; best bid and offer are those from before it."""
    CROSSED = _STATES["crossed"]
    """Nothing is missing, but the best bid is above the best offer, as in a halt."""
    STALE = _STATES["stale"]
    """Messages were lost. Orders and levels stay so until the session starts again or the venue clears the
    book, a quote until the next."""
    INCONSISTENT = _STATES["inconsistent"]
    """A message contradicted the book. It stays so for as long as a stale one does."""
    OVERFLOW = _STATES["overflow"]
    """There was no room for a part of the book. It stays so for as long as a stale one does."""


class MisfitCounters(msgspec.Struct, frozen=True):
    """Messages that did not fit a book, by what was wrong."""

    unknown_order: int
    duplicate_order: int
    size_exceeded: int
    unknown_side: int
    unusable_number: int

    @property
    def sum(self) -> int:
        """All of them."""
        return sum(msgspec.structs.astuple(self))


class OverflowCounters(msgspec.Struct, frozen=True):
    """Messages that there was no room for, by what was full."""

    orders: int
    instruments: int
    levels: int

    @property
    def sum(self) -> int:
        """All of them."""
        return sum(msgspec.structs.astuple(self))


class BookCounters(msgspec.Struct, frozen=True):
    """What became of every message that books were given.

    ``messages = without_part + applied + contradictions + explained + overflow``.

    Parameters
    ----------
    messages
        Messages in all batches.
    without_part
        Have no part in a book, such as trades.
    applied
        Done to a book as they say.
    contradictions
        Contradicted a book that should have been whole, and is inconsistent since.
    explained
        Did not fit a book that is known not to be whole, which explains it.
    overflow
        There was no room for them.
    sessions, losses
        Sessions that started and losses that were told, over all channels.
    batches_out_of_order
        Batches that were not the one behind the last: each is a loss on every channel.
    """

    messages: int
    without_part: int
    applied: int
    contradictions: MisfitCounters
    explained: MisfitCounters
    overflow: OverflowCounters
    sessions: int
    losses: int
    batches_out_of_order: int

    @property
    def is_balanced(self) -> bool:
        """Whether every message is accounted for."""
        failed = self.contradictions.sum + self.explained.sum + self.overflow.sum
        return self.messages == self.without_part + self.applied + failed
