"""Ctrl-C ends things in order: the first time by asking, the second time at once."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_STOPPING = b"stopping; once more to end at once\n"


@contextmanager
def interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """Have the first interrupt or request to end call `stop`, and the next one end the command.

    Parameters
    ----------
    stop
        Makes what runs come to its end; called from a signal handler.
    """
    is_asked = False

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 — a signal handler's
        nonlocal is_asked
        if is_asked:
            raise KeyboardInterrupt
        is_asked = True
        stop()
        with suppress(OSError, ValueError):  # standard error may be closed, or nobody read it any more
            os.write(sys.stderr.fileno(), _STOPPING)  # not by `print`: whoever prints may be interrupted

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
