"""A small synthetic market: instruments whose quotes walk on ticks, and trades against them.

The message types of `generator` are made of it. Everything but the times comes from the seed.
"""

from itertools import accumulate
from random import Random
from typing import NamedTuple

PRICE_SCALE = 4
"""Decimal places of the prices: 1234500 is 123.45."""

BUY, SELL = 1, 2
"""Aggressor sides of the wire format."""

_SYMBOLS = ("ACME", "BOLT", "CRUX", "DUNE", "ECHO", "FLUX", "GRIT", "HALO")
_TICK_SIZE = 100
_LOT_SIZE = 100
_TRADES_PER_MESSAGE = 0.15
_MEAN_LOTS = 4
_WIDEST_SPREAD_TICKS = 4


class Instrument(NamedTuple):
    """An instrument, in the order of the wire format's fields."""

    instrument_id: int
    symbol: str
    currency: str
    tick_size: int
    lot_size: int
    exchange_time_ns: int


class Quote(NamedTuple):
    """The best bid and offer of an instrument, in the order of the wire format's fields."""

    instrument_id: int
    bid_price: int
    ask_price: int
    bid_size: int
    ask_size: int
    exchange_time_ns: int


class Trade(NamedTuple):
    """A trade, in the order of the wire format's fields."""

    instrument_id: int
    price: int
    size: int
    aggressor_side: int
    trade_id: int
    exchange_time_ns: int


class Market:
    """Quotes and trades of a few instruments, some busier than others.

    Parameters
    ----------
    seed
        Makes the market: the same seed gives the same prices, sizes and order of events.
    instruments
        How many there are.

    Raises
    ------
    ValueError
        There is to be no instrument.
    """

    def __init__(self, seed: int, instruments: int) -> None:
        if instruments < 1:
            raise ValueError(f"expected at least one instrument, found {instruments}")
        self._random = Random(seed)  # noqa: S311 — a reproducible market, no secret
        self._ids = range(1, instruments + 1)
        self._busyness = list(accumulate(1 / number for number in self._ids))
        self._trades = 0
        self._quotes = {number: self._opening_quote(number) for number in self._ids}

    @property
    def instrument_ids(self) -> range:
        """The instruments by number, the busiest first."""
        return self._ids

    def definition(self, instrument_id: int, exchange_time_ns: int) -> Instrument:
        """Say what an instrument is."""
        symbol = _symbol(instrument_id)
        return Instrument(instrument_id, symbol, "USD", _TICK_SIZE, _LOT_SIZE, exchange_time_ns)

    def next_event(self, exchange_time_ns: int) -> Quote | Trade:
        """Let one thing happen, at a time."""
        (instrument_id,) = self._random.choices(self._ids, cum_weights=self._busyness)
        quote = self._quotes[instrument_id]
        if self._random.random() < _TRADES_PER_MESSAGE:
            return self._trade(quote, exchange_time_ns)
        moved = self._moved(quote, exchange_time_ns)
        self._quotes[instrument_id] = moved
        return moved

    def _opening_quote(self, instrument_id: int) -> Quote:
        bid_price = self._random.randint(2_000, 50_000) * _TICK_SIZE
        return Quote(instrument_id, bid_price, bid_price + _TICK_SIZE, self._size(), self._size(), 0)

    def _moved(self, quote: Quote, exchange_time_ns: int) -> Quote:
        bid_ticks = quote.bid_price // _TICK_SIZE + self._random.choice((-1, 0, 0, 0, 1))
        ask_ticks = quote.ask_price // _TICK_SIZE + self._random.choice((-1, 0, 0, 0, 1))
        bid_ticks = max(bid_ticks, 1)
        ask_ticks = min(max(ask_ticks, bid_ticks + 1), bid_ticks + _WIDEST_SPREAD_TICKS)
        return Quote(
            quote.instrument_id,
            bid_ticks * _TICK_SIZE,
            ask_ticks * _TICK_SIZE,
            self._size(),
            self._size(),
            exchange_time_ns,
        )

    def _trade(self, quote: Quote, exchange_time_ns: int) -> Trade:
        self._trades += 1
        side = self._random.choice((BUY, SELL))
        price = quote.ask_price if side == BUY else quote.bid_price
        size = min(self._size(), quote.ask_size if side == BUY else quote.bid_size)
        return Trade(quote.instrument_id, price, size, side, self._trades, exchange_time_ns)

    def _size(self) -> int:
        return _LOT_SIZE * (1 + int(self._random.expovariate(1 / _MEAN_LOTS)))


def _symbol(instrument_id: int) -> str:
    turn, place = divmod(instrument_id - 1, len(_SYMBOLS))
    return f"{_SYMBOLS[place]}{turn or ''}"
