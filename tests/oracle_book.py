"""Books kept the slow and obvious way, from the columns of batches and the protocol's declaration.

Orders are a list that is searched from one end to the other; levels are found by looking at every order. For
books of orders that name their instrument, of levels, and of quotes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from feedhandler import Batch, BookState, EventKind, Protocol
from feedhandler.book import NO_PRICE
from feedhandler.protocol import Action, Event

Level = tuple[int, int, int]
"""Price, size and number of orders."""
Quote = tuple[Level | None, Level | None]
Row = tuple[Any, ...]
"""A row of `Books.bbo`."""

BID, ASK = 0, 1
_UNTOUCHED = frozenset({Action.TRADE, Action.TRADE_BREAK})


class MisfitError(Exception):
    """A message does not fit the book."""


@dataclass
class Order:
    id: int
    side: int
    price: int
    size: int


@dataclass
class Instrument:
    """An instrument and what is known of it in the present session."""

    channel: int
    name: int | bytes
    symbol: bytes = b""
    orders: list[Order] = field(default_factory=list)
    levels: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))
    before: Quote | None = None
    state: BookState | None = None
    since: int = 0
    quote: Quote | None = None
    quote_state: BookState = BookState.GOOD
    quote_since: int = 0
    seq: int = 0
    ts_recv_ns: int = 0

    def side(self, side: int) -> list[Level]:
        """Return the levels of a side, best first."""
        prices = {order.price for order in self.orders if order.side == side}
        made = [(price, *self._at(side, price)) for price in prices]
        told = [(price, size, 0) for price, size in self.levels[side].items()]
        return sorted(made + told, reverse=side == BID)

    def _at(self, side: int, price: int) -> tuple[int, int]:
        sizes = [order.size for order in self.orders if (order.side, order.price) == (side, price)]
        return sum(sizes), len(sizes)

    def best(self) -> Quote:
        """Return the best of the levels; while a change is going on, those from before it."""
        bids, asks = self.side(BID), self.side(ASK)
        return self.before or (bids[0] if bids else None, asks[0] if asks else None)

    def ladder_state(self) -> BookState:
        if self.state is None:
            return BookState.BUILDING
        if self.state is BookState.GOOD and self.before is not None:
            return BookState.CHANGING
        return crossed_or(self.state, self.best())

    def lose(self, state: BookState, seq: int) -> bool:
        """Take the trust in orders or levels away; whether there was any."""
        if self.state is not BookState.GOOD:
            return False
        self.state, self.since = state, seq
        return True

    def lose_quote(self, seq: int) -> bool:
        if self.quote is None or self.quote_state is not BookState.GOOD:
            return False
        self.quote_state, self.quote_since = BookState.STALE, seq
        return True

    def row(self) -> Row:
        """Return what `Books.bbo` should say."""
        if self.quote is not None:
            best, state, since = self.quote, crossed_or(self.quote_state, self.quote), self.quote_since
        else:
            best, state, since = self.best(), self.ladder_state(), self.since
        bid, ask = (level or (NO_PRICE, 0, 0) for level in best)
        symbol = self.symbol or (self.name if isinstance(self.name, bytes) else b"")
        times = (self.seq, self.ts_recv_ns, since)
        return (self.channel, int(state), self.name, symbol, *bid, *ask, *times)


def clear(instrument: Instrument) -> None:
    instrument.orders, instrument.levels, instrument.before = [], ({}, {}), None
    instrument.state, instrument.since = BookState.GOOD, instrument.seq
    if instrument.quote is not None:
        instrument.quote = (None, None)
        instrument.quote_state, instrument.quote_since = BookState.GOOD, instrument.seq


def crossed_or(state: BookState, best: Quote) -> BookState:
    bid, ask = best
    is_crossed = bid is not None and ask is not None and bid[0] > ask[0]
    return BookState.CROSSED if state is BookState.GOOD and is_crossed else state


@dataclass
class Channel:
    """What was heard of a channel's session."""

    is_whole: bool = False
    broken_since: int | None = None


