"""A low-latency UDP market-data feed handler.

General layout, in the order data meets it: `config` says what is received, `protocol` what is in it; `feed`
receives live lines and `reader` reads files, both through the Rust half, `_core`; `batch` is what they hand
out, `events` and `report` tell what happened on the way, and `sink` writes results down. What a user needs is
here:

>>> import feedhandler as fh
>>> with fh.open("configs/demo.toml") as feed:  # doctest: +SKIP
...     for batch in feed:
...         print(batch["trade"]["price"])
"""

from importlib.metadata import version

from feedhandler.batch import Batch
from feedhandler.config import Config
from feedhandler.errors import (
    AddressError,
    CaptureError,
    ConfigError,
    DeclarationError,
    FeedhandlerError,
    InvalidFileError,
    SinkError,
    UnknownMessageError,
    UnknownProtocolError,
    WireError,
)
from feedhandler.events import Cause, EventKind
from feedhandler.feed import Feed, open  # noqa: A004 — `fh.open`, as of a file
from feedhandler.protocol import Protocol
from feedhandler.protocol import load as protocol
from feedhandler.reader import Reader, read
from feedhandler.report import Report

__version__ = version("feedhandler")

__all__ = [
    "AddressError",
    "Batch",
    "CaptureError",
    "Cause",
    "Config",
    "ConfigError",
    "DeclarationError",
    "EventKind",
    "Feed",
    "FeedhandlerError",
    "InvalidFileError",
    "Protocol",
    "Reader",
    "Report",
    "SinkError",
    "UnknownMessageError",
    "UnknownProtocolError",
    "WireError",
    "open",
    "protocol",
    "read",
]
