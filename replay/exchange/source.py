"""Where an exchange's packets of messages come from: a market that is made as it is sent, or a file."""

from collections.abc import Iterator

from feedhandler.address import Address
from feedhandler.errors import SendError
from feedhandler.protocol import load
from replay.capture import NOWHERE, Capture
from replay.exchange.config import ExchangeConfig, FileConfig, GeneratorConfig
from replay.generator import START_NS, Generator, Packet
from replay.wire import Wire


class GeneratorSource:
    """A market whose messages happen when they are sent.

    Parameters
    ----------
    config
        The exchange's configuration.
    market
        What of it makes the market.
    """

    is_over = False
    skipped = 0

    def __init__(self, config: ExchangeConfig, market: GeneratorConfig) -> None:
        self.session = config.session.name
        self._config = config
        self._market = market
        self.begin(START_NS)

    def begin(self, start_ns: int) -> None:
        """Have the session begin at a time."""
        self.generator = Generator(
            self._market.seed,
            self._market.instruments,
            protocol=self._config.protocol,
            session=self.session,
            start_ns=start_ns,
            rate=self._market.rate,
            packet_bytes=self._config.session.packet_bytes,
        )

    @property
    def next_sequence(self) -> int:
        """Number of the first message that `until` has not returned."""
        return self.generator.next_sequence

    def until(self, horizon_ns: int) -> list[Packet]:
        """Return the packets of what happens before a time."""
        return self.generator.until(horizon_ns)

    def closing(self, send_time_ns: int) -> Packet | None:
        """Return the messages that end a session, where the protocol has such."""
        return self.generator.closing(send_time_ns)


class FileSource:
    """The packets of messages of one session in a file: of one stream of a capture, or of bare messages.

    Its heartbeats and ends of session are left out, because the exchange makes its own.

    Parameters
    ----------
    config
        The exchange's configuration.
    file
        What of it names the file.
    wire
        How packets are laid out.

    Raises
    ------
    CaptureError
        The file cannot be read.
    SendError
        It holds no messages of the protocol.
    """

    def __init__(self, config: ExchangeConfig, file: FileConfig, wire: Wire) -> None:
        protocol, session = load(config.protocol), config.session
        self._capture = Capture(
            file.path, protocol=protocol, session=session.name, max_packet_bytes=session.packet_bytes
        )
        self._wire = wire
        self._speed = file.speed
        self._start_ns = 0
        self._first_ns: int | None = None
        self._stream = None if file.stream is None else str(file.stream)
        self.session = ""
        self.next_sequence = 0
        self.is_over = False
        self.skipped = 0
        self._packets = self._read()
        self._next = next(self._packets, None)
        if self._next is None:
            raise SendError(f"{file.path}: expected packets of {config.protocol} with messages, found none")
        self.next_sequence = self._next.sequence

    def begin(self, start_ns: int) -> None:
        """Have the first packet due at a time."""
        self._start_ns = start_ns

    def until(self, horizon_ns: int) -> list[Packet]:
        """Return the packets that are due before a time."""
        due: list[Packet] = []
        while self._next is not None and self._start_ns + self._next.send_time_ns < horizon_ns:
            due.append(self._next._replace(send_time_ns=self._start_ns + self._next.send_time_ns))
            self.next_sequence = self._next.sequence + self._next.messages
            self._next = next(self._packets, None)
        self.is_over = self._next is None
        return due

    def closing(self, send_time_ns: int) -> Packet | None:  # noqa: ARG002 — a file ends as it is
        """Return nothing: a file is published as it is."""
        return None

    def _read(self) -> Iterator[Packet]:
        for ts_ns, destination, payload in self._capture:
            packet = self._packet(ts_ns, destination, payload)
            if packet is None:
                self.skipped += 1
            else:
                yield packet

    def _packet(self, ts_ns: int, destination: tuple[str, int], payload: bytes) -> Packet | None:
        stream = None if destination == NOWHERE else str(Address.of(*destination))
        header = self._wire.read_header(payload)
        if header is None or header.kind != "data" or stream != (self._stream or stream):
            return None
        self._stream = self._stream or stream
        self.session = self.session or header.session
        if header.session != self.session:
            return None
        self._first_ns = ts_ns if self._first_ns is None else self._first_ns
        after_ns = round(max(0, ts_ns - self._first_ns) / self._speed)
        return Packet(after_ns, header.sequence, header.messages, payload)


def open_source(config: ExchangeConfig, wire: Wire) -> GeneratorSource | FileSource:
    """Return what a configuration names.

    Raises
    ------
    CaptureError, SendError
        A file that cannot be read, or holds no packets or messages.
    """
    if isinstance(config.source, GeneratorConfig):
        return GeneratorSource(config, config.source)
    return FileSource(config, config.source, wire)
