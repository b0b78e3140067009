"""What a user sees of sending: files and packets arrive as they should, and nothing leaves by accident."""

import gzip
import shutil
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from captures import capture, payloads
from forked import in_child

from feedhandler.errors import CaptureError, FeedhandlerError, SendError
from replay import Datagram, Pacing, Sender, write_pcap
from replay.capture import Address

GROUP_A, GROUP_B, GROUP_C = ("224.0.31.11", 14320), ("224.0.32.11", 15320), ("224.0.33.11", 16320)
END_OF_SESSION = 0xFFFF
HOUR_NS = 3_600 * 10**9


@contextmanager
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        yield opened


@pytest.fixture(name="line")
def _line() -> Iterator[socket.socket]:
    with receiver() as opened:
        yield opened


@pytest.fixture(name="other")
def _other() -> Iterator[socket.socket]:
    with receiver() as opened:
        yield opened


def address(opened: socket.socket) -> Address:
    host, port = opened.getsockname()
    return host, port


def received(opened: socket.socket) -> list[bytes]:
    """Everything that waits: over loopback, sending is over when it has arrived."""
    datagrams = []
    while True:
        try:
            datagrams.append(opened.recv(65_536))
        except BlockingIOError:
            return datagrams


def moldudp64(packet: bytes) -> tuple[str, int, int, list[bytes]]:
    """Session, sequence number, message count and messages of a packet, read the slow way."""
    session, sequence, count = struct.unpack_from(">10sQH", packet)
    messages, at = [], 20
    while at < len(packet):
        (length,) = struct.unpack_from(">H", packet, at)
        messages.append(packet[at + 2 : at + 2 + length])
        at += 2 + length
    assert len(messages) == (0 if count == END_OF_SESSION else count)
    return session.decode(), sequence, count, messages


def messages_of_file(data: bytes) -> list[bytes]:
    messages, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">H", data, at)
        messages.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return messages


def add_orders(times_ns: list[int]) -> bytes:
    """A file of ITCH 5.0 messages: Add Order, 36 bytes, with these times."""
    blocks = []
    for number, time_ns in enumerate(times_ns):
        stamp = time_ns.to_bytes(6, "big")
        message = b"A" + struct.pack(">HH", 1, 0) + stamp + struct.pack(">Q", number) + b"B" + bytes(16)
        blocks.append(struct.pack(">H", len(message)) + message)
    return b"".join(blocks)


def test_each_stream_of_a_capture_goes_where_its_route_says(
    tmp_path: Path, line: socket.socket, other: socket.socket
) -> None:
    file = tmp_path / "three.pcap"
    streams = (GROUP_A, GROUP_B, GROUP_C)
    write_pcap(file, (Datagram(10**18 + n, streams[n % 3], b"%d" % n) for n in range(90)))
    sender = Sender(routes={GROUP_A: address(line), GROUP_B: address(other)})

    replayed = sender.replay(file)

    assert received(line) == [b"%d" % n for n in range(0, 90, 3)]
    assert received(other) == [b"%d" % n for n in range(1, 90, 3)]
    assert (replayed.datagrams, replayed.skipped, replayed.stopped) == (60, 30, False)
    assert [(sent.to, sent.packets) for sent in sender.sent().destinations] == [
        ("{}:{}".format(*address(line)), 30),
        ("{}:{}".format(*address(other)), 30),
    ]


def test_what_no_route_names_goes_to_each_default(
    tmp_path: Path, line: socket.socket, other: socket.socket
) -> None:
    file = tmp_path / "two.pcap"
    write_pcap(file, [Datagram(1, GROUP_A, b"a"), Datagram(2, GROUP_B, b"b")])

    replayed = Sender([address(line), address(other)], routes={GROUP_A: address(other)}).replay(file)

    assert received(line) == [b"b"]
    assert received(other) == [b"a", b"b"]
    assert (replayed.datagrams, replayed.skipped) == (2, 0)


