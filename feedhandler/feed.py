"""Feed: live lines, received without the GIL, handed out as batches.

`feedhandler.open` makes one. A receive thread, or in the mode ``inline`` whoever iterates, fills a ring of
numpy's memory; whoever iterates drives framing, arbitrate and decode, without the GIL, and pays nothing per
message in Python.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self

from hdrh.histogram import HdrHistogram
from msgspec.structs import replace

from feedhandler import _core
from feedhandler.address import Address
from feedhandler.batch import Batch
from feedhandler.captured import CaptureTo
from feedhandler.config import Config
from feedhandler.config_file import check_latency, load
from feedhandler.errors import ConfigError
from feedhandler.filter import compile_filter
from feedhandler.protocol import Protocol
from feedhandler.receiver_options import receiver_options
from feedhandler.report import Report, parse
from feedhandler.ring import arena
from feedhandler.toml import Place

_IDLE_S = 0.05
"""Longest wait between two looks at whether the feed was stopped."""
_DISORDER_TICK_S = 0.001
"""The same while something missing is waited for: time must be told although nothing comes."""


class BoundLine(NamedTuple):
    """The address that a line's socket is bound to, its port being one that the system chose if asked to."""

    channel: str
    line: str
    address: Address


class Feed:
    """Live lines, open until closed; made by `open`.

    To iterate ends when the feed is stopped and everything received has been handed out, or at the end of the
    session where the configuration says so. Only one iteration, or `poll`, can be under way at a time.

    Parameters
    ----------
    config
        What is received, and how.
    capture
        Where everything that is received is captured to as well; without it, nothing is.

    Raises
    ------
    ConfigError
        The latency from the send time is wanted, which the protocol's packets do not say.
    WireError
        A line cannot be opened as configured.
    CaptureError
        The first file of the capture cannot be made.
    """

    def __init__(self, config: Config, *, capture: CaptureTo | None = None) -> None:
        self.config = config
        """What is received, and how."""
        self._receiver: _core.Receiver | None = _receiver(config, capture)
        self._ended_s: float | None = None
        self._last: tuple[bytes, dict[str, bytes]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Batch]:
        while not self.is_over:
            batch = self.poll(_IDLE_S)
            if batch is not None:
                yield batch

    async def __aiter__(self) -> AsyncIterator[Batch]:
        while not self.is_over:
            batch = self.poll(0.0)
            if batch is None:
                await self._readable()
            else:
                yield batch
                await asyncio.sleep(0)  # other tasks run even while batches come without a pause

    def poll(self, timeout_s: float) -> Batch | None:
        """Return the next batch; None where nothing came in time, or nothing more will.

        Parameters
        ----------
        timeout_s
            How long to wait for it. Signal handlers run meanwhile.

        Raises
        ------
        ValueError
            The feed is closed.
        RuntimeError
            Another thread is polling it, or this process was forked from the one that opened it.
        """
        receiver = self._open
        batch = receiver.next_batch(int(timeout_s * 1e9))
        if self.config.batch.stop_at_end_of_session:
            self._stop_at_end(receiver)
        return None if batch is None else Batch(batch, self.config.protocol)

    @property
    def is_over(self) -> bool:
        """Whether the feed was stopped, and everything received has been handed out."""
        receiver = self._receiver
        return receiver is None or receiver.is_over

    def stop(self) -> None:
        """End reception; what was received is still handed out. From any thread, or a signal handler."""
        receiver = self._receiver  # another thread may close the feed meanwhile
        if receiver is not None:
            receiver.stop()

    def rotate(self) -> None:
        """Have the next packet begin another file of the capture. From any thread, or a signal handler."""
        if self._receiver is not None:
            self._receiver.rotate()

    def close(self) -> None:
        """Close the sockets, and the capture's file. The report and the latencies remain."""
        if self._receiver is not None:
            # Not left to the last reference: a traceback may have one.
            self._last = self._receiver.close()
            self._receiver = None

    @property
    def addresses(self) -> tuple[BoundLine, ...]:
        """The lines, and what each is bound to."""
        names = [channel.name for channel in self.config.channels]
        return tuple(
            BoundLine(names[channel], line, Address.of(ip, port))
            for channel, _, line, ip, port in self._open.addresses
        )

    @property
    def protocol(self) -> Protocol:
        """What the messages are of."""
        return self.config.protocol

    def report(self) -> Report:
        """Return what was received so far, and where it went."""
        return parse(self._closed[0] if self._receiver is None else self._receiver.report())

    @property
    def latency(self) -> Mapping[str, HdrHistogram]:
        """Histogram of each stage, in nanoseconds.

        ``wire`` is from the kernel's stamp until taken from the socket, ``decode`` until decoded, ``batch``
        until handed to Python, and ``total`` all three; these count datagrams. ``gil`` is what a batch waited
        for the GIL, and ``processor`` what was done with it; these count batches. Where the configuration
        asks for it, ``send`` is from the send time in the packet's header on, of datagrams.
        """
        histograms = self._closed[1] if self._receiver is None else self._receiver.histograms()
        return MappingProxyType({stage: _unpacked(packed) for stage, packed in histograms.items()})

    def clear_latency(self) -> None:
        """Forget the latencies so far: those of a warm-up, say."""
        self._open.clear_latency()

    @property
    def _open(self) -> _core.Receiver:
        if self._receiver is None:
            raise ValueError("the feed is closed")
        return self._receiver

    @property
    def _closed(self) -> tuple[bytes, dict[str, bytes]]:
        """Report and histograms of when the feed was closed."""
        if self._last is None:
            raise RuntimeError("the feed was closed in a process that was forked from the one that opened it")
        return self._last

    def _stop_at_end(self, receiver: _core.Receiver) -> None:
        """Stop once the session is over and its last packets have had the time to come on every line."""
        if not receiver.has_ended:
            self._ended_s = None
            return
        now_s = time.monotonic()
        self._ended_s = now_s if self._ended_s is None else self._ended_s
        if now_s - self._ended_s >= self.config.arbitrate.most_grace_us / 1e6:
            receiver.stop()

    async def _readable(self) -> None:
        """Let the event loop run until datagrams wait, or it is time for another look."""
        receiver, loop = self._open, asyncio.get_running_loop()
        if not receiver.arm():
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        timer = loop.call_later(_DISORDER_TICK_S if receiver.is_disordered else _IDLE_S, woken.set)
        descriptor = receiver.fileno()  # another one once reception has ended
        loop.add_reader(descriptor, woken.set)
        try:
            await woken.wait()
        finally:
            loop.remove_reader(descriptor)
            timer.cancel()
            receiver.disarm()