class Oracle:
    """See the module's documentation."""

    def __init__(self, protocol: Protocol) -> None:
        assert protocol.book is not None
        self.protocol = protocol
        self.book = protocol.book
        self.has_directory = any(event.action is Action.DIRECTORY for event in protocol.book.events.values())
        self.instruments: list[Instrument] = []
        self.by_name: dict[tuple[int, int | bytes], Instrument] = {}
        self.channels: dict[int, Channel] = {}
        self.changed: dict[tuple[int, int | bytes], Instrument] = {}

    def apply(self, batch: Batch) -> None:
        messages = list(batch.rows())
        done = 0
        for event in batch.events:
            position = int(event["position"])
            for name, row in messages[done:position]:
                self.take(name, row)
            self.happen(event)
            done = position
        for name, row in messages[done:]:
            self.take(name, row)

    def take_changed(self) -> list[Row]:
        rows = [instrument.row() for instrument in self.changed.values()]
        self.changed = {}
        return rows

    def happen(self, event: Any) -> None:
        channel, first = int(event["channel"]), int(event["first"])
        if event["kind"] == EventKind.SESSION_START:
            self.channels[channel] = Channel(is_whole=first == self.protocol.spec.framing.first_sequence)
            for instrument in self.of(channel):
                fresh = Instrument(channel, instrument.name)
                instrument.__dict__.update(fresh.__dict__)
                self.note(instrument)
        elif event["kind"] == EventKind.GAP:
            heard = self.channels.setdefault(channel, Channel())
            if heard.is_whole:
                heard.is_whole, heard.broken_since = False, first
            for instrument in self.of(channel):
                ladder = instrument.lose(BookState.STALE, first)
                if instrument.lose_quote(first) or ladder:
                    self.note(instrument)

    def of(self, channel: int) -> Iterator[Instrument]:
        return (instrument for instrument in self.instruments if instrument.channel == channel)

    def note(self, instrument: Instrument) -> None:
        self.changed.setdefault((instrument.channel, instrument.name), instrument)

    def take(self, name: str, row: Any) -> None:
        event = self.book.events.get(name)
        if event is None or event.action in _UNTOUCHED:
            return
        if event.action is Action.CLEAR_ALL:
            self.clear_all(row)
            return
        instrument = self.meet(int(row["channel"]), row[event.instrument].item())
        if event.action not in {Action.QUOTE, Action.CLEAR}:
            self.begin(instrument, int(row["seq"]), event.action is Action.DIRECTORY)
        instrument.seq, instrument.ts_recv_ns = int(row["seq"]), int(row["ts_recv_ns"])
        self.note(instrument)
        try:
            self.enact(event, instrument, row)
        except MisfitError:
            instrument.lose(BookState.INCONSISTENT, int(row["seq"]))

    def clear_all(self, row: Any) -> None:
        """Every book of the channel is empty, and all that comes from now on is all there is."""
        channel = int(row["channel"])
        self.channels[channel] = Channel(is_whole=True)
        for instrument in self.of(channel):
            instrument.seq, instrument.ts_recv_ns = int(row["seq"]), int(row["ts_recv_ns"])
            clear(instrument)
            self.note(instrument)

    def meet(self, channel: int, name: int | bytes) -> Instrument:
        self.channels.setdefault(channel, Channel())
        if (channel, name) not in self.by_name:
            self.by_name[channel, name] = Instrument(channel, name)
            self.instruments.append(self.by_name[channel, name])
        return self.by_name[channel, name]

    def begin(self, instrument: Instrument, seq: int, is_directory: bool) -> None:
        """The first message of a session says whether the book can be whole."""
        if instrument.state is not None:
            return
        heard = self.channels[instrument.channel]
        if heard.broken_since is not None:
            instrument.state, instrument.since = BookState.STALE, heard.broken_since
        else:
            is_good = heard.is_whole and (is_directory or not self.has_directory)
            instrument.state, instrument.since = BookState.GOOD if is_good else BookState.BUILDING, seq

    def enact(self, event: Event, instrument: Instrument, row: Any) -> None:
        def value(role: str) -> Any:
            return row[getattr(event, role)].item()

        match event.action:
            case Action.LEVEL:
                instrument.before = None if value("complete") else instrument.best()
                levels = instrument.levels[self.side(value("side"))]
                levels[value("price")] = value("size")
                if value("size") == 0:
                    del levels[value("price")]
            case Action.QUOTE:
                sides = (level(value(f"{side}_price"), value(f"{side}_size")) for side in ("bid", "ask"))
                instrument.quote = (next(sides), next(sides))
                instrument.quote_state, instrument.quote_since = BookState.GOOD, instrument.seq
            case Action.DIRECTORY:
                instrument.symbol = value("symbol")
            case Action.CLEAR:
                clear(instrument)
            case _:
                self.enact_order(event, instrument, value)

    def enact_order(self, event: Event, instrument: Instrument, value: Callable[[str], Any]) -> None:
        def take_out() -> Order:
            for order in instrument.orders:
                if order.id == value("order_id"):
                    instrument.orders.remove(order)
                    return order
            raise MisfitError

        def rest(number: int, side: int, price: int, size: int) -> None:
            if size == 0:
                raise MisfitError
            old = [order for order in instrument.orders if order.id == number]
            instrument.orders = [order for order in instrument.orders if order.id != number]
            instrument.orders.append(Order(number, side, price, size))
            if old:
                raise MisfitError

        match event.action:
            case Action.ADD:
                rest(value("order_id"), self.side(value("side")), value("price"), value("size"))
            case Action.REDUCE | Action.EXECUTE:
                order = take_out()
                if value("size") < order.size:
                    order.size -= value("size")
                    instrument.orders.append(order)
                elif value("size") > order.size:
                    raise MisfitError
            case Action.MODIFY:
                order = take_out()
                order.price = order.price if event.price is None else value("price")
                order.size = value("size")
                instrument.orders += [order] if order.size else []
            case Action.REPLACE:
                old = take_out()
                rest(value("new_order_id"), old.side, value("price"), value("size"))
            case Action.DELETE:
                take_out()
            case other:
                raise AssertionError(f"{other} is no action on an order")

    def side(self, value: int | bytes) -> int:
        if value in self.book.buy:
            return BID
        if value in self.book.sell:
            return ASK
        raise MisfitError


def level(price: int, size: int) -> Level | None:
    return (price, size, 0) if size > 0 else None
