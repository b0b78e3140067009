"""A processor: best prices of a few instruments of the msgpack feed, from columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from rich.table import Table as Drawing

from feedhandler.batch import Batch
from feedhandler.book import NO_PRICE
from feedhandler.cli.tables import plain_table
from feedhandler.sink.values import decimal_text
from feedhandler.tables import Table

_PRICE_SCALE = 4
_DECIMALS_SHOWN = 2


class Best(NamedTuple):
    """The best bid and offer of an instrument, in scaled integers; none where a side is empty."""

    bid_price: int | None
    ask_price: int | None
    bid_size: int
    ask_size: int


class BestPrices:
    """Keeps the last quote and trade of each instrument."""

    def __init__(self) -> None:
        self._symbols: dict[int, str] = {}
        self._quotes: dict[int, Best] = {}
        self._trades: dict[int, int] = {}
        self._shown: dict[int, int] = {}

    @property
    def quotes(self) -> Mapping[int, Best]:
        """Last quote of each instrument."""
        return MappingProxyType(self._quotes)

    def take(self, batch: Batch) -> None:
        """Note the quotes and trades of a batch."""
        for number, symbol in _columns(batch["instrument"], "instrument_id", "symbol"):
            self._symbols[number] = symbol.decode()
        for number, bid, ask, *sizes in _columns(batch["quote"], "instrument_id", *Best._fields):
            self._quotes[number] = Best(_present(bid), _present(ask), *sizes)
        for number, price in _columns(batch["trade"], "instrument_id", "price"):
            self._trades[number] = price

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the prices, and which way they went since they were asked for last; see `prices_table`."""
        for number, best in sorted(self._quotes.items()):
            middle = (best.bid_price or 0) + (best.ask_price or 0)
            before = self._shown.get(number, middle)
            self._shown[number] = middle
            move = "▲" if middle > before else "▼" if middle < before else "·"
            prices = (
                f"{best.bid_size:,}",
                _price(best.bid_price),
                _price(best.ask_price),
                f"{best.ask_size:,}",
            )
            yield self._name(number), move, *prices, _price(self._trades.get(number))

    def line(self) -> str:
        """Return the prices as one line."""
        return "  ".join(
            f"{self._name(number)} {_price(best.bid_price)}/{_price(best.ask_price)}"
            for number, best in sorted(self._quotes.items())
        )

    def _name(self, number: int) -> str:
        return self._symbols.get(number, str(number))


def prices_table(rows: Iterable[Sequence[str]]) -> Drawing:
    """Draw rows of best prices."""
    columns = ("instrument", "", "bid size", "bid", "ask", "ask size", "last trade")
    table = plain_table("best prices", *columns, words=2)
    for row in rows:
        table.add_row(*row)
    return table


def _columns(rows: Table, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(rows[name].tolist() for name in names), strict=True)


def _present(price: int) -> int | None:
    return None if price == NO_PRICE else price


def _price(scaled: int | None) -> str:
    if scaled is None:
        return "—"
    return decimal_text(scaled, _PRICE_SCALE)[: _DECIMALS_SHOWN - _PRICE_SCALE]
