"""A processor: best prices of a few instruments of the msgpack feed, from columns."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from rich.table import Table as Drawing
from rich.text import Text

from feedhandler.batch import Batch
from feedhandler.cli.tables import plain_table
from feedhandler.sink.values import decimal_text
from feedhandler.tables import Table

_PRICE_SCALE = 4
_DECIMALS_SHOWN = 2


class _Best(NamedTuple):
    bid_price: int
    ask_price: int
    bid_size: int
    ask_size: int


class BestPrices:
    """Keeps the last quote and trade of each instrument."""

    def __init__(self) -> None:
        self._symbols: dict[int, str] = {}
        self._quotes: dict[int, _Best] = {}
        self._trades: dict[int, int] = {}
        self._shown: dict[int, int] = {}

    @property
    def quoted(self) -> Mapping[int, tuple[int, int]]:
        """Bid and ask price of each instrument that was quoted."""
        return MappingProxyType({number: quote[:2] for number, quote in self._quotes.items()})

    def take(self, batch: Batch) -> None:
        """Note the quotes and trades of a batch."""
        for row in batch["instrument"]:
            self._symbols[int(row["instrument_id"])] = row["symbol"].decode()
        for row in _last_of_each(batch["quote"]):
            self._quotes[int(row["instrument_id"])] = _Best(*(int(row[name]) for name in _Best._fields))
        for row in _last_of_each(batch["trade"]):
            self._trades[int(row["instrument_id"])] = int(row["price"])

    def table(self) -> Drawing:
        """Draw the prices, and which way they went since they were drawn last."""
        columns = ("instrument", "", "bid size", "bid", "ask", "ask size", "last trade")
        table = plain_table("best prices", *columns, words=2)
        for number, best in sorted(self._quotes.items()):
            middle = best.bid_price + best.ask_price
            move = np.sign(middle - self._shown.get(number, middle))
            arrow = (Text("·"), Text("▲", "green"), Text("▼", "red"))[move]
            self._shown[number] = middle
            prices = (
                f"{best.bid_size:,}",
                _price(best.bid_price),
                _price(best.ask_price),
                f"{best.ask_size:,}",
            )
            trade = self._trades.get(number)
            table.add_row(self._name(number), arrow, *prices, "—" if trade is None else _price(trade))
        return table

    def line(self) -> str:
        """Return the prices as one line."""
        quotes = sorted(self._quotes.items())
        prices = (f"{_price(best.bid_price)}/{_price(best.ask_price)}" for _, best in quotes)
        return "  ".join(
            f"{self._name(number)} {both}" for (number, _), both in zip(quotes, prices, strict=True)
        )

    def _name(self, number: int) -> str:
        return self._symbols.get(number, str(number))


def _last_of_each(rows: Table) -> Table:
    """Return the last row of each instrument."""
    backwards = rows[::-1]
    _, first = np.unique(backwards["instrument_id"], return_index=True)
    return backwards[first]


def _price(scaled: int) -> str:
    return decimal_text(scaled, _PRICE_SCALE)[: _DECIMALS_SHOWN - _PRICE_SCALE]
