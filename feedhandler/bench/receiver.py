"""The feed handler as a contender of ``bench receive``: a process that receives, decodes and sums a column.

Run as ``python -m feedhandler.bench.receiver OPTIONS``, OPTIONS being `Options` as JSON. It prints its port,
waits for the first batch, runs for its time, and prints a `Received` as JSON: what the C programs in
``benchmarks/peers/c`` print as well.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.config import ChannelConfig, LatencyConfig, LineConfig, RingConfig, WireConfig
from feedhandler.report import Report

_PATIENCE_S = 10.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a contender receives.

    Parameters
    ----------
    seconds
        For how long, from the first batch on.
    rcvbuf_bytes
        Receive buffer to ask for.
    cpu
        Processor for everything.
    wire, ring
        More keys of the configuration's ``wire``, and those of its ``ring``.
    stall_s
        How long the callback does nothing once a second.
    stage
        Whose percentiles are told: ``total``, from the kernel's stamp, or ``send``, from the send time in the
        packet's header; both until Python has the batch.
    """

    seconds: float
    rcvbuf_bytes: int
    cpu: int
    wire: dict[str, Any] = {}
    ring: dict[str, Any] = {}
    stall_s: float = 0.0
    stage: Literal["total", "send"] = "total"


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What a contender received.

    Parameters
    ----------
    datagrams, bytes, messages
        Received and, but for a contender that only counts, decoded.
    sum
        Of the ask sizes, modulo 2^64.
    elapsed_s, cpu_s
        Time, and time of all its threads on a processor.
    rss_kib, rss_grown_kib
        Largest resident memory, and by how much it grew in the second half of the time.
    latency_ns
        Percentiles from the kernel's stamp, or the packet's send time, to the program.
    lost
        Messages that were sent and not delivered, since the program began.
    first_sequence, last_sequence
        Of the first packet that was received, and of the last.
    is_balanced
        Whether every datagram has a fate.
    """

    datagrams: int
    bytes: int
    messages: int
    sum: int
    elapsed_s: float
    cpu_s: float
    rss_kib: int
    rss_grown_kib: int = 0
    latency_ns: dict[str, int] | None = None
    lost: int = 0
    is_balanced: bool = True
    first_sequence: int = 0
    last_sequence: int = 0


def main() -> None:
    """Receive as the command line says."""
    options = msgspec.json.decode(sys.argv[1], type=Options)
    os.sched_setaffinity(0, {options.cpu})
    wire = {"rcvbuf_bytes": options.rcvbuf_bytes, **options.wire}
    line = LineConfig(name="A", address=Address.parse("127.0.0.1:0"))
    config = fh.Config(
        protocol=fh.protocol("msgpack"),
        channels=(ChannelConfig(name="bench", lines=(line,)),),
        wire=msgspec.convert(wire, WireConfig),
        ring=msgspec.convert(options.ring, RingConfig),
        latency=LatencyConfig(send_time=options.stage == "send"),
    )
    with fh.open(config) as feed:
        print(feed.addresses[0].address.port, flush=True)
        received = _receive(feed, options)
    print(msgspec.json.encode(received).decode(), flush=True)


class _Tally:
    """What Python was given."""

    def __init__(self) -> None:
        self.messages = self.sum = self.first_sequence = 0
        self._last: np.ndarray | None = None

    def take(self, batch: fh.Batch | None) -> None:
        if batch is None or not batch.size:
            return
        quotes = batch["quote"]
        self.messages += quotes.size
        self.sum += int(quotes["ask_size"].sum())
        self.first_sequence = self.first_sequence or int(quotes["seq"][0])
        self._last = quotes

    @property
    def last_sequence(self) -> int:
        return 0 if self._last is None else int(self._last["seq"][-1])


def _receive(feed: fh.Feed, options: Options) -> Received:
    tally = _Tally()
    tally.take(feed.poll(_PATIENCE_S))
    if not tally.messages:
        raise SystemExit("expected datagrams, found none")
    began, cpu, half_rss, next_stall_s = time.perf_counter(), time.process_time(), None, 1.0
    while (elapsed := time.perf_counter() - began) < options.seconds:
        tally.take(feed.poll(0.05))
        if options.stall_s > 0 and elapsed > next_stall_s:
            time.sleep(options.stall_s)
            next_stall_s += 1.0
        if half_rss is None and elapsed > options.seconds / 2:
            half_rss = _rss_kib()
    cpu, report = time.process_time() - cpu, feed.report()
    rss_kib = _rss_kib()
    return Received(
        datagrams=_delivered(report),
        bytes=report.bytes,
        messages=tally.messages,
        sum=tally.sum % 2**64,
        elapsed_s=elapsed,
        cpu_s=cpu,
        rss_kib=rss_kib,
        rss_grown_kib=rss_kib - (half_rss or rss_kib),
        latency_ns=_percentiles(feed.latency[options.stage]),
        lost=report.ledger.lost,
        is_balanced=report.ledger.is_balanced,
        first_sequence=tally.first_sequence,
        last_sequence=tally.last_sequence,
    )


def _delivered(report: Report) -> int:
    """Datagrams whose messages Python was given: not those that wait."""
    lines = (line for channel in report.ledger.channels for line in channel.lines)
    return sum(line.accepted for line in lines)


def _percentiles(histogram: HdrHistogram) -> dict[str, int]:
    wanted = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}
    values = {name: int(histogram.get_value_at_percentile(part)) for name, part in wanted.items()}
    return {**values, "count": int(histogram.get_total_count())}


def _rss_kib() -> int:
    """Largest resident memory so far; `getrusage` would tell the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
