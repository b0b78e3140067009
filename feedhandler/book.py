"""Books: what order events, levels and quotes make of each instrument, and how far it can be trusted.

Stands behind batch: `Books` is given every batch of a feed or file, in order, and keeps its books in Rust. A
book is only ever `BookState.GOOD` where everything that it is made of was heard; ``docs/books.md`` says when.
"""

import operator
from dataclasses import dataclass
from pathlib import Path
from typing import SupportsIndex

import msgspec
import numpy as np

from feedhandler import _core
from feedhandler.batch import Batch
from feedhandler.book_state import BookCounters, BookState
from feedhandler.errors import AmbiguousInstrumentError, BookError, UnknownInstrumentError
from feedhandler.protocol import Protocol, load
from feedhandler.protocol.book_fields import price_scale
from feedhandler.tables import Table, dtype_of, view_of
from feedhandler.toml import nearest

NO_PRICE = _core.NO_PRICE
"""What an integer price column of `Books.bbo` holds where a side is empty; a float column holds NaN there."""

_ALL_LEVELS = (1 << 63) - 1
_NUMBER_LIMIT = 1 << 64


@dataclass(frozen=True, slots=True, eq=False)
class Depth:
    """The price levels of an instrument, as they were when it was asked for.

    Parameters
    ----------
    state
        How far they can be trusted.
    since_seq
        Sequence number of the message or loss that brought the state; 0 where a batch was left out.
    bids, asks
        Levels, best first: columns ``price`` (i8, scaled by `Books.price_scale`; or f8), ``size`` (u8, or f8)
        and ``orders`` (u4; 0 where the venue tells levels). Read-only views without a copy.
    """

    state: BookState
    since_seq: int
    bids: Table
    asks: Table


