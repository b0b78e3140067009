"""An exchange on this machine: lines, heartbeats, an end of session, snapshots, and answers to requests.

`Exchange` joins a `Publisher`, which sends what a source has, with a `RequestServer`, which answers.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec

from feedhandler.address import Address
from replay.exchange.config import ExchangeConfig
from replay.exchange.requests import Requests, RequestServer
from replay.exchange.source import GeneratorSource, open_source
from replay.exchange.store import Store
from replay.generator import Packet
from replay.publisher import Publisher
from replay.schedule import Schedule
from replay.sender import Sender, Sent
from replay.true_books import TrueBooks
from replay.wire import WIRES


class ExchangeReport(msgspec.Struct, frozen=True):
    """What an exchange did.

    Parameters
    ----------
    protocol, session
        What was published.
    next_sequence
        Number of the message that would have been next.
    packets, messages
        Packets of messages, and messages; the same on each line.
    heartbeats
        Heartbeats, the same on each line.
    snapshots
        Snapshots that were begun.
    skipped
        Datagrams of the file that were not published.
    requests
        What became of requests; none where they are not answered.
    sent
        What was sent and how late, on all lines together.
    """

    protocol: str
    session: str
    next_sequence: int
    packets: int
    messages: int
    heartbeats: int
    snapshots: int
    skipped: int
    requests: Requests | None
    sent: Sent


class Exchange:
    """Publishes a session until it is stopped, or its file is over, then ends it.

    Parameters
    ----------
    config
        What, and where.

    Raises
    ------
    SendError
        A destination that may not be sent to.
    CaptureError
        The file cannot be read.
    OSError
        The address for requests is not to be had.

    Examples
    --------
    >>> from replay import Exchange, ExchangeConfig
    >>> from replay.exchange.config import LineConfig
    >>> from feedhandler.address import Address
    >>> line = LineConfig(name="A", address=Address.parse("127.0.0.1:20001"))
    >>> with Exchange(ExchangeConfig(protocol="itch50", lines=(line,))) as exchange:  # doctest: +SKIP
    ...     ...  # receive
    """

    def __init__(self, config: ExchangeConfig) -> None:
        self.config = config
        """What, and where."""
        self._wire = WIRES[config.protocol]
        self._source = open_source(config, self._wire)
        self._sender = self._open_sender()
        self._schedule = self._make_schedule()
        self._store = Store(
            self._wire,
            self._source.session,
            0 if config.requests is None else config.requests.messages,
            config.session.packet_bytes,
        )
        self._server = self._open_server()
        self._snapshot_ns = 0
        self._packets = self._messages = self._snapshots = 0
        self._publisher = Publisher(
            self._source,
            self._schedule,
            self._sender,
            end_ns=config.session.end_ms * 1_000_000,
            end_gap_ns=config.session.heartbeat_ms * 1_000_000,
            told=self._take,
        )

    @property
    def session(self) -> str:
        """Name of the session."""
        return self._source.session

    @property
    def requests_address(self) -> Address | None:
        """Where requests are answered, if they are."""
        return None if self._server is None else self._server.address

    def books(self) -> TrueBooks | None:
        """Return the true books that all messages so far make; none of a file.

        Messages are made some 50 ms before they are sent.
        """
        return self._source.generator.books() if isinstance(self._source, GeneratorSource) else None

    def report(self) -> ExchangeReport:
        """Return what was done so far; waits for what is being sent."""
        return ExchangeReport(
            protocol=self.config.protocol,
            session=self._source.session,
            next_sequence=self._source.next_sequence,
            packets=self._packets,
            messages=self._messages,
            heartbeats=self._schedule.heartbeats,
            snapshots=self._snapshots,
            skipped=self._source.skipped,
            requests=None if self._server is None else self._server.report(),
            sent=self._sender.sent(),
        )

    def start(self) -> None:
        """Begin to publish, in 50 ms."""
        if self._server is not None:
            self._server.start()
        self._publisher.start()

    def stop(self) -> None:
        """Have the session ended; returns at once."""
        self._publisher.stop()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the session has ended and its end was told as long as it shall; return whether it was.

        Raises
        ------
        SendError
            The kernel would not send.
        """
        return self._publisher.join(timeout_s)

    def close(self) -> None:
        """Answer no more requests."""
        if self._server is not None:
            self._server.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
        else:
            self._publisher.abort()
        try:
            self.join()
        finally:
            self.close()

    def _open_sender(self) -> Sender:
        addresses = [line.address for line in self.config.lines]
        if self.config.snapshot is not None:
            addresses.append(self.config.snapshot.address)
        send = self.config.send
        return Sender(
            [(str(address.ip), address.port) for address in addresses],
            interface=send.interface,
            multicast_ttl=send.ttl,
            allow_remote=send.allow_remote,
            sleep_only=send.sleep_only,
        )

    def _make_schedule(self) -> Schedule:
        delays_ns = [line.delay_us * 1_000 for line in self.config.lines]
        heartbeat_ns = self.config.session.heartbeat_ms * 1_000_000
        return Schedule(self._wire, self._source.session, delays_ns, heartbeat_ns)

    def _open_server(self) -> RequestServer | None:
        requests = self.config.requests
        if requests is None:
            return None
        return RequestServer(requests.address, self._wire, self._store, requests.per_second)

    def _take(self, packets: Sequence[Packet], horizon_ns: int) -> None:
        """Keep what will have been sent, and begin a snapshot where one is due."""
        self._keep(packets)
        self._snapshot_until(horizon_ns)

    def _keep(self, packets: Sequence[Packet]) -> None:
        self._packets += len(packets)
        self._messages += sum(packet.messages for packet in packets)
        if self._server is not None:
            self._store.add(packets)

    def _snapshot_until(self, horizon_ns: int) -> None:
        """Begin a snapshot, where one is due, behind the messages that are in it."""
        snapshot, source = self.config.snapshot, self._source
        if snapshot is None or self._snapshot_ns >= horizon_ns or not isinstance(source, GeneratorSource):
            return
        self._snapshots += 1
        start_ns = max(horizon_ns, self._schedule.last_ns)
        packets = source.generator.snapshot(f"S{self._snapshots:09}", start_ns)
        gap_ns = 10**9 // snapshot.packets_per_second
        over_ns = self._schedule.add_on(len(self.config.lines), packets, start_ns, gap_ns)
        self._snapshot_ns = max(start_ns + snapshot.interval_ms * 1_000_000, over_ns)
