"""The Rust half of feedhandler: checked against the built module by stubtest."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import ClassVar, Final, final

from _typeshed import WriteableBuffer

__all__ = [
    "BUILD_PROFILE",
    "NO_PRICE",
    "Batch",
    "Books",
    "Datagrams",
    "DecodeBench",
    "FileReader",
    "Generator",
    "Layout",
    "OpenLoop",
    "Plan",
    "Receiver",
    "Rows",
    "Sender",
    "arena_bytes",
    "book_states",
    "capture_head",
    "capture_info",
    "capture_is_closed",
    "causes",
    "core_ghz",
    "event_kinds",
    "event_layout",
    "latency_overhead_ns",
    "order_layout",
]

BUILD_PROFILE: Final[str]
"""``release`` or ``debug``: a debug build refuses to be benchmarked."""

NO_PRICE: Final[int]
"""What a column of integer prices of `Books` holds where there is no price: the least number of 64 bits."""

_Timed = tuple[int, int, int, bytes]
"""When a packet is to be sent, number of its first message, number of messages, and payload."""

@final
class Generator:
    """The packets of a synthetic session, and its true books."""

    def __new__(
        cls,
        protocol: str,
        seed: int,
        instruments: int,
        session: str,
        start_ns: int,
        rate: float,
        packet_bytes: int,
    ) -> Generator: ...
    @property
    def next_sequence(self) -> int:
        """Number of the next message."""
    @property
    def least_messages(self) -> int:
        """Messages that a session has at least."""
    def packet(self, send_time_ns: int, messages: int) -> _Timed:
        """Make a packet with so many messages, or as many as fit."""
    def until(self, horizon_ns: int) -> list[_Timed]:
        """Make the packets of what happens before a time."""
    def closing(self, send_time_ns: int) -> _Timed | None:
        """Make the packet with the messages that end a session."""
    def heartbeat(self, send_time_ns: int) -> _Timed:
        """Make a heartbeat."""
    def end_of_session(self, send_time_ns: int) -> _Timed:
        """Make the packet that ends the session."""
    def snapshot(self, session: str, send_time_ns: int) -> list[bytes]:
        """Make a session that makes the present books."""
    def books(self) -> bytes:
        """Return the true books, as JSON."""
    def write(
        self,
        path: str | PathLike[str],
        lines: Sequence[tuple[str, str, int]],
        limit: tuple[str, int],
        *,
        on_progress: Callable[[int, int, int], object] | None = None,
    ) -> bytes:
        """Write the rest of the session to a capture, and return what was written, as JSON."""

@final
class Layout:
    """Where the columns of a table's row stand: what a numpy dtype is made from."""

    @property
    def row_bytes(self) -> int:
        """Distance from one row to the next, in bytes."""
    @property
    def columns(self) -> list[tuple[str, str, int]]:
        """Name, numpy format in native byte order, and offset in bytes of each column."""

@final
class Plan:
    """A protocol declaration, compiled.

    Parameters
    ----------
    specification
        JSON, as ``feedhandler.protocol`` makes it.

    Raises
    ------
    ValueError
        The specification says something impossible.
    """

    def __new__(cls, specification: bytes, /) -> Plan: ...
    @property
    def name(self) -> str:
        """Name of the protocol."""
    @property
    def has_file_form(self) -> bool:
        """Whether its messages also stand in files without packets."""
    @property
    def tables(self) -> list[tuple[str, list[str], Layout]]:
        """Name of the message, codes as in the specification, and layout of its table."""

def event_layout() -> Layout:
    """Layout of ``batch.events``."""

def order_layout() -> Layout:
    """Layout of ``batch.order``."""

def event_kinds() -> list[tuple[int, str]]:
    """Number and name of each kind of event."""

def causes() -> list[tuple[int, str]]:
    """Number and name of each cause of a loss."""

@final
class Rows:
    """The rows of one table, as a read-only buffer; its memory lives as long as anybody refers to it."""

    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...

