"""Ring: the memory that the kernel writes datagrams to.

`feedhandler.feed` hands it to the receiver, which keeps it for as long as it lives.
"""

import mmap
from contextlib import suppress

import numpy as np

from feedhandler import _core
from feedhandler.config import Config

_MAP_HUGETLB = 0x40000
"""`mmap`'s flag for huge pages; Python's module does not have it everywhere."""
_HUGE_PAGE_BYTES = 2 << 20


def arena(config: Config) -> memoryview:
    """Return memory for a ring: zeroed, writable, and every page there before the first datagram is.

    Where huge pages are asked for and the system has too few ready, it is ordinary memory; the report tells.
    """
    needed_bytes = _core.arena_bytes(*config.ring.layout(config.wire.backend))
    if config.ring.huge_pages:
        with suppress(OSError):
            return _in_huge_pages(needed_bytes).data
    memory = np.empty(needed_bytes, np.uint8)
    memory.fill(0)
    return memory.data


def _in_huge_pages(needed_bytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    length = -(-needed_bytes // _HUGE_PAGE_BYTES) * _HUGE_PAGE_BYTES
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_HUGETLB
    return np.frombuffer(mmap.mmap(-1, length, flags=flags), np.uint8)
