"""Ctrl-C ends things in order: the first time by asking, the second time at once."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


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
        os.write(
            sys.stderr.fileno(), b"stopping; once more to end at once\n"
        )  # whoever prints may be interrupted
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
