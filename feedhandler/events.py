"""Events: what happened to a stream besides its messages, and why.

`Batch.events` holds them as rows. The numbers are Rust's; only the names are said here.
"""

from enum import IntEnum

from feedhandler import _core

_KINDS = {name: number for number, name in _core.event_kinds()}
_CAUSES = {name: number for number, name in _core.causes()}


class EventKind(IntEnum):
    """What happened: the column ``kind`` of `Batch.events`."""

    GAP = _KINDS["gap"]
    """``first`` to ``last`` did not come on any line in time."""
    RECOVERED = _KINDS["recovered"]
    """``first`` to ``last`` came after something behind them had."""
    SESSION_START = _KINDS["session_start"]
    """A session begins at ``first``."""
    SESSION_END = _KINDS["session_end"]
    """A session is over, and ``last`` was its last; one less than ``first`` where it had none."""
    DROP = _KINDS["drop"]
    """``count`` datagrams of a line were dropped before they could be read."""
    MALFORMED = _KINDS["malformed"]
    """``count`` of the messages ``first`` to ``last`` could not be used, or, where both are 0, datagrams."""
    STALE_SESSION = _KINDS["stale_session"]
    """A line goes on in a session that its channel has left."""


class Cause(IntEnum):
    """Why: the column ``cause`` of `Batch.events`."""

    NONE = _CAUSES["none"]
    """Nothing was lost; or a gap will tell."""
    LINE = _CAUSES["line"]
    """They came on no line, and nothing on this machine dropped them."""
    SOCKET_BUFFER = _CAUSES["socket_buffer"]
    """The kernel dropped datagrams because a socket's receive buffer was full."""
    RING_FULL = _CAUSES["ring_full"]
    """The ring was full, and its policy is to drop."""
    MALFORMED = _CAUSES["malformed"]
    """Every copy that came was malformed, or there can be no other."""
