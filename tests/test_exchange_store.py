"""What is kept for who asks again, and what is answered: against a plain list; and how often."""

import struct

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.exchange.requests import Allowance
from replay.exchange.store import Store
from replay.generator import START_NS, Generator, Packet
from replay.schedule import Schedule
from replay.wire import WIRES, Header, Request

both_protocols = pytest.mark.parametrize("protocol", ["msgpack", "itch50"])


def mold(sequence: int, sizes: list[int], sent_ns: int = 0) -> Packet:
    blocks = b"".join(struct.pack(">H", size) + bytes([sequence % 256]) * size for size in sizes)
    header = struct.pack(">10sQH", b"S         ", sequence, len(sizes))
    return Packet(sent_ns, sequence, len(sizes), header + blocks)


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 0, 0, 1, 3]), st.lists(st.integers(0, 60), min_size=1, max_size=8)),
        max_size=40,
    ),
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 70), st.integers(0, 45)), max_size=20),
)
def test_an_answer_is_what_a_list_of_all_messages_says(
    packets: list[tuple[int, list[int]]], kept: int, asked: list[tuple[int, int, int]]
) -> None:
    wire, room = WIRES["itch50"], 150
    store, sequence = Store(wire, "S", kept, 20 + room), 1
    blocks: dict[int, tuple[int, bytes]] = {}
    for number, (missing, sizes) in enumerate(packets):
        packet = mold(sequence + missing, sizes, number)
        store.add([packet, packet])
        blocks |= dict(
            enumerate(((number, block) for block in wire.messages(packet.payload)), packet.sequence)
        )
        sequence += missing + len(sizes)
    for first, count, now_ns in asked:
        wanted: list[bytes] = []
        for number in range(first, first + count):
            sent_ns, block = blocks.get(number, (now_ns + 1, b""))
            if sent_ns > now_ns or (wanted and len(b"".join(wanted) + block) > room):
                break
            wanted.append(block)
        found = store.answer(Request("S", first, count), now_ns)
        if isinstance(found, str):
            assert not wanted or (found == "too_old" and first < sequence - kept)
            assert found != "not_sent_yet" or all(ns > now_ns for n, (ns, _) in blocks.items() if n >= first)
        else:
            answer, number = found
            assert answer == struct.pack(">10sQH", b"S         ", first, len(wanted)) + b"".join(wanted)
            assert number == len(wanted) > 0


def test_memory_is_bounded() -> None:
    store = Store(WIRES["itch50"], "S", 100)
    for first in range(1, 100_000, 4):
        store.add([mold(first, [10] * 4)])
    assert len(store._packets) <= 60
    assert store.answer(Request("S", 1, 1), 1) == "too_old"


def test_why_there_is_no_answer() -> None:
    store = Store(WIRES["itch50"], "S", 4)
    assert store.answer(Request("S", 1, 1), 9) == "not_sent_yet"
    store.add([mold(1, [10, 10]), mold(3, [10, 10]), mold(5, [10, 10], sent_ns=50)])
    assert store.answer(Request("T", 5, 1), 9) == "other_session"
    assert store.answer(Request("S", 5, 0), 9) == "nothing_asked"
    assert store.answer(Request("S", 2, 1), 9) == "too_old"
    assert store.answer(Request("S", 5, 1), 49) == "not_sent_yet"
    assert store.answer(Request("S", 7, 1), 99) == "not_sent_yet"
    assert isinstance(store.answer(Request("S", 5, 1), 50), tuple)
    store.begin("T")
    assert store.answer(Request("S", 5, 1), 99) == "other_session"


@both_protocols
def test_headers_and_messages_are_read_as_they_are_written(protocol: str) -> None:
    wire = WIRES[protocol]
    generator = Generator(3, protocol="itch50" if protocol == "itch50" else "msgpack", session="DAY")
    for packet in generator.until(START_NS + 50_000_000):
        assert wire.read_header(packet.payload) == Header("data", "DAY", packet.sequence, packet.messages)
        messages = wire.messages(packet.payload)
        header = wire.header(Header("data", "DAY", packet.sequence, packet.messages), packet.send_time_ns)
        assert len(messages) == packet.messages
        assert header + b"".join(messages) == packet.payload
    assert wire.read_header(generator.heartbeat(5)) == Header("heartbeat", "DAY", generator.next_sequence, 0)
    assert wire.read_header(generator.end_of_session(5)) == Header(
        "end_of_session", "DAY", generator.next_sequence, 0
    )


@given(st.binary(max_size=100))
def test_any_bytes_are_a_request_or_none(datagram: bytes) -> None:
    for wire in WIRES.values():
        request = wire.read_request(datagram)
        assert request is None or 0 <= request.messages < 1 << 16
        wire.read_header(datagram)
        wire.messages(datagram)


def test_requests_are_as_the_specifications_say() -> None:
    mold_request = struct.pack(">10sQH", b"DAY       ", 42, 7)
    assert WIRES["itch50"].read_request(mold_request) == Request("DAY", 42, 7)
    assert WIRES["itch50"].read_request(mold_request + b"\0") is None
    assert WIRES["msgpack"].read_request(msgpack.packb(["DAY", 42, 7])) == Request("DAY", 42, 7)
    for wrong in (["DAY", 42], ["DAY", -1, 7], ["DAY", 42, 1 << 16], [1, 42, 7], ["DAY", "42", 7]):
        assert WIRES["msgpack"].read_request(msgpack.packb(wrong)) is None


def test_so_many_a_second_are_answered() -> None:
    allowance = Allowance(10)
    times = [allowance.take(now_ns) for now_ns in range(0, 2_000_000_000, 10_000_000)]
    assert sum(times[:100]) == 10 + 9
    assert sum(times[100:]) == 10


def test_heartbeats_fill_silence_and_lines_lag() -> None:
    schedule = Schedule(WIRES["itch50"], "S", [0, 30], heartbeat_ns=1_000)
    schedule.begin(0)
    schedule.add([mold(1, [4], sent_ns=500), mold(2, [4], sent_ns=2_800)], 3, horizon_ns=5_000)
    headers = [
        (due_ns, line, *header[2:])
        for due_ns, line, packet in schedule.until(5_000)
        if (header := WIRES["itch50"].read_header(packet)) is not None
    ]
    line_a = [
        (500, 0, 1, 1),
        (1_500, 0, 2, 0),
        (2_500, 0, 2, 0),
        (2_800, 0, 2, 1),
        (3_800, 0, 3, 0),
        (4_800, 0, 3, 0),
    ]
    line_b = [(due_ns + 30, 1, *rest) for due_ns, _, *rest in line_a]
    assert headers == sorted(line_a + line_b)
    assert schedule.heartbeats == 4

    schedule.end(3, 6_000)
    assert [(due_ns, line) for due_ns, line, _ in schedule.until(6_010)] == [(6_000, 0)]
    assert [(due_ns, line) for due_ns, line, _ in schedule.until(7_000)] == [(6_030, 1)]
