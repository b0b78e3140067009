"""The load of the benchmarks: an open-loop sender in a process of its own.

It sends a packet again and again, at a rate, in bursts, at listed times, or as fast as the kernel takes it.
Each packet carries its own sequence number and the time at which it was *meant* to be sent: a receiver that
measures from there sees what the sender was late as well, and a stall counts against every packet that it
delays. Without a schedule the time is that of the call.

Run as ``python -m feedhandler.bench.sender OPTIONS``, OPTIONS being `Options` as JSON, or ``-`` where they
come on standard input. It prints a `Sent` as JSON when it is done, and when it is stopped by SIGTERM or
SIGINT. `Sending` does both ends.
"""

import os
import signal
import subprocess
import sys
from base64 import b64encode
from types import TracebackType
from typing import Annotated, Any, Literal, Self

import msgspec
from hdrh.histogram import HdrHistogram
from msgspec import Meta

from feedhandler import _core
from feedhandler.address import Address
from feedhandler.errors import FeedhandlerError

_MODULE = "feedhandler.bench.sender"
_NS_PER_S = 1_000_000_000
_STOP_S = 5.0


Waiting = Literal["busy", "spin", "sleep"]
"""How the sender waits for a packet's time."""


class SenderError(FeedhandlerError):
    """The sender has ended without having sent."""


class Target(msgspec.Struct, frozen=True):
    """Where packets are sent: one line of a channel.

    Parameters
    ----------
    address
        ``HOST:PORT``.
    channel
        Number of its channel, from 0 on. All lines of a channel get the same packets; each channel has a
        sequence of its own.
    """

    address: str
    channel: int = 0


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """A packet that is sent again and again.

    Parameters
    ----------
    content
        Its bytes; in JSON, base64.
    sequence_offset
        Where the eight bytes of its sequence number begin, big-endian.
    send_time_offset
        Where those of its send time do, nanoseconds since 1970; None where it has none.
    messages
        By how much the sequence number grows with it.
    """

    content: bytes
    sequence_offset: int
    send_time_offset: int | None = None
    messages: int


class Stall(msgspec.Struct, frozen=True):
    """A time in which the sender does nothing, after the start: for calibration."""

    at_s: float
    seconds: float


class WarmUp(msgspec.Struct, frozen=True):
    """Packets that are sent before the schedule begins, and the pause behind them."""

    packets: int
    pause_s: float = 0.3


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, where to and when.

    Parameters
    ----------
    targets
        One for each line of each channel.
    packets
        What is sent; only a schedule that is listed has a use for more than one.
    seconds
        For how long; a listed schedule has its own end.
    rate
        Packets a second over all channels, which take turns; each goes to all lines of its channel. 0 is as
        fast as the kernel takes them, many in one call (``UDP_SEGMENT``).
    burst
        Packets that are due together; the rate stays.
    schedule
        Instead of a rate: a file of offsets from the start in nanoseconds, unsigned, of eight bytes each,
        little-endian, in order.
    picks
        With a schedule: a file of which packet each is, as unsigned numbers of four bytes, little-endian.
        Without it all are the first.
    first_sequence
        Number of the first message, in every channel.
    warm_up
        What is sent before, by the same schedule.
    is_joined
        Whether packets that are due together go to the kernel as one (``UDP_SEGMENT``), line by line: they
        are of one channel then. Calibrations are not made with it.
    cpu
        Processor that it runs on alone; None for any.
    wait
        How it waits for a packet's time: ``busy`` looks at the clock all the time; ``spin`` sleeps until
        60 µs before; ``sleep`` only sleeps.
    patience_s
        How late a packet may be until the rest is given up: then `Sent.packets` is less than
        `Sent.scheduled`.
    interface, multicast_ttl, allow_remote
        As of `replay.Sender`: without them, nothing leaves the machine.
    stalls
        Calibration: when the sender itself does nothing.
    closed_loop
        Calibration: a late packet delays all behind it and carries the time when it was sent. This hides
        stalls, and whatever measures with it must be found out.
    """

    targets: tuple[Target, ...]
    packets: tuple[Packet, ...]
    seconds: float = 1.0
    rate: float = 0.0
    burst: Annotated[int, Meta(ge=1)] = 1
    schedule: str | None = None
    picks: str | None = None
    first_sequence: int = 1
    warm_up: WarmUp = WarmUp(0, 0.0)
    is_joined: bool = False
    cpu: int | None = None
    wait: Waiting = "spin"
    patience_s: float = 2.0
    interface: str | None = None
    multicast_ttl: int = 0
    allow_remote: bool = False
    stalls: tuple[Stall, ...] = ()
    closed_loop: bool = False


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent.

    Parameters
    ----------
    sent
        Datagrams that the kernel took for each target, those of the warm-up included.
    refused
        Of these, the ones of which the network said that nobody took them.
    scheduled, packets, messages
        Packets that were due, those that were sent, and messages in them, without the warm-up. A packet is
        one datagram for each line.
    warm_up
        Packets and messages of the warm-up.
    elapsed_s
        From the start to the last packet.
    retries
        System calls that took nothing and were repeated.
    lateness
        By how much packets left after the time at which they were due, until the kernel had taken them: an
        HdrHistogram in nanoseconds, as base64 of its compressed form. Empty without a schedule.
    """

    sent: tuple[int, ...]
    refused: int
    scheduled: int
    packets: int
    messages: int
    warm_up: tuple[int, int]
    elapsed_s: float
    retries: int
    lateness: str

    @property
    def lateness_ns(self) -> HdrHistogram:
        """By how much packets were late."""
        return HdrHistogram.decode(self.lateness)


