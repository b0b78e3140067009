"""The true books of a synthetic session: what a receiver of every message must end with."""

import msgspec


class TrueLevel(msgspec.Struct, frozen=True):
    """The orders of a side at a price.

    Parameters
    ----------
    price
        The price, scaled by `TrueBooks.price_scale`.
    size
        All sizes together.
    orders
        Number and size of each order, the earliest first.
    """

    price: int
    size: int
    orders: tuple[tuple[int, int], ...]


class TrueQuote(msgspec.Struct, frozen=True):
    """The last quote that was told of an instrument; a side without orders has no price, and the size 0."""

    bid_price: int | None
    ask_price: int | None
    bid_size: int
    ask_size: int
    exchange_time_ns: int


class TrueBook(msgspec.Struct, frozen=True):
    """The book of an instrument.

    Parameters
    ----------
    instrument
        Its number.
    symbol
        Its name.
    bids, asks
        Levels, best first.
    quote
        The last quote that was told, in protocols that have quotes.
    """

    instrument: int
    symbol: str
    bids: tuple[TrueLevel, ...]
    asks: tuple[TrueLevel, ...]
    quote: TrueQuote | None


class TrueBooks(msgspec.Struct, frozen=True):
    """All books, and what they are of.

    Parameters
    ----------
    protocol
        Name of the protocol.
    seed
        What the market was made of.
    session
        Name of the session.
    next_sequence
        The first number that is not in the books.
    price_scale
        Decimal places of prices: with 4, 1234500 is 123.45.
    books
        The book of each instrument, in the order of their numbers.
    """

    protocol: str
    seed: int
    session: str
    next_sequence: int
    price_scale: int
    books: tuple[TrueBook, ...]