@final
class Batch:
    """Messages and events, columns by table."""

    @property
    def size(self) -> int:
        """Number of messages."""
    @property
    def queue_depth(self) -> int:
        """Slots of the ring in use when the batch was closed: datagrams, or runs of coalesced ones."""
    def table(self, index: int, /) -> Rows | None:
        """Rows of the table at ``index`` of ``Plan.tables``; None where no message of it came."""
    def order(self) -> Rows:
        """Arrival order over the tables."""
    def events(self) -> Rows:
        """What happened besides messages."""

@final
class Books:
    """Books of every instrument of a protocol's channels.

    Parameters
    ----------
    plan
        Protocol.
    instruments
        Instruments at most, over all channels.
    orders
        Orders that may rest in the books of a channel.
    levels
        Price levels that a side may have.

    Raises
    ------
    ValueError
        The protocol does not say what its messages do to books.
    """

    def __new__(cls, plan: Plan, /, *, instruments: int, orders: int, levels: int) -> Books: ...
    def apply(self, batch: Batch, /) -> None:
        """Do what a batch says, without the GIL; ValueError where its tables are of another protocol."""
    def bbo(self) -> Rows:
        """Best bid and offer of every instrument: a row's index is the instrument's number."""
    def changed(self) -> Rows:
        """Best bid and offer of every instrument that something happened to since the last call."""
    def bbo_of(self, index: int, /) -> Rows | None:
        """Best bid and offer of one instrument, given its number; None where there is none."""
    def depth(self, index: int, levels: int, /) -> tuple[int, int, Rows, Rows] | None:
        """State, its ``since_seq``, bids and offers of an instrument, at most `levels` a side, best first."""
    def find_text(self, text: bytes, /) -> list[int]:
        """Numbers of the instruments with this symbol or name: one a channel at most."""
    def find_number(self, number: int, /) -> list[int]:
        """Numbers of the instruments that have this number for a name: one a channel at most."""
    @property
    def orders(self) -> int:
        """Orders that rest in all books."""
    def counters(self) -> bytes:
        """What became of the messages: JSON of ``feedhandler.book_state.BookCounters``."""
    @property
    def bbo_layout(self) -> Layout:
        """Layout of `bbo`, `changed` and `bbo_of`."""
    @property
    def level_layout(self) -> Layout:
        """Layout of each side of `depth`."""

def book_states() -> list[tuple[int, str]]:
    """Number and name of each state of a book."""

@final
class FileReader:
    """Reads a capture, or a file of bare messages, into batches.

    Parameters
    ----------
    path
        pcap, pcapng or a file of bare messages, plain, gzip or zstd; told apart by content.
    plan
        Protocol.
    channels
        Name and addresses of each channel's lines.
    rest
        What becomes of other destinations: ``pair``, ``each`` or ``skip``, as of `feedhandler.read`.
    batch_messages
        Messages after which a batch is closed.
    grace_ns
        How long a missing unit is waited for, by the capture's clock.
    is_grace_adaptive
        Whether, once enough copies were measured, that follows the skew between the lines instead.
    window_packets, window_bytes
        What is kept meanwhile, at most.
    instruments
        Instruments whose messages become rows, by unsigned number or by text; without any, all.
    faults
        What is done to the datagrams first: JSON of `replay.faults.Faults`.
    truth
        File that says what was done.

    Raises
    ------
    feedhandler.errors.CaptureError
        The file cannot be read, or is not what it should be.
    feedhandler.errors.FaultError
        A fault cannot be done.
    """

    def __new__(
        cls,
        path: str,
        plan: Plan,
        /,
        *,
        channels: Sequence[tuple[str, Sequence[tuple[str, int]]]] = ...,
        rest: str = "pair",
        batch_messages: int = 8192,
        grace_ns: int = 5_000_000,
        is_grace_adaptive: bool = False,
        window_packets: int = 4096,
        window_bytes: int = 8_388_608,
        instruments: Sequence[int | str] | None = None,
        faults: bytes | None = None,
        truth: str | None = None,
    ) -> FileReader: ...
    def next_batch(self) -> Batch | None:
        """Next batch, without the GIL; None at the end."""
    @property
    def progress(self) -> tuple[int, int]:
        """Bytes of the file read, and its size."""
    def report(self) -> bytes:
        """What was read so far: JSON of ``feedhandler.report.Report``."""

