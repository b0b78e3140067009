"""Reader: batches from a capture file, or from a file of bare messages.

`feedhandler.read` makes one. The same framing, arbitrate and decode as of a live feed stand behind it.
"""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from feedhandler import _core
from feedhandler.address import Address
from feedhandler.batch import Batch
from feedhandler.config import Grace, first_grace_us
from feedhandler.filter import Instrument, compile_filter
from feedhandler.protocol import Protocol, load
from feedhandler.report import Report, parse

if TYPE_CHECKING:  # replay stands on this package
    from replay.faults import Faults

Channels = Mapping[str, Sequence[str | Address]]
"""Name of a channel to the destinations that are its lines, such as ``{"mold": ["233.54.12.1:26477"]}``."""


Rest = Literal["pair", "each", "skip"]
"""What becomes of destinations that no channel names: see `read`."""


class Progress(NamedTuple):
    """How far a file has been read, in bytes of the file."""

    done_bytes: int
    total_bytes: int


class Reader:
    """Batches of a file, once from beginning to end; made by `read`, which see for the parameters."""

    def __init__(
        self,
        path: str,
        protocol: Protocol,
        *,
        channels: Channels,
        rest: Rest,
        batch_messages: int,
        grace_us: Grace,
        instruments: Sequence[Instrument] | None,
        faults: "Faults | None",
        truth: str | None,
    ) -> None:
        self.protocol = protocol
        """What the file's messages are of."""
        self._core = _core.FileReader(
            path,
            protocol.plan,
            channels=[(name, _destinations(lines)) for name, lines in channels.items()],
            rest=rest,
            batch_messages=batch_messages,
            grace_ns=first_grace_us(grace_us) * 1000,
            is_grace_adaptive=grace_us == "adaptive",
            instruments=compile_filter(instruments, protocol),
            faults=None if faults is None else faults.to_json(protocol),
            truth=truth,
        )

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        batch = self._core.next_batch()
        if batch is None:
            raise StopIteration
        return Batch(batch, self.protocol)

    @property
    def progress(self) -> Progress:
        """How far the file has been read."""
        return Progress(*self._core.progress)

    def report(self) -> Report:
        """Return what was read so far, and where it went."""
        return parse(self._core.report())


def read(
    path: str | PathLike[str],
    protocol: str | Path | Protocol,
    *,
    schema: str | PathLike[str] | None = None,
    channels: Channels | None = None,
    rest: Rest | None = None,
    batch_messages: int = 8192,
    grace_us: Grace = 5_000,
    instruments: Sequence[Instrument] | None = None,
    faults: "Faults | None" = None,
    truth: str | PathLike[str] | None = None,
) -> Reader:
    """Read a file of a protocol's messages into batches.

    Parameters
    ----------
    path
        pcap, pcapng or, where the protocol has such a form, a file of bare messages; plain or compressed with
        gzip or zstd. It is told apart by its content.
    protocol
        Name of a shipped protocol, path of a declaration, or a protocol.
    schema
        Path of the SBE schema of the messages, where the protocol needs one; as of `feedhandler.protocol`.
    channels
        Which destinations are lines of which channel.
    rest
        What becomes of other destinations. With ``"pair"``, those that carry the same packets are made lines
        of one channel, as the report says, and each of the others is a channel of its own; with ``"each"``,
        every one is a channel; with ``"skip"``, they are left out. If not given, ``"pair"``; but ``"skip"``
        where there are faults.
    batch_messages
        Messages after which a batch is closed.
    grace_us
        How long, by the capture's clock, a missing message is waited for; or ``"adaptive"``, for which see
        `feedhandler.config.ArbitrateConfig`.
    instruments
        The instruments that are wanted: text is a symbol, or the name that messages carry; an integer is the
        number that they carry. Messages about others become no rows, and are counted as filtered. Without
        any given, all are wanted.
    faults
        What is done to a capture's datagrams before they are read, in the capture's time; needs `channels`,
        whose lines are the lines A, B, … of the faults.
    truth
        File for what was done to which packet, for `feedhandler.verify`.

    Raises
    ------
    CaptureError
        The file cannot be read, or is neither a capture nor a file of the protocol's messages.
    UnknownProtocolError, DeclarationError
        There is no such protocol, or its declaration is wrong.
    AddressError
        A channel's destination is none.
    FilterError
        Messages of the protocol cannot be told apart by one of the instruments.
    FaultError
        A fault is of a line that there is not, or cannot be done to this protocol.
    ValueError
        A schema is given beside a protocol that has been loaded.

    Examples
    --------
    >>> import feedhandler as fh
    >>> for batch in fh.read("day.pcapng.zst", protocol="itch50"):  # doctest: +SKIP
    ...     print(batch["add_order"]["price"].max())
    """
    if schema is not None and isinstance(protocol, Protocol):
        raise ValueError(f"schema: expected none beside a protocol that is loaded, found {fspath(schema)!r}")
    loaded = protocol if isinstance(protocol, Protocol) else load(protocol, schema)
    return Reader(
        fspath(path),
        loaded,
        channels=channels or {},
        rest=rest or ("pair" if faults is None else "skip"),
        batch_messages=batch_messages,
        grace_us=grace_us,
        instruments=instruments,
        faults=faults,
        truth=None if truth is None else fspath(truth),
    )


def _destinations(lines: Sequence[str | Address]) -> list[tuple[str, int]]:
    addresses = [line if isinstance(line, Address) else Address.parse(line) for line in lines]
    return [(str(address.ip), address.port) for address in addresses]
