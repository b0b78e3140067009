"""How fast messages become rows: compiled plans beside decoders written by hand and Python's ways."""

from collections.abc import Callable, Iterator

import msgpack
import msgspec
import numpy as np

from feedhandler import _core
from feedhandler.bench import handwritten, material
from feedhandler.bench.alternate import Rate, alternate
from feedhandler.bench.machine import Machine, machine, one_core, require_release
from feedhandler.errors import FeedhandlerError
from feedhandler.protocol import Protocol, load

_PACKETS = 1_000
_ROUNDS_AT_ONCE = 8
_LEADING = ("ts_recv_ns", "channel")


class WrongAnswerError(FeedhandlerError):
    """A contender's rows are not ours: its speed says nothing."""


class Quote(msgspec.Struct, array_like=True):
    """A quote of our msgpack feed, as `msgspec` decodes it."""

    message_type: int
    instrument_id: int
    bid_price: int | None
    ask_price: int | None
    bid_size: int
    ask_size: int
    exchange_time_ns: int


class Case(msgspec.Struct, frozen=True):
    """One kind of material, and how fast each contender was.

    Parameters
    ----------
    messages, bytes
        Of the material.
    rates
        By contender; ``ours`` is what the ratios compare with.
    not_built
        Contenders that could not be had here.
    """

    messages: int
    bytes: int
    rates: dict[str, Rate]
    not_built: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True):
    """What `run` measured.

    Parameters
    ----------
    machine
        Where.
    loop
        Every contender decodes as fast as it can.
    rounds, seconds
        How often each contender ran, and how long each time.
    cases
        By name.
    """

    machine: Machine
    rounds: int
    seconds: float
    cases: dict[str, Case]
    loop: str = "closed"


def run(rounds: int = 7, seconds: float = 0.3) -> Result:
    """Measure on one core.

    Parameters
    ----------
    rounds
        Rounds; each contender runs once in each.
    seconds
        How long it runs then.

    Raises
    ------
    DebugBuildError
        The Rust module is a debug build.
    WrongAnswerError
        A contender decodes something else than we do.
    """
    require_release()
    with one_core():
        library = handwritten.load()
        cases = {
            "msgpack_quotes": _quotes(library, rounds, seconds),
            "itch50": _itch(library, rounds, seconds),
            "sbe": _books(library, rounds, seconds),
        }
        return Result(machine(), rounds, seconds, cases)


def _quotes(library: object, rounds: int, seconds: float) -> Case:
    packets, bodies = zip(*material.quotes(_PACKETS), strict=True)
    messages = [body for packet in bodies for body in packet]
    protocol = load("msgpack")
    bench = _core.DecodeBench(protocol.plan, packets)
    contenders: dict[str, Callable[[], int]] = {
        "ours": lambda: bench.decode(_ROUNDS_AT_ONCE),
        "ours, whole pipeline": lambda: bench.pipeline(_ROUNDS_AT_ONCE),
    }
    places = [(offset, length) for offset, length, _ in bench.payloads()]
    by_hand = _handwritten(library, "quotes", bench, places, len(messages))
    if by_hand is not None:
        contenders["handwritten"] = lambda: by_hand.run(_ROUNDS_AT_ONCE)
        _check_sum("handwritten", by_hand.total(), _sum(bench, protocol, skipped=("seq", *_LEADING)))
    decoder = msgspec.msgpack.Decoder(Quote)
    contenders["msgspec into Structs"] = lambda: sum(bool(decoder.decode(body)) for body in messages)
    contenders["msgpack.unpackb"] = lambda: sum(bool(msgpack.unpackb(body)) for body in messages)
    _check_sum(
        "msgspec", sum(decoder.decode(body).ask_size for body in messages), _column(bench, protocol, "quote")
    )
    rates = alternate(contenders, "ours", rounds, seconds)
    return Case(
        len(messages), sum(map(len, messages)), rates, () if by_hand is not None else ("handwritten",)
    )


