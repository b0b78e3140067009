"""Recognise: which protocol a stream is of, by trying those there are.

Rust tries them (`feedhandler.capture.Fit` says how well each explains a stream); what follows from it is
decided here.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import msgspec

from feedhandler.capture import CaptureInfo, Fit, Stream, info
from feedhandler.errors import DeclarationError
from feedhandler.protocol import Protocol, load, needs_schema, shipped

_LEAST_CONFIDENCE = 0.5
"""What is explained less well than this is not recognised."""

_SURE = 0.9
"""What a file is decoded by without being asked."""

_TIE = 0.01
"""Protocols whose confidence is so near to the best one's are as good."""

_MOST_DATAGRAMS = 65_536


class Tried(msgspec.Struct, frozen=True):
    """Protocols that can be tried, and why others cannot."""

    protocols: tuple[Protocol, ...]
    not_tried: dict[str, str]

    def named(self, name: str) -> Protocol:
        """Return the protocol of that name."""
        return next(protocol for protocol in self.protocols if protocol.name == name)


class Recognised(msgspec.Struct, frozen=True):
    """Which protocol a stream is of.

    Parameters
    ----------
    protocol
        Its name; None where nothing explains the stream, or several protocols equally well.
    confidence
        That of the best.
    tied
        The best, where there are several.
    best, runner_up
        The two that explain it best.
    """

    protocol: str | None
    confidence: float
    tied: tuple[str, ...]
    best: Fit | None
    runner_up: Fit | None

    @property
    def framed_as(self) -> str | None:
        """The protocol to read the stream by: of several that are as good, the first."""
        return self.protocol or next(iter(self.tied), None)


def candidates(given: Sequence[Protocol] = ()) -> Tried:
    """Return the protocols to try: those given, and all that are shipped but for their namesakes."""
    protocols = {protocol.name: protocol for protocol in given}
    not_tried = {}
    for name in shipped():
        if name not in protocols:
            try:
                protocols[name] = load(name)
            except DeclarationError as error:  # it needs a schema
                not_tried[name] = f"expected {error.expected}, found {error.found}"
    return Tried(tuple(protocols.values()), not_tried)


def with_schema(schema: str | PathLike[str] | None) -> list[Protocol]:
    """Return the shipped protocols whose messages are those of a schema, given one."""
    return [] if schema is None else [load(name, schema) for name in shipped() if needs_schema(name)]


def judge(stream: Stream, given: Sequence[Protocol] = ()) -> Recognised:
    """Return which protocol a stream is of, given how well each explains it.

    Parameters
    ----------
    stream
        A stream on which protocols were tried.
    given
        Protocols that go before others which are as good.
    """
    fits = [fit for fit in stream.fits if fit.confidence > 0]
    best, runner_up, *_ = (*fits, None, None)
    if best is None or best.confidence < _LEAST_CONFIDENCE:
        return Recognised(None, 0.0 if best is None else best.confidence, (), best, runner_up)
    tied = [fit for fit in fits if best.confidence - fit.confidence < _TIE]
    names = {protocol.name for protocol in given}
    wanted = [fit for fit in tied if fit.protocol in names] or tied
    if len(wanted) > 1:
        return Recognised(None, best.confidence, tuple(fit.protocol for fit in wanted), best, runner_up)
    runner_up = next((fit for fit in fits if fit is not wanted[0]), None)
    return Recognised(wanted[0].protocol, wanted[0].confidence, (), wanted[0], runner_up)


class Guess(msgspec.Struct, frozen=True):
    """What a file can be decoded by.

    `protocol` is None where it is not certain enough; `seen` then says what was seen, in words.
    """

    protocol: Protocol | None
    confidence: float
    seen: str


def guess(path: str | PathLike[str]) -> Guess:
    """Return the one protocol that the streams of a capture are of, by a look at its beginning.

    Raises
    ------
    CaptureError
        The file cannot be read, or is no capture.
    """
    if Path(path).exists() and not Path(path).is_file():
        return Guess(None, 0.0, "the input cannot be read twice")
    tried = candidates()
    found = info(path, protocols=tried.protocols, most_datagrams=_MOST_DATAGRAMS)
    judged = [judge(stream) for stream in found.streams]
    names = {each.protocol for each in judged if each.framed_as is not None}
    if len(names) == 1 and (name := names.pop()) is not None:
        confidence = max(each.confidence for each in judged if each.protocol == name)
        if confidence >= _SURE:
            return Guess(tried.named(name), confidence, "")
    return Guess(None, 0.0, _in_words(found, judged))


def _in_words(found: CaptureInfo, judged: Sequence[Recognised]) -> str:
    """Say what the streams look like, the largest first."""
    by_size = sorted(zip(found.streams, judged, strict=True), key=lambda pair: -pair[0].datagrams)
    told = [
        f"{stream.destination} looks like {' or '.join(each.tied) or each.protocol} ({each.confidence:.0%})"
        for stream, each in by_size[:3]
        if each.framed_as is not None
    ]
    return "; ".join(told) or "no stream was recognised"
