"""A low-latency UDP market-data feed handler.

General layout, in the order data meets it: `config` says what is received, `protocol` what is in it; `feed`
receives live lines and `reader` reads files, both through the Rust half, `_core`; `batch` is what they hand
out, `book` keeps books from them, `events` and `report` tell what happened on the way, and `sink` writes
results down. What a user needs is here:

>>> import feedhandler as fh
>>> with fh.open("configs/demo.toml") as feed:  # doctest: +SKIP
...     for batch in feed:
...         print(batch["trade"]["price"])
"""

from importlib.metadata import version

from feedhandler.batch import Batch
from feedhandler.book import Books, Depth
from feedhandler.book_state import BookState
from feedhandler.config import Config
from feedhandler.errors import (
    AddressError,
    AmbiguousInstrumentError,
    BookError,
    CaptureError,
    ConfigError,
    DeclarationError,
    FeedhandlerError,
    FilterError,
    InvalidFileError,
    SinkError,
    UnknownInstrumentError,
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
    "AmbiguousInstrumentError",
    "Batch",
    "BookError",
    "BookState",
    "Books",
    "CaptureError",
    "Cause",
    "Config",
    "ConfigError",
    "DeclarationError",
    "Depth",
    "EventKind",
    "Feed",
    "FeedhandlerError",
    "FilterError",
    "InvalidFileError",
    "Protocol",
    "Reader",
    "Report",
    "SinkError",
    "UnknownInstrumentError",
    "UnknownMessageError",
    "UnknownProtocolError",
    "WireError",
    "open",
    "protocol",
    "read",
]