def _itch(library: object, rounds: int, seconds: float) -> Case:
    packets = list(material.itch(_PACKETS))
    protocol = load("itch50")
    bench = _core.DecodeBench(protocol.plan, packets)
    count = bench.batch().size
    contenders: dict[str, Callable[[], int]] = {
        "ours": lambda: bench.pipeline(_ROUNDS_AT_ONCE),
        "ours, decode alone": lambda: bench.decode(_ROUNDS_AT_ONCE),
    }
    slot = _core.DecodeBench.SLOT_BYTES
    places = [(index * slot, len(packet)) for index, packet in enumerate(packets)]
    by_hand = _handwritten(library, "itch", bench, places, count)
    if by_hand is not None:
        contenders["handwritten"] = lambda: by_hand.run(_ROUNDS_AT_ONCE)
        _check_sum("handwritten", by_hand.total(), _sum(bench, protocol, skipped=_LEADING))
    contenders["struct.unpack_from"] = lambda: _unpack(packets)
    rates = alternate(contenders, "ours", rounds, seconds)
    return Case(count, sum(map(len, packets)), rates, () if by_hand is not None else ("handwritten",))


def _books(library: object, rounds: int, seconds: float) -> Case:
    packets = list(material.books(_PACKETS))
    protocol = load("cme-mdp3", material.BOOK_SCHEMA)
    bench = _core.DecodeBench(protocol.plan, packets)
    count, rows = bench.batch().size, max(len(table) for _, table in _tables(bench, protocol))
    contenders: dict[str, Callable[[], int]] = {
        "ours": lambda: bench.decode(_ROUNDS_AT_ONCE),
        "ours, whole pipeline": lambda: bench.pipeline(_ROUNDS_AT_ONCE),
    }
    slot = _core.DecodeBench.SLOT_BYTES
    places = [(index * slot, len(packet)) for index, packet in enumerate(packets)]
    by_hand = _handwritten(library, "book", bench, places, rows)
    if by_hand is not None:
        contenders["handwritten"] = lambda: by_hand.run(_ROUNDS_AT_ONCE)
        _check_sum("handwritten", by_hand.total(), _sum(bench, protocol, skipped=_LEADING))
    rates = alternate(contenders, "ours", rounds, seconds)
    return Case(count, sum(map(len, packets)), rates, () if by_hand is not None else ("handwritten",))


def _handwritten(
    library: object, kind: str, bench: _core.DecodeBench, places: list[tuple[int, int]], rows: int
) -> handwritten.Handwritten | None:
    """Return the decoder written by hand, having decoded everything once, where it could be built."""
    if not isinstance(library, handwritten.Library):
        return None
    arena = np.frombuffer(memoryview(bench.arena()), np.uint8)
    decoder = handwritten.Handwritten(library, kind, arena, places, rows)
    decoder.run(1)
    return decoder


def _unpack(packets: list[bytes]) -> int:
    """Take MoldUDP64 packets of ITCH apart in plain Python."""
    layouts = {ord(code): layout.unpack_from for code, layout in material.ITCH_LAYOUTS.items()}
    messages = 0
    for packet in packets:
        at = 20
        while at < len(packet):
            layouts[packet[at + 2]](packet, at + 2)
            at += 2 + (packet[at] << 8 | packet[at + 1])
            messages += 1
    return messages


def _tables(bench: _core.DecodeBench, protocol: Protocol) -> Iterator[tuple[str, np.ndarray]]:
    batch = bench.batch()
    for index, (name, dtype) in enumerate(protocol.dtypes.items()):
        rows = batch.table(index)
        if rows is not None:
            yield name, np.frombuffer(memoryview(rows), dtype)


def _column(bench: _core.DecodeBench, protocol: Protocol, message: str) -> int:
    return int(dict(_tables(bench, protocol))[message]["ask_size"].sum())


def _sum(bench: _core.DecodeBench, protocol: Protocol, skipped: tuple[str, ...]) -> int:
    """Sum of all integer columns but those, modulo 2^64."""
    total = 0
    for _, rows in _tables(bench, protocol):
        names = [
            name for name in rows.dtype.names or () if rows.dtype[name].kind in "ui" and name not in skipped
        ]
        total += sum(int(rows[name].astype(np.uint64).sum()) for name in names)
    return total % 2**64


def _check_sum(contender: str, theirs: int, ours: int) -> None:
    if theirs != ours:
        raise WrongAnswerError(f"{contender}: expected rows that add up to {ours}, found {theirs}")
