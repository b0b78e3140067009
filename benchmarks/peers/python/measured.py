"""What the receivers have in common: the command line, what was received, and its latencies."""

import json
import socket
import sys
import time
from pathlib import Path

_SIGNIFICANT_BITS = 10
_BUCKETS = 32 << _SIGNIFICANT_BITS


class Measured:
    """Counts, sum and latencies, from the end of the warm-up on, which begins with the first datagram.

    Latencies are counted as HdrHistogram counts them, to three significant digits. It is done here because a
    call of the package `hdrhistogram` takes six times as long.
    """

    def __init__(self, warmup_s: float, seconds: float) -> None:
        self.is_over = False
        self._warmup_ns, self._duration_ns = int(warmup_s * 1e9), int(seconds * 1e9)
        self._warm_ns = self._begun_ns = self._cpu_begun_ns = self._now_ns = 0
        self._end_ns = sys.maxsize
        self._datagrams = self._bytes = self._messages = self._sum = 0
        self._first_sequence = self._last_sequence = 0
        self._counts, self._max_ns = [0] * _BUCKETS, 0

    def take(self, length: int, sequence: int, send_time_ns: int, ask_sizes: list[int]) -> None:
        """Take a datagram that has just been decoded."""
        now_ns = self._now_ns = time.time_ns()
        if not self._begun_ns and not self._begin(now_ns, sequence):
            return
        if now_ns >= self._end_ns:
            self.is_over = True
            return
        self._last_sequence = sequence
        self._datagrams += 1
        self._bytes += length
        self._messages += len(ask_sizes)
        self._sum += sum(ask_sizes)
        late_ns = max(now_ns - send_time_ns, 0)
        shift = late_ns.bit_length() - _SIGNIFICANT_BITS - 1
        self._counts[(shift << _SIGNIFICANT_BITS) + (late_ns >> shift) if shift > 0 else late_ns] += 1
        if late_ns > self._max_ns:  # noqa: PLR1730 — a call takes longer
            self._max_ns = late_ns

    def tell(self) -> None:
        """Print what was received."""
        cpu_ns = time.process_time_ns() - self._cpu_begun_ns
        told = {
            "datagrams": self._datagrams,
            "bytes": self._bytes,
            "messages": self._messages,
            "sum": self._sum,
            "first_sequence": self._first_sequence,
            "last_sequence": self._last_sequence,
            "elapsed_s": (self._now_ns - self._begun_ns) / 1e9,
            "cpu_s": cpu_ns / 1e9,
            "rss_kib": _rss_kib(),
            "latency_ns": {
                "p50": self._percentile_ns(0.5),
                "p90": self._percentile_ns(0.9),
                "p99": self._percentile_ns(0.99),
                "p99_9": self._percentile_ns(0.999),
                "max": self._max_ns,
                "count": self._datagrams,
            },
        }
        print(json.dumps(told), flush=True)

    def _begin(self, now_ns: int, sequence: int) -> bool:
        if not self._warm_ns:
            self._warm_ns = now_ns + self._warmup_ns
            self._end_ns = self._warm_ns + self._duration_ns
        if now_ns < self._warm_ns:
            return False
        self._begun_ns, self._cpu_begun_ns = now_ns, time.process_time_ns()
        self._first_sequence = sequence
        return True

    def _percentile_ns(self, part: float) -> int:
        wanted, seen = part * self._datagrams, 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen and seen >= wanted:
                return _largest_ns(bucket)
        return 0


def bound_socket(rcvbuf_bytes: int) -> socket.socket:
    """Bind a socket to a port that the system chooses, and print which."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf_bytes)
    bound.bind(("127.0.0.1", 0))
    print(bound.getsockname()[1], flush=True)
    return bound


def _largest_ns(bucket: int) -> int:
    half = 1 << _SIGNIFICANT_BITS
    if bucket < 2 * half:
        return bucket
    shift = bucket // half - 1
    return ((bucket % half + half + 1) << shift) - 1


def _rss_kib() -> int:
    """Largest resident memory of this program."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
