"""The feed handler under ``bench latency``: a process that receives, decodes, sums a column and is timed.

Run as ``python -m feedhandler.bench.latency.receiver OPTIONS``, OPTIONS being `Options` as JSON. It prints
its port, receives until its standard input is closed and nothing more comes, and prints a `Received` as JSON.
"""

import os
import sys
import threading
import time
from typing import Any

import msgspec

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.bench.sender import Stall
from feedhandler.config import BatchConfig, ChannelConfig, LatencyConfig, LineConfig, RingConfig, WireConfig

_POLL_S = 0.05
_QUIET_S = 0.2
"""Silence after which nothing more is under way, once the sender has ended."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How it receives.

    Parameters
    ----------
    cpu
        Processor for everything; None for any.
    wire, ring, batch
        Keys of the configuration's tables.
    warm_up
        Messages that come first and do not count.
    stalls
        Calibration: when the callback does nothing, after the first batch that counts.
    """

    cpu: int | None = None
    wire: dict[str, Any] = {}
    ring: dict[str, Any] = {}
    batch: dict[str, Any] = {}
    warm_up: int = 0
    stalls: tuple[Stall, ...] = ()


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What it received.

    Parameters
    ----------
    messages
        Messages that Python was given, those of the warm-up included.
    uncounted
        Of these, the ones that came with the end of the warm-up and count in no latency.
    lost
        Messages of which a gap was told.
    socket_drops
        Datagrams that the kernel dropped.
    is_balanced
        Whether every datagram has a fate.
    cpu_s, elapsed_s
        Time of all its threads on a processor, and time, since the end of the warm-up.
    histograms
        By stage, as base64.
    warnings
        What the system did not grant.
    """

    messages: int
    uncounted: int
    lost: int
    socket_drops: int
    is_balanced: bool
    cpu_s: float
    elapsed_s: float
    histograms: dict[str, str]
    warnings: tuple[str, ...]


class _Callback:
    """What is done with each batch: a column is summed, and sometimes nothing is done for a while."""

    def __init__(self, options: Options) -> None:
        self.messages = self.sum = self.uncounted = 0
        self._warm_up, self._stalls = options.warm_up, list(options.stalls)
        self.began_s = self.began_cpu_s = 0.0
        if self._warm_up == 0:
            self._begin()

    def take(self, feed: fh.Feed, batch: fh.Batch) -> None:
        quotes = batch["quote"]
        self.messages += len(quotes)
        self.sum += int(quotes["ask_size"].sum())
        if self._warm_up:
            last = int(quotes["seq"][-1]) if len(quotes) else 0
            if last >= self._warm_up:
                feed.clear_latency()
                self.uncounted, self._warm_up = last - self._warm_up, 0
                self._begin()
        elif self._stalls:
            self._stall()

    def _begin(self) -> None:
        self.began_s, self.began_cpu_s = time.perf_counter(), time.process_time()
        self._first_s: float | None = None

    def _stall(self) -> None:
        now_s = time.perf_counter()
        self._first_s = now_s if self._first_s is None else self._first_s
        if now_s - self._first_s >= self._stalls[0].at_s:
            time.sleep(self._stalls.pop(0).seconds)


def main() -> None:
    """Receive as the command line says."""
    options = msgspec.json.decode(sys.argv[1], type=Options)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    line = LineConfig(name="A", address=Address.parse("127.0.0.1:0"))
    config = fh.Config(
        protocol=fh.protocol("msgpack"),
        channels=(ChannelConfig(name="bench", lines=(line,)),),
        wire=msgspec.convert(options.wire, WireConfig),
        ring=msgspec.convert(options.ring, RingConfig),
        batch=msgspec.convert(options.batch, BatchConfig),
        latency=LatencyConfig(send_time=True),
    )
    is_sent = threading.Event()
    threading.Thread(target=_wait_for_end, args=(is_sent,), daemon=True).start()
    with fh.open(config) as feed:
        print(feed.addresses[0].address.port, flush=True)
        callback = _Callback(options)
        quiet_s = 0.0
        while not (is_sent.is_set() and quiet_s >= _QUIET_S):
            batch = feed.poll(_POLL_S)
            quiet_s = quiet_s + _POLL_S if batch is None else 0.0
            if batch is not None:
                callback.take(feed, batch)
    print(msgspec.json.encode(_received(feed, callback)).decode(), flush=True)


def _wait_for_end(is_sent: threading.Event) -> None:
    sys.stdin.read()
    is_sent.set()


def _received(feed: fh.Feed, callback: _Callback) -> Received:
    report = feed.report()
    return Received(
        messages=callback.messages,
        uncounted=callback.uncounted,
        lost=report.ledger.lost,
        socket_drops=sum(line.stats.socket_drops for line in report.wire or ()),
        is_balanced=report.ledger.is_balanced,
        cpu_s=time.process_time() - callback.began_cpu_s,
        elapsed_s=time.perf_counter() - callback.began_s,
        histograms={stage: histogram.encode().decode() for stage, histogram in feed.latency.items()},
        warnings=tuple(str(warning) for warning in report.warnings or ()),
    )


if __name__ == "__main__":
    main()
