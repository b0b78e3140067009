"""The feed handler as `bench throughput` measures it: a process that receives until it is told to stop.

Run as ``python -m feedhandler.bench.throughput_receiver OPTIONS``, OPTIONS being `Options` as JSON. It prints
the ports of its lines as a JSON array, channel by channel, receives until a line comes on standard input and
nothing more on its sockets, and prints a `Taken` as JSON.
"""

import os
import select
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.bench.machine import peak_kib
from feedhandler.bench.traffic import Blocks, block, checksum
from feedhandler.config import BatchConfig, ChannelConfig, LineConfig, RingConfig, WireConfig
from feedhandler.report import Report

_POLL_S: Final = 0.05
_LOOK_S: Final = 0.005
_LINES: Final = "ABCDEFGH"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How it receives.

    Parameters
    ----------
    protocol
        Name of a protocol, or path of a declaration.
    channels, lines
        How many channels, and lines of each.
    rcvbuf_bytes
        Receive buffer to ask for, for each line.
    cpus
        Processors for everything.
    wire, ring, batch
        More keys of the configuration.
    blocks
        What the segments make; None where quotes are received.
    warm_up_messages
        What is measured begins behind so many.
    """

    protocol: str
    channels: int
    lines: int
    rcvbuf_bytes: int
    cpus: tuple[int, ...]
    wire: dict[str, Any] = {}
    ring: dict[str, Any] = {}
    batch: dict[str, Any] = {}
    blocks: Blocks | None = None
    warm_up_messages: int = 0


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What was received.

    Parameters
    ----------
    messages
        Delivered in all, those of a warm-up among them.
    sum
        Of their ask sizes, modulo 2^64; 0 where segments are received.
    lost
        Of the messages that were expected, whatever the cause; the tail of a sequence is not known here.
    dropped_socket_buffer, dropped_ring_full
        Datagrams dropped on this machine.
    drops_read
        Whether the kernel told what it dropped, on every line: only then may nothing have been lost.
    is_balanced
        Whether everything has a fate.
    datagrams, bytes, delivered, elapsed_s, cpu_s
        Of what is measured, from behind the warm-up to the last batch: datagrams and their bytes on all
        lines, messages delivered, time, and time of all threads on a processor.
    peak_kib
        Largest resident memory.
    ring_use
        Largest part of the ring's slots that was in use at once.
    rcvbuf_bytes
        Receive buffer that was granted, the least of all lines.
    blocks, broken, wrong
        Blocks put together whole, of what is measured; of all, those of which a segment was missing, and
        those with another checksum.
    """

    messages: int
    sum: int
    lost: int
    dropped_socket_buffer: int
    dropped_ring_full: int
    drops_read: bool
    is_balanced: bool
    datagrams: int
    bytes: int
    delivered: int
    elapsed_s: float
    cpu_s: float
    peak_kib: int
    ring_use: float
    rcvbuf_bytes: int
    blocks: int = 0
    broken: int = 0
    wrong: int = 0


