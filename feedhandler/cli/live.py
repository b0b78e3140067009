"""The live view's sending side: a few times a second, what is to be seen goes to a process that draws it.

`feedhandler.cli.view` is that process. To draw takes milliseconds of Python: here they would be latencies of
the feed, there they are not.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec

from feedhandler.batch import Batch
from feedhandler.captured import Captured
from feedhandler.cli import output
from feedhandler.feed import Feed
from feedhandler.report import Report

Watch = Callable[[Batch | None], None]
"""Told of each batch, or of none after some time."""

Row = tuple[str, ...]
"""What stands in one row of the table above the view."""

_REFRESH_S = 0.25
_GOODBYE_S = 2.0


class Frame(msgspec.Struct, frozen=True):
    """What is to be drawn.

    Parameters
    ----------
    report
        The feed's report, without what has no bound.
    queue_depth
        Most datagrams that waited in the ring since the last frame.
    prices
        Rows of best prices, where there are some.
    """

    report: Report
    queue_depth: int
    prices: tuple[Row, ...] = ()


@contextmanager
def watch(feed: Feed, *, enabled: bool, prices: Callable[[], Sequence[Row]] | None = None) -> Iterator[Watch]:
    """Show a feed on standard error while it runs, where that is a terminal.

    Parameters
    ----------
    feed
        What to show.
    enabled
        Whether to show anything at all.
    prices
        Gives rows of best prices to show above it.
    """
    if not enabled or not output.stderr().is_terminal:
        yield lambda batch: None  # noqa: ARG005 — a watch's
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "feedhandler.cli.view", str(theirs.fileno())]
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()], process_group=0) as viewer:  # noqa: S603 — our own
        theirs.close()
        ours.setblocking(False)
        try:
            yield _Frames(feed, ours, prices)
        finally:
            ours.close()
            _see_off(viewer)


def _see_off(viewer: subprocess.Popen[bytes]) -> None:
    """Wait until the view has cleared the terminal, which it does when its socket is closed."""
    try:
        viewer.wait(_GOODBYE_S)
    except subprocess.TimeoutExpired:
        viewer.kill()


class _Frames:
    """Sends a frame where it is time for one; a viewer that is behind misses some."""

    def __init__(self, feed: Feed, viewer: socket.socket, prices: Callable[[], Sequence[Row]] | None) -> None:
        self._feed = feed
        self._viewer = viewer
        self._prices = prices
        self._due_s = 0.0
        self._queue_depth = 0

    def __call__(self, batch: Batch | None) -> None:
        if batch is not None:
            self._queue_depth = max(self._queue_depth, batch.queue_depth)
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + _REFRESH_S
        prices = tuple(self._prices()) if self._prices is not None else ()
        frame = Frame(_bounded(self._feed.report()), self._queue_depth, prices)
        self._queue_depth = 0
        with suppress(OSError):  # it is behind, or gone: the feed goes on
            self._viewer.send(msgspec.msgpack.encode(frame))


def _bounded(report: Report) -> Report:
    gaps = len(report.gaps) + report.gaps_omitted
    captured = report.captured
    if isinstance(captured, Captured):
        captured = msgspec.structs.replace(captured, files=captured.files[-1:])
    return msgspec.structs.replace(
        report,
        gaps=(),
        gaps_omitted=gaps,
        malformed_samples=(),
        sessions=(),
        unknown_types=(),
        captured=captured,
    )