@pytest.mark.parametrize(
    "pacing",
    [Pacing.original(speed=1_000), Pacing.rate(50_000), Pacing.max()],
    ids=["original", "rate", "max"],
)
def test_every_pacing_sends_each_datagram_once_in_order(
    tmp_path: Path, line: socket.socket, pacing: Pacing
) -> None:
    file = tmp_path / "many.pcap"
    sent = [b"%d" % n * (n % 50) for n in range(1_000)]
    jitter_ns = [((n * 7_919) % 1_000 - 500) * 1_000 for n in range(1_000)]
    write_pcap(
        file,
        (Datagram(10**18 + n * 10_000 + jitter_ns[n], GROUP_A, payload) for n, payload in enumerate(sent)),
    )
    sender = Sender([address(line)])

    sender.replay(file, pacing)

    assert received(line) == sent
    report = sender.sent()
    assert (report.packets, report.bytes, report.too_long) == (1_000, sum(map(len, sent)), 0)
    assert report.lateness_ns.count == (0 if pacing == Pacing.max() else 1_000)


def test_a_real_capture_arrives_whole(line: socket.socket) -> None:
    file = capture("iex/TOPS16.pcapng.gz")
    sender = Sender([address(line)])
    expected = list(payloads(file))
    arrived: list[bytes] = []
    done = threading.Event()

    def drain() -> None:
        while not done.is_set():
            arrived.extend(received(line))

    thread = threading.Thread(target=drain)
    thread.start()
    replayed = sender.replay(file, Pacing.original(speed=500))
    done.set()
    thread.join()
    arrived += received(line)

    assert replayed.datagrams == 13_022
    assert arrived == expected


@pytest.mark.parametrize("pacing", [Pacing.original(), Pacing.max()], ids=["original", "max"])
def test_a_real_message_file_comes_back_from_its_packets(line: socket.socket, pacing: Pacing) -> None:
    file = capture("itch/12302019_SNIPPET.NASDAQ_ITCH50")

    Sender([address(line)]).replay(file, pacing, protocol="itch50", session="SNIPPET")

    *packets, end = [moldudp64(packet) for packet in received(line)]
    messages = [message for packet in packets for message in packet[3]]
    assert messages == messages_of_file(file.read_bytes())
    assert len(messages) == 1_000
    next_sequence = 1
    for session, sequence, count, inside in packets:
        assert (session, sequence) == ("SNIPPET   ", next_sequence)
        if pacing != Pacing.max():
            assert len({message[5:11] for message in inside}) == 1
        next_sequence += count
    assert end == ("SNIPPET   ", 1_001, END_OF_SESSION, [])
    assert (len(packets) < 40) == (pacing == Pacing.max())


@pytest.mark.parametrize("name", ["itch/ex20101224.TEST_ITCH_50", "itch/ex20101224.TEST_ITCH_50.gz"])
def test_messages_without_lengths_are_framed_by_their_type(line: socket.socket, name: str) -> None:
    Sender([address(line)]).replay(capture(name), Pacing.max(), protocol="itch50")

    packets = [moldudp64(packet) for packet in received(line)]
    assert sum(len(packet[3]) for packet in packets) == 12_012
    assert packets[-1][1:] == (12_013, END_OF_SESSION, [])


def test_messages_share_a_packet_as_asked(tmp_path: Path, line: socket.socket) -> None:
    file = tmp_path / "file.itch"
    file.write_bytes(add_orders([100, 100, 150, 200, 260]))
    sender = Sender([address(line)])

    def counts(window_ns: int | None = None, max_packet_bytes: int = 1_400) -> list[int]:
        sender.replay(file, protocol="itch50", window_ns=window_ns, max_packet_bytes=max_packet_bytes)
        return [moldudp64(packet)[2] for packet in received(line)[:-1]]

    assert counts() == [2, 1, 1, 1]
    assert counts(window_ns=50) == [3, 1, 1]
    assert counts(window_ns=1_000) == [5]
    assert counts(window_ns=1_000, max_packet_bytes=20 + 2 * 38) == [2, 2, 1]


def test_a_message_file_that_ends_too_early_is_sent_as_far_as_it_goes(
    tmp_path: Path, line: socket.socket
) -> None:
    file = tmp_path / "cut.itch"
    file.write_bytes(add_orders([1, 2, 3])[:-1])

    replayed = Sender([address(line)]).replay(file, Pacing.max(), protocol="itch50")

    assert replayed.truncated is not None
    assert "at byte 76" in replayed.truncated
    assert [moldudp64(packet)[2] for packet in received(line)] == [2, END_OF_SESSION]


