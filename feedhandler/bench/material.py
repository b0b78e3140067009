"""What benchmarks decode: seeded packets with the values, and so the widths, that a market has."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from struct import Struct
from typing import Final

import msgpack

from feedhandler.bench.sender import Packet

_SEED: Final = 20_250_131
_OPEN_NS: Final = 1_738_333_800_000_000_000
_MEAN_GAP_NS: Final = 9_000
_TICKS_PER_CENT: Final = 100

_QUOTE: Final = 1
_INSTRUMENTS: Final = 9_000
_EMPTY_SIDE: Final = 0.001
_LOT: Final = 100
_ODD_LOT: Final = 0.15
_ONE_LOT: Final = 0.45


class _Market:
    """Instruments of very different prices, a few of them far busier than the rest."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 — a reproducible feed, no secret
        self._cents = [max(20, int(self.random.lognormvariate(8.3, 1.1))) for _ in range(_INSTRUMENTS)]
        self._by_activity = self.random.sample(range(1, _INSTRUMENTS + 1), _INSTRUMENTS)
        self.now_ns = _OPEN_NS

    def instrument(self) -> int:
        """Pick an instrument, a busy one more often than a quiet one."""
        return self._by_activity[min(int(self.random.paretovariate(0.45)), _INSTRUMENTS) - 1]

    def price(self, instrument: int) -> int:
        """Move an instrument's price by a cent or so; in ten thousandths."""
        cents = self._cents[instrument - 1] + self.random.choice((-1, 0, 0, 0, 1))
        self._cents[instrument - 1] = max(20, cents)
        return self._cents[instrument - 1] * _TICKS_PER_CENT

    def size(self) -> int:
        """Draw a size: mostly one lot, some lots, sometimes an odd number."""
        draw = self.random.random()
        if draw < _ODD_LOT:
            return self.random.randrange(1, _LOT)
        if draw < _ODD_LOT + _ONE_LOT:
            return _LOT
        return _LOT * min(1 + int(self.random.paretovariate(1.1)), 500)

    def tick(self) -> int:
        """Let time pass until the next event, and tell it."""
        self.now_ns += int(self.random.expovariate(1 / _MEAN_GAP_NS))
        return self.now_ns


def quotes(packets: int, messages: int = 33, seed: int = _SEED) -> Iterator[tuple[bytes, list[bytes]]]:
    """Make packets of quotes of our own msgpack feed.

    Parameters
    ----------
    packets
        How many.
    messages
        Quotes in each.
    seed
        Makes the market.

    Yields
    ------
    tuple
        The packet, and the messages in it one by one.
    """
    market = _Market(seed)
    pack = msgpack.Packer(autoreset=True).pack
    for packet in range(packets):
        bodies = [pack(_quote(market)) for _ in range(messages)]
        header = pack((0, "BENCH", 1 + packet * messages, messages, market.now_ns))
        yield header + b"".join(bodies), bodies


def quotes_packet(messages: int) -> Packet:
    """Make a packet of quotes to be sent again and again, its numbers eight bytes wide.

    Parameters
    ----------
    messages
        Quotes in it: about 50 bytes with one, 200 with 6, 900 with 33.
    """
    ((_, bodies),) = quotes(1, messages)
    head = b"\x95\x00" + msgpack.packb("BENCH") + b"\xcf"
    count = msgpack.packb(messages) + b"\xcf"
    content = head + bytes(8) + count + bytes(8) + b"".join(bodies)
    return Packet(
        content=content,
        sequence_offset=len(head),
        send_time_offset=len(head) + 8 + len(count),
        messages=messages,
    )


def _quote(market: _Market) -> tuple[int | None, ...]:
    instrument = market.instrument()
    bid = market.price(instrument)
    ask = bid + _TICKS_PER_CENT * market.random.choice((1, 1, 1, 2, 3))
    is_empty = market.random.random() < _EMPTY_SIDE
    return (_QUOTE, instrument, None if is_empty else bid, ask, market.size(), market.size(), market.tick())


ITCH_MIX: Final = {"A": 367, "U": 225, "F": 193, "D": 167, "E": 28, "X": 6, "P": 4, "C": 1}
"""How often each type comes: as in the first thousand messages of a real morning, 2019-12-30, 09:30:00."""

_HEAD: Final = ">cHHHI"
ITCH_LAYOUTS: Final = {
    "A": Struct(_HEAD + "QcI8sI"),
    "F": Struct(_HEAD + "QcI8sI4s"),
    "E": Struct(_HEAD + "QIQ"),
    "C": Struct(_HEAD + "QIQcI"),
    "X": Struct(_HEAD + "QI"),
    "D": Struct(_HEAD + "Q"),
    "U": Struct(_HEAD + "QQII"),
    "P": Struct(_HEAD + "QcI8sIQ"),
}
"""Layouts by type; the 48-bit timestamp is its upper 16 and its lower 32 bits."""

