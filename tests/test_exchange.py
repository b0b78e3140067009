"""The built-in exchange as a receiver meets it: lines, heartbeats, an end, snapshots, and answers."""

import json
import re
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import delivered
import live
import msgpack
import oracle_book
import pytest
from captures import ROOT, capture

import feedhandler as fh
from feedhandler.address import Address
from feedhandler.config_file import load as load_config
from feedhandler.errors import ConfigError, SendError
from feedhandler.protocol import load as load_protocol
from replay import Exchange, ExchangeConfig, Generator
from replay.exchange.config import (
    FileConfig,
    GeneratorConfig,
    LineConfig,
    RequestsConfig,
    SendConfig,
    SessionConfig,
    SnapshotConfig,
    load,
)
from replay.exchange.requests import Requests
from replay.generator import LINES, START_NS, Protocol
from replay.wire import WIRES, Header

PROTOCOLS: tuple[Protocol, Protocol] = ("msgpack", "itch50")
both_protocols = pytest.mark.parametrize("protocol", PROTOCOLS)
ANY_PORT = Address.parse("127.0.0.1:0")
QUICK = SessionConfig(name="DAY", heartbeat_ms=50, end_ms=100)
PATIENCE_S = 30


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Three sockets of 127.0.0.1: lines A and B, and snapshots or requests."""
    with ExitStack() as stack:
        opened = []
        for _ in range(3):
            each = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            each.bind(("127.0.0.1", 0))
            each.settimeout(PATIENCE_S)
            opened.append(each)
        yield opened


def lines_to(sockets: list[socket.socket]) -> tuple[LineConfig, ...]:
    addresses = [Address.of(*each.getsockname()) for each in sockets]
    return tuple(LineConfig(name=name, address=to) for name, to in zip("ABC", addresses, strict=False))


def described(protocol: Protocol, sockets: list[socket.socket], **more: Any) -> ExchangeConfig:
    more.setdefault("source", GeneratorConfig(seed=3, instruments=4, rate=5_000.0))
    more.setdefault("session", QUICK)
    more.setdefault("send", SendConfig(sleep_only=True))
    return ExchangeConfig(protocol=protocol, lines=lines_to(sockets), **more)


def header_of(protocol: Protocol, packet: bytes) -> Header:
    header = WIRES[protocol].read_header(packet)
    assert header is not None
    return header


def until_end(protocol: Protocol, line: socket.socket) -> list[bytes]:
    """What comes on a line, to the first end of the session."""
    packets: list[bytes] = []
    while not packets or header_of(protocol, packets[-1]).kind != "end_of_session":
        packets.append(line.recv(65_536))
    return packets


def until_messages(protocol: Protocol, line: socket.socket, count: int) -> list[bytes]:
    """What comes on a line, until so many messages have come."""
    packets: list[bytes] = []
    while sum(header_of(protocol, packet).messages for packet in packets) < count:
        packets.append(line.recv(65_536))
    return packets


@both_protocols
def test_the_handler_receives_everything_and_has_the_true_books(protocol: Protocol) -> None:
    with fh.open(live.config(protocol, (live.ANY_PORT, live.ANY_PORT)), stop_at_end_of_session=True) as feed:
        books, received = fh.Books(protocol), 0
        lines = tuple(
            LineConfig(name=name, address=line.address, delay_us=200)
            for name, line in zip("AB", feed.addresses, strict=True)
        )
        config = ExchangeConfig(
            protocol=protocol, lines=lines, session=QUICK, send=SendConfig(sleep_only=True)
        )
        with Exchange(config) as exchange:
            for batch in feed:
                books.apply(batch)
                received += batch.size
                if received > 1_500:
                    exchange.stop()
        report, told, truth = feed.report(), exchange.report(), exchange.books()
    live.assert_nothing_dropped(report)
    assert report.ledger.is_balanced
    assert (report.ledger.lost, report.malformed) == (0, 0)
    assert report.messages == told.messages == told.next_sequence - 1
    assert [session.id for session in report.sessions] == ["DAY"]
    assert truth is not None
    assert truth.next_sequence == told.next_sequence
    for book in truth.books:
        found = books.depth(book.instrument, None)
        assert found.state is fh.BookState.GOOD
        for levels, rows in ((book.bids, found.bids), (book.asks, found.asks)):
            assert [(level.price, level.size, len(level.orders)) for level in levels] == rows.tolist()


@both_protocols
def test_lines_carry_the_same_and_are_never_silent_for_long(
    protocol: Protocol, sockets: list[socket.socket]
) -> None:
    quiet = GeneratorConfig(instruments=1, rate=4.0)
    with Exchange(described(protocol, sockets[:2], source=quiet)) as exchange:
        line_a = [sockets[0].recv(65_536) for _ in range(15)]
        exchange.stop()
        line_a += until_end(protocol, sockets[0])
    line_b = until_end(protocol, sockets[1])
    assert line_a == line_b
    headers = [header_of(protocol, packet) for packet in line_a]
    expected = 1
    for header in headers:
        assert (header.session, header.sequence) == ("DAY", expected)
        expected += header.messages
    kinds = [header.kind for header in headers]
    assert kinds.count("heartbeat") >= 5
    report = exchange.report()
    assert kinds[:-1].count("heartbeat") == report.heartbeats
    ends = 1 + sum(1 for _ in received_now(sockets[0]))
    assert ends == 3, "the end is told again in place of heartbeats, for 100 ms"
    assert report.sent.packets == 2 * (len(line_a) + 2)


def received_now(line: socket.socket) -> Iterator[bytes]:
    """What waits in a socket."""
    line.setblocking(False)
    try:
        while True:
            yield line.recv(65_536)
    except BlockingIOError:
        return


def request(protocol: Protocol, session: str, sequence: int, count: int) -> bytes:
    if protocol == "itch50":
        return struct.pack(">10sQH", session.ljust(10).encode(), sequence, count)
    packed: bytes = msgpack.packb([session, sequence, count])
    return packed


@both_protocols
def test_messages_are_sent_again_on_request(protocol: Protocol, sockets: list[socket.socket]) -> None:
    line, client = sockets[0], sockets[2]
    requests = RequestsConfig(address=ANY_PORT, per_second=100_000)
    wire = WIRES[protocol]
    with Exchange(described(protocol, [line], requests=requests)) as exchange:
        packets = until_messages(protocol, line, 400)
        messages = [message for packet in packets for message in wire.messages(packet)]
        assert exchange.requests_address is not None
        server = str(exchange.requests_address.ip), exchange.requests_address.port
        for first, count in [(1, 1), (2, 3), (100, 25), (399, 2), (1, 400), (1, 65_534)]:
            client.sendto(request(protocol, "DAY", first, count), server)
            answer, source = client.recvfrom(65_536)
            header = header_of(protocol, answer)
            assert source == server
            assert (header.kind, header.session, header.sequence) == ("data", "DAY", first)
            assert len(answer) <= 1_400
            assert list(wire.messages(answer)) == messages[first - 1 : first - 1 + header.messages]
            assert header.messages == count or len(answer) > 1_300

        for sequence in range(1, 401):  # message by message, everything
            client.sendto(request(protocol, "DAY", sequence, 1), server)
            answer = client.recv(65_536)
            assert list(wire.messages(answer)) == [messages[sequence - 1]]

        refused = [b"", b"nonsense", request(protocol, "NIGHT", 1, 1), request(protocol, "DAY", 1 << 40, 1)]
        refused += [request(protocol, "DAY", 1, 0), request(protocol, "DAY", 0, 1)]
        for datagram in refused:
            client.sendto(datagram, server)
        client.sendto(request(protocol, "DAY", 7, 1), server)
        assert list(wire.messages(client.recv(65_536))) == [messages[6]], "the others have no answer"
    counts = exchange.report().requests
    assert counts is not None
    assert (counts.received, counts.answered) == (6 + 400 + 7, 6 + 400 + 1)
    assert (counts.malformed, counts.other_session, counts.not_sent_yet) == (2, 1, 1)
    assert (counts.nothing_asked, counts.too_old, counts.too_many) == (1, 1, 0)


def test_old_messages_and_too_many_requests_are_not_answered(sockets: list[socket.socket]) -> None:
    line, client = sockets[0], sockets[2]
    requests = RequestsConfig(address=ANY_PORT, messages=100, per_second=5)
    with Exchange(described("itch50", [line], requests=requests)) as exchange:
        until_messages("itch50", line, 500)
        assert exchange.requests_address is not None
        server = str(exchange.requests_address.ip), exchange.requests_address.port
        for _ in range(20):
            client.sendto(request("itch50", "DAY", 1, 1), server)
        deadline_s = time.monotonic() + PATIENCE_S
        while (counts := exchange.report().requests) is None or counts.received < 20:
            assert time.monotonic() < deadline_s
    assert counts.answered == 0
    assert counts.too_old + counts.too_many == 20
    assert counts.too_old >= 5
    assert counts.too_many > 0


def test_requests_are_answered_while_the_end_of_the_session_is_told(sockets: list[socket.socket]) -> None:
    line, client = sockets[0], sockets[2]
    requests = RequestsConfig(address=ANY_PORT)
    session = SessionConfig(name="DAY", heartbeat_ms=50, end_ms=10_000)
    exchange = Exchange(described("itch50", [line], requests=requests, session=session))
    exchange.start()
    until_messages("itch50", line, 50)
    exchange.stop()
    last = header_of("itch50", until_end("itch50", line)[-1]).sequence - 1
    assert exchange.requests_address is not None
    client.sendto(
        request("itch50", "DAY", last, 9), (str(exchange.requests_address.ip), exchange.requests_address.port)
    )
    (message,) = WIRES["itch50"].messages(client.recv(65_536))
    assert message[2:3] + message[-1:] == b"SC", "the last message ends messages"
    exchange.close()


def test_an_error_ends_it_at_once(sockets: list[socket.socket]) -> None:
    session = SessionConfig(name="DAY", end_ms=600_000)
    exchange = Exchange(described("itch50", sockets[:1], session=session))

    def interrupted() -> None:
        with exchange:
            until_messages("itch50", sockets[0], 20)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert exchange.join(0)


def state_of(protocol: Protocol, packets: list[bytes], file: Path) -> dict[Any, Any]:
    """What an oracle makes of packets: symbol, orders and quote of each instrument."""
    slow = oracle_book.Oracle(load_protocol(protocol))
    for batch in fh.read(delivered.write_datagrams(file, packets), protocol):
        slow.apply(batch)
    return {told.name: (told.symbol, sorted(map(repr, told.orders)), told.quote) for told in slow.instruments}


@both_protocols
@pytest.mark.parametrize("packets", [1, 2, 30, 700])
def test_a_snapshot_makes_the_books_of_all_messages_before_its_number(
    protocol: Protocol, packets: int, tmp_path: Path
) -> None:
    generator = Generator(5, 6, protocol=protocol, session="DAY")
    told = [
        packet for _, packet in generator.packets(packets, start_ns=START_NS, interval_ns=1_000, messages=5)
    ]
    snapshot = generator.snapshot("S000000001", START_NS + 10**9)
    wire = WIRES[protocol]

    assert state_of(protocol, snapshot, tmp_path / "s.pcap") == state_of(
        protocol, told, tmp_path / "all.pcap"
    )

    headers = [header_of(protocol, packet) for packet in snapshot]
    assert {header.session for header in headers} == {"S000000001"}
    assert [header.kind for header in headers[-2:]] == ["data", "end_of_session"]
    last = wire.messages(snapshot[-2])[-1]
    if protocol == "itch50":
        assert last == b"\x00\x15G%020d" % generator.next_sequence
    else:
        assert msgpack.unpackb(last)[:4] == [7, 0, "DAY", generator.next_sequence]
    assert all(len(packet) <= 1_400 for packet in snapshot)


def test_snapshots_come_again_and_again_each_a_session(sockets: list[socket.socket]) -> None:
    line, snapshots = sockets[0], sockets[1]
    snapshot = SnapshotConfig(address=Address.of(*snapshots.getsockname()), interval_ms=20)
    with Exchange(described("msgpack", [line], snapshot=snapshot)) as exchange:
        cycles = [until_end("msgpack", snapshots) for _ in range(4)]
    sessions = [{header_of("msgpack", packet).session for packet in cycle} for cycle in cycles]
    assert sessions == [{f"S{number:09}"} for number in range(1, 5)]
    ends = [msgpack.unpackb(WIRES["msgpack"].messages(cycle[-2])[-1]) for cycle in cycles]
    numbers = [end[3] for end in ends]
    assert numbers == sorted(set(numbers))
    assert {end[2] for end in ends} == {"DAY"}
    assert exchange.report().snapshots >= 4


@both_protocols
def test_a_capture_is_published_as_it_is(
    protocol: Protocol, tmp_path: Path, sockets: list[socket.socket]
) -> None:
    file = tmp_path / "day.pcapng.zst"
    generator = Generator(9, protocol=protocol, session="FILE", rate=20_000.0)
    generator.write(file, LINES, messages=2_000)
    source = FileConfig(path=str(file), speed=2.0)
    with Exchange(described(protocol, sockets[:1], source=source)) as exchange:
        packets = until_end(protocol, sockets[0])
        assert exchange.join(PATIENCE_S)
    published = delivered.read(delivered.write_datagrams(tmp_path / "p.pcap", packets), protocol).report
    report = exchange.report()
    recorded = delivered.read(file, protocol, channels={"f": ["239.1.1.1:20001"]}, rest="skip").report
    assert published.digest == recorded.digest
    assert (report.session, report.messages, report.next_sequence) == ("FILE", 2_000, 2_001)
    assert report.skipped == report.packets + 2 * 3, "line B, and the file's own ends"
    assert exchange.books() is None


def test_a_file_of_something_else_is_refused(tmp_path: Path, sockets: list[socket.socket]) -> None:
    file = tmp_path / "day.pcapng"
    Generator(1, protocol="msgpack").write(file, messages=100)
    with pytest.raises(SendError, match="expected packets of itch50 with messages, found none"):
        Exchange(described("itch50", sockets[:1], source=FileConfig(path=str(file), stream=ANY_PORT)))
    with pytest.raises(fh.CaptureError, match="nowhere"):
        Exchange(described("itch50", sockets[:1], source=FileConfig(path=str(tmp_path / "nowhere"))))


def test_a_file_of_messages_is_published_in_packets(tmp_path: Path, sockets: list[socket.socket]) -> None:
    file = capture("itch/12302019_SNIPPET.NASDAQ_ITCH50")
    with Exchange(described("itch50", sockets[:1], source=FileConfig(path=str(file)))) as exchange:
        packets = until_end("itch50", sockets[0])
    published = delivered.read(delivered.write_datagrams(tmp_path / "p.pcap", packets), "itch50").report
    assert published.messages == 1_000
    assert published.digest == delivered.read(file, "itch50").report.digest
    assert exchange.session == "DAY"


def test_nothing_leaves_the_machine_unless_it_is_meant_to() -> None:
    def to(address: str, **send: Any) -> ExchangeConfig:
        line = LineConfig(name="A", address=Address.parse(address))
        return ExchangeConfig(protocol="itch50", lines=(line,), send=SendConfig(**send))

    with pytest.raises(SendError, match="not this machine"):
        Exchange(to("192.0.2.1:20001"))
    with pytest.raises(SendError, match="without an interface"):
        Exchange(to("239.1.1.1:20001"))


HEAD = 'protocol = "itch50"\n'
LINE = '[[line]]\nname = "A"\naddress = "127.0.0.1:20001"\n'


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        (LINE, "", "the key protocol"),
        ('protocol = "fix"\n' + LINE, "protocol", "'msgpack', 'itch50'"),
        (HEAD, "", "the key line"),
        (HEAD + "line = []\n", "line", "at least one"),
        (HEAD + LINE + LINE, "line[1].name", "no other line"),
        (HEAD + LINE.replace("20001", "0"), "line[0].address", "a port from 1"),
        (HEAD + LINE.replace("127.0.0.1", "localhost"), "line[0].address", "an IP address"),
        (HEAD + LINE + "delay_ms = 1\n", "line[0].delay_ms", "delay_us"),
        (HEAD + LINE + '[session]\nname = "ELEVEN_LONG"\n', "session.name", "1 to 10"),
        (HEAD + LINE + '[session]\nname = ""\n', "session.name", "1 to 10"),
        (HEAD + LINE + "[generator]\nrate = 0\n", "generator.rate", ">= 0.001"),
        (HEAD + LINE + '[generator]\n[file]\npath = "x"\n', "file", "either"),
        (
            HEAD + LINE + '[file]\npath = "x"\n[snapshot]\naddress = "127.0.0.1:1"\n',
            "snapshot",
            "a [generator]",
        ),
        (HEAD + LINE + '[requests]\naddress = "239.1.1.1:1"\n', "requests.address", "this machine"),
        (HEAD + LINE + '[requests]\naddress = "0.0.0.0:1"\n', "requests.address", "allow_remote"),
        (HEAD + LINE + '[requests]\naddress = "127.0.0.1:1"\nmessages = 0\n', "requests.messages", ">= 1"),
        (HEAD + LINE + '[snapshot]\naddress = "127.0.0.1:0"\n', "snapshot.address", "a port from 1"),
    ],
)
def test_a_wrong_configuration_says_where_and_what(
    text: str, where: str, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "exchange.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert raised.value.where == where
    assert expected in str(raised.value)


def test_the_shipped_configuration_sends_what_the_demo_receives() -> None:
    exchange = load(ROOT / "configs" / "exchange.toml")
    demo = load_config(ROOT / "configs" / "demo.toml")
    assert exchange.protocol == demo.protocol.name
    assert [line.address for line in exchange.lines] == [line.address for line in demo.channels[0].lines]


def command_of(file: Path, sockets: list[socket.socket], *more: str) -> list[str]:
    ports = [each.getsockname()[1] for each in sockets]
    file.write_text(
        f"""
        protocol = "itch50"
        session = {{ name = "DAY", heartbeat_ms = 50, end_ms = 50 }}
        line = [
            {{ name = "A", address = "127.0.0.1:{ports[0]}" }},
            {{ name = "B", address = "127.0.0.1:{ports[1]}" }},
        ]
        snapshot = {{ address = "127.0.0.1:{ports[2]}", interval_ms = 50 }}
        requests = {{ address = "127.0.0.1:0" }}
        send = {{ sleep_only = true }}
        """
    )
    return [str(Path(sysconfig.get_path("scripts")) / "feedhandler"), "exchange", str(file), *more]


def test_the_command_publishes_for_a_time(tmp_path: Path, sockets: list[socket.socket]) -> None:
    books = tmp_path / "books.json"
    command = command_of(tmp_path / "e.toml", sockets, "--duration", "0.3", "--books", str(books), "--json")
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    told = json.loads(done.stdout)
    assert "requests to 127.0.0.1:" in done.stderr
    assert told["messages"] > 1_000
    assert told["snapshots"] >= 2
    assert json.loads(books.read_text())["next_sequence"] == told["next_sequence"] == told["messages"] + 1
    assert header_of("itch50", until_end("itch50", sockets[0])[-1]).sequence == told["next_sequence"]


def test_an_interrupt_ends_the_session_in_order(tmp_path: Path, sockets: list[socket.socket]) -> None:
    command = command_of(tmp_path / "e.toml", sockets)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        until_messages("itch50", sockets[0], 100)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert until_end("itch50", sockets[1])
    for said in ("session", "DAY, itch50", "snapshots", "requests answered", "127.0.0.1:"):
        assert said in out


def test_the_documents_example_runs(sockets: list[socket.socket]) -> None:
    document = (ROOT / "docs" / "exchange.md").read_text(encoding="utf-8")
    program = document.partition("```python\n")[2].partition("```")[0]
    program = program.replace("20001", str(sockets[0].getsockname()[1]))
    shown = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    assert shown.startswith("127.0.0.1:")
    assert shown.endswith(" ACME\n")


def test_every_counter_of_requests_is_described() -> None:
    document = (ROOT / "docs" / "exchange.md").read_text(encoding="utf-8")
    described = re.findall(
        r"^\| `(\w+)` ", document.partition("## Re-requests")[2].partition("## ")[0], re.MULTILINE
    )
    counted = set(Requests.__struct_fields__) - {"received", "answered", "messages", "bytes"}
    assert set(described) == counted