def open(  # noqa: A001 — `fh.open`, as of a file
    config: str | PathLike[str] | Config,
    *,
    stop_at_end_of_session: bool | None = None,
    send_time: bool | None = None,
    capture: str | PathLike[str] | CaptureTo | None = None,
) -> Feed:
    """Open the lines of a configuration and begin to receive.

    Parameters
    ----------
    config
        Path of a configuration file, or a configuration.
    stop_at_end_of_session
        Whether iteration ends once every channel's session has ended; if left out, as configured.
    send_time
        Whether the latency from the send time in the packets' header is kept, as stage ``send``; if left out,
        as configured.
    capture
        Where everything that is received is captured to as well: a file ending in ``.pcapng`` or
        ``.pcapng.zst``, or a `feedhandler.captured.CaptureTo`.

    Raises
    ------
    ConfigError, DeclarationError
        The file, the configuration or the protocol's declaration is wrong.
    WireError
        A line cannot be opened as configured.
    CaptureError
        The first file of the capture cannot be made.

    Examples
    --------
    >>> import feedhandler as fh
    >>> with fh.open("configs/demo.toml") as feed:  # doctest: +SKIP
    ...     for batch in feed:
    ...         print(batch["trade"]["price"])
    """
    loaded = config if isinstance(config, Config) else load(Path(config))
    if stop_at_end_of_session is not None:
        batch = replace(loaded.batch, stop_at_end_of_session=stop_at_end_of_session)
        loaded = replace(loaded, batch=batch)
    if send_time is not None:
        loaded = replace(loaded, latency=replace(loaded.latency, send_time=send_time))
    return Feed(loaded, capture=None if capture is None else CaptureTo.of(capture))


def _unpacked(histogram: bytes) -> HdrHistogram:
    return HdrHistogram.decode(b64encode(histogram))


def _receiver(config: Config, capture: CaptureTo | None) -> _core.Receiver:
    check_latency(config.latency, config.protocol, Place("configuration", ConfigError, "latency"))
    instruments = compile_filter(config.filter.instruments, config.protocol)
    return _core.Receiver(
        config.protocol.plan,
        receiver_options(config, senders=capture is not None),
        arena(config),
        instruments=instruments,
        capture=None if capture is None else capture.to_json(),
    )