@final
class Receiver:
    """Receives live lines: sockets, ring and receive thread.

    Parameters
    ----------
    plan
        Protocol.
    options
        JSON of ``ReceiverOptions`` in the core crate.
    arena
        Writable memory of the ring, at least `arena_bytes` bytes; kept until the receiver is gone.
    instruments
        Instruments whose messages become rows, by unsigned number or by text; without any, all.
    capture
        JSON of ``CaptureOptions`` in the core crate; without it, nothing is captured.

    Raises
    ------
    feedhandler.errors.WireError
        A socket cannot be made as configured.
    feedhandler.errors.CaptureError
        The first file of a capture cannot be made.
    """

    def __new__(
        cls,
        plan: Plan,
        options: bytes,
        arena: WriteableBuffer,
        /,
        *,
        instruments: Sequence[int | str] | None = None,
        capture: bytes | None = None,
    ) -> Receiver: ...
    def next_batch(self, timeout_ns: int, /) -> Batch | None:
        """Next batch, without the GIL; None where nothing came in time. Signal handlers run every 50 ms."""
    def fileno(self) -> int:
        """A descriptor that is readable when datagrams wait and `arm` was called: for an event loop."""
    def arm(self) -> bool:
        """Ask for a wake-up at `fileno`; False where datagrams already wait."""
    def disarm(self) -> None:
        """Take the wake-up back, and clear it."""
    def stop(self) -> None:
        """End reception, from any thread; what the ring still holds can be read on."""
    def rotate(self) -> None:
        """Have the next packet begin another file of the capture, from any thread."""
    def close(self) -> tuple[bytes, dict[str, bytes]] | None:
        """Stop, close the sockets, and return report and histograms; None in a process that was forked."""
    @property
    def is_disordered(self) -> bool:
        """Whether something missing is waited for: poll every millisecond then, although nothing comes."""
    @property
    def is_over(self) -> bool:
        """Whether reception was stopped and everything was read."""
    @property
    def has_ended(self) -> bool:
        """Whether every channel has come to the end of its session, with nothing missing before it."""
    @property
    def addresses(self) -> list[tuple[int, int, str, str, int]]:
        """Channel, line, name of the line, address and port that each socket is bound to."""
    def report(self) -> bytes:
        """What was received so far: JSON of ``feedhandler.report.Report``."""
    def clear_latency(self) -> None:
        """Forget the latencies so far, such as those of a warm-up."""
    def histograms(self) -> dict[str, bytes]:
        """Latency by stage, ns: HdrHistogram V2, compressed (before base64)."""

def arena_bytes(slots: int, slot_bytes: int, /) -> int:
    """Memory that a ring of `slots` slots for datagrams of up to `slot_bytes` needs.

    Raises
    ------
    ValueError
        The number of slots is no power of two, or a size is impossible.
    """

def capture_head(path: str, /) -> bytes:
    """What a capture says of itself up to its first datagram, as JSON.

    Raises
    ------
    feedhandler.errors.CaptureError
        The file cannot be read, or is no capture.
    """

def capture_is_closed(path: str, /) -> bool:
    """Whether a capture that this package wrote ends with its trailer, by the file's last bytes.

    Raises
    ------
    feedhandler.errors.CaptureError
        The file cannot be read.
    """

def capture_info(
    path: str,
    /,
    *,
    plans: Sequence[Plan] = ...,
    most_datagrams: int | None = None,
    has_timelines: bool = False,
) -> bytes:
    """Facts of a capture and its streams: JSON of ``feedhandler.capture.CaptureInfo``.

    Parameters
    ----------
    plans
        Protocols that are tried on each stream.
    most_datagrams
        Datagrams that are looked at; without it, all.
    has_timelines
        Whether datagrams are counted by time as well.

    Raises
    ------
    feedhandler.errors.CaptureError
        The file cannot be read, or is no capture.
    """