class Books:
    """Books of every instrument of a feed or file, kept from its batches.

    Give it every batch, in order: what a batch that was left out had to say is lost, and its books turn
    `BookState.STALE`. Safe to ask from other threads while one applies.

    Parameters
    ----------
    protocol
        Of the batches to come: a protocol, the name of a shipped one, or the path of a declaration.
    instruments
        Instruments at most, over all channels.
    orders
        Orders that may rest in the books of a channel at most.
    levels
        Price levels that a side may have at most.

    Raises
    ------
    BookError
        The protocol does not say what its messages do to books.
    ValueError
        A limit is not positive.
    UnknownProtocolError, DeclarationError
        There is no such protocol, or its declaration is wrong.

    Examples
    --------
    >>> import feedhandler as fh
    >>> with fh.open("configs/demo.toml") as feed:  # doctest: +SKIP
    ...     books = fh.Books(feed.protocol)
    ...     for batch in feed:
    ...         books.apply(batch)
    ...         for row in books.changed():
    ...             if row["state"] == fh.BookState.GOOD:
    ...                 print(row["symbol"], row["bid_price"], row["ask_price"])
    """

    def __init__(
        self,
        protocol: str | Path | Protocol,
        *,
        instruments: int = 1 << 16,
        orders: int = 1 << 24,
        levels: int = 1 << 14,
    ) -> None:
        if min(instruments, orders, levels) < 1:
            found = f"instruments {instruments}, orders {orders}, levels {levels}"
            raise ValueError(f"expected limits of at least 1, found {found}")
        self.protocol = protocol if isinstance(protocol, Protocol) else load(protocol)
        """What the batches are of."""
        book = self.protocol.book
        self.price_scale = None if book is None else price_scale(book, self.protocol.messages)
        """Decimal places of the price columns: with 4, 1234500 is 123.45. None where prices have no scale."""
        if self.protocol.spec.book is None:
            raise BookError(
                f"books of {self.protocol.name}",
                "a protocol whose messages are orders, levels or quotes",
                "a [book] section of trades only" if self.protocol.book else "no [book] section",
            )
        self._core = _core.Books(self.protocol.plan, instruments=instruments, orders=orders, levels=levels)
        self._bbo_dtype = dtype_of(self._core.bbo_layout)
        self._level_dtype = dtype_of(self._core.level_layout)
        self._last_protocol = self.protocol

    def apply(self, batch: Batch) -> None:
        """Do to the books what a batch says, messages and events in the order of arrival, without the GIL.

        Raises
        ------
        BookError
            The batch is of another protocol; the books are as they were.
        """
        self._check(batch.protocol)
        self._core.apply(batch.core)

    @property
    def bbo(self) -> Table:
        """Best bid and offer of every instrument, in the order of appearance, as they are now.

        The venue's own quote where it sends one, otherwise the best of the levels. Columns:

        - ``channel`` (u2), ``state`` (u1, `BookState`);
        - ``instrument`` (u8 or text) as messages name it, and ``symbol`` (text);
        - ``bid_price``, ``ask_price`` (i8, scaled by `price_scale`, and `NO_PRICE` where there is none; or f8
          and NaN), ``bid_size``, ``ask_size`` (u8 or f8, 0 where there is none), ``bid_orders``,
          ``ask_orders`` (u4, 0 where the venue does not tell orders);
        - ``seq`` (u8) and ``ts_recv_ns`` (u8, Unix epoch) of the last message about the instrument in this
          session, 0 before it;
        - ``since_seq`` (u8): of the message or loss that brought the state, 0 where a batch was left out.
        """
        return view_of(self._core.bbo(), self._bbo_dtype)

    def changed(self) -> Table:
        """Return the rows of `bbo` that a message or a change of state concerned since the last call.

        An instrument is there once, however much happened to it, in the order of the first change.
        """
        return view_of(self._core.changed(), self._bbo_dtype)

    def best(self, instrument: str | bytes | SupportsIndex, *, channel: int | None = None) -> np.void:
        """Return the row of `bbo` of one instrument.

        Parameters
        ----------
        instrument
            Its symbol, or the name or number that messages give it.
        channel
            Its channel, where more than one has an instrument of that name.

        Raises
        ------
        UnknownInstrumentError
            Nothing of that name has come in this session; a `KeyError`.
        AmbiguousInstrumentError
            More than one channel has it.
        """
        row: np.void = self._row(self._number(instrument, channel))
        return row

    def depth(
        self, instrument: str | bytes | SupportsIndex, levels: int | None = 10, *, channel: int | None = None
    ) -> Depth:
        """Return the price levels of one instrument.

        They are made of orders, or of levels as the venue tells them. Where it sends quotes only, there are
        none, and the state is `BookState.BUILDING`: the quote is in `best`.

        Parameters
        ----------
        instrument, channel
            As in `best`, which see for the other errors.
        levels
            How many a side at most; None for all.

        Raises
        ------
        ValueError
            The number of levels is negative.
        """
        if levels is not None and levels < 0:
            raise ValueError(f"expected levels of at least 0, found {levels}")
        number = self._number(instrument, channel)
        found = self._core.depth(number, _ALL_LEVELS if levels is None else levels)
        assert found is not None, "instruments never go"
        state, since_seq, bids, asks = found
        sides = (view_of(rows, self._level_dtype) for rows in (bids, asks))
        return Depth(BookState(state), since_seq, *sides)

    def __contains__(self, instrument: object) -> bool:
        """Whether a book of that name or number is there, on any channel."""
        return isinstance(instrument, str | bytes | SupportsIndex) and bool(self._find(instrument))

    def __repr__(self) -> str:
        return f"<Books of {self.protocol.name}: {len(self.bbo)} instruments, {self.orders} orders>"

    @property
    def orders(self) -> int:
        """Orders that rest in all books."""
        return self._core.orders

    @property
    def counters(self) -> BookCounters:
        """What became of the messages so far."""
        return msgspec.json.decode(self._core.counters(), type=BookCounters)

    def _check(self, protocol: Protocol) -> None:
        """Look once at each protocol that batches bring: a feed's are all of the same object."""
        if protocol is self._last_protocol:
            return
        if protocol.spec != self.protocol.spec:
            expected, found = f"a batch of {self.protocol.name}", f"one of {protocol.name}"
            other = " by another declaration" if protocol.name == self.protocol.name else ""
            raise BookError(f"books of {self.protocol.name}", expected, found + other)
        self._last_protocol = protocol

    def _row(self, number: int) -> np.void:
        rows = self._core.bbo_of(number)
        assert rows is not None, "instruments never go"
        row: np.void = view_of(rows, self._bbo_dtype)[0]
        return row

    def _find(self, instrument: str | bytes | SupportsIndex) -> list[int]:
        if isinstance(instrument, str | bytes):
            return self._core.find_text(instrument.encode() if isinstance(instrument, str) else instrument)
        number = operator.index(instrument)
        return self._core.find_number(number) if 0 <= number < _NUMBER_LIMIT else []

    def _number(self, instrument: str | bytes | SupportsIndex, channel: int | None) -> int:
        channels = {int(self._row(number)["channel"]): number for number in self._find(instrument)}
        if channel is None and len(channels) == 1:
            return channels.popitem()[1]
        if channel in channels:
            return channels[channel]
        name = instrument.decode(errors="replace") if isinstance(instrument, bytes) else str(instrument)
        if channel is None and channels:
            raise AmbiguousInstrumentError(name, tuple(channels))
        raise UnknownInstrumentError(name, channel, self._nearest(name, channel))

    def _nearest(self, name: str, channel: int | None) -> str:
        """Return the hint at the nearest symbol, looked for among those of the same first letter."""
        rows = self.bbo
        here = rows if channel is None else rows[rows["channel"] == channel]
        symbols = (symbol.decode(errors="replace") for symbol in set(here["symbol"].tolist()))
        return nearest(name, sorted(symbol for symbol in symbols if symbol[:1] == name[:1]))