def test_a_capture_that_ends_too_early_is_sent_as_far_as_it_goes(tmp_path: Path, line: socket.socket) -> None:
    file = tmp_path / "cut.pcap"
    write_pcap(file, [Datagram(n, GROUP_A, b"%d" % n) for n in range(3)])
    file.write_bytes(file.read_bytes()[:-1])

    replayed = Sender([address(line)]).replay(file)

    assert replayed.truncated is not None
    assert received(line) == [b"0", b"1"]


def test_compressed_files_are_known_by_their_content(tmp_path: Path, line: socket.socket) -> None:
    plain, packed = tmp_path / "plain.pcap", tmp_path / "packed.bin"
    write_pcap(plain, [Datagram(1, GROUP_A, b"x")])
    with plain.open("rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)

    Sender([address(line)]).replay(packed)

    assert received(line) == [b"x"]


@pytest.mark.parametrize(
    ("to", "options", "says"),
    [
        (("10.0.0.1", 1), {}, "allow_remote"),
        (("8.8.8.8", 53), {"interface": "lo"}, "allow_remote"),
        (("239.1.1.1", 1), {}, "interface"),
        (("239.1.1.1", 1), {"allow_remote": True}, "interface"),
        (("0.0.0.0", 1), {"allow_remote": True}, "expected an address"),
        (("127.0.0.1", 0), {}, "expected a port"),
        (("239.1.1.1", 1), {"interface": "nowhere0"}, "no network interface"),
    ],
)
def test_nothing_leaves_by_accident(to: Address, options: dict[str, bool | str], says: str) -> None:
    with pytest.raises(SendError, match=says):
        Sender([to], **options)  # type: ignore[arg-type]  # the options of each case
    with pytest.raises(SendError, match=says):
        Sender(routes={GROUP_A: to}, **options)  # type: ignore[arg-type]


def test_a_destination_is_an_address_and_no_name() -> None:
    with pytest.raises(ValueError, match='found "localhost"'):
        Sender([("localhost", 1)])


def test_a_file_that_cannot_be_replayed_says_why(tmp_path: Path, line: socket.socket) -> None:
    sender = Sender([address(line)])
    other = tmp_path / "other"
    other.write_bytes(b"neither a capture nor messages")

    with pytest.raises(CaptureError, match="nowhere"):
        sender.replay(tmp_path / "nowhere")
    with pytest.raises(SendError, match="name the protocol"):
        sender.replay(other)
    with pytest.raises(SendError, match="does not declare how messages stand in files"):
        sender.replay(other, protocol="iex-tops")
    with pytest.raises(SendError, match="at most 10 ASCII characters"):
        sender.replay(other, protocol="itch50", session="much too long")
    with pytest.raises(FeedhandlerError, match="unknown protocol"):
        sender.replay(other, protocol="itch5")


@pytest.mark.parametrize("pacing", [Pacing.original(0), Pacing.original(-1), Pacing.rate(float("nan"))])
def test_a_pacing_that_cannot_be_followed_is_refused(
    tmp_path: Path, line: socket.socket, pacing: Pacing
) -> None:
    file = tmp_path / "one.pcap"
    write_pcap(file, [Datagram(1, GROUP_A, b"x")])
    with pytest.raises(SendError, match="must be a number above 0"):
        Sender([address(line)]).replay(file, pacing)


def test_a_process_that_was_forked_makes_a_sender_of_its_own(line: socket.socket) -> None:
    sender = Sender([address(line)])

    def refusal() -> str:
        with pytest.raises(SendError) as refused:
            sender.queue([b"x"])
        return str(refused.value)

    assert "found one that was forked" in in_child(refusal)
    assert sender.queue([b"x"])
    assert sender.flush()


@pytest.fixture(name="endless")
def _endless(tmp_path: Path) -> Path:
    """A capture whose second datagram is due in an hour."""
    file = tmp_path / "endless.pcap"
    write_pcap(file, [Datagram(0, GROUP_A, b"now"), Datagram(HOUR_NS, GROUP_A, b"later")])
    return file


def test_stop_from_another_thread_ends_a_replay(line: socket.socket, endless: Path) -> None:
    sender = Sender([address(line)])
    line.setblocking(True)

    def stop() -> None:
        line.recv(100)
        sender.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()

    replayed = sender.replay(endless)

    stopper.join()
    assert replayed.stopped
    assert sender.sent().packets == 1


def test_progress_is_told_and_may_stop(line: socket.socket, endless: Path) -> None:
    sender = Sender([address(line)])
    told: list[tuple[int, ...]] = []

    def on_progress(*counts: int) -> None:
        told.append(counts)
        if counts[0] > 0:
            sender.stop()

    assert sender.replay(endless, on_progress=on_progress).stopped
    packets, payload_bytes, position_bytes, total_bytes = told[-1]
    assert (packets, payload_bytes) == (1, len(b"now"))
    assert 0 < position_bytes <= total_bytes == endless.stat().st_size


def test_an_exception_of_a_signal_handler_ends_a_replay(line: socket.socket, endless: Path) -> None:
    def interrupt(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(InterruptedError):
            Sender([address(line)]).replay(endless)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_sender_that_is_dropped_does_not_wait_for_its_deadlines(line: socket.socket) -> None:
    sender = Sender([address(line)])
    sender.queue([b"x"], [2**63])
    del sender


def test_packets_go_to_their_lines_at_their_times(line: socket.socket, other: socket.socket) -> None:
    sender = Sender([address(line), address(other)])

    assert sender.queue([b"a", b"b", b"c"], [1, 1, 1], [0, 1, 0])
    assert sender.queue([b"both"])
    assert sender.flush()

    assert received(line) == [b"a", b"c", b"both"]
    assert received(other) == [b"b", b"both"]
    report = sender.sent()
    assert (report.packets, report.bytes, report.lateness_ns.count) == (5, 11, 3)


def test_packets_deadlines_and_lines_must_fit_one_another(line: socket.socket) -> None:
    sender = Sender([address(line)])
    with pytest.raises(ValueError, match="expected one for each of 2 packets, found 1"):
        sender.queue([b"a", b"b"], [1])
    with pytest.raises(ValueError, match="expected one for each of 1 packets, found 2"):
        sender.queue([b"a"], None, [0, 0])
    with pytest.raises(ValueError, match="expected the number of one of 1 lines, found 1"):
        sender.queue([b"a"], None, [1])


def test_a_stopped_sender_sends_no_more(line: socket.socket) -> None:
    sender = Sender([address(line)])
    sender.stop()
    sender.queue([b"x"])

    assert not sender.flush()
    assert received(line) == []


def test_nobody_listening_is_counted_and_stops_nothing(line: socket.socket) -> None:
    with receiver() as deaf:
        deaf.connect(address(deaf))  # takes from itself alone, and keeps the port from others
        sender = Sender([address(line), address(deaf)])
        sender.queue([b"%d" % n for n in range(200)])
        assert sender.flush()

        assert len(received(line)) == 200
        assert [sent.refused for sent in sender.sent().destinations] == [0, 200]


def test_a_datagram_too_long_for_udp_is_counted(line: socket.socket) -> None:
    sender = Sender([address(line)])
    sender.queue([bytes(65_508), bytes(65_507)])
    sender.flush()

    report = sender.sent()
    assert (report.packets, report.too_long) == (1, 1)
    assert [len(datagram) for datagram in received(line)] == [65_507]


MULTICAST = """
    import fcntl, socket, struct
    from replay import Sender

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x8 | 0x40 | 0x1000))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("239.1.1.1", 0))
        line.setsockopt(
            socket.IPPROTO_IP,
            socket.IP_ADD_MEMBERSHIP,
            socket.inet_aton("239.1.1.1") + socket.inet_aton("127.0.0.1"),
        )
        line.settimeout(10)
        for interface in ("lo", "127.0.0.1"):
            sender = Sender([line.getsockname()], interface=interface)
            sender.queue([b"to the group"])
            assert sender.flush()
            print(line.recv(100).decode())
"""


def test_multicast_reaches_the_group_by_the_named_interface() -> None:
    """In a network namespace of its own, where there is nothing but loopback."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare: cannot make a network namespace")
    if subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("not permitted to make a network namespace")
    program = [unshare, "-rn", sys.executable, "-c", textwrap.dedent(MULTICAST)]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == "to the group\nto the group\n", done.stderr