_MOLD_HEADER: Final = Struct(">10sQH")
_BLOCK_LENGTH: Final = Struct(">H")


def itch(packets: int, payload_bytes: int = 1_400, seed: int = _SEED) -> Iterator[bytes]:
    """Make MoldUDP64 packets of ITCH 5.0.

    Parameters
    ----------
    packets
        How many.
    payload_bytes
        What they have at most; each is as full as it can be.
    seed
        Makes the market.
    """
    market = _Market(seed)
    codes, weights = list(ITCH_MIX), list(ITCH_MIX.values())
    sequence, waiting = 1, b""
    for _ in range(packets):
        blocks = [waiting] if waiting else []
        size = _MOLD_HEADER.size + len(waiting)
        while True:
            message = _itch_message(market, market.random.choices(codes, weights)[0])
            waiting = _BLOCK_LENGTH.pack(len(message)) + message
            if size + len(waiting) > payload_bytes:
                break
            blocks.append(waiting)
            size += len(waiting)
        yield _MOLD_HEADER.pack(b"BENCH00001", sequence, len(blocks)) + b"".join(blocks)
        sequence += len(blocks)


def _itch_message(market: _Market, code: str) -> bytes:
    random = market.random
    instrument = market.instrument()
    time_ns = market.tick() - _OPEN_NS + 34_200_000_000_000
    head = (code.encode(), instrument, random.randrange(16), time_ns >> 32, time_ns & 0xFFFF_FFFF)
    order, match = random.getrandbits(30), random.getrandbits(24)
    side, stock = random.choice((b"B", b"S")), f"S{instrument:X}".ljust(8).encode()
    shares, price = market.size(), market.price(instrument)
    rest = {
        "A": (order, side, shares, stock, price),
        "F": (order, side, shares, stock, price, b"NITE"),
        "E": (order, shares, match),
        "C": (order, shares, match, b"Y", price),
        "X": (order, shares),
        "D": (order,),
        "U": (order, order + 7, shares, price),
        "P": (order, side, shares, stock, price, match),
    }
    return ITCH_LAYOUTS[code].pack(*head, *rest[code])


BOOK_SCHEMA: Final = Path(__file__).with_name("book.xml")
"""Schema of the incremental books, which `books` makes packets of and the decoder written by hand knows."""

_BOOK_HEADER: Final = Struct("<IQ")
_BOOK_MESSAGE: Final = Struct("<HHHHH")
_BOOK_ROOT: Final = Struct("<QB2x")
_ENTRIES: Final = Struct("<HB")
_ENTRY: Final = Struct("<qiiIiBBc5x")
_ORDER_IDS: Final = Struct("<H5xB")
_ORDER_ID: Final = Struct("<QiB3x")
_NANOS_PER_TICK: Final = 100_000
_MOST_ENTRIES: Final = 10
_ENTRIES_MIX: Final = {1: 75, 2: 12, 3: 5, 4: 4, 6: 3, _MOST_ENTRIES: 1}
"""How many entries a message has, and how often: near to a morning of CME futures, where most have one."""


def books(packets: int, payload_bytes: int = 1_400, seed: int = _SEED) -> Iterator[bytes]:
    """Make packets of SBE incremental books, framed as those of CME MDP 3.0.

    Parameters
    ----------
    packets
        How many.
    payload_bytes
        What they have at most; each is as full as it can be.
    seed
        Makes the market.
    """
    market = _Market(seed)
    waiting = b""
    for sequence in range(1, packets + 1):
        packet = _BOOK_HEADER.pack(sequence, market.now_ns) + waiting
        while True:
            waiting = _book(market)
            if len(packet) + len(waiting) > payload_bytes:
                break
            packet += waiting
        yield packet


def _book(market: _Market) -> bytes:
    random = market.random
    (entries,) = random.choices(list(_ENTRIES_MIX), list(_ENTRIES_MIX.values()))
    orders = [entry for entry in range(1, entries + 1) for _ in range(random.choice((0, 1, 1, 2)))]
    body = _BOOK_ROOT.pack(market.tick(), random.choice((0x04, 0x84)))
    body += _ENTRIES.pack(_ENTRY.size, entries) + b"".join(_entry(market) for _ in range(entries))
    body += _ORDER_IDS.pack(_ORDER_ID.size, len(orders))
    body += b"".join(_ORDER_ID.pack(random.getrandbits(40), market.size(), entry) for entry in orders)
    return _BOOK_MESSAGE.pack(_BOOK_MESSAGE.size + len(body), _BOOK_ROOT.size, 7, 9, 2) + body


def _entry(market: _Market) -> bytes:
    random, instrument = market.random, market.instrument()
    price, level = market.price(instrument) * _NANOS_PER_TICK, random.randrange(1, 11)
    counts = (market.size(), instrument, random.getrandbits(24), random.randrange(1, 40))
    return _ENTRY.pack(price, *counts, level, random.choice((0, 1, 1, 2)), random.choice((b"0", b"1")))
