"""A venue for tests: packets of ITCH in MoldUDP64 and of DEEP in IEX-TP, with flows of orders and levels."""

import struct
from collections.abc import Iterator, Sequence
from random import Random

Messages = Sequence[bytes]

SYMBOLS = ("ACME", "BOLT", "CRUX", "DUNE")
SECONDS_34200 = (34_200 * 10**9).to_bytes(6, "big")


def mold(session: str, first: int, messages: Messages) -> bytes:
    """Return a MoldUDP64 packet."""
    header = session.encode().ljust(10) + struct.pack(">QH", first, len(messages))
    return header + b"".join(struct.pack(">H", len(message)) + message for message in messages)


def iex_tp(session: int, first: int, messages: Messages) -> bytes:
    """Return an IEX-TP segment of DEEP."""
    blocks = b"".join(struct.pack("<H", len(message)) + message for message in messages)
    header = struct.pack(
        "<BxHIIHHQQQ", 1, 0x8004, 1, session, len(blocks), len(messages), 0, first, 1_700_000_000 * 10**9
    )
    return header + blocks


def stock(symbol: str) -> bytes:
    return symbol.encode().ljust(8)


def itch(code: str, locate: int, body: bytes) -> bytes:
    """Return a message of ITCH."""
    return code.encode() + struct.pack(">HH", locate, 0) + SECONDS_34200 + body


def directory(locate: int, symbol: str) -> bytes:
    return itch("R", locate, stock(symbol) + b"QN" + struct.pack(">I", 100) + b"NCZ PN 1N" + bytes(4) + b"N")


def add(locate: int, order: int, side: str, price: int, shares: int = 100) -> bytes:
    symbol = SYMBOLS[(locate - 1) % len(SYMBOLS)]
    body = struct.pack(">Qc I", order, side.encode(), shares) + stock(symbol) + struct.pack(">I", price)
    return itch("A", locate, body)


def execute(locate: int, order: int, shares: int) -> bytes:
    return itch("E", locate, struct.pack(">QIQ", order, shares, 1))


def cancel(locate: int, order: int, shares: int) -> bytes:
    return itch("X", locate, struct.pack(">QI", order, shares))


def delete(locate: int, order: int) -> bytes:
    return itch("D", locate, struct.pack(">Q", order))


def replace(locate: int, order: int, new: int, price: int, shares: int = 100) -> bytes:
    return itch("U", locate, struct.pack(">QQII", order, new, shares, price))


def order_flow(seed: int, count: int, instruments: int = 4) -> Iterator[bytes]:
    """Yield a session of ITCH: instruments, then orders that come, change and go, all of them in order."""
    random = Random(seed)
    resting: dict[int, tuple[int, str, int]] = {}
    for locate in range(1, instruments + 1):
        yield directory(locate, SYMBOLS[(locate - 1) % 4] + (str(locate // 4) if locate > 4 else ""))
    for number in range(1, count - instruments + 1):
        if len(resting) < 20 or random.random() < 0.45:
            locate, side = random.randint(1, instruments), random.choice("BS")
            price = 1_000_000 + random.randint(-900, 100) * (1 if side == "B" else -1) * 100
            resting[number] = (locate, side, shares := random.randint(1, 9) * 100)
            yield add(locate, number, side, price, shares)
            continue
        order = random.choice(list(resting)[-40:])
        locate, side, shares = resting.pop(order)
        match random.choice("EXDU"):
            case "D":
                yield delete(locate, order)
            case "U":
                price = 1_000_000 + random.randint(-900, 100) * (1 if side == "B" else -1) * 100
                resting[number] = (locate, side, 200)
                yield replace(locate, order, number, price, 200)
            case code:
                taken = random.choice([shares, 100])
                if taken < shares:
                    resting[order] = (locate, side, shares - taken)
                yield (execute if code == "E" else cancel)(locate, order, taken)


def level_flow(seed: int, count: int) -> Iterator[bytes]:
    """Yield price level updates of DEEP, some of which are one of several of a change."""
    random = Random(seed)
    for _ in range(count):
        side, offset = random.choice([("8", -1), ("5", 1)])
        price = 50_0000 + offset * random.randint(-1, 6) * 100
        symbol = random.choice(SYMBOLS)
        size = random.choice([0, 100, 200, 700])
        is_complete = random.random() < 0.7
        yield (
            side.encode()
            + struct.pack("<Bq", is_complete, 10**18)
            + stock(symbol)
            + struct.pack("<Iq", size, price)
        )


def packets_of(messages: Sequence[bytes], per_packet: int = 5) -> Iterator[tuple[int, Messages]]:
    """Yield the first sequence number and the messages of each packet."""
    for at in range(0, len(messages), per_packet):
        yield at + 1, messages[at : at + per_packet]