class Assembly:
    """Puts segments together to blocks in an array, and checks each by its checksum.

    Parameters
    ----------
    blocks
        What they are.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._segments = blocks.segments
        self._array = np.zeros((blocks.segments, blocks.segment_bytes), np.uint8)
        self._checksum = checksum(block())
        self._number, self._filled = 0, 0
        self.whole, self.broken, self.wrong = 0, 0, 0

    def add(self, rows: np.ndarray) -> None:
        """Take the rows of a batch, which are in order; what is missing among them was lost."""
        if len(rows) == 0:
            return
        numbers = (rows["seq"] - np.uint64(1)).astype(np.int64)
        begin = self._payload_at(rows)
        payloads = rows.view(np.uint8).reshape(len(rows), -1)[:, begin : begin + self._array.shape[1]]
        of_block, places = np.divmod(numbers, self._segments)
        starts = [0, *(np.flatnonzero(np.diff(of_block)) + 1).tolist(), len(rows)]
        for start, end in pairwise(starts):
            self._put(int(of_block[start]), places[start:end], payloads[start:end])

    @staticmethod
    def _payload_at(rows: np.ndarray) -> int:
        fields = rows.dtype.fields
        assert fields is not None
        return fields["payload"][1]

    def _put(self, number: int, places: np.ndarray, payloads: np.ndarray) -> None:
        if number != self._number:
            self._begin(number)
        first, last = int(places[0]), int(places[-1])
        if last - first + 1 == len(places):
            self._array[first : last + 1] = payloads
        else:
            self._array[places] = payloads
        self._filled += len(places)
        if self._filled == self._segments:
            self._finish()

    def _begin(self, number: int) -> None:
        """Begin another block; those in between, and the one before if it is not whole, are broken."""
        is_open = 0 < self._filled < self._segments
        self.broken += number - self._number - 1 + int(is_open)
        self._number, self._filled = number, 0

    def _finish(self) -> None:
        if checksum(self._array.data) == self._checksum:
            self.whole += 1
        else:
            self.wrong += 1


class _Section:
    """What is measured: from behind a warm-up to the last batch."""

    def __init__(self, feed: fh.Feed, assembly: Assembly | None, warm_up_messages: int) -> None:
        self._feed, self._assembly, self._warm_up_messages = feed, assembly, warm_up_messages
        self._began_s = self._ended_s = self._looked_s = self._cpu_s = self._ended_cpu_s = 0.0
        self._delivered = self._last_delivered = self._blocks = 0
        self._before: Report | None = None

    def on_batch(self, delivered: int) -> None:
        """Take note of a batch, with which so many messages were delivered in all."""
        now = time.perf_counter()
        if self._before is None and self._last_delivered >= self._warm_up_messages:
            self._before = self._begin(now, delivered)
        self._ended_s, self._last_delivered = now, delivered
        if now - self._looked_s > _LOOK_S:
            self._looked_s, self._ended_cpu_s = now, time.process_time()

    def _begin(self, now: float, delivered: int) -> Report:
        self._delivered, self._blocks = delivered, 0 if self._assembly is None else self._assembly.whole
        self._began_s = self._looked_s = now
        self._cpu_s = self._ended_cpu_s = time.process_time()
        return self._feed.report()

    def taken(self, total: int) -> Taken:
        """Return what was received, with the sum that was made of it."""
        after, blocks = self._feed.report(), self._assembly
        before = self._before or after
        ledger, sockets = after.ledger, [line.stats for line in after.wire or ()]
        lines = [line for channel in ledger.channels for line in channel.lines]
        ring = after.ring or None
        return Taken(
            messages=self._last_delivered,
            sum=total,
            lost=ledger.lost,
            dropped_socket_buffer=sum(line.dropped_socket_buffer for line in lines),
            dropped_ring_full=sum(line.dropped_ring_full for line in lines),
            drops_read=all(stats.socket_drops_read for stats in sockets),
            is_balanced=ledger.is_balanced,
            datagrams=after.datagrams - before.datagrams,
            bytes=after.bytes - before.bytes,
            delivered=self._last_delivered - self._delivered if self._before else 0,
            elapsed_s=self._ended_s - self._began_s if self._before else 0.0,
            cpu_s=max(self._ended_cpu_s - self._cpu_s, 0.0),
            peak_kib=peak_kib(),
            ring_use=0.0 if ring is None else round(ring.high_water / ring.slots, 4),
            rcvbuf_bytes=min(line.rcvbuf_bytes for line in after.wire or ()),
            blocks=0 if blocks is None else blocks.whole - self._blocks,
            broken=0 if blocks is None else blocks.broken,
            wrong=0 if blocks is None else blocks.wrong,
        )


def main() -> None:
    """Receive as the command line says."""
    options = msgspec.json.decode(sys.argv[1], type=Options)
    os.sched_setaffinity(0, options.cpus)
    with fh.open(_config(options)) as feed:
        print(msgspec.json.encode([bound.address.port for bound in feed.addresses]).decode(), flush=True)
        taken = _receive(feed, options)
    print(msgspec.json.encode(taken).decode(), flush=True)


def _config(options: Options) -> fh.Config:
    address = Address.parse("127.0.0.1:0")
    lines = tuple(LineConfig(name=name, address=address) for name in _LINES[: options.lines])
    is_path = Path(options.protocol).suffix == ".toml"
    return fh.Config(
        protocol=fh.protocol(Path(options.protocol) if is_path else options.protocol),
        channels=tuple(ChannelConfig(name=f"{number}", lines=lines) for number in range(options.channels)),
        wire=msgspec.convert({"rcvbuf_bytes": options.rcvbuf_bytes, **options.wire}, WireConfig),
        ring=msgspec.convert(options.ring, RingConfig),
        batch=msgspec.convert(options.batch, BatchConfig),
    )


def _receive(feed: fh.Feed, options: Options) -> Taken:
    assembly = None if options.blocks is None else Assembly(options.blocks)
    section, messages, total = _Section(feed, assembly, options.warm_up_messages), 0, 0
    while True:
        batch = feed.poll(_POLL_S)
        if batch is not None:
            messages += batch.size
            if assembly is None:
                total += int(batch["quote"]["ask_size"].sum())
            else:
                assembly.add(batch["segment"])
            section.on_batch(messages)
        elif _is_told_to_stop():
            return section.taken(total % 2**64)


def _is_told_to_stop() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


if __name__ == "__main__":
    main()
