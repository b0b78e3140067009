"""Packets of a synthetic feed in our own msgpack wire format (docs/wire_format.md), seeded.

What `feed` sends on its lines and `pcap` writes to files; the quotes that a receiver must end with are
known.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from random import Random
from types import MappingProxyType

import msgpack

from replay.market import Instrument, Market, Quote, Trade

DATA, HEARTBEAT, END_OF_SESSION = 0, 1, 2
"""Kinds of packets."""

_CODES: Mapping[type, int] = MappingProxyType({Quote: 1, Trade: 2, Instrument: 6})
_SESSION_BYTES = 16
_MEAN_GAP_NS = 5_000


class Generator:
    """Packets of one session: first what the instruments are, then quotes and trades.

    Parameters
    ----------
    seed
        Makes the market and the times within a packet.
    instruments
        How many instruments there are.
    session
        Name of the session, at most 16 bytes.

    Raises
    ------
    ValueError
        A session name that does not fit, or no instrument.

    Examples
    --------
    >>> generator = Generator(seed=1, instruments=2)
    >>> packet = generator.packet(send_time_ns=1_000_000_000, messages=4)
    >>> generator.next_sequence
    5
    """

    def __init__(self, seed: int, instruments: int = 4, *, session: str = "SYNTHETIC") -> None:
        if len(session.encode()) > _SESSION_BYTES:
            raise ValueError(f"expected a session of at most {_SESSION_BYTES} bytes, found {session!r}")
        self._market = Market(seed, instruments)
        self._undefined = iter(self._market.instrument_ids)
        self._gaps = Random(seed)  # noqa: S311 — a reproducible feed, no secret
        self._session = session
        self._packer = msgpack.Packer(autoreset=True)
        self._now_ns = 0
        self._quotes: dict[int, Quote] = {}
        self.next_sequence = 1
        """Sequence number of the next message; one less is how many there were."""

    @property
    def quotes(self) -> Mapping[int, Quote]:
        """The last quote of each instrument that had one: what a receiver of every message ends with."""
        return MappingProxyType(self._quotes)

    def packet(self, send_time_ns: int, messages: int = 4) -> bytes:
        """Make the next packet.

        Parameters
        ----------
        send_time_ns
            When it is meant to be sent, in Unix nanoseconds; its events happen in the microseconds before,
            and never before those of the packet before.
        messages
            How many messages it has, at least 1.
        """
        if messages < 1:
            raise ValueError(f"expected at least one message, found {messages}")
        events = [self._next_event(time_ns) for time_ns in self._times(send_time_ns, messages)]
        body = b"".join(self._pack((_CODES[type(event)], *event)) for event in events)
        header = self._header(DATA, messages, send_time_ns)
        self.next_sequence += messages
        return header + body

    def packets(
        self, count: int, *, start_ns: int, interval_ns: int, messages: int = 4
    ) -> Iterator[tuple[int, bytes]]:
        """Make `count` packets, one every `interval_ns`, each with the time it is meant to be sent at."""
        for number in range(count):
            send_time_ns = start_ns + number * interval_ns
            yield send_time_ns, self.packet(send_time_ns, messages)

    def heartbeat(self, send_time_ns: int) -> bytes:
        """Make a packet that says which sequence number comes next, and nothing else."""
        return self._header(HEARTBEAT, 0, send_time_ns)

    def end_of_session(self, send_time_ns: int) -> bytes:
        """Make the packet that says that no message will follow."""
        return self._header(END_OF_SESSION, 0, send_time_ns)

    def _header(self, kind: int, count: int, send_time_ns: int) -> bytes:
        return self._pack((kind, self._session, self.next_sequence, count, send_time_ns))

    def _next_event(self, exchange_time_ns: int) -> Instrument | Quote | Trade:
        undefined = next(self._undefined, None)
        if undefined is not None:
            return self._market.definition(undefined, exchange_time_ns)
        event = self._market.next_event(exchange_time_ns)
        if isinstance(event, Quote):
            self._quotes[event.instrument_id] = event
        return event

    def _times(self, send_time_ns: int, count: int) -> list[int]:
        gaps_ns = (int(self._gaps.expovariate(1 / _MEAN_GAP_NS)) for _ in range(count))
        before_ns = list(accumulate(gaps_ns))
        times_ns = [max(self._now_ns, send_time_ns - ago_ns) for ago_ns in reversed(before_ns)]
        self._now_ns = times_ns[-1]
        return times_ns

    def _pack(self, value: Sequence[object]) -> bytes:
        packed: bytes = self._packer.pack(value)
        return packed
