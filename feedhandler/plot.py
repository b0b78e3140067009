"""Plot: the rate of a capture's streams over time, as a picture.

It needs matplotlib, the extra ``plot``.
"""

from importlib.util import find_spec
from itertools import cycle
from os import PathLike
from pathlib import Path

import numpy as np

from feedhandler.capture import CaptureInfo, Stream
from feedhandler.errors import SinkError

_MOST_STREAMS = 10
"""Streams that have a line of their own; the others are summed."""

_INCHES, _DOTS_PER_INCH = (11.0, 5.0), 120


def plot_rates(found: CaptureInfo, to: str | PathLike[str], title: str) -> None:
    """Write the rate of each stream over time to a PNG file.

    Parameters
    ----------
    found
        What a capture holds, with timelines.
    to
        The file, whose name ends in ``.png``.
    title
        What stands above.

    Raises
    ------
    SinkError
        The name ends otherwise, matplotlib is missing, or the file cannot be written.
    """
    check(to)
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 — an optional extra
    from matplotlib.figure import Figure  # noqa: PLC0415 — an optional extra

    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    bin_ns, bins = found.timeline_bin_ns, max((len(each.timeline) for each in found.streams), default=0)
    edges = found.timeline_start_ns + bin_ns * np.arange(bins + 1, dtype=np.int64)
    # Lines of one channel are alike: dashes let the one behind be seen.
    styles = cycle(("solid", (0, (3, 3))))
    for (label, counts), style in zip(_lines(found, bins), styles, strict=False):
        rate = counts / (bin_ns / 1e9)
        axes.stairs(rate, edges.astype("datetime64[ns]"), label=label, linewidth=1.3, linestyle=style)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set(title=title, xlabel="UTC", ylabel=f"datagrams/s, over {_span(bin_ns)}")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if found.streams:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small", frameon=False)
    try:
        figure.savefig(to, format="png")
    except OSError as error:
        raise SinkError(str(to), f"cannot be written: {error.strerror}") from error


def check(to: str | PathLike[str]) -> None:
    """Raise what `plot_rates` would, before anything is read for it."""
    if Path(to).suffix != ".png":
        raise SinkError(str(to), f"expected a name ending in .png, found {Path(to).suffix or 'none'!r}")
    if find_spec("matplotlib") is None:
        raise SinkError(str(to), "a plot needs matplotlib: pip install 'feedhandler[plot]'")


def _lines(found: CaptureInfo, bins: int) -> list[tuple[str, np.ndarray]]:
    """Return name and counts of the largest streams, and of all others together."""
    by_size = sorted(found.streams, key=lambda stream: -stream.datagrams)
    lines = [(stream.destination, _counts(stream, bins)) for stream in by_size[:_MOST_STREAMS]]
    if others := by_size[_MOST_STREAMS:]:
        total = np.sum([_counts(stream, bins) for stream in others], axis=0)
        lines.append((f"{len(others):,} others", total))
    return lines


def _counts(stream: Stream, bins: int) -> np.ndarray:
    counts = np.zeros(bins)
    counts[: len(stream.timeline)] = stream.timeline
    return counts


def _span(ns: int) -> str:
    return f"{ns / 1e9:g} s" if ns >= 10**9 else f"{ns / 1e6:g} ms"
