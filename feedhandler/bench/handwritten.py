"""The decoders written by hand in ``benchmarks/alternatives/decode``, called in this process by ctypes."""

import ctypes
from collections.abc import Sequence

import numpy as np

from feedhandler.bench.alternatives import build

_MALFORMED = 2**64 - 1


Library = ctypes.CDLL


def load() -> Library | None:
    """Build the library and load it; None outside of a checkout, or where cargo cannot build it."""
    built = build("decode")
    if built is None:
        return None
    library = ctypes.CDLL(str(built / "libhandwritten_decode.so"))
    for kind in ("quotes", "itch", "book"):
        new, run, total = (getattr(library, f"{kind}_{what}") for what in ("new", "run", "sum"))
        new.restype, new.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        run.restype = ctypes.c_uint64
        run.argtypes = [
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_void_p,
            *[ctypes.c_size_t] * 2,
        ]
        total.restype, total.argtypes = ctypes.c_uint64, [ctypes.c_void_p]
    return library


class Handwritten:
    """One of the decoders, on packets that lie in an arena.

    Parameters
    ----------
    library
        From `load`.
    kind
        ``quotes`` (payloads of msgpack quotes), ``itch`` (MoldUDP64 packets) or ``book`` (packets of SBE
        incremental books).
    arena
        The memory, uint8; 64 bytes behind each packet are readable.
    places
        Offset and length of each packet.
    capacity
        Most rows of one type in all packets.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        kind: str,
        arena: np.ndarray,
        places: Sequence[tuple[int, int]],
        capacity: int,
    ) -> None:
        self._arena = arena
        self._places = np.array(places, np.uint64)
        self._run = getattr(library, f"{kind}_run")
        self._sum = getattr(library, f"{kind}_sum")
        self._decoder = getattr(library, f"{kind}_new")(capacity)

    def run(self, rounds: int) -> int:
        """Decode all packets `rounds` times; return the number of messages."""
        places = self._places
        messages: int = self._run(
            self._decoder,
            self._arena.ctypes.data,
            self._arena.nbytes,
            places.ctypes.data,
            len(places),
            rounds,
        )
        if messages == _MALFORMED:
            raise ValueError("the handwritten decoder found a malformed packet")
        return messages

    def total(self) -> int:
        """Sum of all numeric columns of the rows of the last run of one round, modulo 2^64."""
        total: int = self._sum(self._decoder)
        return total