@final
class Sender:
    """Sends datagrams at their deadlines, on a thread that never takes the GIL; `replay.Sender` stands on it.

    Parameters
    ----------
    to
        Address and port of each line.
    routes
        Destinations in a capture, and where each is sent instead.
    interface
        Interface to send multicast by: a name or one of its addresses.
    multicast_ttl
        Routers that multicast may pass; 0 keeps it on this machine.
    allow_remote
        Allows a unicast address that is not this machine's.
    sleep_only
        Sleeps until a deadline, rather than spin for its last microseconds.
    segments
        Datagrams of one size may go to the kernel as one, where they are sent as fast as it takes them.

    Raises
    ------
    ValueError
        An address cannot be one.
    feedhandler.errors.SendError
        A destination is not allowed, or cannot be reached.
    """

    def __new__(
        cls,
        to: Sequence[tuple[str, int]],
        *,
        routes: Sequence[tuple[tuple[str, int], tuple[str, int]]] = ...,
        interface: str | None = None,
        multicast_ttl: int = 0,
        allow_remote: bool = False,
        sleep_only: bool = False,
        segments: bool = True,
    ) -> Sender: ...
    def replay(
        self,
        files: bytes,
        /,
        *,
        speed: float | None = None,
        packets_per_second: float | None = None,
        faults: bytes | None = None,
        truth: str | PathLike[str] | None = None,
        on_progress: Callable[[int, int, int, int], object] | None = None,
    ) -> bytes:
        """Send the datagrams of files (JSON of `replay.Capture`), with faults; the outcome as JSON."""
    def queue(
        self,
        packets: Sequence[bytes],
        deadlines_ns: Sequence[int] | None = None,
        lines: Sequence[int] | None = None,
    ) -> bool:
        """Have packets sent, each at its Unix time or at once; False once sending was stopped."""
    def flush(self) -> bool:
        """Wait until all that was queued is sent; False where sending was stopped."""
    def stop(self) -> None:
        """End what is being sent within 50 ms, and all that is queued or comes later at once."""
    def report(self) -> bytes:
        """What was sent so far, as JSON."""

@final
class Datagrams:
    """The datagrams of files, as a replay would send them; `replay.Capture` stands on it.

    Parameters
    ----------
    files
        JSON of `replay.Capture`.
    """

    def __new__(cls, files: bytes, /) -> Datagrams: ...
    def next_chunk(self) -> list[tuple[int, tuple[str, int] | None, bytes]]:
        """The next of them: time, where each was recorded on its way to, payload; empty at the end."""

@final
class OpenLoop:
    """Sends packets on a schedule that waits for nobody; `feedhandler.bench.sender` stands on it.

    Parameters
    ----------
    options
        JSON of ``Options`` in ``open_loop.rs``.
    packets
        The packets that are sent again and again.

    Raises
    ------
    ValueError
        The options do not fit, or a file of the schedule cannot be read.
    feedhandler.errors.SendError
        A destination is not allowed, or cannot be reached.
    """

    def __new__(cls, options: bytes, packets: Sequence[bytes], /) -> OpenLoop: ...
    def run(self) -> tuple[bytes, bytes]:
        """Send it all, or until stopped: what was sent as JSON, and how late as an HdrHistogram (V2)."""
    def stop(self) -> None:
        """End what is being sent within 50 ms."""

@final
class DecodeBench:
    """Packets in memory, decoded again and again: for `feedhandler bench decode`.

    Parameters
    ----------
    plan
        Protocol.
    packets
        Datagrams, each of at most `SLOT_BYTES`.

    Raises
    ------
    ValueError
        A packet is too long, or its framing lies.
    """

    SLOT_BYTES: ClassVar[int]
    def __new__(cls, plan: Plan, packets: Sequence[bytes], /) -> DecodeBench: ...
    def arena(self) -> Rows:
        """The memory that the packets lie in."""
    def payloads(self) -> list[tuple[int, int, int]]:
        """Offset and length of each packet's payload in the arena, and its first sequence number."""
    def batch(self) -> Batch:
        """What one round decodes."""
    def decode(self, rounds: int, /) -> int:
        """Decode the payloads `rounds` times, without the GIL; the number of messages."""
    def pipeline(self, rounds: int, /) -> int:
        """Send the packets through the whole pipeline `rounds` times; the number of messages."""

def core_ghz() -> float:
    """Clock of the core this runs on, GHz, estimated from a chain of dependent additions."""

def latency_overhead_ns() -> tuple[float, float, float]:
    """Cost, in ns: a turn of an empty loop, a look at the clock, all that is recorded of a datagram."""