class Sending:
    """A sender that runs as a process of its own.

    Parameters
    ----------
    options
        What it sends.

    Examples
    --------
    >>> with Sending(options) as sending:  # doctest: +SKIP
    ...     sent = sending.result()
    """

    def __init__(self, options: Options) -> None:
        command, pipe = [sys.executable, "-m", _MODULE, "-"], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 — ourselves
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(options))
        self._process.stdin.close()
        self._process.stdin = None  # nothing more for `communicate` to write
        self._told: tuple[bytes, bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._end(_STOP_S)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def result(self, timeout_s: float | None = None) -> Sent:
        """Wait for its end, and return what it sent.

        Raises
        ------
        SenderError
            It has failed.
        """
        out, error = self._end(timeout_s)
        if self._process.returncode != 0:
            told = error.decode().strip().splitlines() or [f"exit code {self._process.returncode}"]
            raise SenderError(f"the sender has failed: {told[-1]}")
        return msgspec.json.decode(out, type=Sent)

    def stop(self) -> None:
        """End it, if it runs; `result` tells what it has sent until then."""
        if not self.is_running:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _end(self, timeout_s: float | None) -> tuple[bytes, bytes]:
        """Wait for its end; return what it printed, and what went wrong."""
        if self._told is None:
            self._told = self._process.communicate(timeout=timeout_s)
        return self._told


def send(options: Options) -> Sent:
    """Send in this process, and return what was sent.

    Raises
    ------
    ValueError
        The options do not fit each other.
    SendError
        A destination is not allowed, or the kernel will not send there.
    """
    load = _core.OpenLoop(
        msgspec.json.encode(_core_options(options)), [packet.content for packet in options.packets]
    )
    return _sent(load, options)


def _sent(load: _core.OpenLoop, options: Options) -> Sent:
    report, lateness = load.run()
    told = msgspec.json.decode(report)
    destinations = told["sender"]["destinations"]
    return Sent(
        sent=tuple(each["packets"] for each in destinations[: len(options.targets)]),
        refused=sum(each["refused"] for each in destinations),
        scheduled=told["scheduled"],
        packets=told["packets"],
        messages=told["messages"],
        warm_up=tuple(told["warm_up"]),
        elapsed_s=told["elapsed_ns"] / _NS_PER_S,
        retries=told["sender"]["retries"],
        lateness=b64encode(lateness).decode(),
    )


def _core_options(options: Options) -> dict[str, Any]:
    templates = [
        {"sequence_offset": each.sequence_offset, "send_time_offset": each.send_time_offset}
        | {"messages": each.messages}
        for each in options.packets
    ]
    load = {
        "channels": [target.channel for target in options.targets],
        "first_sequence": options.first_sequence,
        "schedule": _schedule(options),
        "is_joined": options.is_joined,
        "warm_up": {"packets": options.warm_up.packets, "pause_ns": _ns(options.warm_up.pause_s)},
        "stalls": [{"at_ns": _ns(stall.at_s), "for_ns": _ns(stall.seconds)} for stall in options.stalls],
        "closed_loop": options.closed_loop,
        "patience_ns": _ns(options.patience_s),
    }
    return {
        "to": [str(Address.parse(target.address)) for target in options.targets],
        "templates": templates,
        "load": load,
        "wait": options.wait,
        "interface": options.interface,
        "multicast_ttl": options.multicast_ttl,
        "allow_remote": options.allow_remote,
    }


def _schedule(options: Options) -> dict[str, Any]:
    if options.schedule is not None:
        return {"listed": {"offsets": options.schedule, "picks": options.picks}}
    if options.rate == 0:
        return {"unpaced": {"for_ns": _ns(options.seconds)}}
    rate = {"packets_per_s": options.rate, "burst": options.burst, "for_ns": _ns(options.seconds)}
    return {"rate": rate}


def _ns(seconds: float) -> int:
    return round(seconds * _NS_PER_S)


def main() -> None:
    """Send as the command line says."""
    given = sys.stdin.buffer.read() if sys.argv[1] == "-" else sys.argv[1]
    options = msgspec.json.decode(given, type=Options)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    packets = [packet.content for packet in options.packets]
    try:
        load = _core.OpenLoop(msgspec.json.encode(_core_options(options)), packets)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: load.stop())
        print(msgspec.json.encode(_sent(load, options)).decode(), flush=True)
    except (FeedhandlerError, ValueError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
