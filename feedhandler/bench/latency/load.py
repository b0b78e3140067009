"""What is sent when: steps of rate, bursts, or the timing of a capture."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from feedhandler.bench import material, sender
from feedhandler.errors import FeedhandlerError
from replay.capture import Capture

MESSAGES: Final = 6
"""Quotes in a datagram, about 200 bytes, where no capture says how long datagrams are."""
_MOST_WARM_UP: Final = 50_000
_SUFFIXES: Final = re.compile(r"(\.pcap(ng)?)?(\.(gz|zst))?$")
_NS: Final = 1_000_000_000


class LoadError(FeedhandlerError):
    """There is nothing to send as asked."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A load that is sent in each round.

    Parameters
    ----------
    name
        Its name, which files are named after.
    rate
        Datagrams a second; of a capture, on average.
    burst
        Datagrams that are due together.
    timing, speed
        The capture whose times and lengths datagrams have, and how many times as fast.
    bytes
        Of a datagram; of a capture's, on average.
    """

    name: str
    rate: float
    bytes: int
    burst: int = 1
    timing: str | None = None
    speed: float = 1.0


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A step, what the sender is told to make of it but for the target, and the warm-up's messages."""

    step: Step
    options: sender.Options
    warm_up_messages: int


def at_rate(rate: float, seconds: float, warm_up_s: float) -> Load:
    """Return a load at a rate."""
    packet = material.quotes_packet(MESSAGES)
    return _paced(Step(name=f"{rate:g}-per-s", rate=rate, bytes=len(packet.content)), seconds, warm_up_s)


def in_bursts(burst: int, every_ms: float, seconds: float, warm_up_s: float) -> Load:
    """Return a load of bursts, each of datagrams that are due together."""
    packet, rate = material.quotes_packet(MESSAGES), burst * 1e3 / every_ms
    name = f"{burst}-every-{every_ms:g}-ms"
    return _paced(Step(name=name, rate=rate, burst=burst, bytes=len(packet.content)), seconds, warm_up_s)


def as_recorded(file: Path, into: Path, *, speed: float, seconds: float | None, warm_up_s: float) -> Load:
    """Return a load with the times and lengths of a capture's datagrams; what is in them is ours.

    Parameters
    ----------
    file
        The capture.
    into
        A folder that exists, for the schedule.
    speed
        How many times as fast.
    seconds
        How much of it, in the time of the run; without it, all.
    warm_up_s
        How long its beginning is sent as a warm-up.

    Raises
    ------
    LoadError
        The capture has no datagrams.
    CaptureError
        It cannot be read.
    """
    offsets, lengths = _recorded(file, speed, seconds)
    packets = _packets(int(lengths.max()))
    picks = _nearest(lengths, packets)
    (into / "schedule").write_bytes(offsets.astype("<u8").tobytes())
    (into / "picks").write_bytes(picks.astype("<u4").tobytes())
    span_s = max(float(offsets[-1]) / _NS, 1e-9)
    warm_up = min(int(np.searchsorted(offsets, warm_up_s * _NS)), _MOST_WARM_UP)
    return Load(
        step=Step(
            name=f"{_SUFFIXES.sub('', file.name)}-x{speed:g}",
            rate=round(len(offsets) / span_s, 1),
            bytes=round(sum(len(packets[pick].content) for pick in picks) / len(picks)),
            timing=file.name,
            speed=speed,
        ),
        warm_up_messages=sum(packets[pick].messages for pick in picks[:warm_up]),
        options=sender.Options(
            targets=(),
            packets=tuple(packets),
            seconds=span_s,
            schedule=str(into / "schedule"),
            picks=str(into / "picks"),
            warm_up=sender.WarmUp(warm_up),
        ),
    )


def _recorded(file: Path, speed: float, seconds: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return when a capture's datagrams are due, in ns after the first, and how long they are."""
    recorded = [(datagram.ts_ns, len(datagram.payload)) for datagram in Capture(file)]
    if not recorded:
        raise LoadError(f"{file}: expected datagrams whose timing to follow, found none")
    table = np.array(recorded, dtype=np.int64)
    # A capture may have stamps out of order; what is sent has not.
    after_ns = np.maximum.accumulate((table[:, 0] - table[0, 0]).clip(0))
    offsets = (after_ns / speed).astype(np.uint64)
    taken = len(offsets) if seconds is None else int(np.searchsorted(offsets, seconds * _NS))
    return offsets[:taken], table[:taken, 1]


def _nearest(lengths: np.ndarray, packets: Sequence[sender.Packet]) -> np.ndarray:
    """Return which packet is nearest in length to each of `lengths`."""
    sizes = np.array([len(packet.content) for packet in packets])
    kinds, kind_of = np.unique(lengths, return_inverse=True)
    nearest = np.abs(sizes[:, None] - kinds[None, :]).argmin(axis=0)
    return np.asarray(nearest[kind_of])


def _paced(step: Step, seconds: float, warm_up_s: float) -> Load:
    bursts = -(-int(step.rate * warm_up_s) // step.burst)
    warm_up = min(bursts * step.burst, _MOST_WARM_UP)
    return Load(
        step=step,
        warm_up_messages=warm_up * MESSAGES,
        options=sender.Options(
            targets=(),
            packets=(material.quotes_packet(MESSAGES),),
            seconds=seconds,
            rate=step.rate,
            burst=step.burst,
            warm_up=sender.WarmUp(warm_up),
        ),
    )


def _packets(most_bytes: int) -> Sequence[sender.Packet]:
    """Return packets of one quote, of two, and so on, until the last is as long as the longest recorded."""
    packets = [material.quotes_packet(1)]
    while len(packets[-1].content) < most_bytes:
        packets.append(material.quotes_packet(len(packets) + 1))
    return packets
